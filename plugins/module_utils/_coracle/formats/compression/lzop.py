# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""lzop: the container of the tool of that name, which also unpacks it. Described in src/lzop.c and lib/decompress_unlzo.c of the kernel."""

from __future__ import annotations

from . import frames, tools

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from .source import Bytes, Pieces, Source

NAME = "lzop"
MAGIC = b"\x89LZO\x00\r\n\x1a\n"
REMEDY = "Install the package lzop"
COMMAND = ("lzop", "-dc", "-q")
_FINE = (0, 2)  # 2, EXIT_WARN: several members, one behind the other; 1 is an error
_ADLER32, _ADLER32_PACKED, _CRC32, _CRC32_PACKED = 0x001, 0x002, 0x100, 0x200  # flags of the header: which checksums a block has
_EXTRA_FIELD, _FILTER = 0x40, 0x800
_MAX_BLOCK = 8 << 20  # bytes: lzop writes 256 KiB, and keeps a whole block in memory
_MAX_EXTRA = 64 << 10
_CHUNK = 256 << 10


def library() -> None:
    """There is none that checks the checksums of the container."""


def unpack(source: Source) -> Pieces:
    """Return the pieces of all members that follow each other at once."""
    walk = frames.follow(source, {MAGIC[:frames.SKIPPABLE_MAGIC]: _chunks})
    return tools.unpack(source, NAME, walk, COMMAND, REMEDY, _FINE)


def _big(data: Bytes) -> int:
    return int.from_bytes(data, "big")


def _chunks(source: Source) -> Iterator[bytes]:
    header, flags = _header(source)
    parts: list[Bytes] = [header]
    gathered = 0
    checks = 4 * (bool(flags & _ADLER32) + bool(flags & _CRC32))
    checks_packed = 4 * (bool(flags & _ADLER32_PACKED) + bool(flags & _CRC32_PACKED))
    while True:
        size = frames.exactly(source, 4, NAME)
        parts.append(size)
        unpacked = _big(size)
        if not unpacked:
            break
        size = frames.exactly(source, 4, NAME)
        packed = _big(size)
        if not 0 < packed <= unpacked <= _MAX_BLOCK:
            raise frames.broken(source, NAME, "a block has an impossible size")
        # A block that does not get smaller is stored as it is, and then its packed form has no checksum.
        rest = frames.exactly(source, checks + (checks_packed if packed < unpacked else 0) + packed, NAME)
        parts += size, rest
        gathered += len(rest)
        if gathered >= _CHUNK:
            yield b"".join(parts)
            parts = []
            gathered = 0
    yield b"".join(parts)


def _header(source: Source) -> tuple[bytes, int]:
    """Return the header and its flags."""
    parts: list[Bytes] = []

    def take(size: int) -> int:
        parts.append(frames.exactly(source, size, NAME))
        return _big(parts[-1])

    if take(len(MAGIC)) != _big(MAGIC):
        raise frames.broken(source, NAME, "an impossible header")
    recent = take(2) >= 0x0940  # version of the format
    take(2 + (2 if recent else 0))  # versions of the library, and of a tool that can unpack it
    take(1 + (1 if recent else 0))  # method, level
    flags = take(4)
    take((4 if flags & _FILTER else 0) + 4 + 4 + (4 if recent else 0))  # filter, mode, time
    take(take(1) + 4)  # name, checksum of the header
    if flags & _EXTRA_FIELD:
        size = take(4)
        if size > _MAX_EXTRA:
            raise frames.broken(source, NAME, "an impossible header")
        take(size + 4)
    return b"".join(parts), flags
