# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the host was started: by which init, and when."""

from __future__ import annotations

import os
import time

from .facts import text

# What starts services, by what only it has. elogind leaves a link /run/systemd on Slackware, but nothing in it.
_MARKS = (
    ("systemd", ("/run/systemd/system",)),
    ("slackware", ("/etc/slackware-version", "/etc/rc.d/rc.M")),
    ("openrc", ("/run/openrc",)),
    ("sysvinit", ("/etc/inittab", "/etc/init.d")),
)


def init(root: str = "") -> str | None:
    """systemd, slackware (BSD style rc scripts), openrc or sysvinit; None for another one. `root`: put before each path."""
    for name, marks in _MARKS:
        if all(os.path.exists(f"{root}{mark}") for mark in marks):
            return name
    return None


def booted_at(path: str = "/proc/stat") -> str | None:
    """The time of boot, UTC, as 2026-11-24T07:55:00Z."""
    for line in (text(path) or "").split("\n"):
        if line.startswith("btime "):
            return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(int(line.split()[1])))
    return None
