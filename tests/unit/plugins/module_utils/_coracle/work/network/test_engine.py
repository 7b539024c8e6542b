# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every option of an interface, made, changed on the live pair and compared, on a Linux bridge in a namespace of the test's own."""

from __future__ import annotations

import os

import pytest

from ansible_collections.coracle.launcher.plugins.module_utils._coracle.base.errors import LauncherError
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.kernel.net import (
    addressing,
    bridging,
    netlink,
    netns,
    pyroute,
    read,
    shaping,
)
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.model import network as model
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.model.change import CREATE, LIVE
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.work.network import bridges, linux, nics, planning, switch, wire

BASE = {"bridge": "br0", "addresses": ["192.0.2.5/24", "fd00::5/64"], "gateway": "192.0.2.1"}


class Space:
    """The namespace web and how it is brought to what is asked."""

    def __init__(self):
        netns.create("web")
        self.fd = netns.open_namespace("web")

    def observe(self, *networks):
        wanted = model.nics("web", list(networks))
        return wanted, nics.observe(wanted, self.fd)

    def plan(self, *networks, exclusive=False):
        return [(change.option, change.action) for change in planning.plan(*self.observe(*networks), exclusive)]

    def make(self, *networks, **options):
        """Return what differed; afterwards nothing does."""
        wanted, have = self.observe(*networks)
        changes = planning.plan(wanted, have, options.get("exclusive", False))
        with wire.Transaction(**options) as work:
            work.connect([(wanted, have, self.fd)])
        assert self.plan(*networks, exclusive=options.get("exclusive", False)) == []
        return [(change.option.partition(".")[2], change.before, change.after) for change in changes]

    def inside(self):
        return nics.look_inside(self.fd)

    def by_hand(self, *messages):
        with netns.inside(self.fd):
            socket = netlink.Socket()
        with socket:
            assert not any(socket.batch(messages))

    @property
    def index(self):
        return self.inside().links["eth0"].index

    def routes(self):
        return sorted((route.dest, route.gateway, route.metric, route.onlink) for route in self.inside().routes)


@pytest.fixture
def web(own_network):
    pytest.importorskip("pyroute2")
    space = Space()
    yield space
    os.close(space.fd)


def outer():
    with netlink.Socket() as socket:
        return read.link(socket, model.host_interface("web", "eth0"))


ROUTE = {"dest": "10.0.0.0/8", "gateway": "192.0.2.2"}


@pytest.mark.parametrize("given, expected", [
    ({"gateway": ""}, [("gateway", "192.0.2.1", None)]),
    ({"gateway": "192.0.2.2"}, [("gateway", "192.0.2.1", "192.0.2.2")]),
    ({"gateway": "fd00::1"}, [("gateway", None, "fd00::1")]),
    ({"metric": 50}, [("metric", 0, 50)]),
    ({"gateway_onlink": True}, [("gateway_onlink", False, True)]),
    ({"gateway": "203.0.113.1", "gateway_onlink": True}, [("gateway", "192.0.2.1", "203.0.113.1")]),
    ({"routes": [ROUTE]}, [("routes", [], ["10.0.0.0/8 via 192.0.2.2"])]),
    ({"routes": [ROUTE, {"dest": "fd01::/32", "gateway": "fe80::1", "metric": 7}, {"dest": "198.51.100.0/24"}]},
     [("routes", [], ["10.0.0.0/8 via 192.0.2.2", "fd01::/32 via fe80::1 metric 7", "198.51.100.0/24"])]),
    ({"routes": [{"dest": "203.0.113.1"}, {"dest": "10.0.0.0/8", "gateway": "203.0.113.1"}]},
     [("routes", [], ["203.0.113.1/32", "10.0.0.0/8 via 203.0.113.1"])]),
    ({"routes": [{"dest": "default", "gateway": "fd00::1"}]}, [("routes", [], ["::/0 via fd00::1"])]),
    ({"isolated": True}, [("isolated", False, True)]),
    ({"ingress_rate": "8Mbit"}, [("ingress_rate", "0", "8Mbit")]),
    ({"egress_rate": "8Mbit"}, [("egress_rate", "0", "8Mbit")]),
    ({"up": False}, [("up", True, False)]),
    ({"vlan": 0, "trunks": [], "isolated": False, "ingress_rate": "0", "egress_rate": "0", "routes": []}, []),  # as containers say it
])
def test_each_option_is_changed_in_place_and_back(web, given, expected):
    web.make(BASE)
    index, inner, mac = outer().index, web.index, web.inside().links["eth0"].mac
    found = web.make({**BASE, **given})
    assert found == expected
    back = {"routes": [], "metric": None, "gateway_onlink": False, "isolated": False, "ingress_rate": "0", "egress_rate": "0", "up": True}
    web.make({**BASE, **back})
    assert (outer().index, web.index, web.inside().links["eth0"].mac) == (index, inner, mac)
    assert web.routes() == [("0.0.0.0/0", "192.0.2.1", 0, False)]
    assert not bridging.is_isolated(outer())


