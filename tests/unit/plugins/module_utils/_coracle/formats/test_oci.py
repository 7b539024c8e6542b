# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Container images in files: which image is chosen, what of it is read, and how it goes from the controller to a host."""

from __future__ import annotations

import gzip
import io
import json
import os
import tarfile

import pytest

from ansible_collections.coracle.launcher.plugins.module_utils._coracle.base.errors import ArchiveError
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.formats import oci
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.formats.compression import codecs
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.formats.entries import (
    DIRECTORY,
    FILE,
    OPAQUE,
    WHITEOUT,
    Summary,
)
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.formats.limits import Limits
from ansible_collections.coracle.launcher.tests.unit import layouts
from ansible_collections.coracle.launcher.tests.unit.archives import Tar
from ansible_collections.coracle.launcher.tests.unit.each import each
from ansible_collections.coracle.launcher.tests.unit.layouts import AMD64, ARM64, Images

BASE = Tar().directory(b"etc").file(b"etc/passwd", b"root").file(b"etc/shadow", b"secret").end()
TOP = Tar("pax").directory(b"etc").file(b"etc/.wh.shadow", b"").file(b"etc/group", b"wheel").end()


def memory_file(data):
    fd = os.memfd_create("image")
    with open(fd, "wb", closefd=False) as file:
        file.write(data)
    return fd


@pytest.fixture
def opened(tmp_path):
    """Return a function: Images (written below a directory) or bytes (a tar) -> (Layout or None); descriptors close at the end."""
    fds = []

    def run(image, machine="x86_64", limits=None):
        if isinstance(image, bytes):
            fds.append(memory_file(image))
            return oci.open_tar(fds[-1], limits or Limits(), machine)
        fds.append(os.open(image.write(tmp_path / f"layout{len(fds)}"), os.O_RDONLY))
        return oci.open_directory(fds[-1], machine)
    yield run
    for fd in fds:
        os.close(fd)


def content(layout, limits=None, summary=None):
    """Return {path: (kind, layer, data)} in the order of the entries."""
    return {entry.path: (entry.kind, entry.layer, b"".join(entry.data))
            for entry in layout.entries(limits or Limits(), Summary() if summary is None else summary)}


EXPECTED = {b"etc": (DIRECTORY, 1, b""), b"etc/passwd": (FILE, 0, b"root"), b"etc/shadow": (WHITEOUT, 1, b""),
            b"etc/group": (FILE, 1, b"wheel")}


def test_a_layout_directory_and_the_same_in_a_tar(opened):
    images = Images()
    descriptor = images.image([BASE, TOP], platform=AMD64)
    images.index(descriptor)
    for layout in (opened(images), opened(images.tar())):
        summary = Summary()
        assert (layout.format, layout.digest) == ("oci", descriptor["digest"])
        assert content(layout, summary=summary) == EXPECTED
        assert (summary.format, summary.segments, summary.entries) == ("oci", ["none", "none"], 6)


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
@pytest.mark.parametrize("pack", [None, gzip.compress])
def test_layers_plain_and_packed_under_both_algorithms(opened, algorithm, pack):
    images = Images(algorithm)
    images.index(images.image([BASE, TOP], pack=pack))
    layout = opened(images)
    assert content(layout) == EXPECTED
    manifest = images.path(json.loads(images.files["index.json"])["manifests"][0])
    assert layout.digest == layouts.digest(images.files[manifest]), "in sha256, whatever the layout itself has"


def members_of_gzip(data):
    """As stargz packs a layer: a member of gzip for each file, so that each can be read alone."""
    return b"".join(gzip.compress(data[start:start + 512]) for start in range(0, len(data), 512))


def zstd_chunked(data):
    """As zstd:chunked packs a layer: frames, and behind them skippable ones, which hold an index. The frames here hold plain blocks."""
    frames = []
    for start in range(0, len(data), 1024):
        block = data[start:start + 1024]
        frames.append(b"\x28\xb5\x2f\xfd\xa0" + len(block).to_bytes(4, "little") + (len(block) << 3 | 1).to_bytes(3, "little") + block)
    return b"".join(frames) + b"\x50\x2a\x4d\x18\x03\0\0\0abc" + b"\x50\x2a\x4d\x18\x40\0\0\0" + bytes(64)


