# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""VLANs and isolation of the ports of the kernel's bridge, as bridge(8) shows and sets them. <linux/if_bridge.h>, <linux/if_link.h>"""

from __future__ import annotations

import os

from ...base import libc
from . import netlink, read

_IFLA_PROTINFO = 12
_IFLA_AF_SPEC = 26
_IFLA_EXT_MASK = 29
_IFLA_BR_VLAN_FILTERING = 7
_IFLA_BR_VLAN_DEFAULT_PVID = 39
_IFLA_BRPORT_ISOLATED = 33
_IFLA_BRIDGE_VLAN_INFO = 2
_RTEXT_FILTER_BRVLAN_COMPRESSED = 4
_NESTED = 0x8000
_AF_BRIDGE = 7
_PVID, _UNTAGGED, _RANGE_BEGIN, _RANGE_END = 2, 4, 8, 16


class Vlans:
    """VLANs of a port. `native`: what comes without tag belongs to it (PVID), 0 for none. `untagged`, `tagged`: ranges that leave so."""

    __slots__ = ("native", "untagged", "tagged")

    def __init__(self):
        self.native = 0
        self.untagged: list[tuple[int, int]] = []
        self.tagged: list[tuple[int, int]] = []


def filters(bridge: read.Link) -> bool:
    """True when VLANs of the ports have an effect (vlan_filtering)."""
    return bool(netlink.unpack(netlink.attributes(bridge.details).get(_IFLA_BR_VLAN_FILTERING, b"")))


def default_vlan(bridge: read.Link) -> int | None:
    """Return the VLAN that a new port is in, 0 for none; None when this kernel was built without VLAN filtering."""
    told = netlink.attributes(bridge.details).get(_IFLA_BR_VLAN_DEFAULT_PVID)
    return None if told is None else netlink.unpack(told)


def is_isolated(port: read.Link) -> bool:
    """True for a port that does not speak with other isolated ones."""
    return bool(netlink.unpack(netlink.attributes(port.port_details).get(_IFLA_BRPORT_ISOLATED, b"")))


def vlans(route: netlink.Socket) -> dict[int, Vlans]:
    """Return {index of a port: its VLANs} of all ports of all bridges of the socket's namespace: the kernel does not tell less. OSError."""
    mask = netlink.attribute(_IFLA_EXT_MASK, netlink.pack(_RTEXT_FILTER_BRVLAN_COMPRESSED, 4))
    bodies = route.dump(netlink.RTM_GETLINK, netlink.pack(_AF_BRIDGE, 1) + bytes(15) + mask)
    found = {}
    for body in bodies:
        told = netlink.attributes(body[16:])
        index, bridge = netlink.unpack(body[4:8]), netlink.unpack(told.get(netlink.IFLA_MASTER, b""))
        if bridge not in (0, index):  # the bridge itself has VLANs, too
            found[index] = parse_vlans(told.get(_IFLA_AF_SPEC, b""))
    return found


def parse_vlans(data: bytes) -> Vlans:
    """Return the VLANs that the attributes IFLA_AF_SPEC of a port tell of, ranges as two entries: their first and their last."""
    found = Vlans()
    first = 0
    for kind, entry in netlink.attribute_list(data):
        if kind != _IFLA_BRIDGE_VLAN_INFO or len(entry) < 4:
            continue
        flags, number = netlink.unpack(entry[:2]), netlink.unpack(entry[2:4])
        if flags & _RANGE_BEGIN:
            first = number
            continue
        ranges = found.untagged if flags & _UNTAGGED else found.tagged
        ranges.append((first if flags & _RANGE_END else number, number))
        if flags & _PVID:
            found.native = number
    return found


def vlan_message(index: int, ranges: list[tuple[int, int]], native: bool = False) -> bytes:
    """struct ifinfomsg that gives a port these VLANs (RTM_SETLINK), or takes them (RTM_DELLINK). `native`: untagged, both ways."""
    flags = _PVID | _UNTAGGED if native else 0
    entries = b""
    for first, last in ranges:
        if first == last:
            entries += _vlan(first, flags)
        else:
            entries += _vlan(first, flags | _RANGE_BEGIN) + _vlan(last, flags | _RANGE_END)
    return _of_port(index) + netlink.attribute(_IFLA_AF_SPEC | _NESTED, entries)


def _vlan(number: int, flags: int) -> bytes:
    return netlink.attribute(_IFLA_BRIDGE_VLAN_INFO, netlink.pack(flags, 2) + netlink.pack(number, 2))


def isolation_message(index: int, isolated: bool) -> bytes:
    """struct ifinfomsg that isolates a port from others that are isolated, or not (RTM_SETLINK)."""
    flag = netlink.attribute(_IFLA_BRPORT_ISOLATED, netlink.pack(int(isolated), 1))
    return _of_port(index) + netlink.attribute(_IFLA_PROTINFO | _NESTED, flag)


def _of_port(index: int) -> bytes:
    return netlink.pack(_AF_BRIDGE, 1) + bytes(3) + netlink.pack(index, 4) + bytes(8)


def filtering_message(index: int, on: bool) -> bytes:
    """struct ifinfomsg that switches VLAN filtering of a bridge (RTM_NEWLINK)."""
    return netlink.link_message(index) + _info(netlink.attribute(_IFLA_BR_VLAN_FILTERING, netlink.pack(int(on), 1)))


def _info(details: bytes = b"") -> bytes:
    kind = netlink.attribute(netlink.IFLA_INFO_KIND, b"bridge")
    data = netlink.attribute(netlink.IFLA_INFO_DATA | _NESTED, details) if details else b""
    return netlink.attribute(netlink.IFLA_LINKINFO | _NESTED, kind + data)


def kernel_filters() -> bool:
    """True when the kernel was built with VLAN filtering. Asks a bridge in a namespace of its own, which is gone afterwards. OSError."""
    own = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        libc.unshare(libc.CLONE_NEWNET)
        try:
            with netlink.Socket() as route:
                route.change(netlink.RTM_NEWLINK, netlink.link_message(name="probe") + _info(), netlink.CREATE | netlink.EXCLUSIVE)
                found = read.link(route, "probe")
        finally:
            libc.setns(own, libc.CLONE_NEWNET)
    finally:
        os.close(own)
    return found is not None and default_vlan(found) is not None
