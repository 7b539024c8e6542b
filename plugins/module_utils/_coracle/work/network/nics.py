# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the host has of the interfaces that are asked for. Reads through plain netlink, never imports pyroute2.

A pair is known as ours by the alias of its host end; nothing else is ever changed or removed.
"""

from __future__ import annotations

import os

from ...kernel.net import addressing, links, netlink, netns, read
from ...model import network as model
from . import switch
from .bridges import Bridge, Port, View

NO_LIMIT = frozenset(("", "noqueue", "noop"))  # root queueing disciplines of a link that nobody limits


_TELLS_OWNERS = (5, 18)  # since then an address can say who added it; distributions have it in older ones, too


class Inside:
    """What a namespace holds. `links`: {name: Link}; `addresses`: {index: [...]}; `owners`: {(index, address): protocol};
    `routes`: those that somebody set; `tells_owners`: the kernel knows who added an address; `limits`: {index: Shaper}."""

    __slots__ = ("links", "addresses", "owners", "routes", "tells_owners", "limits")

    def __init__(self, links_found=(), addresses=(), routes=()):
        self.links: dict[str, read.Link] = {link.name: link for link in links_found}
        self.addresses: dict[int, list[str]] = {}
        self.owners: dict[tuple[int, str], int] = {}
        for address in addresses:
            self.addresses.setdefault(address.index, []).append(address.words)
            self.owners[address.index, address.words] = address.protocol
        self.routes: list[read.Route] = list(routes)
        self.tells_owners = any(self.owners.values()) or _kernel() >= _TELLS_OWNERS  # the latter: one where nobody says anything yet
        self.limits: dict = {}

    def is_ours(self, index: int, address: str) -> bool:
        """True for an address that we added; where the kernel does not tell, for each."""
        return not self.tells_owners or self.owners.get((index, address)) == addressing.PROTOCOL


def _kernel() -> tuple[int, ...]:
    return tuple(int(number) for number in os.uname().release.split("-")[0].split(".")[:2] if number.isdigit())


class Seen:
    """One interface as it is. `outer`, `inner`: its ends by name, or None. `paired`: they are one pair. `stale`: host ends of ours
    that are in the way. `port`: what a bridge has of a port of the host end's name, or None. `limits`: shaping.Shaper, or None, of the
    host end and of the inner end. `checksums`: the inner end leaves them to others."""

    __slots__ = ("outer", "inner", "paired", "stale", "port", "limits", "checksums")

    def __init__(self, outer, inner):
        self.outer: read.Link = outer
        self.inner: read.Link = inner
        self.paired = outer is not None and inner is not None and is_pair(outer, inner)
        self.stale: list[read.Link] = []
        self.port: Port | None = None
        self.limits: tuple = (None, None)
        self.checksums = False

    @property
    def master(self) -> str | None:
        """The name of the bridge that the host end is a port of."""
        return None if self.port is None else self.port.bridge

    def up(self) -> bool:
        """Both ends are set up."""
        return self.inner.up and self.outer.up


class Have:
    """`bridges`: {name: Bridge or None}; `seen`: {interface name: Seen}; `extra`: {interface name: host end} of ours that are not asked."""

    __slots__ = ("inside", "bridges", "seen", "extra")

    def __init__(self, inside: Inside):
        self.inside = inside
        self.bridges: dict[str, Bridge | None] = {}
        self.seen: dict[str, Seen] = {}
        self.extra: dict[str, read.Link] = {}

    def bridge_of(self, nic: model.Nic) -> Bridge:
        """The bridge that the interface is to be in: the one there is, or the one that would be made."""
        known = self.bridges[nic.bridge]
        return Bridge(nic.bridge, switch.kind_of(known, nic.bridge_type), None, True) if known is None else known


def is_pair(outer: read.Link, inner: read.Link) -> bool:
    """True when both are the ends of one veth pair."""
    return outer.kind == inner.kind == "veth" and outer.peer == inner.index and inner.peer == outer.index


def is_ours(outer: read.Link, mark: str) -> bool:
    """True for a host end with this mark, or one of ours that lost its maker between the calls that make and mark it."""
    ours = outer.mac.startswith(f"{links.PORT_MAC:02x}:{links.MAC_MARK:02x}:")
    return outer.kind == "veth" and (outer.alias == mark or (ours and not outer.alias and not outer.master and not outer.up))


def look_inside(namespace: int | None) -> Inside:
    """Read the namespace behind the descriptor; None is one that does not exist."""
    if namespace is None:
        return Inside()
    with netns.inside(namespace):
        route = netlink.Socket()
    with route:
        inside = Inside(read.links(route), read.addresses(route), read.routes(route))
        if any(link.qdisc not in NO_LIMIT for link in inside.links.values() if link.kind == "veth"):
            inside.limits = _limits(route)
        return inside


def _limits(route: netlink.Socket) -> dict:
    from ...kernel.net import shaping

    return shaping.read(route)


def observe(wanted: list[model.Nic], namespace: int | None, label: str | None = None, view: View | None = None) -> Have:
    """Read what there is of the interfaces `wanted`; with a `label` also which others of that container the namespace has.

    A `view` that is shared with other calls spares what they have read. LauncherError, OSError.
    """
    if view is not None:
        return _observe(wanted, namespace, label, view)
    with netlink.Socket() as route:
        return _observe(wanted, namespace, label, View(route))


def _observe(wanted: list[model.Nic], namespace: int | None, label: str | None, view: View) -> Have:
    have = Have(look_inside(namespace))
    for nic in wanted:
        have.bridges[nic.bridge] = switch.find(view, nic.bridge, nic.bridge_type, f"{nic.where}bridge")
        have.seen[nic.interface_name] = _see(view, nic, have)
    _look_at_checksums(wanted, have, namespace)
    if label is not None:
        have.extra = _extra(view.route, have, label)
    return have


def _see(view: View, nic: model.Nic, have: Have) -> Seen:
    inner = have.inside.links.get(nic.interface_name)
    seen = Seen(read.link(view.route, nic.host_interface), inner)
    seen.port = switch.port(view, nic.host_interface, seen.outer, switch.kind_of(have.bridges[nic.bridge], nic.bridge_type))
    if seen.paired:
        outer_limit = None
        if seen.outer.qdisc not in NO_LIMIT:
            if view.limits is None:
                view.limits = _limits(view.route)
            outer_limit = view.limits.get(seen.outer.index)
        seen.limits = outer_limit, have.inside.limits.get(inner.index)
        return seen
    if seen.outer is not None and is_ours(seen.outer, nic.mark):
        seen.stale.append(seen.outer)
    if inner is not None and inner.kind == "veth":
        renamed = read.link(view.route, index=inner.peer)
        if renamed is not None and is_pair(renamed, inner) and renamed.alias == nic.mark:
            seen.stale.append(renamed)
    return seen


def _look_at_checksums(wanted: list[model.Nic], have: Have, namespace: int | None) -> None:
    asked = [nic for nic in wanted if have.seen[nic.interface_name].paired and switch.needs_checksums(have.bridges[nic.bridge])]
    if not asked or namespace is None:
        return
    from ...kernel.net import offload

    with netns.inside(namespace):
        for nic in asked:
            have.seen[nic.interface_name].checksums = offload.is_on(nic.interface_name)


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


def addresses_of(nic: model.Nic, have: Have) -> list[str]:
    """The addresses that the interface has now."""
    seen = have.seen[nic.interface_name]
    return have.inside.addresses.get(seen.inner.index, []) if seen.paired else []


def routes_of(nic: model.Nic, have: Have) -> list[read.Route]:
    """The routes over the interface that somebody set."""
    seen = have.seen[nic.interface_name]
    return [route for route in have.inside.routes if route.index == seen.inner.index] if seen.paired else []
