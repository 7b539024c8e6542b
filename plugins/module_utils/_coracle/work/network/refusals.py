# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What must not be: interfaces that are not ours to change, and what cannot be combined with what is there."""

from __future__ import annotations

from ...base.errors import LauncherError
from ...kernel.net import read
from ...model import network as model
from . import switch
from .bridges import Bridge, Joining
from .nics import Have, Seen, addresses_of, is_ours, is_pair, is_stale


def refuse(wanted: list[model.Nic], have: Have) -> None:
    """LauncherError when what is there is not ours to change, or cannot be combined with what is asked."""
    for nic in wanted:
        seen, bridge = have.seen[nic.interface_name], have.bridge_of(nic)
        if have.bridges[nic.bridge] is None:
            switch.refuse_new(bridge.kind)
        _refuse_foreign_ends(nic, seen)
        _refuse_foreign_limits(nic, seen)
        _refuse_neighbours(nic, wanted, have)
        if nic.addresses is None:
            _refuse_for_present_addresses(nic, addresses_of(nic, have))
        switch.refuse(bridge, joining(nic, seen, bridge))


def joining(nic: model.Nic, seen: Seen, bridge: Bridge) -> Joining:
    """Return how the interface is to be a port of its bridge."""
    found = Joining(nic.where, bridge, seen.outer, seen.port, nic.mark)
    if nic.vlan is not None and nic.trunks is not None:
        found.vlans = nic.vlan, nic.trunks
    found.isolated = nic.isolated
    return found


def _refuse_foreign_ends(nic: model.Nic, seen: Seen) -> None:
    if seen.outer is not None and not is_ours(seen.outer, nic.mark):
        owner = seen.outer.alias if seen.outer.alias.startswith(f"{model.MARK}:") else "somebody else"
        port = f", a port of {seen.master}" if seen.master else ""
        raise LauncherError(f"exists already{port} and belongs to {owner}", option=f"{nic.where}host_interface", value=nic.host_interface,
                            remedy="Remove it, or choose another name with host_interface or interface_name")
    if seen.outer is None and seen.port is not None and not seen.port.mark.startswith(f"{model.MARK}:"):
        raise LauncherError(f"is the name of a port that {seen.port.bridge} waits for, which is not ours",
                            option=f"{nic.where}host_interface", value=nic.host_interface,
                            remedy="Remove it (ovs-vsctl del-port), or choose another name")
    if seen.inner is not None and not seen.paired and not any(is_pair(outer, seen.inner) for outer in seen.stale):
        raise LauncherError("exists in the namespace already and is not ours", option=f"{nic.where}interface_name",
                            value=nic.interface_name, remedy="Remove it, or choose another name")


def _refuse_foreign_limits(nic: model.Nic, seen: Seen) -> None:
    for option, limit, end in zip(("ingress_rate", "egress_rate"), seen.limits, (seen.outer, seen.inner)):
        if getattr(nic, option) and limit is not None and limit.kind != "tbf":
            raise LauncherError(f"{end.name} has the queueing discipline {limit.kind}, which is not ours", option=f"{nic.where}{option}",
                                value=getattr(nic, option), remedy=f"Remove it (tc qdisc del dev {end.name} root), or give no rate")


def _refuse_neighbours(nic: model.Nic, wanted: list[model.Nic], have: Have) -> None:
    """What interfaces of the same namespace that nobody asks about have, and this one therefore cannot."""
    known = {one.interface_name for one in wanted} | set(have.extra)
    others = {link.index: link for link in have.inside.links.values() if link.name not in known and not is_stale(link, have)}
    for index, other in others.items():
        taken = {address.partition("/")[0] for address in have.inside.addresses.get(index, [])}
        for word in nic.addresses or []:
            if word.partition("/")[0] in taken:
                raise LauncherError(f"is the address of {other.name} in the same namespace", option=f"{nic.where}addresses", value=word,
                                    remedy="Give an address that nothing else has")
    default = nic.default_route
    _refuse_taken_ways(default, f"{nic.where}gateway", nic.gateway, others, have)
    for number, route in enumerate(nic.routes or []):
        _refuse_taken_ways(route, f"{nic.where}routes[{number}].dest", route.dest, others, have)


def _refuse_taken_ways(route: model.Route | None, option: str, value, others: dict[int, read.Link], have: Have) -> None:
    for found in have.inside.routes:
        if route is not None and found.index in others and (found.dest, found.metric) == route.key:
            name = others[found.index].name
            what = f"a second default gateway; {name} has {found.gateway or 'one'}" if option.endswith("gateway") else f"where {name} leads"
            raise LauncherError(f"is {what} already", option=option, value=value,
                                remedy="Give a gateway for one interface only, or a metric of its own")


def _refuse_for_present_addresses(nic: model.Nic, addresses: list[str]) -> None:
    """What does not go together with the addresses that the interface has and keeps."""
    model.check_gateways(nic, addresses)
    if nic.mtu is not None:
        from ...model.addresses import check_mtu

        check_mtu(nic.mtu, addresses, f"{nic.where}mtu")
