# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Archives of this host: opened without hanging, whatever a path may lead to, and read to find their digest."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import stat

from ..base import text
from ..base.errors import LauncherError
from .stamps import INDEX, identity

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..formats.limits import Limits

SCRATCH = ".scratch-"  # how a name begins that it has for a moment, where it must have one
_PIECE = 1 << 20
_NO_TMPFILE = (errno.EOPNOTSUPP, errno.EISDIR, errno.ENOENT, errno.EINVAL)  # of a file system or a kernel without O_TMPFILE: open(2)
_GIVE = "Give an initrd, a tar archive or an OCI layout"
_KINDS = {stat.S_IFIFO: "a fifo", stat.S_IFCHR: "a character device", stat.S_IFBLK: "a block device", stat.S_IFSOCK: "a socket"}


class Archive:
    """An open archive, for those who read it. `path`, `option`: for messages. `scratch`: an empty file without a name, None where there
    was no room for one. `limits`: formats/entries.py."""

    __slots__ = ("fd", "scratch", "limits", "path", "option")

    def __init__(self, fd: int, scratch: int | None, limits: Limits, path: str, option: str):
        self.fd = fd
        self.scratch = scratch
        self.limits = limits
        self.path = path
        self.option = option


def is_layout(path: str) -> bool:
    """True for a directory with the index of an OCI layout."""
    return os.path.isfile(f"{path}/{INDEX}")


def open_archive(path: str, option: str) -> int:
    """Open an archive: a regular file, or the directory of an OCI layout. LauncherError says what else it is; nothing hangs."""
    try:
        _check_kind(os.stat(path).st_mode, path, option)  # a device is not even opened
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)  # nor is there a fifo to wait for
    except OSError as error:
        raise _unreadable(path, option, error) from error
    try:
        _check_kind(os.fstat(fd).st_mode, path, option)
    except BaseException:
        os.close(fd)
        raise
    return fd


def _check_kind(mode: int, path: str, option: str) -> None:
    if stat.S_ISREG(mode):
        return
    if not stat.S_ISDIR(mode):
        raise LauncherError(f"is no regular file, but {_KINDS[stat.S_IFMT(mode)]}", option=option, value=path, remedy=_GIVE)
    if not is_layout(path):
        raise LauncherError(f"is no regular file, but a directory, and no OCI layout: it has no {INDEX}", option=option, value=path,
                            remedy=_GIVE)


def _unreadable(path: str, option: str, error: OSError) -> LauncherError:
    return LauncherError(f"cannot be read: {error.strerror}", option=option, value=path)


def open_scratch(directories: tuple[str, ...]) -> int | None:
    """Open an empty file without a name, 0600, in the first of these directories that can have one; None when none can."""
    for directory in directories:
        try:
            return os.open(directory, os.O_RDWR | os.O_TMPFILE | os.O_CLOEXEC, 0o600)
        except OSError as error:
            if error.errno not in _NO_TMPFILE:
                continue
        with contextlib.suppress(OSError):
            return _open_unlinked(f"{directory}/{SCRATCH}{os.urandom(8).hex()}")
    return None


def _open_unlinked(path: str) -> int:
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with contextlib.suppress(OSError):
        os.unlink(path)
    return fd


def hash_file(fd: int, path: str, option: str) -> str:
    """Read an open file from its beginning to its end and return its digest. LauncherError when it changes meanwhile."""
    before = os.fstat(fd)
    sha256 = hashlib.sha256()
    offset = 0
    while offset <= before.st_size:  # one that grows faster than it can be read has no end
        try:
            piece = os.pread(fd, _PIECE, offset)
        except OSError as error:
            raise _unreadable(path, option, error) from error
        if not piece:
            break
        sha256.update(piece)
        offset += len(piece)
    if identity(before) != identity(os.fstat(fd)):
        raise changing(path, option)
    return text.DIGEST_PREFIX + sha256.hexdigest()


def changing(path: str, option: str) -> LauncherError:
    """Return the error for an archive that is another at its end than it was at its beginning."""
    return LauncherError("changes while it is read", option=option, value=path, remedy="Wait until it is complete")
