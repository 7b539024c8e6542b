# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What others may do beside and during a run: directories that are not root's, mounts in the tree, files and processes that come meanwhile."""

from __future__ import annotations

import os

import pytest

from ansible_collections.coracle.launcher.plugins.module_utils._coracle.base import files, libc
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.base.errors import ArchiveError, LauncherError
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.work import container, images, store
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.work.rootfs import above, build, locks
from ansible_collections.coracle.launcher.tests.unit.rootfs_task import KINDS


@pytest.mark.parametrize("spoil", [lambda path: os.chown(path, 65534, 65534), lambda path: os.chmod(path, 0o775), lambda path: os.chmod(path, 0o757)])
def test_below_directories_of_others_there_are_copies_only(task, spoil):
    os.makedirs(task.place)
    spoil(task.place)
    for kind in ("overlay", "read_only"):
        with pytest.raises(LauncherError, match="could put something else there|lets others put"):
            task.run(**KINDS[kind])
    assert task.beside() == []
    task.four()
    assert task.is_clean("copy")


def test_a_sticky_directory_is_safe(task):
    os.makedirs(task.place)
    os.chmod(task.place, 0o1777)
    assert above.unsafe(f"{task.place}/not/yet") == ""
    task.four()
    assert task.is_clean("overlay")


@pytest.mark.parametrize("kind", KINDS)
def test_a_mount_in_the_tree_matters_when_it_would_go(task, kind):
    task.run(**KINDS[kind])
    libc.mount("tmpfs", f"{task.dest}/etc", "tmpfs")
    assert task.run(**KINDS[kind]) == []
    with pytest.raises(LauncherError, match=f"has a file system mounted on {task.dest}/etc"):
        task.run(src=task.two, **KINDS[kind])
    libc.umount2(f"{task.dest}/etc")
    task.four(src=task.two, **KINDS[kind])


def meanwhile(monkeypatch, act):
    """Call `act` once the new tree is complete, before it takes its place."""
    make = build.make

    def then(*arguments):
        make(*arguments)
        act()
    monkeypatch.setattr(build, "make", then)


def test_an_empty_directory_that_is_filled_meanwhile_stays(task, monkeypatch):
    os.makedirs(task.dest)
    meanwhile(monkeypatch, lambda: os.mkdir(f"{task.dest}/precious"))
    with pytest.raises(LauncherError, match="has not made"):
        task.run(backing_store="copy")
    assert os.listdir(task.dest) == ["precious"] and task.beside() == ["root"]


@pytest.mark.parametrize("kind", KINDS)
def test_filled_just_before_the_exchange(task, kind, monkeypatch):
    os.makedirs(task.dest)
    rename = libc.renameat2

    def filled(*arguments):
        if not os.path.exists(f"{task.dest}/precious"):
            os.mkdir(f"{task.dest}/precious")
        monkeypatch.setattr(libc, "renameat2", rename)
        rename(*arguments)
    monkeypatch.setattr(libc, "renameat2", filled)
    with pytest.raises(LauncherError, match="filled meanwhile"):
        task.run(**KINDS[kind])
    assert os.listdir(task.dest) == ["precious"] and task.beside() == ["root"] and task.mounts() == []


def test_a_failure_leaves_the_layer_of_a_tree_with_a_mount_in_it(task, monkeypatch):
    task.run()
    layers = task.layers()

    def fail():
        libc.mount("tmpfs", f"{task.dest}/etc", "tmpfs")
        raise OSError(28, "No space left on device")
    meanwhile(monkeypatch, fail)
    with pytest.raises(LauncherError, match="No space left"):
        task.run(src=task.two)
    libc.umount2(f"{task.dest}/etc")
    assert task.layers() == layers and task.release() == "one"


def test_a_prune_beside_it_leaves_the_image(task, monkeypatch):
    meanwhile(monkeypatch, lambda: images.prune([task.digest("one")]))
    task.run(backing_store="copy")
    assert store.find(task.digest("one")) is not None


def test_previous_keeps_the_kind_and_the_options(task):
    task.run(devices=True, backing_store="copy")
    task.run(src=task.two, devices=True, backing_store="copy")
    changes = task.four(state="previous", src=None)
    assert [change[0] for change in changes] == ["src"] and task.is_clean("copy")


def test_limits_in_check_mode_of_an_image_that_is_there(task):
    images.ensure_image(task.one)
    with pytest.raises(ArchiveError, match="max_entries=2"):
        task.run(check=True, max_entries=2)


def test_a_repair_that_cannot_be_says_what_differs(task):
    task.run()
    for number in range(7):
        task.write(f"etc/{number}", "x")
    pid, (reader, writer) = 0, os.pipe()
    pid = os.fork()
    if pid == 0:
        os.chroot(task.dest)
        os.close(writer)
        os.read(reader, 1)
        os._exit(0)
    try:
        for _attempt in range(1000):
            if os.readlink(f"/proc/{pid}/root") != "/":
                break
            os.sched_yield()
        with pytest.raises(LauncherError, match=r"in use as the root of process \d+, and differs from its image \(.*etc/0, .* and \d more\)"):
            task.run(verify=True)
    finally:
        os.close(reader)
        os.close(writer)
        os.waitpid(pid, 0)


def test_the_lock_has_an_end(task, monkeypatch):
    monkeypatch.setattr(locks, "_WAIT", 0)
    os.makedirs(task.place)
    parent = files.open_directory(task.place)
    lock = locks.take(parent, task.dest)
    with pytest.raises(LauncherError, match="worked on by somebody else"):
        task.run()
    locks.release(lock)
    os.close(parent)
    task.four()
    assert os.listdir(f"{task.path}/images/.locks") == []


class Want:
    """The part of model/spec.py's Want that says where a container is."""

    def __init__(self, path):
        self.path, self.name = path, "place"


@pytest.mark.parametrize("kind", KINDS)
def test_a_container_with_a_mount_in_it_stays_whole(task, kind):
    options = {"dest": f"{task.place}/chroot", **KINDS[kind]}
    task.run(**options)
    before = task.beside()
    libc.mount("tmpfs", f"{task.place}/chroot/etc", "tmpfs")
    with pytest.raises(LauncherError, match=f"has something mounted in it, on {task.place}/chroot/etc"):
        container._remove_files(Want(task.place), {}, True)
    assert task.beside() == before
    libc.umount2(f"{task.place}/chroot/etc")
    container._remove_files(Want(task.place), {}, True)
    assert not os.path.exists(task.place) and task.mounts() == []
