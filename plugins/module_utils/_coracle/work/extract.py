# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Entries of an archive -> files below a directory of ours, and a manifest of them. The archive is hostile.

No path is followed through a symbolic link: the parent of each entry is opened beneath the root (openat2), and the entry is made in it
by its last name, exclusively. Device nodes and sockets are not made, set-id bits and capabilities not set; the manifest has them
(work/trees.py). A hard link is to a file that the archive made before, whose own path is opened in the same way.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import stat

from ..base.errors import LauncherError
from ..base.text import visible
from ..formats.entries import BLOCK, CHARACTER, DIRECTORY, FIFO, FILE, OPAQUE, SOCKET, SYMLINK, WHITEOUT, Entry
from .below import Below
from .layers import Layer
from .manifest import LINK, Parents, Record, directories, implicit_directory, safe_mode
from .notes import Notes
from .settle import settle

TYPE_CHECKING = False
if TYPE_CHECKING:
    import typing as t
    from collections.abc import Callable, Iterable

_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_OLD_FILE = os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC
# Failures that are the disk's fault, not the archive's: they pass as they are, with the member's name.
_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.ENOMEM, errno.EFBIG)
MAX_LINKED = 1 << 16  # cpio's files, and devices, whose further names may still come; each takes memory


def extract(entries: Iterable[Entry], root: int, manifest: t.TextIO) -> dict[str, int]:
    """Make `entries` below the open, empty directory `root`, which only we can reach. Return how many were skipped, by kind.

    `manifest`: an empty text file, open for reading and writing; complete when this returns. Nothing is removed on failure: the caller
    throws the whole tree away. ArchiveError for the archive's faults, LauncherError with the member's name for the disk's. Meanwhile
    the process has another umask.
    """
    umask = os.umask(0)  # so that open(2) and mkdir(2) give the mode that is wanted
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
        os.umask(umask)
    return extractor.skipped


def _with_member(entry: Entry, error: OSError) -> LauncherError:
    if error.errno in _DISK:
        return LauncherError(f"{entry.member}: cannot be written: {error.strerror}")
    if error.errno in (errno.ELOOP, errno.ENOTDIR):
        return entry.member.error("its path goes through a symbolic link or something else that is no directory")
    return entry.member.error(f"cannot be made: {error.strerror}")


def _write(fd: int, data: Iterable[bytes | memoryview]) -> str:
    """Write `data` and return its sha256, which the next thread decompresses beside: hashlib and write(2) leave Python's lock."""
    sha256 = hashlib.sha256()
    for piece in data:
        sha256.update(piece)
        written = os.write(fd, piece)
        while written < len(piece):
            written += os.write(fd, memoryview(piece)[written:])
    return sha256.hexdigest()


