# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Members of a tar archive, each with what its extended headers say: pax (x, g, X of Solaris) and GNU's long names (L, K)."""

from __future__ import annotations

from ..base.errors import ArchiveError
from . import tar_headers, tar_pax, tar_sparse
from .entries import NANOSECONDS, PATH_MAX
from .entries import Member as Place
from .limits import Limits
from .tar_headers import BLOCK_SIZE, GNU, PAX, number, seconds

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from .tar_headers import Header, Reader

_PAX = (b"x", b"X")
_GLOBAL = b"g"
_LONG_NAME, _LONG_LINK = b"L", b"K"
_REGULAR = (b"0", b"\0", b"7")
_SPARSE = b"S"
_MAX_EXTENSIONS = 16  # before one member; tar writes four at most


class Member:
    """One member, whose data is next in the stream: `stored` bytes, then `padding`. `layout`: a tar_sparse.Map, or None.

    `place`: its name and offset. `kind`: the type flag. `format`: v7, ustar, gnu or pax. `link_name`: b'' where there is none.
    """

    __slots__ = ("place", "kind", "format", "link_name", "stored", "padding", "layout", "mode", "uid", "gid", "mtime_ns", "device",
                 "capability")

    def __init__(self, header: Header, place: Place, records: tar_pax.Records):
        self.place = place
        self.kind = header.kind
        self.format = header.format
        self.link_name = header.link_name
        self.stored = records.number(b"size", place, number(header.size, "size", place))
        self.padding = -self.stored % BLOCK_SIZE
        self.layout: tar_sparse.Map | None = None
        self.mode = number(header.mode, "mode", place) & 0o7777  # the oldest tars have the type in it
        self.uid = records.number(b"uid", place, number(header.uid, "uid", place))
        self.gid = records.number(b"gid", place, number(header.gid, "gid", place))
        mtime_ns = records.mtime_ns(place)
        self.mtime_ns = seconds(header.mtime, place) * NANOSECONDS if mtime_ns is None else mtime_ns
        self.capability = records.capability(place)
        self.device = (0, 0)
        if self.kind in (b"3", b"4"):
            self.device = (number(header.major, "major number", place), number(header.minor, "minor number", place))

    @property
    def is_regular(self) -> bool:
        """True for a file with data of its own."""
        return self.kind in _REGULAR or self.kind == _SPARSE


def members(stream: Reader, limits: Limits) -> Iterator[Member]:
    """Return the members of the one archive that `stream` is at, and stop behind its end mark.

    The caller reads the data and the padding of each before it asks for the next. `limits`: max_bytes is for extended headers, too.
    """
    archive = _Archive(stream, limits)
    while True:
        member = archive.next()
        if member is None:
            return
        yield member


class _Archive:
    def __init__(self, stream: Reader, limits: Limits):
        self._stream = stream
        self._limits = limits
        self._shared: dict[bytes, bytes] = {}  # records for all members that follow
        self._is_pax = False
        self._spent = 0  # bytes of extended headers, of the whole archive

    def next(self) -> Member | None:
        """Return the next member, None at the end mark."""
        extensions = _Extensions(self._shared)
        while True:
            header = tar_headers.read_header(self._stream)
            if header is None:
                extensions.end(self._stream.position)
                return None
            if header.kind in _PAX:
                extensions.add_records(header, self._extension(header, extensions, tar_pax.MAX_SIZE))
                self._is_pax = True
            elif header.kind in (_LONG_NAME, _LONG_LINK):
                extensions.add_long(header, self._extension(header, extensions, PATH_MAX))
            elif header.kind == _GLOBAL:
                tar_pax.read_shared(self._extension(header, extensions, tar_pax.MAX_SIZE), self._shared, header.member)
                extensions.share(header, self._shared)
                self._is_pax = True
            else:
                return self._member(header, extensions)

    def _extension(self, header: Header, extensions: _Extensions, most: int) -> bytes:
        """Return the data of an extended header."""
        size = number(header.size, "size", header.member)
        if size > most:
            raise header.member.error(f"an extended header of {size} bytes, which is too large")
        extensions.count(header, size)
        self._spent += size + BLOCK_SIZE
        self._limits.check(self._spent - tar_pax.MAX_SIZE, 0, 0, header.member)
        padded = size + -size % BLOCK_SIZE
        data = self._stream.exactly(padded)
        if len(data) < padded:
            raise header.member.error("the archive ends in an extended header", remedy="Copy the image again")
        return data[:size]

    def _member(self, header: Header, extensions: _Extensions) -> Member:
        records = extensions.records
        name = tar_sparse.pax_name(records) or records.values.get(b"path") or extensions.long.get(_LONG_NAME) or header.name
        if not name:
            raise header.member.error("its name is empty")
        place = Place(name, header.member.offset)
        member = Member(header, place, records)
        if self._is_pax:
            member.format = PAX
        member.link_name = records.values.get(b"linkpath") or extensions.long.get(_LONG_LINK) or header.link_name
        if member.kind == _SPARSE and header.format == GNU:
            member.layout = tar_sparse.old_map(self._stream, header, member.stored)
        elif member.kind in _REGULAR and self._is_pax:
            member.layout, used = tar_sparse.pax_map(self._stream, records, member.stored, place)
            member.stored -= used
        return member


class _Extensions:
    """What the extended headers before one member say: `records` of pax, `long` names of GNU by type flag."""

    __slots__ = ("records", "long", "_count", "_size", "_wants_member")

    def __init__(self, shared: dict[bytes, bytes]):
        self.records = tar_pax.Records(shared)
        self.long: dict[bytes, bytes] = {}
        self._count = 0
        self._size = 0
        self._wants_member = False

    def count(self, header: Header, size: int) -> None:
        """Count a header before its data is read. ArchiveError when it is one too many, or they are too large together."""
        self._count += 1
        self._size += size
        if self._count > _MAX_EXTENSIONS:
            raise header.member.error(f"more than {_MAX_EXTENSIONS} extended headers before one member")
        if self._size > tar_pax.MAX_SIZE:
            raise header.member.error(f"extended headers of {self._size} bytes before one member, which is too large")

    def add_records(self, header: Header, data: bytes) -> None:
        tar_pax.read_records(data, self.records, header.member)
        self._wants_member = True

    def add_long(self, header: Header, data: bytes) -> None:
        self.long[header.kind] = data.partition(b"\0")[0]
        self._wants_member = True

    def share(self, header: Header, shared: dict[bytes, bytes]) -> None:
        """Begin anew with what a global header has changed."""
        if self._wants_member:
            raise header.member.error("a global header between an extended header and its member")
        self.records = tar_pax.Records(shared)

    def end(self, position: int) -> None:
        """ArchiveError when the archive ends where a member should be."""
        if self._wants_member:
            raise ArchiveError(f"ends with an extended header, at byte {position} of the unpacked archive", remedy="Copy the image again")
