# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The gaps of a host, and that nothing is imported to find them."""

from __future__ import annotations

import sys
import typing as t

import pytest

from ansible_collections.coracle.launcher.plugins.module_utils._ansible import host
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.base.errors import LauncherError
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.kernel.cgroup import detect


@pytest.fixture(autouse=True)
def complete(monkeypatch: pytest.MonkeyPatch) -> None:
    """A host that lacks nothing."""
    monkeypatch.setattr(host, "find_spec", lambda name: name)
    monkeypatch.setattr(host.os, "geteuid", lambda: 0)
    monkeypatch.setattr(host.detect, "find", lambda: detect.Layout("v1", {"cpu": "/c", "memory": "/m", "pids": "/p"}, None))
    monkeypatch.setattr(host.codecs, "available", lambda: [{"name": "gzip", "by": "standard library", "remedy": None}])
    monkeypatch.setattr(host.kinds, "kernel_has_overlay", lambda: True)
    monkeypatch.setattr(host.landlock, "abi", lambda: 4)


def gaps(networks: bool = True) -> list[dict[str, t.Any]]:
    return host.survey(networks)["gaps"]


def test_nothing_lacks() -> None:
    answer = host.survey(True)
    assert answer["gaps"] == []
    assert answer["host"]["cgroup"] == {"mode": "v1", "controllers": ["cpu", "memory", "pids"]}


def test_what_only_some_images_need(monkeypatch: pytest.MonkeyPatch) -> None:
    assert host.survey(True)["optional"] == []
    monkeypatch.setattr(host.codecs, "available", lambda: [
        {"name": "zstd", "by": None, "remedy": "Install the package zstd"}, {"name": "xz", "by": None, "remedy": "Install Python"},
        {"name": "lz4", "by": "tool lz4", "remedy": None}])
    monkeypatch.setattr(host.kinds, "kernel_has_overlay", lambda: False)
    monkeypatch.setattr(host.landlock, "abi", lambda: 0)
    answer = host.survey(True)
    assert answer["gaps"] == []
    assert [(gap["need"], gap["package"]) for gap in answer["optional"]] == [("compression", "zstd"), ("compression", ""), ("overlay", ""), ("landlock", "")]
    assert all(gap["problem"] and gap["remedy"] for gap in answer["optional"])


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


def test_no_cgroup(monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing() -> None:
        raise LauncherError("no cgroup is mounted")

    monkeypatch.setattr(host.detect, "find", nothing)
    answer = host.survey(True)
    assert answer["host"]["cgroup"]["mode"] == "none"
    assert [(gap["need"], gap["problem"]) for gap in answer["gaps"]] == [("cgroup", "no cgroup is mounted")]


def test_a_controller_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host.detect, "find", lambda: detect.Layout("v1", {"cpu": "/c", "pids": "/p"}, None))
    assert [gap["problem"] for gap in gaps()] == ["the kernel offers no cgroup controller memory"]


def test_not_root_and_old(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host.os, "geteuid", lambda: 1000)
    monkeypatch.setattr(host, "PYTHON_NEEDED", (9, 9))
    assert [gap["need"] for gap in gaps()] == ["root", "python"]


def test_every_gap_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "find_spec", lambda _name: None)
    monkeypatch.setattr(host.os, "geteuid", lambda: 1000)
    assert all(gap["problem"] and gap["remedy"] for gap in gaps())
