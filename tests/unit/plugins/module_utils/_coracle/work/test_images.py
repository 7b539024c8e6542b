# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import errno
import gzip
import json
import os
import shutil
import signal
import subprocess
import time

import pytest

from ansible_collections.coracle.launcher.plugins.module_utils._coracle.base import files, libc, places
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.base.errors import ArchiveError, LauncherError
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.formats.limits import Limits
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.work import extract as extracting
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.work import images, store, unpack
from ansible_collections.coracle.launcher.tests.unit.archives import Archive
from ansible_collections.coracle.launcher.tests.unit.one_image import DIGEST, OTHER, in_child

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="sets owners: needs root")


def test_an_image_is_extracted_once(source):
    assert store.find(images.digest_of(source)) is None and store.images() == []
    image = images.ensure_image(source)
    assert (image.digest, image.tree, image.entries) == (DIGEST, store.find(DIGEST).tree, 2)
    inode = os.stat(image.tree).st_ino
    assert images.ensure_image(source).as_dict() == image.as_dict() == store.find(DIGEST).as_dict()
    assert os.stat(image.tree).st_ino == inode
    assert store.find(images.digest_of(source)) is not None
    assert [found.digest for found in store.images()] == [DIGEST]


def test_planning_and_looking_write_nothing(source):
    assert images.digest_of(source) == DIGEST
    image = images.inspect(source)
    assert (image.digest, image.tree, image.skipped, image.bytes) == (DIGEST, None, {"devices": 1, "sockets": 0}, 5)
    assert not os.path.exists(places.IMAGES)
    with open(source, "ab") as file:
        file.write(b"garbage")
    with pytest.raises(ArchiveError):
        images.inspect(source)


def test_another_file_than_was_promised(source):
    with pytest.raises(LauncherError, match=f"has the digest {DIGEST}, not {OTHER}"):
        images.ensure_image(source, OTHER)
    assert os.listdir(places.IMAGES) == []


@pytest.mark.parametrize("digest", ["", "sha256:", "sha256:" + "A" * 64, "sha256:../../etc", "md5:" + "0" * 64, "sha256:" + "0" * 63])
def test_digests_are_checked_before_they_become_paths(source, digest):
    for function in (store.find, store.manifest_path, images.remove_image):
        with pytest.raises(LauncherError, match="is not a digest"):
            function(digest)


def test_removal(source):
    image = images.ensure_image(source)
    assert images.remove_image(DIGEST) and not os.path.exists(image.tree)
    assert not images.remove_image(DIGEST)
    assert os.listdir(places.IMAGES) == []


def test_limits_hold_also_for_an_image_that_is_there(source):
    images.ensure_image(source)
    for limits, option in ((Limits(max_bytes=4), "max_bytes"), (Limits(max_entries=1), "max_entries")):
        with pytest.raises(ArchiveError, match=f"{option}="):
            images.ensure_image(source, limits=limits)


# --- archives that are not what they were


def test_a_file_that_is_replaced_after_it_was_hashed(source):
    digest = images.digest_of(source)
    with open(source, "ab") as file:
        file.write(b"\0" * 512)
    with pytest.raises(LauncherError, match="has the digest"):
        images.ensure_image(source, digest)
    assert os.listdir(places.IMAGES) == [] and images.ensure_image(source).entries == 2


def test_a_file_that_changes_while_it_is_extracted(source, monkeypatch):
    end = extracting.extract

    def change(*arguments):
        result = end(*arguments)
        os.utime(source, (5, 5))
        return result

    monkeypatch.setattr(extracting, "extract", change)
    with pytest.raises(LauncherError, match="changes while it is read"):
        images.ensure_image(source)
    assert os.listdir(places.IMAGES) == []


# --- what earlier releases stored


def as_of_an_earlier_release(digest):
    """Take the version from an image of the store, and leave a mark in its tree."""
    path = f"{places.IMAGES}/{digest[7:]}"
    with open(f"{path}/image", encoding="ascii") as file:
        values = json.load(file)
    del values["version"]
    with open(f"{path}/image", "w", encoding="ascii") as file:
        json.dump(values, file)
    os.mkdir(f"{path}/tree/old")
    return path


