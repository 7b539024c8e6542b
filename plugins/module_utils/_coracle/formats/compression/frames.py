# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the formats that consist of frames have in common: zstd, lz4 and lzop.

Their unpackers do not say, or not all of them, where the data ends. So the frames are walked here, by their headers and the sizes of
their blocks, and a library or a tool gets exactly their bytes. What follows, zeros or another segment, stays in the source.
"""

from __future__ import annotations

from ...base.errors import ArchiveError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .source import Bytes, Pieces, Source

# zstd and lz4 agree on these: RFC 8878, 3.1.2, and lz4_Frame_format.md, "Skippable Frames".
_SKIPPABLE = b"\x2a\x4d\x18"
SKIPPABLE_MAGIC = 4  # bytes
MAX_EMPTY = 1000  # frames or blocks in a row that unpack to nothing: reading them costs time, and no packer makes them


class Frame:
    """`kind`: the magic of the frame. `chunks`: its bytes, the magic among them; read to their end before the next frame."""

    __slots__ = ("kind", "chunks")

    def __init__(self, kind: bytes, chunks: Iterator[Bytes]):
        self.kind = kind
        self.chunks = chunks


class Unpacker:
    """One frame of a library: `pieces(chunk)` returns what a chunk unpacks to, `ended()` whether the frame is complete."""

    __slots__ = ("pieces", "ended")

    def __init__(self, pieces: Callable[[Bytes], Iterator[Bytes]], ended: Callable[[], bool] = lambda: True):
        self.pieces = pieces
        self.ended = ended


def truncated(source: Source, name: str) -> ArchiveError:
    """Return the error for data that ends too early."""
    return ArchiveError(f"ends in the middle of its {name} data, at byte {source.offset} of the file", remedy="Copy the image again")


def broken(source: Source, name: str, why: object) -> ArchiveError:
    """Return the error for data that no unpacker takes."""
    return ArchiveError(f"has {name} data that cannot be unpacked, before byte {source.offset} of the file: {why}",
                        remedy="Copy the image again")


def exactly(source: Source, size: int, name: str) -> Bytes:
    """Return the next `size` bytes. ArchiveError when there are fewer."""
    data = source.exactly(size)
    if len(data) < size:
        raise truncated(source, name)
    return data


def number(data: Bytes) -> int:
    """Return an unsigned little-endian number."""
    return int.from_bytes(data, "little")


def is_skippable(head: bytes) -> bool:
    """True when `head` begins with the magic of a skippable frame."""
    return head[1:SKIPPABLE_MAGIC] == _SKIPPABLE and head[0] & 0xF0 == 0x50


def skip_skippable(source: Source) -> int:
    """Pass over a skippable frame, and return its size in bytes."""
    size = number(exactly(source, SKIPPABLE_MAGIC + 4, "skippable")[SKIPPABLE_MAGIC:])
    left = size
    while left:
        data = source.up_to(left)
        if not data:
            raise truncated(source, "skippable")
        left -= len(data)
    return SKIPPABLE_MAGIC + 4 + size


def follow(source: Source, kinds: dict[bytes, Callable[[Source], Iterator[Bytes]]]) -> Iterator[Frame]:
    """Return the frames of these kinds (magic of 4 bytes: walker) that follow each other at once, skippable ones among them left out."""
    skipped = 0
    while True:
        head = source.peek(SKIPPABLE_MAGIC)
        if head in kinds:
            skipped = 0
            yield Frame(head, kinds[head](source))
        elif is_skippable(head):
            skip_skippable(source)
            skipped += 1
            if skipped > MAX_EMPTY:
                raise ArchiveError(f"has more than {MAX_EMPTY} skippable frames in a row")
        else:
            return


def unpack(source: Source, name: str, frames: Iterator[Frame], opener: Callable[[bytes], Unpacker], errors: tuple) -> Pieces:
    """Return the pieces of all frames, unpacked by a library. `opener` takes the kind of a frame, `errors`: what that raises."""
    for frame in frames:
        unpacker = opener(frame.kind)
        for chunk in frame.chunks:
            try:
                yield from unpacker.pieces(chunk)
            except (*errors, EOFError, MemoryError) as error:
                raise broken(source, name, error) from error
            del chunk  # up to 8 MiB, which need not lie beside the next
        if not unpacker.ended():
            raise broken(source, name, "a frame goes on behind its end")
