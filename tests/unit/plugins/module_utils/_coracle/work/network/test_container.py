# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is particular to the networks of a container. What every interface has is tested in test_attach.py and test_module.py."""

from __future__ import annotations

import pytest

from ansible_collections.coracle.launcher.plugins.module_utils._coracle.base.errors import LauncherError
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.kernel.net import netlink, read
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.model import settings
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.model.network import host_interface
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.work.network import container as network
from ansible_collections.coracle.launcher.tests.unit.each import each


@pytest.fixture
def host(own_network):
    pytest.importorskip("pyroute2")
    with netlink.Socket() as socket:
        yield socket


def plan(networks):
    spec = settings.normalise({"networks": networks})["networks"]
    return [change.option for change in network.container_plan("web", spec, network.container_have("web", "web", spec))]


def attach(networks):
    return network.attach("web", settings.normalise({"networks": networks})["networks"])


WEB = {"bridge": "br0", "addresses": ["192.0.2.5/24"]}
ALL = {"gateway": "192.0.2.1", "routes": [{"dest": "10.0.0.0/8", "gateway": "192.0.2.9", "metric": 7}], "isolated": True,
       "ingress_rate": "10Mbit", "egress_rate": "1.5Mbit", "up": False}


def test_what_a_network_does_not_say_any_more_is_gone(host):
    attach([{**WEB, **ALL}])
    assert plan([{**WEB, **ALL}]) == []
    for option in ALL:
        without = {name: value for name, value in ALL.items() if name != option}
        assert plan([{**WEB, **without}]) == [f"networks[0].{option}"]
    attach([WEB])
    assert plan([WEB]) == []
    assert plan([{**WEB, **settings.NETWORK_DEFAULTS}]) == []
    assert sorted(plan([{**WEB, **ALL}])) == sorted(f"networks[0].{option}" for option in ALL)


def test_the_host_end_has_the_name_that_was_asked(host):
    assert attach([{**WEB, "host_interface": "port7"}]) == ["port7"]
    assert read.link(host, "port7").alias == "coracle:web:eth0"
    (derived,) = attach([WEB])
    assert derived == host_interface("web", "eth0")
    assert read.link(host, "port7") is None
    network.detach("web", [derived])
    assert read.link(host, derived) is None


@each("networks, names", [
    ([], []),
    ([{"bridge": "br0"}, {"bridge": "br0"}], [host_interface("web", "eth0"), host_interface("web", "eth1")]),
    ([{"bridge": "br0", "interface_name": "lan"}], [host_interface("web", "lan")]),
    ([{"bridge": "br0", "host_interface": "port7"}, {"bridge": "br0"}], ["port7", host_interface("web", "eth1")]),
])
def test_the_names_of_the_host_ends_are_known_without_looking(networks, names):
    assert network.host_interfaces("web", networks) == names


def test_options_of_networks_are_named_with_their_place(host):
    with pytest.raises(LauncherError) as caught:
        network.validate([WEB, {"bridge": "br0", "addresses": ["198.51.100.5/24"], "routes": [{"dest": "10.0.0.0/8", "gateway": "203.0.113.1"}]}])
    assert caught.value.option == "networks[1].routes[0].gateway"
