# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""fork(2) into a cgroup of version 2: the child begins there. A child that moves there itself waits 8 ms for an RCU grace period on a
host that is idle, and with it every fork of the host (cgroup_threadgroup_rwsem in kernel/cgroup/cgroup.c)."""

from __future__ import annotations

import _signal
import _thread
import ctypes
import errno
import os

# <linux/sched.h>
_CLONE_PIDFD = 0x00001000
_CLONE_CHILD_CLEARTID = 0x00200000
_CLONE_CHILD_SETTID = 0x01000000
_CLONE_INTO_CGROUP = 0x200000000
_NR_CLONE3 = 435  # on every architecture

_PR_GET_TID_ADDRESS = 40  # <linux/prctl.h>

# As os.fork() does it, the interpreter's lock stays taken during the call: hence not the libc of base/libc.py.
_libc = ctypes.PyDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long


class _CloneArgs(ctypes.Structure):
    """struct clone_args of Linux 5.7."""

    _fields_ = tuple((name, ctypes.c_uint64) for name in ("flags", "pidfd", "child_tid", "parent_tid", "exit_signal", "stack", "stack_size",
                                                          "tls", "set_tid", "set_tid_size", "cgroup"))


def into_cgroup(directory: str) -> tuple[int, int]:
    """Return (0, -1) to the child, which is in the v2 cgroup `directory`, and (its pid, a close-on-exec pidfd) to the caller.

    OSError where this cannot be: before Linux 5.7, under a seccomp filter, with a C library other than glibc, in a process with threads;
    and what the kernel says against that cgroup. Nothing was forked then.
    """
    tid = _tid_address()
    pidfd = ctypes.c_int(-1)
    cgroup = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        arguments = _CloneArgs(flags=_CLONE_INTO_CGROUP | _CLONE_PIDFD | _CLONE_CHILD_SETTID | _CLONE_CHILD_CLEARTID, child_tid=tid,
                               pidfd=ctypes.addressof(pidfd), exit_signal=_signal.SIGCHLD, cgroup=cgroup)
        pid, number = _fork(arguments)
    finally:
        os.close(cgroup)
    if pid < 0:
        raise OSError(number, f"clone3: {os.strerror(number)}", directory)
    return pid, pidfd.value


def _fork(arguments):
    """clone3(2) as a fork of the interpreter, like os.fork(). Returns (pid or 0 or -1, errno)."""
    size = ctypes.c_size_t(ctypes.sizeof(arguments))
    ctypes.pythonapi.PyOS_BeforeFork()
    pid = _libc.syscall(_NR_CLONE3, ctypes.byref(arguments), size)
    if pid == 0:
        ctypes.pythonapi.PyOS_AfterFork_Child()
        return 0, 0
    number = ctypes.get_errno()
    ctypes.pythonapi.PyOS_AfterFork_Parent()
    return pid, number


def _tid_address():
    """Where glibc keeps the thread's id, which its own fork() has the kernel write for the child. OSError where that is not so."""
    address = ctypes.c_void_p()
    if _thread._count() == 0 and _libc.prctl(_PR_GET_TID_ADDRESS, ctypes.byref(address)) == 0 and address.value \
            and ctypes.c_int.from_address(address.value).value == os.getpid():
        return address.value
    raise OSError(errno.ENOSYS, "clone3: not in this process")
