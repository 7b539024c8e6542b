# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What may be asked of the network of a container: names, addresses, gateways; and the names that follow from them. Pure.

Nothing here imports at the top what a supervisor does not need; `ipaddress` and `hashlib` come with the first validation.
"""

from __future__ import annotations

import _socket

from ..base import text
from ..base.errors import LauncherError

MARK = "coracle"  # begins the alias of every link that the collection made

_HASH_DIGITS = "abcdefghijklmnopqrstuvwxyz234567"
_RESERVED = ("lo", "all", "default")  # the last two are directories of /proc/sys/net/ipv4/conf
_HOST_PART = ".-_"
MIN_MTU, MAX_MTU, MIN_MTU_IPV6 = 68, 65535, 1280  # RFC 791, a 16-bit length, RFC 8200


class Nic:
    """One network interface as asked for, checked, in one spelling. None means "not asked".

    `where`: begins the names of its options in messages. `mark`: the alias by which its host end is known to be ours.
    `addresses`: ['192.0.2.5/24', ...]. `gateway`: an address.
    """

    __slots__ = ("where", "bridge", "interface_name", "host_interface", "mark", "addresses", "gateway", "mac_address", "mtu")

    def __init__(self, where: str, bridge: str, interface_name: str, host_interface: str, mark: str):
        self.where = where
        self.bridge = bridge
        self.interface_name = interface_name
        self.host_interface = host_interface
        self.mark = mark
        self.addresses: list[str] | None = None
        self.gateway: str | None = None
        self.mac_address: str | None = None
        self.mtu: int | None = None


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


def nics(label: str, networks: list[dict], option: str = "networks") -> list[Nic]:
    """Return the checked interfaces of the container `label`. LauncherError names option and value of the first that cannot be.

    `networks`: dicts with bridge, and optionally interface_name, host_interface, addresses, gateway, mac_address, mtu (None: not
    given). With an empty `option` the names in messages have no prefix.
    """
    found: list[Nic] = []
    for position, network in enumerate(networks):
        where = f"{option}[{position}]." if option else ""
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
    nic = Nic(where, bridge, name, outside, mark(label, name))
    if network.get("addresses") is not None:
        nic.addresses = [check_address(word, f"{where}addresses") for word in network["addresses"]]
    if network.get("gateway") is not None:
        nic.gateway = check_gateway(network["gateway"], f"{where}gateway")
        if nic.addresses is not None:
            check_gateway_network(nic.gateway, nic.addresses, f"{where}gateway")
    if network.get("mac_address") is not None:
        nic.mac_address = check_mac(network["mac_address"], f"{where}mac_address")
    if network.get("mtu") is not None:
        nic.mtu = check_mtu(network["mtu"], nic.addresses or [], f"{where}mtu")
    return nic


def check_interface_name(value, option: str) -> str:
    """Return the name of an interface that we may make."""
    if value in _RESERVED:
        raise LauncherError("is a name that the kernel keeps for itself", option=option, value=value, remedy="Give another, such as eth0")
    return text.check_interface(value, option)


def check_address(value, option: str) -> str:
    """Return an interface's own address with prefix in its one spelling: '192.0.2.5/24', 'fd00::5/64'."""
    remedy = "Give an address with its prefix, such as 192.0.2.5/24 or fd00::5/64"
    word = value if isinstance(value, str) else ""
    address_text, slash, prefix_text = word.partition("/")
    address = _parse(address_text, value, option, remedy)
    bits = 32 if address.version == 4 else 128
    plain = text.is_digits(prefix_text) and prefix_text == prefix_text.lstrip("0") and len(prefix_text) <= 3
    if not slash or not plain or not 1 <= int(prefix_text) <= bits:
        raise LauncherError(f"has no prefix from 1 to {bits}", option=option, value=value, remedy=remedy)
    if address.version == 6 and address.is_link_local:
        raise LauncherError("is link-local; the kernel gives such an address by itself", option=option, value=value, remedy="Leave it out")
    _refuse_ends(address, int(prefix_text), option, value)
    return f"{_spell(address)}/{int(prefix_text)}"


def check_gateway(value, option: str) -> str:
    """Return a gateway's address in its one spelling."""
    remedy = "Give the address of the router without a prefix, such as 192.0.2.1"
    return _spell(_parse(value if isinstance(value, str) else "", value, option, remedy))


