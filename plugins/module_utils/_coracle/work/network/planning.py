# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What differs between the interfaces that are asked for and those that the host has."""

from __future__ import annotations

from ...model import network as model
from ...model.addresses import DEFAULTS
from ...model.change import CREATE, LIVE, RECREATE, REMOVE, Change
from . import differences
from .bridges import Bridge, Port
from .nics import Have, Seen
from .refusals import refuse

# What a new pair has when nothing of it is said: no line of its own in what differs.
_OF_NEW = ("addresses", "gateway", "gateway_onlink", "metric", "mac_address", "mtu", "vlan", "isolated")


def plan(wanted: list[model.Nic], have: Have, exclusive: bool = False) -> list[Change]:
    """Return what differs, interface by interface; with `exclusive` also what others added. LauncherError when it may not be changed."""
    refuse(wanted, have)
    changes = [Change("networks", name, None, REMOVE, "it is no longer asked for") for name in have.extra]
    for nic in wanted:
        seen = have.seen[nic.interface_name]
        changes += _Pair(nic, seen, have).changes(exclusive) if seen.paired else _changes_of_new(nic, seen, have)
    return changes


def unexpected(nic: model.Nic, have: Have) -> dict[str, list]:
    """Return what others added to the interface: {"addresses": [...], "routes": [{dest, gateway, metric, onlink}, ...]}."""
    routes = differences.Routes(nic, have).unexpected
    return {"addresses": differences.Addresses(nic, have).unexpected, "routes": [differences.as_dict(route) for route in routes]}


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
    found += [Change(f"{nic.where}{option}", None, getattr(nic, option), CREATE) for option in _OF_NEW if getattr(nic, option)]
    if nic.routes:
        found.append(Change(f"{nic.where}routes", None, _shown_routes(nic.routes), CREATE))
    if nic.trunks:
        found.append(Change(f"{nic.where}trunks", None, _shown_trunks(nic.trunks), CREATE))
    for option in ("ingress_rate", "egress_rate"):
        if getattr(nic, option):
            found.append(Change(f"{nic.where}{option}", None, _shown_rate(getattr(nic, option)), CREATE))
    if nic.up is False:
        found.append(Change(f"{nic.where}up", None, False, CREATE))
    return found


