# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Containers on trees of container_rootfs: on what the host has mounted, and on what it has not mounted yet, as after a reboot."""

from __future__ import annotations

import os
import tarfile

import pytest

from ansible_collections.coracle.launcher.plugins.module_utils._coracle.base.errors import LauncherError
from ansible_collections.coracle.launcher.tests.unit.rootfs_task import KINDS, Task


@pytest.fixture(scope="module")
def archive(busybox_tree, tmp_path_factory):
    path = str(tmp_path_factory.mktemp("archive") / "busybox.tar")
    with tarfile.open(path, "w") as tar:
        for name in ("proc", "sys", "dev"):  # a read-only root must have them
            member = tarfile.TarInfo(name)
            member.type, member.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(member)
        tar.add(busybox_tree, ".")
    return path


class Tree(Task):
    """The tree of a box, as a task of container_rootfs keeps it."""

    def __init__(self, box, archive):
        super().__init__(os.path.dirname(box.path), box.name)
        self.dest = box.root
        self.options.update(src=archive, dest=box.root, max_entries=100000)


@pytest.fixture
def tree_of(make_box, archive):
    """tree_of(**options) -> (box, its tree, made by a task and mounted)."""
    trees = []

    def make(**options):
        box = make_box(rootfs="/nowhere", **options)  # else it gets a copy of the busybox tree
        del box.options["rootfs"]
        box.root = f"{box.path}/chroot"
        tree = Tree(box, archive)
        trees.append(tree)
        return box, tree
    yield make
    for tree in trees:
        tree.reboot()


@pytest.mark.parametrize("reboot", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_a_container_on_each_kind_of_tree(tree_of, kind, reboot):
    box, tree = tree_of()
    tree.run(**KINDS[kind])
    if reboot:
        tree.reboot()
    ran = box.shell("cat /etc/group; echo mine > /etc/mine && echo written")
    assert "web:x:98:" in ran.payload and ("written" in ran.payload) == (kind != "read_only"), ran
    assert len(tree.mounts()) == (kind != "copy" and not reboot)
    again = box.shell("cat /etc/mine")
    assert again.payload[-1:] == ([] if kind == "read_only" else ["mine"]), again
    tree.run(**KINDS[kind])
    assert kind == "read_only" or tree.read("etc/mine") == "mine\n"
    assert tree.run(**KINDS[kind]) == []
    assert box.traces() == []


@pytest.mark.parametrize("reboot", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_the_tree_of_a_running_container_stays(tree_of, kind, reboot):
    box, tree = tree_of()
    tree.run(**KINDS[kind])
    if reboot and kind != "copy":
        tree.reboot()
    with box.running():
        before = len(tree.mounts())
        if kind != "read_only":  # which may be mounted twice
            assert tree.run(**KINDS[kind]) == [] and len(tree.mounts()) == before
        for options in ({"devices": True}, {"state": "absent"}):
            with pytest.raises(LauncherError, match="is in use as the root of"):
                tree.run(**({} if kind == "read_only" else KINDS[kind]), **options)
    tree.run(**KINDS[kind])
    assert tree.run(**KINDS[kind]) == []
    tree.run(state="absent")


def test_one_layer_is_never_mounted_twice(tree_of, make_box):
    box, tree = tree_of()
    tree.run(backing_store="overlay")
    tree.reboot()
    other = make_box(rootfs=box.root)
    with box.running():
        refused = other.run("/bin/true")
        assert refused.code == 125 and f"is the root of process {box.pid()} already" in refused.err, refused
    assert other.run("/bin/true").code == 0
    tree.run()
    with box.running():  # mounted once, by the host: both may have it
        assert other.run("/bin/true").code == 0


def test_an_image_that_is_gone(tree_of):
    box, tree = tree_of()
    tree.run(backing_store="overlay")
    tree.reboot()
    digest = tree.result["image"]["digest"]
    hidden = "/var/lib/coracle/images/" + digest.partition(":")[2]
    os.rename(hidden, hidden + ".hidden")
    try:
        refused = box.run("/bin/true")
        assert refused.code == 125 and "is not in this host's image store" in refused.err, refused
    finally:
        os.rename(hidden + ".hidden", hidden)
    assert box.run("/bin/true").code == 0


@pytest.mark.parametrize("kind", ["overlay", "read_only"])
def test_the_supervisor_mounts_it_too(tree_of, kind):
    box, tree = tree_of()
    tree.run(**KINDS[kind])
    tree.reboot()
    box.write_settings(command=["/bin/sleep", "60"])
    started = box.launcher("start", box.path)
    assert started.code == 0, started
    inside = box.launcher("exec", box.name, "cat", "/etc/group")
    assert "web:x:98:" in inside.out and tree.mounts() == [], inside
    with pytest.raises(LauncherError, match="is in use as the root of"):
        tree.run(state="absent")
    assert box.launcher("stop", "-t", "0", box.name).code == 0
    tree.run(**KINDS[kind])
    tree.run(state="absent")
    assert [name for name in os.listdir(box.path) if "chroot" in name] == []
