# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""P4: whatever the archive, nothing outside of the tree changes, and inside is what a simple model says, or nothing."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile

import pytest

hypothesis = pytest.importorskip("hypothesis")
from hypothesis import HealthCheck, example, given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from ansible_collections.coracle.launcher.plugins.module_utils._coracle.base import libc, places  # noqa: E402
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.base.errors import ArchiveError  # noqa: E402
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.work import images, trees  # noqa: E402
from ansible_collections.coracle.launcher.tests.unit.archives import CHARACTER, DIRECTORY, FIFO, FILE, SYMLINK, Archive  # noqa: E402

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="sets owners: needs root")

# Few names, so that entries meet: a file below a link, a link in place of a directory, a hard link to something that was replaced.
part = st.sampled_from([b"a", b"b", b"c"] * 5 + [b".", b"..", b""])
name = st.lists(part, min_size=1, max_size=4).map(b"/".join).filter(lambda raw: raw not in (b"", b"TRAILER!!!"))
target = st.sampled_from([b"a", b"b", b"..", b"../..", b"../../../canaries", b"/", b"CANARIES", b"CANARIES/victim", b"."])
entry = st.tuples(name, st.sampled_from([FILE, FILE, DIRECTORY, DIRECTORY, SYMLINK, FIFO, CHARACTER]), st.integers(min_value=0, max_value=0o7777),
                  target, st.sampled_from([b"", b"data", b"other data"]), st.sampled_from([0, 0, 1, 2]))


class World:
    def __init__(self, path):
        self.path = path
        self.canaries = f"{path}/canaries"
        os.makedirs(f"{self.canaries}/a/b")
        for victim in ("victim", "a/b/c"):
            with open(f"{self.canaries}/{victim}", "w", encoding="ascii") as file:
                file.write("precious")

    def state(self):
        found = []
        for directory, directories, names in os.walk(self.path):
            directories[:] = sorted(name for name in directories if name != "images")
            for path in [directory] + [f"{directory}/{name}" for name in names if name != "source"]:
                info = os.lstat(path)
                times = 0 if path == self.path else info.st_mtime_ns
                found.append((path, info.st_mode, info.st_uid, info.st_nlink if stat.S_ISREG(info.st_mode) else 0, info.st_size
                              if stat.S_ISREG(info.st_mode) else 0, times))
        return sorted(found)


@pytest.fixture
def world(tmp_path, monkeypatch):
    monkeypatch.setattr(places, "IMAGES", f"{tmp_path}/images")
    monkeypatch.setattr(libc, "syncfs", lambda _fd: None)  # 200 flushes of the test machine's disk prove nothing
    return World(str(tmp_path))


def build(entries, canaries):
    archive = Archive()
    for path, kind, mode, link, data, ino in entries:
        if kind == FILE:
            archive.file(path, data, mode, **({"ino": ino, "nlink": 3} if ino else {}))
        elif kind == SYMLINK:
            archive.symlink(path, link.replace(b"CANARIES", os.fsencode(canaries)))
        else:
            archive.node(path, kind)
    return archive.end()


@settings(max_examples=150, deadline=None, database=None, derandomize=True,
          suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@example([(b"a", FILE, 1, b"a", b"", 1), (b"b", FILE, 0, b"a", b"", 1), (b"b", FILE, 0, b"a", b"", 0)])  # attributes of a name that went
@given(st.lists(entry, min_size=1, max_size=7))
def test_P4_nothing_outside_changes_and_the_manifest_is_the_tree(world, entries):
    with open(f"{world.path}/source", "wb") as file:
        file.write(build(entries, world.canaries))
    before = world.state()
    try:
        image = images.ensure_image(f"{world.path}/source")
    except ArchiveError as error:
        assert str(error).isprintable() and images.images() == []
        return
    finally:
        assert world.state() == before
    copy = tempfile.mkdtemp(dir=f"{world.path}/images")
    records = trees.load(images.manifest_path(image.digest))
    policy = trees.Policy(devices=False, preserve_setuid=True)
    source, made = os.open(image.tree, os.O_RDONLY), os.open(copy, os.O_RDONLY)
    try:
        assert trees.differences(source, records, source, trees.Policy()) == []
        trees.copy(source, records, made, policy)
        assert trees.differences(source, records, made, policy) == []
    finally:
        os.close(source)
        os.close(made)
        shutil.rmtree(copy)
        images.remove_image(image.digest)
    assert world.state() == before
