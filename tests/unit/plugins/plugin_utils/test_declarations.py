# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The union of a host's lists, the defaults below it, and what is wrong with it."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.coracle.launcher.plugins.plugin_utils import declarations

WEB = {"name": "web", "command": ["/bin/httpd"]}


def problems(*hosts: dict[str, t.Any]) -> list[str]:
    return declarations.fleet_problems([(f"h{number}", variables) for number, variables in enumerate(hosts, 1)])


def options(variables: dict[str, t.Any], defaults: dict[str, t.Any] | None = None) -> list[dict[str, t.Any]]:
    items, wrong = declarations.read(variables, defaults)
    assert wrong == []
    return [item.options for item in items]


def test_lists_are_joined_in_the_order_of_their_names() -> None:
    variables = {"containers_list_b": [{"name": "b1"}, {"name": "b2"}], "containers_list": [{"name": "own"}],
                 "containers_list_a": [{"name": "a"}], "other": [{"name": "x"}]}
    assert [container["name"] for container in options(variables)] == ["own", "a", "b1", "b2"]


def test_identical_containers_are_one_however_they_are_spelled() -> None:
    one = {"name": "web", "process": "/bin/httpd", "args": ["-f"], "memlimit": 4194304}
    other = {"name": "web", "command": ["/bin/httpd", "-f"], "memory": "4M"}
    found = options({"containers_list_a": [one], "containers_list_b": [other, one]})
    assert found == [{"name": "web", "process": "/bin/httpd", "args": ["-f"], "memory": 4194304}]


def test_different_containers_of_one_name_name_both_variables_and_the_options() -> None:
    found = problems({"containers_list_a": [{**WEB, "memory": "4M"}], "containers_list_b": [{**WEB, "memory": "5M", "user": 1}]})
    assert found == ["web is declared twice, in containers_list_a[0] and in containers_list_b[0], with different memory, user: "
                     "keep one of them (h1)"]


def test_the_same_problem_of_a_group_is_said_once() -> None:
    bad = {"containers_list": [{"name": "web", "memory": "4X"}]}
    assert problems(*[bad] * 7) == [
        "containers_list[0] (web): memory='4X': is not a size. Use bytes or a number with K, M, G or T, e.g. 4M "
        "(h1, h2, h3, h4 and 3 more)"]


@pytest.mark.parametrize(("variables", "words"), [
    ({"containers_list": {"name": "web"}}, "containers_list is a mapping: it must be a list"),
    ({"containers_list": "web"}, "containers_list is a text"),
    ({"containers_list": None}, "containers_list is empty"),
    ({"containers_list": ["web"]}, "containers_list[0] is a text: write name:"),
    ({"containers_list": [WEB, {"user": 1}]}, "containers_list[1] has neither name nor path"),
    ({"containers_list": [{"name": "Web"}]}, "containers_list[0] (Web): name='Web': is not a name"),
    ({"containers_list": [{"name": "web", "memry": 1}]}, "memry is not an option of a container: did you mean memory?"),
    ({"containers_list": [{"name": "web", "memory": 1, "memlimit": 1}]}, "memlimit and memory are one option"),
    ({"containers_list": [{"name": "web", "state": "up"}]}, "value of state must be one of"),
    ({"containers_list": [{"name": "web", "command": ["/x"], "process": "/x"}]}, "mutually exclusive"),
    ({"containers_list": [{"name": "web", "command": ["x"]}]}, "is no absolute path"),
    ({"containers_list": [{"name": "web", "ip": "10.0.0.2/24"}]}, "bridge"),
    ({"containers_list": [WEB], "containers_defaults": ["user"]}, "containers_defaults is a list"),
    ({"containers_list": [WEB], "containers_private_bridges": "br0"}, "containers_private_bridges is a text"),
])
def test_malformed(variables: dict[str, t.Any], words: str) -> None:
    found = problems(variables)
    assert len(found) == 1
    assert words in found[0]
    assert found[0].endswith("(h1)")


def test_everything_wrong_is_said_at_once() -> None:
    found = problems({"containers_list": [{"name": "web", "memory": "4X"}, {"user": 1}], "containers_list_b": "x"})
    assert len(found) == 3


def test_relative_image_is_left_to_the_module() -> None:
    assert problems({"containers_list": [{**WEB, "image": "files/initrd.img"}]}) == []


# --- defaults


def test_defaults_lie_below_every_container() -> None:
    two = {**WEB, "name": "two", "user": 1}
    assert options({"containers_list": [WEB, two]}, {"user": 99}) == [{**WEB, "user": 99}, two]


