# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Container output on disk, in CRI's format: `2026-11-24T05:59:44.590000000Z stdout F text`; P marks a piece of a line that goes on.

The log reader is a process of its own that holds neither the supervisor's lock nor its socket: a writer that stops inside write(2) can
hang whoever reads its pipe, and must not hang the supervisor. Who wants to read what it has written uses log_files.py.
"""

from __future__ import annotations

import errno
import os
import select
import stat
import time

NAME = "container.log"
OLD = "container.log.1"
STREAMS = ("stdout", "stderr")

_TURN = 16384  # bytes read from one stream in one turn, so that a flooder does not starve the others
_LINE = 16384  # a longer line is written in pieces, as conmon does
_RATE = 1 << 20  # bytes written for one container in a second; above it its pipe is left full and the writer waits
_BURST = 4 << 20


def directory_of(path: str) -> str:
    """Where the log files of the container at `path` are."""
    return f"{path}/log"


class _Sink:
    """The log file of one container: lines in, rotation at `limit` bytes, one old file kept. A file that cannot be written loses lines,
    never the container."""

    __slots__ = ("directory", "limit", "fd", "size", "lost", "allowance", "filled_at", "open_streams")

    def __init__(self, directory, limit):
        self.directory, self.limit = directory, limit
        self.fd, self.size, self.lost = -1, 0, 0
        self.allowance, self.filled_at = float(_BURST), time.monotonic()
        self.open_streams = 0

    def _open(self):
        """Open or make the file; never through a link, never something else than a regular file."""
        try:
            self._make_directory()
            self.fd = os.open(f"{self.directory}/{NAME}",
                              os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o600)
            info = os.fstat(self.fd)
            if not stat.S_ISREG(info.st_mode):
                raise OSError(errno.EINVAL, "is no regular file", NAME)
            self.size = info.st_size
        except OSError:
            self.close()

    def _make_directory(self):
        """Only this one, nothing above it: what a container writes last must not bring back one that has just been removed."""
        try:
            os.mkdir(self.directory, 0o700)
        except FileExistsError:
            pass

    def close(self):
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    def write(self, record):
        self.allowance -= len(record)
        if self.fd >= 0 and (os.fstat(self.fd).st_nlink == 0 or self.size + len(record) > self.limit > 0):
            self._rotate()
        if self.fd < 0:
            self._open()
        if self.fd < 0:
            self.lost += 1
            return
        try:
            view = memoryview(record)
            while view:
                view = view[os.write(self.fd, view):]
            self.size += len(record)
        except OSError:  # a full disk: count it, leave no half line, and try again with the next one
            self.lost += 1
            os.ftruncate(self.fd, self.size)

    def _rotate(self):
        named = os.fstat(self.fd).st_nlink > 0
        self.close()
        if named:
            try:
                os.rename(f"{self.directory}/{NAME}", f"{self.directory}/{OLD}")
            except OSError:
                self.lost += 1

    def wait(self, now):
        """Seconds until this container may write again; 0 for now."""
        self.allowance = min(float(_BURST), self.allowance + (now - self.filled_at) * _RATE)
        self.filled_at = now
        return 0.0 if self.allowance > 0 else -self.allowance / _RATE + 0.01


class _Stream:
    """One FIFO, its unfinished line (`goes_on`: pieces of it are written already), and the sink that it shares with the container's other."""

    __slots__ = ("container", "stream", "fd", "sink", "rest", "goes_on", "paused_until")

    def __init__(self, container, stream, fd, sink):
        self.container, self.stream, self.fd, self.sink = container, stream.encode(), fd, sink
        self.rest, self.goes_on, self.paused_until = b"", False, 0.0

    def turn(self):
        """Read once. False at the end of the stream: the container has ended, its last line is written."""
        try:
            data = os.read(self.fd, _TURN)
        except BlockingIOError:
            return True
        if not data:
            if self.rest or self.goes_on:  # the first line of another run is not the rest of this one
                self._record(timestamp(), b"F", self.rest)
                self.rest = b""
            return False
        stamp = timestamp()
        lines = (self.rest + data).split(b"\n")
        self.rest = lines.pop()
        for line in lines:
            self._record(stamp, b"F", line)
        while len(self.rest) >= _LINE:
            self._record(stamp, b"P", self.rest[:_LINE])
            self.rest = self.rest[_LINE:]
        return True

    def _record(self, stamp, tag, line):
        while len(line) > _LINE:
            self.sink.write(b"%s %s P %s\n" % (stamp, self.stream, line[:_LINE]))
            line = line[_LINE:]
        self.sink.write(b"%s %s %s %s\n" % (stamp, self.stream, tag, line))
        self.goes_on = tag == b"P"

    def flush(self):
        """Write what there is of a line that another reader will go on with."""
        if self.rest:
            self._record(timestamp(), b"P", self.rest)
            self.rest = b""


