# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A distribution's own unpacker by pipe, where Python has no library: fed and read by one loop that never waits for one side alone."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import select
import signal
import time

from ...base import text
from ...base.errors import ArchiveError, LauncherError
from ..entries import PIECE
from . import frames

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from .frames import Frame
    from .source import Bytes, Pieces, Source

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_F_SETPIPE_SZ = 1031  # <linux/fcntl.h>
_PIPE = 1 << 20  # bytes, as much as a user may have without asking the administrator
_ERRORS_KEPT = 4096
_LOOK = 200  # ms between looks at whether somebody still waits
_STALLED = 120  # s without a byte in or out: the tool hangs
_ENDING = 10  # s between the end of its output and that of the tool


def find(name: str) -> str | None:
    """Return the path of a tool of this host, or None."""
    for directory in PATH.split(":"):
        path = f"{directory}/{name}"
        if os.path.isfile(path) and os.access(path, os.X_OK):
            return path
    return None


def unpack(source: Source, name: str, walk: Iterator[Frame], command: tuple[str, ...], remedy: str, fine: tuple = (0,)) -> Pieces:
    """Return the pieces that the tool `command` makes of all frames. A piece may be empty. ArchiveError for what the tool refuses.

    `remedy`: what to install when there is no such tool. `fine`: its exit statuses when all is well.
    """
    path = find(command[0])
    if path is None:
        raise ArchiveError(f"is compressed with {name}, and this host has nothing that unpacks it", remedy=remedy)
    return _run(source, name, (chunk for frame in walk for chunk in frame.chunks), path, command, fine)


def _run(source: Source, name: str, chunks: Iterator[Bytes], path: str, command: tuple[str, ...], fine: tuple) -> Pieces:
    tool = _Tool(path, command)
    try:
        yield from tool.pump(chunks)
        status = tool.wait()
        if status not in fine or tool.refused:
            raise frames.broken(source, name, _problem(command[0], status, tool.last_line()))
    finally:
        tool.end()


def _problem(tool: str, status: int, said: str) -> str:
    if said:
        return said
    if status < 0:
        return f"{tool} was killed by signal {-status}"
    return f"{tool} ended with status {status}" if status else f"{tool} ended before its input"


class _Tool:
    """A process with three pipes. `refused`: it closed its input before the end."""

    def __init__(self, path: str, command: tuple[str, ...]):
        self._pid = 0
        self._path = path
        self.refused = False
        self._said = b""
        self._ours: dict[int, int] = {}  # its descriptor: our end of the pipe
        theirs: list[int] = []
        try:
            for number in range(3):
                reading, writing = os.pipe()
                theirs.append(writing if number else reading)
                self._ours[number] = reading if number else writing
                os.set_blocking(self._ours[number], False)
                _enlarge(reading)
            self._pid = _spawn(path, command, theirs)
        except BaseException:
            self.end()
            raise
        finally:
            for fd in theirs:
                os.close(fd)

    def pump(self, chunks: Iterator[Bytes]) -> Pieces:
        """Write `chunks`, and return what comes back. An empty piece now and then while nothing does."""
        waiting = memoryview(b"")
        idle = 0.0  # s that the tool kept us waiting; what our reader takes is not counted
        poll = select.poll()
        poll.register(self._ours[0], select.POLLOUT)
        poll.register(self._ours[1], select.POLLIN)
        poll.register(self._ours[2], select.POLLIN)
        while 1 in self._ours or 2 in self._ours:
            if 0 in self._ours and not waiting:
                waiting = memoryview(next(chunks, b""))
                if not waiting:
                    self._close(0, poll)
            began = time.monotonic()
            ready = {fd for fd, _events in poll.poll(_LOOK)}
            if self._ours.get(2) in ready and not self._listen():
                self._close(2, poll)
            idle = 0.0 if ready & {self._ours.get(0), self._ours.get(1)} else idle + time.monotonic() - began
            if idle:
                yield b""
            if idle > _STALLED:
                raise LauncherError(f"{self._path} has done nothing for {_STALLED} seconds")
            if self._ours.get(0) in ready:
                waiting = self._feed(waiting)
                if self.refused:
                    self._close(0, poll)
            if self._ours.get(1) in ready:
                piece = _read(self._ours[1], PIECE)
                if piece == b"":
                    self._close(1, poll)
                elif piece:
                    yield piece

    def _feed(self, waiting: memoryview) -> memoryview:
        try:
            return waiting[os.write(self._ours[0], waiting):]
        except BlockingIOError:
            return waiting
        except BrokenPipeError:
            self.refused = True
            return memoryview(b"")

    def _listen(self) -> bool:
        said = _read(self._ours[2], _ERRORS_KEPT)
        self._said = (self._said + (said or b""))[-_ERRORS_KEPT:]
        return said != b""

    def last_line(self) -> str:
        """Return the last line that it wrote to its standard error, with nothing in it that a terminal would obey."""
        lines = self._said.split(b"\n")
        return next((text.visible(line.strip()) for line in reversed(lines) if line.strip()), "")

    def _close(self, number: int, poll: select.poll) -> None:
        fd = self._ours.pop(number)
        poll.unregister(fd)
        os.close(fd)

    def wait(self) -> int:
        """Return the exit status, as a negative number the signal that ended it."""
        until = time.monotonic() + _ENDING
        while True:
            try:
                pid, status = os.waitpid(self._pid, os.WNOHANG)
            except ChildProcessError as error:  # whoever started us ignores SIGCHLD
                self._pid = 0
                raise LauncherError(f"the exit status of {self._path} is lost", remedy="Run it where SIGCHLD is not ignored") from error
            if pid:
                self._pid = 0
                return os.waitstatus_to_exitcode(status)
            if time.monotonic() > until:
                raise LauncherError(f"{self._path} does not end")
            time.sleep(0.001)

    def end(self) -> None:
        """Leave neither the process nor a descriptor."""
        for fd in self._ours.values():
            os.close(fd)
        self._ours = {}
        if self._pid:
            os.kill(self._pid, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(self._pid, 0)
            self._pid = 0


def _spawn(path: str, command: tuple[str, ...], theirs: list[int]) -> int:
    actions: list[tuple] = [(os.POSIX_SPAWN_DUP2, fd, number) for number, fd in enumerate(theirs)]
    actions += [(os.POSIX_SPAWN_CLOSE, fd) for fd in _inherited()]
    try:
        # No AnsibleModule here whose run_command() could be called, and it would take the whole output into memory.
        return os.posix_spawn(  # pylint: disable=ansible-bad-function
            path, command, {"PATH": PATH, "LC_ALL": "C"}, file_actions=actions, setsigmask=(), setsigdef=(signal.SIGPIPE,))
    except OSError as error:
        raise LauncherError(f"{path} cannot be started: {error.strerror}") from error


def _inherited() -> list[int]:
    """Return the descriptors that a program would get from us, without 0, 1 and 2."""
    found = []
    for name in os.listdir("/proc/self/fd") if os.path.isdir("/proc/self/fd") else ():
        try:
            if int(name) > 2 and os.get_inheritable(int(name)):
                found.append(int(name))
        except OSError:  # the one that listdir had
            continue
    return found


def _read(fd: int, size: int) -> bytes | None:
    try:
        return os.read(fd, size)
    except BlockingIOError:
        return None


def _enlarge(fd: int) -> None:
    try:
        fcntl.fcntl(fd, _F_SETPIPE_SZ, _PIPE)
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.EBUSY, errno.EINVAL):  # not allowed: it is slower, and works
            raise
