# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What containers have written: the records of the log on disk (logs.py), one after the other, once or as they come."""

from __future__ import annotations

import os
import stat
from collections import deque

from ..base import text
from . import logs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

    Record = tuple[str, str, bytes]  # RFC 3339 time, stream, message without its newline; pieces of long lines are joined

_LIMIT = 32 << 20  # bytes at the end of each file that are read


def records(path: str) -> list[Record]:
    """All of the log of the container at `path`, oldest first."""
    return list(read(path))


def read(path: str) -> Iterator[Record]:
    """The same one by one."""
    follower = Follower(path)
    try:
        yield from follower.more()
        yield from follower.unfinished()
    finally:
        follower.close()


def tail(path: str, lines: int, since: str = "") -> list[str]:
    """The last `lines` of the output, stdout and stderr as they came, safe to show on a terminal.

    `since`: only what came at this time (as logs.timestamp() writes it) or later.
    """
    found, _omitted = select(path, since=since, most=lines)
    return [text.printable(message) for _stamp, _stream, message in found]


def select(path: str, streams: tuple[str, ...] = logs.STREAMS, since: str = "", until: str = "",
           most: int | None = None) -> tuple[list[Record], int]:
    """Return the last `most` (None: all) of the records that match(), oldest first, and how many more there are before them."""
    found: deque[Record] = deque(maxlen=most)
    count = 0
    for record in read(path):
        if match(record, streams, since, until):
            found.append(record)
            count += 1
    return list(found), count - len(found)


def match(record: Record, streams: tuple[str, ...] = logs.STREAMS, since: str = "", until: str = "") -> bool:
    """True for a record of one of `streams` that came between both times, these included. Times as base/moments.py makes them, or empty."""
    stamp, stream, _message = record
    return stream in streams and stamp >= since and (not until or stamp <= until)


class Follower:
    """Reads a log from its beginning, and later what has come since, whatever is rotated meanwhile."""

    __slots__ = ("_directory", "_file", "_partial")

    def __init__(self, path: str):
        self._directory = logs.directory_of(path)
        self._file: BinaryIO | None = None
        self._partial: dict[str, tuple[str, bytes]] = {}  # by stream: time and pieces of a line that goes on

    def more(self) -> Iterator[Record]:
        """What has come since the last call. A line that is still being written comes with a later one."""
        while True:
            yield from self._lines()
            newer = self._newer()
            if not newer:
                return
            yield from self._lines()  # what came between the end of the file and its change of name
            for fd in newer:
                self.close()
                self._open(fd)
                yield from self._lines()

    def unfinished(self) -> Iterator[Record]:
        """The beginnings of lines that have not ended."""
        return ((stamp, stream, message) for stream, (stamp, message) in self._partial.items())

    def close(self) -> None:
        """The next more() would begin anew."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _open(self, fd):
        self._file = os.fdopen(fd, "rb")
        start = max(0, os.fstat(fd).st_size - _LIMIT)
        self._file.seek(start)
        if start:
            self._file.readline()  # the rest of a line

    def _lines(self):
        if self._file is None:
            return
        for line in iter(self._file.readline, b""):
            if line[-1:] != b"\n":
                self._file.seek(-len(line), os.SEEK_CUR)
                return
            record = self._take(line[:-1])
            if record is not None:
                yield record

    def _take(self, line):
        """The record that `line` ends; None for a piece, and for what is no line of a log."""
        fields = line.split(b" ", 3)
        if len(fields) != 4 or fields[2] not in (b"F", b"P"):
            return None
        stamp, stream, message = fields[0].decode("ascii", "replace"), fields[1].decode("ascii", "replace"), fields[3]
        first, before = self._partial.pop(stream, (stamp, b""))
        if fields[2] == b"P":
            self._partial[stream] = (first, before + message)
            return None
        return first, stream, before + message

    def _newer(self):
        """Descriptors of the files that come after the one that is open, the older first."""
        files = _open_both(self._directory)
        if self._file is None:
            return files
        here = os.fstat(self._file.fileno())
        for number, fd in enumerate(files):
            if os.path.samestat(here, os.fstat(fd)):
                for known in files[:number + 1]:
                    os.close(known)
                return files[number + 1:]
        return files


def _open_both(directory):
    """Descriptors of the old file and the new one, those that there are; a file that changes its name meanwhile is there once."""
    files = []
    for _attempt in range(10):
        files = [_open_log(f"{directory}/{name}") for name in (logs.NAME, logs.OLD)]
        if _is_still(files[0], f"{directory}/{logs.NAME}"):
            break
        for fd in files:
            if fd is not None:
                os.close(fd)
        files = []
    return [fd for fd in reversed(files) if fd is not None]


def _open_log(path):
    """None when it is not there, or nothing that the log reader has written."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    if stat.S_ISREG(os.fstat(fd).st_mode):
        return fd
    os.close(fd)
    return None


def _is_still(fd, path):
    if fd is None:
        return True
    try:
        return os.path.samestat(os.fstat(fd), os.lstat(path))
    except FileNotFoundError:  # renamed, and its successor is not there yet
        return False