def timestamp() -> bytes:
    """Now in UTC as RFC 3339 with nanoseconds, as container runtimes write it."""
    nanoseconds = time.time_ns()
    moment = time.gmtime(nanoseconds // 1_000_000_000)
    return b"%04d-%02d-%02dT%02d:%02d:%02d.%09dZ" % (*moment[:6], nanoseconds % 1_000_000_000)


def read_forever(control: int, ended: int, fifo_directory: str) -> None:
    """The log reader: take orders from `control`, report to `ended`. Returns when the supervisor is gone and what lay in the pipes is written.

    Orders, one a line, fields divided by tabs: `add NAME LIMIT LOG-DIRECTORY`, `limit NAME LIMIT`. Reports, one a line: `+NAME` its
    pipes are open (until then somebody else must hold them, or what a short life wrote is lost), `-NAME` its output has ended.
    """
    _Reader(control, ended, fifo_directory).run()


class _Reader:
    __slots__ = ("control", "ended", "fifos", "epoll", "streams", "sinks", "orders")

    def __init__(self, control, ended, fifos):
        self.control, self.ended, self.fifos = control, ended, fifos
        self.epoll = select.epoll()
        self.streams, self.sinks, self.orders = {}, {}, b""
        os.set_blocking(control, False)
        self.epoll.register(control, select.EPOLLIN)

    def run(self):
        while True:
            for fd, events in self.epoll.poll(self._timeout()):
                if fd == self.control:
                    if not self._take_orders():
                        self._drain()
                        return
                elif fd in self.streams:
                    self._turn(self.streams[fd], events & select.EPOLLHUP)
            self._resume()

    def _timeout(self):
        paused = [stream.paused_until for stream in self.streams.values() if stream.paused_until]
        return max(0.0, min(paused) - time.monotonic()) if paused else -1

    def _take_orders(self):
        try:
            data = os.read(self.control, 65536)
        except BlockingIOError:
            return True
        if not data:
            return False
        lines = (self.orders + data).split(b"\n")
        self.orders = lines.pop()
        for line in lines:
            words = line.decode("utf-8", "surrogateescape").split("\t")
            if words[0] == "add":
                self._add(words[1], int(words[2]), words[3])
            elif words[0] == "limit" and words[1] in self.sinks:
                self.sinks[words[1]].limit = int(words[2])
        return True

    def _add(self, container, limit, directory):
        sink = _Sink(directory, limit)
        for stream in STREAMS:
            try:
                fd = os.open(f"{self.fifos}/{container}/{stream}", os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
            except OSError:
                continue
            self.streams[fd] = _Stream(container, stream, fd, sink)
            sink.open_streams += 1
            self.epoll.register(fd, select.EPOLLIN)
        self._tell(f"+{container}")
        if sink.open_streams:
            self.sinks[container] = sink
        else:
            self._tell(f"-{container}")

    def _turn(self, stream, has_ended):
        if not stream.turn():
            self._close(stream)
            return
        # When all writers are gone no more than what the pipe holds can come, and the end of a container waits for it.
        wait = 0.0 if has_ended else stream.sink.wait(time.monotonic())
        if wait:
            stream.paused_until = time.monotonic() + wait
            self.epoll.modify(stream.fd, 0)  # EPOLLHUP comes all the same

    def _resume(self):
        now = time.monotonic()
        for stream in self.streams.values():
            if stream.paused_until and stream.paused_until <= now:
                stream.paused_until = 0.0
                self.epoll.modify(stream.fd, select.EPOLLIN)

    def _close(self, stream):
        self.epoll.unregister(stream.fd)
        os.close(stream.fd)
        del self.streams[stream.fd]
        stream.sink.open_streams -= 1
        if stream.sink.open_streams == 0:
            stream.sink.close()
            if self.sinks.get(stream.container) is stream.sink:  # else the name has been started again meanwhile
                del self.sinks[stream.container]
                self._tell(f"-{stream.container}")

    def _tell(self, report):
        try:
            os.write(self.ended, report.encode() + b"\n")
        except OSError:
            pass  # the supervisor is gone; its successor asks a reader of its own

    def _drain(self):
        deadline = time.monotonic() + 2
        for stream in list(self.streams.values()):
            before = -1
            while time.monotonic() < deadline and before != stream.sink.size:
                before = stream.sink.size
                if not stream.turn():
                    break
            stream.flush()
