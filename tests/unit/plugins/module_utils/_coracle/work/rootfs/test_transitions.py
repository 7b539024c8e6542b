# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From each kind of tree to each other one: the check says what the run does, the second run has nothing to do, nothing is left over."""

from __future__ import annotations

import itertools
import os
import shutil

import pytest

from ansible_collections.coracle.launcher.plugins.module_utils._coracle.base.errors import LauncherError
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.work import store
from ansible_collections.coracle.launcher.tests.unit.archives import Archive
from ansible_collections.coracle.launcher.tests.unit.rootfs_task import KINDS


def check_is(task, kind, release):
    assert task.result["backing_store"] == kind and task.release() == release
    assert task.is_clean(kind) and os.stat(task.dest).st_mode & 0o7777 == 0o751
    if kind == "read_only":
        with pytest.raises(OSError, match="Read-only"):
            task.write("etc/new", "x")
    else:
        task.write("etc/new", "x")
        os.unlink(f"{task.dest}/etc/new")


@pytest.mark.parametrize("kind", KINDS)
def test_life_of_a_tree(task, kind):
    one, two = task.digest("one"), task.digest("two")
    assert task.four(**KINDS[kind]) == [("src", None, one, "create")]
    check_is(task, kind, "one")
    assert task.run(verify=True, **KINDS[kind]) == []
    assert task.four(src=task.two, **KINDS[kind]) == [("src", one, two, "recreate")]
    check_is(task, kind, "two")
    assert task.four(state="absent") == [("dest", two, None, "remove")]
    assert task.beside() == [] and not task.mounts() and {image.digest for image in store.images()} == {one, two}


@pytest.mark.parametrize("before, after, src", [(*pair, src) for pair in itertools.permutations(KINDS, 2) for src in ("one", "two")])
def test_every_change_of_kind(task, before, after, src):
    task.run(**KINDS[before])
    option = ("backing_store", before, after)
    if "read_only" in (before, after):
        option = ("read_only", before == "read_only", after == "read_only")
    changes = task.four(src=f"{task.path}/{src}", **KINDS[after])
    assert changes[-1] == (*option, "recreate") and len(changes) == (2 if src == "two" else 1)
    check_is(task, after, src)


@pytest.mark.parametrize("kind", ["copy", "overlay"])
def test_auto_keeps_the_kind(task, kind):
    task.run(**KINDS[kind])
    assert task.run() == [] and task.result["backing_store"] == kind
    task.four(src=task.two)
    check_is(task, kind, "two")


def test_auto_makes_an_overlay_of_what_was_read_only(task):
    task.run(read_only=True)
    assert task.four() == [("read_only", True, False, "recreate")]
    check_is(task, "overlay", "one")


@pytest.mark.parametrize("before", ["none", "directory"])
@pytest.mark.parametrize("kind", KINDS)
def test_over_nothing_and_over_an_empty_directory(task, before, kind):
    if before == "directory":
        os.makedirs(task.dest)
    task.four(**KINDS[kind])
    check_is(task, kind, "one")


def test_a_changed_image_takes_what_was_written_with_it(task):
    task.run()
    task.write("etc/mine", "x")
    task.run(src=task.two)
    assert os.listdir(f"{task.dest}/etc") == ["release"]


def test_the_image_is_never_written(task):
    task.run()
    image = store.find(task.digest("one"))
    task.write("etc/release", "mine")
    os.unlink(f"{task.dest}/bin/su")
    assert open(f"{image.tree}/etc/release", encoding="ascii").read() == "one" and os.path.exists(f"{image.tree}/bin/su")
    assert task.run() == [] and task.release() == "mine"


def test_two_trees_of_one_image_share_it_and_nothing_else(task):
    task.run()
    task.run(dest=f"{task.path}/place/other")
    task.write("etc/release", "mine")
    assert open(f"{task.path}/place/other/etc/release", encoding="ascii").read() == "one"
    task.run(state="absent")
    assert open(f"{task.path}/place/other/etc/release", encoding="ascii").read() == "one"


# --- after a reboot


