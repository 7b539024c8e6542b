# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Extraction of hostile archives: the archive cases (B..) that are about files. Around the tree lie canaries that must stay as they are."""

from __future__ import annotations

import errno
import gzip
import os
import resource
import stat
import struct
import zlib

import pytest

from ansible_collections.coracle.launcher.plugins.module_utils._coracle.base.errors import ArchiveError, LauncherError
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.work import notes
from ansible_collections.coracle.launcher.tests.unit.archives import BLOCK, CHARACTER, FIFO, SOCKET, Archive, header, new, trailer
from ansible_collections.coracle.launcher.tests.unit.extracting import read

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="sets owners: needs root")


def test_tree_is_what_the_archive_says(world):
    archive = Archive().directory(b".", 0o750, uid=1, gid=2, mtime=50).directory(b"etc", 0o2770, mtime=60).file(b"etc/a", b"hello", 0o640, mtime=70)
    archive.symlink(b"etc/l", b"/etc/passwd", uid=3, mtime=80).node(b"pipe", FIFO, uid=5).directory(b"tmp", 0o1777).file(b"implied/b", b"x")
    made = world.extract(gzip.compress(archive.end(99)))
    tree = made.tree
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
    assert (made.summary.format, made.summary.segments, made.summary.entries, made.summary.size) == ("newc", ["gzip"], 7, 17)
    assert made.skipped == {"devices": 0, "sockets": 0}


def test_B01_absolute_names_stay_below_the_root(world):
    tree = world.extract(Archive().file(os.fsencode(world.victim), b"inside").end()).tree
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
    tree = world.extract(archive.end()).tree
    assert os.path.samefile(tree + world.victim, f"{tree}/b")


@pytest.mark.parametrize("mode", [0o644, 0o4777])
def test_B12_B13_first_name_that_became_a_link_is_not_followed(world, mode):
    archive = Archive().file(b"a", b"one", ino=1, nlink=3).symlink(b"a", os.fsencode(world.victim))
    archive.file(b"b", b"evil", mode, ino=1, nlink=3)
    tree = world.extract(archive.end()).tree
    assert os.readlink(f"{tree}/a") == world.victim and read(tree, "b") == b"evil"


def test_B13_later_file_of_the_same_name_does_not_write_through_a_hard_link(world):
    archive = Archive().file(b"a", b"one", ino=1, nlink=2).file(b"b", b"", ino=1, nlink=2).file(b"b", b"two", 0o600)
    tree = world.extract(archive.end()).tree
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
    made = world.extract(archive.end())
    tree = made.tree
    kinds = {"file": stat.S_ISREG, "symlink": stat.S_ISLNK, "fifo": stat.S_ISFIFO, "directory": stat.S_ISDIR}
    assert kinds[second](os.lstat(f"{tree}/a").st_mode)
    records = made.records
    assert [record.kind for record in records.values() if record.path == "a"] == [second]


@pytest.mark.parametrize("what", ["file", "symlink", "fifo"])
def test_B16_a_directory_with_content_is_not_replaced(world, what):
    archive = Archive().directory(b"d").file(b"d/a")
    {"file": lambda: archive.file(b"d"), "symlink": lambda: archive.symlink(b"d", b"/etc"), "fifo": lambda: archive.node(b"d", FIFO)}[what]()
    with pytest.raises(ArchiveError, match="in place of a directory that is not empty"):
        world.extract(archive.end())
    tree = world.extract(Archive().directory(b"d").file(b"d/a").directory(b"d", 0o700).end()).tree
    assert read(tree, "d/a") == b"data" and stat.S_IMODE(os.stat(f"{tree}/d").st_mode) == 0o700


def test_B14_parent_replaced_by_a_link_between_two_entries(world):
    archive = Archive().directory(b"d").file(b"d/a", b"").symlink(b"e", os.fsencode(world.outside)).directory(b"e").file(b"e/victim", b"inside")
    tree = world.extract(archive.end()).tree
    assert read(tree, "e/victim") == b"inside"
    empty = Archive().directory(b"d").symlink(b"d", os.fsencode(world.outside)).file(b"d/victim", b"evil")
    with pytest.raises(ArchiveError, match="goes through a symbolic link"):
        world.extract(empty.end())


def test_an_entry_below_a_file_is_refused(world):
    with pytest.raises(ArchiveError, match="no directory"):
        world.extract(Archive().file(b"a").file(b"a/b").end())


