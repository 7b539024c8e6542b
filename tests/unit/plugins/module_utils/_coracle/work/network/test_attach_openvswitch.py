# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Containers on bridges of a real Open vSwitch, from nothing to nothing."""

from __future__ import annotations

import os
import signal
import subprocess

import pytest

from ansible_collections.coracle.launcher.plugins.module_utils._coracle.base.errors import LauncherError
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.kernel.net import netlink, netns, offload, ovs_tables, read
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.work.network import container as network
from ansible_collections.coracle.launcher.tests.unit import switch_daemons

WEB = [{"bridge": "br0", "bridge_type": "openvswitch", "addresses": ["192.0.2.5/24"], "gateway": "192.0.2.1"}]
END = network.host_interface("web", "eth0")


@pytest.fixture
def switch(own_network):
    pytest.importorskip("pyroute2")
    with switch_daemons.running_switch() as running:
        yield running


def plan(networks, container="web"):
    return network.container_plan(container, networks, network.container_have(container, container, networks))


def options(networks):
    return [change.option.partition(".")[2] or change.option for change in plan(networks)]


def changed(**values):
    return [{**WEB[0], **values}]


def rows():
    return {name: (row.bridge, row.tag, row.trunks, row.protected, row.mark) for name, row in ovs_tables.read().ports.items()}


def links():
    with netlink.Socket() as route:
        return sorted((link.name, link.kind, link.up, link.master, link.alias) for link in read.links(route))


def checksums_are_offloaded(container="web"):
    fd = netns.open_namespace(netns.path(container))
    try:
        with netns.inside(fd):
            return offload.is_on("eth0")
    finally:
        os.close(fd)


def ip(*words):
    subprocess.run(["ip", *words], check=True)


def test_a_container_is_connected_and_disconnected_and_leaves_no_trace(switch):
    ports, before = rows(), links()
    assert network.attach("web", WEB) == [END]
    assert rows()[END] == ("br0", None, [], False, "coracle:web:eth0")
    assert ovs_tables.read().bridges["br0"].mark == "coracle:bridge"
    assert not checksums_are_offloaded()
    assert plan(WEB) == []
    assert plan(changed(bridge_type="auto")) == []  # it is found out
    network.detach("web", [END])
    assert network.remove_unused_bridges(["br0"]) == ["br0"]
    assert rows() == ports
    assert [link for link in links() if link[0] != "ovs-netdev"] == before


def test_the_second_time_nothing_is_changed(switch):
    network.attach("web", changed(vlan=10, isolated=True))
    before = rows(), links()
    next_cfg = switch.vsctl("get", "Open_vSwitch", ".", "next_cfg")
    network.attach("web", changed(vlan=10, isolated=True))
    assert (rows(), links()) == before
    assert switch.vsctl("get", "Open_vSwitch", ".", "next_cfg") == next_cfg  # no transaction at all


def test_each_option_of_the_port(switch):
    network.attach("web", WEB)
    index = read.link(netlink.Socket(), END).index
    for values, differ, row in (
        ({"vlan": 10}, ["vlan"], (10, [], False)),
        ({"vlan": 10, "trunks": ["20-22"]}, ["trunks"], (10, [20, 21, 22], False)),
        ({"trunks": ["5"]}, ["vlan", "trunks"], (None, [5], False)),
        ({"vlan": 0}, ["trunks"], (None, [], False)),
        ({"isolated": True}, ["isolated"], (None, [], True)),
        ({"isolated": False}, ["isolated"], (None, [], False)),
    ):
        assert options(changed(**values)) == differ
        network.attach("web", changed(**values))
        assert rows()[END][1:4] == row
        assert plan(changed(**values)) == []
    assert read.link(netlink.Socket(), END).index == index


def test_it_is_moved_between_bridges_of_both_kinds(switch):
    network.attach("web", WEB)
    index = read.link(netlink.Socket(), END).index
    for bridge, kind in (("br1", "openvswitch"), ("lin0", "linux"), ("lin1", "linux"), ("br0", "openvswitch")):
        want = changed(bridge=bridge, bridge_type=kind)
        assert options(want) == ["bridge"]
        network.attach("web", want)
        assert plan(want) == []
        link = read.link(netlink.Socket(), END)
        assert link.index == index
        if kind == "linux":
            assert END not in rows()
            assert read.link(netlink.Socket(), index=link.master).name == bridge
        else:
            assert rows()[END][0] == bridge
            assert not link.master


def test_what_fails_later_takes_all_back(switch):
    network.attach("web", changed(bridge="br1"))
    before = rows(), links()
    ip("netns", "exec", "web", "sysctl", "-qw", "net.ipv6.conf.eth0.disable_ipv6=1")
    with pytest.raises(LauncherError):  # an IPv6 address is refused there, long after the port was moved
        network.attach("web", changed(vlan=7, addresses=["192.0.2.5/24", "fd00::5/64"]))
    assert (rows(), links()) == before
    ip("netns", "exec", "web", "sysctl", "-qw", "net.ipv6.conf.eth0.disable_ipv6=0")
    network.attach("web", changed(vlan=7, addresses=["192.0.2.5/24", "fd00::5/64"]))  # the control
    assert rows()[END][:2] == ("br0", 7)