@pytest.mark.parametrize("pack", [members_of_gzip, zstd_chunked])
def test_layers_that_can_be_read_in_parts(opened, pack):
    if pack is zstd_chunked and not any(codec["name"] == "zstd" and codec["by"] for codec in codecs.available()):
        pytest.skip("nothing unpacks zstd here")
    images = Images()
    images.index(images.image([BASE, TOP], pack=pack))
    assert content(opened(images)) == EXPECTED
    assert content(opened(layouts.docker_modern([BASE, TOP], pack=pack))) == EXPECTED


@pytest.mark.parametrize("data", [
    layouts.docker_modern([BASE, TOP]), layouts.docker_modern([BASE, TOP], pack=gzip.compress), layouts.docker_old([BASE, TOP]),
    layouts.docker_crane([BASE, TOP])], ids=["modern", "modern gzip", "old", "crane"])
def test_archives_of_docker_save(opened, data):
    layout = opened(data)
    assert layout.format == "docker"
    assert layout.digest == layouts.digest(layouts.to_json(layouts.config([BASE, TOP])))
    assert content(layout) == EXPECTED


def test_old_docker_save_links_a_layer_that_it_met_before(opened):
    layout = opened(layouts.docker_old([BASE, TOP, BASE]))
    assert content(layout)[b"etc/shadow"] == (FILE, 2, b"secret")
    whole = layouts.docker_old([BASE, BASE])
    hard = io.BytesIO()
    with tarfile.open(fileobj=io.BytesIO(whole)) as source, tarfile.open(fileobj=hard, mode="w") as target:
        for member in source:
            if member.issym():
                member.type, member.linkname = tarfile.LNKTYPE, member.linkname[3:]
            target.addfile(member, source.extractfile(member) if member.isreg() else None)
    assert content(opened(hard.getvalue()))[b"etc/passwd"] == (FILE, 1, b"root")


def test_docker_save_that_is_a_layout_as_well_is_read_as_one(opened):
    images = Images()
    descriptor = images.image([BASE])
    images.index(descriptor)
    images.files["manifest.json"] = json.dumps([{"Config": "x.json", "RepoTags": [], "Layers": []}]).encode()
    assert opened(images.tar()).digest == descriptor["digest"]


def test_a_root_file_system_with_such_names_is_none(opened):
    for members in ([("manifest.json", b"[]")], [("manifest.json", b"{")], [("index.json", b"{}")], [("oci-layout", b"x")],
                    [("blobs/sha256/x", b"")], [("manifest.json", b'{"Config": 1}')]):
        assert opened(layouts.tar([("etc/passwd", b""), *members])) is None
    images = Images()
    del images.files["oci-layout"]
    assert opened(images) is None


@each("name, expected", [
    (b"blobs", True), (b"./blobs/sha256/x", True), (b"oci-layout", True), (b"index.json", True), (b"manifest.json", True),
    (b"repositories", True), (b"a" * 64, True), (b"a" * 64 + b"/json", True), (b"0" * 64 + b".json", True), (b"0" * 64 + b".tar", True),
    (b"sha256:" + b"0" * 64, True),
    (b"./", False), (b"", False), (b"etc/passwd", False), (b"g" * 64, False), (b"a" * 63, False), (b"a" * 65, False), (b"blobs.txt", False),
    (b"x/index.json", False),
])
def test_names_that_an_image_begins_with(name, expected):
    assert oci.looks_like(name) is expected


def test_the_beginning_of_an_image_behind_its_root_directory_and_extended_headers():
    for style in ("v7", "ustar", "gnu", "pax"):
        assert oci.begins_like(Tar(style).directory(b".").directory(b"./blobs").end())
        assert not oci.begins_like(Tar(style).directory(b".").directory(b"./bin").end())
    assert oci.begins_like(Tar("pax").pax([(b"comment", b"x")], b"g").file(b"oci-layout").end())
    assert not oci.begins_like(b"") and not oci.begins_like(Tar().directory(b"./").end()) and not oci.begins_like(b"070701" * 200)


# --- the choice ---


def variant(architecture, name=""):
    return {"os": "linux", "architecture": architecture, **({"variant": name} if name else {})}


