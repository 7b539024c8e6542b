# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What cgroup_info finds and tells, on folders that stand for cgroup v1 with a mount for each controller, and for v2."""

from __future__ import annotations

import os

import pytest

from ansible_collections.coracle.launcher.plugins.module_utils._coracle.base.errors import LauncherError
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.kernel.cgroup import detect
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.work import cgroup_info

CONTENT = {
    "v1/memory": {"memory.usage_in_bytes": "10", "memory.limit_in_bytes": "4194304", "cgroup.procs": ""},
    "v1/freezer": {"freezer.self_freezing": "0", "cgroup.procs": ""},
    "v2": {"cgroup.controllers": "cpu memory", "cgroup.freeze": "0", "cgroup.procs": "", "memory.current": "10", "memory.max": "4194304"},
}


def make(root, path):
    directory = root
    for part in ["", *path.split("/")]:
        directory = directory / part
        directory.mkdir(parents=True, exist_ok=True)
        for name, text in next(content for prefix, content in CONTENT.items() if f"/{prefix}/" in f"{directory}/").items():
            (directory / name).write_text(text + "\n")
    return directory


@pytest.fixture(params=["v1", "v2"])
def host(request, tmp_path, monkeypatch):
    """make(PATH): a cgroup in every hierarchy. On v1 there are two of them."""
    roots = [tmp_path / "v1/memory", tmp_path / "v1/freezer"] if request.param == "v1" else [tmp_path / "v2"]
    for root in roots:
        make(root, "")
    mounts = {root.name: str(root) for root in roots} if request.param == "v1" else dict.fromkeys(("cpu", "memory"), str(roots[0]))
    layout = detect.Layout(request.param, mounts, str(roots[0]) if request.param == "v2" else None)
    monkeypatch.setattr(detect, "find", lambda: layout)
    return lambda path: [make(root, path) for root in roots]


def ask(*names, parent="coracle", recurse=False):
    want = {"name": list(names), "parent": parent, "recurse": recurse}
    have = cgroup_info.read(want)
    assert cgroup_info.plan(want, have) == []
    return cgroup_info.result(want, have, [], False)["cgroups"]


def names(*patterns, **options):
    return [cgroup["name"] for cgroup in ask(*patterns, **options)]


def test_nothing_is_there_and_nothing_is_made(host, tmp_path):
    before = sorted(tmp_path.rglob("*"))
    assert ask() == [] and ask("web", recurse=True) == []
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("patterns, recurse, found", [
    ([], False, ["a", "b1", "b2"]),
    ([], True, ["a", "b1", "b1/deep", "b1/deep/er", "b2"]),
    (["b*"], False, ["b1", "b2"]),
    (["b?/*", "a", "gone"], False, ["a", "b1/deep"]),  # a wildcard does not match a slash
    (["b1"], True, ["b1", "b1/deep", "b1/deep/er"]),
    (["*/*/er"], False, ["b1/deep/er"]),
])
def test_names_and_wildcards(host, patterns, recurse, found):
    for path in ("a", "b1/deep/er", "b2"):
        host(f"coracle/{path}")
    assert names(*patterns, recurse=recurse) == found


def test_the_root_of_the_hierarchy_is_a_parent_too(host):
    host("coracle/a")
    assert names(parent="") == ["coracle"]
    assert [cgroup["path"] for cgroup in ask(parent="", recurse=True)] == ["coracle", "coracle/a"]


def test_all_is_told_of_one(host):
    directories = host("coracle/a")
    (directories[0] / "cgroup.procs").write_text(f"{os.getpid()}\n")
    [found] = ask("a")
    assert set(found) == {"name", "path", "mode", "state", "paths", "limits", "usage", "processes"}
    assert (found["path"], found["state"], found["processes"]) == ("coracle/a", "present", [os.getpid()])
    assert found["paths"]["memory"] == str(directories[0])
    assert (found["limits"]["memory"], found["limits"]["pids_limit"]) == (4 << 20, None)
    assert (found["usage"]["memory_usage"], found["usage"]["memory_limit"], found["usage"]["pids"]) == (10, 4 << 20, None)


def test_a_frozen_one_is_told_so(host):
    for directory in host("coracle/a"):
        for name in ("freezer.self_freezing", "cgroup.freeze"):
            (directory / name).write_text("1\n")
    assert [cgroup["state"] for cgroup in ask()] == ["frozen"]


@pytest.mark.parametrize("host", ["v1"], indirect=True)
def test_one_that_is_in_some_hierarchies_only_is_found(host):
    memory, _freezer = host("coracle/a")
    for path in memory.iterdir():
        path.unlink()
    memory.rmdir()
    assert [list(cgroup["paths"]) for cgroup in ask()] == [["freezer"]]


def test_one_that_is_removed_while_it_is_read_is_left_out(host):
    host("coracle/a")
    have = cgroup_info.read({"name": [], "parent": "coracle", "recurse": False})
    have.names.append("gone")
    assert [cgroup["name"] for cgroup in cgroup_info.result({"parent": "coracle"}, have, [], False)["cgroups"]] == ["a"]


@pytest.mark.parametrize("given, option", [
    ({"names": ["/a"]}, "name"), ({"names": ["a", "../b"]}, "name"), ({"names": [""]}, "name"), ({"names": ["memory.max"]}, "name"),
    ({"parent": "/sys"}, "parent"), ({"parent": "a/.."}, "parent"),
])
def test_bad_names_are_refused(host, given, option):
    with pytest.raises(LauncherError) as caught:
        ask(*given.get("names", []), parent=given.get("parent", "coracle"))
    assert caught.value.option == option
