# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`coracle images`: what a person sees of the image store, and the way to make room."""

from __future__ import annotations

import json
import os

import pytest

from ansible_collections.coracle.launcher.plugins.module_utils._coracle.base import places
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.doors import command, tables
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.doors.arguments import parse
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.doors.vocabulary import find
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.work import images, store
from ansible_collections.coracle.launcher.tests.unit.archives import Archive

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="sets owners: needs root")


@pytest.fixture
def stored(tmp_path, monkeypatch):
    """Digests of two images, the second used by the container web."""
    for name in ("IMAGES", "CONTAINERS", "RUN"):
        monkeypatch.setattr(places, name, f"{tmp_path}/{name.lower()}")
    monkeypatch.delenv("TERM", raising=False)
    digests = []
    for name in (b"one", b"two"):
        (tmp_path / "archive").write_bytes(Archive().file(name, b"x" * 2048).end())
        digests.append(images.ensure_image(f"{tmp_path}/archive").digest)
    (tmp_path / "containers" / "web").mkdir(parents=True)
    (tmp_path / "containers" / "web" / "settings").write_text(f"image: {digests[1]}\n")
    return digests


def said(capfd, line):
    assert command.carry_out("images", *parse(find("images"), line.split())) == 0
    return capfd.readouterr().out


def test_images_are_listed_with_who_uses_them(stored, capfd):
    lines = said(capfd, "").splitlines()
    assert lines[0].split() == ["DIGEST", "FORMAT", "COMPRESSION", "SIZE", "ENTRIES", "USED", "BY"]
    by_digest = {line.split()[0]: line.split(maxsplit=5)[1:] for line in lines[1:]}
    assert by_digest == {stored[0][:19]: ["newc", "none", "2.0K", "1", "-"], stored[1][:19]: ["newc", "none", "2.0K", "1", "container web"]}
    assert [line.split() for line in said(capfd, "--no-headers").splitlines()] == [line.split() for line in lines[1:]]
    assert said(capfd, "-q").split() == sorted(stored)


def test_json_has_all_of_it(stored, capfd):
    found = {image["digest"]: image for image in json.loads(said(capfd, "--json"))}
    assert found[stored[1]]["used_by"] == ["container web"] and found[stored[0]]["used_by"] == []
    assert (found[stored[0]]["bytes"], found[stored[0]]["skipped"]) == (2048, {"devices": 0, "sockets": 0})


def test_pruning_lists_what_it_has_removed(stored, capfd):
    assert said(capfd, "--prune -q").split() == [stored[0]]
    assert [image.digest for image in store.images()] == [stored[1]]
    assert said(capfd, "--prune -q") == ""


def test_many_segments_are_cut_short():
    image = {"digest": "sha256:" + "0" * 64, "format": "newc", "segments": ["none"] * 9, "bytes": 1, "entries": 1, "used_by": []}
    assert tables.image_row(image)[2] == "none+none+..."
    assert tables.image_row({**image, "segments": ["none", "gzip"]})[2] == "none+gzip"