def test_the_switch_is_down(switch):
    network.attach("web", WEB)
    before = rows()
    switch.send("ovs-vswitchd", signal.SIGKILL)
    for call in (network.attach, lambda name, want: plan(want, name)):
        for name, want in (("web", changed(vlan=9)), ("new", WEB), ("new", changed(bridge="br7"))):
            with pytest.raises(LauncherError, match="ovs-vswitchd of Open vSwitch is not running"):
                call(name, want)
    assert rows() == before
    assert netns.names() == ["web"]
    network.attach("lin", changed(bridge="lin0", bridge_type="linux", addresses=["192.0.2.6/24"]))  # the control: what needs no switch
    network.detach("web", [END])
    assert END not in rows()


def test_a_hanging_switch(switch, monkeypatch):
    from ansible_collections.coracle.launcher.plugins.module_utils._coracle.kernel.net import openvswitch as driver

    network.attach("web", WEB)
    before = rows(), links()
    monkeypatch.setattr(driver.change, "__kwdefaults__", {"timeout": 1})
    switch.send("ovs-vswitchd", signal.SIGSTOP)
    with pytest.raises(LauncherError, match="did not answer"):
        network.attach("new", changed(addresses=["192.0.2.6/24"]))
    assert (rows(), links()) == before
    assert netns.names() == ["web"]
    network.detach("web", [END])  # a supervisor does not wait for it
    assert END not in rows()


def test_a_port_of_ours_that_somebody_moved_is_moved_back(switch):
    network.attach("web", WEB)
    switch.vsctl("add-br", "foreign", "--", "set", "Bridge", "foreign", "datapath_type=netdev")
    for by_hand in (["del-port", END], ["--", "del-port", END, "--", "add-port", "foreign", END]):
        switch.vsctl(*by_hand)
        assert options(WEB) == ["bridge"]
        network.attach("web", WEB)
        assert rows()[END] == ("br0", None, [], False, "coracle:web:eth0")
        assert plan(WEB) == []
    ip("link", "add", "lin0", "type", "bridge")
    switch.vsctl("del-port", END)
    ip("link", "set", END, "master", "lin0")
    assert options(WEB) == ["bridge"]
    network.attach("web", WEB)
    assert rows()[END][0] == "br0"


def test_a_port_of_others_is_refused_and_left_alone(switch):
    ip("link", "add", END, "type", "veth", "peer", "name", "theirs")
    switch.vsctl("add-br", "foreign", "--", "set", "Bridge", "foreign", "datapath_type=netdev", "--", "add-port", "foreign", END)
    before = rows(), links()
    with pytest.raises(LauncherError, match="a port of foreign and belongs to somebody else"):
        network.attach("web", WEB)
    assert (rows(), links()) == before


def test_a_port_that_waits_for_an_interface_of_others_is_refused(switch):
    switch.vsctl("add-br", "foreign", "--", "set", "Bridge", "foreign", "datapath_type=netdev")
    switch.vsctl("--no-wait", "add-port", "foreign", END)
    for want in (WEB, changed(bridge="lin0", bridge_type="linux")):
        with pytest.raises(LauncherError, match="is the name of a port that foreign waits for, which is not ours"):
            network.attach("web", want)
    switch.vsctl("set", "Port", END, 'external_ids:coracle="coracle:old:eth0"')  # the control: one that was left by us
    network.attach("web", WEB)
    assert rows()[END][0] == "br0"


def test_a_pair_that_vanished_is_made_anew_without_what_its_row_says(switch):
    network.attach("web", changed(vlan=10))
    ip("link", "delete", END)
    assert END in rows()
    network.attach("web", WEB)
    assert rows()[END] == ("br0", None, [], False, "coracle:web:eth0")
    assert not checksums_are_offloaded()
    network.detach("web", [END])
    network.attach("web", changed(bridge="lin0", bridge_type="linux"))
    assert END not in rows()


def test_checksums_that_somebody_offloads_again(switch):
    network.attach("web", WEB)
    fd = netns.open_namespace(netns.path("web"))
    with netns.inside(fd):
        offload.switch("eth0", True)
    os.close(fd)
    assert options(WEB) == ["bridge"]
    network.attach("web", WEB)
    assert not checksums_are_offloaded()
    assert plan(WEB) == []


def test_twenty_interfaces_are_one_transaction(switch):
    names = [{"bridge": "br0", "bridge_type": "openvswitch", "vlan": number + 1} for number in range(20)]
    network.attach("web", WEB)
    before = int(switch.vsctl("get", "Open_vSwitch", ".", "next_cfg"))
    network.attach("many", names)
    assert int(switch.vsctl("get", "Open_vSwitch", ".", "next_cfg")) == before + 1
    assert sorted(row[1] for row in rows().values() if row[1]) == list(range(1, 21))


def test_a_running_switch_is_not_asked_about_a_linux_bridge(switch, monkeypatch):
    lin = changed(bridge="lin0", bridge_type="auto")
    network.attach("web", lin)
    monkeypatch.setattr(os, "posix_spawn", None)
    assert plan(lin) == []
    network.attach("web", lin)
    network.detach("web", [END])
