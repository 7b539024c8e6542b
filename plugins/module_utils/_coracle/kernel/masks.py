# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What of /proc and /sys a container does not see, or only reads. The lists are Docker's and systemd-nspawn's together."""

from __future__ import annotations

import os

from ..base import libc
from . import mounts

_PROC_HIDDEN = ("acpi", "asound", "interrupts", "kallsyms", "kcore", "keys", "latency_stats", "sched_debug", "scsi", "timer_list",
                "timer_stats")
_PROC_READ_ONLY = ("bus", "dynamic_debug", "fs", "irq", "sys", "sysrq-trigger")  # files that uid 0 may write without any capability
_SYS_HIDDEN = ("firmware", "devices/virtual/powercap")


def mount_proc(root: int, null: int) -> None:
    """Mount a procfs of this pid namespace on /proc below `root`, with its masks. uid 0 without any capability could still write
    /proc/sys/kernel/core_pattern: only a read-only mount stops that."""
    proc = mounts.mount_inside(root, "proc", "proc", libc.PROC_SUPER_MAGIC)
    try:
        for path in _PROC_READ_ONLY:
            mounts.bind_read_only(proc, path)
        for path in _PROC_HIDDEN:
            mounts.mask(proc, path, null)
    finally:
        os.close(proc)


def mount_sys(root: int, null: int) -> None:
    """Mount a read-only sysfs of this network namespace on /sys below `root`; /sys/fs/cgroup stays an empty directory."""
    flags = libc.MS_RDONLY | libc.MS_NOSUID | libc.MS_NODEV | libc.MS_NOEXEC
    sys_root = mounts.mount_inside(root, "sys", "sysfs", libc.SYSFS_MAGIC, flags)
    try:
        for path in _SYS_HIDDEN:
            mounts.mask(sys_root, path, null)
    finally:
        os.close(sys_root)
