# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Headers of cpio archives: newc (070701), crc (070702), odc (070707) and the old binary one in both byte orders.

newc and crc: Documentation/driver-api/early-userspace/buffer-format.rst of the kernel. odc: "cpio" of POSIX, pax(1). Binary: cpio(5).
"""

from __future__ import annotations

import binascii
import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    # inode, mode, uid, gid, links, mtime, size, major, minor, major and minor of a device node, size of the name, checksum
    Fields = tuple[int, ...]

_HEX = struct.Struct(">13I")
_OCTAL_DIGITS = b"01234567"
_OCTAL_ENDS = (6, 12, 18, 24, 30, 36, 42, 48, 59, 65, 76)


class Format:
    """One kind of header. `parse(header)` returns Fields, or raises ValueError with what is wrong; `size`: bytes of a header.

    `alignment`: of what follows a header with its name, and of what follows data. `has_checksum`: the sum of a file's bytes.
    `repeats`: each name of a file brings the data again; else any of them may.
    """

    __slots__ = ("name", "magic", "size", "alignment", "has_checksum", "repeats", "parse")

    def __init__(self, name: str, magic: bytes, size: int, alignment: int, parse: Callable[[bytes], Fields], *, has_checksum: bool = False,
                 repeats: bool = False):
        self.name = name
        self.magic = magic
        self.size = size
        self.alignment = alignment
        self.parse = parse
        self.has_checksum = has_checksum
        self.repeats = repeats


def _parse_hexadecimal(header: bytes) -> Fields:
    # int(x, 16) would take '0x', signs, '_' and blanks; this takes digits only.
    try:
        return _HEX.unpack(binascii.unhexlify(header[6:]))
    except (binascii.Error, struct.error):
        raise ValueError("has a header with something else than hexadecimal digits") from None


def _parse_octal(header: bytes) -> Fields:
    if header.translate(None, _OCTAL_DIGITS):
        raise ValueError("has a header with something else than octal digits")
    begin = 6
    numbers = []
    for end in _OCTAL_ENDS[1:]:
        numbers.append(int(header[begin:end], 8))
        begin = end
    return _old_fields(*numbers)


def _old_fields(device: int, inode: int, mode: int, uid: int, gid: int, links: int, node: int, mtime: int, name_size: int,
                size: int) -> Fields:
    return (inode, mode, uid, gid, links, mtime, size, device >> 8, device & 0xFF, node >> 8, node & 0xFF, name_size, 0)


def _binary(order: str) -> Callable[[bytes], Fields]:
    layout = struct.Struct(f"{order}13H")

    def parse(header: bytes) -> Fields:
        _magic, device, inode, mode, uid, gid, links, node, mtime_high, mtime, name_size, size_high, size = layout.unpack(header)
        # Numbers of 32 bits have their upper half first in both byte orders, as the PDP-11 had them.
        return _old_fields(device, inode, mode, uid, gid, links, node, mtime_high << 16 | mtime, name_size, size_high << 16 | size)

    return parse


_FORMATS = {form.magic: form for form in (
    Format("newc", b"070701", 110, 4, _parse_hexadecimal),
    Format("crc", b"070702", 110, 4, _parse_hexadecimal, has_checksum=True),
    Format("odc", b"070707", 76, 1, _parse_octal, repeats=True),
    Format("bin", b"\xc7\x71", 26, 2, _binary("<"), repeats=True),
    Format("bin", b"\x71\xc7", 26, 2, _binary(">"), repeats=True),
)}


def recognise(head: bytes) -> Format | None:
    """Return the format of a header by its first six bytes, or None."""
    return _FORMATS.get(head[:6]) or _FORMATS.get(head[:2])
