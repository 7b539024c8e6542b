# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cgroup on folders that stand for cgroup v2, and on this host's own hierarchies as root."""

from __future__ import annotations

import errno
import os
import signal
import time

import pytest

from ansible_collections.coracle.launcher.plugins.module_utils._coracle.base import files
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.base.errors import LauncherError
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.kernel.cgroup import detect, v2
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.work import delegation
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.work.limits import Cgroup

NAME = "coracle-unit-test"


def _host():
    """This host's layout when we may use it, None otherwise."""
    try:
        layout = detect.find()
    except LauncherError:
        return None
    mounts = set(layout.mounts.values()) or {layout.unified}
    return layout if os.geteuid() == 0 and mounts and all(os.access(mount, os.W_OK) for mount in mounts) else None


HOST = _host()
on_v1 = pytest.mark.skipif(HOST is None or HOST.mode == detect.V2, reason="runs as root on a host with cgroup v1 mounted writable")
on_v2 = pytest.mark.skipif(HOST is None or HOST.unified is None, reason="runs as root on a host with cgroup v2 mounted writable")


# --- v2, folders


@pytest.fixture
def fake(tmp_path, monkeypatch):
    """A v2 hierarchy with coracle/web in it: text files, and writes that replace them as cgroupfs does."""
    def write(path, text):
        with open(path, "r+", encoding="ascii") as file:
            file.truncate()
            file.write(text)
    monkeypatch.setattr(files, "write_text", write)
    content = {"cgroup.controllers": "cpuset cpu io memory pids", "cgroup.subtree_control": "cpuset cpu io memory pids", "cgroup.procs": ""}
    limits = {"memory.max": "max", "memory.current": "0", "memory.stat": "file 0", "memory.high": "max", "cpu.weight": "100", "cpu.max": "max 100000",
              "cpu.stat": "usage_usec 5", "pids.max": "max", "pids.current": "0", "cpuset.cpus": "", "cpuset.mems": "", "cgroup.freeze": "0"}
    for directory, has in ((tmp_path, content), (tmp_path / "coracle", content), (tmp_path / "coracle/web", {**content, **limits})):
        directory.mkdir(exist_ok=True)
        for name, text in has.items():
            (directory / name).write_text(text + "\n")
    layout = detect.Layout(detect.V2, dict.fromkeys(content["cgroup.controllers"].split(), str(tmp_path)), str(tmp_path))
    return Cgroup(layout, "coracle/web"), tmp_path / "coracle/web"


def test_v2_limits_go_to_the_files_of_v2(fake):
    group, directory = fake
    group.set({"memory": 4194305, "cpu_percent": 5, "cpus": "0.5", "pids_limit": 20, "cpuset_cpus": "0,1", "cgroup_conf": {"memory.high": "3M"}})
    read = {name: (directory / name).read_text() for name in ("memory.max", "cpu.weight", "cpu.max", "pids.max", "cpuset.cpus", "memory.high")}
    assert read == {"memory.max": "4194304", "cpu.weight": "5", "cpu.max": "50000 100000", "pids.max": "20", "cpuset.cpus": "0-1", "memory.high": "3M"}
    values = group.get(asked={"cgroup_conf": {"memory.high": "max", "memory.low": 0}})
    assert values["memory"] == 4194304 and values["cpu_percent"] == 5 and values["cpus"] == "0.5" and values["cgroup_conf"] == {"memory.high": "3M"}
    assert group.kept({"memory": 4194305, "cpu_percent": 5}) == {"memory": 4194304, "cpu_percent": 5}


def test_v2_paths_and_usage(fake):
    group, directory = fake
    assert group.exists() and group.missing() == []
    assert group.paths() == dict.fromkeys(("unified", "cpuset", "cpu", "io", "memory", "pids"), str(directory))
    usage = group.usage()
    assert (usage["memory_limit"], usage["cpu_usage_ns"], usage["memory_peak"]) == (-1, 5000, None)


