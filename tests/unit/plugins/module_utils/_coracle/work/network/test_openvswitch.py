# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ports and bridges of a real Open vSwitch, and the exact words that it is given."""

from __future__ import annotations

import os
import signal
import subprocess

import pytest

from ansible_collections.coracle.launcher.plugins.module_utils._coracle.base.errors import LauncherError
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.kernel.net import netlink, ovs_tables, read
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.kernel.net import openvswitch as driver
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.work.network import bridges, openvswitch
from ansible_collections.coracle.launcher.tests.unit import switch_daemons
from ansible_collections.coracle.launcher.tests.unit.each import each

MARK = "coracle:web:eth0"
COLUMNS = ("bridge", "tag", "trunks", "vlan_mode", "protected", "mark", "error")


class Host:
    """A switch with the bridges br0 (ours) and foreign, and the veth vh0."""

    def __init__(self, switch):
        self.switch = switch
        self.undo = bridges.Undo()
        openvswitch.make(bridges.Undo(), "br0")
        switch.vsctl("add-br", "foreign", "--", "set", "Bridge", "foreign", "datapath_type=netdev")
        self.add_veth("vh0")

    @staticmethod
    def add_veth(name):
        subprocess.run(["ip", "link", "add", name, "type", "veth", "peer", "name", f"p-{name}"], check=True)

    def view(self):
        return bridges.View(netlink.Socket())

    def find(self, name):
        view = self.view()
        return openvswitch.find(view, name, read.link(view.route, name))

    def port(self, name="vh0"):
        return openvswitch.port(self.view(), name, None)

    def joining(self, name="vh0", bridge="br0", mark=MARK, vlans=None, isolated=None):
        link = read.link(netlink.Socket(), name)
        joining = bridges.Joining("", self.find(bridge), link, self.port(name), mark)
        joining.vlans, joining.isolated = vlans, isolated
        return joining

    def join(self, **values):
        openvswitch.join(self.undo, [self.joining(**values)])

    def rows(self):
        """All that the database has of ports, to compare."""
        return {name: tuple(getattr(row, column) for column in COLUMNS) for name, row in ovs_tables.read().ports.items()}


@pytest.fixture
def host(own_network):
    with switch_daemons.running_switch() as switch:
        yield Host(switch)


@pytest.fixture
def words(monkeypatch):
    """The words of each change, in order."""
    given = []
    real = driver._vsctl

    def record(command, timeout):
        if "list" not in command:
            given.append(list(command))
        return real(command, timeout)

    monkeypatch.setattr(driver, "_vsctl", record)
    return given


# --- bridges


def test_a_bridge_of_ours(host):
    bridge = host.find("br0")
    assert (bridge.kind, bridge.managed, bridge.up, bridge.datapath, bridge.filters) == ("openvswitch", True, True, "netdev", True)
    assert bridge.mac.startswith("02:63:")
    assert openvswitch.needs_checksums(bridge)
    with open("/proc/sys/net/ipv6/conf/br0/accept_ra", encoding="ascii") as setting:
        assert setting.read() == "0\n"


def test_its_address_stays_whatever_joins(host):
    before = host.find("br0").mac
    subprocess.run(["ip", "link", "set", "vh0", "address", "00:00:5e:00:53:01"], check=True)
    host.join()
    assert host.find("br0").mac == before


def test_bridges_of_others_and_none(host):
    assert not host.find("foreign").managed
    assert host.find("nosuch") is None
    bridge = host.find("foreign")
    openvswitch.mend(host.undo, bridge)
    assert not host.find("foreign").up  # it forwards all the same, and is not ours to set up
    assert not bridge.idle


def test_one_of_ours_is_set_up(host):
    subprocess.run(["ip", "link", "set", "br0", "down"], check=True)
    openvswitch.mend(host.undo, host.find("br0"))
    assert host.find("br0").up
    host.undo.roll_back()
    assert not host.find("br0").up


def test_what_is_no_bridge(host):
    host.join()
    host.switch.vsctl("add-br", "brv9", "br0", "9")
    with pytest.raises(LauncherError, match="is a port of the Open vSwitch bridge br0, not a bridge"):
        host.find("vh0")
    with pytest.raises(LauncherError, match="is the VLAN 9 of the Open vSwitch bridge br0. Name br0 and give vlan: 9"):
        host.find("brv9")


def test_making_is_taken_back(host):
    before = host.rows()
    openvswitch.make(host.undo, "br1")
    assert host.find("br1").up
    host.undo.roll_back()
    assert host.rows() == before
    assert not os.path.exists("/sys/class/net/br1")


def test_a_bridge_that_cannot_be_made_is_taken_back(host):
    before = host.rows()
    host.add_veth("br1")  # so no tap device of this name can be made
    with pytest.raises(LauncherError, match="Open vSwitch could not do it: Error detected while setting up 'br1'"):
        openvswitch.make(host.undo, "br1")
    host.undo.roll_back()
    assert host.rows() == before


