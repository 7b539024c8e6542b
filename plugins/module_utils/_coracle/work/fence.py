# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A fenced child process: whoever reads hostile bytes does it in there, and only its answer, one JSON text, comes out.

What it gives up before is in work/confine.py. It dies with its parent, and what it has started dies with it.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import time

from ..base.errors import ArchiveError, LauncherError
from ..formats.limits import Limits
from . import confine

TYPE_CHECKING = False
if TYPE_CHECKING:
    import typing as t
    from collections.abc import Callable, Iterable

_RESULT, _ARCHIVE, _LAUNCHER, _SYSTEM, _BUG = "result", "archive", "launcher", "system", "bug"  # the one key of an answer

_ANSWER_LIMIT = 1 << 20
_TICK = 200  # ms
_PATIENCE = 10.0  # seconds from the end of the answer to the end of the process


def run(work: Callable[[], t.Any], writable: int | None, limits: Limits, keep: Iterable[int] = (), readable: Iterable[int] = ()) -> t.Any:
    """Call `work` in a fenced child and return what it returns, which must be what JSON can say, at most 1 MiB of it.

    `writable`: descriptor of the only directory below which it may write, or None. `readable`: descriptors of directories that it reads.
    `keep`: further descriptors that stay open; all others are closed. Raises the child's ArchiveError, LauncherError or OSError as if it
    had happened here; LauncherError when a limit or a signal has ended it.
    """
    answers, answering = os.pipe()
    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        _child(work, answering, confine.Room(writable, tuple(readable), (answering, *keep), limits, parent))
    os.close(answering)
    patience = 0.0  # after an interruption
    try:
        answer = _receive(answers, pid)
        patience = _PATIENCE
    finally:
        os.close(answers)
        status = _end(pid, patience)
    return _result(answer, status, limits)


# --- the parent's side


def _receive(fd: int, pid: int) -> bytes:
    """Return the answer, which ends with a newline; less when the child ended before. What it has started may hold the pipe open."""
    answer = b""
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    while len(answer) <= _ANSWER_LIMIT and not answer.endswith(b"\n"):
        if poll.poll(_TICK):
            piece = os.read(fd, 65536)
            if not piece:
                break
            answer += piece
        elif _has_ended(pid) and not poll.poll(0):
            break
    return answer


def _has_ended(pid: int) -> bool:
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is not None


def _end(pid: int, patience: float) -> int:
    """Wait at most `patience` seconds until the child has ended by itself, end what is left of its group; return its wait(2) status."""
    until = time.monotonic() + patience
    while not _has_ended(pid) and time.monotonic() < until:
        time.sleep(0.001)
    for kill in (os.killpg, os.kill):  # it has not made its group yet when it is killed at once
        with contextlib.suppress(ProcessLookupError):
            kill(pid, signal.SIGKILL)
    return os.waitpid(pid, 0)[1]


def _result(answer: bytes, status: int, limits: Limits) -> t.Any:
    try:
        said = json.loads(answer)
    except ValueError:
        raise _ended(status, limits) from None
    (kind, value), = said.items()
    if kind == _RESULT:
        return value
    if kind == _SYSTEM:
        raise OSError(*value)
    if kind == _BUG:
        raise RuntimeError(f"in the process that reads the archive:\n{value}")
    raise (ArchiveError if kind == _ARCHIVE else LauncherError)(value.pop("problem"), **value)


def _ended(status: int, limits: Limits) -> LauncherError:
    """Return the error for a child that could not answer any more."""
    number = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
    if number == signal.SIGXCPU:
        return ArchiveError(f"took more than {confine.seconds(limits)} seconds of processor time",
                            remedy="Look at the archive: it is hostile, or broken")
    what = f"was ended by signal {number} ({signal.Signals(number).name})" if number else f"ended with status {os.WEXITSTATUS(status)}"
    why = ", most likely because the host ran out of memory" if number == signal.SIGKILL else ""
    return LauncherError(f"the process that reads the archive {what}{why}", remedy="Try again, and look at the kernel's log")


# --- the child's side


def _child(work: Callable[[], t.Any], answering: int, room: confine.Room) -> t.NoReturn:
    """Lock this process in, do the work, tell the answer and end. Nothing of the parent's is unwound, flushed or called at exit."""
    code = 1
    try:
        try:
            confine.lock_in(room)
            answer = {_RESULT: work()}
        except LauncherError as error:
            kind = _ARCHIVE if isinstance(error, ArchiveError) else _LAUNCHER
            answer = {kind: {name: getattr(error, name) for name in ("problem", "option", "value", "remedy", "place", "code")}}
        except MemoryError:
            answer = {_ARCHIVE: {"problem": f"needs more than {confine.MEMORY >> 20} MiB of memory to be unpacked",
                                 "remedy": "Repack it with a smaller dictionary or window"}}
        except OSError as error:
            answer = {_SYSTEM: _system_error(error)}
        except BaseException:
            import traceback

            answer = {_BUG: traceback.format_exc()}
        _tell(answering, json.dumps(answer).encode("ascii") + b"\n")
        code = 0
    finally:
        os._exit(code)


def _system_error(error: OSError) -> list:
    name = error.filename
    return [error.errno, error.strerror, os.fsdecode(name) if isinstance(name, (bytes, str)) else None]


def _tell(fd: int, answer: bytes) -> None:
    while answer:
        answer = answer[os.write(fd, answer):]
