# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a task may name as an image, and how it gets into the store: a digest, a file of this host, an OCI layout, or a URL.

Which archive a URL gives is not known without its checksum, so that is demanded, and nothing is fetched that the store has.
"""

from __future__ import annotations

import contextlib
import os

from ..base import files, places, text
from ..base.errors import LauncherError
from ..formats.limits import Limits
from . import stamps, store

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from .store import Image

DIGEST, FILE, LAYOUT, URL = "digest", "file", "layout", "url"
_SCHEMES = ("http://", "https://")
_DOWNLOAD_EXTRA = 64 << 20  # bytes that an archive may have beside the files that are in it

_SENT = "/ansible-tmp-"  # in the path of what the action plugin has sent, which goes with the task

_fetch: Callable[[str, int, int], None] | None = None


class Source:
    """`value` as the task gives it; its `kind`; `digest` of the image; `own`: that of the file, which may be another one when the image
    is an OCI archive; `archive`: path on this host, None for a digest and a URL; `shown`: the value for messages."""

    __slots__ = ("value", "kind", "digest", "own")

    def __init__(self, value: str, kind: str, digest: str, own: str | None = None):
        self.value = value
        self.kind = kind
        self.digest = digest
        self.own = own or digest

    @property
    def archive(self) -> str | None:
        return self.value if self.kind in (FILE, LAYOUT) else None

    @property
    def shown(self) -> str:
        return text.shown_url(self.value)


def use_fetcher(fetch: Callable[[str, int, int], None]) -> None:
    """Set who fetches URLs: `fetch(url, fd, max_bytes)` writes at most so many bytes to the open file, or raises LauncherError."""
    global _fetch
    _fetch = fetch


def kind_of(value: str, option: str) -> str:
    """Return DIGEST, FILE, LAYOUT or URL, by what the text says and the host has at that path. LauncherError for anything else."""
    if value.startswith(text.DIGEST_PREFIX):
        text.check_digest(value, option)
        return DIGEST
    if value.startswith(_SCHEMES) and not text.has_control(value):
        return URL
    if not value.startswith("/") or text.has_control(value):
        raise LauncherError("is neither an absolute path, nor an http or https URL, nor a digest", option=option, value=text.shown_url(value),
                            remedy="Give e.g. /srv/initrd.img, or sha256: and 64 hexadecimal digits")
    return LAYOUT if os.path.isdir(value) else FILE


def check(value: str, option: str) -> None:
    """LauncherError unless `value` is what bring() could begin with: an archive that can be opened, a digest or a URL. Reads nothing."""
    if kind_of(value, option) in (FILE, LAYOUT):
        from . import archives

        os.close(archives.open_archive(value, option))


def resolve(value: str, checksum: str | None = None, option: str = "src") -> Source:
    """Return what `value` names, with its digest. A file is read only when no stamp knows it. Writes nothing.

    LauncherError: it cannot be read, is another than `checksum` says, or is a URL without one. MissingImages: a digest that the store
    does not have, unless `checksum` is given as well, which means that its archive is on the controller.
    """
    if checksum is not None:
        text.check_digest(checksum, "checksum")
    kind = kind_of(value, option)
    if kind == URL:
        if checksum is None:
            raise LauncherError("needs the checksum of what it gives", option=option, value=text.shown_url(value),
                                remedy="Add checksum: sha256: and the 64 digits that sha256sum prints")
        return Source(value, kind, checksum)
    if kind == DIGEST:
        if checksum is None and store.find(value) is None:
            raise store.MissingImages([value])
        digest = value
    else:
        digest = stamps.known(value) or _read_digest(value, option)
    own = digest
    if checksum not in (None, digest):
        if kind != FILE or _manifest_digest(value, option) != checksum:
            raise LauncherError(f"is not the digest of {value}, which is {digest}", option="checksum", value=checksum,
                                remedy="Give the right checksum, or the archive that it belongs to")
        digest = checksum  # an OCI layout of the controller, sent as an archive
    return Source(value, kind, digest, own)


def _read_digest(archive: str, option: str) -> str:
    from . import images  # not for those whose archive has not changed since it was read

    return images.digest_of(archive, option)


def _manifest_digest(archive: str, option: str) -> str | None:
    from . import images

    return images.manifest_digest(archive, option)


def bring(source: Source, limits: Limits | None = None, option: str = "src") -> Image:
    """Return the image of `source`, extracting it unless the store has it; a URL is fetched only then.

    MissingImages for a digest that the store does not have. ArchiveError and LauncherError as images.ensure_image.
    """
    from . import images

    limits = limits or Limits()
    image = store.find(source.digest)
    if image is not None:
        limits.check(image.bytes, image.entries, image.depth)
    elif source.kind == DIGEST:
        raise store.MissingImages([source.digest])
    elif source.kind == URL:
        image = _bring_url(source, limits, option)
    else:
        image = images.ensure_image(source.value, source.digest, limits, option)
    return image


def remember(source: Source) -> None:
    """Know the digest that resolve() has read in a file or a layout from now on, as long as it does not change.

    When that cannot be written, it is read again the next time.
    """
    if source.kind in (FILE, LAYOUT) and _SENT not in source.value:
        with contextlib.suppress(OSError):
            stamps.remember(source.value, source.own)


def _bring_url(source: Source, limits: Limits, option: str) -> Image:
    if _fetch is None:
        raise LauncherError("cannot be fetched here", option=option, value=source.shown, remedy="Give the path of the archive on this host")
    from . import archives, images

    files.make_directories(places.IMAGES)
    fd = archives.open_scratch((places.IMAGES,))
    if fd is None:
        raise LauncherError(f"cannot be fetched: no file can be made in {places.IMAGES}", option=option, value=source.shown,
                            remedy="Make room there")
    try:
        _fetch(source.value, fd, limits.max_bytes + _DOWNLOAD_EXTRA)
        digest = archives.hash_file(fd, source.shown, option)
        if digest != source.digest:
            raise LauncherError(f"is not the digest of what {source.shown} gives, which is {digest}", option="checksum",
                                value=source.digest, remedy="Give the right checksum, or the URL of the archive that it belongs to")
        return images.ensure_image(source.shown, source.digest, limits, option, fd)
    finally:
        os.close(fd)
