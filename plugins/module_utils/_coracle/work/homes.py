# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The directory of one image in the store: its lock, how it is filled in one step, and how it goes.

The lock is a flock(2) of the directory itself, so that no file of a lock is left over. A child that extracts holds it, too.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os

from ..base import files, libc, places
from .stamps import PREFIX, SCRATCH, is_digest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

TREE = "tree"
NEW_TREE = ".tree.tmp"
_OLD_TREE = ".tree.old"  # the first one; further ones have '-' and 8 digits behind it
MANIFEST = "manifest"
INFO = "image"
_NEW_INFO = f".{INFO}.new"
_ALL = (NEW_TREE, TREE, MANIFEST, INFO, _NEW_INFO, SCRATCH)


class Home:
    """A locked directory: `path`, and `fd`, which holds the lock."""

    __slots__ = ("path", "fd")

    def __init__(self, path: str, fd: int):
        self.path = path
        self.fd = fd

    def begin(self) -> None:
        """Remove what a killed run left, and make the empty new tree. An old tree stays until the new one is there."""
        for name in (NEW_TREE, INFO):
            files.remove_tree(name, self.fd)
        os.mkdir(NEW_TREE, 0o700, dir_fd=self.fd)

    def finish(self) -> None:
        """Give the new tree its name, once all of it is on the disk. Who starts meanwhile finds the old one, if there is one."""
        libc.syncfs(self.fd)  # one for the whole tree: an fsync for each file costs a journal commit each
        old = f"{_OLD_TREE}-{os.urandom(4).hex()}" if self._has(_OLD_TREE) else _OLD_TREE
        if not self.is_complete():
            self._rename(NEW_TREE, TREE)
        elif self._exchange(NEW_TREE, TREE):
            self._rename(NEW_TREE, old)
        else:
            self._rename(TREE, old)
            self._rename(NEW_TREE, TREE)
        os.fsync(self.fd)

    def abandon(self) -> None:
        """Remove the new tree and what belongs to it."""
        for name in (NEW_TREE, MANIFEST, INFO, _NEW_INFO):
            files.remove_tree(name, self.fd)

    def old_trees(self) -> list[str]:
        """The names of trees that finish() has replaced: of an earlier release, or damaged. Running containers may have them."""
        return [name for name in os.listdir(self.fd) if name.startswith(_OLD_TREE)]

    def remove_old(self) -> None:
        """Remove them."""
        for name in self.old_trees():
            files.remove_tree(name, self.fd)

    def hide(self) -> None:
        """Take the tree's name away: no start can begin with it any more."""
        if self.is_complete():
            files.remove_tree(NEW_TREE, self.fd)
            self._rename(TREE, NEW_TREE)

    def show(self) -> None:
        """Take back hide()."""
        if self._has(NEW_TREE) and not self.is_complete():
            self._rename(NEW_TREE, TREE)

    def empty(self) -> None:
        """Remove all that is ours."""
        self.remove_old()
        for name in _ALL:
            files.remove_tree(name, self.fd)

    def is_complete(self) -> bool:
        """Whether it has a tree."""
        return self._has(TREE)

    def _rename(self, name: str, new: str) -> None:
        os.rename(name, new, src_dir_fd=self.fd, dst_dir_fd=self.fd)

    def _exchange(self, one: str, other: str) -> bool:
        try:
            libc.renameat2(self.fd, one, self.fd, other, libc.RENAME_EXCHANGE)
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.ENOSYS):
                raise
            return False
        return True

    def _has(self, name: str) -> bool:
        try:
            os.stat(name, dir_fd=self.fd, follow_symlinks=False)
        except FileNotFoundError:
            return False
        return True


@contextlib.contextmanager
def locked(path: str, wait: bool = True) -> Iterator[Home]:
    """Make the home `path` and hold its lock. In the end it goes when it has no tree. BlockingIOError as _lock()."""
    files.make_directories(places.IMAGES)
    home = Home(path, _lock(path, wait))
    try:
        yield home
    finally:
        _leave(home)


def _leave(home: Home) -> None:
    try:
        if not home.is_complete():
            with contextlib.suppress(OSError):  # not empty: something of the administrator's, or a disk that fails
                os.rmdir(home.path)
    finally:
        os.close(home.fd)


def _lock(path: str, wait: bool = True) -> int:
    """Make and lock a directory that somebody else may be removing. BlockingIOError when `wait` is False and it is locked."""
    while True:
        with contextlib.suppress(FileExistsError):
            os.mkdir(path, 0o700)
        try:
            fd = files.open_directory(path)
        except FileNotFoundError:
            continue
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            if os.path.samestat(os.fstat(fd), os.stat(path, follow_symlinks=False)):
                return fd
        except FileNotFoundError:
            pass
        except BaseException:
            os.close(fd)
            raise
        os.close(fd)


def remove_leftovers(but: Home) -> None:
    """Remove what killed runs left of other images. Those that are being extracted are locked, and stay."""
    for name in os.listdir(places.IMAGES):
        path = f"{places.IMAGES}/{name}"
        if path == but.path or not is_digest(PREFIX + name) or os.path.isdir(f"{path}/{TREE}"):
            continue
        try:
            home = Home(path, _lock(path, wait=False))
        except BlockingIOError:
            continue
        try:
            if not home.is_complete():
                home.empty()
        finally:
            _leave(home)
