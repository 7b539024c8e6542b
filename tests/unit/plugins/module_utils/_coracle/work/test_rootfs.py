# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import errno
import os
import signal
import time

import pytest

from ansible_collections.coracle.launcher.plugins.module_utils._coracle.base import libc, places
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.base.errors import ArchiveError, LauncherError
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.work import images, rootfs
from ansible_collections.coracle.launcher.tests.unit.archives import CHARACTER, Archive

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="sets owners: needs root")
ONE = Archive().file(b"etc/release", b"one").file(b"bin/su", b"x", 0o4755).node(b"null", CHARACTER, rdev=(1, 3)).end()
TWO = Archive().file(b"etc/release", b"two").end()


class Task:
    """Runs the module's four functions as the bridge does. `dest` is the tree."""

    def __init__(self, path):
        self.path = str(path)
        self.dest = f"{path}/place/root"
        self.options = {"src": self.source("one", ONE), "remote_src": True, "checksum": None, "dest": self.dest, "backing_store": "auto",
                        "state": "present", "verify": False, "preserve_setuid": False, "devices": False,
                        "max_bytes": "4G", "max_entries": 1000, "max_depth": 100}

    def source(self, name, data):
        with open(f"{self.path}/{name}", "wb") as file:
            file.write(data)
        return f"{self.path}/{name}"

    def run(self, check=False, **options):
        want = dict(self.options, **options)
        have = rootfs.read(want)
        changes = rootfs.plan(want, have)
        if changes and not check:
            rootfs.apply(want, have, changes)
        self.result = rootfs.result(want, have, changes, check)
        return changes

    def four(self, **options):
        """Check, run, again, check again; return the changes."""
        check, run = self.run(check=True, **options), self.run(**options)
        assert check and check == run
        assert self.run(**options) == [] and self.run(check=True, **options) == []
        return [(change.option, change.before, change.after, change.action) for change in run]

    def release(self):
        with open(f"{self.dest}/etc/release", encoding="ascii") as file:
            return file.read()

    def beside(self):
        return sorted(os.listdir(f"{self.path}/place"))


@pytest.fixture
def task(tmp_path, monkeypatch):
    monkeypatch.setattr(places, "IMAGES", f"{tmp_path}/images")
    return Task(tmp_path)


def digest(task, name):
    return images.digest_of(f"{task.path}/{name}")


def test_life_of_a_tree(task):
    one, two = digest(task, "one"), images.digest_of(task.source("two", TWO))
    assert task.four() == [("src", None, one, "create")]
    assert task.release() == "one" and task.beside() == [".root.coracle", "root"]
    assert task.result["image"]["digest"] == one and task.result["image"]["skipped"] == {"devices": 1, "sockets": 0}
    assert task.four(src=f"{task.path}/two") == [("src", one, two, "recreate")]
    assert task.release() == "two" and task.beside() == [".root.coracle", "root"]
    assert task.four(state="absent", src=None) == [("dest", two, None, "remove")]
    assert task.beside() == [] and {image.digest for image in images.images()} == {one, two}


def test_check_mode_writes_nothing(task):
    task.run(check=True)
    assert sorted(os.listdir(task.path)) == ["one"]
    assert task.result["image"]["entries"] == 3


def test_check_mode_finds_a_bad_archive(task):
    with pytest.raises(ArchiveError):
        task.run(check=True, src=task.source("bad", ONE[:-300]))
    task.run(check=True)


def test_policy_is_an_option_like_others(task):
    task.run()
    assert os.stat(f"{task.dest}/bin/su").st_mode & 0o7777 == 0o755 and not os.path.lexists(f"{task.dest}/null")
    assert task.four(devices=True, preserve_setuid=True) == [("devices", False, True, "recreate"), ("preserve_setuid", False, True, "recreate")]
    assert os.stat(f"{task.dest}/bin/su").st_mode & 0o7777 == 0o4755 and os.stat(f"{task.dest}/null").st_rdev == os.makedev(1, 3)
    assert task.result["image"]["skipped"] == {"devices": 0, "sockets": 0}


def test_verify_says_what_differs_and_repairs_it(task):
    task.run()
    assert task.run(verify=True) == []
    with open(f"{task.dest}/etc/release", "w", encoding="ascii") as file:
        file.write("oen")
    os.mkdir(f"{task.dest}/\x1b[2J")
    os.chmod(f"{task.dest}/bin/su", 0o700)
    assert task.run() == []
    changes = task.four(verify=True)
    assert [change[1] for change in changes] == [
        r"\x1b[2J: directory, 0755 0:0", "bin/su: file of 1 bytes, 0700 0:0", "etc/release: file of 3 bytes, 0644 0:0, other content"]
    assert task.release() == "one"


def test_verify_without_the_image_makes_the_tree_again(task):
    task.run()
    images.remove_image(digest(task, "one"))
    assert len(task.four(verify=True)) == 1
    images.remove_image(digest(task, "one"))
    assert task.run() == []  # the tree is there, and nobody asked for more


@pytest.mark.parametrize("dest", ["root", "./root", "/", "//", "/.", "/tmp/../etc", "/srv/a\nb", ""])
def test_places_that_are_no_place(task, dest):
    with pytest.raises(LauncherError, match="dest='?"):
        task.run(dest=dest)


@pytest.mark.parametrize("make, problem", [
    (lambda path: os.symlink("elsewhere", path), "is a symbolic link"),
    (lambda path: open(path, "wb").close(), "is no directory"),
    (lambda path: os.makedirs(f"{path}/precious"), "has not made"),
    (os.mkfifo, "is no directory")])
