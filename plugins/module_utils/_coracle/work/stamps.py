# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The digests of archives that have been read, known again by path, device, inode, size and times.

    IMAGES/.stamps/     path -> what the archive was like when it was read, and its digest
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import stat
import time

from ..base import files, places, text
from ..base.errors import LauncherError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

INDEX = "index.json"  # of an OCI layout: what else is in there has its digest in here, directly or not
_LIMIT = 65536
_SETTLED = 100_000_000  # ns: a file changed shorter ago may change again without another time (a kernel tick is up to 10 ms)
_DIRECTORY = ".stamps"

_read: dict[str, dict] = {}  # path -> stamp of what this process has read there; nothing else is ever remembered


def identity(info: os.stat_result) -> dict:
    """Return what changes with every change of a file."""
    return {"device": info.st_dev, "inode": info.st_ino, "size": info.st_size, "mtime": info.st_mtime_ns, "ctime": info.st_ctime_ns}


def _look(path: str) -> os.stat_result:
    info = os.stat(path)
    return os.stat(f"{path}/{INDEX}") if stat.S_ISDIR(info.st_mode) else info


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
    return digest if isinstance(digest, str) and text.is_digest(digest) and stamp == dict(now, digest=digest) else None


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
