# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import errno

import pytest

from ansible_collections.coracle.launcher.plugins.module_utils._coracle.kernel.net import addressing, netlink, pyroute, read


@pytest.fixture
def link(own_network):
    """A socket, and the index of one end of a pair that is up."""
    pytest.importorskip("pyroute2")
    route = pyroute.Route()
    route.link("add", ifname="one", kind="veth", peer={"ifname": "other"})
    route.close()
    with netlink.Socket() as socket:
        index = read.link(socket, "one").index
        ends = [(netlink.RTM_SETLINK, 0, netlink.link_message(index=read.link(socket, name).index, up=True)) for name in ("one", "other")]
        assert socket.batch(ends) == [0, 0]
        yield socket, index


def told(found):
    return sorted(tuple(getattr(one, name) for name in one.__slots__) for one in found)


def test_addresses_carry_our_protocol_and_go_again(link):
    socket, index = link
    words = ["10.0.0.5/24", "10.0.0.6/31", "10.0.0.7/32", "fd00::5/64"]
    assert socket.batch([addressing.add_address(index, one) for one in words]) == [0] * 4
    assert told(read.addresses(socket)) == [(index, one, addressing.PROTOCOL) for one in words]
    assert socket.batch([addressing.add_address(index, words[0])]) == [errno.EEXIST]
    assert socket.batch([addressing.remove_address(index, one) for one in words]) == [0] * 4
    assert read.addresses(socket) == []
    assert socket.batch([addressing.remove_address(index, words[0])]) == [errno.EADDRNOTAVAIL]


def test_the_broadcast_address_is_the_last_of_the_network(link):
    socket, index = link
    socket.batch([addressing.add_address(index, "10.1.2.5/22"), addressing.add_address(index, "10.9.0.6/31")])
    bodies = socket.dump(netlink.RTM_GETADDR, bytes([2]) + bytes(7))
    broadcasts = {netlink.attributes(body[8:])[2]: netlink.attributes(body[8:]).get(4) for body in bodies}
    assert broadcasts == {bytes([10, 1, 2, 5]): bytes([10, 1, 3, 255]), bytes([10, 9, 0, 6]): None}


def test_an_address_of_somebody_else_can_be_told_from_ours(link):
    socket, index = link
    socket.batch([addressing.add_address(index, "10.0.0.5/24", protocol=0), addressing.add_address(index, "10.0.0.6/24")])
    assert [one.protocol for one in sorted(read.addresses(socket), key=lambda one: one.words)] == [0, addressing.PROTOCOL]


def test_routes_are_added_replaced_and_removed(link):
    socket, index = link
    socket.batch([addressing.add_address(index, "10.0.0.5/24"), addressing.add_address(index, "fd00::5/64")])
    wanted = [("0.0.0.0/0", "10.0.0.1", 0, False), ("0.0.0.0/0", "10.0.0.2", 50, False), ("10.9.0.0/16", "", 0, False),
              ("10.8.0.0/16", "192.0.2.1", 7, True), ("::/0", "fd00::1", 1024, False), ("fd09::/64", "", 5, False),
              ("fd08::/64", "2001:db8::1", 5, True)]
    assert socket.batch([addressing.add_route(index, *one) for one in wanted]) == [0] * 7
    assert told(read.routes(socket)) == sorted((index, *one, addressing.PROTOCOL) for one in wanted)
    assert socket.batch([addressing.add_route(index, "0.0.0.0/0", "10.0.0.3", 0, False), addressing.add_route(index, "::/0", "fd00::3", 1024, False)]) == [0, 0]
    assert {route.gateway for route in read.routes(socket) if route.dest in ("0.0.0.0/0", "::/0")} == {"10.0.0.3", "10.0.0.2", "fd00::3"}
    assert socket.batch([addressing.remove_route(route.index, route.dest, route.gateway, route.metric) for route in read.routes(socket)]) == [0] * 7
    assert read.routes(socket) == []


def test_a_gateway_that_nothing_leads_to_is_refused_by_the_kernel(link):
    socket, index = link
    assert socket.batch([addressing.add_address(index, "192.0.2.5/32")]) == [0]
    assert socket.batch([addressing.add_route(index, "0.0.0.0/0", "10.0.0.1", 0, False)]) == [errno.ENETUNREACH]
    assert socket.batch([addressing.add_route(index, "0.0.0.0/0", "10.0.0.1", 0, True)]) == [0]  # the control: on the link it is reached
