# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hostile and damaged container images: one clear error each, nothing outside is opened. Each case stands beside an image that is right."""

from __future__ import annotations

import gzip
import json
import os
import time

import pytest

from ansible_collections.coracle.launcher.plugins.module_utils._coracle.base.errors import ArchiveError
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.formats import oci
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.formats.entries import Summary
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.formats.layout.documents import MAX_DOCUMENT
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.formats.limits import Limits
from ansible_collections.coracle.launcher.tests.unit import layouts
from ansible_collections.coracle.launcher.tests.unit.archives import Tar
from ansible_collections.coracle.launcher.tests.unit.each import each
from ansible_collections.coracle.launcher.tests.unit.layouts import AMD64, INDEX, LAYER, MANIFEST, Images

FOREIGN = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"
LAYERS = [Tar().file(b"one", b"1" * 3000).end(), Tar("pax").file(b"two", b"2" * 3000).end()]


@pytest.fixture
def read(tmp_path):
    """Return a function: Images, a directory or bytes (a tar) -> paths of all entries, read to the end. Descriptors must be as before."""
    def run(image, limits=None):
        limits = limits or Limits()
        if isinstance(image, bytes):
            fd = os.memfd_create("image")
            with open(fd, "wb", closefd=False) as file:
                file.write(image)
        else:
            fd = os.open(image.write(tmp_path / "layout") if isinstance(image, Images) else image, os.O_RDONLY)
        before = os.listdir("/proc/self/fd")
        try:
            layout = oci.open_tar(fd, limits, "x86_64") if isinstance(image, bytes) else oci.open_directory(fd, "x86_64")
            return [entry.path for entry in layout.entries(limits, Summary()) if entry.data is not None]
        finally:
            assert set(os.listdir("/proc/self/fd")) <= set(before)
            os.close(fd)
    return run


def good(layers=(), **fields):
    """Return a layout with one image and the descriptor of its manifest, and see to it that it is right."""
    images = Images()
    descriptor = images.image(list(layers) or LAYERS, **fields)
    return images.index(descriptor), descriptor


def respelt(images, descriptor, change):
    """Let `change` edit the manifest, and store it under its right digest."""
    manifest = json.loads(images.files[images.path(descriptor)])
    change(manifest)
    return images.index(images.blob(manifest, MANIFEST))


@pytest.mark.parametrize("form", ["directory", "tar"])
def test_a_right_image_passes(read, form):
    images, _manifest = good()
    assert read(images if form == "directory" else images.tar()) == [b"one", b"two"]


@pytest.mark.parametrize("form", ["directory", "tar"])
@pytest.mark.parametrize("part", ["manifest", "config", "layer 1", "layer 2"])
@pytest.mark.parametrize("fault", ["content", "size", "missing"])
def test_a_blob_that_is_not_what_its_descriptor_says(read, form, part, fault):
    images, descriptor = good()
    manifest = json.loads(images.files[images.path(descriptor)])
    found = {"manifest": descriptor, "config": manifest["config"], "layer 1": manifest["layers"][0], "layer 2": manifest["layers"][1]}[part]
    name = images.path(found)
    data = images.files[name]
    images.files[name] = {"content": data[:-1] + bytes([data[-1] ^ 1]), "size": data + b"\0"}.get(fault, b"")
    if fault == "missing":
        del images.files[name]
    expected = {"content": "is damaged: the content has the digest", "size": "is damaged: .* bytes, not the", "missing": "is missing: the"}
    with pytest.raises(ArchiveError, match=f"its {part} {expected[fault]}"):
        read(images if form == "directory" else images.tar())


