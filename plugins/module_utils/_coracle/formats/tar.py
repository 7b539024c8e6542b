# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""tar archives: v7, ustar, GNU and pax, in our own strict parser. Here: members as entries, and where members lie in a plain file."""

from __future__ import annotations

import os

from . import content, tar_headers, tar_members, tar_sparse
from .entries import (
    BLOCK,
    CHARACTER,
    DIRECTORY,
    FIFO,
    FILE,
    SYMLINK,
    Entry,
    Summary,
    check_device,
    check_target,
    clean_path,
    new_entry,
)
from .limits import Limits

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from .compression.stream import Stream
    from .tar_members import Member

_HARD_LINK = b"1"
_KINDS = {b"0": FILE, b"\0": FILE, b"7": FILE, b"S": FILE, _HARD_LINK: FILE, b"2": SYMLINK, b"3": CHARACTER, b"4": BLOCK, b"5": DIRECTORY,
          b"6": FIFO}
_REFUSED = {
    b"V": ("the label of a volume", "Make the archive without --label"),
    b"M": ("the rest of a file from another volume", "Make the archive without --multi-volume"),
    b"D": ("a directory of an incremental archive", "Make the archive without --listed-incremental"),
    b"N": ("names as the oldest GNU tar had them", "Make the archive with another tar"),
}


def is_archive(head: bytes) -> bool:
    """True when a tar archive begins with these bytes, 512 of them or more."""
    return tar_headers.is_header(head[:tar_headers.BLOCK_SIZE])


def entries(stream: Stream, limits: Limits, summary: Summary) -> Iterator[Entry]:
    """Return the entries of the one archive that `stream` is at, and stop behind its end mark. ArchiveError as cpio.entries()."""
    is_first = not summary.format
    for member in tar_members.members(stream, limits):
        if is_first and (not summary.format or member.format == tar_headers.PAX):
            summary.format = member.format
        entry = _entry(member)
        summary.count(entry, limits)
        if member.layout is None:
            data = content.read(stream, entry.member, member.stored, member.padding)
        else:
            data = tar_sparse.read(stream, entry.member, member.layout, member.padding)
        entry.data = data
        yield entry
        for _rest in data:
            pass


def _entry(member: Member) -> Entry:
    place = member.place
    kind = _kind(member)
    size = member.stored if member.layout is None else member.layout.size
    if size and not member.is_regular:
        raise place.error(f"a {'hard link' if member.kind == _HARD_LINK else kind} with data")
    if kind == SYMLINK:
        size = len(check_target(place, member.link_name))
    entry = new_entry(place, kind, member.mode, member.uid, member.gid, member.mtime_ns, size)
    if kind == SYMLINK:
        entry.target = member.link_name
    elif member.kind == _HARD_LINK:
        entry.link_path = clean_path(place, member.link_name, "the name that it is linked to")
        if not entry.link_path:
            raise place.error("a hard link to nothing or to the root")
    elif kind in (CHARACTER, BLOCK):
        entry.device = check_device(place, *member.device)
    if kind == FILE:
        entry.capability = member.capability
    return entry


def _kind(member: Member) -> str:
    kind = _KINDS.get(member.kind)
    if kind is None or (member.kind == b"S" and member.layout is None):
        what, remedy = _REFUSED.get(member.kind, (f"its type is unknown ({member.kind!r})", None))
        raise member.place.error(what, remedy=remedy)
    if kind == FILE and member.is_regular and member.place.name.endswith(b"/"):
        return DIRECTORY  # v7 has no other way to say so, and GNU tar takes it so everywhere
    return kind


class _File:
    """A file that is read here and there, for tar_members.members()."""

    def __init__(self, fd: int):
        self._fd = fd
        self._size = os.fstat(fd).st_size
        self.position = 0

    def exactly(self, size: int) -> bytes:
        parts = []
        while size > 0:
            data = os.pread(self._fd, size, self.position)
            if not data:
                break
            self.position += len(data)
            size -= len(data)
            parts.append(data)
        return b"".join(parts)

    def skip(self, member: Member) -> None:
        """Go behind the data of a member. ArchiveError when the file ends before."""
        self.position += member.stored + member.padding
        if self.position > self._size:
            raise member.place.error("the archive ends in its data", remedy="Copy the image again")


def index(fd: int, limits: Limits) -> dict[bytes, tuple[int, int]]:
    """Return {path: (offset, size)} of the regular files in the plain tar file `fd`, reading its headers only, from its beginning.

    Paths are clean as in Entry. Of a path that comes twice the last counts, and when that is no file with all its data in one place
    (a link, a file with holes) the path is missing. ArchiveError as entries(), also for more members than `limits` allow.
    """
    file = _File(fd)
    found: dict[bytes, tuple[int, int]] = {}
    for count, member in enumerate(tar_members.members(file, limits), 1):
        limits.check(0, count, 0, member.place)
        path = clean_path(member.place, member.place.name, "its name")
        if _kind(member) == FILE and member.is_regular and member.layout is None:
            found[path] = (file.position, member.stored)
        else:
            found.pop(path, None)
        file.skip(member)
    return found
