# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import errno
import fcntl
import os
import stat

import pytest

from ansible_collections.coracle.launcher.plugins.module_utils._coracle.base import beneath, files
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.base.errors import LauncherError
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.work import trees
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.work.manifest import Policy
from ansible_collections.coracle.launcher.tests.unit.archives import CHARACTER, FIFO, Archive, Tar
from ansible_collections.coracle.launcher.tests.unit.extracting import World

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="sets owners: needs root")
PLAIN = Policy()
ALL = Policy(devices=True, preserve_setuid=True)
PING = bytes.fromhex("0100000200200000000000000000000000000000")  # cap_net_raw, effective and permitted


def sample():
    archive = Archive().directory(b".", 0o711, mtime=5).directory(b"bin", mtime=6).file(b"bin/su", b"program", 0o4755, uid=0, gid=3, mtime=7)
    archive.file(b"bin/a", b"", 0o755, ino=9, nlink=2).file(b"bin/b", b"busy", 0o755, ino=9, nlink=2)
    archive.symlink(b"sh", b"bin/a", uid=4, mtime=8).node(b"null", CHARACTER, rdev=(1, 3)).node(b"pipe", FIFO)
    return archive.file(b"caf\xe9\n", b"odd", 0o600, uid=99, gid=98).end()


def capable():
    archive = Tar("pax").directory(b"bin", mtime=6).pax([(b"SCHILY.xattr.security.capability", PING)]).raw(Tar().file(b"bin/ping", b"x").parts[0])
    return archive.file(b"bin/su", b"y", 0o4755, uid=5).hardlink(b"bin/again", b"bin/su").node(b"bin/null", CHARACTER, rdev=(1, 3)).end()


class Copies:
    """Copies of extracted trees: `path` of the last copy, and what it was made of."""

    def __init__(self, path):
        self.world = World(path)
        self.path = f"{path}/copy"
        self.made = None

    def copy(self, data, policy=PLAIN):
        self.made = self.world.extract(data)
        os.mkdir(self.path)
        source, target = files.open_directory(self.made.tree), files.open_directory(self.path)
        try:
            trees.copy(source, self.made.manifest, target, policy)
        finally:
            os.close(source)
            os.close(target)
        return self.path

    def differences(self, policy=PLAIN, path=None):
        target = files.open_directory(path or self.path)
        try:
            return trees.differences(target, self.made.manifest, policy)
        finally:
            os.close(target)

    def paths(self, policy=PLAIN, path=None):
        """Return the paths that differ."""
        return [path for path, _have, _want in self.differences(policy, path)]


@pytest.fixture
def copies(tmp_path):
    return Copies(tmp_path)


def test_a_copy_is_equal(copies):
    path = copies.copy(sample())
    assert copies.differences() == []
    assert sorted(os.listdir(os.fsencode(path))) == [b"bin", b"caf\xe9\n", b"pipe", b"sh"]
    assert (stat.S_IMODE(os.stat(path).st_mode), os.stat(path).st_mtime, os.stat(f"{path}/bin").st_mtime) == (0o711, 5, 6)
    info = os.stat(f"{path}/bin/su")
    assert (stat.S_IMODE(info.st_mode), info.st_gid, info.st_mtime, info.st_nlink) == (0o755, 3, 7, 1)
    assert os.path.samefile(f"{path}/bin/a", f"{path}/bin/b") and os.stat(f"{path}/bin/a").st_nlink == 2
    assert os.lstat(f"{path}/sh").st_uid == 4 and os.lstat(f"{path}/sh").st_mtime == 8


def test_times_have_nanoseconds(copies):
    path = copies.copy(Tar("pax").file(b"a", b"x", mtime=b"12.000000034").directory(b"d", mtime=b"13.5").end())
    assert (os.stat(f"{path}/a").st_mtime_ns, os.stat(f"{path}/d").st_mtime_ns) == (12_000_000_034, 13_500_000_000)


def test_B17_B20_devices_and_set_id_bits_by_policy(copies):
    path = copies.copy(sample(), ALL)
    info = os.stat(f"{path}/null")
    assert stat.S_ISCHR(info.st_mode) and (os.major(info.st_rdev), os.minor(info.st_rdev)) == (1, 3)
    assert stat.S_IMODE(os.stat(f"{path}/bin/su").st_mode) == 0o4755
    assert copies.differences(ALL) == []
    assert copies.paths() == ["bin/su", "null"]


def test_B21_capabilities_by_policy(copies):
    path = copies.copy(capable(), ALL)
    assert os.getxattr(f"{path}/bin/ping", "security.capability") == PING
    assert copies.differences(ALL) == []
    assert ("bin/ping", f"file of 1 bytes with capabilities {PING.hex()}, 0644 0:0", "file of 1 bytes, 0644 0:0") in copies.differences()