@pytest.mark.parametrize("pack", [None, gzip.compress])
def test_a_layer_of_docker_save_that_is_not_what_its_config_says(read, pack):
    other = [LAYERS[0], LAYERS[1].replace(b"2" * 3000, b"3" * 3000)]
    packed = [data if pack is None else pack(data, mtime=0) for data in other]
    members = [(f"{number}.tar", data) for number, data in enumerate(packed)]
    assert read(layouts.docker(layouts.config(other), ["0.tar", "1.tar"], [], members)) == [b"one", b"two"]
    with pytest.raises(ArchiveError, match="its layer 2 is damaged: the content has the digest"):
        read(layouts.docker(layouts.config(LAYERS), ["0.tar", "1.tar"], [], members))
    for without in ({"os": "linux"}, {"rootfs": {"type": "layers"}}, {"rootfs": {"diff_ids": []}}, {"rootfs": {"diff_ids": None}}):
        with pytest.raises(ArchiveError, match="its config has no rootfs|its manifest.json has 2 layers, and its config 0"):
            read(layouts.docker(without, ["0.tar", "1.tar"], [], members))


def test_every_byte_of_a_layer_counts_also_behind_its_end_mark(read):
    padded = [LAYERS[0] + bytes(9000), LAYERS[1]]
    assert read(layouts.docker_modern(padded)) == [b"one", b"two"]
    data = layouts.docker(layouts.config(LAYERS), ["0", "1"], [], [("0", padded[0]), ("1", padded[1])])
    with pytest.raises(ArchiveError, match="its layer 1 is damaged"):
        read(data)


def test_a_config_of_docker_save_that_is_not_what_its_name_says(read):
    whole = layouts.docker_modern(LAYERS)
    assert read(whole) == [b"one", b"two"]
    with pytest.raises(ArchiveError, match="its config is damaged"):
        read(whole.replace(b'"os": "linux"', b'"os": "linus"'))


@pytest.mark.parametrize("spoil, message", [
    (lambda data: data[:-700], "in layer 1 of 1: ends without its end mark"),
    (lambda data: data[:-1024], "in layer 1 of 1: ends without its end mark"),
    (lambda data: data + b"x", "in layer 1 of 1: goes on with something behind the end of its archive"),
    (lambda data: data + LAYERS[1], "in layer 1 of 1: goes on with something behind the end of its archive"),
    (lambda data: b"x" * 2000, "in layer 1 of 1: goes on with something that is no tar header, at byte 0"),
    (lambda data: gzip.compress(data)[:-5], "in layer 1 of 1: ends in the middle of its gzip data"),
    (lambda data: gzip.compress(gzip.compress(data)), "in layer 1 of 1: "),
])
def test_a_layer_that_is_what_its_digest_says_and_yet_no_archive(read, spoil, message):
    assert read(good([Tar().file(b"a").end()])[0]) == [b"a"]
    with pytest.raises(ArchiveError, match=message):
        read(good([spoil(Tar().file(b"a").end())])[0])


# --- names that lead out ---


OUTSIDE = ["../secret", "/etc/hostname", "blobs/../../secret", "..", ".", "", "blobs/sha256/..", "\0", "a" * 5000, "\udc80", "blobs"]


@pytest.mark.parametrize("name", OUTSIDE)
@pytest.mark.parametrize("field", ["Config", "Layers"])
def test_docker_save_reads_members_and_nothing_else(read, tmp_path, name, field):
    (tmp_path / "secret").write_bytes(LAYERS[0])
    whole = layouts.docker(layouts.config(LAYERS[:1]), ["0"], [], [("0", LAYERS[0])])
    assert read(whole) == [b"one"]
    image = {"Config": "config", "RepoTags": [], "Layers": ["0"], field: [name] if field == "Layers" else name}
    members = [("0", LAYERS[0]), ("config", layouts.to_json(layouts.config(LAYERS[:1]))), ("manifest.json", json.dumps([image]).encode())]
    with pytest.raises(ArchiveError, match="is missing: the archive has no member"):
        read(layouts.tar(members))


