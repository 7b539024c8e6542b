# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What looking at an archive finds is what extracting it finds: it never refuses more, and of paths it refuses the same."""

from __future__ import annotations

import os
import random

import pytest

from ansible_collections.coracle.launcher.plugins.module_utils._coracle.base.errors import ArchiveError
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.work import unpack
from ansible_collections.coracle.launcher.tests.unit.archives import CHARACTER, FIFO, Archive, Tar
from ansible_collections.coracle.launcher.tests.unit.extracting import World
from ansible_collections.coracle.launcher.tests.unit.reading import read

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="sets owners: needs root")
FULL = "in place of a directory that is not empty"
THROUGH = "its path goes through a symbolic link"


def check(data):
    paths = unpack._Paths()
    for entry, _content in read(data):
        paths.check(entry)


@pytest.mark.parametrize("archive, says", [
    (Archive().symlink(b"a", b"/").file(b"a/b"), THROUGH),
    (Archive().symlink(b"a/b", b".").directory(b"a/b/c/d"), THROUGH),
    (Archive().file(b"d/x").symlink(b"e", b"d").file(b"d/y").file(b"e/y"), THROUGH),
    (Tar().file(b"f").hardlink(b"g", b"missing"), "a hard link to 'missing', which"),
    (Tar().hardlink(b"g", b"g"), "a hard link to 'g', which"),
    (Tar().file(b"f").symlink(b"l", b".").hardlink(b"g", b"l/f"), THROUGH),
    (Tar().symlink(b"l", b".").hardlink(b"m", b"l").file(b"m/f"), THROUGH),
    (Archive().file(b"d/e/f").file(b"d"), FULL),
    (Archive().directory(b"d/e").symlink(b"d", b"e"), FULL),
    (Archive().node(b"d/e/null", CHARACTER).node(b"d", CHARACTER), FULL),
    (Tar().file(b"f").file(b"d/e").hardlink(b"d", b"f"), FULL),
])
def test_what_cannot_be_extracted_is_refused_before(tmp_path, archive, says):
    data = archive.end()
    for look in (check, World(tmp_path).extract):
        with pytest.raises(ArchiveError, match=says):
            look(data)


@pytest.mark.parametrize("archive", [
    Archive().symlink(b"a", b"/").directory(b"a").file(b"a/b"),
    Archive().symlink(b"a", b"/").node(b"a", CHARACTER).file(b"a/b"),
    Tar().file(b"f").hardlink(b"g", b"f").hardlink(b"g", b"g").symlink(b"g", b"f").file(b"h/f"),
    Tar().node(b"null", CHARACTER).hardlink(b"zero", b"null").node(b"p", FIFO).hardlink(b"q", b"p"),
    Archive().directory(b"d").node(b"d/null", CHARACTER).file(b"d").file(b"e/f").directory(b"e").node(b"e/f", CHARACTER).file(b"e"),
    Tar().node(b"null", CHARACTER).directory(b"d").hardlink(b"d/zero", b"null").file(b"d"),
])
def test_what_can_be_extracted_is_not_refused(tmp_path, archive):
    data = archive.end()
    World(tmp_path).extract(data)
    check(data)


def test_of_too_many_paths_nothing_is_said(monkeypatch):
    monkeypatch.setattr(unpack, "_MOST_PATHS", 1)
    check(Tar().file(b"f").hardlink(b"g", b"missing").symlink(b"l", b".").symlink(b"m", b".").file(b"m/f").end())
    with pytest.raises(ArchiveError, match=THROUGH):
        check(Tar().symlink(b"l", b".").symlink(b"m", b".").file(b"l/f").end())


def add_any(archive, choose):
    name, other = (choose.choice([b"a", b"b", b"a/a", b"a/b", b"b/a", b"a/a/a"]) for _number in range(2))
    choose.choice([lambda: archive.file(name), lambda: archive.directory(name), lambda: archive.symlink(name, other),
                   lambda: archive.hardlink(name, other), lambda: archive.node(name, CHARACTER)])()


def test_looking_refuses_nothing_that_can_be_extracted(tmp_path):
    world, good, refused = World(tmp_path), 0, 0
    for seed in range(500):
        choose = random.Random(seed)
        archive = Tar()
        for _number in range(choose.randint(2, 7)):
            add_any(archive, choose)
        data = archive.end()
        try:
            world.extract(data)
        except ArchiveError:
            refused += 1
        else:
            good += 1
            check(data)
    assert good > 50 and refused > 50
