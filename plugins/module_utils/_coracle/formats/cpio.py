# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""cpio archives, as the kernel's initramfs has them and as cpio(1) made them before.

The formats differ in their headers (cpio_headers.py) and in their padding. Where they leave a choice we do as init/initramfs.c.
"""

from __future__ import annotations

from ..base.errors import ArchiveError
from . import content, cpio_headers
from .entries import (
    BLOCK,
    CHARACTER,
    FILE,
    KINDS,
    NANOSECONDS,
    PATH_MAX,
    SYMLINK,
    Entry,
    Member,
    Summary,
    check_device,
    check_target,
    check_target_size,
    new_entry,
)
from .limits import Limits

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from .compression.stream import Stream
    from .cpio_headers import Fields, Format

_TRAILER = b"TRAILER!!!"
_AGAIN = "Copy the image again"
_MAX_WAITING = 1 << 12  # symbolic links whose target is still to come; each takes memory


def entries(stream: Stream, form: Format, limits: Limits, summary: Summary) -> Iterator[Entry]:
    """Return the entries of the one archive that `stream` is at, and stop behind its end mark.

    `form`: that of its first header. `summary`: `segments` has this archive already. ArchiveError with name and offset for whatever
    is wrong.
    """
    archive = len(summary.segments)
    waiting: dict[tuple[int, ...] | None, list[Entry]] = {}
    while True:
        offset = stream.position
        header = stream.exactly(form.size)
        if not header.startswith(form.magic):
            form = _sibling(form, header, offset)
        fields = _parse(form, header, offset)
        name = _read_name(stream, form, fields[11], offset)
        if name == _TRAILER:
            if fields[6]:
                raise Member(name, offset).error("the end mark has data")
            for links in waiting.values():
                check_target_size(links[0].member, 0)
            return
        if not summary.format:
            summary.format = form.name
        entry = _entry(Member(name, offset), form, fields, archive)
        summary.count(entry, limits)
        data = content.read(stream, entry.member, entry.size, -entry.size % form.alignment)
        if form.has_checksum and entry.kind == FILE and entry.size:  # only files that carry data have one
            data = _checked(entry, data, fields[12])
        if entry.kind == SYMLINK:
            entry.target = b"".join(data)
            yield from _links(entry, waiting, limits, summary)
            continue
        entry.data = data
        yield entry
        for _rest in data:
            pass


def _sibling(form: Format, header: bytes, offset: int) -> Format:
    """Return the format of a header that is not of the kind before it: newc and crc may alternate, nothing else may."""
    found = cpio_headers.recognise(header)
    if found and found.parse is form.parse:
        return found
    if not header[:6].strip(b"\0"):
        raise ArchiveError(f"ends without its end mark ({_TRAILER.decode()}), at byte {offset} of the unpacked archive", remedy=_AGAIN)
    if form.magic.startswith(header):
        raise ArchiveError(f"ends in the middle of a header, at byte {offset} of the unpacked archive", remedy=_AGAIN)
    raise ArchiveError(f"goes on with something that is no cpio header ({header[:6].hex(' ')}), at byte {offset} of the unpacked archive",
                       remedy=_AGAIN)


def _parse(form: Format, header: bytes, offset: int) -> Fields:
    if len(header) < form.size:
        raise ArchiveError(f"ends in the middle of a header, at byte {offset} of the unpacked archive", remedy=_AGAIN)
    try:
        fields = form.parse(header)
    except ValueError as error:
        raise ArchiveError(f"{error}, at byte {offset} of the unpacked archive", remedy=_AGAIN) from None
    if not 2 <= fields[11] <= PATH_MAX:
        raise ArchiveError(f"has a name of {fields[11]} bytes, at byte {offset} of the unpacked archive; 2 to {PATH_MAX} are possible")
    return fields


def _read_name(stream: Stream, form: Format, size: int, offset: int) -> bytes:
    padded = size + -(form.size + size) % form.alignment
    field = stream.exactly(padded)
    if len(field) < padded:
        raise ArchiveError(f"ends in the middle of a name, at byte {stream.position} of the unpacked archive", remedy=_AGAIN)
    if field[size - 1] != 0:
        raise ArchiveError(f"has a name without its NUL, at byte {offset} of the unpacked archive")
    name = field[:field.index(0)]  # the kernel, too, takes a longer name field as padding
    if not name:
        raise ArchiveError(f"has an empty name, at byte {offset} of the unpacked archive")
    return name


def _entry(member: Member, form: Format, fields: Fields, archive: int) -> Entry:
    inode, mode, uid, gid, links, mtime, size, major, minor, node_major, node_minor = fields[:11]
    kind = KINDS.get(mode & ~0o7777)
    if kind is None:
        raise member.error(f"its type is unknown (mode {mode:o})")
    if kind == SYMLINK and (size or links < 2 or form.repeats):
        check_target_size(member, size)
    entry = new_entry(member, kind, mode & 0o7777, uid, gid, mtime * NANOSECONDS, size)
    if kind in (FILE, SYMLINK) and links > 1:
        entry.links = links
        entry.link = (archive, major, minor, inode)  # the end mark of an archive ends the meaning of its inode numbers
        if form.repeats:
            # Inode numbers are cut to 16 or 18 bits here, so two files may share one; names of one file agree in all the rest.
            entry.link += (mode, uid, gid, links, mtime, size)
    if kind in (BLOCK, CHARACTER):
        entry.device = check_device(member, node_major, node_minor)
    return entry


def _links(entry: Entry, waiting: dict[tuple[int, ...] | None, list[Entry]], limits: Limits, summary: Summary) -> Iterator[Entry]:
    """Return the symbolic links that are complete with this one: busybox cpio puts the target of several names on the last one alone."""
    key, entry.link, entry.links = entry.link, None, 1
    if not entry.size:
        if sum(map(len, waiting.values())) >= _MAX_WAITING:
            raise entry.member.error(f"{_MAX_WAITING} symbolic links before it have no target yet")
        waiting.setdefault(key, []).append(entry)
        return
    check_target(entry.member, entry.target)
    for earlier in waiting.pop(key, ()) if key else ():
        earlier.target, earlier.size = entry.target, entry.size
        summary.size += entry.size
        limits.check(summary.size, summary.entries, summary.depth, earlier.member)
        yield earlier
    yield entry


def _checked(entry: Entry, data: Iterator[memoryview], checksum: int) -> Iterator[memoryview]:
    """Return the same pieces, and compare their sum at the end: that is what "crc" means here."""
    total = 0
    for piece in data:
        total += content.byte_sum(piece)
        yield piece
    if total & 0xFFFFFFFF != checksum:
        raise entry.member.error("its checksum is wrong", remedy=_AGAIN)
