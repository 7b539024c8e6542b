# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import signal

import pytest

from ansible_collections.coracle.launcher.plugins.module_utils._ansible.nic_spec import nic_options
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.base.errors import LauncherError
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.kernel.net import addressing, links, netlink, netns, pyroute, read
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.model.change import CREATE, LIVE, REMOVE
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.model.network import host_interface
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.work.network import module as veth

GIVEN = {"bridge": "br0", "netns": "web", "addresses": ["192.0.2.5/24"], "gateway": "192.0.2.1"}
HOST_END = host_interface("web", "eth0")
NONE = {"interface": None, "interfaces": [], "bridge": None, "bridges": []}


NOTHING = {**dict.fromkeys(nic_options()), "netns": None}


def want(interfaces=None, **options):
    items = None if interfaces is None else [{**NOTHING, **item} for item in interfaces]
    return {**NOTHING, "interfaces": items, "exclusive": False, "duplicate_address_detection": False, "rootfs": None, "dns_servers": None,
            "dns_search_domains": None, "dns_opts": None, "uplink": None, "uplink_move_addresses": False, "confirm_timeout": 30,
            "state": "present", **options}


def plan(**options):
    asked = want(**options)
    return [(change.option, change.action) for change in veth.plan(asked, veth.read(asked))]


def run(**options):
    """What run_module does: returns the changes and the result, after the module was found to have nothing to do a second time."""
    asked = want(**options)
    host = veth.read(asked)
    changes = veth.plan(asked, host)
    in_check_mode = veth.result(asked, host, changes, True)
    if changes:
        veth.apply(asked, host, changes)
    result = veth.result(asked, host, changes, False)
    again = veth.read(asked)
    assert veth.plan(asked, again) == []
    assert veth.result(asked, again, [], False) == veth.result(asked, again, [], True) == result
    assert changes or in_check_mode == result
    return [(change.option, change.action) for change in changes], result


@pytest.fixture
def host(own_network):
    pytest.importorskip("pyroute2")
    with netlink.Socket() as socket:
        yield socket


def test_a_namespace_is_connected_and_everything_removed_again(host):
    before = [link.name for link in read.links(host)]
    changes, result = run(**GIVEN)
    options = ("netns", "bridge", "host_interface", "interface_name", "addresses", "gateway")
    assert changes == [(option, CREATE) for option in options]
    mac = read.link(host, "br0").mac
    assert result["bridge"] == {
        "name": "br0", "type": "linux", "mac_address": mac, "mtu": 1500, "up": True, "managed": True, "ports": [HOST_END]}
    mac = result["interface"].pop("mac_address")
    assert mac.startswith("02:")
    assert result["interface"] == {
        "name": "eth0", "netns": "web", "host_interface": HOST_END, "bridge": "br0", "mtu": 1500, "up": True, "addresses": ["192.0.2.5/24"],
        "gateways": ["192.0.2.1"], "routes": [], "vlan": 0, "trunks": [], "isolated": False, "ingress_rate": "0", "egress_rate": "0",
        "unexpected": {"addresses": [], "routes": []}}
    assert result["interfaces"] == [result["interface"]]
    assert result["bridges"] == [result["bridge"]]
    changes, result = run(**GIVEN, state="absent")
    assert changes == [("host_interface", REMOVE), ("netns", REMOVE), ("bridge", REMOVE)]
    assert result == NONE
    assert [link.name for link in read.links(host)] == before
    assert netns.names() == []


def test_a_bridge_alone(host):
    assert run(bridge="br0")[0] == [("bridge", CREATE)]
    assert run(bridge="br0")[1]["interface"] is None
    host.change(netlink.RTM_SETLINK, netlink.link_message(index=read.link(host, "br0").index, up=False))
    assert run(bridge="br0")[0] == [("bridge", LIVE)]
    assert run(bridge="br0", state="absent") == ([("bridge", REMOVE)], NONE)


