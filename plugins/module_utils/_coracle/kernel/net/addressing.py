# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Messages that add and remove addresses and routes, for netlink.Socket.batch(). Without pyroute2, whose 0.7 has no IFA_PROTO.

All carry our protocol number, so that what we added can be told from what others did: addresses since Linux 5.18, routes always.
"""

from __future__ import annotations

import _socket

from . import netlink

PROTOCOL = 67  # of addresses (IFA_PROTO) and routes (rtm_protocol), which nobody else has; 'proto 67' in what ip(8) shows

# <linux/if_addr.h>, <linux/rtnetlink.h>
_IFA_ADDRESS, _IFA_LOCAL, _IFA_BROADCAST, _IFA_FLAGS, _IFA_PROTO = 1, 2, 4, 8, 11
_IFA_F_NODAD = 0x02
_RTA_DST, _RTA_OIF, _RTA_GATEWAY, _RTA_PRIORITY = 1, 4, 5, 6
_RT_TABLE_MAIN = 254
_RT_SCOPE_UNIVERSE, _RT_SCOPE_LINK, _RT_SCOPE_NOWHERE = 0, 253, 255
_RTN_UNICAST = 1
_RTNH_F_ONLINK = 4


def add_address(index: int, words: str, detect: bool = False, protocol: int = PROTOCOL) -> tuple[int, int, bytes]:
    """Add 'address/prefix', usable at once. `detect`: an IPv6 address first waits a second for an answer that another machine has it."""
    family, own, prefix = _parse(words)
    told = netlink.attribute(_IFA_LOCAL, own) + netlink.attribute(_IFA_ADDRESS, own)
    if family == _socket.AF_INET and prefix < 31:
        host_bits = (1 << 32 - prefix) - 1
        told += netlink.attribute(_IFA_BROADCAST, (int.from_bytes(own, "big") | host_bits).to_bytes(4, "big"))
    if family == _socket.AF_INET6 and not detect:
        told += netlink.attribute(_IFA_FLAGS, netlink.pack(_IFA_F_NODAD, 4))
    if protocol:
        told += netlink.attribute(_IFA_PROTO, netlink.pack(protocol, 1))
    return netlink.RTM_NEWADDR, netlink.CREATE | netlink.EXCLUSIVE, _address_head(family, prefix, index) + told


def remove_address(index: int, words: str) -> tuple[int, int, bytes]:
    """Remove 'address/prefix'."""
    family, own, prefix = _parse(words)
    return netlink.RTM_DELADDR, 0, _address_head(family, prefix, index) + netlink.attribute(_IFA_LOCAL, own)


def _address_head(family: int, prefix: int, index: int) -> bytes:
    """struct ifaddrmsg"""
    return bytes((family, prefix, 0, 0)) + netlink.pack(index, 4)


def add_route(index: int, dest: str, gateway: str, metric: int, onlink: bool, protocol: int = PROTOCOL) -> tuple[int, int, bytes]:
    """Let `dest` ('10.0.0.0/8', '::/0') lead over the gateway, '' for the link itself; one with the same metric is replaced."""
    scope = _RT_SCOPE_UNIVERSE if gateway or ":" in dest else _RT_SCOPE_LINK
    body = _route(index, dest, gateway, metric, scope, protocol, _RTNH_F_ONLINK if onlink else 0)
    return netlink.RTM_NEWROUTE, netlink.CREATE | netlink.REPLACE, body


def remove_route(index: int, dest: str, gateway: str, metric: int) -> tuple[int, int, bytes]:
    """Remove one route, whoever added it."""
    return netlink.RTM_DELROUTE, 0, _route(index, dest, gateway, metric, _RT_SCOPE_NOWHERE, 0, 0)


def _route(index: int, dest: str, gateway: str, metric: int, scope: int, protocol: int, flags: int) -> bytes:
    """struct rtmsg and its attributes"""
    family, network, prefix = _parse(dest)
    head = bytes((family, prefix, 0, 0, _RT_TABLE_MAIN, protocol, scope, _RTN_UNICAST)) + netlink.pack(flags, 4)
    told = netlink.attribute(_RTA_DST, network) if prefix else b""
    if gateway:
        told += netlink.attribute(_RTA_GATEWAY, _socket.inet_pton(family, gateway))
    if metric:
        told += netlink.attribute(_RTA_PRIORITY, netlink.pack(metric, 4))
    return head + told + netlink.attribute(_RTA_OIF, netlink.pack(index, 4))


def _parse(words: str) -> tuple[int, bytes, int]:
    host, _slash, prefix = words.partition("/")
    family = _socket.AF_INET6 if ":" in host else _socket.AF_INET
    return family, _socket.inet_pton(family, host), int(prefix)
