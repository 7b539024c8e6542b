# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the host has of the interfaces that are asked for, and what differs. Reads through plain netlink, never imports pyroute2.

A pair is known as ours by the alias of its host end, a bridge by its own alias; nothing else is ever changed or removed.
"""

from __future__ import annotations

from ..base.errors import LauncherError
from ..kernel.net import links, netlink, netns, read
from ..model import network as model
from ..model.change import CREATE, LIVE, RECREATE, REMOVE, Change

BRIDGE_MARK = f"{model.MARK}:bridge"


class Inside:
    """What a namespace holds. `links`: {name: Link}; `addresses`: {index: [...]}; `defaults`: [(index, gateway)]."""

    __slots__ = ("links", "addresses", "defaults")

    def __init__(self, links_found=(), addresses=(), defaults=()):
        self.links = {link.name: link for link in links_found}
        self.addresses: dict[int, list[str]] = {}
        for index, address in addresses:
            self.addresses.setdefault(index, []).append(address)
        self.defaults = list(defaults)


class Seen:
    """One interface as it is. `outer`, `inner`: its ends by name, or None. `paired`: they are one pair. `stale`: host ends of ours
    that are in the way. `master`: name of the bridge that `outer` is a port of, or None."""

    __slots__ = ("outer", "inner", "paired", "stale", "master")

    def __init__(self, outer, inner):
        self.outer = outer
        self.inner = inner
        self.paired = outer is not None and inner is not None and is_pair(outer, inner)
        self.stale: list[read.Link] = []
        self.master: str | None = None


class Have:
    """`bridges`: {name: Link or None}; `seen`: {interface name: Seen}; `extra`: {interface name: host end} of ours that nobody asks for."""

    __slots__ = ("inside", "bridges", "seen", "extra")

    def __init__(self, inside: Inside):
        self.inside = inside
        self.bridges: dict[str, read.Link | None] = {}
        self.seen: dict[str, Seen] = {}
        self.extra: dict[str, read.Link] = {}


def is_pair(outer: read.Link, inner: read.Link) -> bool:
    """True when both are the ends of one veth pair."""
    return outer.kind == inner.kind == "veth" and outer.peer == inner.index and inner.peer == outer.index


def is_ours(outer: read.Link, mark: str) -> bool:
    """True for a host end with this mark, or one of ours that lost its maker between the calls that make and mark it."""
    unmarked = not outer.alias and not outer.master and not outer.up and _is_our_mac(outer, links.PORT_MAC)
    return outer.kind == "veth" and (outer.alias == mark or unmarked)


def is_our_bridge(bridge: read.Link) -> bool:
    """The same for a bridge."""
    unmarked = not bridge.alias and not bridge.up and _is_our_mac(bridge, links.BRIDGE_MAC)
    return bridge.kind == "bridge" and (bridge.alias == BRIDGE_MARK or unmarked)


def _is_our_mac(link: read.Link, first: int) -> bool:
    return link.mac.startswith(f"{first:02x}:{links.MAC_MARK:02x}:")


def look_inside(namespace: int | None) -> Inside:
    """Read the namespace behind the descriptor; None is one that does not exist."""
    if namespace is None:
        return Inside()
    with netns.inside(namespace):
        route = netlink.Socket()
    with route:
        return Inside(read.links(route), read.addresses(route), read.default_routes(route))


def observe(wanted: list[model.Nic], namespace: int | None, label: str | None = None) -> Have:
    """Read what there is of the interfaces `wanted`; with a `label` also which others of that container the namespace has. OSError."""
    have = Have(look_inside(namespace))
    with netlink.Socket() as host:
        for nic in wanted:
            if nic.bridge not in have.bridges:
                have.bridges[nic.bridge] = read.link(host, nic.bridge)
            have.seen[nic.interface_name] = _see(host, nic, have.inside.links.get(nic.interface_name))
        if label is not None:
            have.extra = _extra(host, have, label)
    return have


def _extra(host: netlink.Socket, have: Have, label: str) -> dict[str, read.Link]:
    found = {}
    for inner in have.inside.links.values():
        if inner.name in have.seen or inner.kind != "veth" or _is_stale(inner, have):
            continue
        outer = read.link(host, index=inner.peer)
        if outer is not None and is_pair(outer, inner) and outer.alias.startswith(f"{model.MARK}:{label}:"):
            found[inner.name] = outer
    return found


def _is_stale(inner: read.Link, have: Have) -> bool:
    """True for an interface that goes with a host end that is in the way."""
    return any(is_pair(outer, inner) for seen in have.seen.values() for outer in seen.stale)


def _see(host: netlink.Socket, nic: model.Nic, inner: read.Link | None) -> Seen:
    seen = Seen(read.link(host, nic.host_interface), inner)
    if seen.outer is not None and seen.outer.master:
        bridge = read.link(host, index=seen.outer.master)
        seen.master = None if bridge is None else bridge.name
    if seen.paired:
        return seen
    if seen.outer is not None and is_ours(seen.outer, nic.mark):
        seen.stale.append(seen.outer)
    if inner is not None and inner.kind == "veth":
        renamed = read.link(host, index=inner.peer)
        if renamed is not None and is_pair(renamed, inner) and renamed.alias == nic.mark:
            seen.stale.append(renamed)
    return seen


# --- what must not be


def refuse(wanted: list[model.Nic], have: Have) -> None:
    """LauncherError when what is there is not ours to change, or cannot be combined with what is asked."""
    for nic in wanted:
        refuse_bridge(nic.bridge, have.bridges[nic.bridge], f"{nic.where}bridge")
        _refuse_foreign_ends(nic, have.seen[nic.interface_name])
        _refuse_neighbours(nic, wanted, have)
        if nic.addresses is None:
            _refuse_for_present_addresses(nic, addresses_of(nic, have))


def refuse_bridge(name: str, found: read.Link | None, option: str) -> None:
    """LauncherError when the name is taken by something that is no Linux bridge."""
    if found is None or found.kind == "bridge":
        return
    if found.kind == "openvswitch":
        raise LauncherError("is an Open vSwitch bridge; this version can only use Linux bridges", option=option, value=name,
                            remedy="Name a Linux bridge")
    kind = f"a {found.kind} interface" if found.kind else "a plain interface"
    raise LauncherError(f"is {kind}, not a bridge", option=option, value=name, remedy="Name a bridge, or a name that is free")


def _refuse_foreign_ends(nic: model.Nic, seen: Seen) -> None:
    if seen.outer is not None and not is_ours(seen.outer, nic.mark):
        owner = seen.outer.alias if seen.outer.alias.startswith(f"{model.MARK}:") else "somebody else"
        port = f", a port of {seen.master}" if seen.master else ""
        raise LauncherError(f"exists already{port} and belongs to {owner}", option=f"{nic.where}host_interface", value=nic.host_interface,
                            remedy="Remove it, or choose another name with host_interface or interface_name")
    if seen.inner is not None and not seen.paired and not any(is_pair(outer, seen.inner) for outer in seen.stale):
        raise LauncherError("exists in the namespace already and is not ours", option=f"{nic.where}interface_name",
                            value=nic.interface_name, remedy="Remove it, or choose another name")


def _refuse_neighbours(nic: model.Nic, wanted: list[model.Nic], have: Have) -> None:
    """What interfaces of the same namespace that nobody asks about have, and this one therefore cannot."""
    known = {one.interface_name for one in wanted} | set(have.extra)
    others = {link.index: link.name for link in have.inside.links.values() if link.name not in known and not _is_stale(link, have)}
    for index, name in others.items():
        taken = {address.partition("/")[0] for address in have.inside.addresses.get(index, [])}
        for word in nic.addresses or []:
            if word.partition("/")[0] in taken:
                raise LauncherError(f"is the address of {name} in the same namespace", option=f"{nic.where}addresses", value=word,
                                    remedy="Give an address that nothing else has")
    if nic.gateway is None:
        return
    for index, gateway in have.inside.defaults:
        if index in others and is_same_family(gateway, nic.gateway):
            raise LauncherError(f"is a second default gateway; {others[index]} has {gateway} already", option=f"{nic.where}gateway",
                                value=nic.gateway, remedy="Give a gateway for one interface only")


def _refuse_for_present_addresses(nic: model.Nic, addresses: list[str]) -> None:
    """What does not go together with the addresses that the interface has and keeps."""
    if nic.gateway is not None:
        model.check_gateway_network(nic.gateway, addresses, f"{nic.where}gateway")
    if nic.mtu is not None:
        model.check_mtu(nic.mtu, addresses, f"{nic.where}mtu")


# --- what differs


def is_same_family(one: str, other: str) -> bool:
    """True when both are IPv4 or both are IPv6."""
    return (":" in one) == (":" in other)


def addresses_of(nic: model.Nic, have: Have) -> list[str]:
    """The addresses that the interface has now."""
    seen = have.seen[nic.interface_name]
    return have.inside.addresses.get(seen.inner.index, []) if seen.paired else []


def gateways_of(nic: model.Nic, have: Have, family_of: str) -> list[str]:
    """The default gateways of one family over the interface now."""
    seen = have.seen[nic.interface_name]
    if not seen.paired:
        return []
    return [gateway for index, gateway in have.inside.defaults if index == seen.inner.index and is_same_family(gateway, family_of)]


def plan(wanted: list[model.Nic], have: Have) -> list[Change]:
    """Return what differs, interface by interface. LauncherError when it may not be changed."""
    refuse(wanted, have)
    changes = [Change("networks", name, None, REMOVE, "it is no longer asked for") for name in have.extra]
    for nic in wanted:
        seen = have.seen[nic.interface_name]
        changes += _changes_of_pair(nic, seen, have) if seen.paired else _changes_of_new(nic, seen, have)
    return changes


def _changes_of_new(nic: model.Nic, seen: Seen, have: Have) -> list[Change]:
    stale = seen.stale[0] if seen.stale else None
    action = RECREATE if stale else CREATE
    why = f"the pair of {stale.name} is not the one asked for" if stale else ""
    joins = "" if have.bridges[nic.bridge] else "there is no such bridge"
    found = [
        Change(f"{nic.where}bridge", None, nic.bridge, CREATE, joins),
        Change(f"{nic.where}host_interface", stale.name if stale else None, nic.host_interface, action, why),
        Change(f"{nic.where}interface_name", None, nic.interface_name, action),
    ]
    for option in ("addresses", "gateway", "mac_address", "mtu"):
        value = getattr(nic, option)
        if value:
            found.append(Change(f"{nic.where}{option}", None, value, CREATE))
    return found


def _changes_of_pair(nic: model.Nic, seen: Seen, have: Have) -> list[Change]:
    found = []

    def differs(option, before, after, action=LIVE, why=""):
        found.append(Change(f"{nic.where}{option}", before, after, action, why))

    bridge = have.bridges[nic.bridge]
    if bridge is None:
        differs("bridge", None, nic.bridge, CREATE, "there is no such bridge")
    elif seen.master != nic.bridge:
        differs("bridge", seen.master, nic.bridge)
    elif not bridge.up:
        differs("bridge", f"{nic.bridge} (down)", nic.bridge)
    if seen.outer.alias != nic.mark:
        differs("host_interface", f"{nic.host_interface} (not marked)", nic.host_interface, LIVE, "an earlier run was interrupted")
    if not seen.outer.up or not seen.inner.up:
        differs("interface_name", f"{nic.interface_name} (down)", nic.interface_name)
    addresses = addresses_of(nic, have)
    if nic.addresses is not None and set(nic.addresses) != set(addresses):
        differs("addresses", addresses, nic.addresses)
    gateways = gateways_of(nic, have, nic.gateway) if nic.gateway else []
    if nic.gateway and gateways != [nic.gateway]:
        differs("gateway", ", ".join(gateways) or None, nic.gateway)
    if nic.mac_address and seen.inner.mac != nic.mac_address:
        differs("mac_address", seen.inner.mac, nic.mac_address)
    if nic.mtu:
        wrong = [end.mtu for end in (seen.inner, seen.outer) if end.mtu != nic.mtu]
        if wrong:
            differs("mtu", wrong[0], nic.mtu)
    return found
