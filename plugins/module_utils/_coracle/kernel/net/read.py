# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the kernel says of links, addresses and routes, without pyroute2. Each answer is of the socket's namespace."""

from __future__ import annotations

import _socket
import errno

from . import netlink

# <linux/rtnetlink.h>, <linux/if_addr.h>, <linux/if.h>
_IFA_ADDRESS = 1
_IFA_LOCAL = 2
_IFA_FLAGS = 8
_IFA_PROTO = 11
_IFA_F_PERMANENT = 0x80
_RTA_DST = 1
_RTA_OIF = 4
_RTA_GATEWAY = 5
_RTA_PRIORITY = 6
_RT_TABLE_MAIN = 254
_RTN_UNICAST = 1
_RTNH_F_ONLINK = 4
_RTPROT_REDIRECT, _RTPROT_KERNEL, _RTPROT_RA = 1, 2, 9
_RT_SCOPE_LINK = 253
_IFF_UP = 1
_LENGTHS = {_socket.AF_INET: 4, _socket.AF_INET6: 16}


class Link:
    """One link. `up`: set up by an administrator. `master`, `peer`: an index, 0 for none; `peer` counts in the peer's own namespace.

    `qdisc`: kind of its root queueing discipline. `details`, `port_details`: attributes of a bridge, of a port of one, for bridging.py.
    """

    __slots__ = ("index", "name", "kind", "up", "mtu", "mac", "master", "peer", "alias", "qdisc", "details", "port_details")

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
        self.qdisc = ""
        self.details = b""
        self.port_details = b""


class Address:
    """An address of a link. `words`: '192.0.2.5/24'. `protocol`: IFA_PROTO, who added it; 0 for nobody, or a kernel before 5.18."""

    __slots__ = ("index", "words", "protocol")

    def __init__(self, index: int, words: str, protocol: int):
        self.index = index
        self.words = words
        self.protocol = protocol


class Route:
    """A route over one link in the main table. `dest`: '10.0.0.0/8', '0.0.0.0/0', '::/0'. `gateway`: '' for none. `protocol`: its owner."""

    __slots__ = ("index", "dest", "gateway", "metric", "onlink", "protocol")

    def __init__(self, index: int, dest: str, gateway: str, metric: int, onlink: bool, protocol: int):
        self.index = index
        self.dest = dest
        self.gateway = gateway
        self.metric = metric
        self.onlink = onlink
        self.protocol = protocol


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
    found.qdisc = _text(told.get(netlink.IFLA_QDISC, b""))
    if netlink.IFLA_LINKINFO in told:
        info = netlink.attributes(told[netlink.IFLA_LINKINFO])
        found.kind = _text(info.get(netlink.IFLA_INFO_KIND, b""))
        found.details = info.get(netlink.IFLA_INFO_DATA, b"")
        found.port_details = info.get(netlink.IFLA_INFO_SLAVE_DATA, b"")
    return found


def _text(data: bytes) -> str:
    return data.rstrip(b"\0").decode("utf-8", "replace")


def addresses(route: netlink.Socket) -> list[Address]:
    """Return all permanent addresses, without the kernel's own link-local ones of IPv6. OSError."""
    found = (parse_address(body) for body in route.dump(netlink.RTM_GETADDR, bytes(8)))
    return [entry for entry in found if entry is not None]


def parse_address(body: bytes) -> Address | None:
    """Return the address that a struct ifaddrmsg tells of; None for one that comes and goes by itself."""
    family, prefix, flags, scope = body[0], body[1], body[2], body[3]
    told = netlink.attributes(body[8:])
    if _IFA_FLAGS in told:
        flags = netlink.unpack(told[_IFA_FLAGS])
    if family not in _LENGTHS or not flags & _IFA_F_PERMANENT:
        return None
    if family == _socket.AF_INET6 and scope == _RT_SCOPE_LINK:
        return None
    own = told.get(_IFA_LOCAL) or told.get(_IFA_ADDRESS, b"")  # with a peer, IFA_ADDRESS is the peer's
    words = f"{_socket.inet_ntop(family, own)}/{prefix}"
    return Address(netlink.unpack(body[4:8]), words, netlink.unpack(told.get(_IFA_PROTO, b"")))


def routes(route: netlink.Socket) -> list[Route]:
    """Return the routes of both families in the main table that somebody set, not the kernel itself or a router. OSError."""
    found = (parse_route(body) for body in route.dump(netlink.RTM_GETROUTE, bytes(12)))
    return [entry for entry in found if entry is not None]


def parse_route(body: bytes) -> Route | None:
    """Return the route that a struct rtmsg tells of; None for one of the kernel or a router, in another table or over several links."""
    family, length, table, protocol, kind_of_route = body[0], body[1], body[4], body[5], body[7]
    if family not in _LENGTHS or table != _RT_TABLE_MAIN or kind_of_route != _RTN_UNICAST:
        return None
    told = netlink.attributes(body[12:])
    if protocol in (_RTPROT_REDIRECT, _RTPROT_KERNEL, _RTPROT_RA) or _RTA_OIF not in told:
        return None
    dest = _socket.inet_ntop(family, told.get(_RTA_DST, bytes(_LENGTHS[family])))
    gateway = _socket.inet_ntop(family, told[_RTA_GATEWAY]) if _RTA_GATEWAY in told else ""
    metric = netlink.unpack(told.get(_RTA_PRIORITY, b""))
    onlink = bool(netlink.unpack(body[8:12]) & _RTNH_F_ONLINK)
    return Route(netlink.unpack(told[_RTA_OIF]), f"{dest}/{length}", gateway, metric, onlink, protocol)
