# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hard links, the two ways that archives have them: by inode number (cpio) and by name (tar)."""

from __future__ import annotations

import os
import stat

import pytest

from ansible_collections.coracle.launcher.plugins.module_utils._coracle.base.errors import ArchiveError
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.work import extract, trees
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.work.manifest import Policy
from ansible_collections.coracle.launcher.tests.unit.archives import CHARACTER, FIFO, Archive, Tar
from ansible_collections.coracle.launcher.tests.unit.extracting import read

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="sets owners: needs root")


def check(made):
    """The manifest says what is on disk."""
    root = os.open(made.tree, os.O_RDONLY)
    try:
        assert trees.differences(root, made.manifest, Policy()) == []
    finally:
        os.close(root)
    return made


def test_names_of_one_file(world):
    made = check(world.extract(Tar().file(b"b", b"content", 0o4755, uid=3).hardlink(b"a", b"b").hardlink(b"d/c", b"a", mode=0o777, uid=9).end()))
    assert {os.stat(f"{made.tree}/{name}").st_ino for name in ("a", "b", "d/c")} == {os.stat(f"{made.tree}/a").st_ino}
    assert [(path, record.kind, record.extra, record.mode, record.uid, record.size) for path, record in made.records.items()
            if record.kind in ("file", "link")] == [("a", "file", 3, 0o4755, 3, 7), ("b", "link", "a", 0o4755, 3, 7), ("d/c", "link", "a", 0o4755, 3, 7)]


@pytest.mark.parametrize("target, says", [
    (b"none", "a hard link to 'none', which the archive does not have"), (b"no/ne", "a hard link to 'no/ne'"), (b"later", "a hard link to 'later'"),
    (b"socket", "a hard link to 'socket'.* was skipped"), (b"d", "which is a directory"), (b"a/x", "no directory"), (b"l/victim", "symbolic link"),
    (b"self", "a hard link to 'self'")])
def test_what_cannot_be_linked_to(world, target, says):
    def archive(target):
        made = Tar().directory(b"d").file(b"a").node(b"null", CHARACTER).symlink(b"l", os.fsencode(world.outside))
        return made.hardlink(b"self", target).file(b"later").end()
    with pytest.raises(ArchiveError, match=f"member 'self' at byte .*{says}"):
        world.extract(archive(target))
    check(world.extract(archive(b"a")))


def test_a_link_to_a_symbolic_link_is_another_like_it(world):
    made = check(world.extract(Tar().symlink(b"l", os.fsencode(world.victim), uid=4, mtime=5).hardlink(b"m", b"l").end()))
    info = os.lstat(f"{made.tree}/m")
    assert (os.readlink(f"{made.tree}/m"), info.st_uid, info.st_mtime, info.st_nlink) == (world.victim, 4, 5, 1)


def test_a_link_to_a_fifo_is_another_like_it(world):
    made = check(world.extract(Tar().node(b"f", FIFO, mode=0o620, uid=4).hardlink(b"g", b"f").end()))
    info = os.stat(f"{made.tree}/g")
    assert (stat.S_ISFIFO(info.st_mode), stat.S_IMODE(info.st_mode), info.st_uid) == (True, 0o620, 4)


def test_a_link_to_a_device_is_another_that_is_skipped(world):
    made = check(world.extract(Tar().node(b"null", CHARACTER, mode=0o666, uid=4, rdev=(1, 3)).hardlink(b"d/zero", b"null")
                               .hardlink(b"null", b"null").end()))
    assert made.skipped == {"devices": 2, "sockets": 0}
    assert [(record.path, record.kind, record.mode, record.uid, record.extra) for record in made.records.values() if record.kind == "character device"] == [
        ("d/zero", "character device", 0o666, 4, [1, 3]), ("null", "character device", 0o666, 4, [1, 3])]
    assert not os.path.lexists(f"{made.tree}/d/zero")


def test_a_link_to_itself_is_nothing_to_do(world):
    made = check(world.extract(Tar().file(b"a", b"x").hardlink(b"a", b"a").end()))
    assert made.records["a"].kind == "file" and made.records["a"].extra is None


@pytest.mark.parametrize("what", ["file", "symlink", "directory"])
def test_a_link_in_place_of_something(world, what):
    archive = Tar().file(b"a", b"x")
    {"file": lambda: archive.file(b"b", b"gone"), "symlink": lambda: archive.symlink(b"b", os.fsencode(world.victim)),
     "directory": lambda: archive.directory(b"b")}[what]()
    made = check(world.extract(archive.hardlink(b"b", b"a").end()))
    assert os.path.samefile(f"{made.tree}/a", f"{made.tree}/b") and read(made.tree, "b") == b"x"


def test_a_name_that_was_linked_and_is_replaced_leaves_the_other(world):
    made = check(world.extract(Tar().file(b"a", b"one").hardlink(b"b", b"a").file(b"a", b"two").hardlink(b"c", b"a").end()))
    assert [(record.path, record.kind, record.extra) for record in made.records.values() if record.path] == [
        ("a", "file", 2), ("b", "file", None), ("c", "link", "a")]
    assert read(made.tree, "b") == b"one" and read(made.tree, "c") == b"two"


def test_content_that_came_with_a_name_that_is_gone(world):
    archive = Archive().file(b"a", b"", ino=1, nlink=3).file(b"b", b"content", 0o640, ino=1, nlink=3, uid=7).file(b"b", b"other")
    made = check(world.extract(archive.end()))
    record = made.records["a"]
    assert (record.kind, record.size, record.mode, record.uid, record.extra, read(made.tree, "a")) == ("file", 7, 0o640, 7, None, b"content")


def test_open_links_have_a_limit(world, monkeypatch):
    monkeypatch.setattr(extract, "MAX_LINKED", 3)

    def archive(count):
        made = Archive()
        for number in range(count):
            made.file(b"%d" % number, b"", ino=number + 1, nlink=2)
        return made
    with pytest.raises(ArchiveError, match="member '3' .* 3 files before it"):
        world.extract(archive(4).end())
    check(world.extract(archive(3).file(b"x", b"", ino=1, nlink=2).file(b"3", b"", ino=4, nlink=2).end()))


def test_B21_capabilities_are_recorded_and_not_set(world):
    value = bytes.fromhex("0100000200200000000000000000000000000000")
    archive = Tar("pax").pax([(b"SCHILY.xattr.security.capability", value)]).raw(Tar().file(b"ping", b"x").parts[0]).hardlink(b"a", b"ping")
    made = check(world.extract(archive.end()))
    assert made.records["ping"].capability == made.records["a"].capability == value.hex()
    with pytest.raises(OSError):
        os.getxattr(f"{made.tree}/ping", "security.capability")
