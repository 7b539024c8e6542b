# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Places that cannot be filled: one clear message, the place as it was, nothing left. And kernels and file systems without an overlay."""

from __future__ import annotations

import errno
import os

import pytest

from ansible_collections.coracle.launcher.plugins.module_utils._coracle.base import libc
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.base.errors import LauncherError
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.work.rootfs import kinds
from ansible_collections.coracle.launcher.tests.unit.archives import Archive
from ansible_collections.coracle.launcher.tests.unit.rootfs_task import KINDS, TWO

pytestmark = pytest.mark.parametrize("kind", KINDS)


@pytest.mark.parametrize("dest", ["root", "./root", "/", "//", "/.", "/tmp/../etc", "/srv/a\nb", "/srv/\x1b[2J", ""])
def test_paths_that_are_no_place(task, kind, dest):
    with pytest.raises(LauncherError, match="dest='?"):
        task.run(dest=dest, **KINDS[kind])


@pytest.mark.parametrize("make, problem", [
    (lambda path: os.symlink("elsewhere", path), "is a symbolic link"),
    (lambda path: open(path, "wb").close(), "is no directory"),
    (lambda path: os.makedirs(f"{path}/precious"), "has not made"),
    (os.mkfifo, "is no directory")])
@pytest.mark.parametrize("state", ["present", "absent"])
def test_what_is_not_ours_is_refused_and_stays(task, kind, make, problem, state):
    os.mkdir(task.place)
    make(task.dest)
    inode = os.lstat(task.dest).st_ino
    with pytest.raises(LauncherError, match=problem):
        task.run(state=state, **KINDS[kind])
    assert os.lstat(task.dest).st_ino == inode and task.beside() == ["root"]


@pytest.mark.parametrize("below", ["", "/deep"])
def test_mounts_of_others_are_refused_and_stay(task, kind, below):
    os.makedirs(f"{task.dest}{below}")
    libc.mount("tmpfs", f"{task.dest}{below}", "tmpfs")
    for state in ("present", "absent"):
        with pytest.raises(LauncherError, match="has a file system mounted on"):
            task.run(state=state, **KINDS[kind])
    assert len(task.mounts()) == 1


@pytest.mark.parametrize("below", ["", "/etc"])
def test_a_mount_on_our_tree_is_not_ours(task, kind, below):
    task.run(**KINDS[kind])
    libc.mount("tmpfs", f"{task.dest}{below}", "tmpfs")
    for options in ({"src": task.two}, {"state": "absent"}):
        with pytest.raises(LauncherError, match="has a file system mounted on"):
            task.run(**{**KINDS[kind], **options})
    libc.umount2(f"{task.dest}{below}")
    task.four(src=task.two, **KINDS[kind])


def test_an_empty_directory_is_taken_and_not_removed(task, kind):
    os.makedirs(task.dest)
    with pytest.raises(LauncherError, match="has not made"):
        task.run(state="absent")
    task.four(**KINDS[kind])


def test_another_directory_in_our_place_is_not_ours(task, kind):
    task.run(**KINDS[kind])
    task.reboot()
    os.rename(task.dest, f"{task.path}/moved")
    os.makedirs(f"{task.dest}/precious")
    with pytest.raises(LauncherError, match="has not made"):
        task.run(src=task.two, **KINDS[kind])
    assert os.listdir(task.dest) == ["precious"]


def test_a_symbolic_link_above_it_is_followed_once(task, kind):
    os.mkdir(f"{task.path}/elsewhere")
    os.symlink("elsewhere", task.place)
    task.four(**KINDS[kind])
    assert task.run(dest=f"{task.path}/elsewhere/root", **KINDS[kind]) == [] and task.release() == "one"
    task.four(state="absent")
    assert os.listdir(f"{task.path}/elsewhere") == []


