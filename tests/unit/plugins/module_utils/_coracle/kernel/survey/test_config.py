# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kernel's configuration and its modules: what is there, what is not, and what nobody can tell."""

from __future__ import annotations

import gzip

import pytest

from ansible_collections.coracle.launcher.plugins.module_utils._coracle.kernel.survey import config, modules

TEXT = b"""#
# Automatically generated file; DO NOT EDIT.
CONFIG_CC_VERSION_TEXT="gcc (Debian) 12"
CONFIG_HZ=250
CONFIG_CFS_BANDWIDTH=y
CONFIG_VETH=m
# CONFIG_CGROUP_HUGETLB is not set
# CONFIG_CGROUP_BPF is not set
# CONFIG_BFQ_GROUP_IOSCHED is not set
"""


def test_the_first_file_that_can_be_read_counts(tmp_path):
    places = (f"{tmp_path}/config.gz", f"{tmp_path}/config-{{release}}")
    assert config.find("6.1", places).path is None
    (tmp_path / "config-6.1").write_bytes(TEXT)
    assert config.find("6.1", places).path == f"{tmp_path}/config-6.1"
    (tmp_path / "config.gz").write_bytes(b"no gzip")
    assert config.find("6.1", places).path == f"{tmp_path}/config-6.1"
    (tmp_path / "config.gz").write_bytes(gzip.compress(TEXT))
    found = config.find("6.1", places)
    assert found.path == f"{tmp_path}/config.gz"
    assert [found.state(option) for option in ("CFS_BANDWIDTH", "VETH", "CGROUP_HUGETLB", "MEMCG_V1", "HZ")] == ["y", "m", "n", None, None]


def test_options_that_are_off_are_gaps_where_they_matter(tmp_path):
    (tmp_path / "config").write_bytes(TEXT)
    found = config.find("6.1", (f"{tmp_path}/config",))
    assert found.states()["CONFIG_VETH"] == "m" and found.states()["CONFIG_PSI"] is None
    told = {mode: [gap["problem"] for gap in config.gaps(found, mode)] for mode in ("v1", "hybrid", "v2")}
    assert [problem.split("CONFIG_")[1] for problem in told["v1"]] == ["CGROUP_HUGETLB, needed for hugepages", "BFQ_GROUP_IOSCHED, needed for blkio_weight"]
    assert told["hybrid"] == told["v1"]
    assert [problem.split("CONFIG_")[1] for problem in told["v2"]] == ["CGROUP_BPF, needed for devices", "CGROUP_HUGETLB, needed for hugepages"]
    assert config.gaps(config.Config(None, {}), "v1") == []


def lists(directory, dep=None, builtin=None):
    directory.mkdir()
    for name, text in (("modules.dep", dep), ("modules.builtin", builtin)):
        if text is not None:
            (directory / name).write_text(text)


@pytest.mark.parametrize("state, dep, builtin, has", [
    (None, "kernel/drivers/net/veth.ko.xz: kernel/net/x.ko.xz\n", "", True),
    (None, "kernel/net/x.ko: kernel/drivers/net/veth.ko\n", "", False),  # only the first of a line is what the line is about
    (None, "", "kernel/drivers/net/veth.ko\n", True),
    ("y", None, None, True),
    ("n", None, None, False),
    ("m", "", None, False),
    (None, "", None, None),
    (None, None, "", None),  # the list is there and cannot be read
    (None, None, None, None),
])
def test_modules(tmp_path, state, dep, builtin, has):
    lists(tmp_path / "6.1", dep, builtin)
    found = modules.Modules(config.Config(None, {"VETH": state} if state else {}), str(tmp_path / "6.1"), str(tmp_path / "loaded"))
    assert found.has("veth", "VETH") is has


def test_a_loaded_module_is_there_and_without_any_directory_nothing_can_be_loaded(tmp_path):
    (tmp_path / "loaded/8021q").mkdir(parents=True)
    found = modules.Modules(config.Config(None, {"VETH": "m"}), str(tmp_path / "gone"), str(tmp_path / "loaded"))
    assert [found.has("8021q", "VLAN_8021Q"), found.has("veth", "VETH"), found.has("bridge", "BRIDGE")] == [True, False, None]


def test_a_kernel_that_loads_no_more_modules_has_those_that_are_loaded(tmp_path, monkeypatch):
    (tmp_path / "disabled").write_text("1\n")
    monkeypatch.setattr(modules, "_DISABLED", str(tmp_path / "disabled"))
    lists(tmp_path / "6.1", "kernel/drivers/net/veth.ko:\n", "")
    found = modules.Modules(config.Config(None, {}), str(tmp_path / "6.1"), str(tmp_path / "loaded"))
    assert found.has("veth", "VETH") is False


@pytest.mark.parametrize("content, has", [("nodev\tsysfs\nnodev\toverlay\n\text4\n", True), ("nodev\tsysfs\n\toverlayx\n", False), (None, False)])
def test_a_file_system_is_registered_or_a_module(tmp_path, content, has):
    if content is not None:
        (tmp_path / "filesystems").write_text(content)
    found = modules.Modules(config.Config(None, {"OVERLAY_FS": "n"}), str(tmp_path / "gone"), str(tmp_path / "loaded"))
    assert modules.has_filesystem("overlay", found, "OVERLAY_FS", str(tmp_path / "filesystems")) is has
