# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What differs between the interfaces that are asked for and those that the host has."""

from __future__ import annotations

from ...model import network as model
from ...model.change import CREATE, LIVE, RECREATE, REMOVE, Change
from .nics import Have, Seen, addresses_of, gateways_of
from .refusals import refuse


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
