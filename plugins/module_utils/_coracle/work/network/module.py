# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module veth_bridge: one bridge, and one pair that connects a namespace to it."""

from __future__ import annotations

import os

from ...base import places, text
from ...base.errors import LauncherError
from ...kernel.net import netlink, netns
from ...kernel.net import read as kernel
from ...model import network as model
from ...model.change import CREATE, LIVE, REMOVE, Change
from . import container, nics, planning, refusals, wire

# What the kernel itself puts into every new namespace where these modules are loaded.
_FALLBACKS = frozenset(("lo", "tunl0", "gre0", "gretap0", "erspan0", "ip_vti0", "ip6_vti0", "sit0", "ip6tnl0", "ip6gre0"))


class Asked:
    """What the task means. `nic`: None when it is about the bridge alone. `name`: of the namespace, None when it has none of its own."""

    __slots__ = ("nic", "name", "place", "netns")

    def __init__(self):
        self.nic: model.Nic | None = None
        self.name: str | None = None
        self.place: str | None = None
        self.netns: str | None = None


class Host:
    """What there is. `have`: of the pair; `is_there`: the namespace exists; `removable`: it is ours and has no other interface;
    `unused`: the bridge is ours and would have no other port."""

    __slots__ = ("asked", "have", "bridge", "is_there", "removable", "unused")

    def __init__(self, asked: Asked):
        self.asked = asked
        self.have: nics.Have | None = None
        self.bridge: kernel.Link | None = None
        self.is_there = False
        self.removable = False
        self.unused = False


def _asked(want: dict) -> Asked:
    if want["bridge_type"] == "openvswitch":
        raise LauncherError("this version can only use Linux bridges", option="bridge_type", value="openvswitch",
                            remedy="Use bridge_type auto or linux, and name a Linux bridge")
    text.check_interface(want["bridge"], "bridge")
    asked = Asked()
    if want["netns"] is None:
        for option in ("host_interface", "addresses", "gateway", "mac_address", "mtu"):
            if want[option] is not None:
                raise LauncherError("has no meaning without a namespace", option=option, value=want[option], remedy="Add netns")
        return asked
    asked.netns = want["netns"]
    asked.place = netns.locate(asked.netns)
    directory, base = os.path.split(asked.place)
    asked.name = base if directory in (places.NETNS, f"/var{places.NETNS}") else None
    if asked.name is None and want["host_interface"] is None:
        raise LauncherError("is needed when netns is a pid or a path, since nothing else tells this interface from others",
                            option="host_interface", remedy="Give a name of at most 15 characters")
    label = f"@{want['host_interface']}" if asked.name is None else asked.name
    asked.nic = model.nics(label, [want], option="")[0]
    return asked


def read(want: dict) -> Host:
    """Check the task's options and read what there is of what they name. LauncherError."""
    asked = _asked(want)
    host = Host(asked)
    present = want["state"] == "present"
    if asked.nic is not None and present:
        container.refuse_host_addresses([asked.nic])
    namespace = _open(asked, must_exist=present)
    host.is_there = namespace is not None
    try:
        host.have = nics.observe([] if asked.nic is None else [asked.nic], namespace)
    finally:
        if namespace is not None:
            os.close(namespace)
    with netlink.Socket() as route:
        host.bridge = kernel.link(route, want["bridge"])
        if not present:
            leaving = _our_pair(host)
            host.unused = bool(wire.unused_bridges(route, [want["bridge"]], leaving.index if leaving else 0))
    host.removable = _is_removable(host)
    return host


def _open(asked: Asked, must_exist: bool) -> int | None:
    """Open the namespace; None when it does not exist and need not: a name is made, and what is to be absent may be so already."""
    if asked.netns is None or asked.place is None:
        return None
    missing = not os.path.exists(asked.place) if asked.name is None else not netns.exists(asked.name)
    if missing and (asked.name is not None or not must_exist):
        return None
    return netns.open_namespace(asked.netns)


def _our_pair(host: Host) -> kernel.Link | None:
    """The host end of the pair, when it is ours."""
    nic = host.asked.nic
    if nic is None or host.have is None:
        return None
    seen = host.have.seen[nic.interface_name]
    if seen.outer is not None and nics.is_ours(seen.outer, nic.mark):
        return seen.outer
    return seen.stale[0] if seen.stale else None


def _is_removable(host: Host) -> bool:
    lo = host.have.inside.links.get("lo")
    if host.asked.name is None or lo is None or lo.alias != netns.MODULE:
        return False
    ours = _our_pair(host)
    gone = host.asked.nic.interface_name if ours is not None and host.have.seen[host.asked.nic.interface_name].paired else ""
    return all(name in _FALLBACKS or name == gone for name in host.have.inside.links)


