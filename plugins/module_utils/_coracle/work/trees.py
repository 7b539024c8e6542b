# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Trees of an image and their manifest: one JSON list a line. Reading it, copying a tree by it, comparing a tree with it.

The image store's tree has no device nodes and no set-id bits; the manifest knows them, so that a copy can have them by option.
"""

from __future__ import annotations

import errno
import json
import os
import stat

from ..base import files
from ..formats.entries import BLOCK, CHARACTER, DIRECTORY, FIFO, FILE, SOCKET, SYMLINK

TYPE_CHECKING = False
if TYPE_CHECKING:
    import typing as t
    from collections.abc import Callable, Iterator

    Difference = tuple[str, t.Optional[str], t.Optional[str]]

LINK = "link"  # a further name of a file; `extra` is its first name
_SET_ID = stat.S_ISUID | stat.S_ISGID
_PIECE = 1 << 20
_TYPES = {stat.S_IFREG: FILE, stat.S_IFDIR: DIRECTORY, stat.S_IFLNK: SYMLINK, stat.S_IFIFO: FIFO,
          stat.S_IFCHR: CHARACTER, stat.S_IFBLK: BLOCK, stat.S_IFSOCK: SOCKET}
_CANNOT_CLONE = (errno.EXDEV, errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS, errno.EBADF, errno.EPERM)


class Policy:
    """What a copy may have that the store's tree has not: device nodes, set-id bits of files."""

    __slots__ = ("devices", "preserve_setuid")

    def __init__(self, devices: bool = False, preserve_setuid: bool = False):
        self.devices = devices
        self.preserve_setuid = preserve_setuid

    def mode(self, record: Record) -> int:
        """Permission bits that the copy of `record` gets."""
        return record.mode if self.preserve_setuid else safe_mode(record.kind, record.mode)

    def wants(self, record: Record) -> bool:
        """False for what the copy leaves out."""
        return self.devices or record.kind not in (BLOCK, CHARACTER)


class Record:
    """A line of the manifest. `path` below the root, '' is the root; `mtime` in seconds; `extra`: target, [major, minor] or first name."""

    __slots__ = ("path", "kind", "mode", "uid", "gid", "mtime", "size", "extra")

    def __init__(self, path: str, kind: str, mode: int, uid: int, gid: int, mtime: int, size: int, extra=None):
        self.path = path
        self.kind = kind
        self.mode = mode
        self.uid = uid
        self.gid = gid
        self.mtime = mtime
        self.size = size
        self.extra = extra

    def line(self) -> str:
        """Return the line, newline included; ASCII, whatever bytes the name has."""
        return json.dumps([getattr(self, name) for name in self.__slots__], separators=(",", ":")) + "\n"


def safe_mode(kind: str, mode: int) -> int:
    """Return `mode` without the set-id bits, which on a directory mean no privilege and stay."""
    return mode if kind == DIRECTORY else mode & ~_SET_ID


def implicit_directory(path: bytes) -> Record:
    """The record of a directory that the archive only implies."""
    return Record(os.fsdecode(path), DIRECTORY, 0o755, 0, 0, 0, 0)


def lines(manifest: t.TextIO) -> Iterator[Record]:
    """Return the records of an open manifest from its beginning, in their order, one at a time."""
    manifest.seek(0)
    for line in manifest:
        yield Record(*json.loads(line))


def compact(manifest: t.TextIO, root: int) -> None:
    """Rewrite a manifest in which paths occur twice so that it has one record for each path of the tree below `root`."""
    last = {record.path: record for record in lines(manifest)}
    manifest.seek(0)
    manifest.truncate()
    firsts: dict[int, str] = {}
    for path, record in sorted(last.items()):  # a directory sorts before its content
        if record.kind not in (BLOCK, CHARACTER):
            info = _stat_beneath(root, path)
            if info is None or _TYPES[stat.S_IFMT(info.st_mode)] != (FILE if record.kind == LINK else record.kind):
                continue
            if record.kind in (FILE, LINK):
                first = firsts.setdefault(info.st_ino, path)
                record.kind, record.extra = (FILE, None) if first == path else (LINK, first)
                # What the file has now may be of a name that was replaced since; set-id bits only a record knows.
                record.mode = stat.S_IMODE(info.st_mode) | record.mode & _SET_ID
                record.uid, record.gid, record.mtime, record.size = info.st_uid, info.st_gid, int(info.st_mtime), info.st_size
        manifest.write(record.line())
    manifest.flush()


