# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os

import pytest

from ansible_collections.coracle.launcher.plugins.module_utils._coracle.kernel.net import bridging, netlink, pyroute, read
from ansible_collections.coracle.launcher.tests.unit.each import each


@pytest.fixture
def bridge(own_network):
    """A socket in a namespace with the bridge br0 and its port one."""
    pytest.importorskip("pyroute2")
    route = pyroute.Route()
    route.link("add", ifname="br0", kind="bridge")
    route.link("add", ifname="one", kind="veth", peer={"ifname": "other"})
    route.close()
    with netlink.Socket() as socket:
        message = netlink.link_message(index=read.link(socket, "one").index, master=read.link(socket, "br0").index)
        socket.change(netlink.RTM_SETLINK, message)
        yield socket


def test_a_port_is_isolated_and_not(bridge):
    index = read.link(bridge, "one").index
    for isolated in (True, False):
        bridge.change(netlink.RTM_SETLINK, bridging.isolation_message(index, isolated))
        assert bridging.is_isolated(read.link(bridge, "one")) is isolated
    assert not bridging.is_isolated(read.link(bridge, "br0"))


def test_what_the_kernel_can_is_asked_in_a_namespace_of_its_own(bridge):
    names, own, descriptors = {link.name for link in read.links(bridge)}, os.stat("/proc/thread-self/ns/net").st_ino, len(os.listdir("/proc/self/fd"))
    assert bridging.kernel_filters() is (bridging.default_vlan(read.link(bridge, "br0")) is not None)
    assert {link.name for link in read.links(bridge)} == names
    assert os.stat("/proc/thread-self/ns/net").st_ino == own
    assert len(os.listdir("/proc/self/fd")) == descriptors


def test_vlans_are_set_read_and_taken(bridge):
    if not bridging.kernel_filters():
        pytest.skip("this kernel was built without CONFIG_BRIDGE_VLAN_FILTERING")
    index = read.link(bridge, "one").index
    bridge.change(netlink.RTM_NEWLINK, bridging.filtering_message(read.link(bridge, "br0").index, True))
    assert bridging.filters(read.link(bridge, "br0"))
    found = bridging.vlans(bridge)
    assert set(found) == {index}
    assert (found[index].native, found[index].untagged, found[index].tagged) == (1, [(1, 1)], [])
    for kind, ranges, native in ((netlink.RTM_SETLINK, [(10, 10)], True), (netlink.RTM_DELLINK, [(1, 1)], False),
                                 (netlink.RTM_SETLINK, [(20, 29), (40, 40)], False)):
        bridge.change(kind, bridging.vlan_message(index, ranges, native))
    found = bridging.vlans(bridge)[index]
    assert (found.native, found.untagged, found.tagged) == (10, [(10, 10)], [(20, 29), (40, 40)])


def info(flags, number):
    return netlink.attribute(2, netlink.pack(flags, 2) + netlink.pack(number, 2))


@each("data, expected", [
    (b"", (0, [], [])),
    (info(6, 1), (1, [(1, 1)], [])),  # PVID | UNTAGGED
    (info(6, 10) + info(8, 20) + info(16, 29) + info(0, 40), (10, [(10, 10)], [(20, 29), (40, 40)])),
    (info(2, 10) + info(4, 11), (10, [(11, 11)], [(10, 10)])),  # 10 enters untagged and leaves tagged
    (info(4 | 8, 20) + info(4 | 16, 29), (0, [(20, 29)], [])),
    (netlink.attribute(0, b"\1\0") + netlink.attribute(2, b"\0"), (0, [], [])),  # IFLA_BRIDGE_FLAGS, and one that is too short
])
def test_vlans_of_a_port_are_parsed(data, expected):
    found = bridging.parse_vlans(data)
    assert (found.native, found.untagged, found.tagged) == expected


def test_vlans_are_written_as_they_are_read():
    for native, ranges in ((True, [(10, 10)]), (False, [(1, 4094)]), (False, [(20, 29), (40, 40)])):
        body = bridging.vlan_message(7, ranges, native)
        assert (body[0], netlink.unpack(body[4:8])) == (7, 7)  # AF_BRIDGE, the index
        found = bridging.parse_vlans(netlink.attributes(body[16:])[26])
        assert (found.untagged if native else found.tagged) == ranges
        assert found.native == (10 if native else 0)


def test_a_link_that_is_no_bridge_filters_nothing(own_network):
    with netlink.Socket() as socket:
        lo = read.link(socket, "lo")
        assert (bridging.filters(lo), bridging.default_vlan(lo), bridging.is_isolated(lo), bridging.vlans(socket)) == (False, None, False, {})
