# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Comparing a tree, and the store's tree below it, with what was recorded when the image was extracted."""

from __future__ import annotations

import os

from ...base import beneath, files, libc, text
from ...model.change import RECREATE, Change
from .. import homes, store
from . import apart, build, pruning, stamp

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .place import Found
    from .stamp import Made

    Difference = tuple

_SHOWN = 100  # differences that are listed one by one
_TOLD = 5  # differences that an error names
_DIFFERS = "the tree differs from its image"


class Verdict:
    """What verify found. `differing`: as work/trees.py returns it, of the tree; `is_damaged`: the store's tree differs as well."""

    __slots__ = ("differing", "is_damaged")

    def __init__(self, differing: list[Difference] | None = None, is_damaged: bool = False):
        self.differing = differing or []
        self.is_damaged = is_damaged

    def first(self) -> str:
        """Return the first differences for a message; '' without any."""
        names = [text.visible(os.fsencode(path)) or "." for path, _before, _after in self.differing]
        return ", ".join(names[:_TOLD]) + (f" and {len(names) - _TOLD} more" if len(names) > _TOLD else "")

    def changes(self, digest: str) -> list[Change]:
        """Return a change for each of the first differences, one for the rest, and one for the image in the store."""
        changes = []
        for path, before, after in self.differing[:_SHOWN]:
            name = text.visible(os.fsencode(path)) or "."
            changes.append(Change("verify", f"{name}: {_shown(before)}", f"{name}: {_shown(after)}", RECREATE, _DIFFERS))
        if len(self.differing) > _SHOWN:
            changes.append(Change("verify", f"{len(self.differing) - _SHOWN} more files", None, RECREATE, _DIFFERS))
        if self.is_damaged:
            changes.append(Change("image", digest, digest, RECREATE, "its tree in the store differs from what was recorded of it"))
        return changes


def _shown(description):
    return "nothing" if description is None else text.visible(os.fsencode(description))


def verify(found: Found) -> Verdict:
    """Compare the tree at a place with its image. One whose mount is gone is looked at in a mount namespace of its own, read-only."""
    made = found.made
    if store.find(made.digest) is None:
        return Verdict([("", "not comparable, the image is not in the store", "the image")])
    if found.is_bare and made.kind == stamp.OVERLAY:
        differing = [tuple(item) for item in apart.call(lambda: _unmounted(found))]
    else:
        differing = _compare(made.tree if found.is_bare else found.dest.real, made)
    return Verdict(differing, bool(differing) and bool(_compare(made.tree, stamp.Made(stamp.COPY, made.digest))))


def _compare(tree: str, made: Made) -> list[Difference]:
    from .. import trees

    target = files.open_directory(tree)
    try:
        return trees.differences(target, build.records_of(made), build.policy(made))
    finally:
        os.close(target)


def _unmounted(found: Found) -> list[Difference]:
    """With the layer as one more lower directory, nothing is written: the kernel wants no work directory then."""
    dest, made = found.dest, found.made
    upper, _work = stamp.upper_and_work(dest.parent, dest.name, made.layer)
    if not os.path.isdir(upper):
        return _compare(made.tree, made)
    libc.mount("overlay", dest.real, "overlay", libc.MS_RDONLY | libc.MS_NOSUID | libc.MS_NODEV, f"lowerdir={upper}:{made.tree}")
    return _compare(dest.real, made)


def drop_damaged(found: Found, digest: str) -> None:
    """Remove the damaged tree beside the new one, unless others have it mounted; then it goes with the image."""
    if not pruning.is_used_by_others(found, digest):
        with homes.locked(os.path.dirname(store.manifest_path(digest))) as home:
            home.remove_old()


def distrust(digest: str) -> None:
    """Let the next extraction make the image again. Its present tree stays beside the new one, for whoever has it mounted."""
    with homes.locked(os.path.dirname(store.manifest_path(digest))) as home:
        beneath.remove_tree(store.INFO, home.fd)
