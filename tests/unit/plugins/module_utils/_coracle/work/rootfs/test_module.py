# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the module says and returns: sources, limits, verify, going back, pruning, trees in use."""

from __future__ import annotations

import os

import pytest

from ansible_collections.coracle.launcher.plugins.module_utils._coracle.base import libc
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.base.errors import ArchiveError, LauncherError
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.kernel import mountinfo
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.work import images, store, uses
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.work.rootfs import converge
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.work.rootfs import module as rootfs
from ansible_collections.coracle.launcher.tests.unit.archives import Archive
from ansible_collections.coracle.launcher.tests.unit.rootfs_task import KINDS, ONE

MS_SHARED = 1 << 20  # <linux/mount.h>
every_kind = pytest.mark.parametrize("kind", KINDS)


def known(task):
    return {image.digest for image in store.images()}


def test_check_mode_writes_nothing(task):
    before = sorted(os.listdir(task.path))
    task.run(check=True)
    assert sorted(os.listdir(task.path)) == before
    assert task.result["image"]["entries"] == 6 and task.result["duration"] is None and task.result["pruned"] == []


def test_check_mode_finds_a_bad_archive(task):
    with pytest.raises(ArchiveError):
        task.run(check=True, src=task.source("bad", ONE[:-300]))
    task.run(check=True)


def test_what_is_returned(task):
    task.run()
    assert task.result["image"] == {"digest": task.digest("one"), "format": "newc", "segments": ["none"], "entries": 6, "bytes": 4,
                                    "skipped": {"devices": 1, "sockets": 0}}
    assert task.result["duration"] > 0 and task.result["previous"] is None
    task.run(dest=f"{task.place}/other")
    assert task.result["duration"] is None
    task.run(state="absent")
    assert task.result == {"pruned": []}


def test_checksum(task):
    with pytest.raises(LauncherError, match="is not the digest of"):
        task.run(checksum="sha256:" + "0" * 64)
    with pytest.raises(LauncherError, match="checksum='md5:1': is not a digest"):
        task.run(checksum="md5:1")
    task.four(checksum=task.digest("one"))


def test_an_image_by_its_digest(task):
    one = task.digest("one")
    with pytest.raises(store.MissingImages):
        task.run(check=True, src=one)
    # With a checksum beside it, it is the action plugin that asks: check mode needs no content, the run does.
    assert len(task.run(check=True, src=one, checksum=one)) == 1 and task.result["image"] == {"digest": one}
    with pytest.raises(store.MissingImages):
        task.run(src=one, checksum=one)
    assert not os.path.exists(task.place)
    images.ensure_image(task.one)
    task.four(src=one)
    assert task.release() == "one"


@pytest.mark.parametrize("option, value", [
    ("max_bytes", "lots"), ("max_bytes", "-1"), ("max_entries", 0), ("max_depth", 257), ("max_depth", -1)])
def test_limits_that_are_none(task, option, value):
    with pytest.raises(LauncherError, match=option):
        task.run(**{option: value})


def test_limits_hold_whether_the_image_is_there_or_not(task):
    for _time in range(2):
        with pytest.raises(ArchiveError, match="max_entries=2"):
            task.run(max_entries=2)
        images.ensure_image(task.one)


def test_leftovers_are_found_and_removed(task):
    task.run(backing_store="copy")
    os.makedirs(f"{task.place}/.root.tmp-0123abcd/etc")
    os.makedirs(f"{task.place}/.root.overlay/0123abcd/upper/etc")
    assert task.four() == [("dest", ".root.tmp-0123abcd", None, "remove"), ("dest", ".root.overlay", None, "remove")]
    os.rename(task.dest, f"{task.path}/moved")
    assert task.four(state="absent") == [("dest", ".root.coracle", None, "remove")]
    assert task.beside() == []


# --- verify


def names(changes):
    return [change[1].partition(":")[0] for change in changes if change[0] == "verify"]


