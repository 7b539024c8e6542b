# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Extraction of hostile archives: the archive cases (B..) that are about files. Around the store lie canaries that must stay as they are."""

from __future__ import annotations

import contextlib
import errno
import gzip
import os
import resource
import stat

import pytest

from ansible_collections.coracle.launcher.plugins.module_utils._coracle.base import libc, places
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.base.errors import ArchiveError, LauncherError
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.formats.entries import Limits
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.work import images, trees
from ansible_collections.coracle.launcher.tests.unit.archives import BLOCK, CHARACTER, FIFO, SOCKET, Archive

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="sets owners: needs root")


def snapshot(*roots):
    """Return everything of the trees that a hostile archive could have changed."""
    found = {}
    for root in map(os.fsencode, roots):
        paths = [root] + [os.path.join(directory, name) for directory, names, others in os.walk(root) for name in names + others]
        for path in paths:
            info = os.lstat(path)
            content = b""
            if stat.S_ISREG(info.st_mode):
                with open(path, "rb") as file:
                    content = file.read()
            elif stat.S_ISLNK(info.st_mode):
                content = os.readlink(path)
            found[path] = (info.st_mode, info.st_uid, info.st_gid, info.st_nlink, info.st_size, info.st_mtime_ns, content)
    return found


class World:
    """`outside`: what must not change, with victim (4711), victims/ and a link to it. extract() works on bytes of an archive."""

    def __init__(self, path, monkeypatch):
        self.outside = f"{path}/outside"
        self.victim = f"{self.outside}/victim"
        self.source = f"{path}/source.img"
        os.makedirs(f"{self.outside}/victims")
        with open(self.victim, "wb") as file:
            file.write(b"precious")
        os.chmod(self.victim, 0o4711)
        os.symlink("victim", f"{self.outside}/link")
        os.mkdir(f"{path}/var")
        monkeypatch.setattr(places, "IMAGES", f"{path}/var/images")

    @staticmethod
    def store():
        return sorted(os.listdir(places.IMAGES)) if os.path.isdir(places.IMAGES) else []

    def extract(self, data, **limits):
        """Return (tree, image). Whatever happens, the world outside is the same, and after an error the store is, too."""
        with open(self.source, "wb") as file:
            file.write(data)
        before, store = snapshot(self.outside, "/etc/passwd"), self.store()
        try:
            image = images.ensure_image(self.source, limits=Limits(**limits))
        except LauncherError:
            assert self.store() == store
            raise
        finally:
            assert snapshot(self.outside, "/etc/passwd") == before
        return image.tree, image


@pytest.fixture
def world(tmp_path, monkeypatch):
    return World(tmp_path, monkeypatch)


def read(*parts):
    with open(os.path.join(*parts), "rb") as file:
        return file.read()


def test_tree_is_what_the_archive_says(world):
    archive = Archive().directory(b".", 0o750, uid=1, gid=2, mtime=50).directory(b"etc", 0o2770, mtime=60).file(b"etc/a", b"hello", 0o640, mtime=70)
    archive.symlink(b"etc/l", b"/etc/passwd", uid=3, mtime=80).node(b"pipe", FIFO, uid=5).directory(b"tmp", 0o1777).file(b"implied/b", b"x")
    tree, image = world.extract(gzip.compress(archive.end(99)))
    info = os.stat(tree)
    assert (stat.S_IMODE(info.st_mode), info.st_uid, info.st_gid, info.st_mtime) == (0o750, 1, 2, 50)
    info = os.stat(f"{tree}/etc")
    assert (stat.S_IMODE(info.st_mode), info.st_mtime) == (0o2770, 60)
    info = os.stat(f"{tree}/etc/a")
    assert (stat.S_IMODE(info.st_mode), info.st_mtime, info.st_nlink, read(tree, "etc/a")) == (0o640, 70, 1, b"hello")
    info = os.lstat(f"{tree}/etc/l")
    assert (os.readlink(f"{tree}/etc/l"), info.st_uid, info.st_mtime) == ("/etc/passwd", 3, 80)
    assert stat.S_ISFIFO(os.stat(f"{tree}/pipe").st_mode) and stat.S_IMODE(os.stat(f"{tree}/tmp").st_mode) == 0o1777
    assert (stat.S_IMODE(os.stat(f"{tree}/implied").st_mode), os.stat(f"{tree}/implied").st_mtime) == (0o755, 0)
    assert image.as_dict() == {"digest": image.digest, "format": "newc", "segments": ["gzip"], "entries": 7, "bytes": 17,
                               "skipped": {"devices": 0, "sockets": 0}}
    assert stat.S_IMODE(os.stat(places.IMAGES).st_mode) == stat.S_IMODE(os.stat(os.path.dirname(tree)).st_mode) == 0o700