def test_an_image_of_an_earlier_release_is_extracted_again(source):
    path = as_of_an_earlier_release(images.ensure_image(source).digest)
    assert store.find(DIGEST) is None
    assert sorted(os.listdir(images.ensure_image(source).tree)) == ["a"]
    assert sorted(os.listdir(path)) == ["image", "manifest", "tree"]


def test_the_tree_of_an_earlier_release_stays_while_somebody_uses_it(source, tmp_path, monkeypatch):
    monkeypatch.setattr(places, "CONTAINERS", f"{tmp_path}/containers")
    path = as_of_an_earlier_release(images.ensure_image(source).digest)
    os.makedirs(f"{tmp_path}/containers/web")
    with open(f"{tmp_path}/containers/web/settings", "w", encoding="ascii") as file:
        file.write(f"image: {DIGEST}\n")
    held = files.open_directory(f"{path}/tree")  # as an overlay holds its lower directory
    images.ensure_image(source)
    as_of_an_earlier_release(DIGEST)
    images.ensure_image(source)
    assert "old" in os.listdir(held) and sorted(os.listdir(f"{path}/tree")) == ["a"]
    os.close(held)
    assert images.remove_image(DIGEST) and os.listdir(places.IMAGES) == []


def test_trees_take_turns_where_the_file_system_cannot_exchange_them(source, monkeypatch):
    path = as_of_an_earlier_release(images.ensure_image(source).digest)

    def refuse(*_arguments):
        raise OSError(errno.EINVAL, "Invalid argument")

    monkeypatch.setattr(libc, "renameat2", refuse)
    assert sorted(os.listdir(images.ensure_image(source).tree)) == ["a"]
    assert sorted(os.listdir(path)) == ["image", "manifest", "tree"]


def test_the_tree_of_an_earlier_release_stays_when_it_cannot_be_made_again(source):
    path = as_of_an_earlier_release(images.ensure_image(source).digest)
    with open(source, "ab") as file:
        file.write(b"garbage")
    with pytest.raises(LauncherError):
        images.ensure_image(source, DIGEST)
    assert sorted(os.listdir(path)) == ["image", "manifest", "tree"] and "old" in os.listdir(f"{path}/tree")


# --- tools of the distribution, in the fence


@pytest.mark.parametrize("tool", ["gzip", "bzip2", "xz", "zstd", "lz4", "lzop"])
def test_what_a_tool_has_packed_is_unpacked(source, tool):
    if shutil.which(tool) is None:
        pytest.skip(f"{tool} is not installed")
    with open(source, "rb") as file:
        plain = gzip.decompress(file.read())
    packed = subprocess.run([tool, "-c"], input=plain, stdout=subprocess.PIPE, check=True).stdout
    with open(source, "wb") as file:
        file.write(packed)
    assert (images.inspect(source).segments, images.ensure_image(source).entries) == ([tool], 2)


# --- several at once, and kills


def test_two_at_once_extract_it_once(source):
    children = [in_child(lambda: images.ensure_image(source)) for _number in range(4)]
    assert [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children] == [0] * 4
    assert store.find(DIGEST) is not None and sorted(os.listdir(f"{places.IMAGES}/{DIGEST[7:]}")) == ["image", "manifest", "tree"]


def test_a_child_that_is_killed_is_one_clear_error(source, monkeypatch):
    monkeypatch.setattr(unpack, "extract", lambda *_arguments: os.kill(os.getpid(), signal.SIGKILL))
    with pytest.raises(LauncherError, match=r"was ended by signal 9 \(SIGKILL\)"):
        images.ensure_image(source)
    assert os.listdir(places.IMAGES) == []
    monkeypatch.undo()


@pytest.mark.parametrize("delay", [number / 1000 for number in range(0, 120, 10)])
def test_killed_at_any_moment_the_image_is_whole_or_absent(source, delay):
    archive = Archive()
    for number in range(600):
        archive.file(b"d%d/f%d" % (number % 7, number), b"x" * number)
    with open(source, "wb") as file:
        file.write(archive.end())
    digest = images.digest_of(source)
    pid = in_child(lambda: images.ensure_image(source))
    time.sleep(delay)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    image = store.find(digest)
    if image is not None:
        assert sum(len(names) for _path, _directories, names in os.walk(image.tree)) == 600
    images.ensure_image(source)
    assert os.listdir(places.IMAGES) == [digest[7:]]
    assert sorted(os.listdir(f"{places.IMAGES}/{digest[7:]}")) == ["image", "manifest", "tree"]
