# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What of the addresses and routes of one interface is missing, is to go, and is somebody else's. Pure.

What we put there and nobody asks for any more goes. What others put there stays, unless it is in the way or `exclusive` is said.
What is not asked about at all stays as it is.
"""

from __future__ import annotations

from ...kernel.net import addressing, read
from ...model import network as model
from ...model.addresses import DEFAULTS
from .nics import Have, addresses_of, routes_of


class Addresses:
    """`missing` and `unwanted`: to add and to remove; `unexpected`: somebody else's, which stay."""

    __slots__ = ("present", "missing", "unwanted", "unexpected")

    def __init__(self, nic: model.Nic, have: Have, exclusive: bool = False):
        self.present = addresses_of(nic, have)
        self.missing: list[str] = []
        self.unwanted: list[str] = []
        self.unexpected: list[str] = []
        if nic.addresses is None:
            return
        self.missing = [address for address in nic.addresses if address not in self.present]
        index = have.seen[nic.interface_name].inner.index if self.present else 0
        for address in self.present:
            if address not in nic.addresses:
                goes = exclusive or have.inside.is_ours(index, address)
                (self.unwanted if goes else self.unexpected).append(address)


class Routes:
    """The same of routes. `displaced`: those that are replaced by one of `missing`, since a destination has one route of a metric."""

    __slots__ = ("present", "missing", "unwanted", "unexpected", "displaced")

    def __init__(self, nic: model.Nic, have: Have, exclusive: bool = False):
        self.present = routes_of(nic, have)
        self.unwanted: list[read.Route] = []
        self.unexpected: list[read.Route] = []
        self.displaced: list[read.Route] = []
        wanted = nic.all_routes
        self.missing = [route for route in wanted if not any(_is(route, one) for one in self.present)]
        keys = {route.key for route in self.missing}
        for one in self.present:
            if any(_is(route, one) for route in wanted):
                continue
            if (one.dest, one.metric) in keys:
                self.displaced.append(one)
            elif _is_asked_about(nic, one.dest):
                goes = exclusive or one.protocol == addressing.PROTOCOL
                (self.unwanted if goes else self.unexpected).append(one)


def _is(wanted: model.Route, found: read.Route) -> bool:
    same = (wanted.dest, wanted.metric, wanted.gateway) == (found.dest, found.metric, found.gateway)
    return same and wanted.onlink in (None, found.onlink)


def _is_asked_about(nic: model.Nic, dest: str) -> bool:
    """True when the options say what routes to this destination there are: `gateway` of default routes, `routes` of all others."""
    if dest not in DEFAULTS:
        return nic.routes is not None
    if nic.gateway is None:
        return False
    return nic.routes is not None or not nic.gateway or (":" in dest) == (":" in nic.gateway)


def as_dict(route) -> dict:
    """Return a route, found or asked for, as modules take and return it; what is the kernel's default is left out."""
    told: dict[str, object] = {"dest": route.dest}
    if route.gateway:
        told["gateway"] = route.gateway
    if route.metric and route.metric != (model.IPV6_METRIC if ":" in route.dest else 0):
        told["metric"] = route.metric
    if route.onlink:
        told["onlink"] = True
    return told
