# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Container images that lie in files: OCI layout directories, the same in a tar (OCI archive), archives of docker save.

The parts: layout/stores.py (where files lie), documents.py (JSON and descriptors), platforms.py and choice.py (which image), docker.py,
layers.py (entries, whiteouts, digests), sending.py (a directory as one tar).
"""

from __future__ import annotations

import hashlib
import os

from ..base import text
from ..base.errors import ArchiveError
from . import tar, tar_members
from .entries import Entry, Summary
from .layout import choice, docker, layers, sending
from .layout.documents import CONFIGS, LAYERS, Descriptor, broken, descriptor, field, mapping, parse
from .layout.stores import DirectoryStore, TarStore
from .limits import Limits

TYPE_CHECKING = False
if TYPE_CHECKING:
    import typing as t
    from collections.abc import Callable, Iterator

    from .layout.stores import Part, Store

_MARK = b"oci-layout"
_INDEX = b"index.json"
_MAX_LAYERS = 1000  # overlayfs takes 500, docker 127
_MAX_MEMBERS = 50_000  # of an archive: docker's old ones have three for each layer
_HEX = frozenset(b"0123456789abcdef")
_TOP = frozenset((b"blobs", _MARK, _INDEX, docker.MANIFEST, b"repositories"))


class Layout:
    """One image. `format`: "oci" or "docker". `files`: names of all that it needs of a layout, sorted; none for docker.

    `digest`: sha256 of the manifest (oci), or of the config (docker), which is what docker calls the image's ID. It covers all content.
    """

    __slots__ = ("format", "digest", "files", "_layers")

    def __init__(self, format_name: str, digest: str, names: list[str], found: list[layers.Layer]):
        self.format = format_name
        self.digest = digest
        self.files = names
        self._layers = found

    def entries(self, limits: Limits, summary: Summary) -> Iterator[Entry]:
        """Return the entries of all layers, the lowest first; `summary.format` becomes that of the image.

        The descriptor that the image was opened with must stay open meanwhile. ArchiveError for a layer that is broken, too large or not
        what its digest says, which shows at its end: what was made of the entries before must be thrown away.
        """
        summary.format = self.format
        return layers.entries(self._layers, limits, summary)


def looks_like(name: bytes) -> bool:
    """True for a name that the first member of a container image in a tar may have; b"./" is none (see begins_like)."""
    first = name[2 * name.startswith(b"./"):].partition(b"/")[0]
    digits = first[len(b"sha256:") * first.startswith(b"sha256:"):]
    is_digest = len(digits) >= 64 and all(digit in _HEX for digit in digits[:64])
    return first in _TOP or (is_digest and digits[64:] in (b"", b".json", b".tar", b".tar.gz"))


def begins_like(head: bytes) -> bool:
    """True when a tar that begins with `head` (64 KiB are plenty) may be a container image: its first member but for "./" looks_like()."""
    try:
        for member in tar_members.members(_Head(head), Limits()):
            if member.place.name.strip(b"./"):
                return looks_like(member.place.name)
            if member.stored:
                return False
    except ArchiveError:
        pass  # no tar, or one that its reader will complain of
    return False


class _Head:
    """The first bytes of an archive, for tar_members.members()."""

    def __init__(self, head: bytes):
        self._head = head
        self.position = 0

    def exactly(self, size: int) -> bytes:
        data = self._head[self.position:self.position + size]
        self.position += len(data)
        return data


def open_directory(path_fd: int, machine: str | None = None) -> Layout | None:
    """Return the image in the layout directory `path_fd`, or None when it is no layout. Only documents are read yet.

    `machine`: as uname -m says, that of this host when None. ArchiveError when the layout is broken, or has no image for the machine, or
    several. That all its files are there in their declared sizes is sure when this returns.
    """
    store = DirectoryStore(path_fd)
    index = _index(store)
    return None if index is None else _open_oci(store, index, machine)


def open_tar(fd: int, limits: Limits, machine: str | None = None) -> Layout | None:
    """Return the image in the plain tar `fd` (a regular file), or None when it is none: a root file system may have such names.

    Otherwise as open_directory(). What is an OCI layout and an archive of docker save in one is read as the former.
    """
    try:
        members = tar.index(fd, Limits(limits.max_bytes, min(limits.max_entries, _MAX_MEMBERS), limits.max_depth))
    except ArchiveError as error:
        if error.option == "max_entries":  # too many for an image, maybe not for a root file system
            return None
        raise
    store = TarStore(fd, members, limits)
    try:
        index = _index(store)
        images = None if index is not None else _images(store)
    except ArchiveError:
        if all(looks_like(name) for name in members):
            raise
        return None
    if index is not None:
        return _open_oci(store, index, machine)
    if images is not None:
        digest, found = docker.read(store, images)
        return Layout("docker", digest, [], found)
    if b"repositories" in members and all(looks_like(name) for name in members):
        raise ArchiveError("is an archive of docker before 1.10, which has no manifest.json", remedy="Load and save it with a newer docker")
    return None


def _index(store: Store) -> dict | None:
    """Return index.json of a layout, None where the mark of a layout is missing."""
    mark = store.read(_MARK)
    if mark is None:
        return None
    name = _MARK.decode()
    version = field(mapping(parse(mark, name), name), "imageLayoutVersion", str, name)
    if not version.startswith("1."):
        raise ArchiveError(f"is an OCI layout of version {text.visible(version[:100])}; 1.0.0 is known")
    index = store.read(_INDEX)
    name = _INDEX.decode()
    if index is None:
        raise broken(f"is an OCI layout without {name}")
    return mapping(parse(index, name), name)


def _images(store: Store) -> list[dict] | None:
    """Return manifest.json of docker save, None where there is none, or another program's."""
    data = store.read(docker.MANIFEST)
    images = None if data is None else parse(data, docker.MANIFEST.decode())
    return images if docker.is_manifest(images) else None


