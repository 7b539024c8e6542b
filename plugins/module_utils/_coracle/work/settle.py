# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Notes about an archive's entries (notes.py) -> the manifest, sorted and with one record for each path of the tree.

A later note of a path wins, and what a note hides are the notes below its path with smaller numbers. Nothing here looks at the tree.
Memory does not grow with the archive: what is too much is sorted in pieces, which lie behind the notes in the same file.
"""

from __future__ import annotations

import heapq
import itertools
import json
import os

from ..formats.entries import DIRECTORY, FILE, OPAQUE, WHITEOUT
from .manifest import LINK, Record
from .notes import LINKED

TYPE_CHECKING = False
if TYPE_CHECKING:
    import typing as t
    from collections.abc import Callable, Iterable, Iterator

_CHUNK = 4 << 20  # bytes of lines sorted in memory
_BUFFER = 32 << 10


def settle(file: t.TextIO, linked: bool = True, replaced: bool = True) -> None:
    """Turn the notes that fill `file`, open for reading and writing, into the manifest.

    `linked`: there may be hard links. `replaced`: there may be several notes of a path, or small ones.
    """
    file.flush()
    spool = _Spool(file.fileno())
    notes = _Sorter(spool, _key)
    for note in spool.read((0, spool.end)):
        notes.add(note)
    names = _Sorter(spool, _key)
    if linked:
        members = _Sorter(spool, _member_key)
        for alive, note, inode in _resolved(notes):
            if inode is not None:
                members.add(b"%020d%d%s" % (inode, alive, note))
        _name(members, names)
    left: Iterable[bytes] = notes
    if linked or replaced:
        left = (note for alive, note, inode in _resolved(notes) if alive and inode is None)
    single = (note[:note.rindex(b",")] + b"]\n" for note in left)
    spool.replace(heapq.merge(single, names, key=_key) if linked else single)
    file.seek(0)


def _key(line: bytes) -> bytes:
    # As manifest.order(). A path has no '","' in it, as its quotes are escaped; it may begin with ',"', so the search begins in it.
    return line[2:line.index(b'","', 2)].replace(b"/", b"\x1f")


def _member_key(line: bytes) -> bytes:
    return line[:20] + _key(line[21:])


def _kind(note: bytes) -> str:
    start = note.index(b'","', 2) + 3
    return note[start:note.index(b'"', start)].decode()


def _number(note: bytes) -> int:
    return int(note[note.rindex(b",") + 1:-2])


def _resolved(notes: Iterable[bytes]) -> Iterator[tuple[bool, bytes, int | None]]:
    """Return (alive, note, inode) of the records by path. Those without hard links (inode None) only when they are alive."""
    hiding: list[tuple[bytes, int]] = [(b"", -1)]  # for each directory above: what the paths of its content begin with, and what it hides
    for key, same in itertools.groupby(notes, _key):
        while not key.startswith(hiding[-1][0]):
            hiding.pop()
        here = below = hiding[-1][1]
        record, inode = b"", None
        for note in same:
            kind = _kind(note)
            if kind == LINKED:
                inode = json.loads(note)[2]
                continue
            if kind in (WHITEOUT, OPAQUE):
                hidden = json.loads(note)[2]
                below = max(below, hidden)
                here = max(here, hidden) if kind == WHITEOUT else here
                continue
            if inode is not None:
                yield False, record, inode  # gone from here, and yet it may have written to a file that has other names
            record, inode = note, json.loads(note)[7] if kind == LINK else None
            if kind != DIRECTORY:
                below = max(below, _number(note))
        if record:
            alive = _number(record) >= here
            if alive or inode is not None:
                yield alive, record, inode
        hiding.append((key + b"\x1f" if key else b"", below))


def _name(members: Iterable[bytes], names: _Sorter) -> None:
    """Give each file with several names one FILE and for each further name a LINK, all with what was written to it last."""
    again = itertools.groupby(members, _inode)
    for _number_of_it, group in itertools.groupby(members, _inode):
        file, first, count = _last_written(group)
        for member in next(again)[1]:
            if member[20:21] == b"1":
                file.path = json.loads(member[21:])[0]
                if file.path == first:
                    file.kind, file.extra = FILE, count if count > 1 else None
                else:
                    file.kind, file.extra = LINK, first
                names.add(file.line().encode("ascii"))


def _inode(member: bytes) -> bytes:
    return member[:20]


def _last_written(group: Iterable[bytes]) -> tuple[Record, str, int]:
    """Return a record with the file's attributes and content as they are now, its first name, and how many it has."""
    first, count = "", 0
    latest: dict[str, tuple[int, Record]] = {}
    for member in group:
        *fields, number = json.loads(member[21:])
        record = Record(*fields)
        if member[20:21] == b"1":
            first = first if count else record.path
            count += 1
        for what, written in (("attributes", record.mode is not None), ("content", record.digest is not None),
                              ("capability", record.kind == FILE)):
            if written and number > latest.get(what, (-1, None))[0]:
                latest[what] = (number, record)
    file, content = latest["attributes"][1], latest["content"][1]
    file.size, file.digest = content.size, content.digest
    file.capability = latest["capability"][1].capability
    return file, first, count


class _Spool:
    """A file whose beginning is read while lines are put behind its end."""

    def __init__(self, fd: int):
        self._fd = fd
        self.end = os.fstat(fd).st_size

    def append(self, lines: Iterable[bytes]) -> tuple[int, int]:
        """Write lines at the end and return where they are."""
        start, pieces, size = self.end, [], 0
        for line in lines:
            pieces.append(line)
            size += len(line)
            if size >= _BUFFER:
                self._write(b"".join(pieces))
                pieces, size = [], 0
        self._write(b"".join(pieces))
        return start, self.end

    def _write(self, data: bytes) -> None:
        while data:
            written = os.pwrite(self._fd, data, self.end)
            self.end += written
            data = data[written:]

    def read(self, region: tuple[int, int]) -> Iterator[bytes]:
        """Return the lines of a region, newline included."""
        position, end = region
        rest = b""
        while position < end:
            piece = os.pread(self._fd, min(_BUFFER, end - position), position)
            position += len(piece)
            lines = (rest + piece).splitlines(True)
            rest = lines.pop() if lines[-1][-1:] != b"\n" else b""
            yield from lines

    def replace(self, lines: Iterable[bytes]) -> None:
        """Let `lines` be all that the file has. They may come from what it has now."""
        position, end = self.append(lines)
        target = 0
        while position < end:
            piece = os.pread(self._fd, min(1 << 20, end - position), position)
            position += len(piece)
            while piece:
                written = os.pwrite(self._fd, piece, target)
                target += written
                piece = piece[written:]
        os.ftruncate(self._fd, target)


class _Sorter:
    """Lines, given in any order and returned sorted by a key, as often as asked for. Lines of equal keys keep their order."""

    def __init__(self, spool: _Spool, key: Callable[[bytes], bytes]):
        self._spool = spool
        self._key = key
        self._lines: list[bytes] = []
        self._size = 0
        self._runs: list[tuple[int, int]] = []

    def add(self, line: bytes) -> None:
        self._lines.append(line)
        self._size += len(line) + 60  # what Python adds
        if self._size >= _CHUNK:
            self._lines.sort(key=self._key)
            self._runs.append(self._spool.append(self._lines))
            self._lines, self._size = [], 0

    def __iter__(self) -> Iterator[bytes]:
        self._lines.sort(key=self._key)  # no work when it is sorted
        return heapq.merge(*[self._spool.read(run) for run in self._runs], self._lines, key=self._key) if self._runs else iter(self._lines)
