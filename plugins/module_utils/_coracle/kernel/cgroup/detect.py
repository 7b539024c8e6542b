# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where this host's cgroups are mounted, and which version is in charge. Reads mountinfo, never path names: elogind leaves
directories and links in /sys/fs/cgroup that are no hierarchies of ours, and admins mount v1 wherever they like."""

from __future__ import annotations

import os

from ...base import files, places
from ...base.errors import LauncherError

V1 = "v1"
HYBRID = "hybrid"
V2 = "v2"

# The controllers that a container is put into, in the order in which directories are made.
CONTROLLERS = ("cpuset", "cpu", "cpuacct", "memory", "pids", "freezer", "devices", "blkio")

# Mount options of a v1 hierarchy that are no controllers (cgroup1_show_options in kernel/cgroup/cgroup-v1.c; seclabel is SELinux').
_NO_CONTROLLER = frozenset(("rw", "ro", "none", "noprefix", "xattr", "clone_children", "cpuset_v2_mode", "favordynmods", "seclabel"))


class Layout:
    """`mode`: v1, hybrid or v2. `mounts`: {controller: mount point}; on v2 each controller that the root offers -> the one mount.
    `unified`: the mount point of cgroup v2, None without one. On a hybrid host limits belong to `mounts`, never to `unified`.
    `home`: where our own cgroups are, below the root of each hierarchy."""

    __slots__ = ("mode", "mounts", "unified", "home")

    def __init__(self, mode: str, mounts: dict[str, str], unified: str | None, home: str = places.CGROUP_PARENT):
        self.mode = mode
        self.mounts = mounts
        self.unified = unified
        self.home = home

    @property
    def is_delegated(self) -> bool:
        """True where systemd owns the hierarchy: it makes and removes `home`, the cgroup of our unit, and we what is below."""
        return self.home != places.CGROUP_PARENT

    def path(self, name: str) -> str:
        """Where the cgroup is that people name so: 'coracle/web' is web in `home`, what is not ours is where it says."""
        parent, slash, rest = name.partition("/")
        return f"{self.home}{slash}{rest}" if parent == places.CGROUP_PARENT else name


def find(mountinfo: str | None = None, systemd: str = places.SYSTEMD) -> Layout:
    """Return this host's Layout. `mountinfo`: the text of a /proc/PID/mountinfo (proc(5)), None for our own. `systemd`: a directory
    that only exists where systemd is process 1 (sd_booted(3)).

    LauncherError when no cgroup is mounted.
    """
    if mountinfo is None:
        mountinfo = files.read_text("/proc/self/mountinfo")
    legacy, unified = _parse(mountinfo)
    offered = _offered(unified) if unified else []
    # Tools mount a lone v1 net_cls beside v2, so a v1 mount alone proves nothing: v2 is in charge where it has what limits a container.
    if unified and (any(name in offered for name in ("memory", "cpu", "pids")) or not any(name in legacy for name in CONTROLLERS)):
        home = places.CGROUP_UNIT if os.path.isdir(systemd) else places.CGROUP_PARENT
        return Layout(V2, dict.fromkeys(offered, unified), unified, home)
    if legacy:
        return Layout(HYBRID if unified else V1, legacy, unified)
    raise LauncherError("no cgroup hierarchy with controllers is mounted on this host",
                        remedy="Mount one: mount -t cgroup2 cgroup2 /sys/fs/cgroup")


def membership(layout: Layout, content: str) -> list[str]:
    """Return the directories that a process is in. `content`: of its /proc/PID/cgroup (cgroups(7)), as seen from our cgroup namespace."""
    found = []
    for line in content.split("\n"):
        _number, names, path = (line.split(":", 2) + ["", ""])[:3]
        if layout.mode == V2:
            mounts = [layout.unified] if not names else []
        else:
            mounts = [layout.mounts[name] for name in names.split(",") if name in layout.mounts]
        found += [f"{mount}{path}".rstrip("/") for mount in mounts if mount]
    return list(dict.fromkeys(found))


def _parse(mountinfo):
    """Return ({v1 controller: mount point}, v2 mount point or None). A mount of a whole hierarchy goes before one of a part of it."""
    legacy, unified, whole = {}, None, set()
    for line in mountinfo.split("\n"):
        mount, _dash, system = line.partition(" - ")
        fields, system = mount.split(), system.split()
        if len(fields) < 6 or len(system) < 3 or system[0] not in ("cgroup", "cgroup2"):
            continue
        root, point = fields[3], _unescape(fields[4])
        names = [name for name in system[2].split(",") if "=" not in name and name not in _NO_CONTROLLER] if system[0] == "cgroup" else [""]
        for name in names:
            if name in whole or (root != "/" and (name in legacy or (not name and unified))):
                continue
            if root == "/":
                whole.add(name)
            if name:
                legacy[name] = point
            else:
                unified = point
    return legacy, unified


def _unescape(path):
    """Undo the octal escapes of mountinfo: space, tab, newline, backslash."""
    for escape, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        path = path.replace(escape, character)
    return path


def _offered(unified):
    return files.read_text(f"{unified}/cgroup.controllers").split()
