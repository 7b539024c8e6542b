# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The addresses and routes of one link, kept as the kernel told them, and the messages that take them away there or give them to another.

Plain netlink: the kernel's own message with another link in it moves everything that a route or an address can have.
"""

from __future__ import annotations

import _socket
import errno

from . import netlink

TYPE_CHECKING = False  # type checkers take it as true; importing typing is not lean
if TYPE_CHECKING:
    Message = tuple[int, int, bytes]  # what kind, flags, what follows the header

# <linux/if_addr.h>
_IFA_ADDRESS = 1
_IFA_LOCAL = 2
_IFA_LABEL = 3
_IFA_FLAGS = 8
_IFA_PROTO = 11
_IFA_F_NODAD = 0x02
_IFA_F_HOMEADDRESS = 0x10
_IFA_F_PERMANENT = 0x80
_IFA_F_NOPREFIXROUTE = 0x200
_IFA_F_MCAUTOJOIN = 0x400
_IFA_F_STABLE_PRIVACY = 0x800
_IFAPROT_KERNEL_LL = 3
_KEPT_FLAGS = _IFA_F_NODAD | _IFA_F_HOMEADDRESS | _IFA_F_NOPREFIXROUTE | _IFA_F_MCAUTOJOIN  # the others are states, which the kernel sets

# <linux/rtnetlink.h>
_RTA_DST = 1
_RTA_OIF = 4
_RTA_GATEWAY = 5
_RTA_MULTIPATH = 9
_RTA_CACHEINFO = 12
_RTA_TABLE = 15
_RTA_VIA = 18
_RTA_EXPIRES = 23
_RTA_NH_ID = 30
_RT_TABLE_LOCAL = 255
_RT_SCOPE_LINK = 253
_RTPROT_REDIRECT, _RTPROT_KERNEL, _RTPROT_RA = 1, 2, 9
_RTM_F_CLONED = 0x200
_RTNH_F_KEPT = 0x02 | 0x04  # PERVASIVE, ONLINK; the others are states
_NEXTHOP = 8  # bytes of struct rtnexthop

_LABEL_SIZE = 15  # bytes, without the closing zero of IFNAMSIZ
_INET6 = _socket.AF_INET6


class Address:
    """`text`: '192.0.2.5/24'. `lasting`: False for one of DHCP or of a router advertisement, which runs out. `label`: of IPv4."""

    __slots__ = ("text", "body", "lasting", "label")

    def __init__(self, text: str, body: bytes, lasting: bool, label: str):
        self.text = text
        self.body = body
        self.lasting = lasting
        self.label = label


class Route:
    """`text`: as iproute2 begins it, 'default via 192.0.2.1'. `problem`: why it cannot be moved, or nothing. `direct`: without gateway."""

    __slots__ = ("text", "body", "problem", "direct")

    def __init__(self, text: str, body: bytes, problem: str, direct: bool):
        self.text = text
        self.body = body
        self.problem = problem
        self.direct = direct


class Held:
    """What one link had: `index` is that of the link. True when there is anything."""

    __slots__ = ("index", "addresses", "routes")

    def __init__(self, index: int, addresses: list[Address], routes: list[Route]):
        self.index = index
        self.addresses = addresses  # in the kernel's order
        self.routes = sorted(routes, key=lambda one: not one.direct)  # a gateway may be reached by one of the others

    def __bool__(self) -> bool:
        return bool(self.addresses or self.routes)

    def texts(self) -> list[str]:
        """All of it for a person."""
        return [one.text for one in self.addresses] + [one.text for one in self.routes]


def look(route: netlink.Socket, index: int, mac: str) -> Held:
    """Read what a link with the MAC address `mac` has, but for what the kernel makes itself. OSError."""
    return Held(index, _addresses(route, index, mac), _routes(route, index))


def _addresses(route: netlink.Socket, index: int, mac: str) -> list[Address]:
    found = []
    for body in route.dump(netlink.RTM_GETADDR, bytes(8)):
        if netlink.unpack(body[4:8]) != index or body[0] not in (_socket.AF_INET, _INET6):
            continue
        told = netlink.attributes(body[8:])
        own = told.get(_IFA_LOCAL) or told.get(_IFA_ADDRESS, b"")
        flags = _address_flags(body, told)
        if not _is_made_by_kernel(body[0], body[3], own, flags, told, mac):
            label = told.get(_IFA_LABEL, b"").rstrip(b"\0").decode("utf-8", "replace")
            found.append(Address(f"{_socket.inet_ntop(body[0], own)}/{body[1]}", body, bool(flags & _IFA_F_PERMANENT), label))
    return found


def _address_flags(body: bytes, told: dict[int, bytes]) -> int:
    return netlink.unpack(told[_IFA_FLAGS]) if _IFA_FLAGS in told else body[2]


def _is_made_by_kernel(family: int, scope: int, own: bytes, flags: int, told: dict[int, bytes], mac: str) -> bool:
    if family != _INET6 or scope != _RT_SCOPE_LINK:
        return False
    if _IFA_PROTO in told:  # since Linux 5.18
        return told[_IFA_PROTO][0] == _IFAPROT_KERNEL_LL
    return bool(flags & _IFA_F_STABLE_PRIVACY) or own[8:] == _eui64(mac)


def _eui64(mac: str) -> bytes:
    """The interface identifier of RFC 4291, appendix A."""
    six = bytes.fromhex(mac.replace(":", ""))
    return bytes([six[0] ^ 2]) + six[1:3] + b"\xff\xfe" + six[3:] if len(six) == 6 else b""


def _routes(route: netlink.Socket, index: int) -> list[Route]:
    """Those that somebody set, of all tables."""
    found = []
    for family in (_socket.AF_INET, _INET6):
        for body in route.dump(netlink.RTM_GETROUTE, netlink.pack(family, 1) + bytes(11)):
            told = netlink.attributes(body[12:])
            table = netlink.unpack(told[_RTA_TABLE]) if _RTA_TABLE in told else body[4]
            if body[5] in (_RTPROT_KERNEL, _RTPROT_REDIRECT) or table == _RT_TABLE_LOCAL or netlink.unpack(body[8:12]) & _RTM_F_CLONED:
                continue
            if index in _links_of(told):
                found.append(Route(_spell(family, body[1], told), body, _problem(body[5], told), _is_direct(told)))
    return found


def _links_of(told: dict[int, bytes]) -> list[int]:
    hops = [netlink.unpack(hop[4:8]) for hop in _hops(told.get(_RTA_MULTIPATH, b""))]
    return [*hops, netlink.unpack(told[_RTA_OIF])] if _RTA_OIF in told else hops


def _hops(data: bytes) -> list[bytes]:
    """The struct rtnexthop of a route over several gateways, each with its attributes."""
    found = []
    while len(data) >= _NEXTHOP:
        size = netlink.unpack(data[:2])
        if size < _NEXTHOP:
            break
        found.append(data[:size])
        data = data[size + 3 & ~3:]
    return found


def _is_direct(told: dict[int, bytes]) -> bool:
    return not {_RTA_GATEWAY, _RTA_VIA, _RTA_MULTIPATH} & told.keys()


def _problem(protocol: int, told: dict[int, bytes]) -> str:
    expires = netlink.unpack(told[_RTA_CACHEINFO][8:12]) if _RTA_CACHEINFO in told else 0  # struct rta_cacheinfo
    if protocol == _RTPROT_RA or expires or _RTA_EXPIRES in told:
        return "comes from a router's advertisements and runs out"
    return "leads over a nexthop object" if _RTA_NH_ID in told else ""


def _spell(family: int, length: int, told: dict[int, bytes]) -> str:
    text = f"{_socket.inet_ntop(family, told[_RTA_DST])}/{length}" if _RTA_DST in told else "default"
    return f"{text} via {_socket.inet_ntop(family, told[_RTA_GATEWAY])}" if _RTA_GATEWAY in told else text


def transfer(held: Held, source: int, target: int, target_name: str, between: list[Message]) -> list[Message]:
    """The messages that take what is `held` from the link `source`, do what is in `between`, and give it to `target`."""
    # Backwards: the first address of a network takes its secondary ones along.
    away = [(netlink.RTM_DELROUTE, 0, _route_on(one, held.index, source)) for one in reversed(held.routes)]
    away += [(netlink.RTM_DELADDR, 0, _address_on(one, source, "")) for one in reversed(held.addresses)]
    there = [(netlink.RTM_NEWADDR, netlink.CREATE | netlink.REPLACE, _address_on(one, target, target_name)) for one in held.addresses]
    there += [(netlink.RTM_NEWROUTE, netlink.CREATE | netlink.APPEND, _route_on(one, held.index, target)) for one in held.routes]
    return [*away, *between, *there]


def is_failure(kind: int, number: int) -> bool:
    """True for an errno of such a message that means more than that it was so already, or that the kernel was faster."""
    fine = {
        netlink.RTM_DELROUTE: (errno.ESRCH,), netlink.RTM_DELADDR: (errno.EADDRNOTAVAIL,),
        netlink.RTM_NEWADDR: (errno.EEXIST,), netlink.RTM_NEWROUTE: (errno.EEXIST,),
    }  # fmt: skip
    return number != 0 and number not in fine.get(kind, ())


def _address_on(one: Address, index: int, name: str) -> bytes:
    """struct ifaddrmsg for the link `index`. IPv6 is used at once: on this wire the address has been ours all the time."""
    told = netlink.attributes(one.body[8:])
    family = one.body[0]
    flags = _address_flags(one.body, told) & _KEPT_FLAGS | (_IFA_F_NODAD if family == _INET6 else 0)
    body = one.body[:2] + netlink.pack(flags & 0xFF, 1) + one.body[3:4] + netlink.pack(index, 4)
    for kind, data in told.items():
        if kind not in (_IFA_LABEL, _IFA_FLAGS):
            body += netlink.attribute(kind, data)
    _name, colon, rest = one.label.partition(":")
    if name and colon and len(f"{name}:{rest}") <= _LABEL_SIZE:
        body += netlink.attribute(_IFA_LABEL, f"{name}:{rest}".encode() + b"\0")
    return body + netlink.attribute(_IFA_FLAGS, netlink.pack(flags, 4))


def _route_on(one: Route, held_by: int, index: int) -> bytes:
    """struct rtmsg with the link `index` in place of the one it was read from, without what only tells of states."""
    body = one.body[:8] + netlink.pack(netlink.unpack(one.body[8:12]) & _RTNH_F_KEPT, 4)
    for kind, data in netlink.attributes(one.body[12:]).items():
        if kind == _RTA_OIF:
            data = netlink.pack(index if netlink.unpack(data) == held_by else netlink.unpack(data), 4)
        elif kind == _RTA_MULTIPATH:
            data = b"".join(_hop_on(hop, held_by, index) for hop in _hops(data))
        if kind != _RTA_CACHEINFO:
            body += netlink.attribute(kind, data)
    return body


def _hop_on(hop: bytes, held_by: int, index: int) -> bytes:
    link = netlink.unpack(hop[4:8])
    hop = hop[:2] + netlink.pack(hop[2] & _RTNH_F_KEPT, 1) + hop[3:4] + netlink.pack(index if link == held_by else link, 4) + hop[8:]
    return hop + bytes(-len(hop) % 4)


def link_to(route: netlink.Socket, address: str) -> int:
    """The index of the link over which this machine reaches `address`; 0 when it does not. OSError for other reasons."""
    family = _INET6 if ":" in address else _socket.AF_INET
    packed = _socket.inet_pton(family, address)
    body = netlink.pack(family, 1) + netlink.pack(len(packed) * 8, 1) + bytes(10) + netlink.attribute(_RTA_DST, packed)
    try:
        answer = route.get(netlink.RTM_GETROUTE, body)
    except OSError as error:
        if error.errno in (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EACCES, errno.EINVAL):
            return 0
        raise
    return netlink.unpack(netlink.attributes(answer[12:]).get(_RTA_OIF, b"")) if answer else 0