@pytest.mark.parametrize("target, message", [
    ("../0", "is missing"), ("/0", "is missing"), ("../../../0", "is missing"), ("none", "is missing"), ("../../etc/passwd", "is missing"),
    ("a", "a circle"), ("x/../b", "a circle"),
])
def test_links_of_docker_save_stay_in_the_archive_and_end(read, target, message):
    members = [("a", "b"), ("b", target), ("0", LAYERS[0])]
    assert read(layouts.docker(layouts.config(LAYERS[:1]), ["a"], [], [("a", "b"), ("b", "./x/../0"), ("0", LAYERS[0])])) == [b"one"]
    with pytest.raises(ArchiveError, match=message):
        read(layouts.docker(layouts.config(LAYERS[:1]), ["a"], [], members))


def test_a_chain_of_links_is_followed_a_few_times_only(read):
    def chain(length):
        links = [(f"l{number}", f"l{number + 1}") for number in range(length)]
        return layouts.docker(layouts.config(LAYERS[:1]), ["l0"], [], [*links, (f"l{length}", LAYERS[0])])
    assert read(chain(7)) == [b"one"]
    with pytest.raises(ArchiveError, match="a link to a link, more than 8 times or in a circle"):
        read(chain(8))


@each("digest", [
    "sha256:../../../secret", "sha256:" + "0" * 63, "sha256:" + "A" * 64, "sha256:" + "0" * 60 + "/../", "md5:" + "0" * 32, "", ":",
    "sha256", None, 7, "sha256:" + "0" * 63 + "\n", "sha256:" + "\u0660" * 64, "sha512:" + "0" * 64, "../x:" + "0" * 64,
])
def test_a_digest_that_is_none_never_becomes_a_path(read, digest):
    images, manifest = good()
    with pytest.raises(ArchiveError, match="which is no digest|has no digest|the digest of its .* is no string"):
        read(images.index({**manifest, "digest": digest}))
    with pytest.raises(ArchiveError, match="which is no digest|has no digest|the digest of its .* is no string"):
        read(respelt(images, manifest, lambda document: document["layers"][1].update(digest=digest)))


@pytest.mark.parametrize("place", ["blob", "blobs", "index.json"])
def test_symbolic_links_in_a_layout_directory_are_not_followed(read, tmp_path, place):
    images, manifest = good()
    directory = images.write(tmp_path / "linked")
    path = directory / {"blob": images.path(manifest)}.get(place, place)
    path.rename(tmp_path / "moved")
    assert read(images)
    path.symlink_to(tmp_path / "moved")
    with pytest.raises(ArchiveError, match="is reached through a symbolic link, which is not followed"):
        read(directory)


@pytest.mark.parametrize("kind", ["fifo", "directory", "device"])
def test_what_is_no_regular_file_does_not_hang(read, tmp_path, kind):
    images, manifest = good()
    directory = images.write(tmp_path / "special")
    path = directory / images.path(manifest)
    path.unlink()
    {"fifo": os.mkfifo, "directory": os.mkdir, "device": lambda place: os.mknod(place, 0o20600, os.makedev(1, 5))}[kind](path)
    with pytest.raises(ArchiveError, match="is no regular file"):
        read(directory)


# --- documents ---


BROKEN = {
    "nothing": b"", "no JSON": b"{", "no UTF-8": b'{"manifests": ["\xff"]}', "a list": b"[]", "a number": b"1",
    "NaN": b'{"manifests": NaN}',
    "depth": b"[" * 90_000, "depth of objects": b'{"a":' * 90_000, "values": b'{"manifests": [' + b"{}," * 1_000_000 + b"{}]}",
    "digits": b'{"manifests": [' + b"9" * 3_000_000 + b"]}", "size": b" " * MAX_DOCUMENT + b"{}", "no manifests": b"{}",
    "manifests of text": b'{"manifests": "x"}', "manifests of numbers": b'{"manifests": [1]}', "null": b'{"manifests": null}',
    "both": b'{"manifests": [], "layers": []}', "many": json.dumps({"manifests": [{}] * 5000}).encode(),
}


