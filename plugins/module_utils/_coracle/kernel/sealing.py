# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A sealed interpreter: what enters a container must run from a file that nobody can write to, not even through /proc/self/exe.

An image whose entry point is `#!/proc/self/exe` gets the host's interpreter executed inside, and its root user could then overwrite it
(CVE-2019-5736 works against Python as it did against runc). A read-only detached clone of the mount answers EROFS for ever.
"""

from __future__ import annotations

import fcntl
import os
import sys

from ..base import libc
from ..base.errors import LauncherError

_F_ADD_SEALS, _F_GET_SEALS, _ALL_SEALS = 1033, 1034, 0xF  # <linux/fcntl.h>: seal, shrink, grow, write
_ST_RDONLY = 1


def is_sealed() -> bool:
    """True when the file of this very process cannot be written: it lies on a read-only mount, or is a memfd with all seals."""
    if os.statvfs("/proc/self/exe").f_flag & _ST_RDONLY:
        return True
    exe = os.open("/proc/self/exe", os.O_RDONLY | os.O_CLOEXEC)
    try:
        return fcntl.fcntl(exe, _F_GET_SEALS) & _ALL_SEALS == _ALL_SEALS
    except OSError:
        return False  # no memfd
    finally:
        os.close(exe)


def execute_sealed(arguments: list[str], environment: dict[str, str]) -> None:
    """Replace this process by its own interpreter, sealed, with `arguments` (argv[0] must be the interpreter's real path: it finds its
    standard library by it). Returns only by an exception."""
    os.execve(_sealed_copy(sys.executable), arguments, environment)


def _sealed_copy(path: str) -> int:
    try:
        clone = libc.open_tree_clone(path)  # Linux 5.2
        libc.mount_setattr(clone, libc.MOUNT_ATTR_RDONLY)  # Linux 5.12
        return clone
    except OSError:
        return _sealed_memfd(path)


def _sealed_memfd(path: str) -> int:
    """A copy in memory, 6 MB a process: the way of kernels before 5.12."""
    copy = os.memfd_create("coracle", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    source = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        left = os.fstat(source).st_size
        while left:
            sent = os.sendfile(copy, source, None, left)
            if not sent:
                raise LauncherError(f"{path} changed while it was copied", remedy="Try again")
            left -= sent
    finally:
        os.close(source)
    fcntl.fcntl(copy, _F_ADD_SEALS, _ALL_SEALS)
    return copy
