# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files and directories of our own, and the way beneath directories that others own. Whole writes, limited reads, locks."""

from __future__ import annotations

import errno
import fcntl
import os
import stat

from . import libc
from .errors import LauncherError

_DIRECTORY = os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NO_OPENAT2 = (errno.ENOSYS, errno.EPERM)  # EPERM: a seccomp filter that is older than the call, as of Docker before 20.10


def make_directories(path: str, mode: int = 0o700) -> None:
    """mkdir -p of an absolute path of ours. Existing directories keep their mode; the umask does not matter to new ones."""
    missing = []
    while not os.path.isdir(path):
        missing.append(path)
        path = os.path.dirname(path)
    for directory in reversed(missing):
        try:
            os.mkdir(directory, 0o700)
            os.chmod(directory, mode)
        except FileExistsError:
            if not os.path.isdir(directory):  # a file, or a link to nothing; a directory has been made by somebody else meanwhile
                raise


def open_directory(path: str, dirfd: int | None = None) -> int:
    """Open a directory whose last part is no symbolic link. OSError ELOOP or ENOTDIR when it is one."""
    return os.open(path, os.O_RDONLY | _DIRECTORY, dir_fd=dirfd)


def open_beneath(root: int, path: str | bytes, flags: int, mode: int = 0) -> int:
    """Open `path` below the directory descriptor `root`, following no symbolic link at all (openat2; walked by hand before Linux 5.6).

    With O_PATH and O_NOFOLLOW the last part may be a link, and is opened itself.
    OSError: ELOOP a symbolic link, EXDEV the path leaves `root`, ENOENT, ENOTDIR.
    """
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


def read_limited(path: str, limit: int, dirfd: int | None = None) -> bytes:
    """Read a regular file of at most `limit` bytes. LauncherError when it is larger or no regular file; OSError as open(2)."""
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=dirfd)
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise LauncherError(f"{path} is no regular file")
        data = b""
        while len(data) <= limit:
            piece = os.read(fd, min(65536, limit + 1 - len(data)))
            if not piece:
                return data
            data += piece
    finally:
        os.close(fd)
    raise LauncherError(f"{path} is larger than {limit} bytes")


def read_text(path: str) -> str:
    """Read one of the kernel's small text files (/proc, /sys, cgroupfs) without its last newline. OSError as open(2) and read(2)."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        data = b""
        while True:
            piece = os.read(fd, 65536)
            if not piece:
                return data.decode("utf-8", "surrogateescape").rstrip("\n")
            data += piece
    finally:
        os.close(fd)


def write_text(path: str, text: str) -> None:
    """Write one value to one of the kernel's files, in one write(2): the kernel takes it whole or refuses. OSError with the path."""
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, text.encode("ascii"))
    except OSError as error:
        raise OSError(error.errno, error.strerror, path) from None
    finally:
        os.close(fd)


def write_whole(directory: int, name: str, data: bytes, mode: int = 0o600, durable: bool = True) -> None:
    """Replace `name` below the open `directory`. Readers see old or new, with `durable` also after a power cut. Needs the lock of its owner."""
    temporary = f".{name}.new"
    try:
        os.unlink(temporary, dir_fd=directory)  # left by a run that was killed; we hold the lock, so it is nobody's
    except FileNotFoundError:
        pass
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode, dir_fd=directory)
    try:
        os.fchmod(fd, mode)
        view = memoryview(data)
        while view:
            view = view[os.write(fd, view):]
        if durable:
            os.fsync(fd)
    except BaseException:
        os.unlink(temporary, dir_fd=directory)  # a full file system needs the room
        raise
    finally:
        os.close(fd)
    os.rename(temporary, name, src_dir_fd=directory, dst_dir_fd=directory)
    if durable:
        os.fsync(directory)


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


class Lock:
    """An exclusive flock(2) on `path`, close-on-exec so that no child keeps it. A context manager."""

    __slots__ = ("_fd", "_path")

    def __init__(self, path: str):
        self._path = path
        self._fd = -1

    def __enter__(self) -> Lock:
        self.take()
        return self

    def __exit__(self, *_exception) -> None:
        self.release()

    def take(self, wait: bool = True) -> bool:
        """Return False when `wait` is False and somebody else holds it. The directory is made when missing."""
        while True:
            fd = self._open()
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
                if _is_at(fd, self._path):  # else its holder has removed it meanwhile: ours is nobody's lock any more
                    self._fd = fd
                    return True
            except BlockingIOError:
                os.close(fd)
                return False
            except BaseException:
                os.close(fd)
                raise
            os.close(fd)

    def _open(self):
        while True:
            try:
                return os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            except FileNotFoundError:
                make_directories(os.path.dirname(self._path))

    def inherit(self, fd: int) -> None:
        """Hold the lock through a descriptor that came along an execve."""
        os.set_inheritable(fd, False)
        self._fd = fd

    def hand_on(self) -> int:
        """Return the descriptor, which the next execve leaves open."""
        os.set_inheritable(self._fd, True)
        return self._fd

    def remove(self) -> None:
        """Remove the file; only its holder may."""
        if self._fd >= 0:
            os.unlink(self._path)

    def release(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def _is_at(fd, path):
    try:
        there = os.stat(path, follow_symlinks=False)
    except FileNotFoundError:
        return False
    here = os.fstat(fd)
    return (here.st_dev, here.st_ino) == (there.st_dev, there.st_ino)
