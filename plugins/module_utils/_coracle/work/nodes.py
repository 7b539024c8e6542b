# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The devices of the host that a container has: their nodes in its /dev, and the rules of its cgroup that let it use no others."""

from __future__ import annotations

import os
import stat

from ..base.errors import LauncherError
from ..kernel.cgroup import device_rules
from ..model import devices

# What every container has (kernel/devices.py), and its terminals. Making any node is allowed, as the launcher makes them from inside the
# cgroup; the container lacks the capability for it.
_ALWAYS = ("a *:* m", "c 1:3 rw", "c 1:5 rw", "c 1:7 rw", "c 1:8 rw", "c 1:9 rw", "c 5:0 rw", "c 5:2 rw", "c 136:* rw")


class Node:
    """One device. `path`: in the container, below /dev; `mode`: with its kind; `device`: its numbers; `access`: some of rwm."""

    __slots__ = ("path", "mode", "device", "uid", "gid", "access")

    def __init__(self, path, info, access):
        self.path, self.mode, self.device, self.access = path, info.st_mode, info.st_rdev, access
        self.uid, self.gid = info.st_uid, info.st_gid


def find(spec: dict) -> list[Node]:
    """The devices of a spec, as the host has them now; links in its /dev, as of udev, are followed. LauncherError: there is none."""
    nodes = []
    for source, target, access in map(devices.parse, spec.get("devices", [])):
        try:
            info = os.stat(source)
        except OSError as error:
            raise LauncherError(f"is not there: {error.strerror}", option="devices", value=source,
                                remedy="Name a device of the host") from None
        if not stat.S_ISCHR(info.st_mode) and not stat.S_ISBLK(info.st_mode):
            raise LauncherError("is no device", option="devices", value=source, remedy="Name a device of the host, or use mounts")
        nodes.append(Node(target[len("/dev/"):], info, access))
    return nodes


def rules(nodes: list[Node]) -> list[str]:
    """The rules of a cgroup that may use these devices and what every container has."""
    more = [f"{'c' if stat.S_ISCHR(node.mode) else 'b'} {os.major(node.device)}:{os.minor(node.device)} {node.access}" for node in nodes]
    return device_rules.parse([*_ALWAYS, *more])
