# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Archives that other projects' tests break out with, by the names there, with openat2 and without.

containerd's (pkg/archive/tar_test.go, TestBreakouts) are those of tests/system/archives/test_archives_breakouts.py, where they go through the
module and careless programs show that each of them is an attack.
"""

from __future__ import annotations

import os

import pytest

from ansible_collections.coracle.launcher.plugins.module_utils._coracle.base.errors import ArchiveError
from ansible_collections.coracle.launcher.tests.system.archives.test_archives_breakouts import ALL, EITHER, INSIDE, victim_of, what_is_at
from ansible_collections.coracle.launcher.tests.system.hostile import write
from ansible_collections.coracle.launcher.tests.unit.archives import new
from ansible_collections.coracle.launcher.tests.unit.extracting import World

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="sets owners: needs root")
FORMATS = ("newc", "odc", "gnu", "pax")


@pytest.mark.parametrize("packing", ["newc", "tar"])
@pytest.mark.parametrize("name", ALL)
def test_breakouts(world, name, packing):
    case, victim = ALL[name], victim_of(world)
    if packing not in case.packings:
        pytest.skip("no such archive in this format")
    data, outcome = write(case.members(victim), packing).data, case.outcome[packing == "tar"]
    if outcome == INSIDE:
        made = world.extract(data)
        for path, wanted in case.holds(victim).items():
            assert what_is_at(os.path.join(os.fsencode(made.tree), path)) == wanted, path
    else:
        try:
            world.extract(data)
        except ArchiveError:
            return
        assert outcome == EITHER


def victims(archive):
    """Return the archive with a file victim/hello in it: what moby's tests have beside the tree."""
    return archive.directory(b"victim").file(b"victim/hello", b"hello world", nlink=2)


