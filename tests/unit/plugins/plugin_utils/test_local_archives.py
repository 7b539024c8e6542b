# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Archives of the controller: digests, layouts as tar, and what check mode says of them."""

from __future__ import annotations

import hashlib
import io
import os

import pytest

from ansible_collections.coracle.launcher.plugins.plugin_utils import local_archives
from ansible_collections.coracle.launcher.tests.unit import archives, layouts

CONTENT = b"an image"
DIGEST = "sha256:" + hashlib.sha256(CONTENT).hexdigest()


def digest_of(path):
    return local_archives.look(str(path), lambda: "x86_64").digest


def test_digest_of_a_file(tmp_path):
    path = tmp_path / "image"
    path.write_bytes(CONTENT)
    assert digest_of(path) == digest_of(path) == DIGEST
    path.write_bytes(b"another")
    assert digest_of(path) != DIGEST


@pytest.mark.parametrize("make, problem", [
    (os.mkdir, "no OCI layout"), (os.mkfifo, "is no regular file"), (lambda path: None, "No such file"),
    (lambda path: os.symlink("/dev/zero", path), "is no regular file"), (lambda path: os.symlink(path, path), "Too many levels")])
def test_what_is_no_archive_is_one_message(tmp_path, make, problem):
    path = str(tmp_path / "image")
    make(path)
    with pytest.raises(local_archives.ImageError, match=problem):
        digest_of(path)


def layout(directory, platforms=(layouts.AMD64,)):
    made = layouts.Images()
    made.index(*(made.image([layouts.tar([("etc", None), (f"etc/{platform['architecture']}", b"here")])], platform=platform)
                 for platform in platforms))
    made.write(directory)
    return str(directory)


def test_a_layout_needs_linux_here(tmp_path, monkeypatch):
    path = layout(tmp_path / "layout")
    assert digest_of(path)
    monkeypatch.setattr(local_archives.sys, "platform", "darwin")
    with pytest.raises(local_archives.ImageError, match="needs a Linux controller"):
        digest_of(path)


def test_a_layout_is_named_by_its_manifest_and_sent_as_a_tar_of_that_digest(tmp_path):
    from ansible_collections.coracle.launcher.plugins.module_utils._coracle.formats import limits, oci

    path = layout(tmp_path / "layout", (layouts.AMD64, layouts.ARM64))
    archive = local_archives.look(path + "/", lambda: "aarch64")
    assert archive.is_layout and archive.name == "layout"
    assert archive.digest != local_archives.look(path, lambda: "x86_64").digest
    with open(tmp_path / "sent.tar", "w+b") as sent:
        archive.write(sent)
        sent.flush()
        assert oci.open_tar(sent.fileno(), limits.Limits(), "aarch64").digest == archive.digest


def test_the_machine_is_asked_only_for_a_layout(tmp_path):
    (tmp_path / "image").write_bytes(CONTENT)

    def nobody():
        raise AssertionError("asked")

    assert local_archives.look(str(tmp_path / "image"), nobody).digest == DIGEST


def test_a_layout_without_this_platform_is_one_message(tmp_path):
    with pytest.raises(local_archives.ImageError, match="no image for linux/arm64.*there is linux/amd64"):
        local_archives.look(layout(tmp_path / "layout"), lambda: "aarch64")


def test_a_layout_that_changes_is_not_sent(tmp_path):
    archive = local_archives.look(layout(tmp_path / "layout"), lambda: "x86_64")
    archive.digest = DIGEST
    with pytest.raises(local_archives.ImageError, match="become another"):
        archive.write(io.BytesIO())


def inspect(path, **options):
    return local_archives.inspect(local_archives.look(str(path), lambda: os.uname().machine), options, "src")


def test_what_an_archive_has_in_it(tmp_path):
    (tmp_path / "image").write_bytes(archives.Archive().directory(b"etc").file(b"etc/passwd", b"root").end())
    image = inspect(tmp_path / "image")["image"]
    assert image["digest"] == digest_of(tmp_path / "image")
    assert (image["format"], image["segments"], image["entries"], image["bytes"]) == ("newc", ["none"], 2, 4)


def test_what_a_layout_has_in_it(tmp_path):
    found = local_archives.look(layout(tmp_path / "layout", (layouts.AMD64, layouts.ARM64)), lambda: os.uname().machine)
    assert local_archives.inspect(found, {}, "src")["image"]["format"] == "oci"
    assert local_archives.inspect(found, {}, "src")["image"]["digest"] == found.digest


def test_a_broken_archive_is_a_failed_result(tmp_path):
    (tmp_path / "image").write_bytes(archives.Archive().file(b"../up", b"x").end())
    result = inspect(tmp_path / "image")
    assert result["failed"] and result["option"] == "src" and "'../up'" in result["msg"]


def test_the_limits_of_the_task_hold(tmp_path):
    (tmp_path / "image").write_bytes(archives.Archive().file(b"a", b"x" * 3000).end())
    assert "failed" not in inspect(tmp_path / "image", max_bytes="3000")
    assert inspect(tmp_path / "image", max_bytes="1K")["option"] == "max_bytes"


def test_of_an_image_for_another_machine_nothing_is_known_here(tmp_path):
    other = "aarch64" if os.uname().machine == "x86_64" else "x86_64"
    found = local_archives.look(layout(tmp_path / "layout", (layouts.AMD64, layouts.ARM64)), lambda: other)
    assert local_archives.inspect(found, {}, "src") == {}
