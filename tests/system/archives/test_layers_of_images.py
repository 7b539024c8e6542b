# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Layers: what one hides of those below, and what it replaces."""

from __future__ import annotations

import os
import stat

import pytest

from ansible_collections.coracle.launcher.plugins.module_utils._coracle.base.errors import ArchiveError
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.work import layers, trees
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.work.manifest import Policy
from ansible_collections.coracle.launcher.tests.unit.archives import CHARACTER, Tar
from ansible_collections.coracle.launcher.tests.unit.extracting import read

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="sets owners: needs root")


def base():
    """The lowest layer of each test."""
    archive = Tar().directory(b"d", 0o700, uid=1).file(b"d/old", b"old").directory(b"d/sub").file(b"d/sub/deep", b"old").file(b"f", b"old")
    return archive.symlink(b"l", b"d").node(b"null", CHARACTER, rdev=(1, 3)).end()


def build(world, *uppers):
    """Extract layers above the lowest; what is on disk is what the manifest says."""
    made = world.extract(base(), *[layer.end() for layer in uppers])
    root = os.open(made.tree, os.O_RDONLY)
    try:
        assert trees.differences(root, made.manifest, Policy()) == []
    finally:
        os.close(root)
    assert sorted(path for path, record in made.records.items() if path and record.kind != "character device") == made.names()
    return made


def test_a_whiteout_removes_what_is_below(world):
    assert build(world, Tar().file(b".wh.f", b"").file(b"d/.wh.sub", b"")).names() == ["d", "d/old", "l"]
    assert build(world, Tar().file(b".wh.d", b"")).names() == ["f", "l"]


def test_a_whiteout_removes_devices_and_links_themselves(world):
    made = build(world, Tar().file(b".wh.null", b"").file(b".wh.l", b""))
    assert "null" not in made.records and made.names() == ["d", "d/old", "d/sub", "d/sub/deep", "f"]


def test_a_whiteout_of_nothing_has_no_effect(world):
    layer = Tar().file(b".wh.no", b"").file(b"no/.wh.no", b"").file(b"no/.wh..wh..opq", b"")
    assert build(world, layer).names() == ["d", "d/old", "d/sub", "d/sub/deep", "f", "l"]


@pytest.mark.parametrize("name", [b"l/.wh.old", b"l/.wh..wh..opq", b"up/.wh.victim", b"up/.wh..wh..opq", b"f/.wh.x", b"f/.wh..wh..opq"])
def test_nothing_is_hidden_through_a_link_or_file(world, name):
    with pytest.raises(ArchiveError, match="goes through a symbolic link"):
        build(world, Tar().symlink(b"up", os.fsencode(world.outside)), Tar().file(name, b""))
    assert build(world, Tar().symlink(b"up", os.fsencode(world.outside)), Tar().file(b"d/.wh.old", b"")).names() == [
        "d", "d/sub", "d/sub/deep", "f", "l", "up"]


@pytest.mark.parametrize("order", [1, -1])
def test_an_opaque_directory_keeps_what_its_own_layer_makes(world, order):
    steps = [lambda layer: layer.file(b"d/.wh..wh..opq", b""), lambda layer: layer.directory(b"d", 0o711), lambda layer: layer.file(b"d/new", b"n"),
             lambda layer: layer.file(b"d/sub/new", b"n")]
    layer = Tar()
    for step in steps[::order]:
        step(layer)
    made = build(world, layer)
    assert made.names() == ["d", "d/new", "d/sub", "d/sub/new", "f", "l"]
    info = os.stat(f"{made.tree}/d/sub")  # nobody describes it: that of the layer below is hidden
    assert (stat.S_IMODE(info.st_mode), info.st_uid, info.st_mtime) == (0o755, 0, 0)


def test_an_opaque_root(world):
    made = build(world, Tar().file(b"x/new", b"n").file(b".wh..wh..opq", b"").file(b"y", b"n"))
    assert made.names() == ["x", "x/new", "y"] and "null" not in made.records


