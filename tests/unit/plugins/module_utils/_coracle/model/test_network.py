# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.coracle.launcher.plugins.module_utils._coracle.base.errors import LauncherError
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.model import network
from ansible_collections.coracle.launcher.tests.unit.each import each

GOOD = {"bridge": "br0", "addresses": ["192.0.2.5/24", "fd00::5/64"], "gateway": "192.0.2.1"}


def nic(**options):
    return network.nics("web", [{**GOOD, **options}])[0]


def test_everything_has_one_spelling():
    found = nic(addresses=["192.0.2.5/24", "FD00:0:0::0005/64"], gateway="FD00::0001", mac_address="02:AB:00:00:00:01", mtu="1400")
    assert found.addresses == ["192.0.2.5/24", "fd00::5/64"]
    assert (found.gateway, found.mac_address, found.mtu) == ("fd00::1", "02:ab:00:00:00:01", 1400)


def test_what_is_not_given_is_not_asked():
    found = network.nics("web", [{"bridge": "br0"}])[0]
    assert (found.addresses, found.gateway, found.mac_address, found.mtu) == (None, None, None, None)


def test_interfaces_are_named_by_their_position():
    found = network.nics("web", [{"bridge": "br0"}, {"bridge": "br1"}, {"bridge": "br0", "interface_name": "lan"}])
    assert [one.interface_name for one in found] == ["eth0", "eth1", "lan"]
    assert [one.mark for one in found] == ["coracle:web:eth0", "coracle:web:eth1", "coracle:web:lan"]


@each("name", ["--", "-h", "br0 -- del-br br0", "a,b", "x;reboot", "--db=tcp:1", "", "sixteen-bytes-xx", "br\u00fc",
               "a/b", ".", "..", 7])
def test_A60_names_that_a_tool_could_misread_are_refused(name):
    for option in ("bridge", "interface_name", "host_interface"):
        with pytest.raises(LauncherError) as caught:
            nic(**{option: name})
        assert caught.value.option == f"networks[0].{option}"


@pytest.mark.parametrize("name", ["br0", "lan.10", "_x", "fifteen-bytes-x", "A-b_c.d"])
def test_A60_control_ordinary_names_are_taken(name):
    assert nic(bridge=name, interface_name=name, host_interface="h").bridge == name


@pytest.mark.parametrize("name", ["lo", "all", "default"])
def test_names_of_the_kernel_are_refused(name):
    with pytest.raises(LauncherError, match="keeps for itself"):
        nic(interface_name=name)


@each("container", ["web", "ve", "vb", "a", "a" * 63, "9", "x.y-z_0", "..."])
def test_A62_host_interface_fits_is_stable_and_none_of_systemds(container):
    name = network.host_interface(container, "eth0")
    assert len(name.encode()) <= 15
    assert network.check_interface_name(name, "host_interface") == name == network.host_interface(container, "eth0")
    assert not name.startswith(("ve-", "vb-", "vz-", "vt-"))


def test_A62_ten_thousand_containers_have_ten_thousand_host_interfaces():
    names = {network.host_interface(f"container-{number}", interface) for number in range(5000) for interface in ("eth0", "eth1")}
    assert len(names) == 10000


@each("address", [
    "10.0.0.1/33", "10.0.0.1/0", "10.0.0.1/-1", "10.0.0.1/+8", "10.0.0.1/08", "10.0.0.1/ 8", "10.0.0.1/255.255.255.0", "10.0.0.1",
    "10.0.0.1/",
    "010.0.0.1/24", "10.0.0.01/24", "10.0.0.256/24", "10.0.0/24", "0x0a.0.0.1/8", "10.0.0.1/8/8", "\u0661.0.0.1/8", "", "/24", "web/24",
    10, None,
    "224.0.0.1/24", "239.1.1.1/8", "127.0.0.1/8", "127.5.5.5/8", "0.0.0.0/8", "0.1.2.3/8", "255.255.255.255/32", "240.0.0.1/8",
    "10.0.0.0/24", "10.0.0.255/24", "10.0.3.255/22",
    "fd00::1/129", "fd00::1/0", "fd00::1", "fd00::/64", "::1/128", "::/64", "ff02::1/64", "fe80::1/64", "fd00::1%eth0/64",
    "::ffff:10.0.0.1/96", "fd00::g/64",
])
def test_A63_addresses_that_no_machine_can_have_are_refused(address):
    with pytest.raises(LauncherError) as caught:
        nic(addresses=[address], gateway=None)
    assert caught.value.option == "networks[0].addresses"
    assert caught.value.value == address
    assert caught.value.remedy


