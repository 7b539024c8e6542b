# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import importlib.util
import pathlib

import pytest
import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.coracle.launcher.plugins.module_utils._ansible import argspec
from ansible_collections.coracle.launcher.plugins.module_utils._ansible.nic_spec import nic_options
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.model import network, settings

FRAGMENTS = pathlib.Path(argspec.__file__).parents[2] / "doc_fragments"


def documented(name):
    found = importlib.util.spec_from_file_location(name, FRAGMENTS / f"{name}.py")
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return yaml.safe_load(module.ModuleDocFragment.DOCUMENTATION)["options"]


def shape(options):
    """What documentation and spec must agree on, of all options and their suboptions."""
    return {name: (option["type"], option.get("elements"), option.get("default"), option.get("required", False), sorted(option.get("aliases", [])),
                   option.get("choices"), shape(option.get("options", option.get("suboptions", {})))) for name, option in options.items()}


def test_the_documentation_of_one_container_is_the_spec():
    assert shape({**documented("_container"), **documented("_networks")}) == shape(argspec.container_spec()["argument_spec"])


def test_the_documentation_of_the_list_is_the_spec():
    spec = argspec.containers_spec()["argument_spec"]
    assert shape(documented("_containers")) == shape({"containers": spec["containers"]})


def test_every_row_of_the_table_is_an_option():
    spec = argspec.container_spec()["argument_spec"]
    assert {row.option for row in settings.KEYS} <= set(spec)
    assert {row.option for row in settings.NETWORK} == set(spec["networks"]["options"])


@pytest.mark.parametrize("key, option", [("memlimit", "memory"), ("cpupercent", "cpu_percent")])
def test_the_articles_words_are_aliases(key, option):
    assert key in argspec.container_spec()["argument_spec"][option]["aliases"]


@pytest.mark.parametrize("parameters, problem", [
    ({}, "required"),
    ({"name": "a", "command": ["/bin/a"], "process": "/bin/a"}, "mutually exclusive"),
    ({"name": "a", "ip": "10.0.0.2/24"}, "missing parameter"),
    ({"name": "a", "image": "/a", "rootfs": "/b"}, "mutually exclusive"),
])
@pytest.mark.parametrize("several", [False, True])
def test_contradictions_are_found_for_one_and_for_a_list(parameters, problem, several):
    values = argspec.containers_spec() if several else argspec.container_spec()
    result = ArgumentSpecValidator(**values).validate({"containers": [parameters]} if several else parameters)
    assert any(problem in message for message in result.error_messages)


def test_the_documentation_of_an_interface_is_the_spec():
    assert shape(documented("_interface")) == shape(nic_options())
    (interfaces,) = documented("_interfaces").values()
    assert shape(interfaces["suboptions"]) == {**shape(nic_options()), **shape({"netns": {"type": "str"}})}


def test_every_option_of_a_network_is_one_of_an_interface():
    assert {row.option for row in settings.NETWORK} == set(nic_options())
    assert set(settings.NETWORK_DEFAULTS) <= set(nic_options())
    assert tuple(nic_options()["bridge_type"]["choices"]) == network.BRIDGE_TYPES


def test_the_documentation_of_lists_is_generated():
    tool = pathlib.Path(argspec.__file__).parents[3] / "tests" / "tools" / "generate_doc_fragments.py"
    found = importlib.util.spec_from_file_location("generate_doc_fragments", tool)
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    for name, text in module.generate().items():
        assert (module.FRAGMENTS / name).read_text(encoding="utf-8") == text