# --- plan


def plan(want: dict, host: Host) -> list[Change]:
    """Return what differs. LauncherError when what is there is not ours to change."""
    if want["state"] == "absent":
        return _plan_absent(want, host)
    nic = host.asked.nic
    if nic is None:
        return _plan_bridge(want["bridge"], host.bridge)
    changes = planning.plan([nic], host.have)
    if not host.is_there:
        changes.insert(0, Change("netns", None, host.asked.name, CREATE))
    return changes


def _plan_bridge(name: str, found: kernel.Link | None) -> list[Change]:
    refusals.refuse_bridge(name, found, "bridge")
    if found is None:
        return [Change("bridge", None, name, CREATE, "there is no such bridge")]
    return [] if found.up else [Change("bridge", f"{name} (down)", name, LIVE)]


def _plan_absent(want: dict, host: Host) -> list[Change]:
    nic = host.asked.nic
    changes = []
    if nic is not None:
        pair = _our_pair(host)
        if pair is not None:
            changes.append(Change("host_interface", pair.name, None, REMOVE))
        elif host.have.seen[nic.interface_name].outer is not None:
            refusals.refuse([nic], host.have)  # an interface of somebody else has the name: say so
        if host.removable:
            changes.append(Change("netns", host.asked.name, None, REMOVE, "no interface is left in it"))
    if host.unused:
        changes.append(Change("bridge", want["bridge"], None, REMOVE, "no port is left"))
    return changes


# --- apply


def apply(want: dict, host: Host, _changes: list[Change]) -> None:
    """Make what plan() said. LauncherError with everything as before."""
    if want["state"] == "absent":
        _remove(want, host)
    elif host.asked.nic is None:
        wire.bridge_only(want["bridge"], host.bridge)
    else:
        _connect(host)


def _connect(host: Host) -> None:
    asked = host.asked
    if not host.is_there:
        netns.create(asked.name, netns.MODULE)
    try:
        namespace = netns.open_namespace(asked.netns)
        try:
            wire.wire([asked.nic], host.have, namespace)
        finally:
            os.close(namespace)
    except BaseException:
        if not host.is_there:
            netns.delete(asked.name)
        raise


def _remove(want: dict, host: Host) -> None:
    with netlink.Socket() as route:
        pair = _our_pair(host)
        if pair is not None:
            route.change(netlink.RTM_DELLINK, netlink.link_message(index=pair.index))
    if host.removable:
        netns.delete(host.asked.name)
    if host.unused:
        wire.remove_unused_bridges([want["bridge"]])


# --- result


def result(want: dict, host: Host, changes: list[Change], checking: bool) -> dict:
    """The module's return values, read after the changes, in check mode as things are now."""
    if changes and not checking:
        host = _again(want, host)
    with netlink.Socket() as route:
        links = kernel.links(route) if host.bridge is not None else []
    return {"interface": _interface(host), "bridge": _bridge(host.bridge, links)}


def _again(want: dict, host: Host) -> Host:
    after = Host(host.asked)
    namespace = _open(host.asked, must_exist=False)
    try:
        after.have = nics.observe([] if host.asked.nic is None else [host.asked.nic], namespace)
    finally:
        if namespace is not None:
            os.close(namespace)
    with netlink.Socket() as route:
        after.bridge = kernel.link(route, want["bridge"])
    return after


def _interface(host: Host) -> dict | None:
    nic = host.asked.nic
    seen = None if nic is None else host.have.seen[nic.interface_name]
    if seen is None or not seen.paired:
        return None
    inner = seen.inner
    return {
        "name": inner.name,
        "netns": host.asked.netns,
        "host_interface": seen.outer.name,
        "bridge": seen.master,
        "mac_address": inner.mac,
        "mtu": inner.mtu,
        "up": inner.up and seen.outer.up,
        "addresses": nics.addresses_of(nic, host.have),
        "gateways": [gateway for index, gateway in host.have.inside.defaults if index == inner.index],
    }


def _bridge(found: kernel.Link | None, links: list[kernel.Link]) -> dict | None:
    if found is None or found.kind != "bridge":
        return None
    return {
        "name": found.name,
        "type": "linux",
        "mac_address": found.mac,
        "mtu": found.mtu,
        "up": found.up,
        "managed": nics.is_our_bridge(found),
        "ports": sorted(link.name for link in links if link.master == found.index),
    }