@each("address", ["10.0.0.1/8", "10.0.0.0/31", "10.0.0.1/31", "10.0.0.1/32", "10.0.0.255/22", "169.254.1.1/16",
                  "fd00::/127", "fd00::1/128",
                  "2001:db8::5/64"])
def test_A63_control_addresses_of_one_machine_are_taken(address):
    assert nic(addresses=[address], gateway=None).addresses == [address]


@each("gateway, problem", [
    ("192.0.3.1", "in no network"), ("fd01::1", "in no network"), ("192.0.2.5", "own address"), ("192.0.2.0", "network's own"),
    ("192.0.2.255", "broadcast"),
    ("192.0.2.1/24", "not an IP address"), ("192.0.2.01", "not an IP address"), ("224.0.0.1", "multicast"), (7, "not an IP address"),
    ("0.0.0.0", "unspecified"),
])
def test_gateways_that_cannot_be_reached_are_refused(gateway, problem):
    with pytest.raises(LauncherError, match=problem) as caught:
        nic(gateway=gateway)
    assert caught.value.option == "networks[0].gateway"


@pytest.mark.parametrize("gateway", ["192.0.2.1", "192.0.2.254", "fd00::1", "fe80::1"])
def test_gateways_in_a_network_of_the_interface_are_taken(gateway):
    assert nic(gateway=gateway).gateway == gateway


def test_a_link_local_gateway_needs_an_ipv6_address():
    with pytest.raises(LauncherError, match="in no network"):
        nic(addresses=["192.0.2.5/24"], gateway="fe80::1")


def test_the_gateway_must_be_in_the_network_of_its_own_interface():
    with pytest.raises(LauncherError, match=r"networks\[1\].gateway='192.0.2.1': is in no network"):
        network.nics("web", [{"bridge": "a", "addresses": ["192.0.2.5/24"]},
                             {"bridge": "b", "addresses": ["198.51.100.5/24"], "gateway": "192.0.2.1"}])


@pytest.mark.parametrize("networks, option", [
    ([{"addresses": ["192.0.2.5/24", "192.0.2.5/25"]}], "networks[0].addresses"),
    ([{"addresses": ["fd00::5/64", "fd00:0::05/64"]}], "networks[0].addresses"),
    ([{"addresses": ["192.0.2.5/24"]}, {"addresses": ["192.0.2.5/24"]}], "networks[1].addresses"),
    ([{"interface_name": "eth1"}, {}], "networks[1].interface_name"),
    ([{"addresses": ["192.0.2.5/24"], "gateway": "192.0.2.1"}, {"addresses": ["192.0.2.6/24"], "gateway": "192.0.2.2"}],
     "networks[1].gateway"),
])
def test_what_interfaces_of_one_container_must_not_share(networks, option):
    with pytest.raises(LauncherError) as caught:
        network.nics("web", [{"bridge": "br0", **one} for one in networks])
    assert caught.value.option == option


@each("mac", ["02:00:00:00:00", "02:00:00:00:00:0g", "020000000005", "02-00-00-00-00-05", "01:00:5e:00:00:01",
              "ff:ff:ff:ff:ff:ff",
              "00:00:00:00:00:00", "2:0:0:0:0:5", "", 5])
def test_mac_addresses_that_no_interface_can_have_are_refused(mac):
    with pytest.raises(LauncherError, match="mac_address"):
        nic(mac_address=mac)


@each("mtu", [67, 65536, 0, -1, "1500x", "", True, 1279])
def test_mtus_that_cannot_work_are_refused(mtu):
    with pytest.raises(LauncherError, match="mtu"):
        nic(mtu=mtu)


@pytest.mark.parametrize("mtu", [1280, 65535])
def test_mtus_at_the_bounds_are_taken(mtu):
    assert nic(mtu=mtu).mtu == mtu