def test_each_option_alone_is_changed_alone(host):
    run(**GIVEN)
    for option, value in (
            ("addresses", ["192.0.2.6/24"]), ("gateway", "192.0.2.2"), ("mtu", 1400), ("mac_address", "02:00:00:00:00:05"), ("isolated", True),
            ("isolated", False), ("routes", [{"dest": "10.0.0.0/8", "gateway": "192.0.2.9", "metric": 7, "onlink": None}]), ("routes", []),
            ("ingress_rate", "10Mbit"), ("egress_rate", "1.5mbit"), ("ingress_rate", "0"), ("up", False), ("up", True)):
        assert run(bridge="br0", netns="web", **{option: value})[0] == [(option, LIVE)]
    assert run(bridge="br1", netns="web")[0] == [("bridge", CREATE)]
    assert run(bridge="br0", netns="web")[0] == [("bridge", LIVE)]


def test_interfaces_of_one_namespace_do_not_see_each_other(host):
    run(**GIVEN)
    assert ("netns", CREATE) not in run(bridge="br1", netns="web", interface_name="eth1", addresses=["198.51.100.5/24"])[0]
    assert run(bridge="br1", netns="web", interface_name="eth1", state="absent")[0] == [("host_interface", REMOVE), ("bridge", REMOVE)]
    assert run(**GIVEN, state="absent")[0] == [("host_interface", REMOVE), ("netns", REMOVE), ("bridge", REMOVE)]


@pytest.mark.parametrize("options, option", [
    ({"addresses": ["192.0.2.5/25"]}, "addresses"), ({"addresses": ["192.0.2.7/24"], "gateway": "192.0.2.2"}, "gateway"),
])
def test_what_another_interface_of_the_namespace_has_is_refused(host, options, option):
    run(**GIVEN)
    with pytest.raises(LauncherError) as caught:
        plan(bridge="br0", netns="web", interface_name="eth1", **options)
    assert caught.value.option == option


def test_a_gateway_alone_must_fit_the_addresses_that_are_there(host):
    run(bridge="br0", netns="web", addresses=["192.0.2.5/24"])
    with pytest.raises(LauncherError, match="in no network of this interface"):
        plan(bridge="br0", netns="web", gateway="198.51.100.1")
    assert run(bridge="br0", netns="web", gateway="192.0.2.1")[0] == [("gateway", LIVE)]


def test_an_mtu_alone_must_fit_the_addresses_that_are_there(host):
    run(bridge="br0", netns="web", addresses=["fd00::5/64"])
    with pytest.raises(LauncherError, match="that IPv6 needs"):
        plan(bridge="br0", netns="web", mtu=1000)


def test_a_namespace_of_others_is_used_and_stays(host):
    netns.create("web", "made by hand")
    assert ("netns", CREATE) not in run(**GIVEN)[0]
    assert run(**GIVEN, state="absent")[0] == [("host_interface", REMOVE), ("bridge", REMOVE)]
    assert netns.names() == ["web"]


