# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the module cgroup plans, on folders that stand for cgroup v2; and what it leaves after a failure, on this host as root."""

from __future__ import annotations

import os

import pytest

from ansible_collections.coracle.launcher.plugins.module_utils._coracle.base import files
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.base.errors import LauncherError
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.kernel.cgroup import detect
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.kernel.cgroup.limits import table
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.model.change import CREATE, LIVE, REMOVE, Change
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.work import cgroup
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.work.limits import Cgroup

CONTROLLERS = "cpuset cpu io memory pids"
GONE = 1 << 29


def options(**given):
    """The module's parameters: what is not given is None, as Ansible hands them over."""
    names = (*table.OPTIONS, "cgroup_conf", "pids", "controllers")
    return {"name": "web", "parent": "coracle", "state": "present", "cpu_weight_conversion": "proportional", **dict.fromkeys(names), **given}


@pytest.fixture
def host(tmp_path, monkeypatch):
    """A v2 host: make(PATH) makes a cgroup that a plan can read."""
    def make(path):
        directory = tmp_path / path
        directory.mkdir(parents=True)
        content = {"cgroup.controllers": CONTROLLERS, "cgroup.procs": "", "cgroup.freeze": "0", "memory.max": "8388608", "memory.high": "max",
                   "cpu.weight": "5", "cpu.max": "max 100000", "pids.max": "max"}
        for name, text in content.items():
            (directory / name).write_text(text + "\n")
        return directory
    (tmp_path / "cgroup.controllers").write_text(CONTROLLERS)
    monkeypatch.setattr(detect, "find", lambda: detect.Layout(detect.V2, dict.fromkeys(CONTROLLERS.split(), str(tmp_path)), str(tmp_path)))
    return make


def plan(**given):
    want = options(**given)
    return cgroup.plan(want, cgroup.read(want))


def test_a_new_cgroup_is_planned_with_all_that_is_asked(host):
    assert plan(memory="4194305", cpus=0.5, pids_limit=-1) == [
        Change("state", "absent", "present", CREATE), Change("memory", None, 4194304, CREATE), Change("cpus", None, "0.5", CREATE),
        Change("pids_limit", None, -1, CREATE)]


def test_only_what_is_asked_and_differs_is_planned(host):
    host("coracle/web")
    assert plan() == []
    assert plan(memory="8M", cpu_percent=5, cpus=-1, pids_limit=-1, cgroup_conf={"memory.high": "unlimited"}) == []
    assert plan(memory="8M", cpu_percent=6, cgroup_conf={"memory.high": "4M"}) == [
        Change("cpu_percent", 5, 6, LIVE), Change("cgroup_conf", {"memory.high": "max"}, {"memory.high": "4M"}, LIVE)]


def test_frozen_and_present_lead_to_each_other(host):
    directory = host("coracle/web")
    assert plan(state="frozen") == [Change("state", "present", "frozen", LIVE)]
    (directory / "cgroup.freeze").write_text("1\n")
    assert plan(state="frozen") == []
    assert plan() == [Change("state", "frozen", "present", LIVE)]


def test_pids_that_are_inside_are_not_moved_again(host):
    directory = host("coracle/web")
    (directory / "cgroup.procs").write_text(f"{os.getpid()}\n")
    me, parent = os.getpid(), os.getppid()
    assert plan(pids=[me, me]) == []
    assert plan(pids=[parent, me]) == [Change("pids", [me], [parent, me], LIVE)]


def test_absent_and_killed(host):
    assert plan(state="absent") == [] and plan(state="killed") == []
    directory = host("coracle/web")
    assert plan(state="absent") == [Change("state", "present", "absent", REMOVE)] and plan(state="killed") == []
    (directory / "cgroup.procs").write_text(f"{os.getpid()}\n")
    [change] = plan(state="killed", memory="1M", pids=[GONE])
    assert (change.option, change.after) == ("state", "killed") and str(os.getpid()) in change.why
    with pytest.raises(LauncherError) as caught:
        plan(state="absent")
    assert f"{os.getpid()} (" in str(caught.value)


def test_a_process_in_a_cgroup_below_counts(host):
    host("coracle/web")
    (host("coracle/web/deep") / "cgroup.procs").write_text(f"{os.getpid()}\n")
    with pytest.raises(LauncherError):
        plan(state="absent")


@pytest.mark.parametrize("given, option", [
    ({"name": "../x"}, "name"), ({"name": "tasks"}, "name"), ({"name": "/x"}, "name"), ({"parent": "/sys"}, "parent"), ({"parent": "a/.."}, "parent"),
    ({"memory": "much"}, "memory"), ({"memory": "1"}, "memory"), ({"cpus": 0.001}, "cpus"), ({"cpus": -2}, "cpus"), ({"cpu_shares": 1}, "cpu_shares"),
    ({"pids_limit": -2}, "pids_limit"), ({"cpuset_mems": "x"}, "cpuset_mems"), ({"pids": [GONE]}, "pids"), ({"pids": [0]}, "pids"),
    ({"pids": [-1]}, "pids"), ({"cgroup_conf": {"cgroup.kill": 1}}, "cgroup_conf"), ({"cgroup_conf": {"devices.deny": "a"}}, "cgroup_conf"),
    ({"cgroup_conf": {"memory.high": None}}, "cgroup_conf"), ({"cgroup_conf": {"rdma.max": 1}}, "cgroup_conf"),
])
def test_bad_input_is_found_before_any_effect(host, tmp_path, given, option):
    with pytest.raises(LauncherError) as caught:
        cgroup.read(options(**given))
    assert caught.value.option == option and not (tmp_path / "coracle").exists()


