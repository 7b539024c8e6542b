# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the kernel means by an error number of cgroupfs, in words for a person."""

from __future__ import annotations

import errno
import os

from ...base.errors import LauncherError

_ANYWHERE = {
    errno.EROFS: "cgroups are mounted read-only here: this is no host, or a container without its own cgroup namespace",
    errno.EACCES: "Run it as root, outside of any container",
    errno.EPERM: "Run it as root, outside of any container",
    errno.ENOENT: "This kernel has no such file: see what the directory holds",
    errno.EBUSY: "On cgroup v2 a cgroup that holds processes cannot pass controllers on: move them into a cgroup of their own",
    errno.ENOSPC: "The limit of cgroups is reached: see cgroup.max.descendants above it, or /proc/cgroups",
}
_ENTERING = {
    errno.ESRCH: "It does not exist or has ended",
    errno.ENOSPC: "Give it cpuset_cpus and cpuset_mems first",
    errno.EBUSY: "It has cgroups with controllers below it: on cgroup v2 processes live in the innermost ones only",
    errno.EOPNOTSUPP: "The cgroup above it is threaded: on cgroup v2 only single threads may enter then",
    errno.EINVAL: "Threads of the kernel cannot be moved",
}


def refused(error: OSError, problem: str, option=None, value=None, remedy: str | None = None) -> LauncherError:
    """Return the LauncherError for `error`: `problem`, the error's text and name, and `remedy`, or what its number usually means."""
    code = errno.errorcode.get(error.errno, str(error.errno))
    return LauncherError(f"{problem}: {os.strerror(error.errno)} ({code})", option=option, value=value,
                         remedy=remedy or _ANYWHERE.get(error.errno))


def cannot_enter(error: OSError, problem: str) -> LauncherError:
    """The same for a process that should be moved."""
    return refused(error, problem, remedy=_ENTERING.get(error.errno))