def test_names_with_blanks_and_other_characters(task, kind):
    task.four(dest=f"{task.place}/a b'=#%-é", **KINDS[kind])
    task.four(dest=f"{task.place}/a b'=#%-é", src=task.two, **KINDS[kind])
    task.four(dest=f"{task.place}/a b'=#%-é", state="absent")
    assert task.beside() == [] and task.mounts() == []


def test_files_of_others_with_our_names_stay(task, kind):
    os.makedirs(f"{task.place}/.root.overlay/precious")
    os.makedirs(f"{task.place}/.root.tmp-of-mine")
    task.four(**KINDS[kind])
    task.four(state="absent")
    assert task.beside() == [".root.overlay", ".root.tmp-of-mine"] and task.layers() == ["precious"]


@pytest.mark.parametrize("content", [
    b"", b"[]", b'{"trees": {"1": {}}}', b"\xff", b"copy sha256:1 2 - - - -\n", b"copy " * 7, b"x" * 70000])
def test_a_damaged_stamp_makes_the_tree_not_ours(task, kind, content):
    task.run(**KINDS[kind])
    with open(f"{task.place}/.root.coracle", "wb") as file:
        file.write(content)
    for state in ("present", "absent"):
        with pytest.raises(LauncherError, match="has not made|has a file system mounted on"):
            task.run(state=state, **KINDS[kind])
    assert task.release() == "one"


@pytest.mark.parametrize("spoil", [lambda path: os.chown(path, 5, 5), lambda path: os.chmod(path, 0o666)])
def test_a_stamp_that_others_could_have_written_is_none(task, kind, spoil):
    task.run(**KINDS[kind])
    spoil(f"{task.place}/.root.coracle")
    with pytest.raises(LauncherError, match="has not made|has a file system mounted on"):
        task.run(state="absent")


# --- disks


def as_it_was(task, before):
    return task.beside() == before and (not before or task.release() == "one")


@pytest.mark.parametrize("existing", [False, True])
def test_a_read_only_disk(task, kind, existing):
    os.mkdir(task.place)
    libc.mount("tmpfs", task.place, "tmpfs")
    if existing:
        task.run(**KINDS[kind])
    before = task.beside()
    libc.mount(None, task.place, None, libc.MS_REMOUNT | libc.MS_BIND | libc.MS_RDONLY)
    with pytest.raises(LauncherError, match="dest=.*Read-only file system"):
        task.run(src=task.two, **KINDS[kind])
    assert as_it_was(task, before)
    libc.mount(None, task.place, None, libc.MS_REMOUNT | libc.MS_BIND)
    task.run(src=task.two, **KINDS[kind])
    assert task.release() == "two"


@pytest.mark.parametrize("existing", [False, True])
@pytest.mark.parametrize("inodes", range(3, 20))
def test_a_disk_without_inodes_left(task, kind, existing, inodes):
    os.mkdir(task.place)
    libc.mount("tmpfs", task.place, "tmpfs", 0, "nr_inodes=100")
    if existing:
        task.run(**KINDS[kind])
    before = task.beside()
    used = 100 - os.statvfs(task.place).f_ffree
    libc.mount(None, task.place, None, libc.MS_REMOUNT, f"nr_inodes={used + inodes - 3}")
    try:
        task.run(src=task.two, **KINDS[kind])
        assert task.release() == "two" and inodes > 3
    except LauncherError as error:
        assert "No space left" in str(error) and as_it_was(task, before) and inodes < 19
        libc.mount(None, task.place, None, libc.MS_REMOUNT, "nr_inodes=100")
        task.four(src=task.two, **KINDS[kind])


def test_a_full_disk(task, kind):
    big = task.source("big", Archive().directory(b"etc").file(b"etc/release", b"two").file(b"big", b"x" * (1 << 20)).end())
    os.mkdir(task.place)
    libc.mount("tmpfs", task.place, "tmpfs", 0, "size=256k")
    task.run(**KINDS[kind])
    before = task.beside()
    if kind == "copy":
        with pytest.raises(LauncherError, match="dest=.*No space left"):
            task.run(src=big, max_bytes="4G", **KINDS[kind])
        assert as_it_was(task, before)
    else:
        task.four(src=big, **KINDS[kind])  # which needs no room