def test_B21_without_the_policy_a_copy_has_no_capabilities(copies):
    path = copies.copy(capable())
    with pytest.raises(OSError):
        os.getxattr(f"{path}/bin/ping", "security.capability")
    assert copies.differences() == []


def test_a_file_system_without_capabilities_is_one_message(copies, monkeypatch):
    def refuse(*_arguments):
        raise OSError(errno.EOPNOTSUPP, "Operation not supported")
    monkeypatch.setattr(os, "setxattr", refuse)
    with pytest.raises(LauncherError, match="the capabilities of 'bin/ping' cannot be set: Operation not supported"):
        copies.copy(capable(), ALL)


def test_what_the_store_lacks_is_given_to_a_tree_that_shows_it(copies):
    made = copies.world.extract(capable())
    copies.made = made
    assert [record.path for record in trees.extras(made.manifest, ALL)] == ["bin/again", "bin/null", "bin/ping", "bin/su"]
    assert [record.path for record in trees.extras(made.manifest, PLAIN)] == []
    assert [record.path for record in trees.extras(made.manifest, Policy(devices=True))] == ["bin/null"]
    root = files.open_directory(made.tree)
    try:
        trees.apply_extras(root, made.manifest, ALL)
    finally:
        os.close(root)
    assert copies.differences(ALL, made.tree) == []
    assert os.stat(f"{made.tree}/bin").st_mtime == 6 and os.stat(f"{made.tree}/bin/su").st_mode & 0o7777 == 0o4755


@pytest.mark.parametrize("change, path", [
    (lambda root: os.unlink(f"{root}/sh"), "sh"),
    (lambda root: open(f"{root}/bin/new", "wb").close(), "bin/new"),
    (lambda root: os.chmod(f"{root}/bin/su", 0o700), "bin/su"),
    (lambda root: os.chown(f"{root}/bin", 1, 1), "bin"),
    (lambda root: os.chmod(root, 0o700), ""),
    (lambda root: os.truncate(f"{root}/bin/su", 3), "bin/su"),
    (lambda root: (os.unlink(f"{root}/sh"), os.symlink("bin/b", f"{root}/sh")), "sh"),
    (lambda root: (os.unlink(f"{root}/bin/su"), os.mkdir(f"{root}/bin/su")), "bin/su"),
    (lambda root: (os.unlink(f"{root}/bin/su"), os.mkfifo(f"{root}/bin/su")), "bin/su")])
def test_each_difference_is_found(copies, change, path):
    change(copies.copy(sample()))
    assert copies.paths() == [path]


def test_other_content_of_the_same_size_is_found(copies):
    with open(f"{copies.copy(sample())}/bin/su", "r+b") as file:
        file.write(b"Program")
    assert copies.differences() == [("bin/su", "file of 7 bytes, 0755 0:3, other content", "file of 7 bytes, 0755 0:3, the image's content")]


def test_a_damaged_store_is_found_in_the_store_and_in_its_copies(copies):
    copies.made = copies.world.extract(sample())
    with open(f"{copies.made.tree}/bin/b", "r+b") as file:
        file.write(b"BUSY")
    assert copies.paths(PLAIN, copies.made.tree) == ["bin/a", "bin/b"]


def test_a_name_that_is_a_file_of_its_own_is_found(copies):
    path = copies.copy(sample())
    os.unlink(f"{path}/bin/b")
    with open(f"{path}/bin/b", "wb") as file:
        file.write(b"busy")
    os.chmod(f"{path}/bin/b", 0o755)
    assert copies.differences() == [("bin/b", "a file of its own", "a name of bin/a")]


def test_directories_that_are_not_of_the_image_are_not_entered(copies):
    path = copies.copy(sample())
    here = os.open(path, os.O_RDONLY)
    for _level in range(1100):
        os.mkdir("d", dir_fd=here)
        deeper = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = deeper
    os.close(here)
    assert copies.paths() == ["d"]
    beneath.remove_tree(f"{path}/d")


def test_a_link_out_of_the_tree_is_not_followed(copies, tmp_path):
    path = copies.copy(sample())
    os.rename(f"{path}/bin", f"{tmp_path}/moved")
    os.symlink(f"{tmp_path}/moved", f"{path}/bin")
    found = {path: have for path, have, _want in copies.differences()}
    assert found["bin"].startswith("symlink to ") and found["bin/su"] is None


