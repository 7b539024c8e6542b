# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the kernel says of links, addresses and default routes, without pyroute2. Each answer is of the socket's namespace."""

from __future__ import annotations

import _socket
import errno

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


def exists(name: str) -> bool:
    """True when the calling thread's namespace has an interface of this name."""
    try:
        _socket.if_nametoindex(name)
    except OSError:
        return False
    return True


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
    told = netlink.attributes(body[16:])
    found.name = _text(told.get(netlink.IFLA_IFNAME, b""))
    found.alias = _text(told.get(netlink.IFLA_IFALIAS, b""))
    found.mac = told.get(netlink.IFLA_ADDRESS, b"").hex(":")
    found.mtu = netlink.unpack(told.get(netlink.IFLA_MTU, b""))
    found.master = netlink.unpack(told.get(netlink.IFLA_MASTER, b""))
    found.peer = netlink.unpack(told.get(netlink.IFLA_LINK, b""))
    if netlink.IFLA_LINKINFO in told:
        found.kind = _text(netlink.attributes(told[netlink.IFLA_LINKINFO]).get(netlink.IFLA_INFO_KIND, b""))
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
    told = netlink.attributes(body[8:])
    if _IFA_FLAGS in told:
        flags = netlink.unpack(told[_IFA_FLAGS])
    if family not in (_socket.AF_INET, _socket.AF_INET6) or not flags & _IFA_F_PERMANENT:
        return None
    if family == _socket.AF_INET6 and scope == _RT_SCOPE_LINK:
        return None
    own = told.get(_IFA_LOCAL) or told.get(_IFA_ADDRESS, b"")  # with a peer, IFA_ADDRESS is the peer's
    return netlink.unpack(body[4:8]), f"{_socket.inet_ntop(family, own)}/{prefix}"


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
    told = netlink.attributes(body[12:])
    if _RTA_GATEWAY not in told:
        return None
    return netlink.unpack(told.get(_RTA_OIF, b"")), _socket.inet_ntop(family, told[_RTA_GATEWAY])