def test_a_new_pair_has_everything_that_is_asked(web):
    wanted = {**BASE, "metric": 5, "routes": [ROUTE], "isolated": True, "ingress_rate": "8Mbit", "egress_rate": "4Mbit", "mtu": 1400, "up": True}
    assert [option for option, _before, _after in web.make(wanted)] == [
        "bridge", "host_interface", "interface_name", "addresses", "gateway", "metric", "mtu", "isolated", "routes", "ingress_rate", "egress_rate"]
    with netlink.Socket() as socket:
        limits = shaping.read(socket)
    assert (limits[outer().index].rate, web.inside().limits[web.index].rate) == (1_000_000, 500_000)
    assert bridging.is_isolated(outer())
    assert web.routes() == [("0.0.0.0/0", "192.0.2.1", 5, False), ("10.0.0.0/8", "192.0.2.2", 0, False)]


def test_the_cable_is_pulled_at_the_host_end_and_nothing_is_lost_inside(web):
    web.make({**BASE, "routes": [ROUTE]})
    before = web.routes(), web.inside().owners
    web.make({**BASE, "routes": [ROUTE], "up": False})
    assert not outer().up
    assert web.inside().links["eth0"].up
    assert (web.routes(), web.inside().owners) == before


def test_mac_addresses_are_stable_and_never_compared_unless_asked(web):
    web.make(BASE)
    mac = web.inside().links["eth0"].mac
    assert mac.startswith("02:")
    with netlink.Socket() as socket:
        socket.change(netlink.RTM_DELLINK, netlink.link_message(index=outer().index))
    web.make(BASE)
    assert web.inside().links["eth0"].mac == mac
    web.by_hand((netlink.RTM_SETLINK, 0, netlink.link_message(index=web.index, mac="02:00:00:00:00:01")))
    assert web.plan(BASE) == []


# --- what others added


def add_by_hand(web):
    web.by_hand(addressing.add_address(web.index, "192.0.2.77/24", protocol=0),
                addressing.add_route(web.index, "10.9.0.0/16", "192.0.2.9", 0, False, protocol=4),
                addressing.add_route(web.index, "0.0.0.0/0", "192.0.2.9", 900, False, protocol=3))


def test_what_was_added_by_hand_is_reported_and_stays(web):
    wanted = {**BASE, "routes": [ROUTE]}
    web.make(wanted)
    before = web.inside().owners, web.routes()
    add_by_hand(web)
    assert web.plan(wanted) == []
    (nic,), have = web.observe(wanted)
    expected = {"addresses": ["192.0.2.77/24"],
                "routes": [{"dest": "0.0.0.0/0", "gateway": "192.0.2.9", "metric": 900}, {"dest": "10.9.0.0/16", "gateway": "192.0.2.9"}]}
    told = planning.unexpected(nic, have)
    assert {**told, "routes": sorted(told["routes"], key=lambda route: route["dest"])} == expected
    web.make({**wanted, "addresses": ["192.0.2.6/24", "fd00::5/64"]})  # another change leaves them
    assert "192.0.2.77/24" in web.inside().addresses[web.index]
    assert ("10.9.0.0/16", "192.0.2.9", 0, False) in web.routes()
    assert web.plan(wanted, exclusive=True) == [("networks[0].addresses", LIVE), ("networks[0].gateway", LIVE), ("networks[0].routes", LIVE)]
    web.make(wanted, exclusive=True)
    assert (web.inside().owners, web.routes()) == before


