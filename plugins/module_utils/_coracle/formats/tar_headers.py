# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One block of a tar archive: its checksum, its numbers, its strings. v7, ustar (POSIX, pax(1)) and GNU (tar's "Basic Tar Format").

Python's tarfile is no model here: it takes signs, blanks and '_' in numbers, and reads extended headers of any size.
"""

from __future__ import annotations

import functools
import struct

from ..base.errors import ArchiveError
from . import content
from .entries import Member

BLOCK_SIZE = 512
END = bytes(BLOCK_SIZE)
_OCTAL_DIGITS = b"01234567"
_LOW = bytes(range(128))
_LARGEST = (1 << 63) - 1  # of any file or number that the kernel handles
_GNU_MAGIC = b"ustar  \0"
_POSIX_MAGIC = b"ustar"

V7, USTAR, GNU, PAX = "v7", "ustar", "gnu", "pax"

TYPE_CHECKING = False
if TYPE_CHECKING:
    import typing

    class Reader(typing.Protocol):
        """What headers are read from: a Stream, or a file that is read here and there."""

        position: int

        def exactly(self, size: int) -> bytes:
            """Return `size` bytes, fewer only at the end."""


# name, mode, uid, gid, size, mtime, checksum, type flag, link name, magic and version, names of owner and group, device number, prefix
_LAYOUT = struct.Struct("100s8s8s8s12s12s8s1s100s8s64x8s8s155s12x")


class Header:
    """One header block, nothing of it judged but its checksum. `kind`: the type flag, one byte. `format`: v7, ustar or gnu.

    The fields of numbers are bytes: see number().
    """

    __slots__ = ("block", "member", "format", "name", "mode", "uid", "gid", "size", "mtime", "kind", "link_name", "major", "minor")

    def __init__(self, block: bytes, offset: int):
        (name, self.mode, self.uid, self.gid, self.size, self.mtime, _checksum, self.kind, link_name, magic, self.major, self.minor,
         prefix) = _LAYOUT.unpack(block)
        self.block = block
        self.format = GNU if magic == _GNU_MAGIC else USTAR if magic.startswith(_POSIX_MAGIC) else V7
        self.name = _string(name)
        if prefix[0] and self.format == USTAR:
            self.name = _string(prefix) + b"/" + self.name
        self.link_name = _string(link_name)
        self.member = Member(self.name, offset)


def number(field: bytes, what: str, member: Member) -> int:
    """Return the number in a field. ArchiveError, naming it as `what`, when it is none or negative."""
    try:
        return _number(field)
    except ValueError as error:
        raise member.error(f"its {what} {error}") from None


def seconds(field: bytes, member: Member) -> int:
    """Return the time in a field. One before 1970 becomes 1970: not every file system has such times."""
    return 0 if field[0] == 0xFF else number(field, "time", member)


@functools.lru_cache(maxsize=1024)  # modes and owners are few
def _number(field: bytes) -> int:
    """Return a number: octal digits between blanks and NULs, nothing at all for 0, or 256-based behind a byte 0x80 (GNU tar)."""
    if field[0] == 0xFF:
        raise ValueError("is negative")
    if field[0] == 0x80:
        large = int.from_bytes(field[1:], "big")
        if large > _LARGEST:
            raise ValueError(f"is above {_LARGEST}")
        return large
    digits = field.lstrip(b" ").rstrip(b" \0")
    if digits.translate(None, _OCTAL_DIGITS):
        raise ValueError("is no octal number")
    return int(digits, 8) if digits else 0


def _string(field: bytes) -> bytes:
    return field.partition(b"\0")[0]


def is_header(block: bytes) -> bool:
    """True for a whole block whose checksum is right, signed or unsigned: there were tars that summed up signed bytes."""
    if len(block) < BLOCK_SIZE:
        return False
    digits = block[148:156].strip(b" \0")
    if not digits or digits.translate(None, _OCTAL_DIGITS):
        return False
    difference = content.byte_sum(block) - sum(block[148:156]) + 8 * ord(" ") - int(digits, 8)
    return difference == 0 or difference == 256 * len((block[:148] + block[156:]).translate(None, _LOW))


def looks_like_header(block: bytes) -> bool:
    """True for a block that says to be a header, whatever its checksum is."""
    return block[257:262] == _POSIX_MAGIC


def read_header(stream: Reader) -> Header | None:
    """Return the next header, None for the end mark. ArchiveError when there is neither."""
    offset = stream.position
    block = stream.exactly(BLOCK_SIZE)
    if block == END:
        return None
    if not block.strip(b"\0"):
        raise ArchiveError(f"ends without its end mark (a block of zeros), at byte {offset} of the unpacked archive",
                           remedy="Copy the image again")
    if len(block) < BLOCK_SIZE:
        raise ArchiveError(f"ends in the middle of a header, at byte {offset} of the unpacked archive", remedy="Copy the image again")
    if not is_header(block):
        problem = "has a header with a wrong checksum" if looks_like_header(block) else "goes on with something that is no tar header"
        raise ArchiveError(f"{problem}, at byte {offset} of the unpacked archive", remedy="Copy the image again")
    return Header(block, offset)
