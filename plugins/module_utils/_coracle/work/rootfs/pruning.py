# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which images the option prune removes: those that nobody uses any more when the task is done. The same answer before and after it."""

from __future__ import annotations

from ...kernel import mountinfo
from ...model.change import REMOVE, Change
from .. import store, uses
from . import place

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .place import Found
    from .stamp import Made


def unused_after(found: Found, after: Made | None) -> list[str]:
    """Return the digests of the store's images that nobody uses once the tree of the place is `after`, or gone."""
    users = uses.by_image()
    kept = set(after.digests()) if after is not None else set()
    return [image.digest for image in store.images() if image.digest not in kept and not _has_others(users, found, image.digest)]


def is_used_by_others(found: Found, digest: str) -> bool:
    """Whether anybody but the tree of the place uses an image."""
    return _has_others(uses.by_image(), found, digest)


def _has_others(users: dict[str, list[str]], found: Found, digest: str) -> bool:
    left = [who for who in users.get(digest, []) if who != f"tree {found.dest.real}"]
    if left == [uses.MOUNT]:
        return any(not _is_ours(found, mount) for mount in mountinfo.parse(mountinfo.own(), digest.partition(":")[2]))
    return bool(left)


def _is_ours(found, mount):
    return place.is_temporary_mount(found.dest, mount) or (found.made is not None and place.is_mount_of(found.dest, found.made, mount))


def changes(digests: list[str]) -> list[Change]:
    """Return a change for each image that goes."""
    return [Change("prune", digest, None, REMOVE, "nobody uses this image") for digest in digests]
