# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Container images that skopeo wrote in all its forms have the content that went in."""

from __future__ import annotations

import gzip
import os
import shutil
import subprocess

import pytest

from ansible_collections.coracle.launcher.plugins.module_utils._coracle.formats import oci
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.formats.compression import codecs
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.formats.entries import Summary
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.formats.limits import Limits
from ansible_collections.coracle.launcher.tests.unit import layouts
from ansible_collections.coracle.launcher.tests.unit.archives import Tar
from ansible_collections.coracle.launcher.tests.unit.layouts import Images

LAYERS = [Tar().directory(b"etc").file(b"etc/passwd", b"root" * 50_000).end(),
          Tar("pax").file(b"etc/.wh.passwd", b"").file(b"etc/group").end()]
pytestmark = pytest.mark.skipif(shutil.which("skopeo") is None, reason="skopeo is not installed")


def skopeo(*arguments):
    subprocess.run(["skopeo", "--insecure-policy", *arguments], check=True, timeout=60, stdout=subprocess.DEVNULL)


def read(path):
    """Return the layout and [(path, kind, layer, data)] of an image in a directory or a tar."""
    fd = os.open(path, os.O_RDONLY)
    try:
        layout = oci.open_directory(fd) if path.is_dir() else oci.open_tar(fd, Limits())
        return layout, [(entry.path, entry.kind, entry.layer, b"".join(entry.data)) for entry in layout.entries(Limits(), Summary())]
    finally:
        os.close(fd)


@pytest.fixture
def source(tmp_path):
    images = Images()
    images.index(images.image(LAYERS, name="one", pack=gzip.compress))
    return images.write(tmp_path / "source")


@pytest.mark.parametrize("transport, form", [("oci", "oci"), ("oci-archive", "oci"), ("docker-archive", "docker")])
def test_what_skopeo_writes_is_what_went_in(tmp_path, source, transport, form):
    skopeo("copy", f"oci:{source}:one", f"{transport}:{tmp_path}/copy:one")
    layout, found = read(tmp_path / "copy")
    assert layout.format == form and found == read(source)[1] and len(found) == 4


def test_the_digest_is_the_one_that_skopeo_says(tmp_path, source):
    skopeo("copy", "--digestfile", str(tmp_path / "digest"), f"oci:{source}:one", f"oci:{tmp_path}/copy:one")
    assert read(tmp_path / "copy")[0].digest == (tmp_path / "digest").read_text()


def test_layers_that_skopeo_packed_with_zstd(tmp_path, source):
    if not any(entry["name"] == "zstd" and entry["by"] for entry in codecs.available()):
        pytest.skip("nothing unpacks zstd here")
    skopeo("copy", f"oci:{source}:one", f"docker-archive:{tmp_path}/plain:one")
    skopeo("copy", "--dest-compress-format", "zstd", f"docker-archive:{tmp_path}/plain", f"oci:{tmp_path}/copy:one")
    fd = os.open(tmp_path / "copy", os.O_RDONLY)
    summary = Summary()
    entries = [entry.path for entry in oci.open_directory(fd).entries(Limits(), summary)]
    os.close(fd)
    assert summary.segments == ["zstd", "zstd"] and entries == [path for path, *_rest in read(source)[1]]


def test_skopeo_reads_the_layout_that_is_sent_to_a_host(tmp_path, source):
    fd = os.open(source, os.O_RDONLY)
    with open(tmp_path / "sent", "wb") as target:
        oci.write_archive(fd, target)
    os.close(fd)
    skopeo("copy", f"oci-archive:{tmp_path}/sent", f"docker-archive:{tmp_path}/copy:one")
    assert read(tmp_path / "copy")[1] == read(source)[1]


def test_skopeo_takes_the_layouts_of_these_tests(tmp_path):
    (tmp_path / "modern").write_bytes(layouts.docker_modern(LAYERS, names=["one:latest"]))
    (tmp_path / "old").write_bytes(layouts.docker_old([*LAYERS, LAYERS[0]], names=["one:latest"]))
    for name in ("modern", "old"):
        skopeo("copy", f"docker-archive:{tmp_path}/{name}", f"oci:{tmp_path}/of-{name}:one")
        assert read(tmp_path / f"of-{name}")[1] == read(tmp_path / name)[1]