def test_v2_what_is_there_already_is_not_written(fake):
    group, _directory = fake
    assert group.set({"memory": -1, "cpu_shares": 1024, "cpus": "-1", "pids_limit": -1}) == []


def test_v2_a_value_that_the_kernel_does_not_keep_takes_the_others_back(fake, monkeypatch):
    group, directory = fake
    write = files.write_text
    monkeypatch.setattr(files, "write_text", lambda path, text: write(path, "17" if text == "20" else text))
    with pytest.raises(LauncherError) as caught:
        group.set({"memory": 8388608, "cpu_shares": 512, "pids_limit": 20})
    assert caught.value.option == "pids_limit" and "pids.max reads '17'" in str(caught.value)
    assert [(directory / name).read_text() for name in ("memory.max", "cpu.weight", "pids.max")] == ["max", "100", "max"]


def test_v2_a_limit_below_the_usage_is_refused_with_the_usage(fake):
    group, directory = fake
    (directory / "memory.current").write_text("9000000")
    with pytest.raises(LauncherError) as caught:
        group.set({"pids_limit": 5, "memory": 4194304})
    assert "EBUSY" in str(caught.value) and "9000000 bytes" in caught.value.remedy
    assert (directory / "memory.max").read_text().strip() == "max" and (directory / "pids.max").read_text().strip() == "max"


def test_v2_a_controller_is_enabled_when_it_is_needed(fake):
    group, directory = fake
    (directory / "cgroup.controllers").write_text("cpu\n")
    (directory.parent / "cgroup.subtree_control").write_text("cpu\n")
    group.set({"pids_limit": 5})
    assert (directory.parent / "cgroup.subtree_control").read_text() == "+pids"


def test_v2_a_controller_that_is_not_passed_on_is_named(fake, monkeypatch):
    group, directory = fake
    (directory / "cgroup.controllers").write_text("cpu\n")
    (directory.parent / "cgroup.subtree_control").write_text("cpu\n")
    write = files.write_text

    def refuse(path, text):
        if path.endswith("subtree_control"):
            raise OSError(errno.ENOENT, "no", path)
        write(path, text)
    monkeypatch.setattr(files, "write_text", refuse)
    with pytest.raises(LauncherError) as caught:
        group.set({"cpu_shares": 512, "pids_limit": 5})
    assert caught.value.option == "pids_limit" and "controller pids" in str(caught.value) and "(ENOENT)" in str(caught.value)
    assert (directory / "cpu.weight").read_text() == "100"


def test_v2_a_controller_that_the_kernel_does_not_offer(fake):
    group, _directory = fake
    del group.layout.mounts["memory"]
    with pytest.raises(LauncherError) as caught:
        group.check({"memory": 8388608})
    assert "controller memory" in str(caught.value) and "cgroup_disable" in caught.value.remedy
    assert group.get()["memory"] is None


def test_with_systemd_ours_are_in_its_unit_and_the_unit_stays(fake, monkeypatch):
    layout = fake[0].layout
    root, layout.home = layout.unified, "machine.slice/coracle.service"
    asked = []
    monkeypatch.setattr(delegation, "ensure", lambda layout: (asked.append(layout), os.makedirs(f"{root}/{layout.home}", exist_ok=True)))
    monkeypatch.setattr(v2, "make", lambda root, path, names: [path for _made in [os.makedirs(f"{root}/{path}")]])
    group = Cgroup(layout, "coracle/web")
    assert group.path == "machine.slice/coracle.service/web" and asked == []
    group.create()
    assert asked == [layout] and group.exists()
    group.remove()
    assert not group.exists() and os.path.isdir(f"{root}/{layout.home}")
    Cgroup(layout, "other/web").create()
    assert asked == [layout], "what is not ours needs no unit of ours"


# --- any host