class _Extractor:
    def __init__(self, root: int, manifest: t.TextIO):
        self._root = root
        self._notes = Notes(manifest)
        self._here = Below(root, self._notes)
        self._links: dict[tuple[int, ...], tuple[bytes, int, int]] = {}  # link -> path of its first name, inode, names still to come
        self._devices: dict[bytes, tuple[str, int, int, int, int, tuple[int, int]]] = {}  # skipped ones by path, for further names
        self._linked = False
        self._made_root = False
        self.skipped = {"devices": 0, "sockets": 0}
        self._make: dict[str, Callable[[Entry, bytes], None]] = {
            FILE: self._file, DIRECTORY: self._directory, SYMLINK: self._symlink, FIFO: self._fifo, BLOCK: self._device,
            CHARACTER: self._device, SOCKET: self._socket}

    def close(self) -> None:
        self._here.close()

    def add(self, entry: Entry) -> None:
        here = self._here
        self._notes.number += 1
        if entry.layer != here.layer.number:
            here.layer = Layer(entry.layer, self._notes.number)
        if entry.kind in (WHITEOUT, OPAQUE):
            here.hide(entry)
            return
        if not entry.path:
            self._root_directory(entry)
            return
        parent, _slash, name = entry.path.rpartition(b"/")
        if parent != here.path:
            here.enter(parent)
        self._make[entry.kind](entry, name)
        if entry.layer:
            here.layer.makes(entry.path)

    def finish(self) -> None:
        """Give the manifest its last shape, and directories their times, which each entry inside has changed."""
        if not self._made_root:
            os.fchmod(self._root, 0o755)
            self._notes.record(implicit_directory(b""))
        self._here.layer, self._links, self._devices = Layer(), {}, {}  # their memory is needed now
        settle(self._notes.file, self._linked, self._here.replaced)
        parents = Parents(self._root)
        try:
            for record in directories(self._notes.file):
                parent, name = parents.of(record.path)
                os.utime(name, ns=(record.mtime_ns, record.mtime_ns), dir_fd=parent, follow_symlinks=False)
        finally:
            parents.close()

    def _root_directory(self, entry: Entry) -> None:
        self._here.replaced = self._here.replaced or self._made_root
        self._made_root = True
        os.fchown(self._root, entry.uid, entry.gid)
        os.fchmod(self._root, entry.mode)
        self._notes.entry(entry)
        self._here.look()  # it may be the root

    def _attributes(self, name: bytes, entry: Entry) -> None:
        # Of something made just now, in a tree that nobody else can reach.
        if not self._here.gives(entry):
            os.chown(name, entry.uid, entry.gid, dir_fd=self._here.fd, follow_symlinks=False)
        os.utime(name, ns=(entry.mtime_ns, entry.mtime_ns), dir_fd=self._here.fd, follow_symlinks=False)

    def _file(self, entry: Entry, name: bytes) -> None:
        if entry.link_path is not None:
            self._named_again(entry, name, entry.link_path)
            return
        if entry.link is not None and entry.link in self._links and self._further_name(entry, name, entry.link):
            return
        mode = safe_mode(FILE, entry.mode)
        here = self._here
        try:
            fd = os.open(name, _NEW_FILE, mode, dir_fd=here.fd)
        except FileExistsError:
            here.clear(entry, name)
            fd = os.open(name, _NEW_FILE, mode, dir_fd=here.fd)
        try:
            digest = _write(fd, entry.data)
            if not here.gives(entry):
                os.fchown(fd, entry.uid, entry.gid)
            os.utime(fd, ns=(entry.mtime_ns, entry.mtime_ns))
            inode = os.fstat(fd).st_ino if entry.link is not None else 0
        finally:
            os.close(fd)
        self._notes.entry(entry, digest=digest)
        if entry.link is not None:
            if len(self._links) >= MAX_LINKED:
                raise entry.member.error(f"{MAX_LINKED} files before it have further names, and these are still to come")
            self._links[entry.link] = (entry.path, inode, entry.links - 1)

    def _further_name(self, entry: Entry, name: bytes, link: tuple[int, ...]) -> bool:
        """cpio: link `name` to the file's first name. False when that is not what it was, or is `name` itself: then it is a new file."""
        first, inode, left = self._links[link]
        with self._here.look_up(first) as (parent, first_name, found):
            if first == entry.path or found is None or found.st_ino != inode or not stat.S_ISREG(found.st_mode):
                return False
            self._link(entry, name, parent, first_name)
        # GNU cpio puts the data on the last name; the kernel takes it from any, and so do we.
        fd = os.open(name, _OLD_FILE | (os.O_TRUNC if entry.size else 0), dir_fd=self._here.fd)
        try:
            digest = _write(fd, entry.data) if entry.size else None
            os.fchown(fd, entry.uid, entry.gid)
            os.fchmod(fd, safe_mode(FILE, entry.mode))
            os.utime(fd, ns=(entry.mtime_ns, entry.mtime_ns))
        finally:
            os.close(fd)
        self._notes.linked(first, inode)
        self._notes.entry(entry, LINK, inode, digest)
        if left <= 1:
            del self._links[link]
        else:
            self._links[link] = (first, inode, left - 1)
        return True

    def _named_again(self, entry: Entry, name: bytes, first: bytes) -> None:
        """tar: link `name` to what is at the path `first`. Only files are linked to; of a symbolic link or fifo another is made."""
        with self._here.look_up(first) as (parent, first_name, found):
            if found is None and first in self._devices:
                if first == entry.path:
                    return
                entry.kind, entry.mode, entry.uid, entry.gid, entry.mtime_ns, entry.device = self._devices[first]
                self._device(entry, name)
                return
            if found is None:
                raise entry.member.error(f"a hard link to '{visible(first)}', which the archive does not have before it or was skipped")
            if stat.S_ISDIR(found.st_mode):
                raise entry.member.error(f"a hard link to '{visible(first)}', which is a directory")
            if first == entry.path:
                return
            if stat.S_ISREG(found.st_mode):
                self._link(entry, name, parent, first_name)
                self._notes.linked(first, found.st_ino)
                self._notes.record(Record(os.fsdecode(entry.path), LINK, None, 0, 0, 0, 0, found.st_ino))
                return
            if stat.S_ISLNK(found.st_mode):
                entry.target = os.readlink(first_name, dir_fd=parent)
        entry.kind = SYMLINK if stat.S_ISLNK(found.st_mode) else FIFO
        entry.mode, entry.uid, entry.gid, entry.mtime_ns = stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid, found.st_mtime_ns
        entry.size = len(entry.target)
        self._make[entry.kind](entry, name)

    def _link(self, entry: Entry, name: bytes, first_parent: int, first_name: bytes) -> None:
        self._linked = True
        self._here.exclusively(entry, name, lambda: os.link(
            first_name, name, src_dir_fd=first_parent, dst_dir_fd=self._here.fd, follow_symlinks=False))

    def _directory(self, entry: Entry, name: bytes) -> None:
        try:
            os.mkdir(name, entry.mode, dir_fd=self._here.fd)
            has_all = entry.mode < 0o2000 and self._here.gives(entry)  # mkdir(2) gives no set-id bits
        except FileExistsError:
            has_all = False
            self._here.replaced = True
            if not stat.S_ISDIR(os.stat(name, dir_fd=self._here.fd, follow_symlinks=False).st_mode):
                os.unlink(name, dir_fd=self._here.fd)
                os.mkdir(name, dir_fd=self._here.fd)
        if not has_all:
            os.chown(name, entry.uid, entry.gid, dir_fd=self._here.fd, follow_symlinks=False)
            os.chmod(name, entry.mode, dir_fd=self._here.fd)
        self._notes.entry(entry)

    def _symlink(self, entry: Entry, name: bytes) -> None:
        self._here.exclusively(entry, name, lambda: os.symlink(entry.target, name, dir_fd=self._here.fd))
        self._attributes(name, entry)
        self._notes.entry(entry, extra=os.fsdecode(entry.target))

    def _fifo(self, entry: Entry, name: bytes) -> None:
        self._here.exclusively(entry, name, lambda: os.mkfifo(name, safe_mode(FIFO, entry.mode), dir_fd=self._here.fd))
        self._attributes(name, entry)
        self._notes.entry(entry)

    def _device(self, entry: Entry, name: bytes) -> None:
        self._skip(entry, name, "devices")
        self._notes.entry(entry, extra=list(entry.device))
        if len(self._devices) < MAX_LINKED:
            self._devices[entry.path] = (entry.kind, entry.mode, entry.uid, entry.gid, entry.mtime_ns, entry.device)

    def _socket(self, entry: Entry, name: bytes) -> None:
        self._skip(entry, name, "sockets")  # only the process that listens on it could make it
        self._notes.hidden(entry.path, WHITEOUT, self._notes.number)

    def _skip(self, entry: Entry, name: bytes, what: str) -> None:
        self.skipped[what] += 1
        self._devices.pop(entry.path, None)
        with contextlib.suppress(FileNotFoundError):
            self._here.clear(entry, name)
