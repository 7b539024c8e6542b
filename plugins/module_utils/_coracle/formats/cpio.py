# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""cpio archives of the kernel's initramfs: newc (070701) and crc (070702), several in a row.

The format is that of Documentation/driver-api/early-userspace/buffer-format.rst; where that leaves a choice we do as init/initramfs.c.
"""

from __future__ import annotations

import binascii
import struct

from ..base.errors import ArchiveError
from . import compression
from .entries import BLOCK, CHARACTER, DIRECTORY, FILE, KINDS, PATH_MAX, PIECE, SYMLINK, Entry, Limits, Member, check_owner, clean_path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_HEADER = 110
_FIELDS = struct.Struct(">13I")
_TRAILER = b"TRAILER!!!"
_NEWC = b"070701"
_CRC = b"070702"
FORMATS = {_NEWC: "newc", _CRC: "crc"}
_REPACK = "Repack it with: cpio -i --make-directories < IMAGE; find . | cpio -o -H newc > NEW"
# What people hand in by mistake: beginning of the file, its name, what to do.
_FOREIGN = (
    (b"070707", "a cpio archive of the old portable format (odc)", _REPACK),
    (b"\xc7\x71", "a cpio archive of the old binary format", _REPACK),
    (b"\x71\xc7", "a cpio archive of the old binary format", _REPACK),
    (b"\xed\xab\xee\xdb", "an RPM package", "Take the cpio archive out of it with rpm2cpio"),
    (b"!<arch>\n", "an ar archive, such as a Debian package", "Give an initrd"),
    (b"PK\x03\x04", "a ZIP archive", "Give an initrd"),
    (b"hsqs", "a squashfs image", "Give an initrd"),
    (b"\x7fELF", "a program", "Give an initrd"),
)


class Summary:
    """What entries() has met so far. `segments`: compression of each archive, in order."""

    __slots__ = ("format", "segments", "entries", "size", "depth")

    def __init__(self):
        self.format = ""
        self.segments: list[str] = []
        self.entries = 0
        self.size = 0
        self.depth = 0


def entries(stream: compression.Stream, limits: Limits, summary: Summary) -> Iterator[Entry]:
    """Return the entries of all archives of `stream`, to its end. ArchiveError with name and offset for whatever is wrong."""
    while stream.begin():
        if len(summary.segments) >= limits.max_entries:
            raise ArchiveError("the file holds too many archives", option="max_entries", value=limits.max_entries)
        compressed = stream.compression
        summary.segments.append(compressed)
        yield from _archive(stream, limits, summary)
    if not summary.segments:
        raise ArchiveError("holds no archive, nothing but zeros or nothing at all",
                           remedy="Give an initrd: a cpio archive, compressed or not")


def _archive(stream: compression.Stream, limits: Limits, summary: Summary) -> Iterator[Entry]:
    number = len(summary.segments)
    while True:
        offset = stream.position
        header = stream.exactly(_HEADER)
        magic = header[:6]
        if magic not in FORMATS:
            raise _unknown(header, offset, stream, first=number == 1 and not summary.entries)
        fields = _parse_header(header, offset)
        name = _read_name(stream, fields[11], offset)
        member = Member(name, offset)
        if name == _TRAILER:
            if fields[6]:
                raise member.error("the end mark has data")
            return
        summary.format = FORMATS[magic]
        summary.entries += 1
        summary.size += fields[6]
        entry = _entry(member, fields, number)
        depth = entry.path.count(b"/")
        summary.depth = max(summary.depth, depth)
        limits.check(summary.size, summary.entries, depth, member)
        content = _content(stream, entry, fields[12] if magic == _CRC else None)
        if entry.kind == SYMLINK:
            entry.target = _target(entry, content)
        else:
            entry.data = content
        yield entry
        for _rest in content:
            pass


def _parse_header(header: bytes, offset: int) -> tuple[int, ...]:
    # int(x, 16) would take '0x', signs, '_' and blanks; this takes hexadecimal digits only.
    try:
        fields = _FIELDS.unpack(binascii.unhexlify(header[6:]))
    except (binascii.Error, struct.error):
        problem = "ends in the middle of a header" if len(header) < _HEADER else "has a header with something else than hexadecimal digits"
        raise ArchiveError(f"{problem}, at byte {offset} of the unpacked archive", remedy="Copy the image again") from None
    if not 2 <= fields[11] <= PATH_MAX:
        raise ArchiveError(f"has a name of {fields[11]} bytes, at byte {offset} of the unpacked archive; 2 to {PATH_MAX} are possible")
    return fields


def _read_name(stream: compression.Stream, size: int, offset: int) -> bytes:
    padded = size + -(_HEADER + size) % 4
    name = stream.exactly(padded)
    if len(name) < padded:
        raise ArchiveError(f"ends in the middle of a name, at byte {stream.position} of the unpacked archive",
                           remedy="Copy the image again")
    if name[size - 1] != 0:
        raise ArchiveError(f"has a name without its NUL, at byte {offset} of the unpacked archive")
    name = name[:size].partition(b"\0")[0]  # the kernel, too, takes a longer name field as padding
    if not name:
        raise ArchiveError(f"has an empty name, at byte {offset} of the unpacked archive")
    return name


def _entry(member: Member, fields: tuple[int, ...], archive: int) -> Entry:
    ino, mode, uid, gid, links, mtime, size, major, minor, rmajor, rminor = fields[:11]
    kind = KINDS.get(mode & ~0o7777)
    if kind is None:
        raise member.error(f"its type is unknown (mode {mode:o})")
    check_owner(member, uid, gid)
    path = clean_path(member)
    if not path and kind != DIRECTORY:
        raise member.error("the root is no directory")
    if size and kind not in (FILE, SYMLINK):
        raise member.error(f"a {kind} with data")
    if kind == SYMLINK and not 0 < size < PATH_MAX:
        raise member.error(f"a symbolic link to a name of {size} bytes; 1 to {PATH_MAX - 1} are possible")
    entry = Entry(member, path, kind, mode & 0o7777, uid, gid, mtime, size)
    if kind == FILE and links > 1:
        entry.link = (archive, major, minor, ino)  # the end mark of an archive ends the meaning of its inode numbers
        entry.links = links
    if kind in (BLOCK, CHARACTER):
        entry.device = (rmajor, rminor)
    return entry


def _content(stream: compression.Stream, entry: Entry, checksum: int | None) -> Iterator[memoryview]:
    left = entry.size
    total = 0
    while left:
        piece = stream.read(min(left, PIECE))
        if not piece:
            raise entry.member.error(f"the archive ends {left} bytes before the end of its data", remedy="Copy the image again")
        left -= len(piece)
        if checksum is not None:
            total += sum(piece)
        yield piece
    # "crc" is a plain sum, and only files that carry data have one.
    if checksum is not None and entry.kind == FILE and entry.size and total & 0xFFFFFFFF != checksum:
        raise entry.member.error("its checksum is wrong", remedy="Copy the image again")
    padding = -entry.size % 4
    if padding and len(stream.exactly(padding)) < padding:
        raise entry.member.error("the archive ends behind its data", remedy="Copy the image again")


def _target(entry: Entry, content: Iterator[memoryview]) -> bytes:
    target = b"".join(content)
    if b"\0" in target:
        raise entry.member.error("a symbolic link to a name with a NUL in it")
    return target


def _unknown(header: bytes, offset: int, stream: compression.Stream, first: bool) -> ArchiveError:
    """Return the error for something that is no header where one should be."""
    if len(header) < 6 and not header.strip(b"\0"):
        return ArchiveError(f"ends without its end mark ({_TRAILER.decode()}), at byte {offset} of the unpacked archive",
                            remedy="Copy the image again")
    name = compression.name_of(header)
    if name:
        return ArchiveError(f"is compressed twice: {name} inside {stream.compression}", remedy="Unpack it once, and give the result")
    if first:
        for magic, what, remedy in _FOREIGN:
            if header.startswith(magic):
                return ArchiveError(f"is {what}, which is not supported", remedy=remedy)
        return ArchiveError(f"is no cpio archive: it begins with the bytes {header[:6].hex(' ')}",
                            remedy="Give an initrd: a cpio archive of format newc or crc, compressed or not")
    return ArchiveError(f"goes on with something that is no cpio header ({header[:6].hex(' ')}), at byte {offset} of the unpacked archive",
                        remedy="Copy the image again")
