# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every archive format delivers: entries, within limits. Names are judged here, for all formats alike; nothing is written."""

from __future__ import annotations

from ..base import text
from ..base.errors import ArchiveError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

FILE = "file"
DIRECTORY = "directory"
SYMLINK = "symlink"
CHARACTER = "character device"
BLOCK = "block device"
FIFO = "fifo"
SOCKET = "socket"
# File types of st_mode, <sys/stat.h>.
KINDS = {0o100000: FILE, 0o040000: DIRECTORY, 0o120000: SYMLINK, 0o020000: CHARACTER, 0o060000: BLOCK, 0o010000: FIFO, 0o140000: SOCKET}

PIECE = 1 << 20  # bytes handled at a time
PATH_MAX = 4096  # <linux/limits.h>, with the NUL
NAME_MAX = 255
MAX_OWNER = (1 << 31) - 1  # (uid_t)-1 means "leave it" to chown(2), and beside it ids that a signed reader takes for negative


class Limits:
    """How much an archive may unpack to: bytes of all files together, entries, and directories above a file."""

    __slots__ = ("max_bytes", "max_entries", "max_depth")

    def __init__(self, max_bytes: int = 4 << 30, max_entries: int = 500_000, max_depth: int = 100):
        self.max_bytes = max_bytes
        self.max_entries = max_entries
        self.max_depth = max_depth

    def check(self, size: int, entries: int, depth: int, member: Member | None = None) -> None:
        """ArchiveError, naming the option, when one of the three is above its limit."""
        for option, value, limit in (("max_bytes", size, self.max_bytes), ("max_entries", entries, self.max_entries),
                                     ("max_depth", depth, self.max_depth)):
            if value > limit:
                where = f", at {member}" if member else ""
                raise ArchiveError(f"the archive needs {value} or more{where}", option=option, value=limit,
                                   remedy=f"If you trust the archive, give {option} a larger value")


class Member:
    """Where an entry begins, for messages: its name as stored and the offset of its header in the unpacked archive."""

    __slots__ = ("name", "offset")

    def __init__(self, name: bytes, offset: int):
        self.name = name
        self.offset = offset

    def __str__(self):
        return f"member '{text.visible(self.name)}' at byte {self.offset}"

    def error(self, problem: str, remedy: str | None = None) -> ArchiveError:
        """Return the exception to raise for this member."""
        return ArchiveError(f"{self}: {problem}", remedy=remedy)


class Entry:
    """One entry. `path`: bytes below the root, no '.', '..' or empty part; b'' is the root itself. `mode`: permission bits with set-id.

    `target`: of a symbolic link. `device`: (major, minor). `link`: equal for names of one file, None for a file of its own.
    `links`: how many names the file has. `data`: the content in pieces; what the caller leaves is skipped.
    """

    __slots__ = ("member", "path", "kind", "mode", "uid", "gid", "mtime", "size", "target", "device", "link", "links", "data")

    def __init__(self, member: Member, path: bytes, kind: str, mode: int, uid: int, gid: int, mtime: int, size: int):
        self.member = member
        self.path = path
        self.kind = kind
        self.mode = mode
        self.uid = uid
        self.gid = gid
        self.mtime = mtime
        self.size = size
        self.target = b""
        self.device = (0, 0)
        self.link = None
        self.links = 1
        self.data: Iterator[bytes] = iter(())


def clean_path(member: Member) -> bytes:
    """Return the member's name as a path below the root: leading '/' and './' are dropped, '..' is refused wherever it stands."""
    parts = [part for part in member.name.split(b"/") if part not in (b"", b".")]
    if b".." in parts:
        raise member.error("its name has '..' in it")
    if b"\0" in member.name:
        raise member.error("its name has a NUL in it")
    if any(len(part) > NAME_MAX for part in parts):
        raise member.error(f"a part of its name is longer than {NAME_MAX} bytes")
    return b"/".join(parts)


def check_owner(member: Member, uid: int, gid: int) -> None:
    """ArchiveError for owners that chown(2) would take for something else."""
    if uid > MAX_OWNER or gid > MAX_OWNER:
        raise member.error(f"its owner {uid}:{gid} is above {MAX_OWNER}")