def test_names_around_the_separator_are_found_in_order(copies):
    names = [b"a", b"a b", b"a-b", b"a.b", b"a0", b"a\x01", b"a\x1f", b'a"', b"a\\", b"a\xff", b"\xc3\xa4", b",", b'","', b"a\x7f"]
    archive = Archive()
    for name in names:
        archive.file(name + b"/f", name)
    path = copies.copy(archive.end())
    assert copies.differences() == []
    os.unlink(f"{path}/a-b/f")
    os.mkdir(f"{path}/a!")
    assert copies.paths() == ["a!", "a-b/f"]


@pytest.mark.parametrize("number", [errno.EXDEV, errno.EOPNOTSUPP])
def test_copies_without_copy_file_range(copies, monkeypatch, number):
    def refuse(*_arguments):
        raise OSError(number, "no")
    monkeypatch.setattr(os, "copy_file_range", refuse, raising=False)
    copies.copy(Archive().file(b"a", os.urandom(3 << 20)).file(b"empty", b"").end())
    assert copies.differences() == []


def test_blocks_are_shared_where_the_file_system_can(copies, monkeypatch):
    calls = []

    def clone(target, request, source):
        calls.append(request)
        assert request == 0x40049409  # FICLONE
        os.write(target, os.pread(source, 100, 0))
        return 0
    monkeypatch.setattr(fcntl, "ioctl", clone)
    copies.copy(Archive().file(b"a", b"1").file(b"b", b"2").file(b"empty", b"").end())
    assert copies.differences() == [] and len(calls) == 2


def test_a_file_system_that_cannot_share_is_asked_once(copies, monkeypatch):
    calls = []

    def refuse(*_arguments):
        calls.append(1)
        raise OSError(errno.EOPNOTSUPP, "no")
    monkeypatch.setattr(fcntl, "ioctl", refuse)
    copies.copy(Archive().file(b"a", b"1").file(b"b", b"2").end())
    assert copies.differences() == [] and len(calls) == 1


@pytest.mark.parametrize("build", [
    lambda: Archive().file(b"d/a").directory(b"d", 0o700).directory(b".", 0o700),
    lambda: Archive().file(b"a", b"1", ino=1, nlink=3).file(b"b", b"", ino=1, nlink=3).file(b"a", b"new").file(b"c", b"", ino=1, nlink=3),
    lambda: Archive().file(b"x").node(b"x", CHARACTER).file(b"y").symlink(b"y", b"x"),
    lambda: Archive().directory(b"d").symlink(b"d", b"e").directory(b"e").file(b"e/a").directory(b"e", 0o711),
    lambda: Archive().directory(b".").raw(Archive().directory(b".", 0o700).end())])
def test_manifest_of_an_archive_with_names_twice(copies, build):
    copies.copy(build().end())
    assert copies.differences() == []


def _once(function, change):
    done = []

    def wrapper(*arguments, **more):
        if not done and change(*arguments):
            done.append(1)
        return function(*arguments, **more)
    return wrapper


@pytest.mark.parametrize("call, name, becomes", [
    ("stat", "f", None), ("open", "f", None), ("open", "f", "link"), ("open", "f", "socket"),
    ("readlink", "l", None), ("readlink", "l", "file"),
    ("open", "d", None), ("open", "d", "link"), ("open", "d", "file"), ("stat", "extra", None)])
def test_what_changes_while_it_is_compared_is_a_difference(copies, monkeypatch, call, name, becomes):
    path = copies.copy(Archive().directory(b"d").file(b"d/a", b"1").file(b"f", b"2").symlink(b"l", b"f").file(b"z", b"3").end())
    if name == "extra":
        with open(f"{path}/extra", "w", encoding="ascii"):
            pass
    make = {"link": lambda there: os.symlink("z", there), "socket": lambda there: os.mknod(there, stat.S_IFSOCK | 0o600),
            "file": lambda there: os.mknod(there, stat.S_IFREG | 0o600), None: lambda there: None}[becomes]

    def change(first, *_arguments):
        if first != name:
            return False
        beneath.remove_tree(f"{path}/{name}")
        make(f"{path}/{name}")
        return True

    monkeypatch.setattr(os, call, _once(getattr(os, call), change))
    found = copies.differences()
    monkeypatch.undo()
    assert [have for there, have, _want in found if there == name] == ["changed while it was compared"]
    assert {there for there, _have, _want in found} <= {name, f"{name}/a"}


def test_a_disk_that_fails_is_no_difference(copies, monkeypatch):
    copies.copy(Archive().file(b"f", b"2").end())

    def fail(*_arguments, **_more):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "getxattr", fail)
    with pytest.raises(OSError, match="Input/output"):
        copies.differences()
    monkeypatch.undo()