def test_B01_absolute_names_stay_below_the_root(world):
    tree, _image = world.extract(Archive().file(os.fsencode(world.victim), b"inside").end())
    assert read(tree + world.victim) == b"inside"


@pytest.mark.parametrize("name", [b"../outside/victim", b"a/../../../outside/victim"])
def test_B02_B03_parents_are_refused(world, name):
    with pytest.raises(ArchiveError, match=r"'\.\.' in it"):
        world.extract(Archive().file(b"first").file(name).end())


@pytest.mark.parametrize("links", [
    [(b"l", b"OUTSIDE")], [(b"l", b"../../../../outside")], [(b"k", b"OUTSIDE"), (b"l", b"k")], [(b"l", b"." + b"/." * 2000)], [(b"l", b".")],
    [(b"l", b"d")]], ids=["B04-absolute", "B05-relative", "B06-chain", "B07-long", "B08-dot", "B08-inside"])
@pytest.mark.parametrize("what", ["file", "directory", "symlink", "deep"])
def test_B04_B08_nothing_is_made_through_a_link(world, links, what):
    def archive(name):
        made = Archive().directory(b"d")
        for link, target in links:
            made.symlink(link, target.replace(b"OUTSIDE", os.fsencode(world.outside)))
        if what == "file":
            made.file(name, b"evil")
        elif what == "directory":
            made.directory(name, 0o777)
        elif what == "symlink":
            made.symlink(name, b"evil")
        else:
            made.file(name + b"/x/y", b"evil")
        return made.end()
    with pytest.raises(ArchiveError, match="member 'l/victim.*' at byte .* goes through a symbolic link"):
        world.extract(archive(b"l/victim"))
    world.extract(archive(b"d/victim"))


@pytest.mark.parametrize("size", [b"", b"evil"], ids=["link", "data"])
@pytest.mark.parametrize("first", [b"../outside/victim", b"l/victim"], ids=["B10-parent", "B11-link"])
def test_B10_B11_hard_links_to_names_outside(world, first, size):
    archive = Archive().symlink(b"l", os.fsencode(world.outside))
    archive.file(first, b"", ino=1, nlink=2).file(b"b", size, ino=1, nlink=2)
    with pytest.raises(ArchiveError):
        world.extract(archive.end())
    world.extract(Archive().file(b"a", b"", ino=1, nlink=2).file(b"b", size, ino=1, nlink=2).end())


def test_B09_hard_link_to_an_absolute_name_is_one_inside(world):
    archive = Archive().file(os.fsencode(world.victim), b"", ino=1, nlink=2).file(b"b", b"evil", 0o777, ino=1, nlink=2)
    tree, _image = world.extract(archive.end())
    assert os.path.samefile(tree + world.victim, f"{tree}/b")


@pytest.mark.parametrize("mode", [0o644, 0o4777])
def test_B12_B13_first_name_that_became_a_link_is_not_followed(world, mode):
    archive = Archive().file(b"a", b"one", ino=1, nlink=3).symlink(b"a", os.fsencode(world.victim))
    archive.file(b"b", b"evil", mode, ino=1, nlink=3)
    tree, _image = world.extract(archive.end())
    assert os.readlink(f"{tree}/a") == world.victim and read(tree, "b") == b"evil"


def test_B13_later_file_of_the_same_name_does_not_write_through_a_hard_link(world):
    archive = Archive().file(b"a", b"one", ino=1, nlink=2).file(b"b", b"", ino=1, nlink=2).file(b"b", b"two", 0o600)
    tree, _image = world.extract(archive.end())
    assert (read(tree, "a"), read(tree, "b"), os.stat(f"{tree}/a").st_nlink) == (b"one", b"two", 1)


