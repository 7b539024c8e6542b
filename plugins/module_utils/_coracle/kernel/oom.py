# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""oom_score_adj of processes (proc(5)): how soon one is killed when memory is short, from -1000 (never) to 1000."""

from __future__ import annotations

import errno
import os

NEEDS_RESOURCE = "This host's root lacks the capability CAP_SYS_RESOURCE, which that needs: it may be in a container itself"
_GONE = (errno.ESRCH, errno.ENOENT)


def set_own(value: int) -> None:
    """Of the calling process, and of all that it will fork. OSError EACCES, EPERM: lower than it may go without CAP_SYS_RESOURCE."""
    descriptor = os.open("/proc/self/oom_score_adj", os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(descriptor, b"%d" % value)
    finally:
        os.close(descriptor)


def read(pid: int) -> int | None:
    """Of process `pid`; None when it is gone."""
    try:
        descriptor = os.open(f"/proc/{pid}/oom_score_adj", os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        if error.errno in _GONE:
            return None
        raise
    try:
        return int(os.read(descriptor, 16))
    except ProcessLookupError:
        return None
    finally:
        os.close(descriptor)


def set_all(value: int, processes) -> None:
    """Of all processes that `processes()` lists, as often as it takes: those that they fork meanwhile have the old one. OSError.

    A pid is written through a descriptor that was opened before the list was read again: one that has meanwhile gone to a stranger is not.
    """
    for _attempt in range(100):
        pids = [pid for pid in processes() if read(pid) not in (value, None)]
        if not pids:
            return
        opened = {}
        try:
            for pid in pids:
                try:
                    opened[pid] = os.open(f"/proc/{pid}/oom_score_adj", os.O_WRONLY | os.O_CLOEXEC)
                except OSError as error:
                    if error.errno not in _GONE:
                        raise
            for pid in set(processes()) & set(opened):
                try:
                    os.write(opened[pid], b"%d" % value)
                except ProcessLookupError:
                    continue
        finally:
            for descriptor in opened.values():
                os.close(descriptor)
    raise OSError(errno.EAGAIN, "new processes come faster than they can be told")
