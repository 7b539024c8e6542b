# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Trees of an image: copies of the store's tree, what that tree lacks, and a comparison with what the image's archive had.

The store's tree has no device nodes, and no set-id bits or capabilities of files, whatever the archive says. The manifest knows them,
so that a rootfs can have them by option (Policy).
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import stat

from ..base import files
from ..base.errors import LauncherError
from ..formats.entries import BLOCK, CHARACTER, DIRECTORY, FIFO, FILE, SOCKET, SYMLINK
from .manifest import LINK, Parents, Policy, Record, order, safe_mode

TYPE_CHECKING = False
if TYPE_CHECKING:
    import typing as t
    from collections.abc import Iterable, Iterator

    Difference = tuple[str, t.Optional[str], t.Optional[str]]

_CAPABILITY = "security.capability"
_DEVICES = (BLOCK, CHARACTER)
_FILES = (FILE, LINK)
_TYPES = {stat.S_IFREG: FILE, stat.S_IFDIR: DIRECTORY, stat.S_IFLNK: SYMLINK, stat.S_IFIFO: FIFO,
          stat.S_IFCHR: CHARACTER, stat.S_IFBLK: BLOCK, stat.S_IFSOCK: SOCKET}
_CHANGES = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EINVAL, errno.ENXIO, errno.ESTALE)  # EINVAL: readlink(2) of no link any more
_CHANGED = "changed while it was compared"
_PIECE = 1 << 20
_FICLONE = 0x40049409  # <linux/fs.h>: _IOW(0x94, 9, int)
_CANNOT_SHARE = (errno.EXDEV, errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS, errno.ENOTTY, errno.EBADF, errno.EPERM)


def copy(source: int, records: Iterable[Record], target: int, policy: Policy) -> None:
    """Copy the tree below the descriptor `source` into the empty directory `target`, as the manifest and the policy say.

    LauncherError when the file system there has no room for what the policy wants; OSError as the system calls.
    """
    copier = _Copier(source, target, policy)
    try:
        for record in records:
            if policy.wants(record):
                copier.add(record)
        for record in records:
            if record.kind == DIRECTORY:
                copier.finish_directory(record)
    finally:
        copier.close()


def extras(records: Iterable[Record], policy: Policy) -> Iterator[Record]:
    """Return the records that the policy wants and the store's tree lacks, wholly or in part."""
    for record in records:
        if record.kind in _DEVICES:
            if policy.devices:
                yield record
        elif policy.capability(record) or policy.mode(record) != safe_mode(record.kind, record.mode):
            yield record


def apply_extras(root: int, records: Iterable[Record], policy: Policy) -> None:
    """Give the tree below `root`, an overlay that shows the store's tree with nothing above it yet, what that lacks. Errors as copy()."""
    parents = Parents(root)
    try:
        for record in extras(records, policy):
            parent, name = parents.of(record.path)
            if record.kind in _DEVICES:
                before = os.fstat(parent)
                _make(record, parent, name, policy)
                os.utime(parent, ns=(before.st_mtime_ns, before.st_mtime_ns))
                continue
            fd = os.open(name, os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=parent)
            try:
                _give_attributes(fd, record, policy)
            finally:
                os.close(fd)
    finally:
        parents.close()


