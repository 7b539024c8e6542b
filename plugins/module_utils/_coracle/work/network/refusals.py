# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What must not be: interfaces that are not ours to change, and what cannot be combined with what is there."""

from __future__ import annotations

from ...base.errors import LauncherError
from ...kernel.net import read
from ...model import network as model
from .nics import Have, Seen, addresses_of, is_ours, is_pair, is_same_family, is_stale


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
    others = {link.index: link.name for link in have.inside.links.values() if link.name not in known and not is_stale(link, have)}
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
