# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bridges and their ports, whatever kind they are: of Linux (linux.py), or of Open vSwitch (openvswitch.py), loaded when it is in use.

Both rooms have the same functions, which raise LauncherError and, where only netlink is spoken, OSError:
    find(view, name, link) -> Bridge | None    the bridge of this kind; `link`: the interface of that name, or None
    port(view, name, link) -> Port | None      what the bridges of this kind know of a port of this name; without link: what was left of one
    refuse(bridge, joining) -> None            for what this bridge cannot do, or may not be changed for
    make(undo, name) -> None                   a new bridge of ours, marked and up
    mend(undo, bridge) -> None                 up, and marked when it is ours
    join(undo, joinings) -> None               make them ports of their bridges, with VLANs and isolation before the first packet passes
    leave(undo, names) -> None                 ports of no bridge of this kind any more
    unused(view, bridges, without) -> list     those of the bridges that are ours and have no port but those named in `without`
    remove(bridges) -> None                    for good
    port_names(view, bridge) -> list           sorted
and openvswitch.py needs_checksums(bridge) -> bool.
"""

from __future__ import annotations

from ...base.errors import LauncherError
from ...kernel.net import openvswitch as ovs
from ...kernel.net import read
from . import linux, steps
from .bridges import LINUX, OPENVSWITCH, Bridge, Joining, Port, Undo, View

AUTO = "auto"
_NAMES = {LINUX: "a Linux bridge", OPENVSWITCH: "an Open vSwitch bridge"}


def _room(kind: str):
    if kind == LINUX:
        return linux
    from . import openvswitch

    return openvswitch


def find(view: View, name: str, bridge_type: str = AUTO, option: str = "bridge") -> Bridge | None:
    """Return the bridge of this name, None when the name is free. LauncherError: it is something else, or of the other kind."""
    if name not in view.bridges:
        with steps.about(option):
            view.bridges[name] = _find(view, name, bridge_type, option)
    found = view.bridges[name]
    if found is not None and bridge_type not in (AUTO, found.kind):
        raise LauncherError(f"is {_NAMES[found.kind]}", option=option, value=name, remedy=f"Use bridge_type {found.kind} or auto")
    return found


def _find(view: View, name: str, bridge_type: str, option: str) -> Bridge | None:
    link = read.link(view.route, name)
    kind = "" if link is None else link.kind
    # The local port of a bridge with the userspace datapath is a tap device; one whose switch does not run has no interface at all.
    may_be_ovs = (link is None or kind == "tun") and bridge_type == AUTO
    found = None
    if kind == "bridge":
        found = linux.find(view, name, link)
    elif kind == "openvswitch" or bridge_type == OPENVSWITCH or (may_be_ovs and ovs.is_running()):
        found = _room(OPENVSWITCH).find(view, name, link)
    if found is None and link is not None:
        what = f"a {kind} interface" if kind else "a plain interface"
        raise LauncherError(f"is {what}, not a bridge", option=option, value=name, remedy="Name a bridge, or a name that is free")
    return found


def known(view: View, name: str) -> Bridge | None:
    """Return the bridge of this name, None for anything else; a switch that does not answer has none."""
    try:
        return find(view, name)
    except LauncherError:
        return None


def kind_of(found: Bridge | None, bridge_type: str) -> str:
    """Return the kind of the bridge that is there, or would be made."""
    if found is not None:
        return found.kind
    return OPENVSWITCH if bridge_type == OPENVSWITCH else LINUX


def port(view: View, name: str, link: read.Link | None, wanted: str) -> Port | None:
    """Return which port of which bridge the host end is. `wanted`: the kind of the bridge that it should be in."""
    if link is not None and link.master:
        master = linux.master(view, link)
        return _room(OPENVSWITCH if master is not None and master.kind == "openvswitch" else LINUX).port(view, name, link)
    if wanted == OPENVSWITCH or ovs.is_running():
        return _room(OPENVSWITCH).port(view, name, link)
    return None


def needs_checksums(bridge: Bridge | None) -> bool:
    """True for a bridge that passes on what its ports send without finishing their checksums."""
    return bridge is not None and bridge.kind == OPENVSWITCH and _room(OPENVSWITCH).needs_checksums(bridge)


def refuse(bridge: Bridge, joining: Joining) -> None:
    """LauncherError for what this bridge cannot do, or may not be changed for."""
    _room(bridge.kind).refuse(bridge, joining)


def refuse_new(kind: str) -> None:
    """LauncherError when no bridge of this kind can be made."""
    if kind == OPENVSWITCH:
        ovs.refuse_stopped()


def make(undo: Undo, name: str, kind: str) -> None:
    """Make a bridge of ours, marked and up."""
    _room(kind).make(undo, name)


def mend(undo: Undo, bridge: Bridge) -> None:
    """Set it up, and mark it when an interrupted run of ours made it."""
    _room(bridge.kind).mend(undo, bridge)


def join(undo: Undo, joinings: list[Joining]) -> None:
    """Make all of them what they shall be, each kind in one go; out of a bridge of the other kind first."""
    by_kind = {kind: [one for one in joinings if one.bridge.kind == kind] for kind in (LINUX, OPENVSWITCH)}
    for kind, others in ((LINUX, by_kind[OPENVSWITCH]), (OPENVSWITCH, by_kind[LINUX])):
        leaving = [one.link.name for one in others if one.before is not None and one.before.kind == kind]
        if leaving:
            _room(kind).leave(undo, leaving)
    for kind, joining in by_kind.items():
        if joining:
            _room(kind).join(undo, joining)


def forget(view: View, outers: list[read.Link], mark: str) -> None:
    """Take ports that are removed for good, and whose mark begins so, out of the database of Open vSwitch."""
    names = []
    for outer in outers:
        bridge = linux.master(view, outer) if outer.master else None
        if bridge is None or bridge.kind != "bridge":
            names.append(outer.name)
    if names and ovs.is_running():
        _room(OPENVSWITCH).forget(names, mark)


def port_names(view: View, bridge: Bridge) -> list[str]:
    """The names of its ports, sorted, without its own."""
    return _room(bridge.kind).port_names(view, bridge)


def unused(view: View, bridges: list[Bridge], without=()) -> list[Bridge]:
    """Return those of the bridges that are ours and have no port but those named in `without`."""
    return [bridge for bridge in bridges if _room(bridge.kind).unused(view, [bridge], without)]


def remove(bridges: list[Bridge]) -> None:
    """Remove them for good. LauncherError, OSError."""
    for kind in dict.fromkeys(bridge.kind for bridge in bridges):
        _room(kind).remove([bridge for bridge in bridges if bridge.kind == kind])
