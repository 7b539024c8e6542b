# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From have to want: the image first, then the tree under the lock of its parent directory, then the images that nobody uses any more."""

from __future__ import annotations

import contextlib
import fcntl
import os

from ...base import files
from ...base.errors import LauncherError
from .. import sources, store
from . import build, locks, place, stamp, switch, usage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..store import Image
    from .module import Have
    from .stamp import Made


def apply(want: dict, have: Have) -> None:
    """Make it so, as module.apply() says."""
    dest = have.found.dest
    if have.rebuilds:
        have.image = _bring(want, have)
        files.make_directories(dest.parent, 0o755)
    try:
        directory = files.open_directory(dest.parent)
    except FileNotFoundError:
        pass  # somebody else removed it all meanwhile
    else:
        with _locked(dest, directory):
            _change(want, have, directory)
    if have.verdict is not None and have.verdict.is_damaged:
        from . import verify

        verify.drop_damaged(place.Found(dest), have.wanted.digest)
    if have.pruned:
        from .. import images

        have.pruned = images.prune(have.pruned)


def remove(root: str) -> None:
    """Remove the tree at `root` with all that belongs to it, when it is one of ours; for whoever removes the directory that it is in.

    LauncherError when it is in use.
    """
    dest = place.Dest(root)
    directory = files.open_directory(dest.parent)
    with _locked(dest, directory):
        found = place.Found(dest)
        if found.made is not None:
            usage.check_unused(found)
            switch.remove(found, directory)


@contextlib.contextmanager
def _locked(dest: place.Dest, directory: int) -> Iterator[None]:
    """Hold the lock of the open parent, and close that."""
    try:
        lock = locks.take(directory, dest.path)
        try:
            yield
        finally:
            locks.release(lock)
    finally:
        os.close(directory)


def _change(want: dict, have: Have, directory: int) -> None:
    now = place.Found(have.found.dest)
    now.check()
    switch.remove_leftovers(now, directory)
    if have.wanted is None:
        if now.made is not None:
            usage.check_unused(now)
        switch.remove(now, directory)
    else:
        _converge(want, have, now, directory)


def _bring(want: dict, have: Have) -> Image:
    """Return the image, extracted when the store does not have it, or has it damaged."""
    if have.source is None:  # the previous one, which the store has
        image = store.find(have.wanted.digest)
        if image is None:
            raise store.MissingImages([have.wanted.digest])
        have.limits.check(image.bytes, image.entries, image.depth)
        return image
    if have.verdict is not None and have.verdict.is_damaged:
        if have.source.kind == sources.DIGEST:
            raise store.MissingImages([have.wanted.digest])  # and the action plugin sends it
        from . import verify

        verify.distrust(have.wanted.digest)
    return sources.bring(have.source, have.limits)


def _converge(want: dict, have: Have, now: place.Found, directory: int) -> None:
    wanted = have.wanted
    if now.made is None or not now.made.is_like(wanted) or (have.verdict is not None and have.verdict.differing):
        if have.image is None:  # somebody else has removed the tree meanwhile
            have.image = _bring(want, have)
        if now.made is not None:  # again, as a container may have been started since the changes were planned
            usage.check_unused(now, have.verdict.first() if have.verdict is not None else "")
        with _kept(wanted.digest):
            _replace(want, now, wanted, directory)
    elif now.is_bare and not usage.mounted_elsewhere(now.dest, now.made):
        _mount_again(want, have, now, directory)
    elif len(now.stamped) > 1:  # killed just after the trees changed places
        switch.write_stamp(now.dest, directory, [now.made])


@contextlib.contextmanager
def _kept(digest: str) -> Iterator[None]:
    """Hold a shared lock of the image's home: a prune that another task does leaves it. MissingImages when it went just before."""
    try:
        home = files.open_directory(os.path.dirname(store.manifest_path(digest)))
    except FileNotFoundError:
        raise store.MissingImages([digest]) from None
    try:
        fcntl.flock(home, fcntl.LOCK_SH)
        if store.find(digest) is None:
            raise store.MissingImages([digest])
        yield
    finally:
        os.close(home)


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
    if store.find(now.made.digest) is None:
        have.image = _bring(want, have)
    with _kept(now.made.digest):
        if now.made.kind == stamp.READ_ONLY:
            switch.replace(now, have.wanted, directory)  # where its mount takes two calls, it is never seen between them
        else:
            build.make_layer(now.dest, now.made, directory)
            build.mount(now.dest, now.made, directory, now.dest.name)
            switch.write_stamp(now.dest, directory, [now.made])
