# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of the values that one network interface can have: addresses, gateways, destinations, MAC address, MTU. Pure.

`ipaddress` comes with the first address.
"""

from __future__ import annotations

import _socket

from ..base import text
from ..base.errors import LauncherError

MIN_MTU, MAX_MTU, MIN_MTU_IPV6 = 68, 65535, 1280  # RFC 791, a 16-bit length, RFC 8200
DEFAULTS = ("0.0.0.0/0", "::/0")


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


def check_not_own(gateway: str, addresses: list[str], option: str) -> None:
    """LauncherError when `gateway` is one of the interface's own addresses."""
    if any(word.partition("/")[0] == gateway for word in addresses):
        raise LauncherError("is the interface's own address", option=option, value=gateway, remedy="Give the address of the router")


def check_gateway_network(gateway: str, addresses: list[str], on_link: list[str], option: str) -> None:
    """LauncherError unless `gateway` can be reached directly: from one of `addresses`, or by a route to the link, `on_link`."""
    from ipaddress import ip_address, ip_interface, ip_network

    router = ip_address(gateway)
    same_family = [interface for interface in map(ip_interface, addresses) if interface.version == router.version]
    if router.version == 6 and router.is_link_local and same_family:
        return
    for interface in same_family:
        if router in interface.network:
            _refuse_ends(router, interface.network.prefixlen, option, gateway)
            return
    if any(router in network for network in map(ip_network, on_link) if network.version == router.version):
        return
    shown = ", ".join(addresses) or "none"
    raise LauncherError(f"is in no network of this interface (addresses: {shown})", option=option, value=gateway,
                        remedy="Give a gateway inside the network of one of its addresses, or say that it is on the link (onlink)")


def check_dest(value, gateway: str, option: str) -> str:
    """Return the destination of a route in its one spelling, with prefix; 'default' is of the gateway's family."""
    from ipaddress import ip_address, ip_network

    remedy = "Give a network with its prefix, such as 10.0.0.0/8, or the address of one machine"
    if value == "default":
        if not gateway:
            raise LauncherError("has no gateway", option=option, value=value, remedy="Add the gateway, or write 0.0.0.0/0 or ::/0")
        return DEFAULTS[":" in gateway]
    word, slash, prefix = value.partition("/") if isinstance(value, str) else ("", "", "")
    try:
        address = ip_address(word)
        dest = ip_network(f"{word}/{prefix}" if slash else word, strict=False)
    except ValueError:
        raise LauncherError("is no network", option=option, value=value, remedy=remedy) from None
    plain = not slash or prefix == str(dest.prefixlen)  # neither a netmask nor leading zeros, which other programs read as octal
    if not plain or "%" in word or (dest.version == 4 and word != str(address)):
        raise LauncherError("is no network", option=option, value=value, remedy=remedy)
    shown = f"{_spell(dest.network_address)}/{dest.prefixlen}"
    if dest.network_address != address:
        raise LauncherError("has bits beyond its prefix", option=option, value=value, remedy=f"Write {shown}")
    if address.is_loopback:
        raise LauncherError("is the machine itself", option=option, value=value, remedy=remedy)
    return shown


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
