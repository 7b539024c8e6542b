# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Container images with anything at all in their documents: an image or one error in words, and never more."""

from __future__ import annotations

import json
import os

import pytest

from ansible_collections.coracle.launcher.plugins.module_utils._coracle.base.errors import ArchiveError
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.formats import oci
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.formats.entries import Summary
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.formats.limits import Limits
from ansible_collections.coracle.launcher.tests.unit import layouts
from ansible_collections.coracle.launcher.tests.unit.archives import Tar
from ansible_collections.coracle.launcher.tests.unit.layouts import CONFIG, INDEX, LAYER, MANIFEST, NAME, Images

hypothesis = pytest.importorskip("hypothesis")
st = hypothesis.strategies

LAYERS = [Tar().file(b"one").end(), Tar().file(b".wh.one", b"").end()]
WORDS = st.sampled_from([
    "mediaType", "digest", "size", "platform", "os", "architecture", "variant", "linux", "amd64", "annotations", NAME, "manifests",
    "layers", "config", "Config", "Layers", "RepoTags", "rootfs", "diff_ids", "imageLayoutVersion", "1.0.0", "blobs/sha256/..",
    "\x1b[2J", "\ud800", "", INDEX, MANIFEST, CONFIG, LAYER, "sha256:" + "0" * 64])
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | WORDS | st.text(max_size=5)
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS | st.text(max_size=5), inner, max_size=4), max_leaves=8)


def replaced(value, steps, new):
    """Return `value` with `new` at the place to which `steps` lead: numbers of members, taken modulo what there is."""
    if not steps or not isinstance(value, (dict, list)) or not value:
        return new
    keys = sorted(value) if isinstance(value, dict) else range(len(value))
    chosen = keys[steps[0] % len(keys)]
    items = [(key, replaced(value[key], steps[1:], new) if key == chosen else value[key]) for key in keys]
    return dict(items) if isinstance(value, dict) else [item for _key, item in items]


def outcome(data):
    """Return the paths of an image in a tar, None when it is none, or the text of the error."""
    fd = os.memfd_create("image")
    try:
        with open(fd, "wb", closefd=False) as file:
            file.write(data)
        layout = oci.open_tar(fd, Limits(), "x86_64")
        return None if layout is None else [entry.path for entry in layout.entries(Limits(), Summary())]
    except ArchiveError as error:
        return str(error)
    finally:
        os.close(fd)


def with_oci(place, change):
    """Return an OCI archive in which `change` made one of its documents, all digests of others being right."""
    images = Images()
    manifest = json.loads(images.files[images.path(images.image(LAYERS))])
    entry = images.blob(change(manifest) if place == "manifest" else manifest, MANIFEST)
    index = {"schemaVersion": 2, "manifests": [entry]}
    index = change(index) if place == "index" else index
    images.files["index.json"] = layouts.to_json({"manifests": [images.blob(index, INDEX)]} if place == "index" else index)
    if place == "mark":
        images.files["oci-layout"] = layouts.to_json(change({"imageLayoutVersion": "1.0.0"}))
    return images.tar()


def with_docker(place, change):
    config = change(layouts.config(LAYERS)) if place == "config" else layouts.config(LAYERS)
    members = [("0", LAYERS[0]), ("1", LAYERS[1]), ("config", layouts.to_json(config))]
    manifest = [{"Config": "config", "RepoTags": ["a:b"], "Layers": ["0", "1"]}]
    manifest = change(manifest) if place == "manifest" else manifest
    return layouts.tar([*members, ("manifest.json", layouts.to_json(manifest))])


@pytest.mark.parametrize("make, place", [
    (with_oci, "manifest"), (with_oci, "index"), (with_oci, "mark"), (with_docker, "manifest"), (with_docker, "config")])
def test_a_document_with_anything_in_it_is_an_image_or_an_error_in_words(make, place):
    assert outcome(make(place, lambda value: value)) == [b"one", b"one"]

    @hypothesis.settings(deadline=None, max_examples=100)
    @hypothesis.given(st.lists(st.integers(0, 6), max_size=5), VALUES)
    def check(steps, new):
        found = outcome(make(place, lambda value: replaced(value, steps, new)))
        if isinstance(found, str):
            assert 0 < len(found) < 3000 and found.isprintable()
        else:
            assert found in (None, [], [b"one"], [b"one", b"one"])

    check()
