# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the host has of what a task of veth_bridge names: namespaces with their interfaces, and bridges."""

from __future__ import annotations

import os

from ...base.errors import LauncherError
from ...kernel.net import netns
from . import asked as tasks
from . import bridges, nics, switch


class Space:
    """One namespace and what it has. `have`: of the interfaces that the task names; `is_there`: the namespace exists."""

    __slots__ = ("group", "have", "is_there")

    def __init__(self, group: tasks.Group):
        self.group = group
        self.have: nics.Have | None = None
        self.is_there = False


class Host:
    """What there is. `bridges`: {name: Bridge or None}; `unused`: names of bridges of ours that would have no port left; `names`: what a
    root file system has of name servers, `names_wanted`: what it should have; `uplink`: what uplink.read() found."""

    __slots__ = ("asked", "spaces", "bridges", "unused", "names", "names_wanted", "uplink")

    def __init__(self, asked: tasks.Asked):
        self.asked = asked
        self.spaces = [Space(group) for group in asked.groups]
        self.bridges: dict[str, bridges.Bridge | None] = {}
        self.unused: list[str] = []
        self.names = None
        self.names_wanted: dict[str, list[str]] = {}
        self.uplink = None


def look(host: Host, view: bridges.View, must_exist: bool) -> None:
    """Read bridges and namespaces. LauncherError when a namespace is missing that cannot be made, or a bridge is something else."""
    for name, (kind, where) in host.asked.bridges.items():
        host.bridges[name] = switch.find(view, name, kind, f"{where}bridge")
    places: dict[tuple[int, int], tasks.Group] = {}
    for space in host.spaces:
        namespace = _open(space.group, must_exist)
        space.is_there = namespace is not None
        try:
            if namespace is not None:
                _refuse_twice(places, namespace, space.group)
            space.have = nics.observe(space.group.nics, namespace, view=view)
        finally:
            if namespace is not None:
                os.close(namespace)


def _open(group: tasks.Group, must_exist: bool) -> int | None:
    """Open the namespace; None when it does not exist and need not: a name is made, and what is to be absent may be so already."""
    missing = not os.path.exists(group.place) if group.name is None else not netns.exists(group.name)
    if missing and (group.name is not None or not must_exist):
        return None
    with tasks.errors_of(group.where):
        return netns.open_namespace(group.netns)


def _refuse_twice(places: dict[tuple[int, int], tasks.Group], namespace: int, group: tasks.Group) -> None:
    info = os.fstat(namespace)
    first = places.setdefault((info.st_dev, info.st_ino), group)
    if first is not group:
        raise LauncherError(f"is the namespace of {first.where}netns too", option=f"{group.where}netns", value=group.netns,
                            remedy="Name a namespace in one way only")
