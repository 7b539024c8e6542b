# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Archives of `docker save`, `podman save` and of tools that write the same: manifest.json names a config and layers by member names.

Since docker 25 they are an OCI layout as well, and then read as one. Sources: moby, image/tarexport; containers/image,
docker/internal/tarfile.
"""

from __future__ import annotations

import hashlib

from ...base import text
from ...base.errors import ArchiveError
from . import documents
from .documents import broken, field, mapping, optional, parse
from .layers import Layer

TYPE_CHECKING = False
if TYPE_CHECKING:
    import typing as t
    from collections.abc import Callable

    from .stores import Part, Store

MANIFEST = b"manifest.json"
_CONFIG = "config"
_MAX_SHOWN = 10


def is_manifest(value: t.Any) -> bool:
    """True for what looks like the manifest of such an archive, right or wrong inside: a root file system may have a manifest.json."""
    if not isinstance(value, list) or not value:
        return False
    return all(isinstance(item, dict) and "Config" in item and "Layers" in item for item in value)


def read(store: Store, images: list[dict]) -> tuple[str, list[Layer]]:
    """Return the digest of the one image (its ID: the sha256 of its config) and its layers, the lowest first.

    ArchiveError when there are several images, or when something of the one is missing.
    """
    image = _only(images)
    name = field(image, "Config", str, "manifest.json")
    data = _member(store, name, _CONFIG)
    digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
    named = _named(name)
    if named not in (None, digest):
        raise broken(f"its {_CONFIG} is damaged: the content has the digest {digest}, not {named}")
    return digest, _layers(store, field(image, "Layers", list, "manifest.json"), _diff_ids(data))


def _only(images: list[dict]) -> dict:
    configs = {field(image, "Config", str, "manifest.json"): image for image in images}
    if len(configs) == 1:
        return images[0]
    names = [_tags(image) or config for config, image in configs.items()]
    more = f"; and {len(names) - _MAX_SHOWN} more" if len(names) > _MAX_SHOWN else ""
    shown = "; ".join(text.visible(name[:200]) for name in names[:_MAX_SHOWN])
    raise ArchiveError(f"has {len(names)} images, and only one is possible: {shown}{more}", remedy="Save one image: docker save NAME")


def _tags(image: dict) -> str:
    tags = optional(image, "RepoTags", list, "manifest.json") or []
    return ", ".join(tag for tag in tags if isinstance(tag, str))


def _named(name: str) -> str | None:
    """Return the digest that the name of a member promises: HEX.json, sha256:HEX, blobs/sha256/HEX."""
    last = name.rpartition("/")[2]
    digits = last[:-len(".json")] if last.endswith(".json") else last
    digest = digits if digits.startswith("sha256:") else f"sha256:{digits}"
    try:
        return documents.check_digest(digest, _CONFIG)
    except ArchiveError:
        return None


def _member(store: Store, name: str, what: str) -> bytes:
    data = store.read(_stored(name))
    if data is None:
        raise _missing(name, what)
    return data


def _stored(name: str) -> bytes:
    """Return a name of manifest.json as the index of an archive has it. Whatever it is, it is looked up there and nowhere else."""
    return b"/".join(part for part in name.encode("utf-8", "replace").split(b"/") if part not in (b"", b"."))


def _missing(name: str, what: str) -> ArchiveError:
    return broken(f"its {what} is missing: the archive has no member '{text.visible(name[:200])}'")


def _diff_ids(config: bytes) -> list[str]:
    """Return the digests of the unpacked layers: through them the digest of the config covers all content. Docker has them since 1.10."""
    rootfs = field(mapping(parse(config, _CONFIG), _CONFIG), "rootfs", dict, _CONFIG)
    found = optional(rootfs, "diff_ids", list, _CONFIG) or []
    if not all(isinstance(digest, str) for digest in found):
        raise broken(f"its {_CONFIG} has a diff_id that is no string")
    return [documents.check_digest(digest, _CONFIG) for digest in found]


def _layers(store: Store, names: list, diff_ids: list[str]) -> list[Layer]:
    if len(diff_ids) != len(names):
        raise broken(f"its manifest.json has {len(names)} layers, and its {_CONFIG} {len(diff_ids)}")
    layers = []
    for number, (name, diff_id) in enumerate(zip(names, diff_ids), 1):
        if not isinstance(name, str):
            raise broken("its manifest.json has a layer whose name is no string")
        part = store.open(_stored(name))
        if part is None:
            raise _missing(name, f"layer {number}")
        layers.append(Layer(_opener(part), None, diff_id))
    return layers


def _opener(part: Part) -> Callable[[], Part]:
    return lambda: part