@pytest.mark.parametrize("first", ["file", "symlink", "fifo", "directory"])
@pytest.mark.parametrize("second", ["file", "symlink", "fifo", "directory"])
def test_B14_B16_the_later_of_two_names_wins(world, first, second):
    archive = Archive()
    for what in (first, second):
        if what == "file":
            archive.file(b"a", what.encode() + b"!", 0o640)
        elif what == "symlink":
            archive.symlink(b"a", os.fsencode(world.victim))
        elif what == "fifo":
            archive.node(b"a", FIFO)
        else:
            archive.directory(b"a", 0o711)
    tree, image = world.extract(archive.end())
    kinds = {"file": stat.S_ISREG, "symlink": stat.S_ISLNK, "fifo": stat.S_ISFIFO, "directory": stat.S_ISDIR}
    assert kinds[second](os.lstat(f"{tree}/a").st_mode)
    records = trees.load(images.manifest_path(image.digest))
    assert [record.kind for record in records.values() if record.path == "a"] == [second]


@pytest.mark.parametrize("what", ["file", "symlink", "fifo"])
def test_B16_a_directory_with_content_is_not_replaced(world, what):
    archive = Archive().directory(b"d").file(b"d/a")
    {"file": lambda: archive.file(b"d"), "symlink": lambda: archive.symlink(b"d", b"/etc"), "fifo": lambda: archive.node(b"d", FIFO)}[what]()
    with pytest.raises(ArchiveError, match="in place of a directory that is not empty"):
        world.extract(archive.end())
    tree, _image = world.extract(Archive().directory(b"d").file(b"d/a").directory(b"d", 0o700).end())
    assert read(tree, "d/a") == b"data" and stat.S_IMODE(os.stat(f"{tree}/d").st_mode) == 0o700


def test_B14_parent_replaced_by_a_link_between_two_entries(world):
    archive = Archive().directory(b"d").file(b"d/a", b"").symlink(b"e", os.fsencode(world.outside)).directory(b"e").file(b"e/victim", b"inside")
    tree, _image = world.extract(archive.end())
    assert read(tree, "e/victim") == b"inside"
    empty = Archive().directory(b"d").symlink(b"d", os.fsencode(world.outside)).file(b"d/victim", b"evil")
    with pytest.raises(ArchiveError, match="goes through a symbolic link"):
        world.extract(empty.end())


def test_an_entry_below_a_file_is_refused(world):
    with pytest.raises(ArchiveError, match="no directory"):
        world.extract(Archive().file(b"a").file(b"a/b").end())


@pytest.mark.parametrize("kind", [BLOCK, CHARACTER])
def test_B17_devices_are_skipped_and_counted(world, kind):
    tree, image = world.extract(Archive().node(b"dev/sda", kind, rdev=(8, 0)).file(b"a").end())
    assert image.skipped == {"devices": 1, "sockets": 0} and os.listdir(f"{tree}/dev") == []


def test_B17_a_device_in_place_of_a_file_leaves_nothing(world):
    tree, image = world.extract(Archive().file(b"a").node(b"a", CHARACTER).end())
    assert os.listdir(tree) == [] and image.skipped["devices"] == 1


def test_B18_B19_fifos_are_made_and_sockets_skipped(world):
    tree, image = world.extract(Archive().node(b"f", FIFO).node(b"s", SOCKET).end())
    assert image.skipped == {"devices": 0, "sockets": 1} and os.listdir(tree) == ["f"]


def test_B20_set_id_bits_are_dropped_from_files_only(world):
    tree, image = world.extract(Archive().file(b"su", b"", 0o6755).directory(b"d", 0o3775).end())
    assert (stat.S_IMODE(os.stat(f"{tree}/su").st_mode), stat.S_IMODE(os.stat(f"{tree}/d").st_mode)) == (0o755, 0o3775)
    assert trees.load(images.manifest_path(image.digest))["su"].mode == 0o6755


@pytest.mark.parametrize("owners", [{"uid": 0xFFFFFFFF}, {"gid": 0xFFFFFFFF}, {"uid": 1 << 31}])
def test_B22_B23_owners(world, owners):
    with pytest.raises(ArchiveError, match="its owner"):
        world.extract(Archive().file(b"a", **owners).end())


def test_B24_bomb_stops_at_the_limit(world):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    bomb = gzip.compress(Archive().file(b"a", b"\0" * (64 << 20)).end())
    with pytest.raises(ArchiveError, match="max_bytes=33554432"):
        world.extract(bomb, max_bytes=32 << 20)
    tree, _image = world.extract(bomb)
    assert os.stat(f"{tree}/a").st_size == 64 << 20
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 192 << 10  # kB; the archive itself is made in this process