# --- where there can be no overlay


def no_overlay(monkeypatch):
    monkeypatch.setattr(kinds, "kernel_has_overlay", lambda: False)


def test_a_kernel_without_overlay(task, kind, monkeypatch):
    no_overlay(monkeypatch)
    if kind != "overlay":
        task.four(**KINDS[kind])
        return
    for check in (True, False):
        with pytest.raises(LauncherError, match="backing_store='overlay': cannot be had: this kernel has no overlayfs"):
            task.run(check=check, backing_store="overlay")
    assert not os.path.exists(task.place)
    task.four()
    assert task.is_clean("copy") and task.result["backing_store"] == "copy"


def test_a_mount_that_the_kernel_refuses(task, kind, monkeypatch):
    mount = libc.mount

    def refuse(source, target, fstype, flags=0, data=None):
        if fstype == "overlay":
            raise OSError(errno.EINVAL, "mount: Invalid argument", target)
        mount(source, target, fstype, flags, data)
    if kind != "overlay":
        monkeypatch.setattr(libc, "mount", refuse)
        task.four(**KINDS[kind])
        return
    os.mkdir(task.place)
    monkeypatch.setattr(libc, "mount", refuse)
    with pytest.raises(LauncherError, match="backing_store='overlay': cannot be had: the kernel refuses an overlay here"):
        task.run(backing_store="overlay")
    assert task.beside() == []
    assert [change.option for change in task.run()] == ["src"] and task.run() == []
    assert task.is_clean("copy") and task.result["backing_store"] == "copy"


@pytest.mark.parametrize("name", ["a:b", "a,b", "a\\b"])
def test_names_that_overlayfs_cannot_take(task, kind, name):
    dest = f"{task.place}/{name}"
    if kind == "overlay":
        with pytest.raises(LauncherError, match="overlayfs cannot take a path with"):
            task.run(dest=dest, backing_store="overlay")
        assert not os.path.exists(task.place)
        task.four(dest=dest)
        assert task.result["backing_store"] == "copy" and task.mounts() == []
    else:
        task.four(dest=dest, **KINDS[kind])


def test_a_file_system_that_cannot_hold_the_layer(task, kind):
    os.makedirs(f"{task.path}/disk/upper")
    os.makedirs(f"{task.path}/disk/work")
    os.mkdir(task.place)
    disk = f"{task.path}/disk"
    libc.mount("overlay", task.place, "overlay", 0, f"lowerdir={disk},upperdir={disk}/upper,workdir={disk}/work")
    if kind == "overlay":
        with pytest.raises(LauncherError, match="the file system at .* is none that can hold what is written to an overlay"):
            task.run(backing_store="overlay")
        task.four()
        assert task.result["backing_store"] == "copy"
    else:
        task.four(**KINDS[kind])


def test_paths_that_are_too_long_for_the_options(task, kind):
    dest = task.place + ("/" + "d" * 200) * 10
    if kind == "overlay":
        with pytest.raises(LauncherError, match="too long for the options"):
            task.run(dest=dest, backing_store="overlay")
        task.four(dest=dest)
        assert task.result["backing_store"] == "copy"
    else:
        task.four(dest=dest, **KINDS[kind])


def test_without_exchange(task, kind, monkeypatch):
    def refuse(*_arguments):
        raise OSError(errno.EINVAL, "Invalid argument")
    monkeypatch.setattr(libc, "renameat2", refuse)
    task.four(**KINDS[kind])
    task.source("two", TWO)
    task.four(src=task.two, **KINDS[kind])
    assert task.release() == "two" and task.is_clean(kind)