def test_an_empty_parent_is_the_root_of_the_hierarchy(host):
    assert cgroup.read(options(parent="", name="own")).cgroup.path == "own"


# --- this host


def _host():
    try:
        layout = detect.find()
    except LauncherError:
        return None
    return layout if os.geteuid() == 0 and all(os.access(mount, os.W_OK) for mount in layout.mounts.values()) else None


HOST = _host()
on_v1 = pytest.mark.skipif(HOST is None or HOST.mode == detect.V2, reason="runs as root on a host with cgroup v1 mounted writable")
PARENT = f"coracle-unit-test-module-{os.getpid()}"


@pytest.fixture
def clean():
    yield
    group = Cgroup(HOST, PARENT)
    if group.exists():
        group.kill()
        group.remove()


def run(**given):
    """Check, run, again: return what was done."""
    want = options(parent=PARENT, **given)
    checked = cgroup.plan(want, cgroup.read(want))
    have = cgroup.read(want)
    changes = cgroup.plan(want, have)
    assert changes == checked
    if changes:
        cgroup.apply(want, have, changes)
    assert cgroup.plan(want, cgroup.read(want)) == []
    return changes, cgroup.result(want, have, changes, False)["cgroup"]


@on_v1
def test_v1_each_state_is_reached_once(clean):
    assert [change.option for change in run(memory="4M", cpu_percent=5)[0]] == ["state", "memory", "cpu_percent"]
    changes, result = run(state="frozen", memory="8M")
    assert [change.action for change in changes] == [LIVE, LIVE] and result["state"] == "frozen" and result["limits"]["memory"] == 8 << 20
    assert run(memory="-1")[1]["limits"]["memory"] == -1
    assert run(state="absent")[1] == {"path": f"{PARENT}/web", "mode": HOST.mode, "state": "absent", "paths": {}, "limits": {}, "pids": []}


@on_v1
def test_v1_a_cgroup_that_lacks_a_hierarchy_is_made_whole(clean):
    run()
    os.rmdir(f"{HOST.mounts['cpu']}/{PARENT}/web")
    [change] = run()[0]
    assert (change.before, change.after, change.action) == ("incomplete", "present", CREATE) and "cpu" in change.why


def _child():
    pid = os.fork()
    if pid == 0:
        os.read(os.pipe()[0], 1)
        os._exit(0)
    return pid


def _end(pid):
    os.kill(pid, 9)
    os.waitpid(pid, 0)


@on_v1
@pytest.mark.parametrize("given", [{"cpuset_cpus": "0-4095"}, {"cgroup_conf": {"memory.nonsense": 1}}, {"pids": ["one", "one that ends"]}])
@pytest.mark.parametrize("there", [False, True])
def test_v1_nothing_is_left_of_a_run_that_fails(clean, given, there):
    pid, ends = _child(), _child()
    try:
        if there:
            run(memory="32M", pids_limit=9)
        if "pids" in given:
            given = {"pids": [pid, ends]}
        before = files.read_text(f"/proc/{pid}/cgroup")
        want = options(parent=PARENT, memory="16M", pids_limit=5, state="frozen", **given)
        have = cgroup.read(want)
        changes = cgroup.plan(want, have)
        _end(ends)
        with pytest.raises(LauncherError):
            cgroup.apply(want, have, changes)
        assert files.read_text(f"/proc/{pid}/cgroup") == before
        group = Cgroup(HOST, f"{PARENT}/web")
        assert group.exists() is there and Cgroup(HOST, PARENT).exists() is there
        if there:
            assert group.get(("memory", "pids_limit")) == {"memory": 32 << 20, "pids_limit": 9} and not group.is_frozen()
    finally:
        _end(pid)


@pytest.mark.parametrize("given, option", [
    ({"controllers": ["nope"]}, "controllers"), ({"controllers": ["cpu"], "memory": "4M"}, "controllers"), ({"memory_swap": "8M"}, "memory_swap"),
    ({"memory_swappiness": 5}, "memory_swappiness"), ({"device_read_bps": [{"path": "/dev/null", "rate": "1M"}]}, "device_read_bps"),
    ({"cpu_quota": 5}, "cpu_quota"), ({"cpus": 1.0, "cpu_period": 1000}, "cpu_period"), ({"hugepages": {"3M": 1}}, "hugepages"),
])
def test_bad_input_of_the_other_options(host, given, option):
    with pytest.raises(LauncherError) as caught:
        cgroup.read(options(**given))
    assert caught.value.option == option


def test_controllers_by_the_names_of_either_version(host):
    directory = host("coracle/web")
    assert plan(controllers=["io", "memory", "freezer", "cpuacct"]) == plan(controllers=["blkio", "cpu"]) == []
    (directory / "cgroup.controllers").write_text("cpu\n")
    [change] = plan(controllers=["blkio", "cpu"])
    assert (change.before, change.after, change.why) == ("incomplete", "present", "not ready in io")


@on_v1
def test_v1_only_the_named_controllers_have_it(clean):
    _changes, result = run(controllers=["memory", "io"], memory="8M")
    assert set(result["paths"]) == {"memory", "blkio"} and result["limits"]["cpu_shares"] is None
