# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command `coracle`: words in, exit status out. A thin door to what the modules call; it talks, decides nothing, and imports late.

Exit status: `run` and `exec` 125 coracle or the host failed (usage too), 126, 127, else the payload's; `status` 0 running, 3 not,
4 unknown (usage too); of other verbs 0 done or already so, 1 failed, 2 usage.
"""

from __future__ import annotations

import os
import sys

from ..base.errors import HOST_FAILED, LauncherError
from ..base.text import is_digits

_ENTERING = ("run", "exec")  # their exit status may be that of the container's process
_UNKNOWN = 4  # of `status`: what cannot be asked is not known

# Which file has which verb's function; lifecycle.py has all others.
STREAMS = ("run", "exec", "logs")
VIEWS = ("list", "status", "inspect", "top", "stats", "images", "completion")


def main(words: list[str]) -> None:
    """Run one command line and exit."""
    subject: list[str] = []
    try:
        _open_standard_streams()
        _seal(words)
        status = _run(words, subject)
    except (LauncherError, OSError) as error:
        status = _fail(words, error, *subject)
    except KeyboardInterrupt:
        status = 130
    raise SystemExit(status)


def _open_standard_streams():
    # Else a lock or a pipe of ours would become 0, 1 or 2, and be read from or written to as the caller's.
    while (fd := os.open("/dev/null", os.O_RDWR)) < 3:
        os.set_inheritable(fd, True)
    os.close(fd)


def _seal(words):
    """Go on in a sealed interpreter: a process that enters a container, or forks what does, must not run from a file that could be written.
    Before anything else, since what is loaded by now is loaded a second time."""
    if not words or words[0] not in _ENTERING and words[0] not in _DOORS or os.geteuid() != 0:
        return
    from ..kernel import sealing

    if not sealing.is_sealed():
        environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
        sealing.execute_sealed([sys.executable, "-I", "-S", f"{os.path.realpath(sys.path[0])}/__main__.py", *words], environment)


def _run(words, subject):
    """Return the exit status. `subject`: filled with the container that the verb is about, as soon as that is known."""
    if words and words[0] in _DOORS:
        return _DOORS[words[0]](words[1:])
    from . import vocabulary
    from .arguments import HELP, parse

    if not words or words[0] in ("help", "--version", *HELP):
        return _describe(words)
    verb = vocabulary.find(words[0])
    if verb is None:
        from . import help as manual

        raise manual.unknown(words[0])
    values, names = parse(verb, words[1:])
    if "help" in values:
        return _describe(["help", verb.name])
    subject += filter(None, [verb.subject(names)])
    if os.geteuid() != 0 and verb.name != "completion":
        raise LauncherError("needs root", remedy="Use sudo")
    return carry_out(verb.name, values, names)


def carry_out(name: str, values: dict, names: list[str]) -> int:
    """Do what a verb is for; return the exit status. LauncherError, OSError: it could not be done."""
    if name in STREAMS:
        from . import streams

        return streams.VERBS[name](values, names)
    if name in VIEWS:
        from . import views

        return views.VERBS[name](values, names)
    from . import lifecycle

    return lifecycle.VERBS[name](values, names)


def _fail(words, error, subject=""):
    from . import vocabulary
    from .arguments import Usage
    from .output import complain

    is_usage = isinstance(error, Usage)
    complain(error, words[0] if is_usage and vocabulary.find(words[0]) else subject)
    if words[0] in _ENTERING:
        return HOST_FAILED if is_usage else getattr(error, "code", HOST_FAILED)
    return _UNKNOWN if words[0] == "status" else 2 if is_usage else 1


def _describe(words):
    from . import help as manual
    from . import vocabulary
    from .output import write_all

    if words[:1] == ["--version"]:
        write_all(1, manual.version().encode())
        return 0
    verb = vocabulary.find(words[1]) if words[1:] else None
    if words[1:] and verb is None:
        raise manual.unknown(words[1])
    write_all(1, (manual.overview() if verb is None else manual.help_of(verb)).encode())
    return 0


# --- doors that are not for people


def _supervise(words):
    """Becomes the host's supervisor. `ready=N`: a pipe to close when it listens (work/client.py); `lock=N`: the lock, held already by the
    version that has just become this one."""
    from ..base import files
    from ..work import supervisor

    handed = dict(word.split("=") for word in words if word.count("=") == 1 and is_digits(word.partition("=")[2]))
    lock = files.Lock(supervisor.LOCK)
    if "lock" in handed:
        lock.inherit(int(handed["lock"]))
    elif not lock.take(wait=False):
        return 3  # another one was first
    ready = int(handed.get("ready", -1))
    if ready >= 0:
        os.set_inheritable(ready, False)
    _allow_many_descriptors()
    supervisor.Supervisor(os.path.basename(os.path.realpath(sys.path[0])), lock).serve(ready)
    return 0


def _allow_many_descriptors():
    import resource

    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _enter(_words):
    """Enters a container for the module container_exec, which talks through the descriptors 3 and 4."""
    from ..work import execution

    return execution.serve(3, 4)


_DOORS = {"supervisor": _supervise, "execution": _enter}
