# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The JSON documents of a container image and the descriptors in them: hostile text -> checked values. Nothing is opened here.

OCI image-spec 1.1: descriptor.md, image-index.md, manifest.md; the docker types are those of distribution's manifest v2, schema 2.
"""

from __future__ import annotations

import hashlib
import json

from ...base import text
from ...base.errors import ArchiveError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import typing as t

MAX_DOCUMENT = 4 << 20  # bytes: what registries take, too (distribution-spec, "Pushing Manifests")
_MAX_VALUES = 100_000  # of one document: as objects of Python an empty list takes 30 times the room that it has in the text
_MAX_NUMBER = 19  # digits: int() takes quadratic time for millions of them

INDEXES = frozenset(("application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json"))
MANIFESTS = frozenset(("application/vnd.oci.image.manifest.v1+json", "application/vnd.docker.distribution.manifest.v2+json"))
CONFIGS = frozenset(("application/vnd.oci.image.config.v1+json", "application/vnd.docker.container.image.v1+json"))
LAYERS = frozenset(("application/vnd.oci.image.layer.v1.tar", "application/vnd.oci.image.layer.v1.tar+gzip",
                    "application/vnd.oci.image.layer.v1.tar+zstd", "application/vnd.docker.image.rootfs.diff.tar",
                    "application/vnd.docker.image.rootfs.diff.tar.gzip", "application/vnd.docker.image.rootfs.diff.tar.zstd"))

_DIGITS = {"sha256": 64, "sha512": 128}
_HEX = frozenset("0123456789abcdef")
_JSON = {str: "string", int: "whole number", list: "list", dict: "object"}
_COPY = "Copy the image again, or save it again"


class Descriptor:
    """What a document says of a blob. `platform`: as in the document, None where it says nothing. `annotations`: text to text.

    `artifact`: it says to be something else than an image.
    """

    __slots__ = ("media_type", "digest", "size", "platform", "annotations", "artifact")

    def __init__(self, media_type: str, digest: str, size: int, platform: dict | None, annotations: dict[str, str], artifact: bool):
        self.media_type = media_type
        self.digest = digest
        self.size = size
        self.platform = platform
        self.annotations = annotations
        self.artifact = artifact

    @property
    def path(self) -> bytes:
        """Where a layout has the blob. Made of the checked digest, of nothing else (image-layout.md)."""
        return b"blobs/" + self.digest.replace(":", "/").encode("ascii")


def broken(problem: str) -> ArchiveError:
    """Return the error for an image that is damaged or was never one."""
    return ArchiveError(problem, remedy=_COPY)


def parse(data: bytes, what: str) -> t.Any:
    """Return the JSON value in `data`. ArchiveError, naming `what`, for anything that is none or that JSON libraries disagree on."""
    if data.count(b",") + data.count(b"[") + data.count(b"{") > _MAX_VALUES:
        raise broken(f"its {what} has more than {_MAX_VALUES} values")
    try:
        return json.loads(data.decode("utf-8"), parse_int=_number, parse_constant=_no_number)
    except (ValueError, RecursionError, MemoryError) as error:
        raise broken(f"its {what} is no JSON document") from error


def _number(digits: str) -> int:
    if len(digits) > _MAX_NUMBER:
        raise ValueError("a number that is too long")
    return int(digits)


def _no_number(name: str) -> float:
    raise ValueError(f"{name} is no JSON")


def mapping(value: t.Any, what: str) -> dict:
    """Return `value`, which must be a JSON object."""
    if not isinstance(value, dict):
        raise broken(f"its {what} is no JSON object")
    return value


def field(document: dict, name: str, kind: type, what: str) -> t.Any:
    """Return document[name], which must be there and of exactly this JSON type."""
    value = document.get(name)
    if not isinstance(value, kind) or kind is int and isinstance(value, bool):  # True is an int, too
        raise broken(f"its {what} has no {name}" if value is None else f"the {name} of its {what} is no {_JSON[kind]}")
    return value


def optional(document: dict, name: str, kind: type, what: str) -> t.Any:
    """Return document[name] or None; `null` is as good as nothing, as Go writes it for empty lists and maps."""
    return None if document.get(name) is None else field(document, name, kind, what)


def check_digest(value: str, what: str) -> str:
    """Return `value` when it is a sha256 or sha512 digest, in lower case. Only such a value ever becomes a path."""
    algorithm, _colon, digits = value.partition(":")
    if len(digits) != _DIGITS.get(algorithm, -1) or not all(digit in _HEX for digit in digits):
        raise broken(f"its {what} names a blob by '{text.visible(value[:200])}', which is no digest of sha256 or sha512")
    return value


def hasher(digest: str) -> hashlib._Hash:
    """Return an empty hash of the algorithm of a checked digest."""
    return hashlib.new(digest.partition(":")[0])


def check_content(seen: hashlib._Hash, digest: str, what: str) -> None:
    """ArchiveError when the content that `seen` has seen is not what `digest` names."""
    found = f"{digest.partition(':')[0]}:{seen.hexdigest()}"
    if found != digest:
        raise broken(f"its {what} is damaged: the content has the digest {found}, not {digest}")


def descriptor(value: t.Any, what: str) -> Descriptor:
    """Return a descriptor of `what` in checked form."""
    document = mapping(value, what)
    digest = check_digest(field(document, "digest", str, what), what)
    size = field(document, "size", int, what)
    if size < 0:
        raise broken(f"its {what} declares a size of {size} bytes for {digest}")
    annotations = optional(document, "annotations", dict, what) or {}
    return Descriptor(optional(document, "mediaType", str, what) or "", digest, size, optional(document, "platform", dict, what),
                      {key: value for key, value in annotations.items() if isinstance(value, str)}, bool(document.get("artifactType")))