def test_what_we_put_and_nobody_asks_for_any_more_goes(web):
    web.make({**BASE, "addresses": ["192.0.2.5/24", "192.0.2.6/24", "fd00::6/64"], "routes": [ROUTE]})
    assert [option for option, _before, _after in web.make({**BASE, "routes": []})] == ["addresses", "routes"]
    assert web.routes() == [("0.0.0.0/0", "192.0.2.1", 0, False)]


def test_what_is_not_asked_about_is_neither_removed_nor_reported(web):
    web.make({**BASE, "routes": [ROUTE]})
    add_by_hand(web)
    (nic,), have = web.observe({"bridge": "br0"})
    assert planning.unexpected(nic, have) == {"addresses": [], "routes": []}
    assert web.plan({"bridge": "br0"}, exclusive=True) == []


def test_on_a_kernel_that_does_not_tell_who_added_an_address_all_are_ours(web, monkeypatch):
    monkeypatch.setattr(nics, "_TELLS_OWNERS", (99, 0))
    monkeypatch.setattr(read, "_IFA_PROTO", 999)
    web.make(BASE)
    web.by_hand(addressing.add_address(web.index, "192.0.2.77/24", protocol=0))
    assert web.plan(BASE) == [("networks[0].addresses", LIVE)]
    web.make(BASE)
    assert set(web.inside().addresses[web.index]) == set(BASE["addresses"])


def test_a_route_that_stands_where_ours_must_is_replaced(web):
    web.make(BASE)
    web.by_hand(addressing.remove_route(web.index, "0.0.0.0/0", "192.0.2.1", 0),
                addressing.add_route(web.index, "0.0.0.0/0", "192.0.2.9", 0, False, protocol=4))
    assert web.make(BASE) == [("gateway", "192.0.2.9", "192.0.2.1")]


def test_a_queueing_discipline_of_somebody_else_is_refused_and_not_asked_left_alone(web, monkeypatch):
    web.make(BASE)
    real = shaping.read
    monkeypatch.setattr(nics, "NO_LIMIT", frozenset())
    monkeypatch.setattr(shaping, "read", lambda route: {**real(route), outer().index: shaping.Shaper("htb", False, 0)})
    assert web.plan(BASE) == web.plan({**BASE, "ingress_rate": "0"}) == []
    with pytest.raises(LauncherError, match="has the queueing discipline htb, which is not ours"):
        web.plan({**BASE, "ingress_rate": "8Mbit"})


# --- bridges


def test_a_port_in_another_bridge_is_moved_with_what_is_asked(web):
    web.make(BASE)
    assert web.make({**BASE, "bridge": "br1", "isolated": True}) == [("bridge", None, "br1"), ("isolated", False, True)]
    with netlink.Socket() as socket:
        assert outer().master == read.link(socket, "br1").index
    assert bridging.is_isolated(outer())
    assert outer().up


@pytest.mark.parametrize("asked", [{"vlan": 10}, {"trunks": ["20-29"]}])
def test_vlans_on_a_kernel_without_filtering_are_one_clear_error_and_nothing_is_changed(web, monkeypatch, asked):
    monkeypatch.setattr(bridging, "default_vlan", lambda _bridge: None)
    for make_first in (False, True):
        if make_first:
            web.make(BASE)
        with netlink.Socket() as socket:
            before = [link.name for link in read.links(socket)]
            with pytest.raises(LauncherError, match="CONFIG_BRIDGE_VLAN_FILTERING") as caught:
                web.make({**BASE, **asked})
            assert caught.value.option == f"networks[0].{next(iter(asked))}"
            assert [link.name for link in read.links(socket)] == before


def test_a_bridge_of_somebody_else_is_not_made_to_filter(web, monkeypatch):
    monkeypatch.setattr(bridging, "default_vlan", lambda _bridge: 1)
    with netlink.Socket() as socket:
        linux.make(bridges.Undo(), "br0")
        socket.change(netlink.RTM_SETLINK, netlink.link_message(name="br0", alias="somebody's"))
    with pytest.raises(LauncherError, match="does not filter VLANs and is not ours") as caught:
        web.plan({**BASE, "vlan": 10})
    assert "vlan_filtering 1" in caught.value.remedy
    assert ("networks[0].bridge", CREATE) in web.plan(BASE)  # the control


