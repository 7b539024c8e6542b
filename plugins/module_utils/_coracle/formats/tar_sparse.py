# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of tar with holes: GNU's old header 'S' and its three ways in pax headers ("Storing Sparse Files" of tar's manual)."""

from __future__ import annotations

from . import content, tar_pax
from .entries import PIECE, Member
from .tar_headers import BLOCK_SIZE, Header, number

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from .compression.stream import Stream
    from .tar_headers import Reader
    from .tar_pax import Records

_MAX_REGIONS = 50_000  # each costs memory as long as the file is read
_MAX_DIGITS = 20
_ZEROS = memoryview(bytes(PIECE))

_NAME = tar_pax.SPARSE + b"name"
_MAP = tar_pax.SPARSE + b"map"
_COUNT = tar_pax.SPARSE + b"numblocks"
_SIZE = tar_pax.SPARSE + b"size"
_REAL_SIZE = tar_pax.SPARSE + b"realsize"
_MAJOR = tar_pax.SPARSE + b"major"
_MINOR = tar_pax.SPARSE + b"minor"


class Map:
    """Where data is in a file of `size` bytes: `regions` of (offset, bytes), in order. Between them are zeros."""

    __slots__ = ("size", "regions")

    def __init__(self, size: int, numbers: list[int], stored: int, member: Member):
        """`numbers`: offset and bytes in turn. `stored`: bytes in the archive. ArchiveError when they contradict each other."""
        self.size = size
        self.regions = list(zip(numbers[::2], numbers[1::2]))
        here = 0
        for offset, count in self.regions:
            if offset < here or offset + count > size:
                raise member.error("its sparse map has parts that overlap or lie behind its end")
            here = offset + count
        if len(numbers) % 2 or sum(numbers[1::2]) != stored:
            raise member.error("its sparse map is not that of its data")


def read(stream: Stream, member: Member, layout: Map, padding: int) -> Iterator[memoryview]:
    """Return the pieces of the whole file, holes as zeros. ArchiveError when the archive ends before."""
    here = 0
    for offset, count in layout.regions:
        yield from _hole(offset - here)
        yield from content.read(stream, member, count, 0)
        here = offset + count
    if len(stream.exactly(padding)) < padding:
        raise member.error("the archive ends behind its data", remedy="Copy the image again")
    yield from _hole(layout.size - here)


def _hole(size: int) -> Iterator[memoryview]:
    while size > 0:
        piece = _ZEROS[:size]
        size -= len(piece)
        yield piece


def _add(numbers: list[int], member: Member, *more: int) -> None:
    numbers.extend(more)
    if len(numbers) > 2 * _MAX_REGIONS:
        raise member.error(f"its sparse map has more than {_MAX_REGIONS} parts")


def old_map(stream: Reader, header: Header, stored: int) -> Map:
    """Return the map of a member of type 'S': four parts in the header, then blocks of 21 as long as a flag says so."""
    numbers: list[int] = []
    block, begin, end, more = header.block, 386, 482, 482
    while True:
        for position in range(begin, end, 24):
            if not block[position]:  # unused, and so are those that follow
                break
            _add(numbers, header.member, number(block[position:position + 12], "sparse map", header.member),
                 number(block[position + 12:position + 24], "sparse map", header.member))
        if not block[more]:
            break
        block, begin, end, more = stream.exactly(BLOCK_SIZE), 0, 504, 504
        if len(block) < BLOCK_SIZE:
            raise header.member.error("the archive ends in its sparse map", remedy="Copy the image again")
        if not block[0]:
            raise header.member.error("its sparse map goes on with nothing")
    return Map(number(header.block[483:495], "real size", header.member), numbers, stored, header.member)


def pax_name(records: Records) -> bytes | None:
    """Return the name of a sparse file, whose `path` is made up for readers that do not know better."""
    return records.values.get(_NAME)


def pax_map(stream: Reader, records: Records, stored: int, member: Member) -> tuple[Map | None, int]:
    """Return the map that extended headers give, and how many bytes of it stood before the data. None for a file without holes."""
    values = records.values
    if _MAJOR in values or _MINOR in values:
        if values.get(_MAJOR) != b"1" or values.get(_MINOR) != b"0":
            raise member.error("its sparse map is of a version that is not known")
        numbers, used = _map_before_data(stream, stored, member)
        return Map(records.number(_REAL_SIZE, member), numbers, stored - used, member), used
    if _MAP not in values and not records.regions:
        if _SIZE in values or _COUNT in values:
            return Map(records.number(_SIZE, member), [], stored, member), 0
        return None, 0
    texts = values[_MAP].split(b",") if _MAP in values else records.regions
    if len(texts) != 2 * records.number(_COUNT, member):
        raise member.error("its sparse map has another number of parts than it says")
    numbers = []
    for text in texts:
        _add(numbers, member, tar_pax.decimal(text, "sparse map", member))
    return Map(records.number(_SIZE, member), numbers, stored, member), 0


def _map_before_data(stream: Reader, stored: int, member: Member) -> tuple[list[int], int]:
    """Read version 1.0: decimal numbers, one a line: how many parts, then offset and bytes of each; up to the end of a block."""
    numbers: list[int] = []
    rest = b""
    used = 0
    wanted = 1
    while len(numbers) < wanted:
        block = stream.exactly(BLOCK_SIZE) if used + BLOCK_SIZE <= stored else b""
        if len(block) < BLOCK_SIZE:
            raise member.error("its data ends in its sparse map")
        used += BLOCK_SIZE
        lines = (rest + block).split(b"\n")
        rest = lines.pop()
        for line in lines:
            if len(numbers) == wanted:
                break
            _add(numbers, member, tar_pax.decimal(line, "sparse map", member))
            if len(numbers) == 1:
                wanted = 1 + 2 * numbers[0]
        if len(rest) > _MAX_DIGITS and len(numbers) < wanted:
            raise member.error("its sparse map has something that is no number")
    return numbers[1:], used
