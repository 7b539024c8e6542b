# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From have to want: the image first, then the tree under the lock of its parent directory, then the images that nobody uses any more."""

from __future__ import annotations

import fcntl
import os

from ...base import files
from ...base.errors import LauncherError
from .. import images, sources
from . import build, place, stamp, switch, usage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..images import Image
    from .module import Have
    from .stamp import Made


def apply(want: dict, have: Have) -> None:
    """Make it so, as module.apply() says."""
    dest = have.found.dest
    if have.rebuilds:
        have.image = _bring(want, have)
        files.make_directories(dest.parent, 0o755)
    try:
        directory = _lock(dest)
    except FileNotFoundError:
        pass  # somebody else removed it all meanwhile
    else:
        try:
            _change(want, have, directory)
        finally:
            os.close(directory)
    if have.verdict is not None and have.verdict.is_damaged:
        from . import verify

        verify.drop_damaged(place.Found(dest), have.wanted.digest)
    if have.pruned:
        have.pruned = images.prune(have.pruned)


def remove(root: str) -> None:
    """Remove the tree at `root` with all that belongs to it, when it is one of ours; for whoever removes the directory that it is in.

    LauncherError when it is in use.
    """
    dest = place.Dest(root)
    directory = _lock(dest)
    try:
        found = place.Found(dest)
        if found.made is not None:
            _check_unused(found)
            switch.remove(found, directory)
    finally:
        os.close(directory)


def _lock(dest: place.Dest) -> int:
    """Open and lock the parent: the directory itself, so that no file of a lock is left over."""
    directory = files.open_directory(dest.parent)
    try:
        fcntl.flock(directory, fcntl.LOCK_EX)
    except BaseException:
        os.close(directory)
        raise
    return directory


def _change(want: dict, have: Have, directory: int) -> None:
    now = place.Found(have.found.dest)
    now.check()
    switch.remove_leftovers(now, directory)
    if have.wanted is None:
        _check_unused(now)
        switch.remove(now, directory)
    else:
        _converge(want, have, now, directory)


def _bring(want: dict, have: Have) -> Image:
    """Return the image, extracted when the store does not have it, or has it damaged."""
    if have.source is None:  # the previous one, which the store has
        image = images.find(have.wanted.digest)
        if image is None:
            raise images.MissingImages([have.wanted.digest])
        have.limits.check(image.bytes, image.entries, image.depth)
        return image
    if have.verdict is not None and have.verdict.is_damaged:
        if have.source.kind == sources.DIGEST:
            raise images.MissingImages([have.wanted.digest])  # and the action plugin sends it
        from . import verify

        verify.distrust(have.wanted.digest)
    return sources.bring(have.source, have.limits)


def _converge(want: dict, have: Have, now: place.Found, directory: int) -> None:
    wanted = have.wanted
    if now.made is None or not now.made.is_like(wanted) or (have.verdict is not None and have.verdict.differing):
        if have.image is None:  # somebody else has removed the tree meanwhile
            have.image = _bring(want, have)
        _check_unused(now)
        _replace(want, now, wanted, directory)
    elif now.is_bare and not usage.mounted_elsewhere(now.dest, now.made):
        _mount_again(want, have, now, directory)
    elif len(now.stamped) > 1:  # killed just after the trees changed places
        switch.write_stamp(now.dest, directory, [now.made])


def _check_unused(now: place.Found) -> None:
    """Again, as a container may have been started since the changes were planned."""
    if now.made is not None:
        usage.check_unused(now)


def _replace(want: dict, now: place.Found, wanted: Made, directory: int) -> None:
    try:
        switch.replace(now, wanted, directory)
    except build.Refused as error:
        if want["backing_store"] == "overlay":
            raise LauncherError(f"cannot be had: {error.strerror}", option="backing_store", value="overlay",
                                remedy="Use copy, or auto") from error
        wanted.kind, wanted.layer = stamp.COPY, ""  # what auto means where there can be no overlay
        switch.replace(now, wanted, directory)


def _mount_again(want: dict, have: Have, now: place.Found, directory: int) -> None:
    if images.find(now.made.digest) is None:
        have.image = _bring(want, have)
    if now.made.kind == stamp.READ_ONLY:
        switch.replace(now, have.wanted, directory)  # its mount takes two calls, and is never seen between them
    else:
        build.make_layer(now.dest, now.made, directory)
        build.mount(now.dest, now.made, directory, now.dest.name)
        switch.write_stamp(now.dest, directory, [now.made])