class _Pair:
    """The differences of a pair that is there."""

    __slots__ = ("_nic", "_seen", "_have", "_found")

    def __init__(self, nic: model.Nic, seen: Seen, have: Have):
        self._nic = nic
        self._seen = seen
        self._have = have
        self._found: list[Change] = []

    def changes(self, exclusive: bool) -> list[Change]:
        """Return them."""
        bridge = self._have.bridges[self._nic.bridge]
        self._of_bridge(bridge)
        self._of_ends()
        self._of_addresses(differences.Addresses(self._nic, self._have, exclusive))
        self._of_routes(differences.Routes(self._nic, self._have, exclusive))
        self._of_link()
        self._of_port(bridge)
        self._of_limits()
        return self._found

    def _differs(self, option: str, before, after, action: str = LIVE, why: str = "") -> None:
        self._found.append(Change(f"{self._nic.where}{option}", before, after, action, why))

    def _of_bridge(self, bridge: Bridge | None) -> None:
        name = self._nic.bridge
        if bridge is None:
            self._differs("bridge", None, name, CREATE, "there is no such bridge")
        elif not is_joined(self._seen, bridge):
            self._differs("bridge", self._seen.master, name)
        elif bridge.idle:
            self._differs("bridge", f"{name} (down)", name)
        elif self._seen.checksums:
            self._differs("bridge", f"{name} (checksums offloaded)", name, LIVE, "its userspace datapath does not finish them")

    def _of_ends(self) -> None:
        nic, seen = self._nic, self._seen
        if seen.outer.alias != nic.mark:
            before = f"{nic.host_interface} (not marked)"
            self._differs("host_interface", before, nic.host_interface, LIVE, "an earlier run was interrupted")
        wanted = nic.up is not False
        if seen.outer.up != wanted or not seen.inner.up:
            if nic.up is None:
                self._differs("interface_name", f"{nic.interface_name} (down)", nic.interface_name)
            else:
                self._differs("up", seen.outer.up and seen.inner.up, nic.up)

    def _of_addresses(self, found: differences.Addresses) -> None:
        if found.missing or found.unwanted:
            self._differs("addresses", found.present, [*(self._nic.addresses or []), *found.unexpected])

    def _of_routes(self, found: differences.Routes) -> None:
        gone = [*found.displaced, *found.unwanted]
        of_gateway = self._nic.gateway is not None
        default = self._nic.default_route
        missing = [route for route in found.missing if default is not None and route.key == default.key]
        defaults = [route for route in gone if of_gateway and route.dest in DEFAULTS]
        if missing or defaults:
            self._of_gateway(default, defaults)
        if len(missing) < len(found.missing) or len(defaults) < len(gone):
            present = [route for route in found.present if default is None or (route.dest, route.metric) != default.key]
            self._differs("routes", _shown_routes(present), _shown_routes([*(self._nic.routes or []), *found.unexpected]))

    def _of_gateway(self, default: model.Route | None, gone: list) -> None:
        before = gone[0] if len(gone) == 1 else None
        if default is None or before is None or before.gateway != default.gateway:
            self._differs("gateway", ", ".join(route.gateway for route in gone) or None, self._nic.gateway or None)
        elif before.metric != default.metric:
            self._differs("metric", before.metric, default.metric)
        else:
            self._differs("gateway_onlink", before.onlink, default.onlink)

    def _of_link(self) -> None:
        nic, seen = self._nic, self._seen
        if nic.mac_address and seen.inner.mac != nic.mac_address:
            self._differs("mac_address", seen.inner.mac, nic.mac_address)
        if nic.mtu:
            wrong = [end.mtu for end in (seen.inner, seen.outer) if end.mtu != nic.mtu]
            if wrong:
                self._differs("mtu", wrong[0], nic.mtu)

    def _of_port(self, bridge: Bridge | None) -> None:
        for option, before, after in port_differences(self._nic, self._seen, bridge):
            self._differs(option, before, after)

    def _of_limits(self) -> None:
        for option, limit in zip(("ingress_rate", "egress_rate"), self._seen.limits):
            wanted = getattr(self._nic, option)
            if wanted is not None and is_limit_wrong(wanted, limit):
                self._differs(option, _shown_rate(limit.rate * 8) if limit is not None else "0", _shown_rate(wanted))


def is_joined(seen: Seen, bridge: Bridge) -> bool:
    """True when the host end is a port of this bridge."""
    return seen.port is not None and (seen.port.kind, seen.port.bridge) == (bridge.kind, bridge.name)


def port_differences(nic: model.Nic, seen: Seen, bridge: Bridge | None) -> list[tuple]:
    """Return (option, before, after) of VLANs and isolation; in a bridge that the port is not in yet, those of a new port are before."""
    found: list[tuple] = []
    native = bridge.native if bridge is not None else 0
    present = seen.port if bridge is not None and seen.port is not None and is_joined(seen, bridge) else Port("", "", native)
    if nic.vlan is not None and nic.trunks is not None:
        wanted = nic.vlan or (0 if nic.trunks else native)  # without both, what the bridge does with any port
        if present.vlan != wanted:
            found.append(("vlan", present.vlan if present.vlan >= 0 else None, wanted))
        if present.trunks != nic.trunks:
            found.append(("trunks", _shown_trunks(present.trunks), _shown_trunks(nic.trunks)))
    if nic.isolated not in (None, present.isolated):
        found.append(("isolated", present.isolated, nic.isolated))
    return found


def is_limit_wrong(wanted: int, limit) -> bool:
    """True unless the shaping.Shaper of a link, or None, limits it to `wanted` bits a second, 0 for no limit."""
    if wanted:
        return limit is None or limit.kind != "tbf" or limit.rate != wanted // 8
    return limit is not None and (limit.ours or limit.kind == "tbf")


def _shown_routes(routes: list) -> list[str]:
    from ...model.routes import render_routes

    return [render_routes([differences.as_dict(route)]) for route in routes]


def _shown_trunks(trunks: list[tuple[int, int]]) -> list[str]:
    from ...model.trunks import render_trunks

    return render_trunks(trunks)


def _shown_rate(rate: int) -> str:
    from ...base.rates import render_rate

    return render_rate(rate)
