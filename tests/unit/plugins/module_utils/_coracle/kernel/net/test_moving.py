# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything that a link can have moves to another and back, and iproute2 then shows the same."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from ansible_collections.coracle.launcher.plugins.module_utils._coracle.kernel.net import moving, netlink, read
from ansible_collections.coracle.launcher.tests.unit.each import each

COMMANDS = """
link set lo up
link add nic0 address 02:00:00:00:00:01 type veth peer name wire0
link add other0 type veth peer name wire1
link add br0 address 02:00:00:00:00:02 type bridge
link set nic0 up
link set wire0 up
link set other0 up
link set wire1 up
link set br0 up
address add 192.0.2.5/24 broadcast 192.0.2.255 dev nic0
address add 192.0.2.6/24 broadcast 192.0.2.255 dev nic0 label nic0:web
address add 198.51.100.1 peer 198.51.100.2/32 dev nic0 metric 50
address add 2001:db8::5/64 dev nic0 nodad
address add 2001:db8:1::5/64 dev nic0 nodad noprefixroute
address add fe80::1/64 dev nic0 nodad
address add 203.0.113.1/24 dev other0
route add default via 192.0.2.1 metric 100
route add 10.1.0.0/16 via 192.0.2.2 src 192.0.2.6 mtu 1400
route add 10.2.0.0/16 dev nic0 scope link table 100
route add 10.3.0.0/16 via 10.9.9.9 dev nic0 onlink
route add 10.4.0.0/16 nexthop via 192.0.2.3 weight 2 nexthop via 203.0.113.9 weight 1
route add unreachable 10.5.0.0/16
-6 route add default via fe80::99 dev nic0 metric 512
-6 route add 2001:db8:2::/48 via 2001:db8::9 dev nic0 src 2001:db8::5
"""


def ip(*words):
    return subprocess.run(["ip", *words], check=True, stdout=subprocess.PIPE, text=True).stdout


@pytest.fixture
def host(own_network):
    if shutil.which("ip") is None:
        pytest.skip("needs iproute2")
    for line in COMMANDS.strip().splitlines():
        ip(*line.split())
    with netlink.Socket() as route:
        yield route


def picture(name):
    """What iproute2 says of a link's addresses and of all routes, with NAME in place of its name; routes of no link are the same for all."""
    routes = [line for family in ("-4", "-6") for line in ip(family, "route", "show", "table", "all").splitlines()]
    addresses = [line.partition(": ")[2] for line in ip("-o", "address", "show", "dev", name).splitlines()]
    told = [*addresses, *(line for line in routes if name in line and "proto kernel" not in line and "table local" not in line)]
    kernels_own = ("fe80::1ff:", "fe80::ff:", "multicast ff00::", "anycast ")
    return sorted(" ".join(line.replace(name, "NAME").split()) for line in told if not any(word in line for word in kernels_own))


def held(route, name):
    link = read.link(route, name)
    return link.index, moving.look(route, link.index, link.mac)


def test_what_is_held_is_what_somebody_gave(host):
    _index, found = held(host, "nic0")
    assert sorted(one.text for one in found.addresses) == [
        "192.0.2.5/24", "192.0.2.6/24", "198.51.100.1/32", "2001:db8:1::5/64", "2001:db8::5/64", "fe80::1/64"]
    assert sorted(one.text for one in found.routes) == [
        "10.1.0.0/16 via 192.0.2.2", "10.2.0.0/16", "10.3.0.0/16 via 10.9.9.9", "10.4.0.0/16",
        "2001:db8:2::/48 via 2001:db8::9", "default via 192.0.2.1", "default via fe80::99"]
    assert all(one.lasting for one in found.addresses) and not any(one.problem for one in found.routes)


def test_everything_moves_in_one_step_and_back(host):
    before, other = picture("nic0"), picture("other0")
    index, found = held(host, "nic0")
    target = read.link(host, "br0").index
    assert len(before) > 10
    master = (netlink.RTM_SETLINK, 0, netlink.link_message(index=index) + netlink.attribute(netlink.IFLA_MASTER, netlink.pack(target, 4)))
    messages = moving.transfer(found, index, target, "br0", [master])
    assert [number for message, number in zip(messages, host.batch(messages)) if moving.is_failure(message[0], number)] == []
    assert picture("br0") == before
    assert picture("nic0") == []
    messages = moving.transfer(found, target, index, "nic0", [])
    assert [number for message, number in zip(messages, host.batch(messages)) if moving.is_failure(message[0], number)] == []
    assert picture("nic0") == before
    assert picture("br0") == []
    assert picture("other0") == other


def test_a_link_without_anything_holds_nothing(host):
    assert not held(host, "wire0")[1]
    assert held(host, "nic0")[1]


@each("words, says", [
    (("address", "add", "192.0.2.77/24", "dev", "nic0", "valid_lft", "600", "preferred_lft", "600"), "192.0.2.77/24"),
    (("address", "add", "2001:db8::77/64", "dev", "nic0", "valid_lft", "600", "preferred_lft", "600", "nodad"), "2001:db8::77/64"),
])
def test_addresses_that_run_out_are_told(host, words, says):
    ip(*words)
    assert [one.text for one in held(host, "nic0")[1].addresses if not one.lasting][-1] == says
    ip("address", "del", says, "dev", "nic0")


@each("words, problem", [
    (("-6", "route", "add", "2001:db8:7::/48", "dev", "nic0", "proto", "ra"), "comes from a router's advertisements and runs out"),
    (("-6", "route", "add", "2001:db8:8::/48", "dev", "nic0", "expires", "600"), "comes from a router's advertisements and runs out"),
])
def test_routes_that_cannot_move_say_why(host, words, problem):
    ip(*words)
    assert [one.problem for one in held(host, "nic0")[1].routes if one.problem] == [problem]
    ip(*words[:2], "del", words[3], "dev", "nic0")


@each("address, link", [("192.0.2.99", "nic0"), ("203.0.113.7", "other0"), ("8.8.8.8", "nic0"), ("2001:db8::77", "nic0"), ("127.0.0.1", "lo"),
                        ("10.5.0.1", None)])
def test_the_link_to_an_address(host, address, link):
    assert moving.link_to(host, address) == (read.link(host, link).index if link else 0)