@pytest.mark.parametrize("make", [
    lambda: Archive().file(b"first", b"x" * 2000000).end()[:-500], lambda: gzip.compress(Archive().file(b"a").end())[:-6],
    lambda: gzip.compress(Archive().file(b"a").end()) + b"garbage",
    lambda: Archive(b"070702").file(b"a", b"x", check=1).end(), lambda: Archive().file(b"a").file(b"d/" * 300 + b"x").end()],
    ids=["B28-truncated", "B30-gzip", "B35-garbage", "B31-checksum", "B26-depth"])
def test_an_archive_that_fails_late_leaves_nothing(world, make):
    with pytest.raises(ArchiveError) as caught:
        world.extract(make())
    assert caught.value.option in ("src", "max_depth")


@pytest.mark.parametrize("order", [["a", "b", "c"], ["c", "a", "b"]])
@pytest.mark.parametrize("where", [0, 1, 2])
def test_B37_data_may_be_with_any_name(world, order, where):
    archive = Archive().directory(b"d")
    for index, name in enumerate(order):
        archive.file(b"d/" * (index == 1) + name.encode(), b"content" if index == where else b"", 0o755, ino=9, nlink=3)
    tree, image = world.extract(archive.end())
    paths = [f"{tree}/{'d/' * (index == 1)}{name}" for index, name in enumerate(order)]
    assert {(os.stat(path).st_ino, os.stat(path).st_nlink, read(path)) for path in paths} == {(os.stat(paths[0]).st_ino, 3, b"content")}
    assert {record.size for record in trees.load(images.manifest_path(image.digest)).values() if record.kind == "file"} == {7}


def test_B37_link_counts_that_lie(world):
    archive = Archive().file(b"a", b"1", ino=9, nlink=2).file(b"b", b"", ino=9, nlink=2).file(b"c", b"3", ino=9, nlink=2).file(b"d", b"4", ino=9)
    tree, _image = world.extract(archive.end())
    assert [read(tree, name) for name in "abcd"] == [b"1", b"1", b"3", b"4"]


@pytest.mark.parametrize("name", [b"caf\xe9", b"new\nline", b"\x1b[2J", b"n" * 255, b"a'b\"c\\", b" ", b"-rf"])
def test_B38_names_are_bytes(world, name):
    tree, image = world.extract(Archive().file(name, b"x").end())
    assert os.listdir(os.fsencode(tree)) == [name]
    assert [os.fsencode(path) for path in trees.load(images.manifest_path(image.digest)) if path] == [name]


@pytest.mark.parametrize("make, problem", [
    (os.mkfifo, "is no regular file"), (os.mkdir, "is no regular file"), (lambda path: os.symlink("/dev/zero", path), "is no regular file"),
    (lambda path: None, "cannot be read: No such file"), (lambda path: os.symlink(path, path), "cannot be read: Too many levels")],
    ids=["fifo", "directory", "zero", "missing", "loop"])
def test_B39_sources_that_are_no_file(world, tmp_path, make, problem):
    make(f"{tmp_path}/source")
    with pytest.raises(LauncherError, match=problem):
        images.ensure_image(f"{tmp_path}/source")


def test_a_full_disk_is_one_message_with_the_name(world, monkeypatch):
    def full(_fd, _data):
        raise OSError(errno.ENOSPC, "No space left on device")
    with monkeypatch.context() as patch, pytest.raises(LauncherError, match="member 'a' at byte 0: cannot be written: No space left on device"):
        patch.setattr("ansible_collections.coracle.launcher.plugins.module_utils._coracle.work.extract.os.write", full)
        world.extract(Archive().file(b"a").end())


def test_the_same_without_openat2(world, monkeypatch):
    def missing(*_arguments):
        raise OSError(errno.ENOSYS, "Function not implemented")
    monkeypatch.setattr(libc, "openat2", missing)
    for name in (b"l/victim", b"l/x/y"):
        with pytest.raises(ArchiveError, match="goes through a symbolic link"):
            world.extract(Archive().symlink(b"l", os.fsencode(world.outside)).file(name).end())
    with contextlib.suppress(FileNotFoundError):
        os.unlink(world.source)
    tree, _image = world.extract(Archive().directory(b"d").file(b"d/e/f", b"x").end())
    assert read(tree, "d/e/f") == b"x"
