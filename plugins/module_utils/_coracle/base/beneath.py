# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The way beneath directories that others own, and hostile trees: nothing here follows a symbolic link or crosses a mount point unasked."""

from __future__ import annotations

import errno
import os
import stat

from . import libc
from .files import open_directory

_DIRECTORY = os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NO_OPENAT2 = (errno.ENOSYS, errno.EPERM)  # EPERM: a seccomp filter that is older than the call, as of Docker before 20.10


def open_beneath(root: int, path: str | bytes, flags: int, mode: int = 0) -> int:
    """Open `path` below the directory descriptor `root`, following no symbolic link at all (openat2; walked by hand before Linux 5.6).

    With O_PATH and O_NOFOLLOW the last part may be a link, and is opened itself.
    OSError: ELOOP a symbolic link, EXDEV the path leaves `root` or has '..' in it, ENOENT, ENOTDIR.
    """
    if b".." in os.fsencode(path).split(b"/"):  # openat2 would take those that stay below
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV), path)
    resolve = libc.RESOLVE_BENEATH | libc.RESOLVE_NO_SYMLINKS | libc.RESOLVE_NO_MAGICLINKS
    try:
        return libc.openat2(root, path, flags, mode, resolve)
    except OSError as error:
        if error.errno not in _NO_OPENAT2:
            raise
    return _walk_beneath(root, os.fsencode(path), flags, mode)


def _walk_beneath(root: int, path: bytes, flags: int, mode: int = 0) -> int:
    parts = [part for part in path.split(b"/") if part not in (b"", b".")]
    if b".." in parts or path.startswith(b"/"):
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV), path)
    if not path:
        raise OSError(errno.ENOENT, os.strerror(errno.ENOENT), path)
    if path.endswith((b"/", b"/.")):
        flags |= os.O_DIRECTORY
    here = os.dup(root)
    try:
        for part in parts[:-1]:
            deeper = os.open(part, os.O_PATH | _DIRECTORY, dir_fd=here)
            os.close(here)
            here = deeper
        found = os.open(parts[-1] if parts else b".", flags | os.O_NOFOLLOW | os.O_CLOEXEC, mode, dir_fd=here)
    finally:
        os.close(here)
    # O_PATH opens the link itself, which openat2 does only when the caller says O_NOFOLLOW, too.
    if flags & (os.O_PATH | os.O_NOFOLLOW) == os.O_PATH and stat.S_ISLNK(os.fstat(found).st_mode):
        os.close(found)
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
    return found


def remove_tree(name: str, dirfd: int | None = None) -> None:
    """rm -rf that follows no symbolic link and crosses no mount point, bind mounts included (OSError EXDEV names it). Missing is fine."""
    try:
        info = os.stat(name, dir_fd=dirfd, follow_symlinks=False)
    except FileNotFoundError:
        return
    if not stat.S_ISDIR(info.st_mode):
        os.unlink(name, dir_fd=dirfd)
        return
    fd = open_directory(name, dirfd)
    try:
        _empty(fd, name)
    finally:
        os.close(fd)
    os.rmdir(name, dir_fd=dirfd)


def _empty(top: int, path: str) -> None:
    # A container can nest directories without end (mkdir and cd, PATH_MAX does not stop it), so neither the stack nor the number of open
    # descriptors may grow with the depth: one descriptor walks down, and up again through "..".
    here, trail, pending = os.dup(top), [], _unlink_files(top)
    try:
        while pending or trail:
            if pending:
                name = pending.pop()
                trail.append((name, _identity(here), pending))
                deeper = _open_same_mount(here, name, path, trail)
                os.close(here)
                here = deeper
                pending = _unlink_files(here)
                continue
            name, parent, pending = trail.pop()
            above = os.open("..", os.O_RDONLY | _DIRECTORY, dir_fd=here)
            os.close(here)
            here = above
            if _identity(here) != parent:
                raise OSError(errno.EAGAIN, "was moved while it was removed", path)
            os.rmdir(name, dir_fd=here)
    finally:
        os.close(here)


def _unlink_files(directory: int) -> list[str]:
    with os.scandir(directory) as entries:
        found = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
    for name, is_directory in found:
        if not is_directory:
            os.unlink(name, dir_fd=directory)
    return [name for name, is_directory in found if is_directory]


def _identity(fd: int) -> tuple[int, int]:
    info = os.fstat(fd)
    return info.st_dev, info.st_ino


def _open_same_mount(directory: int, name: str, path: str, trail) -> int:
    try:
        return libc.openat2(directory, name, os.O_RDONLY | _DIRECTORY, 0, libc.RESOLVE_NO_XDEV | libc.RESOLVE_NO_SYMLINKS)
    except OSError as error:
        if error.errno not in (*_NO_OPENAT2, errno.EXDEV):
            raise
        missing = error.errno != errno.EXDEV
    if missing:  # before Linux 5.6 only another file system can be told, not a bind mount of the same one
        fd = open_directory(name, directory)
        if os.fstat(fd).st_dev == os.fstat(directory).st_dev:
            return fd
        os.close(fd)
    raise OSError(errno.EXDEV, "is a mount point", os.path.join(path, *(step[0] for step in trail[:32])))
