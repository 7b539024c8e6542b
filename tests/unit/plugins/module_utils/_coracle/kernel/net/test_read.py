# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import errno
import sys

import pytest

from ansible_collections.coracle.launcher.plugins.module_utils._coracle.kernel.net import netlink, read
from ansible_collections.coracle.launcher.tests.unit.each import each

little_endian = pytest.mark.skipif(sys.byteorder != "little", reason="the recorded messages are of a little-endian machine")

# Recorded from Linux 6.18, headers cut off, attributes that nobody reads left out.
VETH = bytes.fromhex(
    "00000100080000004310010000000000"
    "140003007765625f67656a773763610000000000"  # IFLA_IFNAME web_gejw7ca
    "08000400dc050000"  # IFLA_MTU 1500
    "0a000100fe637250ce8a0000"  # IFLA_ADDRESS
    "0800050002000000"  # IFLA_LINK 2
    "08000a0007000000"  # IFLA_MASTER 7
    "14001400636f7261636c653a7765623a65746830"  # IFLA_IFALIAS coracle:web:eth0
    "1400128009000100766574680000000004000280"  # IFLA_LINKINFO (nested flag set): kind veth, no data
)


@little_endian
def test_a_link_is_read():
    link = read.parse_link(VETH)
    told = (link.index, link.name, link.kind, link.up, link.mtu, link.mac, link.master, link.peer, link.alias)
    assert told == (8, "web_gejw7ca", "veth", True, 1500, "fe:63:72:50:ce:8a", 7, 2, "coracle:web:eth0")


def test_a_link_without_attributes_has_nothing():
    link = read.parse_link(bytes(4) + netlink.pack(1, 4) + bytes(8))
    assert (link.index, link.up, link.name, link.kind, link.mac, link.master, link.peer, link.alias) == (1, False, "", "", "", 0, 0, "")


@each("cut", range(0, 116, 3))
def test_a_message_that_ends_early_is_no_error(cut):
    read.parse_link(VETH[:16 + cut])


def address(family, prefix, scope, index, flags, *attributes):
    body = bytes([family, prefix, flags, scope]) + netlink.pack(index, 4)
    return body + b"".join(netlink.attribute(kind, data) for kind, data in attributes)


V4, OTHER_V4 = bytes([192, 0, 2, 5]), bytes([192, 0, 2, 9])
V6 = bytes.fromhex("fd000000000000000000000000000005")


@each("message, expected", [
    (address(2, 24, 0, 4, 0x80, (1, V4), (2, V4)), (4, "192.0.2.5/24", 0)),
    (address(2, 24, 0, 4, 0x80, (1, V4), (2, V4), (11, bytes([67]))), (4, "192.0.2.5/24", 67)),
    (address(2, 32, 0, 4, 0x80, (1, OTHER_V4), (2, V4)), (4, "192.0.2.5/32", 0)),  # with a peer, IFA_LOCAL is our end
    (address(10, 64, 0, 4, 0x80, (1, V6)), (4, "fd00::5/64", 0)),
    (address(10, 64, 0, 4, 0, (1, V6), (8, netlink.pack(0x82, 4))), (4, "fd00::5/64", 0)),  # IFA_FLAGS has more bits than the old byte
    (address(10, 64, 0, 4, 0, (1, V6), (8, netlink.pack(0x100, 4))), None),  # from a router advertisement: goes by itself
    (address(10, 64, 253, 4, 0x80, (1, V6)), None),  # the kernel's own link-local one
    (address(2, 24, 253, 4, 0x80, (1, V4), (2, V4)), (4, "192.0.2.5/24", 0)),
])
def test_permanent_addresses_are_read(message, expected):
    found = read.parse_address(message)
    assert (None if found is None else (found.index, found.words, found.protocol)) == expected


def route(family, length, table, protocol, kind, *attributes, flags=0):
    body = bytes([family, length, 0, 0, table, protocol, 0, kind]) + netlink.pack(flags, 4)
    return body + b"".join(netlink.attribute(number, data) for number, data in attributes)


DEV, VIA4, VIA6, NET4 = (4, netlink.pack(3, 4)), (5, V4), (5, V6), (1, bytes([10, 0, 0, 0]))


@each("message, expected", [
    (route(2, 0, 254, 4, 1, DEV, VIA4), (3, "0.0.0.0/0", "192.0.2.5", 0, False, 4)),
    (route(10, 0, 254, 4, 1, DEV, VIA6, (6, netlink.pack(1024, 4))), (3, "::/0", "fd00::5", 1024, False, 4)),
    (route(2, 8, 254, 67, 1, DEV, VIA4, NET4, (6, netlink.pack(50, 4)), flags=4), (3, "10.0.0.0/8", "192.0.2.5", 50, True, 67)),
    (route(2, 8, 254, 4, 1, DEV, NET4), (3, "10.0.0.0/8", "", 0, False, 4)),  # straight to the link
    (route(2, 0, 253, 4, 1, DEV, VIA4), None),  # another table
    (route(2, 0, 254, 4, 7, DEV, VIA4), None),  # unreachable
    (route(10, 0, 254, 9, 1, DEV, VIA6), None),  # from a router advertisement
    (route(2, 8, 254, 2, 1, DEV, NET4), None),  # the kernel's, of an address
    (route(2, 0, 254, 4, 1, (9, bytes(16))), None),  # over several links (RTA_MULTIPATH)
    (route(128, 0, 254, 4, 1, DEV), None),  # another family
])
def test_routes_that_somebody_set_are_read(message, expected):
    found = read.parse_route(message)
    assert (None if found is None else tuple(getattr(found, name) for name in found.__slots__)) == expected


def test_attributes_are_what_was_put_in():
    data = netlink.attribute(3, b"eth0\0") + netlink.attribute(4, netlink.pack(1500, 4))
    assert netlink.attributes(data) == {3: b"eth0\0", 4: netlink.pack(1500, 4)}


@pytest.mark.parametrize("data", [b"", b"\0", b"\0\0\0\0", netlink.pack(3, 2) + b"\1\0", netlink.pack(4, 2)])
def test_attributes_of_nonsense_are_none(data):
    assert netlink.attributes(data) == {}


def test_a_new_namespace_has_only_lo(own_network):
    with netlink.Socket() as socket:
        names = [link.name for link in read.links(socket)]
        assert "lo" in names
        assert read.link(socket, "lo").index == 1
        assert read.link(socket, index=1).name == "lo"
        assert read.link(socket, "nosuch") is None
        assert read.addresses(socket) == read.routes(socket) == []


def test_a_refusal_of_the_kernel_is_an_oserror(own_network):
    with netlink.Socket() as socket, pytest.raises(OSError, match="No such device"):
        socket.change(netlink.RTM_DELLINK, netlink.link_message(index=4711))


def test_messages_of_a_batch_are_answered_one_by_one(own_network):
    """One that is refused does not keep the others from being carried out; more than fit into one send(2) are no different."""
    with netlink.Socket() as socket:
        lo = (netlink.RTM_SETLINK, 0, netlink.link_message(index=1, alias="seen"))
        missing = (netlink.RTM_DELLINK, 0, netlink.link_message(index=4711))
        assert socket.batch([]) == []
        assert socket.batch([missing, lo, missing]) == [errno.ENODEV, 0, errno.ENODEV]
        assert read.link(socket, "lo").alias == "seen"
        assert socket.batch([lo, missing] * 250) == [0, errno.ENODEV] * 250
        assert read.link(socket, index=1).name == "lo"  # the socket is in step with its answers