@pytest.mark.parametrize("kind", ["overlay", "read_only"])
def test_after_a_reboot_it_is_mounted_again(task, kind):
    task.run(**KINDS[kind])
    if kind == "overlay":
        task.write("etc/mine", "kept")
    task.reboot()
    assert os.listdir(task.dest) == []
    assert task.four(**KINDS[kind]) == [("dest", "not mounted", "mounted", "live")]
    check_is(task, kind, "one")
    assert kind == "read_only" or task.read("etc/mine") == "kept"


@pytest.mark.parametrize("kind", ["overlay", "read_only"])
@pytest.mark.parametrize("after", KINDS)
def test_after_a_reboot_it_can_become_anything(task, kind, after):
    task.run(**KINDS[kind])
    task.reboot()
    task.four(src=task.two, **KINDS[after])
    check_is(task, after, "two")
    task.reboot()
    task.four(state="absent")
    assert task.beside() == []


def test_after_a_reboot_verify_sees_the_layer(task):
    task.run()
    assert task.run(verify=True) == []
    task.write("etc/release", "mine")
    os.unlink(f"{task.dest}/bin/su")
    task.reboot()
    names = [change[1].partition(":")[0] for change in task.four(verify=True)]
    assert names == ["bin/su", "etc/release"]
    check_is(task, "overlay", "one")


def test_after_a_reboot_a_layer_that_is_lost_is_a_fresh_one(task):
    task.run()
    task.reboot()
    shutil.rmtree(f"{task.path}/place/.root.overlay")
    assert task.run(verify=True, check=True) != []
    task.four()
    check_is(task, "overlay", "one")


def test_what_was_written_below_the_mount_is_not_hidden(task):
    task.run()
    task.reboot()
    os.mkdir(f"{task.dest}/precious")
    for state in ("present", "absent"):
        with pytest.raises(LauncherError, match="written while its mount was gone"):
            task.run(state=state)
    os.rmdir(f"{task.dest}/precious")
    task.four()


# --- options


def test_policy_of_an_overlay(task):
    task.run()
    assert os.stat(f"{task.dest}/bin/su").st_mode & 0o7777 == 0o755 and not os.path.lexists(f"{task.dest}/null")
    assert os.statvfs(task.dest).f_flag & (os.ST_NOSUID | os.ST_NODEV) == os.ST_NOSUID | os.ST_NODEV
    assert task.four(devices=True, preserve_setuid=True) == [
        ("devices", False, True, "recreate"), ("preserve_setuid", False, True, "recreate")]
    assert os.stat(f"{task.dest}/bin/su").st_mode & 0o7777 == 0o4755 and os.stat(f"{task.dest}/null").st_rdev == os.makedev(1, 3)
    assert not os.statvfs(task.dest).f_flag & (os.ST_NOSUID | os.ST_NODEV)
    assert task.result["image"]["skipped"] == {"devices": 0, "sockets": 0}
    assert task.run(verify=True, devices=True, preserve_setuid=True) == []
    task.four()
    assert not os.path.lexists(f"{task.dest}/null")


@pytest.mark.parametrize("options", [{"devices": True}, {"preserve_setuid": True}, {"backing_store": "copy"}, {"backing_store": "overlay"}])
def test_what_read_only_excludes(task, options):
    with pytest.raises(LauncherError, match="read_only"):
        task.run(read_only=True, **options)
    assert not os.path.exists(f"{task.path}/place")


@pytest.mark.parametrize("kind", ["copy", "overlay"])
def test_names_of_one_file_stay_one(task, kind):
    archive = Archive().directory(b"a").directory(b"b").file(b"a/su", b"x", 0o4755, nlink=3, ino=7).hardlink(b"b/sudo", b"a/su")
    src = task.source("links", archive.hardlink(b"a/doas", b"a/su", b"x").end())
    options = {"src": src, "preserve_setuid": True, **KINDS[kind]}
    task.run(**options)
    infos = [os.stat(f"{task.dest}/{name}") for name in ("a/su", "b/sudo", "a/doas")]
    assert {(info.st_ino, info.st_nlink, info.st_mode & 0o7777) for info in infos} == {(infos[0].st_ino, 3, 0o4755)}
    assert task.run(verify=True, **options) == []
