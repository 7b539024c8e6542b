# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command `coracle`: words in, exit status out. A thin door to what the modules call; it talks, decides nothing, and imports late.

Exit status: `run` and `exec` 125 coracle or the host failed, 126, 127, else the payload's; `status` 0 running, 3 not, 4 unknown;
of other verbs 0 done or already so, 1 failed, 2 usage.
"""

from __future__ import annotations

import os
import sys

from ..base import places
from ..base.errors import LauncherError
from ..base.text import is_digits
from .arguments import FLAG, MANY, NUMBER, TEXT, Option, Usage, Verb, help_of, parse

_JSON = (Option("--format", "format", TEXT, "table|json", "table for people, json for jq"),
         Option("--json", "json", FLAG, "", "the same as --format json"))
_STOP = (Option("-t --timeout", "timeout", NUMBER, "SECONDS", "until SIGKILL (default: the container's stop_timeout)"),
         Option("-s --signal", "signal", TEXT, "SIGNAL", "instead of the container's stop_signal"),
         Option("--all", "all", FLAG, "", "all that run"))  # boot does not start these again, unless their policy is always

VERBS = (
    Verb("run", "PATH", "Run the container at PATH in the foreground, on this terminal",
         ("coracle run /tmp/slackware", "coracle run /var/lib/coracle/containers/web1", "echo ls | coracle run /tmp/slackware"), least=1, most=1),
    Verb("start", "NAME|PATH...", "Start containers; each has lived for a moment when this returns, or says why not",
         ("coracle start web1", "coracle start /tmp/slackware", "coracle start --grace 2 web1 web2"),
         (Option("--grace", "grace", NUMBER, "SECONDS", "that it must live (default 0.25)"),
          Option("--all", "all", FLAG, "", "all that do not run"))),
    Verb("stop", "NAME...", "Stop containers: stop signal, then SIGKILL after a timeout",
         ("coracle stop web1", "coracle stop -t 1 web1 web2", "coracle stop --all"), _STOP),
    Verb("restart", "NAME...", "Stop containers and start them again", ("coracle restart web1", "coracle restart web1 web2", "coracle restart --all"),
         (Option("--all", "all", FLAG, "", "all that run"),)),
    Verb("boot", "", "Start all containers whose restart policy asks for it, as the host does when it starts; tells what did not come up",
         ("coracle boot", "coracle boot || coracle list", "coracle shutdown && coracle boot"), most=0),
    Verb("shutdown", "", "Stop all containers, as the host does when it stops; coracle boot starts them again",
         ("coracle shutdown", "coracle shutdown -t 5", "coracle shutdown && coracle boot"),
         (Option("-t --timeout", "timeout", NUMBER, "SECONDS", "until SIGKILL (default: each container's stop_timeout)"),), most=0),
    Verb("list", "[NAME...]", "List containers, running or not",
         ("coracle list", "coracle list --json 'web*'", "coracle list -q"),
         (*_JSON, Option("-q --quiet", "quiet", FLAG, "", "names only"), Option("--no-headers", "bare", FLAG, "", "no first line"))),
    Verb("status", "NAME", "Tell how one container does; exit status 0 running, 3 not running, 4 unknown",
         ("coracle status web1", "coracle status web1 || coracle start web1", "coracle status web1 > /dev/null; echo $?"), least=1, most=1),
    Verb("inspect", "NAME...", "Print all that is known of containers, as JSON",
         ("coracle inspect web1", "coracle inspect web1 | jq '.[0].usage'", "coracle inspect web1 web2"), least=1),
    Verb("logs", "NAME", "Print what a container has written",
         ("coracle logs web1", "coracle logs -f --tail 20 web1", "coracle logs --stderr -t web1"),
         (Option("-f --follow", "follow", FLAG, "", "go on until it ends"), Option("--tail", "tail", NUMBER, "LINES", "only the last ones"),
          Option("--since", "since", TEXT, "TIME", "42m, 3h, or RFC 3339"), Option("-t --timestamps", "timestamps", FLAG, "", "with the time"),
          Option("--stdout", "stdout", FLAG, "", "only that"), Option("--stderr", "stderr", FLAG, "", "only that")), least=1, most=1),
    Verb("exec", "[OPTIONS] NAME COMMAND [ARG...]", "Run one more process in a running container",
         ("coracle exec web1 ps", "coracle exec -u 99:98 -w /tmp web1 /bin/bash", "coracle exec -i web1 cat < file"),
         (Option("-i --interactive", "stdin", FLAG, "", "pass standard input on"),
          Option("-t --tty", "tty", FLAG, "", "with a terminal (else: when there is one)"),
          Option("-T --no-tty", "no_tty", FLAG, "", "without"),
          Option("-u --user", "user", TEXT, "USER[:GROUP]", "instead of the container's"),
          Option("-w --workdir", "cwd", TEXT, "DIR", "in the container"),
          Option("-e --env", "env", MANY, "NAME=VALUE", "more environment")),
         least=2, rest=True),
    Verb("images", "", "List the images of this host and who uses them",
         ("coracle images", "coracle images --json", "coracle images --prune"),
         (*_JSON, Option("-q --quiet", "quiet", FLAG, "", "digests only"), Option("--no-headers", "bare", FLAG, "", "no first line"),
          Option("--prune", "prune", FLAG, "", "remove those that nobody uses, and list them")), most=0),
    Verb("wait", "NAME...", "Wait until containers have ended and print their exit codes",
         ("coracle wait job1", "coracle wait job1 job2", "coracle start job1 && coracle wait job1"), least=1),
)
_ALIASES = {"ls": "list"}
_SEALED = ("run", "exec", "supervisor")  # what enters a container, or forks what does


def main(words: list[str]) -> None:
    """Run one command line and exit."""
    try:
        _open_standard_streams()
        status = _run(words)
    except Usage as error:
        status = _complain(str(error), 2)
    except LauncherError as error:
        status = _complain(str(error), error.code if words[:1] in (["run"], ["exec"]) else 1)
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        status = _complain(f"the host refused: {error.strerror or error}{where}", 125 if words[:1] in (["run"], ["exec"]) else 1)
    except KeyboardInterrupt:
        status = 130
    raise SystemExit(status)


def _open_standard_streams():
    # Else a lock or a pipe of ours would become 0, 1 or 2, and be read from or written to as the caller's.
    while (fd := os.open("/dev/null", os.O_RDWR)) < 3:
        os.set_inheritable(fd, True)
    os.close(fd)


def say(text: str, stream: int = 1) -> None:
    """Write a line at once: a container may write to the same terminal next."""
    write_all(stream, text.encode("utf-8", "backslashreplace") + b"\n")


def write_all(stream: int, data: bytes) -> None:
    """Write to one of the caller's descriptors."""
    try:
        while data:
            data = data[os.write(stream, data):]
    except BrokenPipeError:
        raise SystemExit(141) from None  # the reader has what it wanted: end quietly, as after SIGPIPE