@pytest.mark.parametrize("kind", ["copy", "overlay"])
def test_verify_says_what_differs_and_repairs_it(task, kind):
    task.run(**KINDS[kind])
    assert task.run(verify=True) == []
    task.write("etc/release", "oen")
    os.mkdir(f"{task.dest}/\x1b[2J")
    os.chmod(f"{task.dest}/bin/su", 0o700)
    assert task.run() == []
    assert names(task.four(verify=True)) == [r"\x1b[2J", "bin/su", "etc/release"]
    assert task.release() == "one" and task.is_clean(kind)


@every_kind
def test_verify_without_the_image_makes_the_tree_again(task, kind):
    task.run(**KINDS[kind])
    images.remove_image(task.digest("one"))
    assert task.run(check=True, verify=True, **KINDS[kind]) and task.run(verify=True, **KINDS[kind])
    assert task.run(verify=True, **KINDS[kind]) == []
    images.remove_image(task.digest("one"))
    assert task.run(**KINDS[kind]) == []  # the tree is there, and nobody asked for more


def damage(task):
    """Change a file of the image in the store."""
    with open(f"{store.find(task.digest('one')).tree}/etc/release", "w", encoding="ascii") as file:
        file.write("eno")


@every_kind
def test_verify_extracts_a_damaged_image_again(task, kind):
    task.run(**KINDS[kind])
    damage(task)
    if kind == "copy":
        task.write("etc/release", "eno")
    changes = task.four(verify=True, **KINDS[kind])
    one = task.digest("one")
    assert names(changes) == ["etc/release"] and changes[-1] == ("image", one, one, "recreate")
    assert task.release() == "one" and task.is_clean(kind)
    assert sorted(os.listdir(os.path.dirname(store.find(one).tree))) == ["image", "manifest", "tree"]


@every_kind
def test_a_damaged_image_without_its_archive(task, kind):
    task.run(**KINDS[kind])
    damage(task)
    if kind == "copy":
        task.write("etc/release", "eno")
    one = task.digest("one")
    with pytest.raises(LauncherError, match="differs from what was recorded of it.*Give its archive"):
        task.run(src=one, verify=True, **KINDS[kind])
    with pytest.raises(store.MissingImages):  # the action plugin has the archive, and sends it
        task.run(src=one, checksum=one, verify=True, **KINDS[kind])
    assert task.release() == "eno"
    task.run(verify=True, **KINDS[kind])
    assert task.release() == "one"


def test_a_damaged_image_stays_for_other_trees_that_have_it_mounted(task):
    other = f"{task.place}/other"
    task.run()
    task.run(dest=other)
    damage(task)
    task.four(verify=True)
    with open(f"{other}/etc/release", encoding="ascii") as file:
        assert file.read() == "eno"
    assert names(task.four(dest=other, verify=True)) == ["etc/release"]


# --- back and forth


@every_kind
def test_previous(task, kind):
    options = KINDS[kind]
    one, two = task.digest("one"), task.digest("two")
    with pytest.raises(LauncherError, match="has no tree to go back from"):
        task.run(state="previous", **options)
    task.run(**options)
    with pytest.raises(LauncherError, match="has had one image only"):
        task.run(state="previous", **options)
    task.run(src=task.two, **options)
    assert task.result["previous"] == one
    assert task.four(state="previous", src=None, **options) == [("src", two, one, "recreate")]
    assert task.release() == "one" and task.is_clean(kind) and task.result["image"]["digest"] == one
    assert task.four(src=task.two, **options) == [("src", one, two, "recreate")]
    assert task.result["previous"] == one
    task.four(state="previous", src=None, **options)
    three = task.source("three", Archive().directory(b"etc").file(b"etc/release", b"three").end())
    task.four(src=three, **options)
    assert task.result["previous"] == one  # which is what was there before
    task.four(state="previous", src=None, **options)
    assert task.release() == "one"


