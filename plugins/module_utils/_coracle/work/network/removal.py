# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What `state: absent` of veth_bridge removes: pairs of ours, then namespaces and bridges that we made and that are empty then."""

from __future__ import annotations

from ...kernel.net import netlink, netns
from ...kernel.net import read as kernel
from ...model import network as model
from ...model.change import REMOVE, Change
from . import bridges, nics, refusals, switch, wire
from .observed import Host, Space

# What the kernel itself puts into every new namespace where these modules are loaded.
_FALLBACKS = frozenset(("lo", "tunl0", "gre0", "gretap0", "erspan0", "ip_vti0", "ip6_vti0", "sit0", "ip6tnl0", "ip6gre0"))


def unused(want: dict, host: Host, view: bridges.View) -> list[str]:
    """Return the names of bridges of ours that will have no port left."""
    leaving = [end.name for end in _our_ends(host)] + _our_rows(host)
    if want["uplink"] is not None:
        from . import uplink

        leaving += uplink.leaving(want, host.uplink)
    found = [bridge for bridge in host.bridges.values() if bridge is not None]
    return [bridge.name for bridge in switch.unused(view, found, leaving)]


def plan(want: dict, host: Host) -> list[Change]:
    """Return what there is to remove. LauncherError when an interface of somebody else has the name."""
    changes = []
    for space in host.spaces:
        for nic in space.group.nics:
            end, row = _our_end(nic, space.have), _our_row(nic, space.have)
            if end is not None or row is not None:
                changes.append(Change(f"{nic.where}host_interface", row if end is None else end.name, None, REMOVE))
            elif space.have.seen[nic.interface_name].outer is not None:
                refusals.refuse([nic], space.have)  # an interface of somebody else has the name: say so
        if _is_removable(space):
            changes.append(Change(f"{space.group.where}netns", space.group.name, None, REMOVE, "no interface is left in it"))
    if host.uplink is not None:
        from . import uplink

        changes += uplink.plan(want, host.uplink)
    for name in host.unused:
        changes.append(Change(f"{host.asked.bridges[name][1]}bridge", name, None, REMOVE, "no port is left"))
    return changes


def remove(want: dict, host: Host) -> None:
    """Remove what plan() said. LauncherError, OSError."""
    _remove_pairs(host)
    for space in host.spaces:
        if _is_removable(space):
            netns.delete(space.group.name)

    def remove_bridges() -> None:
        wire.remove_unused_bridges(host.unused)

    step = remove_bridges if host.unused else None
    if host.uplink is not None:
        from . import uplink

        uplink.apply(want, host.uplink, step)
    elif step is not None:
        step()


def _remove_pairs(host: Host) -> None:
    ends, rows = _our_ends(host), _our_rows(host)
    with netlink.Socket() as route:
        for end in ends:
            route.change(netlink.RTM_DELLINK, netlink.link_message(index=end.index))
        switch.forget(bridges.View(route), ends, f"{model.MARK}:")
    if rows:
        from . import openvswitch as room

        room.forget(rows, f"{model.MARK}:")


def _our_end(nic: model.Nic, have: nics.Have) -> kernel.Link | None:
    """The host end of the pair, when it is ours."""
    seen = have.seen[nic.interface_name]
    if seen.outer is not None and nics.is_ours(seen.outer, nic.mark):
        return seen.outer
    return seen.stale[0] if seen.stale else None


def _our_ends(host: Host) -> list[kernel.Link]:
    found = (_our_end(nic, space.have) for space in host.spaces for nic in space.group.nics)
    return [end for end in found if end is not None]


def _our_row(nic: model.Nic, have: nics.Have) -> str | None:
    """The name of a port of ours that Open vSwitch has kept although its interface is gone."""
    seen = have.seen[nic.interface_name]
    return nic.host_interface if seen.outer is None and seen.port is not None and seen.port.mark == nic.mark else None


def _our_rows(host: Host) -> list[str]:
    found = (_our_row(nic, space.have) for space in host.spaces for nic in space.group.nics)
    return [name for name in found if name is not None]


def _is_removable(space: Space) -> bool:
    """True for a namespace that this module made, and in which no interface will be left."""
    lo = space.have.inside.links.get("lo")
    if space.group.name is None or lo is None or lo.alias != netns.MODULE:
        return False
    gone = {nic.interface_name for nic in space.group.nics
            if space.have.seen[nic.interface_name].paired and _our_end(nic, space.have) is not None}
    return all(name in _FALLBACKS or name in gone for name in space.have.inside.links)
