# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ports of Open vSwitch whose namespace goes."""

from __future__ import annotations

import os
import signal

import pytest

from ansible_collections.coracle.launcher.plugins.module_utils._coracle.kernel.net import netns, ovs_tables
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.work.network import container as network
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.work.network import leaving
from ansible_collections.coracle.launcher.tests.unit import switch_daemons

ON_SWITCH = {"bridge": "br0", "bridge_type": "openvswitch"}
ON_LINUX = {"bridge": "lin0", "bridge_type": "linux"}


@pytest.fixture
def switch(own_network):
    pytest.importorskip("pyroute2")
    with switch_daemons.running_switch() as running:
        yield running


def forget(name):
    namespace = netns.open_namespace(netns.path(name))
    try:
        leaving.forget_ports(f"coracle:{name}:", namespace)
    finally:
        os.close(namespace)


def ports():
    return sorted(name for name, port in ovs_tables.read().ports.items() if port.mark)


def test_only_the_ports_of_this_container_are_forgotten(switch):
    network.attach("web", [ON_SWITCH, ON_LINUX, ON_SWITCH])
    network.attach("web2", [ON_SWITCH])
    assert len(ports()) == 3
    forget("web")
    assert ports() == [network.host_interface("web2", "eth0")]
    forget("web")


def test_a_port_that_is_not_marked_stays(switch):
    network.attach("web", [ON_SWITCH])
    end = network.host_interface("web", "eth0")
    switch.vsctl("set", "Port", end, "external_ids:coracle=theirs")
    forget("web")
    assert ports() == [end]


def test_no_program_is_started_for_linux_bridges_or_without_a_switch(switch, monkeypatch):
    network.attach("web", [ON_LINUX])
    network.attach("web2", [ON_SWITCH])
    with monkeypatch.context() as patch:
        patch.setattr(os, "posix_spawn", None)
        forget("web")
    switch.send("ovsdb-server", signal.SIGKILL)
    with monkeypatch.context() as patch:
        patch.setattr(os, "posix_spawn", None)
        forget("web2")