@each("case", BROKEN)
def test_a_broken_document_ends_soon_with_one_error(read, case):
    images, manifest = good()
    assert read(images)
    for spoilt in ("index.json", "nested", "oci-layout", images.path(manifest)):
        images, manifest = good()
        started = time.monotonic()
        if spoilt == "nested":
            images.index(images.blob(BROKEN[case], INDEX))
        elif spoilt.startswith("blobs"):
            images.index(images.blob(BROKEN[case], MANIFEST))
        else:
            images.files[spoilt] = BROKEN[case]
        for image in (images, images.tar()):
            with pytest.raises(ArchiveError) as caught:
                read(image)
            assert len(str(caught.value)) < 1000
        assert time.monotonic() - started < 5


@each("change, message", [
    (lambda document: document.update(layers={}), "the layers of its manifest is no list"),
    (lambda document: document.pop("layers"), "has no layers"), (lambda document: document.pop("config"), "has no config"),
    (lambda document: document.update(config=[]), "the config of its manifest is no object"),
    (lambda document: document["layers"][0].update(size=-1), "declares a size of -1"),
    (lambda document: document["layers"][0].update(size=True), "the size of its layer 1 is no whole number"),
    (lambda document: document["layers"][0].update(size=1.5), "the size of its layer 1 is no whole number"),
    (lambda document: document["layers"][0].update(size=10 ** 18), "is damaged: .* bytes, not the 1000000000000000000"),
    (lambda document: document["layers"][0].update(mediaType=7), "the mediaType of its layer 1 is no string"),
    (lambda document: document["layers"][0].update(annotations=[]), "the annotations of its layer 1 is no object"),
    (lambda document: document["layers"][0].update(mediaType=LAYER + "+xz"), "of the type '.*xz', which is not supported"),
    (lambda document: document["layers"][0].update(mediaType=FOREIGN), "must come from elsewhere"),
    (lambda document: document["layers"][0].update(mediaType=LAYER.replace("layer", "layer.nondistributable")), "must come from elsewhere"),
    (lambda document: document["config"].update(mediaType="application/vnd.cncf.helm.config.v1+json"), "no container image, but something"),
    (lambda document: document.update(mediaType=INDEX), "is of the type .*index"),
    (lambda document: document.update(manifests=[]), "an index as well"),
    (lambda document: document.update(layers=document["layers"] * 501), "has 1002 layers"),
])
def test_a_manifest_with_something_wrong(read, change, message):
    images, manifest = good()
    assert read(respelt(images, manifest, lambda document: None)) == [b"one", b"two"]
    with pytest.raises(ArchiveError, match=message):
        read(respelt(images, manifest, change))


def test_a_document_takes_no_more_room_than_its_text_allows(read):
    images, _manifest = good()
    names = [{"Config": "c", "RepoTags": tags, "Layers": []} for tags in ("x", 7, {})]
    for wrong in names:
        with pytest.raises(ArchiveError):
            read(layouts.tar([("manifest.json", json.dumps([wrong, {**wrong, "Config": "d"}]).encode())]))
    deep: list = []
    for _depth in range(500):
        deep = [deep]
    with pytest.raises(ArchiveError, match="no image for linux/amd64"):
        read(images.index(images.image(LAYERS, platform={"os": deep, "architecture": deep, "variant": deep})))
    many = [{"Config": str(number), "RepoTags": ["\x1b" * 500], "Layers": []} for number in range(500)]
    with pytest.raises(ArchiveError, match="500 images.* and 490 more") as caught:
        read(layouts.tar([("manifest.json", json.dumps(many).encode())]))
    assert len(str(caught.value)) < 10_000 and "\x1b" not in str(caught.value)


def test_an_index_in_an_index_has_bounds(read):
    images = Images()
    nested = images.image(LAYERS, platform=AMD64)
    for _depth in range(4):
        nested = images.nested(nested)
    assert read(images.index(nested)) == [b"one", b"two"]
    with pytest.raises(ArchiveError, match="indexes in indexes, more than 4 deep"):
        read(images.index(images.nested(nested)))
    wide = images.image(LAYERS, platform=AMD64)
    for _depth in range(4):
        wide = images.nested(*[wide] * 6)
    assert read(images.index(wide)) == [b"one", b"two"]
    for _depth in range(4):
        wide = images.nested(*[wide] * 60)
    with pytest.raises(ArchiveError):
        read(images.index(wide))