def check_gateway_network(gateway: str, addresses: list[str], option: str) -> None:
    """LauncherError unless `gateway` can be reached from one of `addresses` directly."""
    from ipaddress import ip_address, ip_interface

    router = ip_address(gateway)
    mine = [ip_interface(word) for word in addresses]
    if any(interface.ip == router for interface in mine):
        raise LauncherError("is the interface's own address", option=option, value=gateway, remedy="Give the address of the router")
    same_family = [interface for interface in mine if interface.version == router.version]
    if router.version == 6 and router.is_link_local and same_family:
        return
    for interface in same_family:
        if router in interface.network:
            _refuse_ends(router, interface.network.prefixlen, option, gateway)
            return
    shown = ", ".join(addresses) or "none"
    raise LauncherError(f"is in no network of this interface (addresses: {shown})", option=option, value=gateway,
                        remedy="Give a gateway inside the network of one of its addresses")


def _parse(word: str, value, option: str, remedy: str):
    """Return an address that one machine can have on a network."""
    from ipaddress import ip_address

    try:
        address = ip_address(word)
    except ValueError:
        raise LauncherError("is not an IP address", option=option, value=value, remedy=remedy) from None
    # Python 3.9.0 to 3.9.4 take leading zeros, which other programs read as octal; a zone (%eth0) is no part of an address.
    if "%" in word or (address.version == 4 and word != str(address)):
        raise LauncherError("is not an IP address", option=option, value=value, remedy=remedy)
    kind = _unusable(address)
    if kind:
        raise LauncherError(f"is {kind}, not the address of one machine", option=option, value=value, remedy=remedy)
    return address


def _unusable(address) -> str:
    if address.is_multicast:
        return "a multicast address"
    if address.is_loopback:
        return "a loopback address"
    if address.is_unspecified:
        return "the unspecified address"
    if address.version == 4 and (address.packed[0] == 0 or address.packed[0] >= 240):
        return "a reserved address"
    if address.version == 6 and address.packed[:10] == bytes(10):
        return "a mapped IPv4 address"
    return ""


def _refuse_ends(address, prefix: int, option: str, value) -> None:
    """The first address of a network names the network (IPv6: any router on it), the last of IPv4 is broadcast (RFC 3021: not with /31)."""
    bits = 32 if address.version == 4 else 128
    if bits - prefix < 2:
        return
    host = int(address) & (1 << bits - prefix) - 1
    if host == 0:
        raise LauncherError("is the network's own address", option=option, value=value, remedy="Give an address inside the network")
    if address.version == 4 and host == (1 << bits - prefix) - 1:
        raise LauncherError("is the network's broadcast address", option=option, value=value, remedy="Give an address inside the network")


def _spell(address) -> str:
    # As the C library spells it, so that it equals what is read from the kernel.
    return _socket.inet_ntop(_socket.AF_INET if address.version == 4 else _socket.AF_INET6, address.packed)


def check_mac(value, option: str) -> str:
    """Return a unicast MAC address as '02:00:00:00:00:05'."""
    remedy = "Give six pairs of hexadecimal digits, such as 02:00:00:00:00:05"
    parts = value.lower().split(":") if isinstance(value, str) else []
    if len(parts) != 6 or any(len(part) != 2 or any(c not in "0123456789abcdef" for c in part) for part in parts):
        raise LauncherError("is not a MAC address", option=option, value=value, remedy=remedy)
    if int(parts[0], 16) & 1 or all(part == "00" for part in parts):
        raise LauncherError("is not the MAC address of one machine", option=option, value=value,
                            remedy="Let its first byte be even, such as 02")
    return ":".join(parts)


def check_mtu(value, addresses: list[str], option: str) -> int:
    """Return an MTU in bytes that the kernel takes and the addresses work with."""
    mtu = text.parse_integer(value, option, MIN_MTU, MAX_MTU)
    if mtu < MIN_MTU_IPV6 and any(":" in word for word in addresses):
        raise LauncherError(f"is less than the {MIN_MTU_IPV6} that IPv6 needs", option=option, value=value,
                            remedy=f"Give at least {MIN_MTU_IPV6}, or no IPv6 address")
    return mtu


def _check_together(found: list[Nic]) -> None:
    """What the interfaces of one container must not share."""
    names: dict[str, str] = {}
    addresses: dict[str, str] = {}
    gateways: dict[bool, str] = {}
    for nic in found:
        _once(names, nic.interface_name, f"{nic.where}interface_name", nic.interface_name)
        for word in nic.addresses or []:
            _once(addresses, word.partition("/")[0], f"{nic.where}addresses", word)
        if nic.gateway is not None:
            family = ":" in nic.gateway
            if family in gateways:
                raise LauncherError(f"is a second default gateway; {gateways[family]} is one already", option=f"{nic.where}gateway",
                                    value=nic.gateway, remedy="Give a gateway for one interface only")
            gateways[family] = f"{nic.where}gateway"


def _once(seen: dict[str, str], key: str, option: str, value: str) -> None:
    if key in seen:
        place = f", also in {seen[key]}" if seen[key] != option else ""
        raise LauncherError(f"is there twice{place}", option=option, value=value, remedy="Remove one")
    seen[key] = option
