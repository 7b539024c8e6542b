# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files and directories of our own: whole writes, limited reads, locks."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import sys

from .errors import LauncherError

_DIRECTORY = os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_LONG = 8 if sys.maxsize > 1 << 32 else 4  # bytes
_FS_IOC_GETVERSION = 2 << 30 | _LONG << 16 | ord("v") << 8 | 1  # <linux/fs.h>


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


def inode_generation(fd: int) -> int | None:
    """ioctl_iflags(2), FS_IOC_GETVERSION: a number that a file does not share with an earlier one of the same inode number.

    None where the file system does not tell it.
    """
    number = bytearray(_LONG)  # of which the kernel writes an int
    try:
        fcntl.ioctl(fd, _FS_IOC_GETVERSION, number)
    except OSError as error:
        if error.errno not in (errno.ENOTTY, errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS):
            raise
        return None
    return int.from_bytes(number[:4], sys.byteorder)


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
