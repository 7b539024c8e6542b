# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A module as Ansible runs it on a host: its own main(), options as JSON in, JSON out, one process for each run.

`Modules()` starts this file as a small process that has Ansible's module code imported and forks itself for each run: 20 ms instead of
half a second. As a subreaper it inherits whatever a run leaves running, and reports it.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import json
import os
import pkgutil
import select
import signal
import subprocess
import sys
import tempfile
import time

PACKAGE = "ansible_collections.coracle.launcher.plugins.modules"
CORE = "ansible_collections.coracle.launcher.plugins.module_utils._coracle"
LIMIT = 60.0  # seconds until a run counts as hanging and is killed
GRACE = 5.0  # seconds in which the children of a killed run must have gone too
_SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER, <linux/prctl.h>


class Run:
    """How a run ended. `code`: exit status, -9 for killed; `values`: the JSON it printed, or None; `seconds`: wall time; `cpu`: of CPU.

    `rss`: bytes, the largest of the module's process and all that it waited for. `orphans`: how many processes it left running.
    """

    def __init__(self, told: dict):
        self.code, self.out, self.err = told["code"], told["out"], told["err"]
        self.seconds, self.cpu, self.rss = told["seconds"], told["cpu"], told["rss"]
        self.orphans, self.hung = told["orphans"], told["hung"]
        self.values = None
        with contextlib.suppress(ValueError):
            self.values = json.loads(self.out)

    def __repr__(self):
        return f"code {self.code}, {self.seconds:.2f} s, {self.rss >> 20} MiB, {self.orphans} orphans\n{self.out}\n{self.err}"

    @property
    def message(self) -> str:
        return (self.values or {}).get("msg", "")

    @property
    def changed(self) -> bool:
        return (self.values or {}).get("changed", False)


class Modules:
    """Runs of one module, one after the other: `modules(src=..., dest=...)`."""

    def __init__(self, name: str = "container_rootfs"):
        command = [sys.executable, "-B", os.path.abspath(__file__), name]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)

    def __call__(self, kill_after: float | None = None, **options) -> Run:
        """Run it. `kill_after`: seconds until kill -9 of the module's process alone."""
        self._process.stdin.write(json.dumps({"options": options, "kill_after": kill_after}) + "\n")
        answer = self._process.stdout.readline()
        assert answer, f"the process that runs modules has ended: {self._process.wait()}"
        return Run(json.loads(answer))

    def close(self) -> None:
        self._process.stdin.close()
        self._process.wait(10)


def serve(name: str) -> None:
    """Answer each line of stdin, a run that is asked for, by a line on stdout."""
    from ansible.module_utils import basic  # pylint: disable=import-outside-toplevel

    ctypes.CDLL(None).prctl(_SUBREAPER, 1, 0, 0, 0)
    module = importlib.import_module(f"{PACKAGE}.{name}")
    _import_what_comes_later()
    for line in sys.stdin:
        asked = json.loads(line)
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            start = time.monotonic()
            pid = os.fork()
            if pid == 0:
                _be_the_module(module, basic, asked["options"], out.fileno(), err.fileno())
            told = _wait(pid, asked["kill_after"], start)
            told.update(out=_text(out), err=_text(err))
        sys.stdout.write(json.dumps(told) + "\n")
        sys.stdout.flush()


def _import_what_comes_later() -> None:
    """The module's code imports in functions what only some runs need. Here each run would compile it anew."""
    core = importlib.import_module(CORE)
    for found in pkgutil.walk_packages(core.__path__, f"{CORE}."):
        importlib.import_module(found.name)


def _be_the_module(module, basic, options: dict, out: int, err: int) -> None:
    code = 1
    try:
        null = os.open("/dev/null", os.O_RDONLY)
        for number, fd in enumerate((null, out, err)):
            os.dup2(fd, number)
        basic._ANSIBLE_ARGS = json.dumps({"ANSIBLE_MODULE_ARGS": options}).encode()
        basic._ANSIBLE_PROFILE = "legacy"
        module.main()
    except SystemExit as error:
        code = error.code or 0
    except BaseException:  # as the interpreter would
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _wait(pid: int, kill_after: float | None, start: float) -> dict:
    limit = LIMIT if kill_after is None else kill_after
    process = os.pidfd_open(pid)
    ended = select.select([process], [], [], max(0.0, limit - (time.monotonic() - start)))[0]
    if not ended:
        signal.pidfd_send_signal(process, signal.SIGKILL)
    os.close(process)
    status, usage = os.wait4(pid, 0)[1:]
    seconds = time.monotonic() - start
    return {"code": os.waitstatus_to_exitcode(status), "seconds": seconds, "cpu": usage.ru_utime + usage.ru_stime,
            "rss": usage.ru_maxrss << 10, "hung": not ended and kill_after is None, "orphans": _orphans(0 if ended else GRACE)}


def _orphans(grace: float) -> int:
    """Wait for the children that a run left to us; return how many had to be killed, `grace` seconds later."""
    deadline = time.monotonic() + grace
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0] or time.monotonic() < deadline:
            time.sleep(0.001)
    left = set()
    with contextlib.suppress(ChildProcessError):
        while True:
            for child in _children():
                os.kill(child, signal.SIGKILL)
                left.add(child)
            os.waitpid(-1, 0)
    return len(left)


def _children() -> list[int]:
    with open(f"/proc/self/task/{os.getpid()}/children", encoding="ascii") as file:
        return [int(word) for word in file.read().split()]


def _text(file) -> str:
    file.seek(0)
    return file.read().decode(errors="backslashreplace")


if __name__ == "__main__":
    serve(sys.argv[1])
