# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Archives of this host and their digests: opened without hanging, read once, and then known by path, device, inode, size and times.

    IMAGES/.stamps/     path -> what the archive was like when it was read, and its digest
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import stat
import time

from ..base import files, places
from ..base.errors import LauncherError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..formats.entries import Limits

PREFIX = "sha256:"
_HEX = frozenset("0123456789abcdef")
_LIMIT = 65536
_SETTLED = 100_000_000  # ns: a file changed shorter ago may change again without another time (a kernel tick is up to 10 ms)
_PIECE = 1 << 20
SCRATCH = ".scratch-"  # how a name begins that it has for a moment, where it must have one
_NO_TMPFILE = (errno.EOPNOTSUPP, errno.EISDIR, errno.ENOENT, errno.EINVAL)  # of a file system or a kernel without O_TMPFILE: open(2)
_INDEX = "index.json"  # of an OCI layout: what else is in there has its digest in here, directly or not
_DIRECTORY = ".stamps"
_GIVE = "Give an initrd, a tar archive or an OCI layout"
_KINDS = {stat.S_IFIFO: "a fifo", stat.S_IFCHR: "a character device", stat.S_IFBLK: "a block device", stat.S_IFSOCK: "a socket"}

_read: dict[str, dict] = {}  # path -> stamp of what this process has read there; nothing else is ever remembered


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


def is_digest(value: str) -> bool:
    """True for 'sha256:' and 64 hexadecimal digits in lower case."""
    return value.startswith(PREFIX) and len(value) == len(PREFIX) + 64 and all(character in _HEX for character in value[len(PREFIX):])


def check_digest(value: str, option: str) -> str:
    """Return `value` when it is a digest, else LauncherError."""
    if not is_digest(value):
        raise LauncherError("is not a digest", option=option, value=value, remedy="Give sha256: and the 64 digits that sha256sum prints")
    return value


def is_layout(path: str) -> bool:
    """True for a directory with the index of an OCI layout."""
    return os.path.isfile(f"{path}/{_INDEX}")


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
        raise LauncherError(f"is no regular file, but a directory, and no OCI layout: it has no {_INDEX}", option=option, value=path,
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
    return PREFIX + sha256.hexdigest()


def changing(path: str, option: str) -> LauncherError:
    """Return the error for an archive that is another at its end than it was at its beginning."""
    return LauncherError("changes while it is read", option=option, value=path, remedy="Wait until it is complete")


def identity(info: os.stat_result) -> dict:
    """Return what changes with every change of a file."""
    return {"device": info.st_dev, "inode": info.st_ino, "size": info.st_size, "mtime": info.st_mtime_ns, "ctime": info.st_ctime_ns}


def _look(path: str) -> os.stat_result:
    info = os.stat(path)
    return os.stat(f"{path}/{_INDEX}") if stat.S_ISDIR(info.st_mode) else info


def _name(path: str) -> str:
    return hashlib.sha256(os.fsencode(path)).hexdigest()[:32]


def known(path: str) -> str | None:
    """Return the digest of an archive that was read before and has not changed since, without reading it; else None."""
    try:
        stamp = json.loads(files.read_limited(f"{places.IMAGES}/{_DIRECTORY}/{_name(path)}", _LIMIT))
        now = dict(identity(_look(path)), path=path)
    except (OSError, ValueError, LauncherError):
        return None
    digest = stamp.get("digest") if isinstance(stamp, dict) else None
    return digest if isinstance(digest, str) and is_digest(digest) and stamp == dict(now, digest=digest) else None


@contextlib.contextmanager
def reading(path: str, fd: int) -> Iterator[list[str]]:
    """Whoever reads the archive `path`, open as `fd`, to find its digest does it in here, and appends the digest to the list.

    remember() may write it down when the archive was not touched just before, nor meanwhile.
    """
    digests: list[str] = []
    before, now = _look(_open_path(fd)), time.time_ns()
    yield digests
    settled = now - max(before.st_mtime_ns, before.st_ctime_ns) >= _SETTLED
    if settled and identity(_look(_open_path(fd))) == identity(before):
        _read[path] = dict(identity(before), path=path, digest=digests[0])


def _open_path(fd: int) -> str:
    return f"/proc/self/fd/{fd}"  # that very file, whatever has its name now


def remember(path: str, digest: str) -> None:
    """Let known() answer for this archive from now on, if this process has read it and found that digest. OSError as the file system."""
    stamp = _read.get(path)
    if stamp is None or stamp["digest"] != digest:
        return
    with locked(_DIRECTORY) as directory:
        files.write_whole(directory, _name(path), json.dumps(stamp).encode(), durable=False)
        _forget_gone(directory)
    del _read[path]


@contextlib.contextmanager
def locked(name: str) -> Iterator[int]:
    """Make a directory of small files in the store, and hold its lock (flock): what is written in there has one temporary name."""
    files.make_directories(f"{places.IMAGES}/{name}")
    directory = files.open_directory(f"{places.IMAGES}/{name}")
    try:
        fcntl.flock(directory, fcntl.LOCK_EX)
        yield directory
    finally:
        os.close(directory)


def _forget_gone(directory: int) -> None:
    """Remove the stamps of archives that are there no more."""
    for name in os.listdir(directory):
        if name.startswith("."):  # a temporary one
            continue
        try:
            stamp = json.loads(files.read_limited(name, _LIMIT, directory))
        except (FileNotFoundError, ValueError, LauncherError):
            continue
        if isinstance(stamp, dict) and isinstance(stamp.get("path"), str) and not os.path.exists(stamp["path"]):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name, dir_fd=directory)
