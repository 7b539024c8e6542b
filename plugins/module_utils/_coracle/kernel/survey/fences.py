# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What keeps a container apart: the namespaces of the kernel and how many of them there may be, its filters and fences."""

from __future__ import annotations

import os

from .. import landlock, seccomp
from .config import Config
from .facts import gap, number, text

_NEEDED = ("mnt", "pid", "uts", "ipc", "net", "cgroup")  # what a start makes; containers have no user namespace
_KINDS = (*_NEEDED, "user")
_LANDLOCK_NEEDED = 2  # what kernel/landlock.py makes use of
_ACTIONS = ("kill_process", "errno", "allow")  # what the filter of kernel/seccomp.py returns


def survey(config: Config, proc: str = "/proc") -> tuple[dict, list[dict], list[dict]]:
    """Return (facts, gaps that keep containers from running, gaps that only take something away)."""
    namespaces = {kind: _namespace(kind, proc) for kind in _KINDS}
    namespaces["user"]["unprivileged"] = _unprivileged(proc)
    actions = text(f"{proc}/sys/kernel/seccomp/actions_avail")  # Linux 4.14
    facts = {
        "namespaces": namespaces,
        "seccomp": {"filter": _filter(config, actions, proc), "actions": None if actions is None else actions.split(),
                    "architecture": os.uname().machine in seccomp.MACHINES},
        "landlock": landlock.abi(),
        "lsm": _split(text("/sys/kernel/security/lsm")),
    }
    return facts, _needed(facts), _optional(facts)


def _namespace(kind, proc):
    """`available`: the kernel has this kind; `limit`: how many there may be (namespaces(7), since Linux 4.9), None when not told."""
    try:
        available = kind in os.listdir(f"{proc}/self/ns")
    except OSError:
        available = None
    return {"available": available, "limit": number(f"{proc}/sys/user/max_{kind}_namespaces")}


def _unprivileged(proc):
    """Whether users without privileges may make user namespaces, as far as the switches of distributions tell."""
    limit = number(f"{proc}/sys/user/max_user_namespaces")
    switches = (number(f"{proc}/sys/kernel/unprivileged_userns_clone"), number(f"{proc}/sys/kernel/apparmor_restrict_unprivileged_userns"))
    return None if limit is None else limit > 0 and switches[0] != 0 and switches[1] != 1


def _filter(config, actions, proc):
    """Whether processes can have a filter of system calls."""
    if actions is not None:
        return all(action in actions.split() for action in _ACTIONS)
    if "Seccomp:" not in (text(f"{proc}/self/status") or "Seccomp:"):
        return False
    return {"y": True, "n": False}.get(config.state("SECCOMP_FILTER") or "")


def _split(content):
    return None if content is None else content.split(",")


def _needed(facts):
    gaps = []
    for kind in _NEEDED:
        namespace = facts["namespaces"][kind]
        if namespace["available"] is False:
            gaps.append(gap("namespaces", f"the kernel has no {kind} namespaces",
                            "Use a kernel that has them, with CONFIG_NAMESPACES and all below it"))
        elif namespace["limit"] == 0:
            gaps.append(gap("namespaces", f"no {kind} namespace may be made (user.max_{kind}_namespaces is 0)",
                            f"Set user.max_{kind}_namespaces to some thousands with sysctl, and in /etc/sysctl.d"))
    if facts["seccomp"]["filter"] is False:
        gaps.append(gap("seccomp", "the kernel cannot filter system calls", "Use Linux 4.14 or newer with CONFIG_SECCOMP_FILTER"))
    return gaps


def _optional(facts):
    gaps = []
    if not facts["seccomp"]["architecture"]:
        gaps.append(gap("seccomp", f"there is no filter of system calls for {os.uname().machine}, so containers run behind one fence less",
                        f"Use a host of {' or '.join(seccomp.MACHINES)} for what is hostile"))
    if facts["landlock"] < _LANDLOCK_NEEDED:
        gaps.append(gap("landlock", "the kernel has no Landlock of use, so archives are unpacked behind one fence less",
                        "Use Linux 5.19 or newer, with landlock in lsm= of its command line"))
    return gaps