@pytest.mark.parametrize("state", ["present", "absent"])
def test_what_is_not_ours_is_refused_and_stays(task, make, problem, state):
    os.mkdir(f"{task.path}/place")
    make(task.dest)
    inode = os.lstat(task.dest).st_ino
    with pytest.raises(LauncherError, match=problem):
        task.run(state=state)
    assert os.lstat(task.dest).st_ino == inode and task.beside() == ["root"]


def test_an_empty_directory_is_taken(task):
    os.makedirs(task.dest)
    with pytest.raises(LauncherError, match="has not made"):
        task.run(state="absent")
    task.four()
    assert task.beside() == [".root.coracle", "root"]


@pytest.mark.parametrize("dest", ["/proc", "/proc/self"])
def test_mount_points_are_refused(task, dest):
    with pytest.raises(LauncherError, match="has a file system mounted on|has not made|is a symbolic link"):
        task.run(dest=dest)


def test_another_directory_in_our_place_is_not_ours(task):
    task.run()
    os.rename(task.dest, f"{task.path}/moved")
    os.makedirs(f"{task.dest}/precious")
    with pytest.raises(LauncherError, match="has not made"):
        task.run(src=task.source("two", TWO))
    assert os.listdir(task.dest) == ["precious"]


def test_a_tree_that_is_somebodys_root_stays(task):
    task.run()
    ready, go = os.pipe(), os.pipe()
    pid = os.fork()
    if pid == 0:
        os.chroot(task.dest)
        os.write(ready[1], b"x")
        os.read(go[0], 1)
        os._exit(0)
    os.read(ready[0], 1)
    try:
        assert task.run() == []
        for options in ({"src": task.source("two", TWO)}, {"state": "absent"}, {"devices": True}):
            with pytest.raises(LauncherError, match=f"is in use as the root of process {pid}"):
                task.run(**options)
    finally:
        os.write(go[1], b"x")
        os.waitpid(pid, 0)
    task.four(state="absent")


def test_checksum(task):
    with pytest.raises(LauncherError, match="is not the digest of"):
        task.run(checksum="sha256:" + "0" * 64)
    with pytest.raises(LauncherError, match="checksum='md5:1': is not a digest"):
        task.run(checksum="md5:1")
    task.four(checksum=digest(task, "one"))


def test_an_image_by_its_digest(task):
    one = digest(task, "one")
    with pytest.raises(images.MissingImages):
        task.run(check=True, src=one)
    # With a checksum beside it, it is the action plugin that asks: check mode needs no content, the run does.
    assert len(task.run(check=True, src=one, checksum=one)) == 1 and task.result == {"image": {"digest": one}}
    with pytest.raises(images.MissingImages):
        task.run(src=one, checksum=one)
    assert sorted(os.listdir(task.path)) == ["one"]
    images.ensure_image(f"{task.path}/one")
    task.four(src=one)
    assert task.release() == "one"


@pytest.mark.parametrize("option, value", [("max_bytes", "lots"), ("max_bytes", "-1"), ("max_entries", 0), ("max_depth", 257), ("max_depth", -1)])
def test_limits_that_are_none(task, option, value):
    with pytest.raises(LauncherError, match=option):
        task.run(**{option: value})


def test_limits_hold_whether_the_image_is_there_or_not(task):
    for _time in range(2):
        with pytest.raises(ArchiveError, match="max_entries=2"):
            task.run(max_entries=2)
        images.ensure_image(f"{task.path}/one")


def test_overlay_points_to_the_container(task):
    with pytest.raises(LauncherError, match="backing_store='overlay': .*coracle.launcher.container"):
        task.run(backing_store="overlay")


def test_without_exchange(task, monkeypatch):
    def refuse(*_arguments):
        raise OSError(errno.EINVAL, "Invalid argument")
    monkeypatch.setattr(libc, "renameat2", refuse)
    task.four()
    task.four(src=task.source("two", TWO))
    assert task.release() == "two" and task.beside() == [".root.coracle", "root"]


def test_leftovers_are_found_and_removed(task):
    task.run()
    os.makedirs(f"{task.path}/place/.root.tmp-0123abcd/etc")
    assert task.four() == [("dest", ".root.tmp-0123abcd", None, "remove")]
    os.rename(task.dest, f"{task.path}/moved")
    assert task.four(state="absent") == [("dest", ".root.coracle", None, "remove")]
    assert task.beside() == []


@pytest.mark.parametrize("content", [b"", b"[]", b'{"trees": 1}', b"\xff", b'{"trees": {"%d": 5}}', b'{"trees": {"%d": {"digest": 5}}}'])
def test_a_broken_stamp_makes_the_tree_not_ours(task, content):
    task.run()
    with open(f"{task.path}/place/.root.coracle", "wb") as file:
        file.write(content.replace(b"%d", b"%d" % os.stat(task.dest).st_ino))
    with pytest.raises(LauncherError, match="has not made"):
        task.run()


@pytest.mark.parametrize("milliseconds", range(0, 60, 4))
def test_killed_at_any_moment_the_tree_is_the_old_or_the_new_one(task, milliseconds):
    task.run()
    archive = Archive().file(b"etc/release", b"two")
    for number in range(300):
        archive.file(b"d%d/f%d" % (number % 7, number), b"x" * number)
    task.source("two", archive.end())
    two = f"{task.path}/two"
    pid = os.fork()
    if pid == 0:
        try:
            task.run(src=two)
        finally:
            os._exit(0)
    time.sleep(milliseconds / 1000)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    count = sum(len(names) for _path, _directories, names in os.walk(task.dest))
    assert (task.release(), count) in (("one", 2), ("two", 301))
    task.run(src=two)
    assert task.run(src=two) == [] and task.run(src=two, verify=True) == []
    assert task.beside() == [".root.coracle", "root"] and task.release() == "two"