def test_previous_that_the_store_has_no_more(task):
    task.run()
    task.run(src=task.two)
    images.remove_image(task.digest("one"))
    with pytest.raises(LauncherError, match=f"had the image {task.digest('one')} before, .* Give its archive as src"):
        task.run(state="previous", src=None)
    assert task.release() == "two"


def test_another_kind_or_policy_is_no_other_image(task):
    task.run()
    task.run(src=task.two)
    task.run(src=task.two, backing_store="copy", devices=True)
    assert task.result["previous"] == task.digest("one")


# --- prune


@every_kind
def test_prune(task, kind):
    options = dict(KINDS[kind], prune=True)
    one, two = task.digest("one"), task.digest("two")
    three = task.source("three", Archive().directory(b"etc").file(b"etc/release", b"three").end())
    task.run(**options)
    assert task.four(src=task.two, **options) == [("src", one, two, "recreate")]
    assert task.result["pruned"] == []  # one is kept, to go back
    assert task.four(src=three, **options)[1:] == [("prune", one, None, "remove")]
    assert known(task) == {two, task.digest("three")} and task.release() == "three"
    task.run(state="previous", **options)
    assert known(task) == {two, task.digest("three")}
    check = task.run(check=True, state="absent", **options)
    assert task.result["pruned"] == sorted([two, task.digest("three")])
    assert task.run(state="absent", **options) == check and known(task) == set()


def test_prune_spares_what_others_use(task):
    one, two = task.digest("one"), task.digest("two")
    task.run(dest=f"{task.place}/other")
    task.run(dest=f"{task.place}/third", src=task.two, read_only=True)
    task.run(dest=f"{task.place}/fourth")
    assert task.four(dest=f"{task.place}/fourth", state="absent", prune=True) == [("dest", one, None, "remove")]
    assert known(task) == {one, two}
    task.run(dest=f"{task.place}/third", state="absent")
    images.ensure_image(task.source("unused", Archive().file(b"x", b"y").end()))
    assert task.four(dest=f"{task.place}/other", prune=True) == [
        ("prune", digest, None, "remove") for digest in sorted([two, task.digest("unused")])]


def test_prune_with_nothing_else_to_do(task):
    images.ensure_image(task.two)
    assert task.four(state="absent", prune=True) == [("prune", task.digest("two"), None, "remove")]
    assert not os.path.exists(task.place)


def test_the_store_knows_the_tree(task):
    task.run()
    task.run(src=task.two)
    one, two = task.digest("one"), task.digest("two")
    assert all(f"tree {task.dest}" in uses.by_image()[digest] for digest in (one, two))
    task.run(state="absent")
    assert uses.by_image() == {}


# --- for whoever removes the directory that it is in


@every_kind
def test_the_tree_goes_with_its_container(task, kind):
    task.run(**KINDS[kind])
    converge.remove(task.dest)
    assert task.beside() == [] and task.mounts() == []
    os.makedirs(f"{task.dest}/precious")
    converge.remove(task.dest)
    assert os.listdir(task.dest) == ["precious"]


# --- in use


class Somebody:
    """A process that does `begin()` and stays until it is told to end."""

    def __init__(self, begin):
        ready, self.go = os.pipe(), os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            try:
                begin()
                os.write(ready[1], b"x")
                os.read(self.go[0], 1)
            finally:
                os._exit(0)
        os.close(ready[1])
        assert os.read(ready[0], 1) == b"x"

    def __enter__(self):
        return self

    def __exit__(self, *_exception):
        os.write(self.go[1], b"x")
        os.waitpid(self.pid, 0)


def refused(task, pid, kind):
    assert task.run(**KINDS[kind]) == []
    others = [options for name, options in KINDS.items() if name != kind]
    for options in ({"src": task.two, **KINDS[kind]}, {"state": "absent"}, *others):
        with pytest.raises(LauncherError, match=f"is in use as the root of process {pid}"):
            task.run(**options)
    assert task.is_clean(kind) and task.release() == "one"


