# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import errno
import os
import threading

import pytest

from ansible_collections.coracle.launcher.plugins.module_utils._coracle.base import files
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.base.errors import LauncherError
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.kernel.cgroup import tree, v1, v2


@pytest.fixture(autouse=True)
def kernel_like_writes(monkeypatch):
    """A text file keeps the end of its longer old content, cgroupfs does not."""
    def write(path, text):
        with open(path, "r+", encoding="ascii") as file:
            file.truncate()
            file.write(text)
    monkeypatch.setattr(files, "write_text", write)


def folder(path, **content):
    path.mkdir(exist_ok=True)
    for name, text in content.items():
        (path / name.replace("__", ".")).write_text(text + "\n")
    return path


@pytest.mark.parametrize("path", ["a", "coracle/web1", "coracle/.supervisor", "system.slice/x@1.service", "memory", "cpu/a", "tasks2"])
def test_paths_below_a_hierarchy(path):
    assert tree.check_path(path) == path


@pytest.mark.parametrize("path", ["", "/", "/a", "a/", "a//b", ".", "a/..", "../a", "a b", "a\nb", "x" * 256, "tasks", "a/tasks", "cgroup.procs", "memory.max",
                                  "a/cpu.shares", "notify_on_release", "release_agent", "io.x", None])
def test_paths_that_leave_it_or_are_the_kernels(path):
    with pytest.raises(LauncherError) as caught:
        tree.check_path(path, "parent")
    assert caught.value.option == "parent"


def test_directories_below_come_deepest_first(tmp_path):
    (tmp_path / "a/b/c").mkdir(parents=True)
    (tmp_path / "a/d").mkdir()
    found = tree.below(str(tmp_path / "a"))
    assert found[-1] == f"{tmp_path}/a" and found.index(f"{tmp_path}/a/b/c") < found.index(f"{tmp_path}/a/b")
    assert tree.remove_once(str(tmp_path / "a")) and not (tmp_path / "a").exists()
    assert tree.below(str(tmp_path / "a")) == [] and tree.remove_once(str(tmp_path / "a"))


def test_processes_of_other_namespaces_and_doubles_are_left_out(tmp_path):
    assert tree.processes(str(folder(tmp_path, cgroup__procs="7\n0\n5\n7"))) == [5, 7]
    assert tree.processes(str(tmp_path / "gone")) == []


def test_what_no_cgroup_can_take(tmp_path):
    assert tree.immovable(os.getpid()) is None
    assert tree.immovable(0) == tree.immovable(-1) == tree.immovable(1 << 30) == "no such process"
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    assert "has ended" in tree.immovable(pid)
    os.waitpid(pid, 0)
    hold = threading.Event()
    thread = threading.Thread(target=hold.wait)
    thread.start()
    try:
        assert f"thread of the process {os.getpid()}" in tree.immovable(thread.native_id)
    finally:
        hold.set()
        thread.join()


@pytest.mark.skipif(not os.path.exists("/proc/2/stat") or "kthreadd" not in open("/proc/2/stat").read(), reason="sees no threads of the kernel")
def test_a_thread_of_the_kernel_is_no_process():
    assert "of the kernel" in tree.immovable(2)


def test_pids_are_named_for_a_message():
    assert tree.named([os.getpid()]).startswith(f"{os.getpid()} (")
    assert tree.named([1 << 30]) == f"{1 << 30} (ended)"
    assert tree.named(list(range(1 << 30, (1 << 30) + 12))).endswith("and 2 more")


def test_v1_cpuset_takes_what_its_parent_has(tmp_path):
    folder(tmp_path, cpuset__cpus="0-1", cpuset__mems="0")
    folder(tmp_path / "coracle", cpuset__cpus="", cpuset__mems="0")
    assert not v1.is_ready(str(tmp_path / "coracle"), ["cpuset"])
    assert v1.make(str(tmp_path), "coracle", ["cpuset"]) == []
    assert (tmp_path / "coracle/cpuset.cpus").read_text() == "0-1"
    assert v1.is_ready(str(tmp_path / "coracle"), ["cpuset"]) and v1.is_ready(str(tmp_path / "coracle"), ["cpu"])


def test_v1_a_failure_removes_what_was_made(tmp_path):
    with pytest.raises(FileNotFoundError):  # a folder gets no files of the kernel
        v1.make(str(tmp_path), "coracle/web", ["cpuset"])
    assert list(tmp_path.iterdir()) == []


