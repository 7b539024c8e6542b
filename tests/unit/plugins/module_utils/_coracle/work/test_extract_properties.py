# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""P4: whatever the archive, nothing outside of the tree changes, and inside is what a simple model says, or an error comes."""

from __future__ import annotations

import os
import posixpath
import shutil
import stat
import tempfile
from unittest import mock

import pytest

hypothesis = pytest.importorskip("hypothesis")
from hypothesis import HealthCheck, example, given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from ansible_collections.coracle.launcher.plugins.module_utils._coracle.base import files  # noqa: E402
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.base.errors import ArchiveError  # noqa: E402
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.work import settle, trees  # noqa: E402
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.work.manifest import Policy  # noqa: E402
from ansible_collections.coracle.launcher.tests.unit.archives import CHARACTER, DIRECTORY, FIFO, FILE, SYMLINK, new  # noqa: E402

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="sets owners: needs root")
LINK, HIDE, HIDE_CONTENT = "link", "hide", "hide content"

# Few names, so that entries meet: a file below a link, a link in place of a directory, a hard link to something that was replaced.
part = st.sampled_from([b"a", b"b", b"c"] * 5 + [b".", b"..", b""])
name = st.lists(part, min_size=1, max_size=4).map(b"/".join).filter(lambda raw: raw not in (b"", b"TRAILER!!!"))
plain_name = st.lists(st.sampled_from([b"a", b"b", b"c"]), min_size=1, max_size=3).map(b"/".join)
target = st.sampled_from([b"a", b"b", b"..", b"../..", b"../../../outside", b"/", b"OUTSIDE", b"OUTSIDE/victim", b"."])
mode = st.integers(min_value=0, max_value=0o7777)
data = st.sampled_from([b"", b"data", b"other data"])
cpio_entry = st.tuples(name, st.sampled_from([FILE, FILE, DIRECTORY, DIRECTORY, SYMLINK, FIFO, CHARACTER]), mode, target, data,
                       st.sampled_from([0, 0, 1, 2]))
tar_entry = st.tuples(name, st.sampled_from([FILE, FILE, DIRECTORY, DIRECTORY, SYMLINK, FIFO, CHARACTER, LINK, LINK]), mode,
                      st.one_of(target, name), data, st.just(0))
layer_entry = st.tuples(plain_name, st.sampled_from([FILE, FILE, DIRECTORY, SYMLINK, CHARACTER, LINK, HIDE, HIDE_CONTENT]), mode,
                        plain_name, data, st.just(0))
ways = pytest.mark.parametrize("world", ["openat2", "ENOSYS"], indirect=True)
relaxed = settings(max_examples=100, deadline=None, database=None, derandomize=True,
                   suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])


def build(form, entries, outside):
    archive = new(form)
    for path, kind, bits, link, content, ino in entries:
        link = link.replace(b"OUTSIDE", os.fsencode(outside))
        if kind == FILE:
            archive.file(path, content, bits, **({"ino": ino, "nlink": 3} if ino else {}))
        elif kind == DIRECTORY:
            archive.directory(path, bits)
        elif kind == SYMLINK:
            archive.symlink(path, link)
        elif kind == LINK:
            archive.add(path, b"1", linkname=link)
        elif kind == HIDE:
            archive.file(posixpath.join(posixpath.dirname(path), b".wh." + posixpath.basename(path)), b"")
        elif kind == HIDE_CONTENT:
            archive.file(path + b"/.wh..wh..opq", b"")
        else:
            archive.node(path, kind)
    return archive.end()


def check(world, *layers):
    """Extract; then the tree is what its manifest says, a copy of it too. Return {path: (type, content or target)} or None for an error."""
    try:
        made = world.extract(*layers)  # which looks at the world outside
    except ArchiveError as error:
        assert str(error).isprintable()
        return None
    finally:
        shutil.rmtree(f"{world.path}/inside{world.count - 1}", ignore_errors=True)
    copy = tempfile.mkdtemp(dir=made.tree[:-5])
    policy = Policy(devices=False, preserve_setuid=True)
    source, target = files.open_directory(made.tree), files.open_directory(copy)
    try:
        assert trees.differences(source, made.manifest, Policy()) == []
        trees.copy(source, made.manifest, target, policy)
        assert trees.differences(target, made.manifest, policy) == []
    finally:
        os.close(source)
        os.close(target)
    assert sorted(path for path, record in made.records.items() if path and record.kind not in ("character device", "socket")) == made.names()
    return {path: what_is_at(os.path.join(made.tree, path)) for path in made.names()}


