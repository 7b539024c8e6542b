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

from ..base import beneath, files, libc, places, text
from .archives import SCRATCH
from .store import INFO, MANIFEST, TREE, names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NEW_TREE = ".tree.tmp"
_HIDDEN = ".tree.hidden"  # a tree that is about to go, unless somebody uses it after all
_OLD_TREE = ".tree.old"  # the first one; further ones have '-' and 8 digits behind it
NEW_MANIFEST = ".manifest.tmp"
_NEW_INFO = f".{INFO}.tmp"
_NEW = (NEW_TREE, NEW_MANIFEST, _NEW_INFO, f".{_NEW_INFO}.new")  # the last one while files.write_whole() writes
_ALL = (INFO, *_NEW, MANIFEST, TREE, _HIDDEN)  # INFO is the first to go: nobody finds half a tree


class Home:
    """A locked directory: `path`, and `fd`, which holds the lock."""

    __slots__ = ("path", "fd")

    def __init__(self, path: str, fd: int):
        self.path = path
        self.fd = fd

    def begin(self) -> None:
        """Remove what a killed run left, and make the empty new tree. All that is old stays until the new one is there."""
        self.abandon()
        os.mkdir(NEW_TREE, 0o700, dir_fd=self.fd)

    def finish(self, info: bytes) -> None:
        """Give the new tree, its manifest and `info` their names, once all of it is on the disk.

        Killed meanwhile, it has no INFO that fits: who starts finds the old one or none. One that is used keeps its files.
        """
        files.write_whole(self.fd, _NEW_INFO, info, durable=False)
        libc.syncfs(self.fd)  # one for the whole tree: an fsync for each file costs a journal commit each
        if not self.is_complete():
            self._rename(NEW_TREE, TREE)
        else:
            self._replace()
        self._rename(NEW_MANIFEST, MANIFEST)
        self._rename(_NEW_INFO, INFO)
        os.fsync(self.fd)

    def _replace(self) -> None:
        # The name is one of an old tree at once, so that what a kill leaves there is not taken for what nobody uses.
        aside = self._free_name()
        self._rename(NEW_TREE, aside)
        if not self._exchange(aside, TREE):
            self._rename(TREE, self._free_name())
            self._rename(aside, TREE)

    def _free_name(self) -> str:
        return f"{_OLD_TREE}-{os.urandom(4).hex()}" if self._has(_OLD_TREE) else _OLD_TREE

    def abandon(self) -> None:
        """Remove the new tree and what belongs to it."""
        for name in (*_NEW, *self._scratch()):
            beneath.remove_tree(name, self.fd)

    def _scratch(self) -> list[str]:
        return [name for name in os.listdir(self.fd) if name.startswith(SCRATCH)]

    def old_trees(self) -> list[str]:
        """The names of trees that finish() has replaced: of an earlier release, or damaged. Running containers may have them."""
        return [name for name in os.listdir(self.fd) if name.startswith(_OLD_TREE)]

    def remove_old(self) -> None:
        """Remove them."""
        for name in self.old_trees():
            beneath.remove_tree(name, self.fd)

    def hide(self) -> None:
        """Take the tree's name away: no start can begin with it any more."""
        if self.is_complete():
            if self._has(_HIDDEN):
                self._rename(_HIDDEN, self._free_name())
            self._rename(TREE, _HIDDEN)

    def show(self) -> None:
        """Take back hide(), also that of a run that was killed."""
        if self._has(_HIDDEN) and not self.is_complete():
            self._rename(_HIDDEN, TREE)

    def empty(self) -> None:
        """Remove all that is ours."""
        for name in (*_ALL, *self._scratch()):
            beneath.remove_tree(name, self.fd)
        self.remove_old()

    def is_found(self) -> bool:
        """Whether it looks like one that store.find() finds."""
        return self.is_complete() and self._has(INFO)

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


def remove_leftovers(is_used: Callable[[str], bool], but: Home | None = None) -> None:
    """Remove what killed runs left of other images than `but`. Those that are being extracted are locked, and stay.

    Of an image that somebody uses, by its digest, only what was never complete goes, and it gets back the name that pruning had taken.
    What cannot be removed stays: it is nobody's error who makes another image.
    """
    for name in names():
        path = f"{places.IMAGES}/{name}"
        if (but is None or path != but.path) and text.is_digest(text.DIGEST_PREFIX + name) and not _is_found(path):
            with contextlib.suppress(OSError):  # BlockingIOError among them
                _remove_leftover(path, is_used)


def _is_found(path: str) -> bool:
    return os.path.isdir(f"{path}/{TREE}") and os.path.exists(f"{path}/{INFO}")


def _remove_leftover(path: str, is_used: Callable[[str], bool]) -> None:
    home = Home(path, _lock(path, wait=False))
    try:
        if home.is_found():
            return
        if is_used(text.DIGEST_PREFIX + os.path.basename(path)):
            home.abandon()
            home.show()
        else:
            home.empty()
    finally:
        _leave(home)
