# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writers of container images for tests: OCI layouts, and archives of docker save. They write what they are told, right or wrong.

    layout = Images()
    layout.index(layout.image([layer], platform=AMD64, name="one"))      # image() and nested() return descriptors
    layout.write(directory); layout.tar()                                 # below a directory; bytes of a plain tar
    docker_modern([layer], ...), docker_old([layer, layer], ...)          # bytes of a plain tar
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile

INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"
DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar"
NAME = "org.opencontainers.image.ref.name"
AMD64 = {"os": "linux", "architecture": "amd64"}
ARM64 = {"os": "linux", "architecture": "arm64"}


def digest(data, algorithm="sha256"):
    return f"{algorithm}:{hashlib.new(algorithm, data).hexdigest()}"


def to_json(value):
    return value if isinstance(value, bytes) else json.dumps(value).encode()


def config(layers, architecture="amd64"):
    """Return the config of an image with these plain layers."""
    rootfs = {"type": "layers", "diff_ids": [digest(data) for data in layers]}
    return {"os": "linux", "architecture": architecture, "config": {}, "rootfs": rootfs}


def tar(members):
    """Return a plain tar. `members`: pairs of a name and bytes, a text (a symbolic link to that) or None (a directory)."""
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, content in members:
            header = tarfile.TarInfo(name)
            if content is None:
                header.type, header.mode = tarfile.DIRTYPE, 0o755
            elif isinstance(content, str):
                header.type, header.linkname = tarfile.SYMTYPE, content
            else:
                header.size = len(content)
            archive.addfile(header, io.BytesIO(content) if isinstance(content, bytes) else None)
    return target.getvalue()


class Images:
    """A layout in the making. `files`: {name: bytes}, free to be spoilt."""

    def __init__(self, algorithm="sha256"):
        self.algorithm = algorithm
        self.files = {"oci-layout": b'{"imageLayoutVersion": "1.0.0"}'}

    def blob(self, content, media_type, **more):
        """Store a blob (bytes, or a value as JSON) and return its descriptor."""
        data = to_json(content)
        name = digest(data, self.algorithm)
        self.files["blobs/" + name.replace(":", "/")] = data
        return {"mediaType": media_type, "digest": name, "size": len(data), **more}

    def image(self, layers, platform=None, name=None, pack=None, media_type=LAYER, **more):
        """Store an image of plain tars, return the descriptor of its manifest. `pack`: bytes -> bytes. `more`: fields of the manifest."""
        packed = [data if pack is None else pack(data) for data in layers]
        manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "config": self.blob(config(layers), CONFIG),
                    "layers": [self.blob(data, media_type + ("+gzip" if pack is gzip.compress else "")) for data in packed], **more}
        return self.blob(manifest, MANIFEST, **self.described(platform, name))

    def nested(self, *descriptors, platform=None, name=None):
        """Store an index and return its descriptor."""
        return self.blob({"schemaVersion": 2, "mediaType": INDEX, "manifests": list(descriptors)}, INDEX, **self.described(platform, name))

    @staticmethod
    def described(platform, name):
        return {**({"platform": platform} if platform else {}), **({"annotations": {NAME: name}} if name else {})}

    def index(self, *descriptors):
        """Write index.json, and return the layout."""
        self.files["index.json"] = to_json({"schemaVersion": 2, "manifests": list(descriptors)})
        return self

    def path(self, descriptor):
        return "blobs/" + descriptor["digest"].replace(":", "/")

    def write(self, directory):
        directory.mkdir(parents=True, exist_ok=True)
        for name, data in self.files.items():
            target = directory / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
        return directory

    def tar(self, more=()):
        return tar([*self.files.items(), *more])


def docker_modern(layers, names=("one:latest",), pack=None):
    """Return what docker save writes since 25 but for its OCI half, and what crane writes: content under names made of digests."""
    packed = [data if pack is None else pack(data) for data in layers]
    blobs = {f"blobs/sha256/{hashlib.sha256(data).hexdigest()}": data for data in packed}
    return docker(config(layers), list(blobs), names, list(blobs.items()))


def docker_old(layers, names=("one:latest",)):
    """Return what docker save wrote from 1.10 to 24: a directory for each layer, and a link for a layer that was there before."""
    members, paths, first = [], [], {}
    for number, data in enumerate(layers):
        home = hashlib.sha256(b"%d" % number).hexdigest()
        members += [(f"{home}/", None), (f"{home}/VERSION", b"1.0"), (f"{home}/json", b"{}")]
        members.append((f"{home}/layer.tar", f"../{first[data]}/layer.tar" if data in first else data))
        paths.append(f"{home}/layer.tar")
        first.setdefault(data, home)
    return docker(config(layers), paths, names, members, [("repositories", b"{}")])


def docker_crane(layers, names=("one:latest",)):
    """Return what crane and kaniko write: packed layers, and a config that has its digest as its name."""
    members = [(f"{hashlib.sha256(data).hexdigest()}.tar.gz", gzip.compress(data)) for data in layers]
    return docker(config(layers), [name for name, _data in members], names, members, config_name="sha256:{}")


def docker(document, paths, names, members, last=(), config_name="{}.json"):
    """Return an archive of docker save. `document`: its config; `paths`: what manifest.json names as layers."""
    data = to_json(document)
    name = config_name.format(hashlib.sha256(data).hexdigest())
    manifest = [{"Config": name, "RepoTags": list(names), "Layers": paths}]
    return tar([*members, (name, data), ("manifest.json", to_json(manifest)), *last])