class _Copier:
    def __init__(self, source: int, target: int, policy: Policy):
        self._here, self._there, self._firsts = Parents(source), Parents(target), Parents(target)
        self._policy = policy
        self._clones = True  # FICLONE first: it says at once that a file system cannot share blocks

    def close(self) -> None:
        for parents in (self._here, self._there, self._firsts):
            parents.close()

    def add(self, record: Record) -> None:
        parent, name = self._there.of(record.path)
        if record.kind == DIRECTORY:
            if record.path:
                os.mkdir(name, 0o700, dir_fd=parent)
        elif record.kind == FILE:
            self._copy_file(self._here.of(record.path)[0], parent, name, record)
        elif record.kind == LINK:
            first_parent, first_name = self._firsts.of(record.extra)
            os.link(first_name, name, src_dir_fd=first_parent, dst_dir_fd=parent, follow_symlinks=False)
        else:
            _make(record, parent, name, self._policy)

    def finish_directory(self, record: Record) -> None:
        """Give a directory its attributes; earlier its mode could keep us out, and each file in it changes its time."""
        parent, name = self._there.of(record.path)
        os.chown(name, record.uid, record.gid, dir_fd=parent, follow_symlinks=False)
        os.chmod(name, self._policy.mode(record), dir_fd=parent)
        os.utime(name, ns=(record.mtime_ns, record.mtime_ns), dir_fd=parent, follow_symlinks=False)

    def _copy_file(self, source_parent: int, target_parent: int, name: str, record: Record) -> None:
        source = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=source_parent)
        try:
            target = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=target_parent)
            try:
                if record.size and not (self._clones and self._clone(source, target)):
                    _copy_content(source, target, record.size)
                _give_attributes(target, record, self._policy)
            finally:
                os.close(target)
        finally:
            os.close(source)

    def _clone(self, source: int, target: int) -> bool:
        try:
            fcntl.ioctl(target, _FICLONE, source)
        except OSError as error:
            if error.errno not in _CANNOT_SHARE:
                raise
            self._clones = False
            return False
        return True


def _copy_content(source: int, target: int, left: int) -> None:
    # copy_file_range(2) lets a server copy its own files; sendfile(2) works between any two file systems.
    copy_range = getattr(os, "copy_file_range", None)
    try:
        while left and copy_range:
            copied = copy_range(source, target, left)
            if not copied:
                break
            left -= copied
    except OSError as error:
        if error.errno not in _CANNOT_SHARE:
            raise
    while os.sendfile(target, source, None, _PIECE):
        pass


def _make(record: Record, parent: int, name: str, policy: Policy) -> None:
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
    os.utime(name, ns=(record.mtime_ns, record.mtime_ns), dir_fd=parent, follow_symlinks=False)


def _give_attributes(fd: int, record: Record, policy: Policy) -> None:
    os.fchown(fd, record.uid, record.gid)  # takes set-id bits and capabilities away, so it is the first
    os.fchmod(fd, policy.mode(record))
    capability = policy.capability(record)
    if capability:
        try:
            os.setxattr(fd, _CAPABILITY, bytes.fromhex(capability))
        except OSError as error:
            raise LauncherError(f"the capabilities of '{record.path}' cannot be set: {error.strerror}",
                                remedy="Use a file system that has extended attributes, or preserve_setuid: false") from error
    os.utime(fd, ns=(record.mtime_ns, record.mtime_ns))


def differences(target: int, records: Iterable[Record], policy: Policy) -> list[Difference]:
    """Compare the tree below the descriptor `target` with the manifest: (path, what is there, what should be there); None is nothing.

    Sorted as the manifest is. Names, types, modes, owners, link targets, device numbers, capabilities, sizes and content (sha256),
    and which names are one file. Times are not compared. `target` may be hostile: nothing is followed, no fifo or device is opened,
    and what the image does not have is not entered, as it may be deeper than we have descriptors. It may be in use: what goes or becomes
    something else just then is a difference.
    """
    comparison = _Comparison(records, policy)
    comparison.compare(target)
    return comparison.found


