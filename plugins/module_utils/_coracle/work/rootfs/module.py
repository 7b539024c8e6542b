# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module container_rootfs: an image's tree at one place, of the kind that the task wants, and kept so.

Beside the tree NAME lie `.NAME.coracle`, which says what it was made from (stamp.py), and for an overlay `.NAME.overlay`, which holds what
is written to it. A tree that the stamp does not know is not ours. A new image comes with a new layer: what was written to the old tree
goes with it.

Going back: the stamp keeps the digest that was there before the newest one (`previous`), and the newest one. `state: previous` asks for
the former, so that a second run changes nothing; the newest one again goes forward; any other image is the newest from then on, and what
it replaces is the previous one.
"""

from __future__ import annotations

import contextlib

from ...base import text
from ...base.errors import LauncherError
from ...formats.limits import Limits
from ...model.change import CREATE, LIVE, RECREATE, REMOVE, Change
from .. import sources, store
from . import place, stamp
from .stamp import Made

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..sources import Source
    from ..store import Image
    from .verify import Verdict

_MAX_DEPTH = 256  # verify holds a descriptor for each level


class Have:
    """What is there, and what it is to become.

    `found`: at the place. `source`: what src names, None for the previous image and for state absent. `wanted`: the tree when all is done,
    None for state absent. `verdict`: of verify, None when nothing was compared. `in_container`: a running container has mounted the
    overlay for itself. `pruned`: digests of the images that go.
    `limits`: of the archive. `image`: None until apply() has brought it; `rebuilds`: whether a new tree is made.
    """

    __slots__ = ("found", "limits", "source", "wanted", "verdict", "in_container", "pruned", "image", "rebuilds")

    def __init__(self, dest: place.Dest, limits: Limits):
        self.found = place.Found(dest)
        self.limits = limits
        self.source: Source | None = None
        self.wanted: Made | None = None
        self.verdict: Verdict | None = None
        self.in_container = False
        self.pruned: list[str] = []
        self.image: Image | None = None
        self.rebuilds = False


def read(want: dict) -> Have:
    """Return what the host has. LauncherError for options that cannot be, and for a place that is not ours to fill."""
    have = Have(place.Dest(want["dest"]), _limits(want))
    found = have.found
    found.check()
    if want["state"] != "absent":
        digest = _digest(want, have)
        have.wanted = _wanted(want, found, digest)
        if found.is_bare:
            from . import usage

            have.in_container = bool(usage.mounted_elsewhere(found.dest, found.made))
        if want["verify"] and found.made is not None and found.made.is_like(have.wanted):
            from . import verify

            found.check_foreign()  # which hides what there is to compare
            have.verdict = verify.verify(found)
    if want["prune"]:
        from . import pruning

        have.pruned = pruning.unused_after(found, have.wanted)
    return have


def _limits(want: dict) -> Limits:
    """Return the limits that the task gives. LauncherError for numbers that cannot be."""
    size = text.parse_size(want["max_bytes"], "max_bytes")
    if size < 0:
        raise LauncherError("has no meaning as a limit", option="max_bytes", value=want["max_bytes"], remedy="Give a size, e.g. 4G")
    return Limits(size, text.parse_integer(want["max_entries"], "max_entries", 1, 100_000_000),
                  text.parse_integer(want["max_depth"], "max_depth", 1, _MAX_DEPTH))


def _digest(want: dict, have: Have) -> str:
    if want["state"] == "previous":
        return _previous(have.found)
    have.source = sources.resolve(want["src"], want["checksum"])
    return have.source.digest


def _previous(found: place.Found) -> str:
    path = found.dest.path
    if found.made is None:
        raise LauncherError("has no tree to go back from", option="dest", value=path, remedy="Make one with state: present")
    digest = found.made.previous
    if digest is None:
        raise LauncherError("has had one image only, there is no previous one", option="dest", value=path,
                            remedy="Name the image that it is to have with src")
    if store.find(digest) is None:
        raise LauncherError(f"had the image {digest} before, which is not in the store any more", option="dest", value=path,
                            remedy="Give its archive as src, with state: present")
    return digest


def _wanted(want: dict, found: place.Found, digest: str) -> Made:
    made = found.made
    if want["state"] == "previous":
        return Made(made.kind, digest, devices=made.devices, preserve_setuid=made.preserve_setuid, previous=made.previous, newest=made.newest)
    wanted = Made("", digest, devices=want["devices"], preserve_setuid=want["preserve_setuid"], previous=None, newest=digest)
    if want["backing_store"] == "auto" and not want["read_only"] and made is not None and made.kind != stamp.READ_ONLY:
        wanted.kind = made.kind  # whatever could be had today
    else:
        from . import kinds

        wanted.kind = kinds.choose(want, found.dest, wanted.tree)
    if made is not None:
        wanted.previous, wanted.newest = made.previous, made.newest
        if digest not in (made.digest, made.newest):
            wanted.previous, wanted.newest = made.digest, digest
    return wanted


def plan(want: dict, have: Have) -> list[Change]:
    """Return the changes. LauncherError when a tree that is in use would have to go."""
    found = have.found
    changes = _removal(have) if have.wanted is None else _tree_changes(want, have)
    have.rebuilds = have.wanted is not None and bool(changes)
    if have.wanted is not None and not changes and found.is_bare and not have.in_container:
        changes = [Change("dest", "not mounted", "mounted", LIVE, "its mount is gone, as after a reboot")]
    elif changes and found.made is not None:
        from . import usage

        usage.check_unused(found, have.verdict.first() if have.verdict is not None else "")
    if have.wanted is not None and changes:
        _check_tree(have)
    for name in (*found.leftovers, *(f"{stamp.layers_of(found.dest.name)}/{layer}" for layer in found.layers)):
        changes.append(Change("dest", name, None, REMOVE, "left over by a run that was killed"))
    if have.pruned:
        from . import pruning

        changes += pruning.changes(have.pruned)
    return changes


def _check_tree(have: Have) -> None:
    """LauncherError for what a new tree, or a new mount, meets before anything is done: where it lies, and an image that is there already."""
    if have.wanted.kind != stamp.COPY:
        from . import kinds

        kinds.check_above(have.found.dest)
    image = store.find(have.wanted.digest) if have.rebuilds else None
    if image is not None:
        have.limits.check(image.bytes, image.entries, image.depth)


def _removal(have: Have) -> list[Change]:
    found = have.found
    if found.made is not None:
        return [Change("dest", found.made.digest, None, REMOVE)]
    if found.info is not None:
        raise LauncherError("is a directory that this module has not made", option="dest", value=found.dest.path,
                            remedy="Remove it yourself, if it is to go")
    if found.stamped is not None:
        return [Change("dest", stamp.file_of(found.dest.name), None, REMOVE, "left over of a tree that is gone")]
    return []


def _tree_changes(want: dict, have: Have) -> list[Change]:
    made, wanted = have.found.made, have.wanted
    if made is None:
        return [Change("src", None, wanted.digest, CREATE)]
    changes = []
    if made.digest != wanted.digest:
        changes.append(Change("src", made.digest, wanted.digest, RECREATE))
    if made.kind != wanted.kind:
        if stamp.READ_ONLY in (made.kind, wanted.kind):
            changes.append(Change("read_only", made.kind == stamp.READ_ONLY, wanted.kind == stamp.READ_ONLY, RECREATE))
        else:
            changes.append(Change("backing_store", made.kind, wanted.kind, RECREATE))
    for option in ("devices", "preserve_setuid"):
        if getattr(made, option) != getattr(wanted, option):
            changes.append(Change(option, getattr(made, option), getattr(wanted, option), RECREATE))
    if have.verdict is not None:
        if have.verdict.is_damaged and not _has_archive(want, have):
            raise LauncherError(f"the tree of the image {wanted.digest} in the store differs from what was recorded of it", option="verify",
                                value=True, remedy="Give its archive as src, so that it can be extracted again")
        changes += have.verdict.changes(wanted.digest)
    return changes


@contextlib.contextmanager
def _naming(dest: place.Dest, what: str) -> Iterator[None]:
    """Name the place in what the kernel refuses, as on a full or read-only disk."""
    try:
        yield
    except OSError as error:
        raise LauncherError(f"cannot be {what}: {error.strerror or error}", option="dest", value=dest.path) from error


def _has_archive(want: dict, have: Have) -> bool:
    """Whether the image can be extracted again. The digest of an archive on the controller comes with a checksum."""
    return have.source is not None and (have.source.kind != sources.DIGEST or want["checksum"] is not None)


def apply(want: dict, have: Have, changes: list[Change]) -> None:
    """Make it so. Killed at any moment, the tree is the old one or the new one, and the next run finds what is left over."""
    from . import converge

    with _naming(have.found.dest, "made" if have.wanted is not None else "removed"):
        converge.apply(want, have)


def result(want: dict, have: Have, changes: list[Change], checking: bool) -> dict:
    """Return what the module returns. In check mode an archive that is new to this host is read, so that a bad one fails there too."""
    if have.wanted is None:
        return {"pruned": have.pruned}
    image, archive = have.image or store.find(have.wanted.digest), have.source.archive if have.source is not None else None
    if image is None and checking and archive is not None:
        from .. import images

        image = images.inspect(archive, have.limits)
    if archive is not None and not checking:
        sources.remember(have.source)
    return {"image": {"digest": have.wanted.digest} if image is None else _as_made(image, have.wanted), "backing_store": have.wanted.kind,
            "previous": have.wanted.previous, "duration": have.image.duration if have.image is not None else None, "pruned": have.pruned}


def _as_made(image: Image, wanted: Made) -> dict:
    values = image.as_dict()
    if wanted.devices:
        values["skipped"] = dict(values["skipped"], devices=0)
    return values