def _stat_beneath(root: int, path: str) -> os.stat_result | None:
    try:
        fd = files.open_beneath(root, path or ".", os.O_PATH | os.O_NOFOLLOW)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
            return None
        raise
    try:
        return os.fstat(fd)
    finally:
        os.close(fd)


def load(path: str) -> dict[str, Record]:
    """Return {path: record} of a finished manifest, parents before their content; a file has the size and owner of its last name."""
    records: dict[str, Record] = {}
    with open(path, encoding="ascii") as manifest:
        for record in lines(manifest):
            records[record.path] = record
            if record.kind == LINK:
                first = records[record.extra]
                first.size = record.size or first.size
                first.mode, first.uid, first.gid, first.mtime = record.mode, record.uid, record.gid, record.mtime
    return records


class _Here:
    """The directory descriptor that belongs to a path below `root`, kept while the next path has the same parent."""

    def __init__(self, root: int):
        self._root = root
        self._path = None
        self._fd = -1

    def parent(self, path: str) -> tuple[int, str]:
        """Return the descriptor of the parent of `path`, good until the next call, and the last part of `path`."""
        parent, _slash, name = path.rpartition("/")
        if parent != self._path:
            fd = files.open_beneath(self._root, parent or ".", os.O_RDONLY | os.O_DIRECTORY)
            self.close()
            self._path, self._fd = parent, fd
        return self._fd, name

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd, self._path = -1, None


def copy(source: int, records: dict[str, Record], target: int, policy: Policy) -> None:
    """Copy the tree below the descriptor `source` into the empty directory `target`, as the manifest and the policy say."""
    here, there, firsts = _Here(source), _Here(target), _Here(target)
    try:
        for record in records.values():
            if record.path and policy.wants(record):
                _copy_one(here, there, firsts, record, policy)
        for record in records.values():
            if record.kind == DIRECTORY:
                _finish_directory(target, record, policy)
    finally:
        here.close()
        there.close()
        firsts.close()


def _copy_one(here: _Here, there: _Here, firsts: _Here, record: Record, policy: Policy) -> None:
    parent, name = there.parent(record.path)
    if record.kind == DIRECTORY:
        os.mkdir(name, 0o700, dir_fd=parent)
        return
    if record.kind == FILE:
        _copy_file(here.parent(record.path)[0], parent, name, record, policy)
        return
    if record.kind == LINK:
        first_parent, first_name = firsts.parent(record.extra)
        os.link(first_name, name, src_dir_fd=first_parent, dst_dir_fd=parent, follow_symlinks=False)
        return
    if record.kind == SYMLINK:
        os.symlink(record.extra, name, dir_fd=parent)
    elif record.kind == FIFO:
        os.mkfifo(name, 0o600, dir_fd=parent)
    else:
        kind = stat.S_IFBLK if record.kind == BLOCK else stat.S_IFCHR
        os.mknod(name, kind | 0o600, os.makedev(*record.extra), dir_fd=parent)
    os.chown(name, record.uid, record.gid, dir_fd=parent, follow_symlinks=False)
    if record.kind != SYMLINK:
        os.chmod(name, policy.mode(record), dir_fd=parent)
    os.utime(name, ns=(record.mtime * 10**9, record.mtime * 10**9), dir_fd=parent, follow_symlinks=False)


def _copy_file(source_parent: int, target_parent: int, name: str, record: Record, policy: Policy) -> None:
    source = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=source_parent)
    try:
        target = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=target_parent)
        try:
            _copy_content(source, target)
            os.fchown(target, record.uid, record.gid)
            os.fchmod(target, policy.mode(record))
            os.utime(target, ns=(record.mtime * 10**9, record.mtime * 10**9))
        finally:
            os.close(target)
    finally:
        os.close(source)


def _copy_content(source: int, target: int) -> None:
    # copy_file_range(2) shares the blocks where the file system can; sendfile(2) works between any two.
    left = os.fstat(source).st_size
    copy_range = getattr(os, "copy_file_range", None)
    try:
        while left and copy_range:
            copied = copy_range(source, target, left)
            if not copied:
                break
            left -= copied
    except OSError as error:
        if error.errno not in _CANNOT_CLONE:
            raise
    while os.sendfile(target, source, None, _PIECE):
        pass