# {name: (members of an archive, refused)}: OUTSIDE is the folder outside as an absolute name, UP the way there from the root.
PEERS = {
    # moby/go-archive archive_linux_test.go, archive_test.go
    "InvalidFilenames-1": (lambda a: a.file(b"../victim/dest"), True),
    "InvalidFilenames-2": (lambda a: a.file(b"/../victim/dest"), True),
    "ParentTraversalContained": (lambda a: a.directory(b"d").file(b"d/../f"), True),
    "SiblingPrefixContained": (lambda a: a.file(b"../tree-sibling/f"), True),
    "InvalidHardlink-absolute": (lambda a: a.file(b"/../victim/hello", nlink=2).hardlink(b"dotdot", b"/../victim/hello"), True),
    "InvalidHardlink-relative": (lambda a: a.file(b"../victim/hello", nlink=2).hardlink(b"dotdot", b"../victim/hello"), True),
    "InvalidHardlink-directory": (lambda a: a.symlink(b"loophole", b"UP").file(b"loophole/victim", b"evil"), True),
    "InvalidHardlink-through-two": (
        lambda a: a.symlink(b"one", b"UP").symlink(b"two", b"one").file(b"two/victim", b"evil", nlink=2).hardlink(b"h", b"two/victim"), True),
    "HardlinkToSymlink": (lambda a: victims(a).symlink(b"l", b"victim/hello").hardlink(b"h", b"victim/hello"), False),
    "InvalidSymlink-dotdot": (lambda a: a.symlink(b"dotdot", b"UP/victim").file(b"dotdot", b"evil"), False),
    "InvalidSymlink-slash": (lambda a: a.symlink(b"slash", b"OUTSIDE/victim").file(b"slash/x", b"evil"), True),
    "InvalidSymlink-write": (lambda a: a.symlink(b"loophole", b"UP").file(b"loophole/hello", b"evil"), True),
    "SymlinkBreakout": (lambda a: a.symlink(b"d", b"UP").directory(b"d/victims", 0o777), True),
    "UnpackRejectsRelativeEscapeBeforeAbsoluteSymlink": (lambda a: a.file(b"../../escape").symlink(b"l", b"OUTSIDE"), True),
    "UntarWithMaliciousSymlinks": (lambda a: a.symlink(b"root/l", b"OUTSIDE").file(b"root/l/victim", b"evil"), True),
    # CPython Lib/test/test_tarfile.py
    "parent_symlink": (lambda a: a.symlink(b"current", b".").symlink(b"parent", b"current/..").file(b"parent/evil"), True),
    "parent_symlink2": (lambda a: a.directory(b"d").symlink(b"d/current", b".").symlink(b"parent", b"d/current/../..").file(b"parent/evil"), True),
    "absolute_symlink": (lambda a: a.symlink(b"parent", b"OUTSIDE").file(b"parent/evil"), True),
    "absolute_hardlink": (lambda a: a.file(b"OUTSIDE/victim", b"in", nlink=2).hardlink(b"mine", b"OUTSIDE/victim"), False),
    "sly_relative0": (lambda a: a.symlink(b"../moo", b"..//tmp/moo").file(b"../moo"), True),
    "sly_relative2": (lambda a: a.symlink(b"tmp/", b"..//tmp/moo").file(b"tmp/x"), True),
    "deep_symlink": (lambda a: a.directory(b"targetdir").file(b"targetdir/target").symlink(b"linkdir/l", b"../targetdir/target"), False),
    "chains": (lambda a: a.symlink(b"l1", b"OUTSIDE").symlink(b"l2", b"l1").symlink(b"l3", b"l2").file(b"l3/victim", b"evil"), True),
    "modes": (lambda a: a.file(b"all", mode=0o7777).file(b"none", mode=0), False),
    "sneaky_hardlink_fallback": (
        lambda a: a.directory(b"a").file(b"a/t", nlink=2).symlink(b"b/s", b"../a/t").hardlink(b"c", b"a/t").file(b"a/t", b"new"), False),
    "exfiltration_via_symlink": (lambda a: a.symlink(b"l", b"UP/victim").file(b"l", b"over"), False),
    "realpath_limit": (
        lambda a: a.symlink(b"l", b"./" * 2000 + b"UP").file(b"l/victim", b"evil"), True),
    # libarchive libarchive/test/test_write_disk_secure*.c
    "write_disk_secure-symlink": (lambda a: a.symlink(b"l", b"OUTSIDE/victims").file(b"l/f", mode=0o777), True),
    "write_disk_secure-chmod": (lambda a: a.symlink(b"l", b"OUTSIDE/victims").directory(b"l", 0o777), False),
    "write_disk_secure744": (lambda a: a.directory(b"d" * 200 + b"/" + b"e" * 40).symlink(b"d" * 200 + b"/l", b"OUTSIDE").file(
        b"d" * 200 + b"/l/victim"), True),
    "write_disk_secure745": (lambda a: a.symlink(b"sym", b"OUTSIDE/victims").directory(b"sym/", 0o777), False),
    "write_disk_secure746": (lambda a: a.file(b"t", b"", nlink=2).hardlink(b"h", b"t").file(b"h", b"over"), False),
}


class Directed:
    """An archive whose names and targets may say OUTSIDE and UP."""

    def __init__(self, archive, world):
        self._archive = archive
        self._ways = (b"OUTSIDE", os.fsencode(world.outside)), (b"UP", b"../../outside")

    def __getattr__(self, method):
        def call(*arguments, **fields):
            arguments = [self._direct(argument) if isinstance(argument, bytes) else argument for argument in arguments]
            getattr(self._archive, method)(*arguments, **fields)
            return self
        return call

    def _direct(self, text):
        for word, way in self._ways:
            text = text.replace(word, way)
        return text


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("name", PEERS)
def test_archives_of_peers(world, name, form):
    build, is_refused = PEERS[name]
    archive = new(form)
    build(Directed(archive, world))
    if is_refused:
        with pytest.raises(ArchiveError):
            world.extract(archive.end())
    else:
        world.extract(archive.end())


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("name", [name for name, (_build, is_refused) in PEERS.items() if is_refused])
def test_what_is_refused_is_the_way_out(tmp_path, name, form):
    """The positive control: the same members with a real directory in the place of each link, and '..' and the link gone, are accepted."""
    class Harmless(Directed):
        def symlink(self, name, _target):
            return self.directory(name)

        def _direct(self, text):
            return super()._direct(text).replace(b"..", b"in")

    world = World(tmp_path)
    archive = new(form)
    PEERS[name][0](Harmless(archive, world))
    world.extract(archive.end())