def _open_oci(store: Store, index: dict, machine: str | None) -> Layout:
    chosen, data, indexes = choice.choose(store, index, machine or os.uname().machine)
    manifest = choice.read_manifest(data, chosen)
    what = "manifest"
    config = descriptor(field(manifest, "config", dict, what), "config")
    if config.media_type not in CONFIGS:
        raise ArchiveError(f"is no container image, but something of the type {text.visible(config.media_type[:200])}")
    found = [_layer(value, number) for number, value in enumerate(field(manifest, "layers", list, what), 1)]
    if len(found) > _MAX_LAYERS:
        raise broken(f"has {len(found)} layers; {_MAX_LAYERS} are possible")
    store.document(config, "config")  # nothing of it is used, but the digest of the image speaks for it
    for number, blob in enumerate(found, 1):
        with store.blob(blob, f"layer {number}"):
            pass
    blobs = {blob.path.decode() for blob in (*indexes, chosen, config, *found)}
    return Layout("oci", f"sha256:{hashlib.sha256(data).hexdigest()}", sorted(blobs | {_MARK.decode(), _INDEX.decode()}),
                  [layers.Layer(_opener(store, blob, f"layer {number}"), blob.digest, None) for number, blob in enumerate(found, 1)])


def _layer(value: t.Any, number: int) -> Descriptor:
    found = descriptor(value, f"layer {number}")
    if found.media_type in LAYERS:
        return found
    shown = text.visible(found.media_type[:200])
    if "foreign" in found.media_type or "nondistributable" in found.media_type:
        raise ArchiveError(f"has a layer {number} that must come from elsewhere ({shown}), as images of Windows have")
    raise ArchiveError(f"has a layer {number} of the type '{shown}', which is not supported")


def _opener(store: Store, blob: Descriptor, what: str) -> Callable[[], Part]:
    return lambda: store.blob(blob, what)


# --- from the controller to a host ---


def files_needed(path_fd: int, machine: str | None = None) -> list[str]:
    """Return the names of the files of a layout directory that the image for `machine` needs, sorted. ArchiveError as open_directory()."""
    return _image_of(path_fd, machine).files


def write_archive(path_fd: int, target: t.IO[bytes], machine: str | None = None) -> str:
    """Write the image for `machine` (uname -m of the host) in a layout directory to `target`, as a plain tar. Return its digest.

    The way of an action plugin: open_directory(fd, machine).digest names the image to the host. When its store lacks that, the tar that
    this writes is sent, and open_tar() of it there has the same digest, because all documents travel as they are.
    The tar depends on nothing but names and contents: sorted, uid, gid and mtime 0, mode 0644. It has 512 bytes for each of files_needed()
    and the size of each rounded up to 512, 1024 bytes more, and all that rounded up to 10240.
    """
    image = _image_of(path_fd, machine)
    sending.write(DirectoryStore(path_fd), image.files, target)
    return image.digest


def _image_of(path_fd: int, machine: str | None) -> Layout:
    image = open_directory(path_fd, machine)
    if image is None:
        raise ArchiveError(f"is no OCI layout: it has no file {_MARK.decode()}", remedy="Give the directory that skopeo copy or umoci made")
    return image