def test_a_small_mtu_is_fine_without_ipv6():
    assert nic(addresses=["192.0.2.5/24"], mtu=68).mtu == 68


def test_no_gateway_and_none_asked_are_two_things():
    assert (nic(gateway="").gateway, nic(gateway="").default_route) == ("", None)
    assert nic(gateway=None).gateway is None


def words(routes):
    return [(route.dest, route.gateway, route.metric, route.onlink) for route in routes]


@each("given, expected", [
    ({"dest": "10.0.0.0/8", "gateway": "192.0.2.2"}, ("10.0.0.0/8", "192.0.2.2", 0, None)),
    ({"dest": "10.1.2.3", "gateway": "192.0.2.2", "metric": "50"}, ("10.1.2.3/32", "192.0.2.2", 50, None)),
    ({"dest": "10.0.0.0/8"}, ("10.0.0.0/8", "", 0, None)),
    ({"dest": "10.0.0.0/8", "gateway": "203.0.113.1", "onlink": True}, ("10.0.0.0/8", "203.0.113.1", 0, True)),
    ({"dest": "FD01:0::/32", "gateway": "fd00::1"}, ("fd01::/32", "fd00::1", 1024, None)),  # what the kernel makes of no metric
    ({"dest": "fd01::/32", "gateway": "fd00::1", "metric": 0}, ("fd01::/32", "fd00::1", 1024, None)),
    ({"dest": "fd01::/32", "gateway": "fe80::1", "metric": 4294967295}, ("fd01::/32", "fe80::1", 4294967295, None)),
    ({"dest": "default", "gateway": "fd00::1"}, ("::/0", "fd00::1", 1024, None)),
    ({"dest": "0.0.0.0/0", "gateway": "192.0.2.2", "metric": 7}, ("0.0.0.0/0", "192.0.2.2", 7, None)),
])
def test_routes_have_one_spelling(given, expected):
    assert words(nic(routes=[given]).routes) == [expected]


@each("given, option, problem", [
    ({"dest": "10.0.0.1/8"}, "dest", "bits beyond"), ({"dest": "10.0.0.0/33"}, "dest", "no network"), ({"dest": "10.0.0.0/08"}, "dest", "no network"),
    ({"dest": "10.0.0.0/255.0.0.0"}, "dest", "no network"), ({"dest": "010.0.0.0/8"}, "dest", "no network"), ({"dest": ""}, "dest", "no network"),
    ({"dest": "web"}, "dest", "no network"), ({"dest": "127.0.0.0/8"}, "dest", "machine itself"), ({"dest": "::1"}, "dest", "machine itself"),
    ({"dest": "fe80::1%eth0"}, "dest", "no network"), ({"dest": "default"}, "dest", "no gateway"), ({"dest": 7}, "dest", "no network"),
    ({}, "dest", "says not where"),
    ({"dest": "10.0.0.0/8", "gateway": "fd00::1"}, "gateway", "other family"), ({"dest": "10.0.0.0/8", "gateway": "x"}, "gateway", "not an IP"),
    ({"dest": "10.0.0.0/8", "gateway": "203.0.113.1"}, "gateway", "in no network"),
    ({"dest": "10.0.0.0/8", "gateway": "192.0.2.5", "onlink": True}, "gateway", "own address"),
    ({"dest": "10.0.0.0/8", "onlink": True}, "onlink", "needs a gateway"),
    ({"dest": "10.0.0.0/8", "metric": -1}, "metric", ""), ({"dest": "10.0.0.0/8", "metric": 1 << 32}, "metric", ""),
])
def test_routes_that_cannot_be_are_refused(given, option, problem):
    with pytest.raises(LauncherError, match=problem) as caught:
        nic(routes=[given])
    assert caught.value.option == f"networks[0].routes[0].{option}"


def test_a_gateway_outside_every_network_needs_to_be_on_the_link():
    with pytest.raises(LauncherError, match="in no network.*onlink"):
        nic(gateway="203.0.113.1")
    assert nic(gateway="203.0.113.1", gateway_onlink=True).default_route.onlink
    by_route = nic(gateway="203.0.113.1", routes=[{"dest": "203.0.113.1"}])  # as hosters tell one to do it
    assert [route.dest for route in by_route.all_routes] == ["203.0.113.1/32", "0.0.0.0/0"]