@pytest.mark.parametrize("order", [1, -1])
def test_a_whiteout_and_a_new_file_of_one_name(world, order):
    steps = [lambda layer: layer.file(b".wh.f", b""), lambda layer: layer.file(b"f", b"new"), lambda layer: layer.file(b".wh.d", b""),
             lambda layer: layer.file(b"d/sub/new", b"new")]
    layer = Tar()
    for step in steps[::order]:
        step(layer)
    made = build(world, layer)
    assert made.names() == ["d", "d/sub", "d/sub/new", "f", "l"] and read(made.tree, "f") == b"new"
    assert os.stat(f"{made.tree}/d").st_uid == 0


def test_what_a_layer_made_the_next_one_hides(world):
    made = build(world, Tar().file(b"d/new", b"n"), Tar().file(b"d/.wh..wh..opq", b"").file(b"d/newer", b"n"), Tar().file(b"d/.wh.newer", b""))
    assert made.names() == ["d", "f", "l"]


def test_a_file_replaces_a_directory_of_a_layer_below_only(world):
    made = build(world, Tar().file(b"d", b"now a file"))
    assert made.names() == ["d", "f", "l"] and read(made.tree, "d") == b"now a file"
    with pytest.raises(ArchiveError, match="in place of a directory that is not empty"):
        build(world, Tar().file(b"d/new", b"n").file(b"d", b"now a file"))


@pytest.mark.parametrize("name", [b"f", b"l"])
def test_a_directory_replaces_a_file_or_link(world, name):
    made = build(world, Tar().directory(name, 0o711).file(name + b"/x", b"new"))
    path = os.path.join(made.tree, name.decode())
    assert stat.S_ISDIR(os.lstat(path).st_mode) and read(path, "x") == b"new" and read(made.tree, "d/old") == b"old"


def test_a_link_replaces_a_directory_and_is_not_followed(world):
    with pytest.raises(ArchiveError, match="goes through a symbolic link"):
        build(world, Tar().symlink(b"d", os.fsencode(world.outside)).file(b"d/victim", b"evil"))
    assert build(world, Tar().symlink(b"d", os.fsencode(world.outside))).names() == ["d", "f", "l"]


def test_a_directory_again_keeps_its_content(world):
    made = build(world, Tar().directory(b"d", 0o711))
    assert read(made.tree, "d/sub/deep") == b"old" and stat.S_IMODE(os.stat(f"{made.tree}/d").st_mode) == 0o711


def test_a_hard_link_to_a_file_of_a_layer_below(world):
    made = build(world, Tar().hardlink(b"g", b"f"), Tar().file(b"f", b"changed"))
    assert read(made.tree, "g") == b"old" and read(made.tree, "f") == b"changed" and os.stat(f"{made.tree}/g").st_nlink == 1


def test_a_hard_link_to_what_is_hidden(world):
    with pytest.raises(ArchiveError, match="a hard link to 'f', which"):
        build(world, Tar().file(b".wh.f", b"").hardlink(b"g", b"f"))
    assert build(world, Tar().hardlink(b"g", b"f").file(b".wh.f", b"")).names() == ["d", "d/old", "d/sub", "d/sub/deep", "g", "l"]


def test_names_of_the_lowest_layer_may_look_like_whiteouts(world):
    assert world.extract(Tar().file(b".wh.f", b"").end()).names() == [".wh.f"]


def test_what_a_layer_made_is_known_however_much_that_is(monkeypatch):
    monkeypatch.setattr(layers, "_LATEST", 8)
    layer = layers.Layer(1, 1)
    for number in range(100):
        layer.makes(b"d%d/f%d" % (number % 7, number))
    assert all(layer.made(b"d%d/f%d" % (number % 7, number)) for number in range(100))
    assert not any(layer.made(b"d%d/f%d" % (number % 7, number)) or layer.reaches(b"d%d/f%d" % (number % 7, number)) for number in range(100, 200))
    assert layer.reaches(b"d3") and not layer.made(b"d3") and not layer.reaches(b"d9")