class _Comparison:
    """Walks a tree in the order of the manifest, so that it needs one record at a time."""

    def __init__(self, records: Iterable[Record], policy: Policy):
        self._policy = policy
        self._records = (record for record in records if policy.wants(record))
        self._next = next(self._records, None)
        self._several: dict[str, tuple[int, bool]] = {}  # first name of a file with several -> inode, content is right
        self.found: list[Difference] = []

    def compare(self, root: int) -> None:
        self._one("", root, ".")
        self._directory(root, "")
        self._missing(None)

    def _directory(self, directory: int, prefix: str) -> None:
        for _key, name in sorted([(order(name), name) for name in os.listdir(directory)]):
            if self._one(prefix + name, directory, name):
                fd = self._open(prefix + name, directory, name)
                if fd is None:
                    continue
                try:
                    self._directory(fd, f"{prefix}{name}/")
                finally:
                    os.close(fd)

    def _open(self, path: str, parent: int, name: str) -> int | None:
        try:
            return files.open_directory(name, parent)
        except OSError as error:
            self._note_change(error, path, DIRECTORY)
            return None

    def _one(self, path: str, parent: int, name: str) -> bool:
        """Compare what is at `path`. True when it is a directory to enter."""
        self._missing(order(path))
        record = self._next
        if record is None or record.path != path:
            record = None
        else:
            self._next = next(self._records, None)
        want = None if record is None else _describe_wanted(record, self._policy)
        try:
            info = os.stat(name, dir_fd=parent, follow_symlinks=False)
            self._compare(path, record, want, info, (parent, name))
        except OSError as error:
            self._note_change(error, path, want)
            return False
        return record is not None and stat.S_ISDIR(info.st_mode)

    def _note_change(self, error: OSError, path: str, want: str | None) -> None:
        if error.errno not in _CHANGES:
            raise error
        self.found.append((path, _CHANGED, want))

    def _compare(self, path: str, record: Record | None, want: str | None, info: os.stat_result, place: tuple[int, str]) -> None:
        have = _describe_found(info, *place)
        if record is not None and have == want and record.kind in _FILES and not self._has_content(record, info, *place):
            have, want = f"{have}, other content", f"{want}, the image's content"
        if have != want:
            self.found.append((path, have, want))
        elif record is not None and record.kind == LINK and record.extra in self._several and self._several[record.extra][0] != info.st_ino:
            self.found.append((path, "a file of its own", f"a name of {record.extra}"))

    def _missing(self, before: bytes | None) -> None:
        """Note what has records before the place in the manifest, and was not met. None: before its end."""
        while self._next is not None and (before is None or order(self._next.path) < before):
            self.found.append((self._next.path, None, _describe_wanted(self._next, self._policy)))
            self._next = next(self._records, None)

    def _has_content(self, record: Record, info: os.stat_result, parent: int, name: str) -> bool:
        known = self._several.get(record.extra) if record.kind == LINK else None
        if known and known[0] == info.st_ino:
            return known[1]
        same = _digest(parent, name, info) == record.digest
        if record.kind == FILE and record.extra:
            self._several[record.path] = (info.st_ino, same)
        return same


def _digest(parent: int, name: str, info: os.stat_result) -> str | None:
    """Return the sha256 of the file that `info` is of, None when it is another one now."""
    fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=parent)
    try:
        if os.fstat(fd).st_ino != info.st_ino:
            return None
        sha256 = hashlib.sha256()
        while True:
            data = os.read(fd, _PIECE)
            if not data:
                return sha256.hexdigest()
            sha256.update(data)
    finally:
        os.close(fd)


def _describe_found(info: os.stat_result, parent: int, name: str) -> str:
    kind = _TYPES[stat.S_IFMT(info.st_mode)]
    extra = ""
    if kind == SYMLINK:
        extra = f" to {os.readlink(name, dir_fd=parent)}"
    elif kind in _DEVICES:
        extra = f" {os.major(info.st_rdev)}:{os.minor(info.st_rdev)}"
    elif kind == FILE:
        extra = f" of {info.st_size} bytes{_describe_capability(_capability(parent, name))}"
    return _describe(kind, stat.S_IMODE(info.st_mode), info.st_uid, info.st_gid, extra)


def _capability(parent: int, name: str) -> str | None:
    """Return security.capability of a file, in hexadecimal digits."""
    fd = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
    try:
        return os.getxattr(f"/proc/self/fd/{fd}", _CAPABILITY).hex()
    except OSError as error:
        if error.errno in (errno.ENODATA, errno.EOPNOTSUPP):
            return None
        raise
    finally:
        os.close(fd)


def _describe_wanted(record: Record, policy: Policy) -> str:
    extra = ""
    if record.kind == SYMLINK:
        extra = f" to {record.extra}"
    elif record.kind in _DEVICES:
        extra = f" {record.extra[0]}:{record.extra[1]}"
    elif record.kind in _FILES:
        extra = f" of {record.size} bytes{_describe_capability(policy.capability(record))}"
    return _describe(FILE if record.kind == LINK else record.kind, policy.mode(record), record.uid, record.gid, extra)


def _describe_capability(capability: str | None) -> str:
    return f" with capabilities {capability}" if capability else ""


def _describe(kind: str, mode: int, uid: int, gid: int, extra: str) -> str:
    permissions = "" if kind == SYMLINK else f" {mode:04o}"
    return f"{kind}{extra},{permissions} {uid}:{gid}"
