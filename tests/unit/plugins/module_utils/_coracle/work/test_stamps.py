# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Archives and their digests: known without being read, as long as nothing changes."""

from __future__ import annotations

import os

import pytest

from ansible_collections.coracle.launcher.plugins.module_utils._coracle.base import places
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.work import archives, images, stamps, store, unpack
from ansible_collections.coracle.launcher.tests.unit.one_image import DATA, DIGEST, OTHER, in_child

assert unpack  # loaded here, it is there in every child that extracts
pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="sets owners: needs root")


def read(path):
    """Find the digest by reading, and remember it."""
    stamps.remember(path, images.digest_of(path))


def test_known_only_while_nothing_changes(source):
    assert stamps.known(source) is None
    read(source)
    assert stamps.known(source) == DIGEST
    os.utime(source, (2000, 2000))
    assert stamps.known(source) is None
    read(source)
    os.rename(source, f"{source}.old")
    with open(source, "wb") as file:
        file.write(DATA[:-1] + b"x")
    os.utime(source, (2000, 2000))
    assert stamps.known(source) is None
    os.unlink(source)
    assert stamps.known(source) is None


def test_an_unchanged_source_is_not_read(source, monkeypatch):
    images.ensure_image(source)
    read(source)
    monkeypatch.setattr(archives, "hash_file", lambda *_arguments: pytest.fail("was read"))
    assert store.find(images.digest_of(source)) is not None and images.ensure_image(source).digest == DIGEST


def test_a_file_that_was_written_just_now_is_not_trusted(source, monkeypatch):
    monkeypatch.setattr(stamps, "_SETTLED", 10**12)
    os.utime(source)
    read(source)
    assert stamps.known(source) is None


def test_stamps_of_archives_that_are_gone_go_with_the_next(source):
    os.link(source, f"{source}.other")
    read(f"{source}.other")
    os.unlink(f"{source}.other")
    read(source)
    assert len(os.listdir(f"{places.IMAGES}/.stamps")) == 1 and stamps.known(source) == DIGEST


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b'{"digest": 1}', b"\xff" * 10])
def test_a_broken_stamp_is_as_none(source, content):
    read(source)
    (name,) = os.listdir(f"{places.IMAGES}/.stamps")
    with open(f"{places.IMAGES}/.stamps/{name}", "wb") as file:
        file.write(content)
    assert stamps.known(source) is None


def test_only_what_was_read_is_remembered(source):
    stamps.remember(source, DIGEST)
    images.digest_of(source)
    stamps.remember(source, OTHER)
    assert stamps.known(source) is None and not os.path.exists(places.IMAGES)
    stamps.remember(source, DIGEST)
    assert stamps.known(source) == DIGEST


def test_what_has_the_name_now_is_not_taken_for_what_was_read(source, tmp_path):
    for name in ("one", "two"):
        os.mkdir(tmp_path / name)
    os.rename(source, tmp_path / "one" / "image")
    (tmp_path / "two" / "image").write_bytes(DATA[:-1] + b"x")
    os.symlink("one", tmp_path / "current")
    path = f"{tmp_path}/current/image"
    assert images.digest_of(path) == DIGEST
    os.symlink("two", tmp_path / "next")
    os.rename(tmp_path / "next", tmp_path / "current")
    stamps.remember(path, DIGEST)
    assert stamps.known(path) is None and images.digest_of(path) != DIGEST
    os.symlink("one", tmp_path / "next")
    os.rename(tmp_path / "next", tmp_path / "current")
    assert stamps.known(path) == DIGEST


def test_stamps_are_written_one_at_a_time(source):
    images.digest_of(source)
    again = dict(stamps._read)

    def write():
        for _number in range(100):
            stamps._read.update(again)
            stamps.remember(source, DIGEST)

    children = [in_child(write) for _number in range(3)]
    assert [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children] == [0] * 3
    assert stamps.known(source) == DIGEST


@pytest.fixture
def no_nameless_files(monkeypatch):
    real = os.open

    def refuse(path, flags, *arguments, **more):
        if flags & os.O_TMPFILE == os.O_TMPFILE:
            raise OSError(95, "Operation not supported")
        return real(path, flags, *arguments, **more)

    monkeypatch.setattr(os, "open", refuse)


def test_no_file_of_others_goes_for_a_scratch_file(tmp_path, no_nameless_files):  # pylint: disable=unused-argument
    (tmp_path / "tmp").mkdir()
    for name in (".scratch", ".scratch-"):
        (tmp_path / "tmp" / name).write_text("mine")
    os.close(archives.open_scratch((f"{tmp_path}/nowhere", f"{tmp_path}/tmp")))
    assert sorted(os.listdir(tmp_path / "tmp")) == [".scratch", ".scratch-"]


def test_a_full_disk_is_not_asked_for_a_scratch_file_with_a_name(tmp_path, monkeypatch):
    asked = []

    def full(path, *_arguments, **_more):
        asked.append(path)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "open", full)
    assert archives.open_scratch((f"{tmp_path}/a", f"{tmp_path}/b")) is None and asked == [f"{tmp_path}/a", f"{tmp_path}/b"]
    monkeypatch.undo()
