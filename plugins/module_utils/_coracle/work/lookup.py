# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether something is in the root of a running container: looked up by the kernel as the container's own processes would, its mounts and
links included, from outside and without a way out of it."""

from __future__ import annotations

import errno
import os

from ..base import libc
from ..base.errors import LauncherError
from ..kernel import procs

_INSIDE = libc.RESOLVE_IN_ROOT | libc.RESOLVE_NO_MAGICLINKS
_NOT_THERE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG)
_MAGIC = "*?["


def open_root(pid: int, pidfd: int) -> int:
    """A descriptor of the root of the process behind both. LauncherError when it has ended."""
    try:
        root = os.open(f"/proc/{pid}/root", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        if not procs.wait_end(pidfd, 0):
            raise
    else:
        if not procs.wait_end(pidfd, 0):  # it lives, so the number was its own all the time
            return root
        os.close(root)
    raise LauncherError("has just ended", option="name")


def exists(root: int, path: str) -> bool:
    """True when `path`, absolute, or a shell pattern of it, names something below `root`: a link that leads nowhere is something."""
    return _exists(root, "", [part for part in path.split("/") if part])


def _exists(root, above, parts):
    for number, part in enumerate(parts):
        if any(character in part for character in _MAGIC):
            return any(_exists(root, f"{above}/{name}", parts[number + 1:]) for name in _matching(root, above, part))
        above = f"{above}/{part}"
    descriptor = _open(root, above, os.O_PATH | os.O_NOFOLLOW)
    if descriptor is None:
        return False
    os.close(descriptor)
    return True


def _matching(root, directory, pattern):
    """Names in a directory; a leading dot must be named, as in a shell."""
    from fnmatch import fnmatchcase

    descriptor = _open(root, directory, os.O_RDONLY | os.O_DIRECTORY)
    if descriptor is None:
        return
    try:
        with os.scandir(descriptor) as entries:
            for entry in entries:
                if entry.name.startswith(".") <= pattern.startswith(".") and fnmatchcase(entry.name, pattern):
                    yield entry.name
    finally:
        os.close(descriptor)


def _open(root, path, flags):
    try:
        return libc.openat2(root, path or "/", flags, 0, _INSIDE)
    except OSError as error:
        if error.errno in _NOT_THERE:
            return None
        raise
