# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What may be asked of the network of a container: its interfaces, and the names that follow from them. Pure.

Nothing here imports at the top what a supervisor does not need; `hashlib` and the checks of addresses come with the first validation.
"""

from __future__ import annotations

from ..base import text
from ..base.errors import LauncherError

MARK = "coracle"  # begins the alias of every link that the collection made

_HASH_DIGITS = "abcdefghijklmnopqrstuvwxyz234567"
_RESERVED = ("lo", "all", "default")  # the last two are directories of /proc/sys/net/ipv4/conf
_HOST_PART = ".-_"
BRIDGE_TYPES = ("auto", "linux", "openvswitch")
IPV6_METRIC = 1024  # IP6_RT_PRIO_USER of <linux/ipv6_route.h>: what the kernel takes for none; IPv4 has 0


class Route:
    """A route as asked for. `dest`: '10.0.0.0/8', '0.0.0.0/0', '::/0'. `gateway`: '' for the link itself. `onlink` None: not asked."""

    __slots__ = ("dest", "gateway", "metric", "onlink")

    def __init__(self, dest: str, gateway: str, metric: int | None, onlink: bool | None):
        self.dest = dest
        self.gateway = gateway
        self.metric = metric or (IPV6_METRIC if ":" in dest else 0)
        self.onlink = onlink

    @property
    def key(self) -> tuple[str, int]:
        """What a namespace has one route for."""
        return self.dest, self.metric


class Nic:
    """One network interface as asked for, checked, in one spelling. None means "not asked".

    `where`: begins the names of its options in messages. `mark`: the alias by which its host end is known to be ours.
    `addresses`: ['192.0.2.5/24', ...]. `gateway`: an address, '' for no default route. `trunks`: [(first, last), ...], sorted and merged;
    asked together with `vlan`. `ingress_rate`, `egress_rate`: bits a second, 0 for no limit.
    """

    __slots__ = ("where", "label", "bridge", "bridge_type", "interface_name", "host_interface", "mark", "addresses", "gateway",
                 "gateway_onlink", "metric", "routes", "mac_address", "mtu", "vlan", "trunks", "isolated", "ingress_rate", "egress_rate",
                 "up")

    def __init__(self, where: str, label: str, bridge: str, interface_name: str, outside: str):
        self.where = where
        self.label = label
        self.bridge = bridge
        self.bridge_type = "auto"
        self.interface_name = interface_name
        self.host_interface = outside
        self.mark = mark(label, interface_name)
        self.addresses: list[str] | None = None
        self.gateway: str | None = None
        self.gateway_onlink: bool | None = None
        self.metric: int | None = None
        self.routes: list[Route] | None = None
        self.mac_address: str | None = None
        self.mtu: int | None = None
        self.vlan: int | None = None
        self.trunks: list[tuple[int, int]] | None = None
        self.isolated: bool | None = None
        self.ingress_rate: int | None = None
        self.egress_rate: int | None = None
        self.up: bool | None = None

    @property
    def default_route(self) -> Route | None:
        """The route that the gateway means."""
        if not self.gateway:
            return None
        return Route("::/0" if ":" in self.gateway else "0.0.0.0/0", self.gateway, self.metric, self.gateway_onlink)

    @property
    def all_routes(self) -> list[Route]:
        """That of the gateway, and the further ones; first those to the link itself, which others may need."""
        default = self.default_route
        found = [*(self.routes or []), *([] if default is None else [default])]
        return sorted(found, key=lambda route: bool(route.gateway))


def host_interface(container: str, interface_name: str) -> str:
    """Return the name of the host end of a container's interface, always the same: up to 7 readable characters, _, 35 bits of hash.

    The underscore keeps it out of the patterns ve-* and vb-* that systemd-networkd configures as its own.
    """
    from hashlib import sha256

    number = int.from_bytes(sha256(f"{container}\0{interface_name}".encode()).digest()[:5], "big")
    digits = "".join(_HASH_DIGITS[number >> 5 * place & 31] for place in range(7))
    readable = "".join(c for c in container if c not in _HOST_PART)[:7] or "net"
    return f"{readable}_{digits}"


def mark(label: str, interface_name: str) -> str:
    """Return the alias of the host end of an interface of the container, or namespace, `label`."""
    return f"{MARK}:{label}:{interface_name}"


def stable_mac(host: str, label: str, interface_name: str) -> str:
    """Return the MAC address of an interface of this label on this host, the same whenever it is made: 02: and 40 bits of hash."""
    from hashlib import sha256

    return "02:" + sha256(f"{host}\0{label}\0{interface_name}".encode()).digest()[:5].hex(":")


def nics(label: str, networks: list[dict], option: str | list[str] = "networks") -> list[Nic]:
    """Return the checked interfaces of the container `label`. LauncherError names option and value of the first that cannot be.

    `networks`: dicts with bridge, and optionally what else a Nic has (None: not given). Names of options in messages begin with
    `option[0].`, or with nothing when it is empty, or with those of a list.
    """
    found: list[Nic] = []
    for position, network in enumerate(networks):
        where = option[position] if isinstance(option, list) else f"{option}[{position}]." if option else ""
        found.append(_nic(label, network, where, f"eth{position}"))
    _check_together(found)
    return found


def _nic(label: str, network: dict, where: str, default_name: str) -> Nic:
    if network.get("bridge") is None:
        raise LauncherError("names no bridge", option=f"{where}bridge", remedy="Add bridge")
    bridge = text.check_interface(network["bridge"], f"{where}bridge")
    name = network.get("interface_name")
    name = check_interface_name(default_name if name is None else name, f"{where}interface_name")
    outside = network.get("host_interface")
    outside = host_interface(label, name) if outside is None else check_interface_name(outside, f"{where}host_interface")
    if outside == bridge:
        raise LauncherError("is the bridge itself", option=f"{where}host_interface", value=outside, remedy="Give another name")
    nic = Nic(where, label, bridge, name, outside)
    nic.bridge_type = _bridge_type(network.get("bridge_type"), f"{where}bridge_type")
    nic.up = network.get("up")
    nic.isolated = network.get("isolated")
    _read_addresses(nic, network)
    _read_routes(nic, network)
    _read_vlans(nic, network)
    _read_rates(nic, network)
    return nic


def check_interface_name(value, option: str) -> str:
    """Return the name of an interface that we may make."""
    if value in _RESERVED:
        raise LauncherError("is a name that the kernel keeps for itself", option=option, value=value, remedy="Give another, such as eth0")
    return text.check_interface(value, option)


def _bridge_type(value, option: str) -> str:
    if value is None:
        return "auto"
    if value not in BRIDGE_TYPES:
        raise LauncherError("is no kind of bridge", option=option, value=value, remedy=f"Give one of {', '.join(BRIDGE_TYPES)}")
    return value


def _read_addresses(nic: Nic, network: dict) -> None:
    given = {name: network.get(name) for name in ("addresses", "gateway", "mac_address", "mtu")}
    if all(value is None for value in given.values()):
        return
    from . import addresses

    if given["addresses"] is not None:
        nic.addresses = [addresses.check_address(word, f"{nic.where}addresses") for word in given["addresses"]]
    if given["gateway"] is not None:
        nic.gateway = "" if given["gateway"] == "" else addresses.check_gateway(given["gateway"], f"{nic.where}gateway")
    if given["mac_address"] is not None:
        nic.mac_address = addresses.check_mac(given["mac_address"], f"{nic.where}mac_address")
    if given["mtu"] is not None:
        nic.mtu = addresses.check_mtu(given["mtu"], nic.addresses or [], f"{nic.where}mtu")


def _read_routes(nic: Nic, network: dict) -> None:
    nic.gateway_onlink = network.get("gateway_onlink")
    if network.get("metric") is not None:
        from .routes import parse_metric

        nic.metric = parse_metric(network["metric"], f"{nic.where}metric")
    for option, given in (("gateway_onlink", nic.gateway_onlink), ("metric", nic.metric)):
        if given and not nic.gateway:
            raise LauncherError("needs a gateway beside it", option=f"{nic.where}{option}", value=given, remedy="Add gateway")
    if network.get("routes") is not None:
        nic.routes = [_route(route, f"{nic.where}routes[{number}]") for number, route in enumerate(network["routes"])]
    if nic.addresses is not None:
        check_gateways(nic, nic.addresses)


def _route(given: dict, where: str) -> Route:
    from . import addresses
    from .routes import parse_metric

    gateway, metric, onlink = given.get("gateway"), given.get("metric"), given.get("onlink")
    gateway = addresses.check_gateway(gateway, f"{where}.gateway") if gateway else ""
    if given.get("dest") is None:
        raise LauncherError("says not where it leads", option=f"{where}.dest", remedy="Add dest, such as 10.0.0.0/8")
    dest = addresses.check_dest(given["dest"], gateway, f"{where}.dest")
    if gateway and (":" in gateway) != (":" in dest):
        raise LauncherError("is of the other family", option=f"{where}.gateway", value=gateway, remedy=f"Give one like {dest}")
    if onlink and not gateway:
        raise LauncherError("needs a gateway beside it", option=f"{where}.onlink", value=True,
                            remedy="Leave it out: a route without gateway leads to the link")
    return Route(dest, gateway, None if metric is None else parse_metric(metric, f"{where}.metric"), onlink)


def check_gateways(nic: Nic, present: list[str]) -> None:
    """LauncherError for a gateway that cannot be reached from an interface with the addresses `present`."""
    routes = nic.routes or []
    on_link = [route.dest for route in routes if not route.gateway]
    asked = [(f"{nic.where}routes[{number}].gateway", route) for number, route in enumerate(routes)]
    default = nic.default_route
    for option, route in [*asked, *([] if default is None else [(f"{nic.where}gateway", default)])]:
        if route.gateway:
            from .addresses import check_gateway_network, check_not_own

            check_not_own(route.gateway, present, option)
            if not route.onlink:
                check_gateway_network(route.gateway, present, on_link, option)


def _read_vlans(nic: Nic, network: dict) -> None:
    vlan, trunks = network.get("vlan"), network.get("trunks")
    if vlan is None and trunks is None:
        return
    from .trunks import MAX_VLAN, parse_trunks

    nic.vlan = 0 if vlan is None else text.parse_integer(vlan, f"{nic.where}vlan", 0, MAX_VLAN)
    nic.trunks = [] if trunks is None else parse_trunks(trunks, f"{nic.where}trunks")
    if any(first <= nic.vlan <= last for first, last in nic.trunks):
        raise LauncherError("is among the trunks, too", option=f"{nic.where}vlan", value=nic.vlan,
                            remedy="A VLAN is either untagged or tagged: take it out of one of them")


def _read_rates(nic: Nic, network: dict) -> None:
    for option in ("ingress_rate", "egress_rate"):
        if network.get(option) is not None:
            from ..base.rates import parse_rate

            setattr(nic, option, parse_rate(network[option], f"{nic.where}{option}"))


def _check_together(found: list[Nic]) -> None:
    """What the interfaces of one container must not share."""
    names: dict[str, str] = {}
    addresses: dict[str, str] = {}
    ways: dict[tuple, str] = {}
    for nic in found:
        _once(names, nic.interface_name, f"{nic.where}interface_name", nic.interface_name)
        for word in nic.addresses or []:
            _once(addresses, word.partition("/")[0], f"{nic.where}addresses", word)
        default = nic.default_route
        if default is not None:
            if default.key in ways:
                raise LauncherError(f"is a second default gateway; {ways[default.key]} is one already", option=f"{nic.where}gateway",
                                    value=nic.gateway, remedy="Give a gateway for one interface only, or a metric of its own")
            ways[default.key] = f"{nic.where}gateway"
        for number, route in enumerate(nic.routes or []):
            _once(ways, route.key, f"{nic.where}routes[{number}].dest", route.dest)


def _once(seen: dict, key, option: str, value: str) -> None:
    if key in seen:
        place = f", also in {seen[key]}" if seen[key] != option else ""
        raise LauncherError(f"is there twice{place}", option=option, value=value, remedy="Remove one")
    seen[key] = option
