# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one manifest of an index that suits this machine. An index may hold indexes, and manifests that are no images."""

from __future__ import annotations

from ...base import text
from ...base.errors import ArchiveError
from . import platforms
from .documents import INDEXES, MANIFESTS, Descriptor, broken, descriptor, field, mapping, optional, parse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from .stores import Store

_MAX_DEPTH = 4  # indexes in indexes; tools make two
_MAX_DESCRIPTORS = 2000  # in all indexes together, each index counted as often as it is named
_MAX_SHOWN = 10
_NAMES = ("io.containerd.image.name", "org.opencontainers.image.ref.name")
_ATTESTATION = "vnd.docker.reference.type"  # buildkit's provenance and SBOM stand in the index as if they were images


class _Candidate:
    """A manifest. `indexes`: the blobs of the indexes that lead to it. `platform`: None where no index says one."""

    __slots__ = ("descriptor", "name", "platform", "indexes")

    def __init__(self, found: Descriptor, name: str, platform: dict | None, indexes: tuple[Descriptor, ...]):
        self.descriptor = found
        self.name = name
        self.platform = platform
        self.indexes = indexes


def choose(store: Store, index: dict, machine: str) -> tuple[Descriptor, bytes, tuple[Descriptor, ...]]:
    """Return the manifest for `machine` in `index`: its descriptor, its content, and the indexes passed on the way.

    ArchiveError that lists what there is when nothing suits, or when there are several images.
    """
    candidates = list(_Walk(store).candidates(index, "index.json", "", None, ()))
    fitting = _fitting(candidates, machine)
    if not fitting:
        raise _nothing(candidates, machine)
    if len(fitting) > 1:
        raise _several(fitting)
    chosen = next(iter(fitting.values()))
    return chosen.descriptor, store.document(chosen.descriptor, "manifest"), chosen.indexes


def read_manifest(data: bytes, found: Descriptor) -> dict:
    """Return the manifest in the content of `found`."""
    what = "manifest"
    document = mapping(parse(data, what), what)
    _check_type(document, found, what)
    if "manifests" in document:  # one document that is both an index and a manifest means two images (CVE-2021-41190)
        raise broken(f"its {what} {found.digest} is an index as well")
    return document


def _fitting(candidates: list[_Candidate], machine: str) -> dict[str, _Candidate]:
    """Return the best manifest of each image by its digest; those that name no platform are taken as they are."""
    by_name: dict[str, list[tuple[int, _Candidate]]] = {}
    for candidate in candidates:
        place = -1 if candidate.platform is None else platforms.rank(candidate.platform, machine)
        if place is not None:
            by_name.setdefault(candidate.name, []).append((place, candidate))
    fitting = {}
    for ranked in by_name.values():
        with_platform = [place for place, candidate in ranked if place >= 0]
        best = min(with_platform, default=-1)
        fitting.update({candidate.descriptor.digest: candidate for place, candidate in ranked if place == best})
    return fitting


class _Walk:
    def __init__(self, store: Store):
        self._store = store
        self._left = _MAX_DESCRIPTORS

    def candidates(self, index: dict, what: str, name: str, platform: dict | None, above: tuple[Descriptor, ...]) -> Iterator[_Candidate]:
        """Return the manifests of images below `index`. `name`, `platform`: what the index above says of this one."""
        if "layers" in index:
            raise broken(f"its {what} is a manifest as well")
        for value in field(index, "manifests", list, what):
            self._left -= 1
            if self._left < 0:
                raise broken(f"has more than {_MAX_DESCRIPTORS} manifests")
            found = descriptor(value, f"entry of {what}")
            own_platform = found.platform if found.platform is not None else platform
            own_name = next((found.annotations[key] for key in _NAMES if found.annotations.get(key)), name)
            if found.media_type in INDEXES:
                yield from self._nested(found, own_name, own_platform, above)
            elif found.media_type in MANIFESTS and _is_image(found):
                yield _Candidate(found, own_name, own_platform, above)

    def _nested(self, found: Descriptor, name: str, platform: dict | None, above: tuple[Descriptor, ...]) -> Iterator[_Candidate]:
        if len(above) >= _MAX_DEPTH:
            raise broken(f"has indexes in indexes, more than {_MAX_DEPTH} deep")
        what = f"index {found.digest}"
        document = mapping(parse(self._store.document(found, what), what), what)
        _check_type(document, found, what)
        yield from self.candidates(document, what, name, platform, (*above, found))


def _check_type(document: dict, found: Descriptor, what: str) -> None:
    """A document says what it is, and its descriptor must say the same."""
    own = optional(document, "mediaType", str, what)
    if own not in (None, found.media_type):
        raise broken(f"its {what} is of the type {text.visible(own[:200])}, not {found.media_type}")


def _is_image(found: Descriptor) -> bool:
    platform = found.platform or {}
    return not (found.artifact or _ATTESTATION in found.annotations or platform.get("architecture") == platform.get("os") == "unknown")


def _list(values: list[str]) -> str:
    shown = [text.visible(value[:200]) for value in sorted(set(values))]
    more = len(shown) - _MAX_SHOWN
    return ", ".join(shown[:_MAX_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _nothing(candidates: list[_Candidate], machine: str) -> ArchiveError:
    if not candidates:
        return ArchiveError("has no image, only an empty index or things that are no images",
                            remedy="Give a layout with the image: skopeo copy docker://NAME oci:DIRECTORY")
    there = _list([platforms.shown(candidate.platform) for candidate in candidates if candidate.platform is not None])
    return ArchiveError(f"has no image for {platforms.wanted(machine)}, which this host is; there is {there}",
                        remedy="Give the image of this host's platform")


def _several(fitting: dict[str, _Candidate]) -> ArchiveError:
    names = _list([candidate.name or digest for digest, candidate in fitting.items()])
    return ArchiveError(f"has {len(fitting)} images, and only one is possible: {names}",
                        remedy="Give a layout with one image: skopeo copy oci:DIRECTORY:NAME oci:NEW")
