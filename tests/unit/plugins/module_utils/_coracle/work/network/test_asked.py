# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.coracle.launcher.plugins.module_utils._ansible.nic_spec import nic_options
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.base.errors import LauncherError
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.work.network import asked
from ansible_collections.coracle.launcher.tests.unit.each import each

NOTHING = {**dict.fromkeys(nic_options()), "netns": None}


def want(interfaces=None, **options):
    items = None if interfaces is None else [{**NOTHING, **item} for item in interfaces]
    return {**NOTHING, "interfaces": items, "exclusive": False, "duplicate_address_detection": False, "rootfs": None, "dns_servers": None,
            "dns_search_domains": None, "dns_opts": None, "uplink": None, "uplink_move_addresses": False, "confirm_timeout": 30,
            "state": "present", **options}


def test_every_option_of_an_interface_is_known_here():
    assert {*asked.INHERITED, *asked.OF_ONE} == {*nic_options(), "netns"}


def test_one_interface():
    found = asked.read_options(want(bridge="br0", netns="web"))
    ((group, nic),) = found.order
    assert (group.name, group.netns, group.place, group.where) == ("web", "web", "/run/netns/web", "")
    assert (nic.where, nic.interface_name, nic.bridge, nic.mark) == ("", "eth0", "br0", "coracle:web:eth0")
    assert found.bridges == {"br0": ("auto", "")}


def test_items_take_what_they_do_not_say_from_the_task():
    found = asked.read_options(want(bridge="br0", bridge_type="linux", netns="web", interfaces=[
        {}, {"bridge": "br1", "bridge_type": "openvswitch"}, {"netns": "mail"}, {"netns": "/run/netns/web", "interface_name": "lan"}]))
    assert [(group.name, nic.where, nic.interface_name, nic.bridge) for group, nic in found.order] == [
        ("web", "interfaces[0].", "eth0", "br0"), ("web", "interfaces[1].", "eth1", "br1"), ("mail", "interfaces[2].", "eth0", "br0"),
        ("web", "interfaces[3].", "lan", "br0")]
    assert [group.where for group in found.groups] == ["interfaces[0].", "interfaces[2]."]
    assert found.bridges == {"br0": ("linux", ""), "br1": ("openvswitch", "interfaces[1].")}


def test_a_namespace_without_a_name():
    found = asked.read_options(want(bridge="br0", netns="4711", interfaces=[{"host_interface": "one"}, {"host_interface": "two"}]))
    assert [(group.name, nic.interface_name, nic.mark) for group, nic in found.order] == [
        (None, "eth0", "coracle:@one:eth0"), (None, "eth1", "coracle:@two:eth1")]


def test_a_bridge_alone_and_nothing_at_all():
    assert asked.read_options(want(bridge="br0")).bridges == {"br0": ("auto", "")}
    assert asked.read_options(want(bridge="br0", interfaces=[])).bridges == {"br0": ("auto", "")}
    assert asked.read_options(want(interfaces=[])).bridges == {}
    assert list(asked.read_options(want(bridge="br0", interfaces=[{"netns": "web", "bridge": "br1"}])).bridges) == ["br1"]
    found = asked.read_options(want(bridge="br0", uplink="eth1", interfaces=[{"netns": "web", "bridge": "br1"}]))
    assert list(found.bridges) == ["br0", "br1"]


TWO = {"bridge": "br0", "interfaces": [{"netns": "a", "addresses": ["192.0.2.5/24"], "mac_address": "02:00:00:00:00:05"}, {"netns": "b"}]}


def second(**options):
    return {**TWO, "interfaces": [TWO["interfaces"][0], {"netns": "b", **options}]}


@each("options, option", [
    ({"bridge": "br0", "addresses": ["192.0.2.5/24"]}, "addresses"),
    ({"bridge": "br0", "vlan": 7}, "vlan"),
    ({"bridge": "br0", "up": False}, "up"),
    ({"bridge": "br0", "interfaces": [], "mtu": 1400}, "mtu"),
    ({"bridge": "br0", "interfaces": [], "interface_name": "eth0"}, "interface_name"),
    ({"interfaces": [{"netns": "a"}]}, "interfaces[0].bridge"),
    ({"bridge": "br0", "interfaces": [{}]}, "interfaces[0].netns"),
    ({"bridge": "br0", "interfaces": [{"netns": "../x"}]}, "interfaces[0].netns"),
    ({"bridge": "br0", "interfaces": [{"netns": "4711"}]}, "interfaces[0].host_interface"),
    ({"bridge": "br0", "netns": "4711"}, "host_interface"),
    ({"bridge": "--"}, "bridge"),
    (second(bridge="--db=tcp:x"), "interfaces[1].bridge"),
    (second(host_interface="br0"), "interfaces[1].host_interface"),
    (second(interface_name="lo"), "interfaces[1].interface_name"),
    (second(addresses=["192.0.2.5/25"]), "interfaces[1].addresses"),
    (second(mac_address="02:00:00:00:00:05"), "interfaces[1].mac_address"),
    (second(netns="a", interface_name="eth0"), "interfaces[1].interface_name"),
    ({"bridge": "br0", "interfaces": [{"netns": "a", "host_interface": "x"}, {"netns": "b", "host_interface": "x"}]}, "interfaces[1].host_interface"),
    ({"bridge": "br0", "bridge_type": "linux", "interfaces": [{"netns": "a"}, {"netns": "b", "bridge_type": "openvswitch"}]},
     "interfaces[1].bridge_type"),
    ({"bridge": "br0", "dns_servers": ["192.0.2.1"]}, "dns_servers"),
    ({"bridge": "br0", "dns_opts": []}, "dns_opts"),
    ({"bridge": "br0", "rootfs": "/srv"}, "rootfs"),
    ({"bridge": "br0", "rootfs": "/srv", "dns_servers": [], "state": "absent"}, "rootfs"),
    ({"bridge": "br0", "uplink_move_addresses": True}, "uplink_move_addresses"),
    ({"bridge": "br0", "confirm_timeout": 4}, "confirm_timeout"),
    ({"bridge": "br0", "confirm_timeout": 601}, "confirm_timeout"),
])
def test_what_cannot_be_is_refused_by_name(options, option):
    with pytest.raises(LauncherError) as caught:
        asked.read_options(want(**options))
    assert caught.value.option == option
    assert caught.value.remedy


def test_the_control():
    assert len(asked.read_options(want(**TWO)).order) == 2
    assert asked.read_options(want(**second(addresses=["192.0.2.5/24"], bridge="br1"))).order
    assert asked.read_options(want(**second(addresses=["192.0.2.5/24"], vlan=7))).order
    assert asked.read_options(want(bridge="br0", rootfs="/srv", dns_servers=[])).order == []
