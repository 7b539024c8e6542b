# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cgroups of a host: which version and controllers, what systemd hands to us, whether swap is counted."""

from __future__ import annotations

import os

from ...base.errors import LauncherError
from ..cgroup import detect
from .config import Config
from .facts import gap, text

_NEEDED = ("cpu", "memory", "pids")
NONE = "none"


def survey(config: Config) -> tuple[dict, list[dict], list[dict]]:
    """Return (facts, gaps that keep containers from running, gaps that only take something away)."""
    try:
        layout = detect.find()
    except LauncherError as error:
        remedy = "Mount one at boot: mount -t cgroup2 cgroup2 /sys/fs/cgroup (Slackware's rc.S does it where the kernel has cgroups)"
        return _facts(NONE), [gap("cgroup", error.problem, remedy)], []
    swap = swap_accounting(layout, config)
    facts = _facts(layout.mode, sorted(layout.mounts), _is_writable(layout), layout.home, _delegated(layout), swap)
    return facts, _needed(facts), _optional(facts)


def _facts(mode, controllers=(), writable=None, parent=None, delegated=None, swap=None):
    return {"mode": mode, "controllers": list(controllers), "writable": writable, "parent": parent, "delegated": delegated,
            "swap_accounting": swap}


def _is_writable(layout):
    """Whether the hierarchies are mounted read-write; who may write there is another question."""
    mounts = dict.fromkeys([*layout.mounts.values(), *([layout.unified] if layout.unified else [])])
    try:
        return not any(os.statvfs(mount).f_flag & os.ST_RDONLY for mount in mounts)
    except OSError:
        return None


def _delegated(layout):
    """Controllers that systemd passes on to our unit; None where nobody has to, or while the unit is not active."""
    content = text(f"{layout.unified}/{layout.home}/cgroup.controllers") if layout.is_delegated else None
    return None if content is None else sorted(content.split())


def swap_accounting(layout: detect.Layout, config: Config) -> bool | None:
    """Whether swap can be limited, None when that does not show."""
    mount = layout.mounts.get("memory")
    if mount is None:
        return False
    if layout.mode != detect.V2:
        return os.path.exists(f"{mount}/memory.memsw.limit_in_bytes")
    # The root of v2 has no such file, only cgroups for which the controller is enabled.
    for directory in _children(mount):
        if os.path.exists(f"{directory}/memory.max"):
            return os.path.exists(f"{directory}/memory.swap.max")
    return False if config.state("SWAP") == "n" else None


def _children(mount):
    try:
        with os.scandir(mount) as entries:
            return sorted(entry.path for entry in entries if entry.is_dir(follow_symlinks=False))
    except OSError:
        return []


def _needed(facts):
    gaps = []
    lacking = [name for name in _NEEDED if name not in facts["controllers"]]
    if lacking:
        gaps.append(gap("cgroup", f"the kernel offers no cgroup controller {', '.join(lacking)}",
                        "Remove cgroup_disable from the kernel's command line, or use a kernel that has them"))
    if facts["writable"] is False:
        gaps.append(gap("cgroup", "the cgroup hierarchies are mounted read-only",
                        "Use a host, or a container that has cgroups of its own to write to"))
    delegated = facts["controllers"] if facts["delegated"] is None else facts["delegated"]
    refused = [name for name in _NEEDED if name in facts["controllers"] and name not in delegated]
    if refused:
        gaps.append(gap("cgroup", f"systemd does not pass the controller {', '.join(refused)} on to {facts['parent']}",
                        "Run the role coracle.launcher.container_host, which installs that unit with Delegate=yes, and start it again"))
    return gaps


def _optional(facts):
    if facts["swap_accounting"] is not False or "memory" not in facts["controllers"]:
        return []
    return [gap("swap_accounting", "the kernel does not count swap, which memory_swap needs",
                "Boot with swapaccount=1 on the kernel's command line, or use a kernel with CONFIG_SWAP")]