@every_kind
def test_a_tree_that_is_somebodys_root_stays(task, kind):
    task.run(**KINDS[kind])
    task.run(dest=f"{task.place}/other/root", **KINDS[kind])
    with Somebody(lambda: os.chroot(task.dest)) as somebody:
        task.four(dest=f"{task.place}/other/root", state="absent")
        os.rmdir(f"{task.place}/other")
        refused(task, somebody.pid, kind)
    task.four(state="absent")


@pytest.mark.parametrize("kind", ["overlay"])
def test_a_tree_that_a_container_has_mounted_stays(task, kind):
    task.run(**KINDS[kind])
    os.mkdir(f"{task.path}/inside")

    def begin():
        libc.unshare(libc.CLONE_NEWNS)
        libc.mount(None, "/", None, libc.MS_REC | libc.MS_PRIVATE)
        libc.mount(task.dest, f"{task.path}/inside", None, libc.MS_BIND)
    with Somebody(begin) as somebody:
        refused(task, somebody.pid, kind)
    task.four(state="absent")


def test_a_namespace_that_only_copied_the_mount_is_no_user(task):
    task.run()
    with Somebody(lambda: libc.unshare(libc.CLONE_NEWNS)):
        task.four(src=task.two)
    task.four(state="absent")


def test_one_that_came_into_use_after_the_plan(task):
    task.run()
    want = dict(task.options, src=task.two)
    have = rootfs.read(want)
    changes = rootfs.plan(want, have)
    with Somebody(lambda: os.chroot(task.dest)), pytest.raises(LauncherError, match="is in use"):
        rootfs.apply(want, have, changes)
    assert task.release() == "one" and task.is_clean("overlay")


def test_namespaces_that_follow_ours_see_each_change(task):
    os.mkdir(task.place)
    libc.mount("tmpfs", task.place, "tmpfs")
    libc.mount(None, task.place, None, MS_SHARED)

    def begin():
        libc.unshare(libc.CLONE_NEWNS)
        libc.mount(None, "/", None, libc.MS_REC | libc.MS_SLAVE)
    with Somebody(begin) as somebody:
        for options in (KINDS["overlay"], {"src": task.two, **KINDS["overlay"]}, KINDS["read_only"], {"verify": True, **KINDS["read_only"]},
                        KINDS["copy"], KINDS["overlay"], {"state": "absent"}):
            task.run(**options)
            with open(f"/proc/{somebody.pid}/mountinfo", encoding="utf-8") as file:
                seen = [(mount.point, mount.fstype) for mount in mountinfo.parse(file.read()) if mount.point.startswith(f"{task.place}/")]
            assert seen == [(mount.point, mount.fstype) for mount in task.mounts()]
            assert len(seen) == (options.get("state") != "absent" and options != KINDS["copy"])


def test_an_unmounted_tree_that_a_container_has_mounted_for_itself(task):
    task.run()
    task.reboot()
    layer = f"{task.place}/.root.overlay/{task.layers()[0]}"
    os.mkdir(f"{task.path}/inside")

    def begin():
        libc.unshare(libc.CLONE_NEWNS)
        libc.mount(None, "/", None, libc.MS_REC | libc.MS_PRIVATE)
        lower = store.find(task.digest("one")).tree
        libc.mount("overlay", f"{task.path}/inside", "overlay", 0, f"lowerdir={lower},upperdir={layer}/upper,workdir={layer}/work")
    with Somebody(begin) as somebody:
        assert task.run() == [] and task.run(verify=True) == [] and task.mounts() == []
        for options in ({"src": task.two}, {"state": "absent"}):
            with pytest.raises(LauncherError, match=f"is in use as the root of process {somebody.pid}"):
                task.run(**options)
    assert task.four() == [("dest", "not mounted", "mounted", "live")]