def test_unused_bridges_are_removed(host):
    host.join()
    both = [host.find("br0"), host.find("foreign")]
    assert openvswitch.port_names(host.view(), both[0]) == ["vh0"]
    assert openvswitch.unused(host.view(), both, ()) == []
    assert openvswitch.unused(host.view(), both, {"vh0"}) == [both[0]]
    openvswitch.leave(host.undo, ["vh0"])
    unused = openvswitch.unused(host.view(), both, ())
    assert unused == [both[0]]
    openvswitch.remove(unused)
    assert host.find("br0") is None
    assert host.find("foreign") is not None
    assert not os.path.exists("/sys/class/net/br0")


# --- ports


def test_a60_words_of_a_port(host, words):
    host.join(vlans=(5, [(10, 10), (20, 22)]), isolated=True)
    assert words == [[
        "--", "add-port", "br0", "vh0",
        "--", "set", "Port", "vh0", "tag=5", "trunks=10,20,21,22", "vlan_mode=native-untagged", "protected=true",
        'external_ids:coracle="coracle:web:eth0"']]


def test_a60_words_of_a_bridge(host, words, monkeypatch):
    monkeypatch.setattr(openvswitch.links, "new_mac", lambda first: f"{first:02x}:63:00:00:00:07")
    openvswitch.make(bridges.Undo(), "br1")
    assert words[0] == ["--", "add-br", "br1", "--", "set", "Bridge", "br1", 'external_ids:coracle="coracle:bridge"',
                        'other_config:hwaddr="02:63:00:00:00:07"']


@each("vlans, row", [
    ((0, []), (None, [], "")),
    ((7, []), (7, [], "access")),
    ((0, [(10, 12)]), (None, [10, 11, 12], "trunk")),
    ((4094, [(1, 1), (4093, 4093)]), (4094, [1, 4093], "native-untagged")),
])
def test_vlans(host, words, vlans, row):
    openvswitch.leave(bridges.Undo(), ["vh0"])
    host.join()
    host.join(vlans=vlans)
    found = ovs_tables.read().ports["vh0"]
    assert (found.tag, found.trunks, found.vlan_mode) == row
    assert (host.port().vlan, host.port().trunks) == vlans
    words.clear()
    host.join(vlans=vlans)
    assert words == []  # nothing differs: nothing is changed
    host.join(vlans=(0, []))
    assert (host.port().vlan, host.port().trunks) == (0, [])


def test_all_vlans(host):
    host.join(vlans=(0, [(1, 4094)]))
    assert host.port().trunks == [(1, 4094)]


@each("mode", ["native-tagged", "dot1q-tunnel"])
def test_a_mode_without_words_of_ours_differs_from_all(host, mode):
    host.join()
    host.switch.vsctl("set", "Port", "vh0", "tag=7", f"vlan_mode={mode}")
    assert host.port().vlan == -1
    host.join(vlans=(7, []))
    assert host.port().vlan == 7


def test_what_is_not_asked_stays(host):
    host.join(vlans=(7, []), isolated=True)
    host.switch.vsctl("set", "Port", "vh0", "external_ids:theirs=1", "other_config:priority-tags=true")
    host.join()
    host.join(isolated=False)
    assert (host.port().vlan, host.port().isolated) == (7, False)
    host.join(vlans=(8, []))
    assert host.switch.vsctl("get", "Port", "vh0", "external_ids:theirs") == '"1"'


def test_a_port_is_moved_and_moved_back(host):
    host.switch.vsctl("add-port", "foreign", "vh0", "tag=9", "trunks=1,2", "vlan_mode=native-tagged", "--", "set", "Port", "vh0", "protected=true")
    before = host.rows()
    host.join(vlans=(5, []), isolated=False)
    assert host.rows()["vh0"] == ("br0", 5, [], "access", False, MARK, "")
    assert {name: row for name, row in host.rows().items() if name != "vh0"} == {name: row for name, row in before.items() if name != "vh0"}
    host.undo.roll_back()
    assert host.rows() == before


@each("values", [{"vlans": (5, [])}, {"isolated": True}, {"mark": "coracle:web:eth7"}])
def test_a_change_is_taken_back(host, values):
    openvswitch.leave(bridges.Undo(), ["vh0"])
    host.join(vlans=(3, [(4, 6)]))
    before = host.rows()
    host.undo = bridges.Undo()
    host.join(**values)
    assert host.rows() != before
    host.undo.roll_back()
    assert host.rows() == before


