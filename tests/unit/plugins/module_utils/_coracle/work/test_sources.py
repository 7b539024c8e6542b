# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import gzip
import hashlib
import os

import pytest

from ansible_collections.coracle.launcher.plugins.module_utils._coracle.base import places, text
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.base.errors import ArchiveError, LauncherError
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.formats.limits import Limits
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.work import archives, images, sources, stamps, store, unpack
from ansible_collections.coracle.launcher.tests.unit import layouts
from ansible_collections.coracle.launcher.tests.unit.archives import Archive

assert unpack  # loaded here, it is there in every child that extracts
pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="sets owners: needs root")
DATA = gzip.compress(Archive().file(b"a", b"hello").end(), mtime=0)
OTHER = "sha256:" + "0" * 64
URL = "https://images.example.org/root.img"
LAYERS = [layouts.tar([("etc", None), ("etc/one", b"1"), ("etc/two", b"2")]), layouts.tar([("etc/.wh.one", b""), ("etc/three", b"3")])]


def digest(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


DIGEST = digest(DATA)


@pytest.fixture
def host(image_store, monkeypatch):
    monkeypatch.setattr(sources, "_fetch", None)
    (image_store / "file").write_bytes(DATA)
    return image_store


@pytest.fixture
def layout(host):
    """(path of a layout directory, digest of its manifest, the same as a tar)."""
    made = layouts.Images()
    manifest = made.image(LAYERS, platform={"os": "linux", "architecture": {"x86_64": "amd64", "aarch64": "arm64"}[os.uname().machine]})
    made.index(manifest)
    return str(made.write(host / "layout")), manifest["digest"], made.tar()


def nothing_left():
    """True when the store has nothing but what it keeps of purpose."""
    return all(text.is_digest(text.DIGEST_PREFIX + name) or name in (".stamps", ".uses") for name in os.listdir(places.IMAGES))


def bring(*named):
    """All that a task does which succeeds."""
    source = sources.resolve(*named)
    sources.bring(source)
    sources.remember(source)


# --- what may be named


def test_a_file(host):
    source = sources.resolve(f"{host}/file")
    assert (source.kind, source.digest, source.archive) == (sources.FILE, DIGEST, f"{host}/file")
    assert not os.path.exists(places.IMAGES)
    assert sources.bring(source).digest == DIGEST and os.path.isfile(f"{store.find(DIGEST).tree}/a")


def test_a_file_that_is_known_is_not_read(host, monkeypatch):
    bring(f"{host}/file")
    monkeypatch.setattr(archives, "open_archive", lambda *_arguments: pytest.fail("was opened"))
    source = sources.resolve(f"{host}/file")
    assert source.digest == DIGEST and sources.bring(source).duration is None


def test_what_was_sent_is_not_remembered(host):
    path = host / "ansible-tmp-17" / "file"
    path.parent.mkdir()
    path.write_bytes(DATA)
    bring(str(path), DIGEST)
    assert not os.path.exists(f"{places.IMAGES}/.stamps")
    bring(f"{host}/file", DIGEST)
    assert len(os.listdir(f"{places.IMAGES}/.stamps")) == 1


def test_a_digest(host):
    with pytest.raises(store.MissingImages) as caught:
        sources.resolve(DIGEST)
    assert caught.value.needs_image == [DIGEST]
    source = sources.resolve(DIGEST, DIGEST)  # its archive is on the controller
    assert (source.kind, source.archive) == (sources.DIGEST, None)
    with pytest.raises(store.MissingImages):
        sources.bring(source)
    images.ensure_image(f"{host}/file")
    assert sources.bring(sources.resolve(DIGEST)).digest == DIGEST


@pytest.mark.parametrize("value, checksum, says", [
    ("relative", None, "is neither an absolute path"),
    ("", None, "is neither an absolute path"),
    ("ftp://example.org/x", OTHER, "is neither an absolute path"),
    ("file:///etc/passwd", OTHER, "is neither an absolute path"),
    ("/a\nb", None, "is neither an absolute path"),
    ("sha256:12", None, "is not a digest"),
    (URL, None, "needs the checksum"),
    (URL, "md5:12", "checksum='md5:12': is not a digest"),
    (DIGEST, OTHER, "is not the digest of"),
    ("/nowhere/at/all", None, "cannot be read: No such file"),
    ("/dev/zero", None, "is no regular file, but a character device"),
    ("/proc", None, "a directory, and no OCI layout"),
])
def test_what_cannot_be_is_one_clear_message(host, value, checksum, says):
    with pytest.raises(LauncherError, match=says) as caught:
        sources.resolve(value, checksum)
    assert caught.value.option in ("src", "checksum") and not os.path.exists(places.IMAGES)


@pytest.mark.parametrize("kind", ["fifo", "directory", "socket", "loop"])
def test_B39_a_path_that_is_no_archive(host, kind):
    path = f"{host}/it"
    make = {"fifo": os.mkfifo, "directory": os.mkdir, "loop": lambda name: os.symlink(name, name),
            "socket": lambda name: os.mknod(name, 0o140600)}[kind]
    make(path)
    with pytest.raises(LauncherError, match="is no regular file, but a|cannot be read: Too many levels"):
        sources.resolve(path)
    with pytest.raises(LauncherError):
        sources.check(path, "image")
    sources.check(f"{host}/file", "image")


def test_another_file_than_the_checksum_says(host):
    with pytest.raises(LauncherError, match=f"checksum='{OTHER}': is not the digest of {host}/file, which is {DIGEST}"):
        sources.resolve(f"{host}/file", OTHER)
    assert sources.resolve(f"{host}/file", DIGEST).digest == DIGEST


def test_a_file_that_changes_while_it_is_read(host, monkeypatch):
    pread = os.pread

    def grow(fd, size, offset):
        with open(f"{host}/file", "ab") as file:
            file.write(b"x" * 1000)
        return pread(fd, size, offset)

    monkeypatch.setattr(os, "pread", grow)
    with pytest.raises(LauncherError, match="changes while it is read"):
        sources.resolve(f"{host}/file")
    monkeypatch.undo()


def test_a_store_that_cannot_be_written_any_more_is_no_error_at_the_end(host, monkeypatch):
    source = sources.resolve(f"{host}/file")
    write = stamps.files.write_whole

    def refuse(directory, name, *arguments, **more):
        if os.readlink(f"/proc/self/fd/{directory}").endswith(".stamps"):
            raise OSError(28, "No space left on device")
        write(directory, name, *arguments, **more)

    monkeypatch.setattr(stamps.files, "write_whole", refuse)
    assert sources.bring(source).digest == DIGEST and stamps.known(f"{host}/file") is None
    monkeypatch.undo()


# --- OCI layouts


def test_a_layout_directory_is_named_by_its_manifest(host, layout):
    path, manifest, _tar = layout
    source = sources.resolve(path)
    assert (source.kind, source.digest) == (sources.LAYOUT, manifest)
    assert not os.path.exists(places.IMAGES)
    looked = images.inspect(path)
    image = sources.bring(source)
    assert (image.digest, image.format) == (manifest, "oci") == (looked.digest, looked.format)
    assert sorted(os.listdir(f"{image.tree}/etc")) == ["three", "two"]
    assert sources.resolve(path, manifest).digest == manifest
    with pytest.raises(LauncherError, match="is not the digest of"):
        sources.resolve(path, OTHER)


def test_a_layout_that_is_known_is_not_read(host, layout, monkeypatch):
    bring(layout[0])
    monkeypatch.setattr(images, "_fenced", lambda *_arguments: pytest.fail("was read"))
    assert sources.resolve(layout[0]).digest == layout[1]
    monkeypatch.undo()
    monkeypatch.setattr(places, "IMAGES", f"{host}/images")
    os.utime(f"{layout[0]}/index.json", (1, 1))
    assert stamps.known(layout[0]) is None


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_an_archive_of_a_layout_is_named_by_its_own_digest_or_its_manifest(host, layout, pack):
    _path, manifest, plain = layout
    data = pack(plain)
    (host / "tar").write_bytes(data)
    source = sources.resolve(f"{host}/tar")
    assert (source.kind, source.digest) == (sources.FILE, digest(data))
    one = sources.bring(source)
    assert (one.digest, one.format, sorted(os.listdir(f"{one.tree}/etc"))) == (digest(data), "oci", ["three", "two"])
    other = sources.bring(sources.resolve(f"{host}/tar", manifest))  # so a layout of the controller is sent
    assert (other.digest, sorted(os.listdir(f"{other.tree}/etc"))) == (manifest, ["three", "two"])
    with pytest.raises(LauncherError, match="is not the digest of"):
        sources.resolve(f"{host}/tar", OTHER)
    with pytest.raises(LauncherError, match="has the digest"):
        images.ensure_image(f"{host}/tar", OTHER)
    assert nothing_left() and len(store.images()) == 2


def test_a_docker_archive(host):
    (host / "docker").write_bytes(layouts.docker_modern(LAYERS))
    image = sources.bring(sources.resolve(f"{host}/docker"))
    assert (image.format, sorted(os.listdir(f"{image.tree}/etc"))) == ("docker", ["three", "two"])


def test_a_layer_that_is_another_than_its_digest_says(host, layout):
    path, manifest, _tar = layout
    blobs = f"{path}/blobs/sha256"
    largest = max(os.listdir(blobs), key=lambda name: os.path.getsize(f"{blobs}/{name}"))
    with open(f"{blobs}/{largest}", "r+b") as file:
        file.seek(600)
        file.write(b"!")
    with pytest.raises(ArchiveError):
        sources.bring(sources.resolve(path))
    assert store.find(manifest) is None and nothing_left()


def test_a_root_file_system_with_the_names_of_a_layout_is_none(host):
    (host / "tar").write_bytes(layouts.tar([("blobs", None), ("blobs/file", b"x"), ("etc", None)]))
    image = sources.bring(sources.resolve(f"{host}/tar"))
    assert sorted(os.listdir(image.tree)) == ["blobs", "etc"] and image.format not in ("oci", "docker")


def test_B24_a_compressed_layout_that_unpacks_to_too_much(host, layout, monkeypatch):
    monkeypatch.setattr(unpack.confine, "SPILL_EXTRA", 0)
    (host / "tar").write_bytes(gzip.compress(layout[2]))
    with pytest.raises(ArchiveError, match="max_bytes=1000"):
        images.ensure_image(f"{host}/tar", limits=Limits(max_bytes=1000))
    assert images.ensure_image(f"{host}/tar", limits=Limits(max_bytes=1 << 20)).entries


# --- URLs


def fetcher(data, calls, error=None):
    def fetch(url, fd, max_bytes):
        calls.append((url, max_bytes))
        os.write(fd, data)
        if error:
            raise error

    return fetch


def test_a_url_is_fetched_once(host):
    calls = []
    sources.use_fetcher(fetcher(DATA, calls))
    source = sources.resolve(URL, DIGEST)
    assert (source.kind, source.digest, source.archive, calls) == (sources.URL, DIGEST, None, [])
    image = sources.bring(source, Limits(max_bytes=1000))
    assert image.digest == DIGEST and calls == [(URL, 1000 + sources._DOWNLOAD_EXTRA)]
    assert sources.bring(sources.resolve(URL, DIGEST)).duration is None and len(calls) == 1
    assert nothing_left() and os.listdir(places.IMAGES) == [DIGEST[7:]]


def test_a_url_that_gives_something_else_is_not_unpacked(host, monkeypatch):
    sources.use_fetcher(fetcher(b"something else", []))
    monkeypatch.setattr(images, "_fenced", lambda *_arguments, **_more: pytest.fail("was read"))
    with pytest.raises(LauncherError, match=f"checksum='{DIGEST}': is not the digest of what {URL} gives"):
        sources.bring(sources.resolve(URL, DIGEST))
    assert os.listdir(places.IMAGES) == []


def test_a_url_that_cannot_be_fetched_leaves_nothing(host):
    sources.use_fetcher(fetcher(b"half", [], LauncherError("cannot be had")))
    with pytest.raises(LauncherError, match="cannot be had"):
        sources.bring(sources.resolve(URL, DIGEST))
    assert os.listdir(places.IMAGES) == []


def test_a_broken_archive_from_a_url_is_named_without_its_password(host):
    data = DATA[:-9]
    sources.use_fetcher(fetcher(data, []))
    with pytest.raises(ArchiveError) as caught:
        sources.bring(sources.resolve("https://me:s3cr3t@example.org/root.img?token=1", digest(data)))
    assert caught.value.option == "src" and "https://example.org/root.img" in str(caught.value) and "s3cr3t" not in str(caught.value)
    assert os.listdir(places.IMAGES) == []


def test_without_a_fetcher_a_url_is_an_error(host):
    with pytest.raises(LauncherError, match="cannot be fetched here"):
        sources.bring(sources.resolve(URL, DIGEST))


@pytest.fixture
def no_nameless_files(monkeypatch):
    real = os.open

    def refuse(path, flags, *arguments, **more):
        if flags & os.O_TMPFILE == os.O_TMPFILE:
            raise OSError(95, "Operation not supported")
        return real(path, flags, *arguments, **more)

    monkeypatch.setattr(os, "open", refuse)


def test_scratch_files_work_where_the_file_system_has_no_nameless_ones(host, no_nameless_files):  # pylint: disable=unused-argument
    sources.use_fetcher(fetcher(DATA, []))
    assert sources.bring(sources.resolve(URL, DIGEST)).digest == DIGEST
    assert os.listdir(places.IMAGES) == [DIGEST[7:]] and sorted(os.listdir(f"{places.IMAGES}/{DIGEST[7:]}")) == ["image", "manifest", "tree"]
