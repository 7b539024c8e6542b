# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the kernel says of links, addresses and default routes, without pyroute2. Each answer is of the socket's namespace."""

from __future__ import annotations

import errno

import _socket

from . import netlink

# <linux/rtnetlink.h>, <linux/if_addr.h>, <linux/if.h>
_IFA_ADDRESS = 1
_IFA_LOCAL = 2
_IFA_FLAGS = 8
_IFA_F_PERMANENT = 0x80
_RTA_OIF = 4
_RTA_GATEWAY = 5
_RT_TABLE_MAIN = 254
_RTN_UNICAST = 1
_RTPROT_RA = 9
_RT_SCOPE_LINK = 253
_IFF_UP = 1


class Link:
    """One link. `up`: set up by an administrator. `master`, `peer`: an index, 0 for none; `peer` counts in the peer's own namespace."""

    __slots__ = ("index", "name", "kind", "up", "mtu", "mac", "master", "peer", "alias")

    def __init__(self, index: int, up: bool):
        self.index = index
        self.up = up
        self.name = ""
        self.kind = ""  # 'veth', 'bridge', 'openvswitch', 'tun', ...; '' for lo and physical ones
        self.mtu = 0
        self.mac = ""
        self.master = 0
        self.peer = 0
        self.alias = ""


def link(route: netlink.Socket, name: str | None = None, index: int = 0) -> Link | None:
    """Return the link of this name or index, None when there is none. OSError."""
    try:
        body = route.get(netlink.RTM_GETLINK, netlink.link_message(index=index, name=name))
    except OSError as error:
        if error.errno == errno.ENODEV:
            return None
        raise
    return None if body is None else parse_link(body)


def links(route: netlink.Socket) -> list[Link]:
    """Return all links, in the order of their indices. OSError."""
    return [parse_link(body) for body in route.dump(netlink.RTM_GETLINK, bytes(16))]


def parse_link(body: bytes) -> Link:
    """Return the link that a struct ifinfomsg and its attributes tell of."""
    found = Link(netlink.unpack(body[4:8]), bool(netlink.unpack(body[8:12]) & _IFF_UP))
    for kind, data in netlink.attributes(body[16:]):
        if kind == netlink.IFLA_IFNAME:
            found.name = _text(data)
        elif kind == netlink.IFLA_MTU:
            found.mtu = netlink.unpack(data)
        elif kind == netlink.IFLA_ADDRESS:
            found.mac = ":".join(f"{byte:02x}" for byte in data)
        elif kind == netlink.IFLA_MASTER:
            found.master = netlink.unpack(data)
        elif kind == netlink.IFLA_LINK:
            found.peer = netlink.unpack(data)
        elif kind == netlink.IFLA_IFALIAS:
            found.alias = _text(data)
        elif kind == netlink.IFLA_LINKINFO:
            found.kind = next((_text(value) for inner, value in netlink.attributes(data) if inner == netlink.IFLA_INFO_KIND), "")
    return found


def _text(data: bytes) -> str:
    return data.rstrip(b"\0").decode("utf-8", "replace")


def addresses(route: netlink.Socket) -> list[tuple[int, str]]:
    """Return (link index, 'address/prefix') of all permanent addresses, without the kernel's own link-local ones of IPv6. OSError."""
    found = (parse_address(body) for body in route.dump(netlink.RTM_GETADDR, bytes(8)))
    return [entry for entry in found if entry is not None]


def parse_address(body: bytes) -> tuple[int, str] | None:
    """Return (link index, 'address/prefix') of a struct ifaddrmsg; None for one that comes and goes by itself."""
    family, prefix, flags, scope = body[0], body[1], body[2], body[3]
    own = peer = b""
    for kind, data in netlink.attributes(body[8:]):
        if kind == _IFA_LOCAL:
            own = data
        elif kind == _IFA_ADDRESS:
            peer = data
        elif kind == _IFA_FLAGS:
            flags = netlink.unpack(data)
    if family not in (_socket.AF_INET, _socket.AF_INET6) or not flags & _IFA_F_PERMANENT:
        return None
    if family == _socket.AF_INET6 and scope == _RT_SCOPE_LINK:
        return None
    return netlink.unpack(body[4:8]), f"{_socket.inet_ntop(family, own or peer)}/{prefix}"


def default_routes(route: netlink.Socket) -> list[tuple[int, str]]:
    """Return (link index, gateway) of the default routes of both families in the main table. OSError."""
    found = []
    for family in (_socket.AF_INET, _socket.AF_INET6):
        for body in route.dump(netlink.RTM_GETROUTE, netlink.pack(family, 1) + bytes(11)):
            entry = parse_default_route(body)
            if entry is not None:
                found.append(entry)
    return found


def parse_default_route(body: bytes) -> tuple[int, str] | None:
    """Return (link index, gateway) of a struct rtmsg; None unless it is a default route with a gateway that somebody set."""
    family, length, table, protocol, kind_of_route = body[0], body[1], body[4], body[5], body[7]
    if length != 0 or table != _RT_TABLE_MAIN or kind_of_route != _RTN_UNICAST or protocol == _RTPROT_RA:
        return None
    index, gateway = 0, ""
    for kind, data in netlink.attributes(body[12:]):
        if kind == _RTA_OIF:
            index = netlink.unpack(data)
        elif kind == _RTA_GATEWAY:
            gateway = _socket.inet_ntop(family, data)
    return (index, gateway) if gateway else None
