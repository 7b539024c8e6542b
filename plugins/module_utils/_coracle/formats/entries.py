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

    from .limits import Limits

FILE = "file"
DIRECTORY = "directory"
SYMLINK = "symlink"
CHARACTER = "character device"
BLOCK = "block device"
FIFO = "fifo"
SOCKET = "socket"
WHITEOUT = "whiteout"  # of a layer: what an earlier layer made here goes
OPAQUE = "opaque"  # of a layer: what earlier layers made in this directory goes, the directory stays
# File types of st_mode, <sys/stat.h>.
KINDS = {0o100000: FILE, 0o040000: DIRECTORY, 0o120000: SYMLINK, 0o020000: CHARACTER, 0o060000: BLOCK, 0o010000: FIFO, 0o140000: SOCKET}

PIECE = 1 << 20  # bytes handled at a time
PATH_MAX = 4096  # <linux/limits.h>, with the NUL
NAME_MAX = 255
NANOSECONDS = 10**9  # in a second
MAX_MTIME = (1 << 34) - (1 << 31) - 1  # seconds, in the year 2446: the latest that ext4 keeps
MAX_MAJOR, MAX_MINOR = (1 << 12) - 1, (1 << 20) - 1  # <linux/kdev_t.h>
MAX_OWNER = (1 << 31) - 1  # (uid_t)-1 means "leave it" to chown(2), and beside it ids that a signed reader takes for negative


class Summary:
    """What a reader has met so far. `format`: of the first archive with entries: newc crc odc bin v7 ustar gnu pax.

    `segments`: compression of each archive, in order. `size`: bytes of all files. `depth`: directories above the deepest entry.
    """

    __slots__ = ("format", "segments", "entries", "size", "depth")

    def __init__(self):
        self.format = ""
        self.segments: list[str] = []
        self.entries = 0
        self.size = 0
        self.depth = 0

    def count(self, entry: Entry, limits: Limits) -> None:
        """Count an entry before its data is read. ArchiveError when it is one too many, or too large or too deep."""
        depth = entry.path.count(b"/")
        if depth > self.depth:
            self.depth = depth
        self.entries += 1
        self.size += entry.size
        if self.size > limits.max_bytes or self.entries > limits.max_entries or depth > limits.max_depth:
            limits.check(self.size, self.entries, depth, entry.member)


class Member:
    """Where an entry begins, for messages: its name as stored and the offset of its header in the unpacked archive."""

    __slots__ = ("name", "offset")

    def __init__(self, name: bytes, offset: int):
        self.name = name
        self.offset = offset

    def __str__(self):
        cut = "..." if len(self.name) > PATH_MAX else ""
        return f"member '{text.visible(self.name[:PATH_MAX])}{cut}' at byte {self.offset}"

    def error(self, problem: str, remedy: str | None = None) -> ArchiveError:
        """Return the exception to raise for this member."""
        return ArchiveError(f"{self}: {problem}", remedy=remedy)


class Entry:
    """One entry. `path`: bytes below the root, no '.', '..' or empty part; b'' is the root itself. `mode`: permission bits with set-id.

    `size`: bytes of `data`, or of `target`. `target`: of a symbolic link. `device`: (major, minor). `mtime_ns`: since 1970, never negative.
    `capability`: of a FILE, the value of its extended attribute security.capability, or None.
    `data`: the content in pieces (bytes or memoryview), valid until the next entry is asked for; what the caller leaves is skipped.
    `layer`: 0, or the number of the layer in an image made of several; only such an image has WHITEOUT and OPAQUE.

    Hard links come in two ways, never both in one entry:

    cpio: each name is a FILE with `link`, a key that is equal for the names of one file, and `links`, how many names it says to have.
        Any of them may bring the data, or each the same: a `size` above 0 is the content of the file from now on. The key
        has no meaning outside its archive. A name may come twice.
    tar: the first name is a FILE of its own (`link` None, `links` 1) or of any other kind but a directory. Each further name is a FILE
        with `link_path`, the path of an earlier name cleaned like `path` (never b''), and `size` 0. It brings no data. Its mode, owner,
        time and capability are those of the file, whoever wrote the archive; what stands at `link_path` may be missing, a symbolic
        link (the new name is of the link itself), a directory (an error), or `path` itself (nothing to link).
    """

    __slots__ = ("member", "path", "kind", "mode", "uid", "gid", "mtime_ns", "size", "target", "device", "link", "links", "link_path",
                 "capability", "layer", "data")

    def __init__(self, member: Member, path: bytes, kind: str, mode: int, uid: int, gid: int, mtime_ns: int, size: int):
        self.member = member
        self.path = path
        self.kind = kind
        self.mode = mode
        self.uid = uid
        self.gid = gid
        self.mtime_ns = mtime_ns
        self.size = size
        self.target = b""
        self.device = (0, 0)
        self.link: tuple[int, ...] | None = None
        self.links = 1
        self.link_path: bytes | None = None
        self.capability: bytes | None = None
        self.layer = 0
        self.data: Iterator[bytes | memoryview] = iter(())


def new_entry(member: Member, kind: str, mode: int, uid: int, gid: int, mtime_ns: int, size: int) -> Entry:
    """Return the entry of a member whose name, owner, time and size are possible for its kind, ArchiveError otherwise."""
    if uid > MAX_OWNER or gid > MAX_OWNER:
        raise member.error(f"its owner {uid}:{gid} is above {MAX_OWNER}")
    if mtime_ns // NANOSECONDS > MAX_MTIME:
        raise member.error(f"its time {mtime_ns // NANOSECONDS} is above {MAX_MTIME}, which is in the year 2446")
    path = clean_path(member, member.name, "its name")
    if not path and kind != DIRECTORY:
        raise member.error("the root is no directory")
    if size and kind != FILE and kind != SYMLINK:
        raise member.error(f"a {kind} with data")
    return Entry(member, path, kind, mode, uid, gid, mtime_ns, size)


def clean_path(member: Member, name: bytes, what: str) -> bytes:
    """Return a name of the archive as a path below the root: '/' and './' are dropped, '..' is refused wherever it stands.

    `what`: the name in messages, such as "its name".
    """
    if len(name) >= PATH_MAX:
        raise member.error(f"{what} has {len(name)} bytes; 1 to {PATH_MAX - 1} are possible")
    if b"\0" in name:
        raise member.error(f"{what} has a NUL in it")
    parts = name.split(b"/")
    if b".." in parts:
        raise member.error(f"{what} has '..' in it")
    if len(name) > NAME_MAX and any(len(part) > NAME_MAX for part in parts):
        raise member.error(f"a part of {what} is longer than {NAME_MAX} bytes")
    if b"" in parts or b"." in parts:
        return b"/".join([part for part in parts if part not in (b"", b".")])
    return name


def check_device(member: Member, major: int, minor: int) -> tuple[int, int]:
    """Return the numbers of a device node, ArchiveError when the kernel has none such."""
    if major > MAX_MAJOR or minor > MAX_MINOR:
        raise member.error(f"its device number {major}:{minor} is above {MAX_MAJOR}:{MAX_MINOR}")
    return major, minor


def check_target_size(member: Member, size: int) -> None:
    """ArchiveError when no symbolic link could name so many bytes."""
    if not 0 < size < PATH_MAX:
        raise member.error(f"a symbolic link to a name of {size} bytes; 1 to {PATH_MAX - 1} are possible")


def check_target(member: Member, target: bytes) -> bytes:
    """Return what a symbolic link names, ArchiveError when no link could have that."""
    check_target_size(member, len(target))
    if b"\0" in target:
        raise member.error("a symbolic link to a name with a NUL in it")
    return target