@each("given", [{"metric": 50}, {"gateway_onlink": True}])
def test_what_belongs_to_a_gateway_needs_one(given):
    for gateway in (None, ""):
        with pytest.raises(LauncherError, match="needs a gateway"):
            nic(gateway=gateway, **given)
    nic(**given)
    nic(gateway=None, gateway_onlink=False)  # what a container's settings say of a gateway that is not there


def test_two_default_gateways_need_two_metrics():
    networks = [{"bridge": "a", "addresses": ["192.0.2.5/24"], "gateway": "192.0.2.1"},
                {"bridge": "b", "addresses": ["198.51.100.5/24"], "gateway": "198.51.100.1"}]
    with pytest.raises(LauncherError, match="second default gateway"):
        network.nics("web", networks)
    assert len(network.nics("web", [networks[0], {**networks[1], "metric": 50}])) == 2


def test_two_routes_to_one_destination_need_two_metrics():
    route = {"dest": "10.0.0.0/8", "gateway": "192.0.2.1"}
    with pytest.raises(LauncherError, match=r"routes\[1\].dest='10.0.0.0/8': is there twice"):
        nic(routes=[route, {**route, "gateway": "192.0.2.2"}])
    assert len(nic(routes=[route, {**route, "metric": 7}]).routes) == 2
    with pytest.raises(LauncherError, match=r"routes\[0\].dest='0.0.0.0/0': is there twice, also in networks\[0\].gateway"):
        nic(routes=[{"dest": "default", "gateway": "192.0.2.2"}])


@each("given, expected", [
    ({}, (None, None)), ({"vlan": 10}, (10, [])), ({"vlan": "0"}, (0, [])), ({"trunks": ["20-29", "10", "30"]}, (0, [(10, 10), (20, 30)])),
    ({"vlan": 10, "trunks": ["20"]}, (10, [(20, 20)])), ({"trunks": []}, (0, [])),
])
def test_vlans_are_asked_together(given, expected):
    found = nic(**given)
    assert (found.vlan, found.trunks) == expected


@each("given, option", [
    ({"vlan": 4095}, "vlan"), ({"vlan": -1}, "vlan"), ({"vlan": "x"}, "vlan"), ({"trunks": ["4095"]}, "trunks"), ({"trunks": ["30-20"]}, "trunks"),
    ({"vlan": 25, "trunks": ["20-29"]}, "vlan"), ({"ingress_rate": "fast"}, "ingress_rate"), ({"egress_rate": "-1"}, "egress_rate"),
    ({"bridge_type": "ovs"}, "bridge_type"),
])
def test_what_no_port_can_be_is_refused(given, option):
    with pytest.raises(LauncherError) as caught:
        nic(**given)
    assert caught.value.option == f"networks[0].{option}"


def test_rates_are_bits_a_second():
    found = nic(ingress_rate="10Mbit", egress_rate=0)
    assert (found.ingress_rate, found.egress_rate) == (10_000_000, 0)


def test_messages_name_options_as_the_caller_does():
    for option, expected in (("", "mtu"), ("interfaces", "interfaces[0].mtu"), (["interfaces[7]."], "interfaces[7].mtu")):
        with pytest.raises(LauncherError) as caught:
            network.nics("web", [{**GOOD, "mtu": 1}], option)
        assert caught.value.option == expected


def test_stable_mac_addresses_are_of_one_machine_and_differ():
    made = {network.stable_mac(host, label, name) for host in "ab" for label in ("web", "db") for name in ("eth0", "eth1")}
    assert len(made) == 8
    assert all(len(mac) == 17 and mac.startswith("02:") for mac in made)
    assert network.stable_mac("a", "web", "eth0") == network.stable_mac("a", "web", "eth0")


def test_a_network_without_bridge_is_named():
    with pytest.raises(LauncherError, match=r"networks\[0\].bridge: names no bridge"):
        network.nics("web", [{"addresses": ["192.0.2.5/24"]}])