@pytest.mark.parametrize("kind", [BLOCK, CHARACTER])
def test_B17_devices_are_skipped_and_counted(world, kind):
    made = world.extract(Archive().node(b"dev/sda", kind, rdev=(8, 0)).file(b"a").end())
    tree = made.tree
    assert made.skipped == {"devices": 1, "sockets": 0} and os.listdir(f"{tree}/dev") == []


def test_B17_a_device_in_place_of_a_file_leaves_nothing(world):
    made = world.extract(Archive().file(b"a").node(b"a", CHARACTER).end())
    tree = made.tree
    assert os.listdir(tree) == [] and made.skipped["devices"] == 1


def test_B18_B19_fifos_are_made_and_sockets_skipped(world):
    made = world.extract(Archive().node(b"f", FIFO).node(b"s", SOCKET).end())
    tree = made.tree
    assert made.skipped == {"devices": 0, "sockets": 1} and os.listdir(tree) == ["f"]


def test_B20_set_id_bits_are_dropped_from_files_only(world):
    made = world.extract(Archive().file(b"su", b"", 0o6755).directory(b"d", 0o3775).end())
    tree = made.tree
    assert (stat.S_IMODE(os.stat(f"{tree}/su").st_mode), stat.S_IMODE(os.stat(f"{tree}/d").st_mode)) == (0o755, 0o3775)
    assert made.records["su"].mode == 0o6755


@pytest.mark.parametrize("owners", [{"uid": 0xFFFFFFFF}, {"gid": 0xFFFFFFFF}, {"uid": 1 << 31}])
def test_B22_B23_owners(world, owners):
    with pytest.raises(ArchiveError, match="its owner"):
        world.extract(Archive().file(b"a", **owners).end())


def test_B24_bomb_stops_at_the_limit(world):
    compressor = zlib.compressobj(9, zlib.DEFLATED, 31)
    bomb = compressor.compress(header(b"a", filesize=128 << 20))
    for _piece in range(128):
        bomb += compressor.compress(bytes(1 << 20))
    bomb += compressor.compress(trailer()) + compressor.flush()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ArchiveError, match="max_bytes=33554432"):
        world.extract(bomb, max_bytes=32 << 20)
    tree = world.extract(bomb).tree
    assert os.stat(f"{tree}/a").st_size == 128 << 20
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 48 << 10  # kB


@pytest.mark.parametrize("form", ["newc", "odc", "gnu"])
def test_B25_many_empty_files_stop_at_the_limit(world, form):
    def archive(count):
        made = new(form)
        for number in range(count):
            made.file(b"%d" % number, b"")
        return made.end()
    with pytest.raises(ArchiveError, match="max_entries=20"):
        world.extract(archive(21), max_entries=20)
    assert len(world.extract(archive(20), max_entries=20).names()) == 20


@pytest.mark.parametrize("size", [0xFFFFFFFF, 0x7FFFFFFF])
def test_B27_a_size_without_the_data(world, size):
    with pytest.raises(ArchiveError, match="max_bytes"):
        world.extract(Archive().file(b"a", b"short", filesize=0xFFFFFFFF).end(), max_bytes=1 << 20)
    with pytest.raises(ArchiveError):
        world.extract(Archive().file(b"a", b"short", filesize=size).end(), max_bytes=1 << 40)
    world.extract(Archive().file(b"a", b"short").end(), max_bytes=1 << 20)


def test_names_that_fill_the_disk_stop_at_a_limit(world, monkeypatch):
    monkeypatch.setattr(notes, "MAX_CHARACTERS", 1000)
    with pytest.raises(ArchiveError, match="the names in the archive need more than"):
        world.extract(Archive().file(b"d/" * 50 + b"n" * 200).file(b"d/" * 50 + b"m" * 200).file(b"d/" * 50 + b"k" * 200).end())
    world.extract(Archive().file(b"a").end())


@pytest.mark.parametrize("make", [
    lambda: Archive().file(b"first", b"x" * 2000000).end()[:-500], lambda: gzip.compress(Archive().file(b"a").end())[:-6],
    lambda: gzip.compress(Archive().file(b"a").end()) + b"garbage",
    lambda: Archive(b"070702").file(b"a", b"x", check=1).end(), lambda: Archive().file(b"a").file(b"d/" * 300 + b"x").end()],
    ids=["B28-truncated", "B30-gzip", "B35-garbage", "B31-checksum", "B26-depth"])
def test_an_archive_that_fails_late_is_an_error(world, make):
    with pytest.raises(ArchiveError):
        world.extract(make())