def test_v2_enables_controllers_down_the_path_but_not_in_the_leaf(tmp_path):
    for directory in (tmp_path, tmp_path / "a", tmp_path / "a/b"):
        folder(directory, cgroup__controllers="cpu memory pids io", cgroup__subtree_control="cpu")
    done = v2.make(str(tmp_path), "a/b", ["memory", "cpu", "cpuset", "pids"])
    assert done == [(str(tmp_path), ["memory", "pids"]), (f"{tmp_path}/a", ["memory", "pids"])]
    assert (tmp_path / "cgroup.subtree_control").read_text() == "+memory +pids"
    assert (tmp_path / "a/cgroup.subtree_control").read_text() == "+memory +pids"
    assert (tmp_path / "a/b/cgroup.subtree_control").read_text() == "cpu\n"
    (tmp_path / "other").mkdir()
    v2.undo(done)
    assert (tmp_path / "a/cgroup.subtree_control").read_text() == "-memory -pids"
    assert (tmp_path / "cgroup.subtree_control").read_text() == "+memory +pids", "somebody else is there by now"


def test_v2_one_refused_controller_does_not_take_the_others_along(tmp_path, monkeypatch):
    folder(tmp_path, cgroup__controllers="cpu memory", cgroup__subtree_control="")
    written = []

    def refuse(path, text):
        if "+memory" in text:
            raise OSError(errno.EBUSY, "busy", path)
        written.append(text)
    monkeypatch.setattr(files, "write_text", refuse)
    assert v2.make(str(tmp_path), "a", ["memory", "cpu"]) == [(str(tmp_path), ["cpu"]), f"{tmp_path}/a"]
    assert written == ["+cpu"]


@pytest.mark.parametrize("kind, refused", [({"cgroup__type": "domain"}, True), ({}, False)])
def test_v2_nothing_is_enabled_where_processes_are_but_in_the_root(tmp_path, kind, refused):
    folder(tmp_path, cgroup__controllers="cpu", cgroup__subtree_control="", cgroup__procs="7", **kind)
    done = v2.make(str(tmp_path), "a", ["cpu"])
    assert done == [f"{tmp_path}/a"] if refused else done == [(str(tmp_path), ["cpu"]), f"{tmp_path}/a"]
    assert (tmp_path / "cgroup.subtree_control").read_text() == ("\n" if refused else "+cpu")


@pytest.mark.parametrize("limit", [-1, 5000, 9000])
def test_v2_makes_no_room_where_there_is_enough(tmp_path, limit):
    folder(tmp_path, memory__current="5000", memory__stat="file 0", memory__reclaim="")
    v2.make_room(str(tmp_path), limit)
    assert (tmp_path / "memory.reclaim").read_text() == "\n"


def test_v2_refuses_a_limit_below_what_is_used_and_cannot_be_reclaimed(tmp_path):
    folder(tmp_path, memory__current="5000", memory__stat="anon 4000\nfile 1000", memory__reclaim="")
    v2.make_room(str(tmp_path), 4000)  # the page cache goes by itself
    assert (tmp_path / "memory.reclaim").read_text() == "1000"
    with pytest.raises(OSError) as caught:
        v2.make_room(str(tmp_path), 3999)
    assert caught.value.errno == errno.EBUSY and caught.value.filename.endswith("memory.max")


def test_v2_before_5_19_has_no_reclaim_and_the_same_answer(tmp_path):
    folder(tmp_path, memory__current="5000", memory__stat="anon 5000\nfile 0")
    with pytest.raises(OSError):
        v2.make_room(str(tmp_path), 100)


def test_v2_kill_and_freeze_are_one_write(tmp_path):
    folder(tmp_path, cgroup__kill="", cgroup__freeze="0", cgroup__events="populated 1\nfrozen 1")
    assert v2.kill(str(tmp_path)) and (tmp_path / "cgroup.kill").read_text() == "1"
    assert v2.freeze(str(tmp_path)) and v2.is_frozen(str(tmp_path))
    v2.thaw(str(tmp_path))
    assert not v2.is_frozen(str(tmp_path))


def test_v2_that_does_not_freeze_is_thawed_again(tmp_path):
    folder(tmp_path, cgroup__freeze="0", cgroup__events="populated 1\nfrozen 0")
    assert not v2.freeze(str(tmp_path), 0.01) and not v2.is_frozen(str(tmp_path))


def test_v2_kill_before_5_14_says_so(tmp_path):
    assert v2.kill(str(tmp_path)) is False


def test_v1_that_does_not_freeze_is_thawed_again(tmp_path, monkeypatch):
    words = []
    folder(tmp_path, freezer__state="FREEZING")
    monkeypatch.setattr(files, "write_text", lambda path, text: words.append(text))
    assert not v1.freeze(str(tmp_path), 0.01)
    assert words[0] == "FROZEN" and words[-1] == "THAWED"
