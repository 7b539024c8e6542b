# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How an image gets into the store (work/store.py) and out of it: what an archive is, its extraction, pruning."""

from __future__ import annotations

import contextlib
import json
import os
import stat
import time

from ..base import places
from ..base.errors import ArchiveError, LauncherError
from ..formats.limits import Limits
from . import archives, homes, stamps, store, uses
from .archives import Archive
from .store import Image

TYPE_CHECKING = False
if TYPE_CHECKING:
    import typing as t
    from collections.abc import Callable, Iterator

_SCRATCH = ("/var/tmp", "/tmp")


# --- what an archive is


def digest_of(archive: str, option: str = "src") -> str:
    """Return the digest of a file or an OCI layout; it is read unless a stamp knows it. LauncherError when it is neither, or changes."""
    digest = stamps.known(archive)
    if digest is not None:
        return digest
    fd = archives.open_archive(archive, option)
    try:
        with stamps.reading(archive, fd) as digests:
            is_layout = stat.S_ISDIR(os.fstat(fd).st_mode)
            digests.append(manifest_digest(archive, option, fd) if is_layout else archives.hash_file(fd, archive, option))
        return digests[0]
    finally:
        os.close(fd)


def manifest_digest(archive: str, option: str = "src", fd: int | None = None) -> str | None:
    """Return the digest of the image in an OCI layout, or in an archive of one; None when it is neither. `fd`: as ensure_image()."""
    with _opened(archive, Limits(), option, fd=fd) as source:
        return _fenced("manifest_digest", source)


def inspect(archive: str, limits: Limits | None = None, option: str = "src") -> Image:
    """Read an archive to its end and return what extracting it would find, writing nothing. ArchiveError as ensure_image."""
    with _opened(archive, limits or Limits(), option) as source:
        values = _fenced("look", source)
        return Image(values["digest"], None, values)


@contextlib.contextmanager
def _opened(archive: str, limits: Limits, option: str, directories: tuple[str, ...] = _SCRATCH,
            fd: int | None = None) -> Iterator[Archive]:
    """Open an archive, unless it is open as `fd`, and a scratch file in the first of `directories` that can have one."""
    own = archives.open_archive(archive, option) if fd is None else None
    try:
        scratch = archives.open_scratch(directories)
        try:
            yield Archive(fd if own is None else own, scratch, limits, archive, option)
        finally:
            if scratch is not None:
                os.close(scratch)
    finally:
        if own is not None:
            os.close(own)


def _fenced(function: str, source: Archive, *arguments, writable: int | None = None) -> t.Any:
    """Call a function of work/unpack.py in the fence, and name the archive in what is wrong with it."""
    from . import fence

    def work():
        from . import unpack  # in the child alone: nobody else reads archives

        return getattr(unpack, function)(source, *arguments)

    readable = (source.fd,) if stat.S_ISDIR(os.fstat(source.fd).st_mode) else ()
    keep = [fd for fd in (source.fd, source.scratch) if fd is not None]
    try:
        return fence.run(work, writable, source.limits, keep, readable)
    except ArchiveError as error:
        if error.option is None:
            error.option, error.value = source.option, source.path
        raise


# --- extraction


def ensure_image(archive: str, digest: str | None = None, limits: Limits | None = None, option: str = "src",
                 fd: int | None = None) -> Image:
    """Return the image of an archive on this host, extracting it unless the store has it.

    `digest`: what the caller knows or demands; LauncherError when the archive has another. It is read once more while it is extracted,
    and what was read must have that digest. `fd`: the archive, open; then `archive` is a name for messages.
    ArchiveError names member and offset; then the store is as it was before.
    """
    limits = limits or Limits()
    if digest is None:
        digest = digest_of(archive, option)
    image = store.find(digest)
    if image is None:
        with homes.locked(store.home(digest)) as home:
            home.show()  # pruning may have been killed
            image = store.find(digest)
            if image is None:
                with _opened(archive, limits, option, (home.path,), fd) as source:
                    image = _extract(source, digest, home)
            homes.remove_leftovers(_is_used, home)
    limits.check(image.bytes, image.entries, image.depth)  # the same answer as when it was extracted
    return image


def _extract(source: Archive, digest: str, home: homes.Home) -> Image:
    """Fill a locked home. When this fails, it has what it had before."""
    begin = time.monotonic()
    home.begin()
    try:
        values = _fenced("extract", source, digest, home.fd, homes.NEW_TREE, homes.NEW_MANIFEST, writable=home.fd)
        home.finish(json.dumps(dict(values, version=store.VERSION)).encode())
    except OSError as error:
        home.abandon()
        raise LauncherError(f"cannot be extracted into {places.IMAGES}: {error.strerror or error}", option=source.option, value=source.path,
                            remedy="Make room there, and see that it can be written") from error
    except BaseException:
        home.abandon()
        raise
    if home.old_trees() and not _is_used(digest):
        home.remove_old()
    return Image(digest, f"{home.path}/{store.TREE}", values, round(time.monotonic() - begin, 3))


# --- the end of images


def _is_used(digest: str) -> bool:
    return digest in uses.by_image()


def remove_image(digest: str) -> bool:
    """Remove an image from the store; False when it has none. The caller knows that no container uses it."""
    return _remove(digest, lambda: False, wait=True)


def unused() -> list[Image]:
    """Return the images that no container and no tree uses (work/uses.py), by digest."""
    used = uses.by_image()
    return [image for image in store.images() if image.digest not in used]


def prune(digests: list[str]) -> list[str]:
    """Remove those images that are still unused, and return their digests. One that somebody works on just now stays.

    What killed runs left of other images goes as well.
    """
    removed = [digest for digest in digests if _prune(digest)]
    homes.remove_leftovers(_is_used)
    uses.tidy()
    return removed


def _prune(digest: str) -> bool:
    try:
        return _remove(digest, lambda: _is_used(digest), wait=False)
    except BlockingIOError:
        return False


def _remove(digest: str, is_used: Callable[[], bool], wait: bool) -> bool:
    if not os.path.isdir(store.home(digest)):
        return False
    with homes.locked(store.home(digest), wait) as home:
        home.hide()
        if is_used():  # asked when no start can find it any more: whoever has found it before is in the answer
            home.show()
            return False
        home.empty()
    return True
