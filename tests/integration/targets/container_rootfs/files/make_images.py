#!/usr/bin/env python
# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""make_images.py DIRECTORY: write one root file system in every kind of archive but cpio, of this machine's platform.

    layout/           an OCI image layout of two layers, for this platform and another one
    oci.tar.xz        the same as an archive
    docker.tar.gz     as docker save wrote it, compressed
    root.tar.bz2      a tar archive (pax), compressed
    two/              a layout with two images of different names, which is one too many

The tree: etc/greeting from the upper layer, etc/kept from the lower, no etc/removed (a whiteout), link -> etc/kept.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import pathlib
import sys
import tarfile

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"
LOWER = {"etc/": None, "etc/greeting": b"hello from below\n", "etc/kept": b"kept\n", "etc/removed": b"removed\n"}
UPPER = {"etc/greeting": b"hello\n", "etc/.wh.removed": b"", "link": "etc/kept"}
WHOLE = {"etc/": None, "etc/greeting": b"hello\n", "etc/kept": b"kept\n", "link": "etc/kept"}
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "i686": "386"}


def tar(content, mode="w"):
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode=mode, format=tarfile.PAX_FORMAT) as archive:
        for name, data in content.items():
            header = tarfile.TarInfo(name.rstrip("/"))
            header.mtime = 1_000_000_000.5  # which a pax header says
            if data is None:
                header.type, header.mode = tarfile.DIRTYPE, 0o755
            elif isinstance(data, str):
                header.type, header.linkname = tarfile.SYMTYPE, data
            else:
                header.size = len(data)
            archive.addfile(header, io.BytesIO(data) if isinstance(data, bytes) else None)
    return target.getvalue()


def digest(data):
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def to_json(value):
    return json.dumps(value, sort_keys=True).encode()


class Layout:
    def __init__(self):
        self.files = {"oci-layout": b'{"imageLayoutVersion": "1.0.0"}'}

    def blob(self, data, media_type, **more):
        self.files["blobs/" + digest(data).replace(":", "/")] = data
        return {"mediaType": media_type, "digest": digest(data), "size": len(data), **more}

    def image(self, architecture, layers):
        config = {"os": "linux", "architecture": architecture, "config": {},
                  "rootfs": {"type": "layers", "diff_ids": [digest(layer) for layer in layers]}}
        packed = [self.blob(gzip.compress(layer, mtime=0), LAYER + "+gzip") for layer in layers]
        manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "config": self.blob(to_json(config), CONFIG), "layers": packed}
        return self.blob(to_json(manifest), MANIFEST, platform={"os": "linux", "architecture": architecture})

    def finish(self, *images):
        self.files["index.json"] = to_json({"schemaVersion": 2, "manifests": images})
        return self.files


def write(directory, files):
    for name, data in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def named(image, name):
    return {**image, "annotations": {"org.opencontainers.image.ref.name": name}}


def docker(layers, architecture):
    rootfs = {"type": "layers", "diff_ids": [digest(layer) for layer in layers]}
    config = to_json({"os": "linux", "architecture": architecture, "rootfs": rootfs})
    names = [f"{hashlib.sha256(layer).hexdigest()}/layer.tar" for layer in layers]
    config_name = digest(config)[len("sha256:"):] + ".json"
    manifest = to_json([{"Config": config_name, "RepoTags": ["demo:latest"], "Layers": names}])
    return {config_name: config, **dict(zip(names, layers)), "manifest.json": manifest}


def main():
    directory = pathlib.Path(sys.argv[1])
    architecture = ARCHITECTURES.get(os.uname().machine, os.uname().machine)
    layers = [tar(LOWER), tar(UPPER)]
    layout = Layout()
    files = layout.finish(layout.image(architecture, layers), layout.image("s390x", layers[:1]))
    write(directory / "layout", files)
    (directory / "oci.tar.xz").write_bytes(tar(files, "w:xz"))
    (directory / "docker.tar.gz").write_bytes(gzip.compress(tar(docker(layers, architecture)), mtime=0))
    (directory / "root.tar.bz2").write_bytes(tar(WHOLE, "w:bz2"))
    two = Layout()
    write(directory / "two", two.finish(named(two.image(architecture, layers), "one"), named(two.image(architecture, layers[:1]), "other")))


main()