def test_the_kind_of_a_bridge_is_found_out_and_a_wrong_one_refused(web):
    web.make(BASE)
    with netlink.Socket() as socket:
        assert switch.find(bridges.View(socket), "br0", "linux").kind == "linux"
        with pytest.raises(LauncherError, match="is a Linux bridge"):
            switch.find(bridges.View(socket), "br0", "openvswitch")
        with pytest.raises(LauncherError, match="is a plain interface"):
            switch.find(bridges.View(socket), "lo")
        with pytest.raises(LauncherError, match="is a veth interface"):
            switch.find(bridges.View(socket), outer().name)
        assert switch.known(bridges.View(socket), "lo") is None
        assert switch.port_names(bridges.View(socket), switch.find(bridges.View(socket), "br0")) == [outer().name]


def test_a_bridge_is_unused_when_only_named_ports_are_left(web):
    web.make(BASE)
    with netlink.Socket() as socket:
        for without, expected in (((), []), ((outer().name,), ["br0"])):
            assert [bridge.name for bridge in wire.unused_bridges(bridges.View(socket), ["br0", "nosuch", "lo"], without)] == expected
    assert wire.remove_unused_bridges(["br0"]) == []


# --- transactions


def test_what_the_caller_adds_is_undone_together_with_the_rest(web):
    undone = []
    with netlink.Socket() as socket:
        before = [link.name for link in read.links(socket)]
        wanted, have = web.observe(BASE)
        with pytest.raises(RuntimeError), wire.Transaction() as work:
            work.connect([(wanted, have, web.fd)])
            work.undo.add(undone.append, outer().name)  # the pair is still there then
            raise RuntimeError
        assert undone == [model.host_interface("web", "eth0")]
        assert [link.name for link in read.links(socket)] == before


def test_several_namespaces_are_one_transaction(web):
    other = model.nics("db", [{"bridge": "br0", "addresses": ["192.0.2.9/24"], "gateway": "192.0.2.1"}])
    netns.create("db")
    fd = netns.open_namespace("db")
    wanted, have = web.observe(BASE)
    with wire.Transaction() as work:
        work.connect([(wanted, have, web.fd), (other, nics.observe(other, fd), fd)])
    assert planning.plan(other, nics.observe(other, fd)) == []
    assert web.plan(BASE) == []
    os.close(fd)


def test_an_address_that_another_machine_has_is_named_with_its_owner_and_all_is_as_before(web, monkeypatch):
    from ansible_collections.coracle.launcher.plugins.module_utils._coracle.kernel.net import probe

    monkeypatch.setattr(probe.conflict, "__defaults__", (0.05, 0.2))
    netns.create("db")
    fd = netns.open_namespace("db")
    other = model.nics("db", [{"bridge": "br0", "addresses": ["192.0.2.9/24", "fd00::9/64"], "mac_address": "02:00:00:00:00:99"}])
    with wire.Transaction() as work:
        work.connect([(other, nics.observe(other, fd), fd)])
    os.close(fd)
    with netlink.Socket() as socket:
        before = [link.name for link in read.links(socket)]
        for taken in ("192.0.2.9/24", "fd00::9/64"):
            wanted = {**BASE, "addresses": ["192.0.2.5/24", taken]}
            with pytest.raises(LauncherError, match="is in use by the machine with the MAC address 02:00:00:00:00:99 on br0") as caught:
                web.make(wanted, detect_duplicates=True)
            assert (caught.value.option, caught.value.value) == ("networks[0].addresses", taken.partition("/")[0])
            assert [link.name for link in read.links(socket)] == before
    web.make(BASE, detect_duplicates=True)  # the control: free ones are taken
    assert set(web.inside().addresses[web.index]) == set(BASE["addresses"])


