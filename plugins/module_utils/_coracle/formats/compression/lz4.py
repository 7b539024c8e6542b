# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""lz4: the frame of the format's own document and the legacy one of `lz4 -l`, which the kernel reads."""

from __future__ import annotations

from ...base.errors import ArchiveError
from ..entries import PIECE
from . import frames, tools
from .frames import Unpacker

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .source import Bytes, Pieces, Source

NAME = "lz4"
MODERN = b"\x04\x22\x4d\x18"
LEGACY = b"\x02\x21\x4c\x18"
REMEDY = "Install the package lz4, or python3-lz4"
COMMAND = ("lz4", "-dc", "-q")
_LEGACY_BLOCK = 8 << 20  # bytes, unpacked
_LEGACY_BOUND = _LEGACY_BLOCK + _LEGACY_BLOCK // 255 + 16  # LZ4_compressBound: bytes, packed
_CHUNK = 256 << 10  # bytes
_HEAD = 13  # bytes that tell what follows a block, at most


def library() -> tuple[str, Callable[[bytes], Unpacker], tuple] | None:
    """Return the name of a library that this Python has, what opens a frame with it, and its errors."""
    try:
        import lz4.block
        import lz4.frame
    except ImportError:
        return None

    def opener(kind: bytes) -> Unpacker:
        return _legacy(lz4.block.decompress) if kind == LEGACY else _modern(lz4.frame.LZ4FrameDecompressor())
    return "lz4", opener, (lz4.block.LZ4BlockError, RuntimeError, ValueError)


def _modern(unpacker) -> Unpacker:
    def pieces(chunk: Bytes) -> Iterator[bytes]:
        yield unpacker.decompress(chunk, PIECE)
        while not unpacker.needs_input and not unpacker.eof:
            yield unpacker.decompress(b"", PIECE)
    return Unpacker(pieces, lambda: unpacker.eof)


def _legacy(decompress: Callable) -> Unpacker:
    def pieces(chunk: Bytes) -> Iterator[memoryview]:
        if chunk != LEGACY:
            whole = memoryview(decompress(memoryview(chunk)[4:], uncompressed_size=_LEGACY_BLOCK))
            for start in range(0, len(whole), PIECE):
                yield whole[start:start + PIECE]
    return Unpacker(pieces)


def unpack(source: Source) -> Pieces:
    """Return the pieces of all frames of both kinds that follow each other at once."""
    found = library()
    walk = frames.follow(source, {MODERN: _modern_chunks, LEGACY: _legacy_chunks})
    if found is None:
        return tools.unpack(source, NAME, walk, COMMAND, REMEDY)
    return frames.unpack(source, NAME, walk, found[1], found[2])


def _modern_chunks(source: Source) -> Iterator[bytes]:
    """Return the bytes of a frame, lz4_Frame_format.md 1.6."""
    header = bytes(frames.exactly(source, len(MODERN) + 2, NAME))
    flags, largest = header[4], header[5] >> 4 & 7
    if flags >> 6 != 1 or flags & 0x02 or header[5] & 0x8F or largest < 4:
        raise frames.broken(source, NAME, "an impossible header")
    if flags & 0x01:
        raise ArchiveError("is compressed with lz4 and a dictionary of its own", remedy="Repack it without a dictionary")
    parts: list[Bytes] = [header, frames.exactly(source, (8 if flags & 0x08 else 0) + 1, NAME)]
    block_checksum = 4 if flags & 0x10 else 0
    gathered = 0
    while True:
        head = frames.exactly(source, 4, NAME)
        parts.append(head)
        size = frames.number(head) & 0x7FFFFFFF  # the highest bit: not packed
        if not size:
            break
        if size > 1 << 8 + 2 * largest:
            raise frames.broken(source, NAME, "a block is larger than its frame allows")
        left = size + block_checksum
        while left:
            data = source.up_to(left)
            if not data:
                raise frames.truncated(source, NAME)
            left -= len(data)
            parts.append(data)
            gathered += len(data)
            if gathered >= _CHUNK:
                yield b"".join(parts)
                parts = []
                gathered = 0
    if flags & 0x04:
        parts.append(frames.exactly(source, 4, NAME))
    yield b"".join(parts)


def _legacy_chunks(source: Source) -> Iterator[Bytes]:
    """Return the bytes of a legacy frame: its magic, then each block with its size before it.

    The frame has no end mark: it ends with the file, or where something stands that cannot be the size of a block.
    """
    yield frames.exactly(source, len(LEGACY), NAME)
    first = True
    while True:
        head = source.peek(_HEAD)
        size = frames.number(head[:4])
        if first and size > _LEGACY_BOUND:
            raise frames.broken(source, NAME, "a block has an impossible size")
        if not size or size > _LEGACY_BOUND or _begins_another(head):  # no size: zeros behind the frame, or the end of the file
            return
        first = False
        yield frames.exactly(source, 4 + size, NAME)


def _begins_another(head: bytes) -> bool:
    """True for the two magics that would be the size of a block as well, told by more of their header (RFC 1952, lzma-file-format.txt)."""
    gzip = head.startswith(b"\x1f\x8b\x08\0") and head[8:9] in (b"\0", b"\2", b"\4")
    return gzip or head.startswith(b"\x5d\0\0\0") and head[5:13] == b"\xff" * 8
