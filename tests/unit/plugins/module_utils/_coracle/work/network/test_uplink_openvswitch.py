# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A NIC joins a bridge of Open vSwitch and leaves it, with all that the host has on it."""

from __future__ import annotations

import os
import subprocess
import time

import pytest

from ansible_collections.coracle.launcher.plugins.module_utils._coracle.base.errors import LauncherError
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.kernel.net import netlink
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.work.network import switch, uplink
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.work.network.bridges import OPENVSWITCH, Undo, View
from ansible_collections.coracle.launcher.tests.unit import switch_daemons

HOST = """
link add nic0 address 02:00:00:00:00:01 type veth peer name wire0
link set wire0 up
link set nic0 up
address add 192.0.2.5/24 dev nic0
address add 2001:db8::5/64 dev nic0 nodad
route add default via 192.0.2.1
"""
ASKED = {"bridge": "br0", "uplink": "nic0", "uplink_move_addresses": True, "confirm_timeout": 60, "state": "present", "netns": None, "interfaces": None}


def ip(*words):
    return subprocess.run(["ip", *words], check=True, stdout=subprocess.PIPE, text=True).stdout


@pytest.fixture
def host(own_network):
    with switch_daemons.running_switch() as daemons:
        for line in HOST.strip().splitlines():
            ip(*line.split())
        yield daemons


def run(asked):
    """As the module does it: the bridge is made first, or removed last."""
    with netlink.Socket() as route:
        view = View(route)
        bridge = switch.find(view, "br0", OPENVSWITCH)
        found = uplink.read(asked, view, bridge, OPENVSWITCH)
        unused = switch.unused(view, [bridge] if bridge else [], uplink.leaving(asked, found))
    made = None if bridge else lambda: switch.make(Undo(), "br0", OPENVSWITCH)
    uplink.apply(asked, found, made if asked["state"] == "present" else lambda: switch.remove(unused))
    return found


def holder():
    """Which link has the host's addresses and its default route."""
    has = {line.split()[1] for line in ip("-o", "address", "show").splitlines() if "192.0.2.5/24" in line or "2001:db8::5/64" in line}
    return has, ip("route", "show", "default").split()[-1]


def wait_until(condition, seconds=30):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def run_unconfirmed(look):
    """Run it, return what look() says while it waits, and wait until all is put back. Anew with more time when the machine is too slow for that."""
    for seconds in (2, 8, 32):
        try:
            found = run({**ASKED, "confirm_timeout": seconds})
            seen = look()
            in_time = os.path.exists(found.waiting["path"])
        except LauncherError as error:
            assert "took longer" in str(error)
            in_time = False
        assert wait_until(is_decided, seconds + 30) and wait_until(lambda: holder() == ({"nic0"}, "nic0"))
        if in_time:
            return seen
    raise AssertionError("half a minute was not enough")


def is_decided():
    return not [name for name in os.listdir("/run/coracle") if name.startswith("uplink-")] if os.path.exists("/run/coracle") else True


def test_a_move_and_a_return_that_are_confirmed(host):
    found = run(ASKED)
    assert host.vsctl("port-to-br", "nic0") == "br0" and holder() == ({"br0"}, "br0")
    assert host.vsctl("get", "Port", "nic0", "external_ids:coracle") == '"coracle:uplink"'
    assert "link/ether 02:00:00:00:00:01" in ip("link", "show", "br0")
    os.unlink(found.waiting["path"])
    assert wait_until(is_decided)
    with netlink.Socket() as route:
        view = View(route)
        assert uplink.plan(ASKED, uplink.read(ASKED, view, switch.find(view, "br0"), OPENVSWITCH)) == []
    back = {**ASKED, "state": "absent"}
    os.unlink(run(back).waiting["path"])
    assert wait_until(is_decided)
    assert host.vsctl("list-ports", "br0") == "" and holder() == ({"nic0"}, "nic0")
    run(back)
    assert host.vsctl("list-br") == ""


def test_what_is_not_confirmed_is_put_back_and_a_bridge_that_was_made_goes(host):
    assert run_unconfirmed(holder) == ({"br0"}, "br0")
    assert wait_until(lambda: host.vsctl("list-br") == "")


def test_a_bridge_that_was_there_stays_as_it_was(host):
    switch.make(Undo(), "br0", OPENVSWITCH)
    mac = ip("link", "show", "br0").split("link/ether ")[1].split()[0]
    assert f"link/ether {mac}" not in run_unconfirmed(lambda: ip("link", "show", "br0"))
    assert wait_until(lambda: f"link/ether {mac}" in ip("link", "show", "br0"))
    assert host.vsctl("list-ports", "br0") == ""
    assert host.vsctl("get", "Bridge", "br0", "other_config:hwaddr") == f'"{mac}"'


def test_a_switch_that_is_down_changes_nothing(host):
    switch.make(Undo(), "br0", OPENVSWITCH)
    host.send("ovs-vswitchd", 9)
    with pytest.raises(LauncherError, match="ovs-vswitchd of Open vSwitch is not running"):
        run(ASKED)
    assert holder() == ({"nic0"}, "nic0") and is_decided()