@each("machine, platforms, expected", [
    ("x86_64", [AMD64, ARM64], 0), ("aarch64", [AMD64, ARM64], 1), ("aarch64", [AMD64, variant("arm64", "v8")], 1),
    ("armv7l", [variant("arm", "v5"), variant("arm", "v6"), variant("arm", "v7")], 2),
    ("armv6l", [variant("arm", "v5"), variant("arm", "v6"), variant("arm", "v7")], 1), ("aarch64", [variant("arm", "v7"), AMD64], 0),
    ("i686", [AMD64, variant("386")], 1), ("x86_64", [variant("386"), AMD64], 1), ("x86_64", [variant("386"), ARM64], 0),
    ("x86_64", [variant("amd64", "v3"), variant("amd64", "v1")], 1), ("ppc64le", [AMD64, variant("ppc64le")], 1),
    ("s390x", [AMD64, variant("s390x")], 1), ("riscv64", [AMD64, variant("riscv64")], 1), ("loongarch64", [AMD64, variant("loong64")], 1),
    ("x86_64", [{"os": "windows", "architecture": "amd64"}, AMD64], 1),
])
def test_the_platform_of_the_machine(opened, machine, platforms, expected):
    images = Images()
    descriptors = [images.image([Tar().file(b"%d" % number).end()], platform=platform) for number, platform in enumerate(platforms)]
    images.index(images.nested(*descriptors, name="both"))
    assert opened(images, machine).digest == descriptors[expected]["digest"]
    images.index(*descriptors)
    assert opened(images, machine).digest == descriptors[expected]["digest"]


def test_no_image_for_the_machine_lists_what_there_is(opened):
    images = Images()
    images.index(images.image([BASE], platform=ARM64), images.image([TOP], platform=variant("arm", "v7")))
    with pytest.raises(ArchiveError, match="no image for linux/s390x, which this host is; there is linux/arm/v7, linux/arm64"):
        opened(images, "s390x")


def test_one_manifest_without_a_platform_is_taken_and_blobs_of_other_platforms_may_be_missing(opened):
    images = Images()
    descriptor = images.image([BASE])
    images.index(descriptor)
    assert opened(images, "s390x").digest == descriptor["digest"]
    other = images.image([TOP], platform=ARM64)
    own = images.image([BASE], platform=AMD64)
    images.index(images.nested(own, other))
    del images.files[images.path(other)]
    assert opened(images).digest == own["digest"]
    images.index(images.nested(images.nested(other, platform=ARM64), own))
    assert opened(images).digest == own["digest"]


def test_things_that_are_no_images_are_passed_over(opened):
    images = Images()
    own = images.image([BASE], platform=AMD64)
    attestation = images.image([TOP], platform={"os": "unknown", "architecture": "unknown"})
    annotated = {**images.image([TOP]), "annotations": {"vnd.docker.reference.type": "attestation-manifest"}}
    artifact = {**images.image([TOP]), "artifactType": "application/spdx+json"}
    other = images.blob(b"x", "text/plain")
    images.index(attestation, annotated, artifact, other, own)
    assert opened(images).digest == own["digest"]
    images.index(attestation, other)
    with pytest.raises(ArchiveError, match="has no image, only"):
        opened(images)


def test_several_images_are_named_unless_they_are_one(opened):
    images = Images()
    one = images.image([BASE], name="first")
    two = images.image([TOP], name="\x1b[2Jsecond")
    images.index(one, two)
    with pytest.raises(ArchiveError, match="2 images, and only one is possible: .*second, first") as caught:
        opened(images)
    assert "\x1b" not in str(caught.value)
    images.index(one, {**one, "annotations": {layouts.NAME: "again"}})
    assert opened(images).digest == one["digest"]
    images.index(*[images.nested(images.image([layer], platform=AMD64), name=name) for layer, name in ((BASE, "a"), (TOP, "b"))])
    with pytest.raises(ArchiveError, match="2 images"):
        opened(images)


def test_several_images_of_docker_save_are_named(opened):
    manifest = [{"Config": "a.json", "RepoTags": ["a:1"], "Layers": []}, {"Config": "b.json", "RepoTags": None, "Layers": []}]
    with pytest.raises(ArchiveError, match="2 images, and only one is possible: a:1; b.json"):
        opened(layouts.tar([("manifest.json", json.dumps(manifest).encode())]))


# --- from the controller to a host ---


