# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What veth_bridge returns: interfaces and bridges as the kernel and the database of Open vSwitch have them."""

from __future__ import annotations

from ...base import rates
from ...kernel.net import netlink
from ...model import network as model
from ...model import trunks
from ...model.addresses import DEFAULTS
from ...model.routes import render_routes
from . import differences, nics, planning, switch
from .bridges import Bridge, View


def interfaces(order: list[tuple[str, model.Nic, nics.Have]]) -> list[dict]:
    """Return those of the interfaces, (namespace as the task names it, nic, have), that there are."""
    return [_interface(*one) for one in order if one[2].seen[one[1].interface_name].paired]


def _interface(netns: str, nic: model.Nic, have: nics.Have) -> dict:
    seen = have.seen[nic.interface_name]
    inner, port = seen.inner, seen.port
    routes = nics.routes_of(nic, have)
    ingress, egress = (rates.render_rate(8 * shaper.rate if shaper is not None else 0) for shaper in seen.limits)
    return {
        "name": inner.name,
        "netns": netns,
        "host_interface": seen.outer.name,
        "bridge": seen.master,
        "mac_address": inner.mac,
        "mtu": inner.mtu,
        "up": seen.up(),
        "addresses": nics.addresses_of(nic, have),
        "gateways": [route.gateway for route in routes if route.dest in DEFAULTS and route.gateway],
        "routes": [differences.as_dict(route) for route in routes if route.dest not in DEFAULTS],
        "vlan": 0 if port is None else port.vlan,
        "trunks": [] if port is None else trunks.render_trunks(port.trunks),
        "isolated": port is not None and port.isolated,
        "ingress_rate": ingress,
        "egress_rate": egress,
        "unexpected": planning.unexpected(nic, have),
    }


def bridges(names: list[str]) -> list[dict]:
    """Return those of the bridges that there are."""
    with netlink.Socket() as route:
        view = View(route)
        found = [switch.find(view, name) for name in names]
        return [_bridge(bridge, switch.port_names(view, bridge)) for bridge in found if bridge is not None]


def _bridge(found: Bridge, ports: list[str]) -> dict:
    return {
        "name": found.name,
        "type": found.kind,
        "mac_address": found.mac,
        "mtu": found.mtu,
        "up": found.up,
        "managed": found.managed,
        "ports": ports,
    }


def warnings(found: list[dict]) -> list[str]:
    """Return a sentence for each interface to which somebody else has added something."""
    told = []
    for interface in found:
        unexpected = interface["unexpected"]
        added = [*unexpected["addresses"], *(render_routes([route]) for route in unexpected["routes"])]
        if added:
            told.append(f"{interface['name']} in {interface['netns']} has what somebody else has added: {', '.join(added)}. "
                        "Set exclusive: true to remove it")
    return told