def test_leaving_is_taken_back(host):
    host.join(vlans=(3, [(4, 6)]), isolated=True)
    before = host.rows()
    host.undo = bridges.Undo()
    openvswitch.leave(host.undo, ["vh0", "none"])
    assert "vh0" not in host.rows()
    host.undo.roll_back()
    assert host.rows() == before


def test_many_ports_are_one_transaction(host, words):
    names = [f"vh{number}" for number in range(1, 21)]
    for name in names:
        host.add_veth(name)
    joinings = [host.joining(name=name, mark=f"coracle:{name}:eth0") for name in names]
    openvswitch.join(host.undo, joinings)
    assert len(words) == 1
    assert set(names) < set(host.rows())
    host.undo.roll_back()
    assert len(words) == 2
    assert not set(names) & set(host.rows())


def test_one_that_fails_fails_all(host):
    host.add_veth("vh1")
    joinings = [host.joining(), host.joining(name="vh1")]
    subprocess.run(["ip", "link", "delete", "vh1"], check=True)
    before = host.rows()
    with pytest.raises(LauncherError, match="vh1"):
        openvswitch.join(host.undo, joinings)
    host.undo.roll_back()
    assert host.rows() == before


# --- rows whose interface is gone


def test_a_row_that_was_left_by_another_pair_is_replaced(host, words):
    host.join(vlans=(7, []), isolated=True)
    before = host.rows()
    subprocess.run(["ip", "link", "delete", "vh0"], check=True)
    assert (host.port().bridge, host.port().mark) == ("br0", MARK)
    host.add_veth("vh0")
    joining = host.joining()
    joining.before = None  # the pair is new
    words.clear()
    undo = bridges.Undo()
    openvswitch.join(undo, [joining])
    assert words[0] == ["--", "del-port", "vh0"]  # the switch lets go of the old one first
    assert host.rows()["vh0"] == ("br0", None, [], "", False, MARK, "")
    assert ovs_tables.read().ports["vh0"].ifindex == joining.link.index
    assert "PROMISC" in subprocess.run(["ip", "link", "show", "vh0"], check=True, capture_output=True, text=True).stdout  # and holds the new one
    undo.roll_back()
    assert host.rows() == before


def test_a_row_of_another_interface_is_stale(host, monkeypatch):
    host.join(vlans=(7, []))
    row = ovs_tables.read().ports["vh0"]
    joining = host.joining()
    assert not openvswitch._is_stale(joining, row)
    for name, value in (("ifindex", 99999), ("error", "No such device")):
        with monkeypatch.context() as patch:
            patch.setattr(row, name, value)
            assert openvswitch._is_stale(joining, row)


def test_what_goes_with_its_namespace_is_forgotten(host, words):
    host.add_veth("vh1")
    host.join()
    host.join(name="vh1", mark="coracle:web2:eth0")
    words.clear()
    openvswitch.forget(["vh0", "vh1", "vh2"], "coracle:web:")
    assert words == [["--no-wait", "--", "--if-exists", "del-port", "vh0"]]
    assert "vh1" in host.rows()
    openvswitch.forget(["vh0"], "coracle:web:")
    openvswitch.forget([], "coracle:web:")
    assert len(words) == 1


def test_nothing_is_forgotten_and_nothing_started_without_open_vswitch(own_network, monkeypatch):
    monkeypatch.setattr(os, "posix_spawn", None)
    openvswitch.forget(["vh0"], "coracle:web:")


# --- a switch that does not run


def test_without_the_switch_nothing_is_changed_but_all_can_be_removed(host):
    host.join()
    before = host.rows()
    joining = host.joining(vlans=(5, []))
    host.switch.send("ovs-vswitchd", signal.SIGKILL)
    for call in (lambda: openvswitch.refuse(joining.bridge, joining), lambda: openvswitch.join(host.undo, [joining]),
                 lambda: openvswitch.make(host.undo, "br1")):
        with pytest.raises(LauncherError, match="ovs-vswitchd of Open vSwitch is not running"):
            call()
    assert host.rows() == before
    openvswitch.leave(bridges.Undo(), ["vh0"])
    openvswitch.remove([joining.bridge])
    assert sorted(host.rows()) == ["foreign"]


def test_what_a_hanging_switch_did_not_do_is_taken_back(host, monkeypatch):
    before = host.rows()
    joining = host.joining()
    monkeypatch.setattr(driver.change, "__kwdefaults__", {"timeout": 1})
    host.switch.send("ovs-vswitchd", signal.SIGSTOP)
    with pytest.raises(LauncherError, match="did not answer within 1 seconds"):
        openvswitch.join(host.undo, [joining])
    host.undo.roll_back()
    assert host.rows() == before


def test_without_the_database(host):
    host.switch.send("ovsdb-server", signal.SIGKILL)
    with pytest.raises(LauncherError, match="Connection refused"):
        host.find("br0")
    openvswitch.forget(["vh0"], "coracle:web:")
