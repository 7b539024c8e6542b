# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The image store as everybody may look at it: each archive is extracted once on a host, under its digest, and never written again.

    IMAGES/HEX/         0700, locked (flock) by whoever extracts or removes it
        tree            complete as soon as it has this name
        manifest        a line for each entry (work/manifest.py)
        image           what modules return of it, one JSON object
    IMAGES/.stamps/     work/stamps.py        IMAGES/.uses/     work/uses.py

The digest is that of the file, or that of the manifest for the directory of an OCI layout and for an archive of one that was sent as it.
Reads only; work/images.py fills it.
"""

from __future__ import annotations

import json
import os

from ..base import files, places, text
from ..base.errors import LauncherError

TREE, MANIFEST, INFO = "tree", "manifest", "image"
VERSION = 2  # of what is stored; an image of another version is extracted again
_INFO_LIMIT = 1 << 20
_FIGURES = ("format", "segments", "entries", "bytes", "depth", "skipped")


class Image:
    """An image of the store. `segments`: compression of each archive in the file; `bytes`: of all files; `skipped`: counts by kind.

    `tree`: path of the extracted tree, None for an image that was only looked at. `duration`: seconds that its extraction took, None
    when it was in the store before.
    """

    __slots__ = ("digest", "tree", "format", "segments", "entries", "bytes", "depth", "skipped", "duration")

    def __init__(self, digest: str, tree: str | None, values: dict, duration: float | None = None):
        self.digest = digest
        self.tree = tree
        self.duration = duration
        self.format = values["format"]
        self.segments = values["segments"]
        self.entries = values["entries"]
        self.bytes = values["bytes"]
        self.depth = values["depth"]
        self.skipped = values["skipped"]

    def as_dict(self) -> dict:
        """Return it as modules return it in `image`."""
        return {name: getattr(self, name) for name in ("digest", "format", "segments", "entries", "bytes", "skipped")}


class MissingImages(LauncherError):
    """The store lacks images whose archives lie on the controller. `needs_image` asks the action plugin for them."""

    def __init__(self, digests: list[str]):
        super().__init__(f"this host does not have the image {', '.join(digests)}",
                         remedy="Give the archive, or the path of one on the host with remote_src: true")
        self.needs_image = digests


def home(digest: str) -> str:
    """Path of the directory of an image, which the store need not have."""
    return f"{places.IMAGES}/{text.check_digest(digest, 'image')[len(text.DIGEST_PREFIX):]}"


def find(digest: str) -> Image | None:
    """Return the image of this digest, or None when the store has none."""
    where = home(digest)
    try:
        values = json.loads(files.read_limited(f"{where}/{INFO}", _INFO_LIMIT))
    except (FileNotFoundError, ValueError):
        return None
    if not isinstance(values, dict) or set(values) != {"version", *_FIGURES} or values["version"] != VERSION:
        return None
    return Image(digest, f"{where}/{TREE}", values) if os.path.isdir(f"{where}/{TREE}") else None


def manifest_path(digest: str) -> str:
    """Path of the manifest of an image that the store has."""
    return f"{home(digest)}/{MANIFEST}"


def images() -> list[Image]:
    """Return the complete images of the store, by digest."""
    found = [find(text.DIGEST_PREFIX + name) for name in sorted(names()) if text.is_digest(text.DIGEST_PREFIX + name)]
    return [image for image in found if image is not None]


def names() -> list[str]:
    """The names in the store, those of its own files among them."""
    try:
        return os.listdir(places.IMAGES)
    except FileNotFoundError:
        return []