@pytest.mark.parametrize("limits, option", [
    ({"cpu_shares": 2, "cpu_percent": 5}, "cpu_percent"), ({"pids_limit": 2, "cgroup_conf": {"pids.max": 3}}, "cgroup_conf"),
    ({"memory": 1}, "memory"), ({"cgroup_conf": {"cgroup.procs": 1}}, "cgroup_conf"), ({"cgroup_conf": {"hugetlb.1GB.max": 1}}, "cgroup_conf"),
])
def test_limits_that_cannot_be_are_found_before_any_effect(fake, limits, option):
    with pytest.raises(LauncherError) as caught:
        fake[0].check(limits)
    assert caught.value.option == option


@pytest.mark.parametrize("path", ["/a", "../a", "a/tasks", "memory.max"])
def test_paths_outside_are_refused(path):
    with pytest.raises(LauncherError):
        Cgroup(detect.Layout(detect.V2, {}, "/nowhere"), path)


def test_the_root_is_never_removed(tmp_path):
    Cgroup(detect.Layout(detect.V2, {}, str(tmp_path)), "").remove()
    assert tmp_path.is_dir()


# --- this host


@pytest.fixture
def sleeper():
    """Start processes that sleep; they end with the test."""
    pids = []

    def start():
        pid = os.fork()
        if pid == 0:
            try:
                time.sleep(60)
            finally:
                os._exit(0)
        pids.append(pid)
        return pid
    yield start
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        except (ChildProcessError, ProcessLookupError):
            continue


@pytest.fixture
def group():
    """A function that makes Cgroups of this host; all are gone after the test."""
    made = []

    def make(layout, path="web"):
        made.append(Cgroup(layout, f"{NAME}-{os.getpid()}/{path}"))
        made.append(Cgroup(layout, f"{NAME}-{os.getpid()}"))
        return made[-2]
    yield make
    for cgroup in made[::2] + made[1::2]:
        if cgroup.exists():
            cgroup.kill()
            cgroup.remove()


def unified():
    """The v2 hierarchy alone, as on a host where it is in charge but offers no controller."""
    return HOST if HOST.mode == detect.V2 else detect.Layout(detect.V2, {}, HOST.unified)


VERSIONS = [pytest.param(lambda: HOST, id="v1", marks=on_v1), pytest.param(unified, id="v2", marks=on_v2)]


@pytest.mark.parametrize("layout", VERSIONS)
def test_life_of_a_cgroup(group, sleeper, layout):
    cgroup = group(layout())
    assert not cgroup.exists() and cgroup.paths() == {} and cgroup.missing() and cgroup.processes() == []
    made = cgroup.create()
    assert made and cgroup.exists() and cgroup.missing() == [] and cgroup.create() == []
    pid = sleeper()
    assert not cgroup.holds(pid)
    cgroup.attach(pid)
    assert cgroup.holds(pid) and cgroup.processes() == [pid]
    with pytest.raises(LauncherError) as caught:
        cgroup.remove()
    assert f"{pid} (" in str(caught.value) and cgroup.holds(pid)
    assert cgroup.is_frozen() is False
    cgroup.freeze()
    assert cgroup.is_frozen() is True
    cgroup.thaw()
    assert cgroup.is_frozen() is False
    assert cgroup.kill() and cgroup.processes() == []
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL
    cgroup.remove()
    assert not cgroup.exists()
    cgroup.remove()


@pytest.mark.parametrize("layout", VERSIONS)
def test_kill_reaches_frozen_processes_their_children_and_cgroups_below_but_nobody_else(group, sleeper, layout):
    cgroup, deeper, other = group(layout()), group(layout(), "web/deep"), group(layout(), "web2")
    for each in (cgroup, deeper, other):
        each.create()
    inside, below, outside = sleeper(), sleeper(), sleeper()
    cgroup.attach(inside)
    deeper.attach(below)
    other.attach(outside)
    deeper.freeze()
    cgroup.freeze()
    assert cgroup.kill() and not cgroup.is_frozen()
    for pid in (inside, below):
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL
    assert os.waitpid(outside, os.WNOHANG) == (0, 0)
    cgroup.remove()
    assert not deeper.exists() and other.exists()


