# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Capabilities that a task gives and takes: names of capabilities(7), and the largest set that a container may have. Pure."""

from __future__ import annotations

from ..base.errors import LauncherError

ALL = "ALL"

# The largest set. Not in it, because each is as good as root of the host or undoes a limit that a task has set: SYS_ADMIN, SYS_MODULE, SYS_RAWIO,
# SYS_PTRACE, SYS_BOOT, SYS_TIME, SYS_RESOURCE, SYS_NICE, SYS_CHROOT, SYS_PACCT, SYS_TTY_CONFIG, MKNOD, DAC_READ_SEARCH,
# LINUX_IMMUTABLE, MAC_*, AUDIT_CONTROL, AUDIT_READ, SYSLOG, BPF, PERFMON, CHECKPOINT_RESTORE, WAKE_ALARM, BLOCK_SUSPEND.
LARGEST = ("AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "IPC_LOCK", "IPC_OWNER", "KILL", "LEASE", "NET_ADMIN",
           "NET_BIND_SERVICE", "NET_BROADCAST", "NET_RAW", "SETFCAP", "SETGID", "SETPCAP", "SETUID")


def normalise_given(value, option: str) -> list[str]:
    """Return what a container has beside the default, each in upper case without CAP_, sorted. LauncherError: not in the largest set."""
    return _normalise(value, option, "Give some of " + ", ".join(LARGEST) + f", or {ALL} for all of them")


def normalise_dropped(value, option: str) -> list[str]:
    """Return what it does not have of the default. ALL is the whole default. LauncherError: it would not have it anyhow."""
    return _normalise(value, option, "Name one that a container can have; all others it never has: " + ", ".join(LARGEST) + f", or {ALL}")


def _normalise(value, option, remedy):
    if not isinstance(value, list):
        raise LauncherError("is no list", option=option, value=value, remedy="Give e.g. ['NET_ADMIN']")
    found = set()
    for word in value:
        name = word.upper() if isinstance(word, str) and word.isascii() else ""
        name = name[4:] if name.startswith("CAP_") else name
        if name != ALL and name not in LARGEST:
            raise LauncherError("is no capability that a container can have", option=option, value=word, remedy=remedy)
        found.add(name)
    return [ALL] if ALL in found else sorted(found)


def given(spec: dict) -> set[str]:
    """What `capabilities` of a spec adds: all that a user other than 0 has."""
    names = spec.get("capabilities", [])
    return set(LARGEST if names == [ALL] else names)


def kept(default: tuple, spec: dict) -> set[str]:
    """What uid 0 has: the default without `cap_drop`, and with `capabilities`, which has the last word."""
    dropped = spec.get("cap_drop", [])
    return (set() if dropped == [ALL] else set(default) - set(dropped)) | given(spec)
