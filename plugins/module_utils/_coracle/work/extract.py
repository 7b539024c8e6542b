# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Entries of an archive -> files below a directory of ours, and a manifest line for each. The archive is hostile.

No path is followed through a symbolic link: the parent of each entry is opened beneath the root (openat2), and the entry is made in it
by its last name, exclusively. Device nodes and sockets are not made and set-id bits not set; the manifest has them (work/trees.py).
"""

from __future__ import annotations

import errno
import os
import stat

from ..base import files
from ..base.errors import LauncherError
from ..formats.entries import BLOCK, CHARACTER, DIRECTORY, FIFO, FILE, SOCKET, SYMLINK, Entry
from . import trees

TYPE_CHECKING = False
if TYPE_CHECKING:
    import typing as t
    from collections.abc import Iterable

_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_OLD_FILE = os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC
_PARENT = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW
# Failures that are the disk's fault, not the archive's: they pass as they are, with the member's name.
_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.ENOMEM, errno.EFBIG)


def extract(entries: Iterable[Entry], root: int, manifest: t.TextIO) -> dict[str, int]:
    """Make `entries` below the open, empty directory `root`, which only we can reach. Return how many were skipped, by kind.

    `manifest`: gets a line for each entry, and is complete when this returns. Nothing is removed on failure: the caller throws
    the whole tree away. ArchiveError for the archive's faults, LauncherError with the member's name for the disk's.
    """
    extractor = _Extractor(root, manifest)
    try:
        for entry in entries:
            try:
                extractor.add(entry)
            except OSError as error:
                raise _with_member(entry, error) from error
        extractor.finish()
    finally:
        extractor.close()
    return extractor.skipped


def _with_member(entry: Entry, error: OSError) -> LauncherError:
    if error.errno in _DISK:
        return LauncherError(f"{entry.member}: cannot be written: {error.strerror}")
    if error.errno in (errno.ELOOP, errno.ENOTDIR):
        return entry.member.error("its path goes through a symbolic link or something else that is no directory")
    return entry.member.error(f"cannot be made: {error.strerror}")


class _Extractor:
    def __init__(self, root: int, manifest: t.TextIO):
        self._root = root
        self._manifest = manifest
        self._parent_path = b""
        self._parent = os.dup(root)
        self._links: dict[tuple, tuple[bytes, int, int]] = {}  # link -> path of its first name, inode there, names still to come
        self._made_root = False
        self._replaced = False
        self.skipped = {"devices": 0, "sockets": 0}
        self._make = {FILE: self._file, DIRECTORY: self._directory, SYMLINK: self._symlink, FIFO: self._fifo,
                      BLOCK: self._device, CHARACTER: self._device, SOCKET: self._socket}

    def close(self) -> None:
        os.close(self._parent)

    def add(self, entry: Entry) -> None:
        if entry.path:
            parent, _slash, name = entry.path.rpartition(b"/")
            if parent != self._parent_path:
                self._enter(parent)
            self._make[entry.kind](entry, name)
        else:
            self._made_root = True
            self._attributes(self._root, entry)
            self._record(entry)

    def finish(self) -> None:
        """Give directories their times, which each entry inside has changed, and the manifest its last shape."""
        if not self._made_root:
            os.fchmod(self._root, 0o755)
            self._write(trees.implicit_directory(b""))
        self._manifest.flush()
        if self._replaced:
            trees.compact(self._manifest, self._root)
        for record in trees.lines(self._manifest):
            if record.kind == DIRECTORY:
                fd = files.open_beneath(self._root, os.fsencode(record.path) or b".", os.O_RDONLY | os.O_DIRECTORY)
                try:
                    os.utime(fd, ns=(record.mtime * 10**9, record.mtime * 10**9))
                finally:
                    os.close(fd)

    def _write(self, record: trees.Record) -> None:
        self._manifest.write(record.line())

    def _record(self, entry: Entry, kind: str | None = None, extra=None) -> None:
        self._write(trees.Record(os.fsdecode(entry.path), kind or entry.kind, entry.mode, entry.uid, entry.gid, entry.mtime,
                                 entry.size, extra))

    def _enter(self, parent: bytes) -> None:
        """Make `parent` the directory that names are made in, and make what is missing of it, as cpio --make-directories does."""
        try:
            fd = files.open_beneath(self._root, parent or b".", _PARENT)
        except FileNotFoundError:
            fd = self._make_parents(parent)
        os.close(self._parent)
        self._parent = fd
        self._parent_path = parent

    def _make_parents(self, path: bytes) -> int:
        here = os.dup(self._root)
        done = b""
        try:
            for part in path.split(b"/"):
                done = done + b"/" + part if done else part
                try:
                    os.mkdir(part, 0o700, dir_fd=here)
                    os.chmod(part, 0o755, dir_fd=here)
                    self._write(trees.implicit_directory(done))
                except FileExistsError:
                    pass
                deeper = os.open(part, _PARENT | os.O_CLOEXEC, dir_fd=here)
                os.close(here)
                here = deeper
        except BaseException:
            os.close(here)
            raise
        return here

    def _clear(self, entry: Entry, name: bytes) -> None:
        """Remove what an earlier entry of this name made: the later one wins. A directory with content stays, and is an error."""
        is_directory = stat.S_ISDIR(os.stat(name, dir_fd=self._parent, follow_symlinks=False).st_mode)
        self._replaced = True
        if not is_directory:
            os.unlink(name, dir_fd=self._parent)
            return
        try:
            os.rmdir(name, dir_fd=self._parent)
        except OSError as error:
            if error.errno == errno.ENOTEMPTY:
                raise entry.member.error(f"a {entry.kind} in place of a directory that is not empty") from None
            raise

    def _attributes(self, fd: int, entry: Entry) -> None:
        os.fchown(fd, entry.uid, entry.gid)
        os.fchmod(fd, trees.safe_mode(entry.kind, entry.mode))
        os.utime(fd, ns=(entry.mtime * 10**9, entry.mtime * 10**9))

    def _attributes_of_name(self, name: bytes, entry: Entry) -> None:
        # Of something made or looked at just now, in a tree that nobody else can reach.
        os.chown(name, entry.uid, entry.gid, dir_fd=self._parent, follow_symlinks=False)
        if entry.kind != SYMLINK:
            os.chmod(name, trees.safe_mode(entry.kind, entry.mode), dir_fd=self._parent)
        if entry.kind != DIRECTORY:
            os.utime(name, ns=(entry.mtime * 10**9, entry.mtime * 10**9), dir_fd=self._parent, follow_symlinks=False)

    def _exclusively(self, entry: Entry, name: bytes, make) -> t.Any:
        """Call `make`, which fails on a name that is taken, and once more when that name was cleared."""
        try:
            return make()
        except FileExistsError:
            self._clear(entry, name)
        return make()

    def _file(self, entry: Entry, name: bytes) -> None:
        if entry.link is not None and entry.link in self._links and self._further_name(entry, name):
            return
        fd = self._exclusively(entry, name, lambda: os.open(name, _NEW_FILE, 0o600, dir_fd=self._parent))
        try:
            self._fill(fd, entry)
            inode = os.fstat(fd).st_ino if entry.link is not None else 0
        finally:
            os.close(fd)
        self._record(entry)
        if entry.link is not None:
            self._links[entry.link] = (entry.path, inode, entry.links - 1)

    def _fill(self, fd: int, entry: Entry) -> None:
        for piece in entry.data:
            while piece:
                piece = piece[os.write(fd, piece):]
        self._attributes(fd, entry)

    def _further_name(self, entry: Entry, name: bytes) -> bool:
        """Link `name` to the file's first name. False when that is no more what it was, or is `name` itself: then it is a new file."""
        first, inode, left = self._links[entry.link]
        if first == entry.path:
            return False
        parent, _slash, first_name = first.rpartition(b"/")
        fd = files.open_beneath(self._root, parent or b".", _PARENT)
        try:
            try:
                found = os.stat(first_name, dir_fd=fd, follow_symlinks=False)
            except FileNotFoundError:
                return False
            if found.st_ino != inode or not stat.S_ISREG(found.st_mode):
                return False
            self._exclusively(entry, name, lambda: os.link(
                first_name, name, src_dir_fd=fd, dst_dir_fd=self._parent, follow_symlinks=False))
        finally:
            os.close(fd)
        # GNU cpio puts the data on the last name; the kernel takes it from any, and so do we.
        fd = os.open(name, _OLD_FILE | (os.O_TRUNC if entry.size else 0), dir_fd=self._parent)
        try:
            self._fill(fd, entry)
        finally:
            os.close(fd)
        self._record(entry, trees.LINK, os.fsdecode(first))
        if left <= 1:
            del self._links[entry.link]
        else:
            self._links[entry.link] = (first, inode, left - 1)
        return True

    def _directory(self, entry: Entry, name: bytes) -> None:
        try:
            os.mkdir(name, 0o700, dir_fd=self._parent)
        except FileExistsError:
            self._replaced = True
            if not stat.S_ISDIR(os.stat(name, dir_fd=self._parent, follow_symlinks=False).st_mode):
                os.unlink(name, dir_fd=self._parent)
                os.mkdir(name, 0o700, dir_fd=self._parent)
        self._attributes_of_name(name, entry)
        self._record(entry)

    def _symlink(self, entry: Entry, name: bytes) -> None:
        self._exclusively(entry, name, lambda: os.symlink(entry.target, name, dir_fd=self._parent))
        self._attributes_of_name(name, entry)
        self._record(entry, extra=os.fsdecode(entry.target))

    def _fifo(self, entry: Entry, name: bytes) -> None:
        self._exclusively(entry, name, lambda: os.mkfifo(name, 0o600, dir_fd=self._parent))
        self._attributes_of_name(name, entry)
        self._record(entry)

    def _device(self, entry: Entry, name: bytes) -> None:
        try:
            self._clear(entry, name)
        except FileNotFoundError:
            pass
        self.skipped["devices"] += 1
        self._record(entry, extra=list(entry.device))

    def _socket(self, _entry: Entry, _name: bytes) -> None:
        self.skipped["sockets"] += 1  # only the process that listens on it could make it