@pytest.fixture
def process_with_a_namespace(host):
    """A child in a namespace that has no name."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            netns.libc.unshare(netns.libc.CLONE_NEWNET)
            os.write(writer, b".")
            signal.pause()
        finally:
            os._exit(1)
    os.read(reader, 1)
    yield pid
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    os.close(reader)
    os.close(writer)


def test_a_namespace_by_pid_and_by_path(process_with_a_namespace, host):
    pid = str(process_with_a_namespace)
    options = {**GIVEN, "netns": pid, "host_interface": "job"}
    assert run(**options)[0][0] == ("bridge", CREATE)
    assert plan(**{**options, "netns": f"/proc/{pid}/ns/net"}) == []
    assert run(**options, state="absent")[0] == [("host_interface", REMOVE), ("bridge", REMOVE)]


def test_what_a_process_left_behind_is_absent_when_it_is_gone(host):
    assert plan(**{**GIVEN, "netns": "999999999", "host_interface": "job"}, state="absent") == []


@pytest.mark.parametrize("options, option", [
    ({"bridge": "--"}, "bridge"), ({"bridge": "x;reboot"}, "bridge"), ({"bridge": "sixteen-bytes-xx"}, "bridge"),
    ({"bridge": "br\u00fc"}, "bridge"),
    ({"bridge": "lo"}, "bridge"), ({"bridge": "plain"}, "bridge"), ({"bridge": "theirs", "bridge_type": "openvswitch"}, "bridge"),
    ({"routes": [{"dest": "10.0.0.0/33"}]}, "routes[0].dest"), ({"vlan": 4095}, "vlan"), ({"trunks": ["20-"]}, "trunks"),
    ({"ingress_rate": "fast"}, "ingress_rate"), ({"metric": -1}, "metric"),
    ({"netns": "../x"}, "netns"), ({"netns": "-x"}, "netns"), ({"netns": "/nowhere", "host_interface": "job"}, "netns"),
    ({"netns": "999999999", "host_interface": "job"}, "netns"), ({"netns": "/proc/self/ns/net", "host_interface": "job"}, "netns"),
    ({"netns": "/proc/self/ns/mnt", "host_interface": "job"}, "netns"), ({"netns": "4711"}, "host_interface"),
    ({"netns": None}, "addresses"), ({"host_interface": "plain"}, "host_interface"), ({"host_interface": "port"}, "host_interface"),
    ({"host_interface": "br0"}, "host_interface"), ({"interface_name": "lo"}, "interface_name"),
    ({"interface_name": "a b"}, "interface_name"),
    ({"addresses": ["10.0.0.1/33"]}, "addresses"), ({"addresses": ["192.0.2.5/24", "192.0.2.5/24"]}, "addresses"),
    ({"addresses": ["203.0.113.1/24"], "gateway": None}, "addresses"), ({"gateway": "198.51.100.1"}, "gateway"), ({"mtu": 67}, "mtu"),
    ({"mac_address": "ff:ff:ff:ff:ff:ff"}, "mac_address"),
])
def test_bad_input_is_one_error_that_names_its_option_and_changes_nothing(host, options, option):
    control = links.host()
    somebody = pyroute.Route()
    somebody.link("add", ifname="plain", kind="veth", peer={"ifname": "port"})
    somebody.close()
    control.add_bridge("theirs")
    host.change(netlink.RTM_SETLINK, netlink.link_message(index=read.link(host, "port").index, master=read.link(host, "theirs").index))
    assert host.batch([addressing.add_address(read.link(host, "plain").index, "203.0.113.1/24", protocol=0)]) == [0]
    before = [(link.name, link.master, link.up, link.alias) for link in read.links(host)]
    with pytest.raises(LauncherError) as caught:
        plan(**{**GIVEN, **options})
    assert caught.value.option == option
    assert caught.value.remedy
    assert [(link.name, link.master, link.up, link.alias) for link in read.links(host)] == before
    assert netns.names() == []
    assert plan(**GIVEN)  # the control


def test_absent_does_not_touch_an_interface_of_others(host):
    somebody = pyroute.Route()
    somebody.link("add", ifname=HOST_END, kind="veth", peer={"ifname": "port"})
    somebody.close()
    with pytest.raises(LauncherError, match="exists already and belongs to somebody else"):
        plan(**GIVEN, state="absent")


FOUR = [{"netns": "a", "addresses": ["192.0.2.1/24"], "gateway": "192.0.2.9"}, {"netns": "b", "addresses": ["192.0.2.2/24"], "isolated": True},
        {"netns": "a", "bridge": "br1", "addresses": ["198.51.100.1/24"]}, {"netns": "c", "egress_rate": "1Mbit"}]


def picture(host):
    return [(link.name, link.kind, link.up, link.mac, link.master, link.alias) for link in read.links(host)], netns.names()


def test_many_interfaces_in_one_call(host):
    before = picture(host)
    changes, result = run(bridge="br0", interfaces=FOUR)
    assert [option for option, _action in changes if option.endswith("netns")] == [
        "interfaces[0].netns", "interfaces[1].netns", "interfaces[3].netns"]
    assert [(one["netns"], one["name"], one["bridge"]) for one in result["interfaces"]] == [
        ("a", "eth0", "br0"), ("b", "eth0", "br0"), ("a", "eth1", "br1"), ("c", "eth0", "br0")]
    assert [bridge["name"] for bridge in result["bridges"]] == ["br0", "br1"]
    assert run(bridge="br0", netns="b", isolated=False)[0] == [("isolated", LIVE)]
    assert run(bridge="br0", interfaces=FOUR)[0] == [("interfaces[1].isolated", LIVE)]
    changes, result = run(bridge="br0", interfaces=[{"netns": "a"}, {"netns": "b"}], state="absent")
    assert changes == [("interfaces[0].host_interface", REMOVE), ("interfaces[1].host_interface", REMOVE), ("interfaces[1].netns", REMOVE)]
    changes, result = run(bridge="br0", interfaces=FOUR, state="absent")
    assert changes == [("interfaces[2].host_interface", REMOVE), ("interfaces[0].netns", REMOVE), ("interfaces[3].host_interface", REMOVE),
                       ("interfaces[3].netns", REMOVE), ("bridge", REMOVE), ("interfaces[2].bridge", REMOVE)]
    assert result == NONE
    assert picture(host) == before


def test_when_the_last_interface_fails_all_is_as_before(host):
    run(bridge="br0", netns="b", addresses=["192.0.2.7/24"], mtu=1400)
    before = picture(host)
    asked = want(bridge="br0", interfaces=FOUR)
    found = veth.read(asked)
    changes = veth.plan(asked, found)
    netns.create("c", "by somebody else, meanwhile")
    fd = netns.open_namespace("c")
    try:
        with netns.inside(fd):
            somebody = pyroute.Route()
        somebody.link("add", ifname="eth0", kind="veth", peer={"ifname": "other"})
        somebody.close()
        with pytest.raises(LauncherError):
            veth.apply(asked, found, changes)
    finally:
        os.close(fd)
    netns.delete("c")
    assert picture(host) == before
    assert run(bridge="br0", netns="b", addresses=["192.0.2.7/24"], mtu=1400)[0] == []


def test_one_namespace_by_two_names_is_refused(host):
    netns.create("a", "made by hand")
    with pytest.raises(LauncherError) as caught:
        plan(bridge="br0", interfaces=[{"netns": "a"}, {"netns": "/var/../run/../proc/self/root/run/netns/a", "host_interface": "port7"}])
    assert caught.value.option == "interfaces[1].netns"


def by_hand(name, message):
    fd = netns.open_namespace(name)
    try:
        with netns.inside(fd), netlink.Socket() as socket:
            assert socket.batch([message(read.link(socket, "eth0").index)]) == [0]
    finally:
        os.close(fd)


def test_what_was_added_by_hand_is_reported_and_removed_if_asked(host):
    run(**GIVEN)
    by_hand("web", lambda index: addressing.add_route(index, "10.0.0.0/8", "192.0.2.77", 0, False, protocol=4))
    changes, result = run(**GIVEN, routes=[])
    assert changes == []
    assert result["interface"]["unexpected"] == {"addresses": [], "routes": [{"dest": "10.0.0.0/8", "gateway": "192.0.2.77"}]}
    (warning,) = result["warnings"]
    assert "10.0.0.0/8 via 192.0.2.77" in warning
    changes, result = run(**GIVEN, routes=[], exclusive=True)
    assert changes == [("routes", LIVE)]
    assert "warnings" not in result


def test_name_servers_are_written_with_the_pair(host, tmp_path):
    (tmp_path / "etc").mkdir()
    names = {"rootfs": str(tmp_path), "dns_servers": ["192.0.2.53"], "dns_search_domains": ["example.com"]}
    assert [option for option, _action in run(**GIVEN, **names)[0]][-2:] == ["dns_servers", "dns_search_domains"]
    assert (tmp_path / "etc" / "resolv.conf").read_text() == "nameserver 192.0.2.53\nsearch example.com\n"
    assert run(**GIVEN, **{**names, "dns_servers": ["192.0.2.54"]})[0] == [("dns_servers", LIVE)]
