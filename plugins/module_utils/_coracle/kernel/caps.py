# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Capabilities: names and numbers, the set a container keeps, and the two steps that take the rest away.

The order matters (capabilities(7)): `limit_bounding()` needs CAP_SETPCAP, so it comes before setresuid(2); `apply()` comes after it,
because setresuid(2) itself still needs CAP_SETUID. execve(2) then gives uid 0 exactly the bounding set, and any other uid nothing.
"""

from __future__ import annotations

import errno

from ..base import libc
from ..base.errors import LauncherError

# <linux/capability.h>: the index is the number.
NAMES = (
    "CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP", "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE", "NET_BROADCAST", "NET_ADMIN", "NET_RAW", "IPC_LOCK", "IPC_OWNER", "SYS_MODULE", "SYS_RAWIO", "SYS_CHROOT",
    "SYS_PTRACE", "SYS_PACCT", "SYS_ADMIN", "SYS_BOOT", "SYS_NICE", "SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "MKNOD", "LEASE",
    "AUDIT_WRITE", "AUDIT_CONTROL", "SETFCAP", "MAC_OVERRIDE", "MAC_ADMIN", "SYSLOG", "WAKE_ALARM", "BLOCK_SUSPEND", "AUDIT_READ",
    "PERFMON", "BPF", "CHECKPOINT_RESTORE",
)
NUMBERS = {name: number for number, name in enumerate(NAMES)}

# What uid 0 of a container keeps: Podman's default without SYS_CHROOT (chroot escapes), SETPCAP and SETFCAP (spreading capabilities).
DEFAULT_ROOT = ("CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "NET_BIND_SERVICE", "SETGID", "SETUID")
# uid 0 of a container with a network may also ping: of NET_RAW the filter of seccomp.py leaves ICMP, nothing that could forge.
PING = ("NET_RAW",)


def mask(names) -> int:
    """Return the 64-bit mask of capabilities given as 'CHOWN' or 'CAP_CHOWN', in any case. LauncherError for a name nobody knows."""
    result = 0
    for name in names:
        short = name.upper()
        short = short[4:] if short.startswith("CAP_") else short
        if short not in NUMBERS:
            raise LauncherError("is not a capability", option="capabilities", value=name, remedy="Use a name of capabilities(7), e.g. NET_RAW")
        result |= 1 << NUMBERS[short]
    return result


_ROOT_MASK = mask(DEFAULT_ROOT)


def for_uid(uid: int) -> int:
    """Return the mask that a container's process keeps by default: eight capabilities for uid 0, none for any other."""
    return _ROOT_MASK if uid == 0 else 0


def apply_ambient(wanted: int) -> None:
    """Make `wanted` this thread's permitted, effective, inheritable and ambient set, as far as it has it: what a user other than 0 keeps
    through execve(2). It must have kept it through setresuid(2) with PR_SET_KEEPCAPS. Before Linux 4.3 there is no ambient set: EINVAL."""
    has = libc.capget()[1]
    libc.capset(wanted & has, wanted & has, wanted & has)
    for number in range(wanted.bit_length()):
        if wanted & has & 1 << number:
            libc.prctl(libc.PR_CAP_AMBIENT, libc.PR_CAP_AMBIENT_RAISE, number)


def limit_bounding(keep: int) -> None:
    """Drop every capability that is not in the mask `keep` from the bounding set, for good. OSError EPERM without CAP_SETPCAP.

    Asks the kernel where its list ends (EINVAL) instead of reading /proc/sys/kernel/cap_last_cap: no path is opened.
    """
    for number in range(64):
        try:
            present = libc.prctl(libc.PR_CAPBSET_READ, number)
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
            return
        if present and not keep >> number & 1:
            libc.prctl(libc.PR_CAPBSET_DROP, number)


def apply(permitted: int) -> None:
    """Make `permitted` (a mask) this thread's permitted and effective set, as far as it has it now; inheritable and ambient become empty.

    A host whose root lacks one of them (it is a container itself) gives less, never an error. After setresuid(2) to another uid than 0
    nothing is left, whatever `permitted` says.
    """
    try:
        libc.prctl(libc.PR_CAP_AMBIENT, libc.PR_CAP_AMBIENT_CLEAR_ALL)
    except OSError as error:
        if error.errno != errno.EINVAL:  # before Linux 4.3 there is no ambient set
            raise
    has = libc.capget()[1]
    libc.capset(permitted & has, permitted & has, 0)