def test_a_pair_is_made_with_its_cable_pulled(web):
    web.make({**BASE, "routes": [ROUTE, {"dest": "fd01::/32", "gateway": "fd00::1"}], "up": False}, detect_duplicates=True)
    assert not outer().up
    assert len(web.routes()) == 3
    web.make({**BASE, "up": True})
    assert outer().up
    assert len(web.routes()) == 3


def test_twenty_interfaces_are_read_at_once_and_changed_in_batches(web, monkeypatch):
    """What is done once for all must not be done for each: the reading of the namespace, and the steps of each kind."""
    networks = [{"bridge": "br0", "interface_name": f"e{number}", "addresses": [f"10.{number}.0.5/24", f"fd00:{number}::5/64"],
                 "routes": [{"dest": f"10.200.{number}.0/24", "gateway": f"10.{number}.0.1"}], "isolated": True} for number in range(20)]
    counts = {"dump": 0, "batch": 0}
    for name in counts:
        real = getattr(netlink.Socket, name)

        def counted(self, *words, name=name, real=real):
            counts[name] += 1
            return real(self, *words)

        monkeypatch.setattr(netlink.Socket, name, counted)
    wanted, have = web.observe(*networks)
    assert counts == {"dump": 3, "batch": 0}  # links, addresses, routes
    with wire.Transaction() as work:
        work.connect([(wanted, have, web.fd)])
    assert counts["dump"] == 3
    assert counts["batch"] <= 10
    assert web.plan(*networks) == []


@pytest.fixture
def neighbour(web):
    """An interface of somebody else in the same namespace, with a default route and another one."""
    with netns.inside(web.fd):
        route = pyroute.Route()
    route.link("add", ifname="lan", kind="veth", peer={"ifname": "far"})
    route.close()
    index = web.inside().links["lan"].index
    web.by_hand((netlink.RTM_SETLINK, 0, netlink.link_message(name="lan", up=True)), addressing.add_address(index, "198.51.100.5/24", protocol=0),
                addressing.add_route(index, "0.0.0.0/0", "198.51.100.1", 0, False, protocol=4),
                addressing.add_route(index, "10.0.0.0/8", "198.51.100.1", 0, False, protocol=4))
    return web


@pytest.mark.parametrize("given, option, problem", [
    ({}, "gateway", "second default gateway; lan has 198.51.100.1 already"),
    ({"metric": 7, "routes": [ROUTE]}, "routes[0].dest", "is where lan leads already"),
    ({"gateway": "", "addresses": ["198.51.100.5/25"]}, "addresses", "is the address of lan in the same namespace"),
])
def test_what_an_interface_of_somebody_else_has_is_not_taken_from_it(neighbour, given, option, problem):
    before = neighbour.routes()
    with pytest.raises(LauncherError, match=problem) as caught:
        neighbour.plan({**BASE, **given})
    assert caught.value.option == f"networks[0].{option}"
    neighbour.make({**BASE, "metric": 7, "routes": [{**ROUTE, "metric": 7}]})  # the control: both can be, with other metrics
    assert len(neighbour.routes()) == len(before) + 2


def test_a_failure_takes_back_limits_isolation_routes_and_what_was_done_by_hand(web):
    have = {**BASE, "isolated": True, "ingress_rate": "8Mbit", "routes": [ROUTE]}
    web.make(have)
    add_by_hand(web)

    def picture():
        with netlink.Socket() as socket:
            limits = {index: shaper.rate for index, shaper in shaping.read(socket).items()}
        inside = web.inside()
        return (limits, bridging.is_isolated(outer()), outer().up, web.routes(), inside.owners,
                {index: limit.rate for index, limit in inside.limits.items()}, sorted(link.name for link in inside.links.values()))

    before = picture()
    change = {"bridge": "br1", "addresses": ["192.0.2.6/24"], "gateway": "", "isolated": False, "ingress_rate": "0", "egress_rate": "4Mbit",
              "routes": [{"dest": "10.0.0.0/8", "gateway": "192.0.2.3"}], "up": False, "mtu": 1400}
    wanted, seen = web.observe(change)
    with pytest.raises(RuntimeError), wire.Transaction(exclusive=True) as work:
        work.connect([(wanted, seen, web.fd)])
        assert picture() != before
        raise RuntimeError
    assert picture() == before
    assert web.plan(have) == []