def _finish_directory(root: int, record: Record, policy: Policy) -> None:
    fd = files.open_beneath(root, record.path or ".", os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fchown(fd, record.uid, record.gid)
        os.fchmod(fd, policy.mode(record))
        os.utime(fd, ns=(record.mtime * 10**9, record.mtime * 10**9))
    finally:
        os.close(fd)


def differences(source: int, records: dict[str, Record], target: int, policy: Policy) -> list[Difference]:
    """Compare the tree below `target` with the image's: (path, what is there, what should be there), sorted by path; None is nothing.

    Names, types, modes, owners, sizes, link targets and device numbers by the manifest, content byte for byte with the store's tree
    below `source`. Times are not compared. `target` may be hostile: nothing is followed, fifos and devices are not opened.
    """
    wanted = {path: record for path, record in records.items() if policy.wants(record) and record.kind != SOCKET}
    found: list[Difference] = []
    inodes: dict[str, int] = {}
    here, there = _Here(source), _Here(target)
    try:
        # What is not of the image is not entered: it may be deeper than we have descriptors.
        for path, info in _walk(target, lambda path: path in records):
            record = wanted.pop(path, None)
            if record is None:
                found.append((path, _describe_found(info, there, path), None))
                continue
            inodes[path] = info.st_ino
            first = records[record.extra] if record.kind == LINK else record
            have, want = _describe_found(info, there, path), _describe_wanted(first, policy)
            if have == want and first.kind == FILE and not _same_content(here, there, path, info):
                have, want = f"{have}, other content", f"{want}, the image's content"
            if have != want:
                found.append((path, have, want))
    finally:
        here.close()
        there.close()
    for path, record in wanted.items():
        found.append((path, None, _describe_wanted(records[record.extra] if record.kind == LINK else record, policy)))
    for path, record in records.items():
        if record.kind == LINK and path in inodes and record.extra in inodes and inodes[path] != inodes[record.extra]:
            found.append((path, "a file of its own", f"a name of {record.extra}"))
    return sorted(found, key=lambda difference: difference[0])


def _walk(root: int, enter: Callable[[str], bool], prefix: str = "") -> Iterator[tuple[str, os.stat_result]]:
    """Return (path, lstat) of what is below `root`, the root itself first, and of what is in directories that `enter` is true for."""
    if not prefix:
        yield "", os.fstat(root)
    with os.scandir(root) as entries:
        found = [(entry.name, entry.stat(follow_symlinks=False)) for entry in entries]
    for name, info in found:
        path = f"{prefix}{name}"
        yield path, info
        if stat.S_ISDIR(info.st_mode) and enter(path):
            fd = files.open_directory(name, root)
            try:
                yield from _walk(fd, enter, f"{path}/")
            finally:
                os.close(fd)


def _describe_found(info: os.stat_result, there: _Here, path: str) -> str:
    kind = _TYPES[stat.S_IFMT(info.st_mode)]
    extra = ""
    if kind == SYMLINK:
        parent, name = there.parent(path)
        extra = f" to {os.readlink(name, dir_fd=parent)}"
    elif kind in (BLOCK, CHARACTER):
        extra = f" {os.major(info.st_rdev)}:{os.minor(info.st_rdev)}"
    elif kind == FILE:
        extra = f" of {info.st_size} bytes"
    return _describe(kind, stat.S_IMODE(info.st_mode), info.st_uid, info.st_gid, extra)


def _describe_wanted(record: Record, policy: Policy) -> str:
    extra = ""
    if record.kind == SYMLINK:
        extra = f" to {record.extra}"
    elif record.kind in (BLOCK, CHARACTER):
        extra = f" {record.extra[0]}:{record.extra[1]}"
    elif record.kind == FILE:
        extra = f" of {record.size} bytes"
    return _describe(record.kind, policy.mode(record), record.uid, record.gid, extra)


def _describe(kind: str, mode: int, uid: int, gid: int, extra: str) -> str:
    permissions = "" if kind == SYMLINK else f" {mode:04o}"
    return f"{kind}{extra},{permissions} {uid}:{gid}"


def _same_content(here: _Here, there: _Here, path: str, info: os.stat_result) -> bool:
    parent, name = here.parent(path)
    source = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
    try:
        parent, name = there.parent(path)
        target = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=parent)
        try:
            if os.fstat(target).st_ino != info.st_ino:
                return False
            while True:
                data = os.read(source, _PIECE)
                if data != os.read(target, _PIECE):
                    return False
                if not data:
                    return True
        finally:
            os.close(target)
    finally:
        os.close(source)