@pytest.mark.parametrize("umask", [0, 0o077, 0o777])
def test_modes_and_owners_do_not_depend_on_where_and_by_whom(world, umask):
    archive = Archive().directory(b"g", 0o2775, gid=7).directory(b"g/d", 0o1777).file(b"g/a", mode=0o666).symlink(b"g/l", b"a").node(b"g/p", FIFO)
    archive.directory(b"s", 0o777, uid=3).file(b"s/b", mode=0o7777, uid=3, gid=4).file(b"s/i/c", mode=0)
    before = os.umask(umask)
    try:
        tree = world.extract(archive.end()).tree
    finally:
        os.umask(before)
    assert {path: (stat.S_IMODE(info.st_mode), info.st_uid, info.st_gid) for path in ("g", "g/d", "g/a", "g/p", "s", "s/b", "s/i", "s/i/c")
            for info in [os.lstat(f"{tree}/{path}")]} == {
        "g": (0o2775, 0, 7), "g/d": (0o1777, 0, 0), "g/a": (0o666, 0, 0), "g/p": (0o644, 0, 0), "s": (0o777, 3, 0), "s/b": (0o1777, 3, 4),
        "s/i": (0o755, 0, 0), "s/i/c": (0, 0, 0)}
    assert os.lstat(f"{tree}/g/l").st_gid == 0


def test_access_lists_from_above_are_not_inherited(world):
    # <linux/posix_acl_xattr.h>: version 2, then tag, permissions and id: owner, user 99, group, mask, others.
    entries = [(1, 7, -1), (2, 7, 99), (4, 5, -1), (0x10, 7, -1), (0x20, 5, -1)]
    value = struct.pack("<I", 2) + b"".join(struct.pack("<HHi", *entry) for entry in entries)
    try:
        os.setxattr(world.path, "system.posix_acl_default", value)
    except OSError:
        pytest.skip("the file system has no access lists")
    os.mkdir(f"{world.path}/control")
    assert "system.posix_acl_default" in os.listxattr(f"{world.path}/control")
    made = world.extract(Archive().directory(b"d", 0o700).file(b"d/a", mode=0o600).end())
    assert {name for path in ("", "d", "d/a") for name in os.listxattr(os.path.join(made.tree, path)) if "acl" in name} == set()
    assert stat.S_IMODE(os.stat(f"{made.tree}/d/a").st_mode) == 0o600


@pytest.mark.parametrize("order", [["a", "b", "c"], ["c", "a", "b"]])
@pytest.mark.parametrize("where", [0, 1, 2])
def test_B37_data_may_be_with_any_name(world, order, where):
    archive = Archive().directory(b"d")
    for index, name in enumerate(order):
        archive.file(b"d/" * (index == 1) + name.encode(), b"content" if index == where else b"", 0o755, ino=9, nlink=3)
    made = world.extract(archive.end())
    tree = made.tree
    paths = [f"{tree}/{'d/' * (index == 1)}{name}" for index, name in enumerate(order)]
    assert {(os.stat(path).st_ino, os.stat(path).st_nlink, read(path)) for path in paths} == {(os.stat(paths[0]).st_ino, 3, b"content")}
    assert {record.size for record in made.records.values() if record.kind == "file"} == {7}


def test_B37_link_counts_that_lie(world):
    archive = Archive().file(b"a", b"1", ino=9, nlink=2).file(b"b", b"", ino=9, nlink=2).file(b"c", b"3", ino=9, nlink=2).file(b"d", b"4", ino=9)
    tree = world.extract(archive.end()).tree
    assert [read(tree, name) for name in "abcd"] == [b"1", b"1", b"3", b"4"]


@pytest.mark.parametrize("name", [b"caf\xe9", b"new\nline", b"\x1b[2J", b"n" * 255, b"a'b\"c\\", b" ", b"-rf"])
def test_B38_names_are_bytes(world, name):
    made = world.extract(Archive().file(name, b"x").end())
    tree = made.tree
    assert os.listdir(os.fsencode(tree)) == [name]
    assert [os.fsencode(path) for path in made.records if path] == [name]


def test_a_full_disk_is_one_message_with_the_name(world, monkeypatch):
    def full(_fd, _data):
        raise OSError(errno.ENOSPC, "No space left on device")
    with monkeypatch.context() as patch, pytest.raises(LauncherError, match="member 'a' at byte 0: cannot be written: No space left on device"):
        patch.setattr("ansible_collections.coracle.launcher.plugins.module_utils._coracle.work.extract.os.write", full)
        world.extract(Archive().file(b"a").end())
