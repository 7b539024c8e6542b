# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which archives the options of a container name on the controller."""

from __future__ import annotations

import hashlib

import pytest

from ansible_collections.coracle.launcher.plugins.plugin_utils import containers, images

DIGEST = "sha256:" + hashlib.sha256(b"archive").hexdigest()


class Action:
    """Stands for an action plugin: files are looked up in one directory."""

    def __init__(self, directory):
        self.directory = directory

    def _find_needle(self, _folder, path):
        return str(self.directory / path)


def name(action, options, sources):
    return containers.name_archive(action, options, {}, sources)


@pytest.fixture
def action(tmp_path):
    (tmp_path / "initrd.img").write_bytes(b"archive")
    return Action(tmp_path)


def test_an_archive_is_named_by_its_absolute_path_and_its_digest(action):
    sources = {}
    options = {"name": "a", "image": "initrd.img"}
    path = str(action.directory / "initrd.img")
    assert name(action, options, sources) == {"name": "a", "image": path}
    assert {path: archive.digest for path, archive in sources.items()} == {path: DIGEST}
    assert options["image"] == "initrd.img"


@pytest.mark.parametrize("options", [
    {"name": "a"},
    {"name": "a", "image": None},
    {"name": "a", "image": DIGEST},
    {"name": "a", "image": "https://example.org/missing.img", "checksum": DIGEST},
    {"name": "a", "image": "initrd.img", "remote_src": True},
    {"name": "a", "image": "missing.img", "state": "absent"},
])
def test_the_rest_is_left_as_it_is(action, options):
    sources = {}
    assert name(action, options, sources) == options
    assert sources == {}


def test_another_archive_than_the_checksum_says_is_an_error(action):
    with pytest.raises(images.ImageError, match="not the checksum"):
        name(action, {"name": "a", "image": "initrd.img", "checksum": "sha256:" + "0" * 64}, {})
