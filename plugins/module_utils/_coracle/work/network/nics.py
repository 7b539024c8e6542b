# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the host has of the interfaces that are asked for. Reads through plain netlink, never imports pyroute2.

A pair is known as ours by the alias of its host end, a bridge by its own alias; nothing else is ever changed or removed.
"""

from __future__ import annotations

from ...kernel.net import links, netlink, netns, read
from ...model import network as model

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
        if inner.name in have.seen or inner.kind != "veth" or is_stale(inner, have):
            continue
        outer = read.link(host, index=inner.peer)
        if outer is not None and is_pair(outer, inner) and outer.alias.startswith(f"{model.MARK}:{label}:"):
            found[inner.name] = outer
    return found


def is_stale(inner: read.Link, have: Have) -> bool:
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
