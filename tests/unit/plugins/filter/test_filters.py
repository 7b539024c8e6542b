# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filters as templates call them; what they decide is tested with plugin_utils/declarations.py."""

from __future__ import annotations

import typing as t

import pytest
from ansible.errors import AnsibleError, AnsibleFilterError

from ansible_collections.coracle.launcher.plugins.filter.declaration_problems import declaration_problems
from ansible_collections.coracle.launcher.plugins.filter.declared_containers import declared_containers

WEB = {"name": "web", "command": ["/bin/httpd"]}


def test_declared_containers() -> None:
    lists = {"containers_list": [WEB], "containers_list_b": [WEB, {"name": "two"}]}
    assert declared_containers(lists, {"user": 99}) == [{**WEB, "user": 99}, {"name": "two", "user": 99}]


def test_absent_ones_are_only_named() -> None:
    found = declared_containers({"containers_list": [{**WEB, "memory": "4X"}]}, {"user": 99}, state="absent")
    assert found == [{"name": "web", "state": "absent"}]


@pytest.mark.parametrize(("lists", "state", "words"), [
    ({"containers_list": [WEB, {"name": "x", "memory": "4X"}, 1]}, "present", "is not a size.*; containers_list"),
    ({"containers_list": [WEB]}, "up", "neither present nor absent"),
    ([WEB], "present", "lists by the name"),
])
def test_problems_are_errors(lists: t.Any, state: str, words: str) -> None:
    with pytest.raises(AnsibleFilterError, match=words):
        declared_containers(lists, None, state)


class Unreadable(dict):
    """Variables of a host of which one cannot be resolved, as Ansible raises it when it is read."""

    def __getitem__(self, name: str) -> t.Any:
        if name == "containers_list_bad":
            raise AnsibleError("'nope' is undefined")
        return super().__getitem__(name)


def test_declaration_problems_reads_hosts_and_what_the_play_adds() -> None:
    hostvars = {"a": {"containers_list": [{"name": "x", "memory": "4X"}], "other": 1}, "b": {}, "not in the play": {"containers_list": 1}}
    found = declaration_problems(hostvars, ["a", "b"], {"containers_list_play": [{"name": "y", "user": "-1"}], "containers_list": []})
    assert [sentence.rpartition(" (")[2] for sentence in found] == ["a)", "a, b)"]


def test_a_variable_that_cannot_be_read_is_a_problem() -> None:
    found = declaration_problems({"a": Unreadable(containers_list_bad=1, containers_list=[WEB])}, ["a"])
    assert found == ["containers_list_bad cannot be read: 'nope' is undefined (a)"]
