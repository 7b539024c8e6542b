# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module's side of a command in a container: it starts the process that enters (execution.py), feeds it and keeps what comes back, up
to a limit and whatever the command does: floods, never reads, never ends."""

from __future__ import annotations

import _signal
import errno
import fcntl
import os
import select
import sys
import time

from ..base import libc, places
from ..base.errors import HOST_FAILED, LauncherError
from ..kernel import procs, sealing
from . import execution

_PIECE = 65536
_LONGEST_ANSWER = 1 << 20
_OVERDUE = 10.0  # seconds more than a deadline's own, after which something must be stuck in the kernel


class Kept:
    """The first `limit` bytes of a stream, and how many bytes it had in all."""

    __slots__ = ("data", "limit", "size")

    def __init__(self, limit: int):
        self.data, self.limit, self.size = bytearray(), limit, 0

    def take(self, piece: bytes) -> None:
        self.size += len(piece)
        self.data += piece[:max(0, self.limit - len(self.data))]

    @property
    def is_cut(self) -> bool:
        return self.size > self.limit


class Conversation:
    """One command. run() returns the answer; then `stdout` and `stderr` are what it has written."""

    __slots__ = ("stdout", "stderr", "_answer", "_readers", "_stdin", "_input")

    def __init__(self, stdin: bytes, limit: int):
        self.stdout, self.stderr, self._answer = Kept(limit), Kept(limit), Kept(_LONGEST_ANSWER)
        self._readers: dict[int, Kept] = {}
        self._stdin, self._input = -1, memoryview(stdin)

    def run(self, request: execution.Request) -> execution.Answer:
        """Have the installed launcher do it. LauncherError when it cannot be started, or does not come back."""
        pid = self._start(request)
        overdue = None if request.seconds is None else time.monotonic() + request.seconds + _OVERDUE
        came_back = False
        try:
            came_back = self._exchange(overdue)
        finally:
            for descriptor in (*self._readers, self._stdin):
                if descriptor >= 0:
                    os.close(descriptor)
            if came_back:
                os.waitpid(pid, 0)
            else:
                _give_up(request, pid)
        answer = execution.parse_answer(bytes(self._answer.data))
        if not came_back:
            raise LauncherError("could not be ended: something in it waits in the kernel for ever", option="timeout", value=request.seconds,
                                remedy=f"Stop the container: coracle stop {request.name}")
        if answer is None:
            raise LauncherError("the process that enters the container was killed", remedy="Run it again; see the kernel's log for an OOM kill")
        return answer

    def _start(self, request):
        """Start the process and send it the request. Returns its pid."""
        pipes = [os.pipe() for _number in range(5)]  # read end, write end: input, stdout, stderr, request, answer
        theirs = [pipes[0][0], pipes[1][1], pipes[2][1], pipes[3][0], pipes[4][1]]
        parent = os.getpid()
        pid = os.fork()
        if pid == 0:
            _become(theirs, parent)
        for descriptor in theirs:
            os.close(descriptor)
        self._stdin = pipes[0][1]
        self._readers = {pipes[1][0]: self.stdout, pipes[2][0]: self.stderr, pipes[4][0]: self._answer}
        try:
            _write_all(pipes[3][1], request.render())
        finally:
            os.close(pipes[3][1])
        os.set_blocking(self._stdin, False)
        return pid

    def _exchange(self, overdue):
        """False when it has not ended at the time `overdue`."""
        poll = select.poll()
        for descriptor in self._readers:
            poll.register(descriptor, select.POLLIN)
        poll.register(self._stdin, select.POLLOUT)
        while self._readers:
            left = None if overdue is None else overdue - time.monotonic()
            if left is not None and left <= 0:
                return False
            for descriptor, _events in poll.poll(None if left is None else left * 1000 + 1):
                if descriptor == self._stdin:
                    self._feed(poll)
                elif not self._keep(descriptor):
                    poll.unregister(descriptor)
                    os.close(descriptor)
        return True

    def _keep(self, descriptor):
        """False at the end of the stream."""
        piece = os.read(descriptor, _PIECE)
        if piece:
            self._readers[descriptor].take(piece)
        else:
            del self._readers[descriptor]
        return bool(piece)

    def _feed(self, poll):
        try:
            self._input = self._input[os.write(self._stdin, self._input[:_PIECE]):]
        except BlockingIOError:
            return
        except BrokenPipeError:  # it does not want more
            self._input = self._input[:0]
        if not self._input:
            poll.unregister(self._stdin)
            os.close(self._stdin)
            self._stdin = -1


def _write_all(descriptor, data):
    view = memoryview(data)
    try:
        while view:
            view = view[os.write(descriptor, view):]
    except BrokenPipeError:
        return  # it has ended already; its answer says why


def _give_up(request, pid):
    """End the process that enters, and what it can then no longer end itself. One that hangs in the kernel is left to init."""
    from . import deadline

    pidfd = os.pidfd_open(pid)
    procs.send(pidfd, _signal.SIGKILL)
    group = deadline.Nested(request.name, pid)
    group.kill()
    group.dissolve()
    procs.wait_end(pidfd, 1.0)
    os.close(pidfd)
    os.waitpid(pid, os.WNOHANG)


def _become(descriptors, parent):
    """The child: its five descriptors as 0 to 4, nothing else of the module's, then the sealed interpreter. Never returns."""
    try:
        libc.prctl(libc.PR_SET_PDEATHSIG, _signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(HOST_FAILED)
        os.chdir("/")
        _signal.pthread_sigmask(_signal.SIG_SETMASK, [])
        high = [fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 10) for descriptor in descriptors]  # out of the way of 0 to 4
        for number, descriptor in enumerate(high):
            os.dup2(descriptor, number)
        libc.close_range(len(high))
        tree = os.path.realpath(f"{places.LIBRARY}/current")
        sealing.execute_sealed([sys.executable, "-I", "-S", f"{tree}/__main__.py", "execution"], {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"})
    except OSError as error:
        problem = f"the launcher cannot be started: {error.strerror or errno.errorcode.get(error.errno or 0, '')}"
        os.write(4, execution.Answer(HOST_FAILED, error=LauncherError(problem)).render())
    finally:
        os._exit(HOST_FAILED)