def test_a_layout_directory_becomes_the_same_tar_everywhere_with_the_same_digest(tmp_path, opened):
    images = Images()
    own = images.image([BASE, TOP], platform=AMD64)
    other = images.image([Tar().file(b"x").end()], platform=ARM64)
    images.index(images.nested(own, other))
    images.files["README"] = b"not needed"
    written = []
    for name in ("a", "b"):
        fd = os.open(images.write(tmp_path / name), os.O_RDONLY)
        target = io.BytesIO()
        assert oci.write_archive(fd, target, "x86_64") == own["digest"] == oci.open_directory(fd, "x86_64").digest
        names = oci.files_needed(fd, "x86_64")
        os.close(fd)
        written.append(target.getvalue())
    assert written[0] == written[1]
    with tarfile.open(fileobj=io.BytesIO(written[0])) as archive:
        members = archive.getmembers()
    assert [member.name for member in members] == names == sorted(names)
    assert {(member.uid, member.gid, member.mtime, member.mode, member.uname) for member in members} == {(0, 0, 0, 0o644, "")}
    assert "README" not in names and images.path(other) not in names and {"index.json", "oci-layout"} < set(names)
    blocks = 1024 + sum(512 + len(images.files[name]) + -len(images.files[name]) % 512 for name in names)
    assert len(written[0]) == blocks + -blocks % 10240
    layout = opened(written[0])
    assert layout.digest == own["digest"] and content(layout) == EXPECTED


def test_only_a_layout_can_be_sent(tmp_path):
    fd = os.open(tmp_path, os.O_RDONLY)
    with pytest.raises(ArchiveError, match="no OCI layout"):
        oci.files_needed(fd)
    os.close(fd)


# --- whiteouts ---


def judged(opened, *layers):
    images = Images()
    images.index(images.image([layer.end() for layer in layers]))
    return [(entry.path, entry.kind, entry.layer) for entry in opened(images).entries(Limits(), Summary())]


def test_whiteouts_are_told_apart_and_mean_nothing_in_the_lowest_layer(opened):
    hidden = Tar().file(b"a/.wh.b", b"").file(b"a/.wh..wh..opq", b"").file(b".wh..wh..opq", b"").file(b".wh.c", b"rest").file(b"d", b"")
    assert judged(opened, hidden, hidden) == [
        (b"d", FILE, 0), (b"a/b", WHITEOUT, 1), (b"a", OPAQUE, 1), (b"", OPAQUE, 1), (b"c", WHITEOUT, 1), (b"d", FILE, 1)]


def test_names_that_only_resemble_whiteouts(opened):
    files = Tar().file(b".wh.etc/somefile").file(b"a.wh.b").file(b".whb").file(b"x/.w/h..wh")
    assert [path for path, kind, layer in judged(opened, Tar(), files) if kind == FILE and layer == 1] == [
        b".wh.etc/somefile", b"a.wh.b", b".whb", b"x/.w/h..wh"]


def test_bookkeeping_of_aufs_is_passed_over(opened):
    aufs = (Tar().directory(b".wh..wh.plnk").file(b".wh..wh.plnk/1.2").file(b".wh..wh.aufs", b"").directory(b".wh..wh.orph")
            .file(b"a/.wh..wh.x/y").file(b".wh..wh.plnk/.wh..wh..opq", b"").file(b"a/.wh..wh..opq/x"))
    assert judged(opened, Tar(), aufs) == []


@each("name", [b".wh.", b".wh..", b".wh...", b"etc/.wh..", b"etc/.wh...", b"a/../.wh.b", b".wh.a\\/../b/.."])
@each("lowest", [True, False])
def test_whiteouts_of_no_name_and_upwards_are_refused(opened, name, lowest):
    layers = [Tar().file(name, b"")] if lowest else [Tar().file(b"a"), Tar().file(name, b"")]
    with pytest.raises(ArchiveError, match=rf"in layer {len(layers)} of {len(layers)}: member '.*' at byte 0"):
        judged(opened, *layers)
    assert judged(opened, Tar().file(b"a"), Tar().file(b".wh....", b"")) == [(b"a", FILE, 0), (b"...", WHITEOUT, 1)]


def test_layers_without_entries(opened):
    images = Images()
    images.index(images.image([Tar().end(), Tar().file(b"a").end(), b"", bytes(512)]))
    assert list(content(opened(images))) == [b"a"]