@pytest.mark.parametrize("layout", VERSIONS)
def test_kill_never_takes_the_caller(group, layout):
    cgroup = group(layout())
    cgroup.create()
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            cgroup.attach(os.getpid())
            cgroup.kill()
        except LauncherError as error:
            code = 0 if "the very process" in str(error) else 2
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


@pytest.mark.parametrize("layout", VERSIONS)
def test_a_pid_that_is_not_there(group, layout):
    cgroup = group(layout())
    cgroup.create()
    with pytest.raises(LauncherError) as caught:
        cgroup.attach(1 << 29)
    assert "ESRCH" in str(caught.value) or "EINVAL" in str(caught.value)


@pytest.mark.parametrize("layout", VERSIONS)
def test_the_name_of_a_file_is_no_cgroup(group, layout):
    with pytest.raises(LauncherError):
        group(layout(), "cgroup.procs")


@on_v1
def test_v1_limits_are_in_the_kernels_files(group):
    cgroup = group(HOST)
    cgroup.create()
    limits = {"memory": 4194305, "cpu_percent": 5, "cpus": "0.5", "pids_limit": 20, "cpuset_cpus": "0", "cgroup_conf": {"memory.swappiness": 10}}
    cgroup.set(limits)
    read = {f"{controller}.{name}": files.read_text(f"{cgroup.paths()[controller]}/{controller}.{name}") for controller, name in (
        ("memory", "limit_in_bytes"), ("cpu", "shares"), ("cpu", "cfs_quota_us"), ("pids", "max"), ("cpuset", "cpus"), ("memory", "swappiness"))}
    assert read == {"memory.limit_in_bytes": "4194304", "cpu.shares": "51", "cpu.cfs_quota_us": "50000", "pids.max": "20", "cpuset.cpus": "0",
                    "memory.swappiness": "10"}
    kept = cgroup.kept(limits)
    assert cgroup.get((), limits) == kept and cgroup.read(limits) == kept
    assert cgroup.set(limits) == []
    assert cgroup.usage()["memory_limit"] == 4194304 and cgroup.usage()["pids"] == 0


@on_v1
def test_v1_a_refused_limit_takes_the_others_back(group):
    cgroup = group(HOST)
    cgroup.create()
    cgroup.set({"memory": 8388608})
    before = cgroup.get()
    with pytest.raises(LauncherError) as caught:
        cgroup.set({"memory": 16777216, "cpu_shares": 7, "pids_limit": 3, "cgroup_conf": {"memory.swappiness": 4000}})
    assert "controller memory" in str(caught.value) and "memory.swappiness" in str(caught.value) and "(EINVAL)" in str(caught.value)
    assert cgroup.get() == before


@on_v1
@pytest.mark.skipif(HOST is None or not os.path.exists(f"{HOST.mounts.get('memory')}/memory.memsw.limit_in_bytes"), reason="no swap accounting")
def test_v1_memory_and_swap_are_written_in_the_order_that_the_direction_needs(group):
    cgroup = group(HOST)
    cgroup.create()
    for memory, both in ((4 << 20, 8 << 20), (16 << 20, 32 << 20), (6 << 20, 6 << 20), (-1, -1)):
        cgroup.set({"memory": memory, "cgroup_conf": {"memory.memsw.limit_in_bytes": both}})
        assert cgroup.get(("memory",))["memory"] == memory


@on_v1
def test_v1_a_process_enters_every_hierarchy_and_no_other_process_does(group, sleeper):
    cgroup = group(HOST)
    cgroup.create()
    pid = sleeper()
    cgroup.attach(pid)
    member = detect.membership(HOST, files.read_text(f"/proc/{pid}/cgroup"))
    assert sorted(member) == sorted(set(cgroup.paths().values()) | {place for place in member if NAME not in place})
    assert len([place for place in member if NAME in place]) == len(set(cgroup.paths().values()))