@pytest.mark.parametrize(("own", "defaults", "merged"), [
    ({"rootfs": "/r"}, {"image": "/i"}, {"rootfs": "/r"}),
    ({"image": "/j"}, {"image": "/i", "checksum": "sha256:" + "a" * 64}, {"image": "/j"}),
    ({"command": ["/x"]}, {"process": "/y", "args": ["-y"]}, {"command": ["/x"]}),
    ({"process": "/x"}, {"command": ["/y"]}, {"process": "/x"}),
    ({"networks": []}, {"bridge": "br0", "gw": "10.0.0.1"}, {"networks": []}),
    ({"ip": "10.0.0.2/24"}, {"bridge": "br0", "gw": "10.0.0.1"}, {"ip": "10.0.0.2/24", "bridge": "br0", "gw": "10.0.0.1"}),
    ({"cpu_percent": 5}, {"cpu_shares": 51}, {"cpu_percent": 5}),
    ({"memlimit": 5}, {"memory": 4}, {"memory": 5}),
    ({"memory": 5}, {"memlimit": 4}, {"memory": 5}),
    ({"env": {"A": "1"}}, {"env": {"A": "0", "B": "2"}}, {"env": {"A": "1", "B": "2"}}),
    ({"labels": {"a": "1"}}, {"labels": {"b": "2"}}, {"labels": {"a": "1", "b": "2"}}),
])
def test_own_words_take_the_place_of_the_defaults(own: dict[str, t.Any], defaults: dict[str, t.Any], merged: dict[str, t.Any]) -> None:
    items, _problems = declarations.read({"containers_list": [{"name": "web", **own}]}, defaults)
    assert items[0].options == {"name": "web", **merged}


# --- addresses


def connected(name: str, address: str, bridge: str = "br0", **more: t.Any) -> dict[str, t.Any]:
    return {"name": name, "command": ["/x"], "networks": [{"bridge": bridge, "addresses": [address]}], **more}


def test_one_address_twice_on_a_host() -> None:
    found = problems({"containers_list": [connected("a", "10.0.0.2/24"), connected("b", "10.0.0.2/16", "br1")]})
    assert found == ["address 10.0.0.2 is given to a on h1, b on h1: give each its own"]


def test_one_address_on_two_hosts_names_the_way_out() -> None:
    found = problems({"containers_list": [connected("a", "10.0.0.2/24")]}, {"containers_list": [connected("b", "10.0.0.2/24")]})
    assert found == ["address 10.0.0.2 is given to a on h1, b on h2: give each its own, "
                     "or name br0 in containers_private_bridges if it connects nothing beyond its host"]


def test_private_bridges() -> None:
    private = {"containers_private_bridges": ["br0"]}
    a, b = connected("a", "10.0.0.2/24"), connected("b", "10.0.0.2/24")
    assert problems({"containers_list": [a], **private}, {"containers_list": [b], **private}) == []
    found = problems({"containers_list": [a, b], **private})
    assert found == ["address 10.0.0.2 is given to a on h1, b on h1: give each its own"]


def test_addresses_compare_as_addresses() -> None:
    found = problems({"containers_list": [connected("a", "fd00::1/64"), connected("b", "fd00:0:0::1/64")]})
    assert found == ["address fd00::1 is given to a on h1, b on h1: give each its own"]


def test_one_mac_address_twice() -> None:
    a, b = ({"name": name, "networks": [{"bridge": "br0", "mac_address": mac}]} for name, mac in (("a", "02:00:00:00:00:AA"), ("b", "02:00:00:00:00:aa")))
    assert problems({"containers_list": [a, b]}) == ["MAC address 02:00:00:00:00:aa is given to a on h1, b on h1: give each its own"]
    assert problems({"containers_list": [a]}) == []


def test_what_is_in_two_vlans_does_not_meet() -> None:
    def declared(one: int, other: int) -> list[str]:
        networks = [{"bridge": "br0", "addresses": ["10.0.0.2/24"], "vlan": vlan} for vlan in (one, other)]
        return problems({"containers_list": [{"name": name, "networks": [network]} for name, network in zip("ab", networks)]})

    assert declared(10, 20) == []
    assert declared(10, 10) == ["address 10.0.0.2 is given to a on h1, b on h1: give each its own"]


def test_an_absent_container_has_no_address() -> None:
    assert problems({"containers_list": [connected("a", "10.0.0.2/24"), connected("b", "10.0.0.2/24", state="absent")]}) == []


# --- removal


def test_named_looks_at_nothing_else() -> None:
    variables = {"containers_list_a": [{**WEB, "memory": "4X"}, {"path": "/srv/old/"}],
                 "containers_list_b": [{"name": "web", "nonsense": 1}]}
    assert declarations.named(variables) == ([{"name": "web"}, {"path": "/srv/old/"}], [])


def test_named_needs_a_name() -> None:
    assert declarations.named({"containers_list": [{"user": 1}]}) == ([], ["containers_list[0] has neither name nor path"])
