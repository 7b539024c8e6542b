# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""zstd: frames as in RFC 8878, unpacked by a library or by the tool."""

from __future__ import annotations

from ...base.errors import ArchiveError
from ..entries import PIECE
from . import frames, tools
from .frames import Unpacker

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .source import Bytes, Pieces, Source

NAME = "zstd"
MAGIC = b"\x28\xb5\x2f\xfd"
REMEDY = "Install the package zstd, or python3-zstandard"
COMMAND = ("zstd", "-dc", "-q")
_MAX_BLOCK = 128 << 10  # bytes, unpacked
_RAW, _RLE, _PACKED, _RESERVED = range(4)
# Bytes that an unpacker keeps, and fills with an image that is larger. Levels up to 19 use 8 MiB, --ultra -20 32 MiB, -21 64 MiB. The
# 128 MiB of --ultra -22 and --long are more than xz -9 wants (65 MiB), and more than a small host may have to spare.
MAX_WINDOW = 64 << 20


def library() -> tuple[str, Callable[[bytes], Unpacker], tuple] | None:
    """Return the name of a library that this Python has, what opens a frame with it, and its errors."""
    for load in (_compression_zstd, _backports_zstd, _zstandard):
        try:
            return load()
        except ImportError:
            continue
    return None


def _compression_zstd():
    from compression import zstd  # Python 3.14
    return "compression.zstd", lambda _kind: _bounded(zstd.ZstdDecompressor()), (zstd.ZstdError,)


def _backports_zstd():
    from backports import zstd
    return "backports.zstd", lambda _kind: _bounded(zstd.ZstdDecompressor()), (zstd.ZstdError,)


def _zstandard():
    import zstandard
    return "zstandard", lambda _kind: _unbounded(zstandard.ZstdDecompressor().decompressobj()), (zstandard.ZstdError,)


def _bounded(unpacker) -> Unpacker:
    def pieces(chunk: Bytes) -> Iterator[bytes]:
        yield unpacker.decompress(chunk, PIECE)
        while not unpacker.needs_input and not unpacker.eof:
            yield unpacker.decompress(b"", PIECE)
    return Unpacker(pieces, lambda: unpacker.eof)


def _unbounded(unpacker) -> Unpacker:
    # It returns all that a chunk unpacks to: no more than a piece, as _chunks makes them.
    return Unpacker(lambda chunk: iter((unpacker.decompress(chunk),)), lambda: getattr(unpacker, "eof", True))  # eof: since 0.19


def unpack(source: Source) -> Pieces:
    """Return the pieces of all frames that follow each other at once."""
    found = library()
    walk = frames.follow(source, {MAGIC: _chunks})
    if found is None:
        return tools.unpack(source, NAME, walk, COMMAND, REMEDY)
    return frames.unpack(source, NAME, walk, found[1], found[2])


def _chunks(source: Source) -> Iterator[bytes]:
    """Return the bytes of a frame, in chunks that each unpack to PIECE bytes at most."""
    header, checksum = _header(source)
    parts: list[Bytes] = [header]
    unpacked = 0
    empty = 0
    last = False
    while not last:
        head = frames.exactly(source, 3, NAME)
        last, size, grows = _block(source, frames.number(head))
        parts += head, frames.exactly(source, size, NAME)
        empty = 0 if grows else empty + 1
        if empty > frames.MAX_EMPTY:
            raise frames.broken(source, NAME, f"more than {frames.MAX_EMPTY} empty blocks in a row")
        unpacked += grows
        if unpacked > PIECE - _MAX_BLOCK:
            yield b"".join(parts)
            parts = []
            unpacked = 0
    parts.append(frames.exactly(source, checksum, NAME))
    yield b"".join(parts)


def _header(source: Source) -> tuple[bytes, int]:
    """Return the header of a frame, RFC 8878 3.1.1.1, and how many bytes of checksum follow its blocks."""
    start = bytes(frames.exactly(source, len(MAGIC) + 1, NAME))
    descriptor = start[-1]
    if descriptor & 0x08:
        raise frames.broken(source, NAME, "a reserved bit of its header is set")
    single = descriptor >> 5 & 1
    size_bytes = (single, 2, 4, 8)[descriptor >> 6]
    dictionary_bytes = (0, 1, 2, 4)[descriptor & 3]
    rest = bytes(frames.exactly(source, 1 - single + dictionary_bytes + size_bytes, NAME))
    if frames.number(rest[1 - single:1 - single + dictionary_bytes]):
        raise ArchiveError("is compressed with zstd and a dictionary of its own", remedy="Repack it without a dictionary")
    if single:
        window = frames.number(rest[dictionary_bytes:]) + (256 if size_bytes == 2 else 0)
    else:
        base = 1 << 10 + (rest[0] >> 3)
        window = base + base // 8 * (rest[0] & 7)
    if window > MAX_WINDOW:
        raise ArchiveError(f"is compressed with zstd and a window of {window} bytes, which takes as much memory; {MAX_WINDOW} are possible",
                           remedy="Repack it: zstd -dc --long=31 IMAGE | zstd -19 > NEW")
    return start + rest, descriptor >> 2 & 1 and 4


def _block(source: Source, head: int) -> tuple[bool, int, int]:
    """Return of a block, RFC 8878 3.1.1.2: whether it is the last, its bytes, and the most that it unpacks to."""
    kind, size = head >> 1 & 3, head >> 3
    if kind == _RESERVED or size > _MAX_BLOCK:
        raise frames.broken(source, NAME, "a block has an impossible header")
    if kind == _PACKED:
        return bool(head & 1), size, _MAX_BLOCK
    return bool(head & 1), 1 if kind == _RLE else size, size
