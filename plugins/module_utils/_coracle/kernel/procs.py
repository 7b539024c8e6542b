# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Processes: identity (pid + start time + boot id), pidfds, exit status. /proc is the host's here, never a container's."""

from __future__ import annotations

import _signal
import errno
import fcntl
import os
import select
import time

from ..base import files

_boot_id = None

# _IOWR(0xFF, 11, 64 bytes): PIDFD_GET_INFO of <linux/pidfd.h>, Linux 6.13; the exit status came with 6.15.
_PIDFD_GET_INFO = 0xC000FF0B | 64 << 16
_PIDFD_INFO_EXIT = 1 << 3


def boot_id() -> str:
    """The random id of this boot: what makes a pid of yesterday worthless today."""
    global _boot_id
    if _boot_id is None:
        _boot_id = files.read_text("/proc/sys/kernel/random/boot_id")
    return _boot_id


def stat_fields(pid: int) -> list[str] | None:
    """Fields of /proc/PID/stat from the third on (state letter first; proc(5)), None when there is no such process."""
    try:
        line = files.read_text(f"/proc/{pid}/stat")
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ESRCH):
            return None
        raise
    return line[line.rindex(")") + 2:].split()


def starttime(pid: int) -> int | None:
    """Clock ticks from boot to the start of `pid`; None when it is gone or a zombie."""
    fields = stat_fields(pid)
    return None if fields is None or fields[0] in "ZX" else int(fields[19])


def is_same(pid: int, started: int, boot: str) -> bool:
    """True when `pid` is still the process that had this start time in this boot, and alive."""
    return boot == boot_id() and pid > 1 and starttime(pid) == started


def uptime(started: int) -> float:
    """Seconds since a start time in clock ticks."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) - started / os.sysconf("SC_CLK_TCK")


def send(pidfd: int, number: int) -> bool:
    """Send a signal through a pidfd. False when the process is gone already."""
    try:
        _signal.pidfd_send_signal(pidfd, number)
    except ProcessLookupError:
        return False
    return True


def wait_end(pidfd: int, seconds: float) -> bool:
    """Wait until the process behind `pidfd` has ended. False when it has not within `seconds`."""
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    return bool(poll.poll(max(0, int(seconds * 1000))))


def exit_code_of(status: int) -> int:
    """wait(2) status -> 0 to 255, 128+n after signal n."""
    return 128 + os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)


def exit_code_of_reaped(pidfd: int) -> int | None:
    """Exit code of a process that is not our child and that its parent has reaped; None where the kernel cannot tell (before 6.15)."""
    info = bytearray(64)
    info[0:8] = _PIDFD_INFO_EXIT.to_bytes(8, "little")
    try:
        fcntl.ioctl(pidfd, _PIDFD_GET_INFO, info)
    except OSError:
        return None
    if not int.from_bytes(info[0:8], "little") & _PIDFD_INFO_EXIT:
        return None
    return exit_code_of(int.from_bytes(info[60:64], "little", signed=True))