def what_is_at(path):
    info = os.lstat(path)
    if stat.S_ISREG(info.st_mode):
        with open(path, "rb") as file:
            return FILE, file.read()
    return stat.S_IFMT(info.st_mode), os.fsencode(os.readlink(path)) if stat.S_ISLNK(info.st_mode) else b""


@ways
@relaxed
@example([(b"a", FILE, 1, b"a", b"", 1), (b"b", FILE, 0, b"a", b"", 1), (b"b", FILE, 0, b"a", b"", 0)])  # attributes of a name that went
@given(st.lists(cpio_entry, min_size=1, max_size=7))
def test_P4_cpio(world, entries):
    check(world, build("newc", entries, world.outside))


@ways
@relaxed
@given(st.lists(tar_entry, min_size=1, max_size=7))
def test_P4_tar(world, entries):
    check(world, build("pax", entries, world.outside))


class Model:
    """A tree as dictionaries: {path: (type, box with the content or target)}. Layers are applied as overlayfs shows them."""

    def __init__(self):
        self.tree = {}

    def below(self, path):
        return [other for other in self.tree if not path or other.startswith(path + b"/")]

    def remove(self, path):
        for other in [*self.below(path), path]:
            self.tree.pop(other, None)

    def layer(self, entries):
        """False when the layer is one that must be refused, or may be."""
        lower, upper = self.tree, Model()
        hidden = []
        for path, kind, _mode, link, content, _ino in entries:
            if kind in (HIDE, HIDE_CONTENT):
                hidden.append((path, kind))
                continue
            parents = [path[:at] for at in range(len(path)) if path[at:at + 1] == b"/"]
            for parent in parents:
                upper.tree.setdefault(parent, (DIRECTORY, [b""]))
            if any(upper.tree[parent][0] != DIRECTORY for parent in parents):
                return False
            if kind == LINK:
                return False  # what it links to depends on the order
            if kind != DIRECTORY and upper.below(path):
                return False
            if path in upper.tree and kind != DIRECTORY:
                upper.remove(path)
            upper.tree[path] = (kind, [content if kind == FILE else link if kind == SYMLINK else b""])
        for path, kind in hidden:
            parents = [path[:at] for at in range(len(path)) if path[at:at + 1] == b"/"] + ([path] if kind == HIDE_CONTENT else [])
            if any(where.get(parent, (DIRECTORY,))[0] != DIRECTORY for parent in parents for where in (lower, upper.tree)):
                return False  # nothing is hidden through a link or a file
        for path, kind in hidden:
            self.remove(path) if kind == HIDE else [self.tree.pop(other, None) for other in self.below(path)]
        for path, (kind, box) in upper.tree.items():
            implied = not any(path == entry[0] for entry in entries)
            if implied and path in self.tree and self.tree[path][0] != DIRECTORY:
                return False  # a file below a link or file
            if kind != DIRECTORY or self.tree.get(path, (kind,))[0] != DIRECTORY:
                self.remove(path)
            self.tree[path] = (kind, box)
        return True


@ways
@relaxed
@example([[(b"a/b", FILE, 0, b"", b"x", 0)], [(b"a/c", FILE, 0, b"", b"y", 0), (b"a", HIDE, 0, b"", b"", 0)]])
@given(st.lists(st.lists(layer_entry, min_size=1, max_size=6), min_size=2, max_size=3))
def test_P4_layers_are_what_overlayfs_would_show(world, layers):
    found = check(world, *[build("gnu", layer, world.outside) for layer in layers])
    model = Model()
    layers = [[entry for entry in layer if number or entry[1] not in (HIDE, HIDE_CONTENT)] for number, layer in enumerate(layers)]
    if all(model.layer(layer) for layer in layers):
        assert found is not None
        assert found == {os.fsdecode(path): (kind, box[0]) for path, (kind, box) in model.tree.items() if kind != CHARACTER}


@ways
@relaxed
@given(st.lists(cpio_entry, min_size=2, max_size=9))
def test_sorted_in_pieces_the_manifest_is_the_same(world, entries):
    manifests = []
    for chunk in (1, 400, 1 << 20):
        with mock.patch.object(settle, "_CHUNK", chunk):
            try:
                made = world.extract(build("newc", entries, world.outside))
            except ArchiveError:
                return
        manifests.append([record.line() for record in made.manifest])
    assert manifests[0] == manifests[1] == manifests[2]