def test_an_index_that_names_itself_is_damaged(read):
    images = Images()
    name = "sha256:" + "1" * 64
    document = layouts.to_json({"manifests": [{"mediaType": INDEX, "digest": name, "size": 200}]}).ljust(200)
    images.files["blobs/sha256/" + "1" * 64] = document
    with pytest.raises(ArchiveError, match="is damaged"):
        read(images.index({"mediaType": INDEX, "digest": name, "size": 200}))
    right = images.blob(b'{"manifests": []}', INDEX)
    with pytest.raises(ArchiveError, match="has no image"):
        read(images.index(right))


def test_a_wrong_layout_version_and_a_missing_index(read):
    images, _manifest = good()
    images.files["oci-layout"] = b'{"imageLayoutVersion": "1.7.0"}'
    assert read(images)
    images.files["oci-layout"] = b'{"imageLayoutVersion": "2.0.0"}'
    with pytest.raises(ArchiveError, match="of version 2.0.0"):
        read(images)
    del images.files["index.json"]
    images.files["oci-layout"] = b'{"imageLayoutVersion": "1.0.0"}'
    with pytest.raises(ArchiveError, match="layout without index.json"):
        read(images.tar())


# --- amounts ---


def test_limits_hold_over_all_layers_together(read):
    images, _manifest = good()
    assert read(images, Limits(max_bytes=6000, max_entries=2)) == [b"one", b"two"]
    for limits, option in ((Limits(max_bytes=5999), "max_bytes"), (Limits(max_entries=1), "max_entries")):
        with pytest.raises(ArchiveError) as caught:
            read(images, limits)
        assert caught.value.option == option and "in layer 2 of 2" in str(caught.value)


def test_a_bomb_in_a_layer_stops_at_the_limit(read):
    small = gzip.compress(Tar().file(b"zeros", bytes(50 << 20)).end())
    images, _manifest = good([small])
    assert len(small) < 100_000 and read(images) == [b"zeros"]
    with pytest.raises(ArchiveError, match="max_bytes"):
        read(images, Limits(max_bytes=1 << 20))
    images, _manifest = good([gzip.compress(bytes(50 << 20))])
    with pytest.raises(ArchiveError, match="zeros"):
        read(images, Limits(max_bytes=1 << 20))


def test_the_members_of_the_outer_tar_are_limited(read):
    images, _manifest = good()
    more = [(f"blobs/{number}", b"") for number in range(50)]
    assert read(images.tar(more), Limits(max_entries=60))
    with pytest.raises(AttributeError):  # None: no image, and whoever reads it as any other archive counts its entries
        read(images.tar(more), Limits(max_entries=20))


@pytest.mark.parametrize("form", ["oci", "docker", "docker old"])
def test_a_tar_that_is_cut_off_anywhere_is_an_error(read, form):
    whole = {"oci": good()[0].tar(), "docker": layouts.docker_modern(LAYERS), "docker old": layouts.docker_old(LAYERS)}[form]
    whole = whole.rstrip(b"\0") + bytes(1024)
    assert read(whole)
    for size in [*range(0, len(whole) - 1024, 257), len(whole) - 1024]:
        # None instead of a layout means no image: its caller reads that as any other archive, and finds that it is cut off.
        with pytest.raises((ArchiveError, AttributeError)):
            read(whole[:size])


def test_a_layout_whose_file_shrinks_is_an_error(read, tmp_path):
    images, manifest = good()
    directory = images.write(tmp_path / "shrinking")
    fd = os.open(directory, os.O_RDONLY)
    layout = oci.open_directory(fd, "x86_64")
    layer = json.loads(images.files[images.path(manifest)])["layers"][1]
    os.truncate(directory / images.path(layer), 1024)
    with pytest.raises(ArchiveError, match="its layer 2 is damaged: .* has 1024 bytes"):
        list(layout.entries(Limits(), Summary()))
    os.close(fd)
