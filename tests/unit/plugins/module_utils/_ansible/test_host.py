# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The gaps of a host, put together; and that nothing is imported to find them."""

from __future__ import annotations

import sys
import typing as t

import pytest

from ansible_collections.coracle.launcher.plugins.module_utils._ansible import host

CGROUP = {"mode": "v1", "controllers": ["cpu", "memory", "pids"], "writable": True, "parent": "coracle", "delegated": None, "swap_accounting": True}
NETWORK = {"veth": True, "bridge": True, "vlan": True, "openvswitch": {"kernel": True, "command": "/usr/bin/ovs-vsctl", "running": True}}
GAP = {"need": "x", "problem": "nothing", "remedy": "something", "package": ""}


@pytest.fixture(autouse=True)
def complete(monkeypatch: pytest.MonkeyPatch) -> None:
    """A host that lacks nothing."""
    monkeypatch.setattr(host, "find_spec", lambda name: name)
    monkeypatch.setattr(host.metadata, "version", lambda _name: "0.9.7")
    monkeypatch.setattr(host.os, "geteuid", lambda: 0)
    monkeypatch.setattr(host.config, "find", lambda _release: host.config.Config("/boot/config-6.1", {"VETH": "m"}))
    monkeypatch.setattr(host.cgroups, "survey", lambda _config: (CGROUP, [], []))
    monkeypatch.setattr(host.fences, "survey", lambda _config: ({"landlock": 4, "lsm": None}, [], []))
    monkeypatch.setattr(host.networks, "survey", lambda _modules: (NETWORK, [], []))
    monkeypatch.setattr(host.codecs, "available", lambda: [{"name": "gzip", "by": "standard library", "remedy": None}])
    monkeypatch.setattr(host.modules, "has_filesystem", lambda *_arguments: True)


def gaps(networks: bool = True) -> list[dict[str, t.Any]]:
    return host.survey(networks)["gaps"]


def test_nothing_lacks() -> None:
    answer = host.survey(True)
    assert (answer["gaps"], answer["optional"]) == ([], [])
    assert answer["host"]["cgroup"] == CGROUP and answer["host"]["images"]["landlock"] == 4
    assert (answer["host"]["kernel_config"], answer["host"]["kernel_options"]["CONFIG_VETH"]) == ("/boot/config-6.1", "m")
    assert "landlock" not in answer["host"] and "lsm" in answer["host"]


def test_what_only_some_images_need(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host.codecs, "available", lambda: [
        {"name": "zstd", "by": None, "remedy": "Install the package zstd"}, {"name": "xz", "by": None, "remedy": "Install Python"},
        {"name": "lz4", "by": "tool lz4", "remedy": None}])
    monkeypatch.setattr(host.modules, "has_filesystem", lambda *_arguments: False)
    answer = host.survey(True)
    assert answer["gaps"] == []
    assert [(gap["need"], gap["package"]) for gap in answer["optional"]] == [("compression", "zstd"), ("compression", ""), ("overlay", "")]
    assert all(gap["problem"] and gap["remedy"] for gap in answer["optional"])
    monkeypatch.setattr(host.modules, "has_filesystem", lambda *_arguments: None)
    answer = host.survey(True)
    assert "overlay" not in [gap["need"] for gap in answer["optional"]] and answer["host"]["images"]["overlay"] is None


def test_gaps_of_every_room_are_told_and_those_of_networks_only_where_there_are_some(monkeypatch: pytest.MonkeyPatch) -> None:
    for room, facts in (("cgroups", CGROUP), ("fences", {"landlock": 4}), ("networks", NETWORK)):
        found = ({**facts}, [{**GAP, "need": f"{room} needed"}], [{**GAP, "need": f"{room} optional"}])
        monkeypatch.setattr(getattr(host, room), "survey", lambda _given, found=found: ({**found[0]}, found[1], found[2]))
    monkeypatch.setattr(host.config, "find", lambda _release: host.config.Config("/boot/config-6.1", {"CFS_BANDWIDTH": "n"}))
    answer = host.survey(True)
    assert [gap["need"] for gap in answer["gaps"]] == ["cgroups needed", "fences needed", "networks needed"]
    assert [gap["need"] for gap in answer["optional"]] == ["cgroups optional", "fences optional", "networks optional", "kernel"]
    assert [gap["need"] for gap in gaps(networks=False)] == ["cgroups needed", "fences needed"]


def test_pyroute2_by_apt_for_debians_own_python(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "find_spec", lambda _name: None)
    monkeypatch.setattr(host.os.path, "exists", lambda path: path == "/usr/bin/apt-get")
    monkeypatch.setattr(sys, "prefix", "/usr")
    assert [gap["package"] for gap in gaps()] == ["python3-pyroute2"]
    monkeypatch.setattr(sys, "prefix", "/opt/python")
    monkeypatch.setattr(sys, "executable", "/opt/python/bin/python3")
    assert [(gap["package"], gap["remedy"]) for gap in gaps()] == [("", "On the host: /opt/python/bin/python3 -m pip install pyroute2")]
    assert gaps(networks=False) == []


def test_pyroute2_without_apt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "find_spec", lambda _name: None)
    monkeypatch.setattr(host.os.path, "exists", lambda path: False)
    monkeypatch.setattr(sys, "executable", "/usr/bin/python3")
    assert gaps()[0]["remedy"] == "On the host: /usr/bin/python3 -m pip install pyroute2"


@pytest.mark.parametrize("version, old", [("0.5.14", True), ("0.7.1.post2", True), ("0.7.2", False), ("0.7.12", False), ("1.0.0rc1", False), (None, False)])
def test_pyroute2_that_is_too_old(monkeypatch: pytest.MonkeyPatch, version: str | None, old: bool) -> None:
    def find(_name: str) -> str:
        if version is None:
            raise host.metadata.PackageNotFoundError
        return version

    monkeypatch.setattr(host.metadata, "version", find)
    assert host.survey(True)["host"]["pyroute2_version"] == version
    assert [gap["problem"].endswith(f"has pyroute2 {version}, older than 0.7.2") for gap in gaps()] == [True] * old


def test_not_root_and_old(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host.os, "geteuid", lambda: 1000)
    monkeypatch.setattr(host, "PYTHON_NEEDED", (9, 9))
    assert [gap["need"] for gap in gaps()] == ["root", "python"]
    assert all(gap["problem"] and gap["remedy"] for gap in gaps())


def test_nothing_is_imported_to_find_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    host.survey(True)
    assert "pyroute2" not in sys.modules
