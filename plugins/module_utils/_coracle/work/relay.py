# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Between the caller's terminal or pipes and those of a container: bytes in both directions, window size, the terminal's raw mode.

The caller's own terminal never enters a container: with it a process inside could type for its owner (TIOCSTI).
"""

from __future__ import annotations

import _signal
import _socket
import errno
import fcntl
import os
import select
import sys
import termios

from ..kernel import devices

_PIECE = 65536


class Terminal:
    """A pseudo-terminal in the container, the caller's terminal in raw mode while it is connected."""

    __slots__ = ("_here", "_there", "_saved", "_master", "_wake")

    def __init__(self):
        self._here, self._there = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_STREAM | _socket.SOCK_CLOEXEC)
        self._saved, self._master, self._wake = None, -1, None

    def child_end(self) -> int:
        """The descriptor through which the child sends its master; for Entry.terminal."""
        return self._there.fileno()

    def connect(self) -> int | None:
        """Receive the master, which the child opens in its own devpts; None when the child ended before."""
        self._there.close()
        try:
            _data, ancillary, _flags, _address = self._here.recvmsg(1, 64)
        except ConnectionResetError:
            ancillary = []
        self._here.close()
        if not ancillary:
            return None
        self._master = int.from_bytes(ancillary[0][2][:4], sys.byteorder)
        os.set_inheritable(self._master, False)
        self._copy_size()
        self._raw()
        return self._master

    def _raw(self):
        self._saved = termios.tcgetattr(0)
        mode = termios.tcgetattr(0)
        mode[0] &= ~(termios.BRKINT | termios.ICRNL | termios.INPCK | termios.ISTRIP | termios.IXON)
        mode[1] &= ~termios.OPOST
        mode[2] = mode[2] & ~(termios.CSIZE | termios.PARENB) | termios.CS8
        mode[3] &= ~(termios.ECHO | termios.ICANON | termios.IEXTEN | termios.ISIG)
        mode[6][termios.VMIN], mode[6][termios.VTIME] = 1, 0
        termios.tcsetattr(0, termios.TCSADRAIN, mode)

    def _copy_size(self):
        try:
            size = fcntl.ioctl(0, devices.TIOCGWINSZ, bytes(8))
            fcntl.ioctl(self._master, devices.TIOCSWINSZ, size)
        except OSError as error:
            if error.errno != errno.ENOTTY:
                raise

    def resized(self) -> None:
        """The caller's window has another size."""
        self._copy_size()

    def restore(self) -> None:
        """Give the caller's terminal back as it was."""
        if self._saved is not None:
            termios.tcsetattr(0, termios.TCSADRAIN, self._saved)
            self._saved = None
        if self._master >= 0:
            os.close(self._master)
            self._master = -1


class Pipes:
    """Three pipes for a caller without a terminal: the container never holds the caller's own files, which it could read back or
    truncate through /proc/self/fd."""

    __slots__ = ("child", "stdin", "stdout", "stderr")

    def __init__(self):
        stdin_read, self.stdin = os.pipe()
        self.stdout, stdout_write = os.pipe()
        self.stderr, stderr_write = os.pipe()
        self.child = (stdin_read, stdout_write, stderr_write)

    def close_child_ends(self) -> None:
        for descriptor in self.child:
            os.close(descriptor)


class Loop:
    """Copies until the process behind `pidfd` has ended and what it wrote is delivered."""

    def __init__(self, pidfd: int):
        self._pidfd = pidfd
        self._poll = select.poll()
        self._copies = {}  # source descriptor -> (target, what to do at its end)
        self._waiting = {}  # target descriptor that is full -> (source, bytes that it did not take)
        self._poll.register(pidfd, select.POLLIN)
        self._signals = {}

    def copy(self, source: int, target: int, at_end, into: bool = False) -> None:
        """Copy from now on; call `at_end` when either side has ended. `into`: the target is an input of the container, which must not
        stop us when nobody reads it: a program that waits for its output to be read does not read its input."""
        self._copies[source] = (target, at_end)
        if into:
            os.set_blocking(target, False)
        self._watch(source)

    def on_signal(self, number: int, function) -> None:
        """Call `function(number)` when the caller gets this signal while the loop runs."""
        self._signals[number] = _signal.signal(number, lambda received, _frame: function(received))

    def run(self, outputs: tuple[int, ...]) -> None:
        """Return when the process has ended and what it wrote to `outputs` is delivered. Others that it left behind may go on writing
        there for ever: what was in the pipe at its end is the end."""
        left = None
        while True:
            ready = self._poll.poll(None if left is None else 50)
            for descriptor, _events in ready:
                if descriptor == self._pidfd:
                    self._poll.unregister(self._pidfd)
                    left = {output: max(_PIECE, _unread(output)) for output in outputs if output in self._copies}
                    continue
                if descriptor in self._waiting:
                    self._flush(descriptor)
                if descriptor in self._copies and not self._is_paused(descriptor):
                    count = self._turn(descriptor)
                    if left is not None and descriptor in left:
                        left[descriptor] -= count
            if left is not None and not any(fd in left and fd in self._copies and left[fd] > 0 for fd, _events in ready):
                break
        for number, before in self._signals.items():
            _signal.signal(number, before)

    def _is_paused(self, source):
        return any(waiting == source for waiting, _rest in self._waiting.values())

    def _watch(self, descriptor):
        """Tell the kernel what we wait for with this descriptor: the master of a terminal is source and target."""
        events = select.POLLIN if descriptor in self._copies and not self._is_paused(descriptor) else 0
        events |= select.POLLOUT if descriptor in self._waiting else 0
        if events:
            self._poll.register(descriptor, events)
            return
        try:
            self._poll.unregister(descriptor)
        except KeyError:
            pass

    def _turn(self, source):
        """Copy once; return the number of bytes read."""
        target, _at_end = self._copies[source]
        try:
            data = os.read(source, _PIECE)
        except BlockingIOError:
            return 0
        except OSError as error:
            if error.errno != errno.EIO:  # the last process has closed the slave
                raise
            data = b""
        if not data:
            self._end(source)
        else:
            self._send(source, target, data)
        return len(data)

    def _send(self, source, target, data):
        view = memoryview(data)
        try:
            while view:
                view = view[os.write(target, view):]
        except BlockingIOError:
            self._waiting[target] = (source, bytes(view))
            self._watch(target)
            self._watch(source)
        except BrokenPipeError:  # the reader has gone; SIGPIPE is ignored in Python
            self._end(source)

    def _flush(self, target):
        source, rest = self._waiting.pop(target)
        self._send(source, target, rest)
        self._watch(target)
        self._watch(source)

    def _end(self, source):
        _target, at_end = self._copies.pop(source)
        self._watch(source)
        if at_end is not None:
            at_end()


def _unread(descriptor):
    """Bytes that a pipe or terminal holds for its reader."""
    return int.from_bytes(fcntl.ioctl(descriptor, termios.FIONREAD, bytes(4)), sys.byteorder)