def _complain(text, status):
    say(f"coracle: {text}", 2)
    return status


def _run(words):
    if not words or words[0] in ("help", "--help", "-h"):
        say(_overview())
        return 0
    if words[0] == "--version":
        say(_version())
        return 0
    name = _ALIASES.get(words[0], words[0])
    if name == "supervisor":
        return _supervise(words)
    verb = next((verb for verb in VERBS if verb.name == name), None)
    if verb is None:
        raise _unknown(words[0])
    if any(word in ("--help", "-h") for word in words[1:2]):
        say(help_of(verb).rstrip("\n"))
        return 0
    values, names = parse(verb, words[1:])
    if os.geteuid() != 0:
        raise LauncherError("needs root", remedy="Use sudo")
    if name in _SEALED:
        _seal(words)
    from . import verbs

    return verbs.VERBS[name](values, names)


def _seal(words):
    """Go on in a sealed interpreter: the process that enters a container must not run from a file that could be written."""
    from ..kernel import sealing

    if not sealing.is_sealed():
        environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
        sealing.execute_sealed([sys.executable, "-I", "-S", f"{os.path.realpath(sys.path[0])}/__main__.py", *words], environment)


def _supervise(words):
    """Not for people: becomes the host's supervisor. `ready=N`: a pipe to close when it listens (work/client.py); `lock=N`: the
    lock, held already by the version that has just become this one."""
    _seal(words)
    from ..base import files
    from ..work import supervisor

    handed = dict(word.split("=") for word in words[1:] if word.count("=") == 1 and is_digits(word.partition("=")[2]))
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


def _overview():
    lines = ["coracle runs containers with nothing but the kernel.", "", "Usage: coracle VERB [OPTIONS] [NAME...]", ""]
    lines += [f"  {verb.name:9} {verb.purpose}" for verb in VERBS]
    return "\n".join([*lines, "", "coracle VERB --help tells more. Containers come from the Ansible collection coracle.launcher."])


def _version():
    from ..kernel.cgroup import detect

    try:
        mode = detect.find().mode
    except LauncherError:
        mode = "none"
    return f"coracle {os.path.basename(os.path.realpath(sys.path[0]))} (Python {sys.version.split()[0]}, cgroup {mode}, {places.LIBRARY})"


def _unknown(word):
    from difflib import get_close_matches

    known = [verb.name for verb in VERBS]
    near = get_close_matches(word, known, 1, 0.5)
    hint = f"Did you mean {near[0]}?" if near else "See coracle --help"
    if word == "ps":
        hint = "Did you mean list, or exec NAME ps?"
    return Usage(f"{word!r} is no verb", remedy=hint)
