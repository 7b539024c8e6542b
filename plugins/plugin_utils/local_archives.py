# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Archives on the controller: their digests, and in check mode what is in them. They are read as on a host, by the same code."""

from __future__ import annotations

import hashlib
import os
import stat
import sys
import typing as t

from ansible.errors import AnsibleError

from ..module_utils._coracle.base import text
from ..module_utils._coracle.base.errors import ArchiveError, LauncherError
from ..module_utils._coracle.formats.limits import Limits

if t.TYPE_CHECKING:
    from collections.abc import Callable

_PREFIX = "sha256:"
_PIECE = 1 << 20
_digests: dict[tuple[str | int, ...], str] = {}  # of this process: a list of containers names the same archive many times


class ImageError(AnsibleError):
    """An archive that cannot be read on the controller, or is another than the task says."""


class Archive:
    """A file, or the directory of an OCI image layout. `digest`: sha256 of the file, or of the manifest for the host's machine."""

    def __init__(self, path: str, digest: str, machine: str | None):
        self.path = path
        self.digest = digest
        self._machine = machine

    @property
    def is_layout(self) -> bool:
        return self._machine is not None

    @property
    def name(self) -> str:
        """For a person."""
        return os.path.basename(self.path.rstrip("/"))

    def write(self, target: t.IO[bytes]) -> None:
        """Write the image of a layout as one plain tar. ImageError when it has changed since, or cannot be read."""
        from ..module_utils._coracle.formats import oci

        fd = _open(self.path)
        try:
            digest = oci.write_archive(fd, target, self._machine)
        except LauncherError as error:
            raise _in_words(self.path, error) from error
        finally:
            os.close(fd)
        if digest != self.digest:
            raise ImageError(f"The image {self.path} has become another while it was read. Wait until it is complete.")


def look(path: str, machine: Callable[[], str]) -> Archive:
    """Return the archive at `path`. `machine`: says what the host is (uname -m), asked only for a layout. ImageError."""
    fd = _open(path)
    try:
        info = os.fstat(fd)
        if stat.S_ISDIR(info.st_mode):
            return _look_into(path, fd, machine)
        if not stat.S_ISREG(info.st_mode):
            raise ImageError(f"The image {path} is no regular file. Give an initrd, a tar archive, or the directory of an OCI layout.")
        identity = (path, info.st_dev, info.st_ino, info.st_size, info.st_mtime_ns, info.st_ctime_ns)
        if identity not in _digests:
            _digests[identity] = _digest_of(path, fd)
        return Archive(path, _digests[identity], None)
    finally:
        os.close(fd)


def _open(path: str) -> int:
    try:
        # Not blocking: a fifo that nobody writes to must not hang the play.
        return os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError as error:
        raise ImageError(f"The image {path} cannot be read on the controller: {error.strerror}.") from error


def _digest_of(path: str, fd: int) -> str:
    sha256 = hashlib.sha256()
    try:
        while piece := os.read(fd, _PIECE):
            sha256.update(piece)
    except OSError as error:
        raise ImageError(f"The image {path} cannot be read on the controller: {error.strerror}.") from error
    return _PREFIX + sha256.hexdigest()


def _look_into(path: str, fd: int, machine: Callable[[], str]) -> Archive:
    if not _is_linux():
        raise ImageError(f"The image {path} is a directory, and an OCI image layout needs a Linux controller. Give an archive of it, which "
                         "skopeo copy oci:... oci-archive:... writes.")
    from ..module_utils._coracle.formats import oci

    name = machine()

    try:
        layout = oci.open_directory(fd, name)
    except LauncherError as error:
        raise _in_words(path, error) from error
    if layout is None:
        raise ImageError(f"The image {path} is no regular file, but a directory, and no OCI layout: it has no file oci-layout.")
    return Archive(path, layout.digest, name)


def _in_words(path: str, error: LauncherError) -> ImageError:
    return ImageError(f"The image {path} {error.problem}. {error.remedy or ''}".rstrip())


def inspect(archive: Archive, options: dict[str, t.Any], option: str) -> dict[str, t.Any]:
    """Return `image` as a module returns it, read here; the result of a failed module when the archive is broken; {} when that is unknown.

    Unknown it is where this controller cannot unpack what the host may well can, and of an image of another machine than this one.
    """
    if not _is_linux() or archive.is_layout and not _is_own(archive):
        return {}
    from ..module_utils._coracle.work import images

    try:
        return {"image": {**images.inspect(archive.path, _limits(options), option).as_dict(), "digest": archive.digest}}
    except ArchiveError as error:
        return {"failed": True, "msg": str(error), "option": error.option, **({"remedy": error.remedy} if error.remedy else {})}
    except (LauncherError, OSError):
        return {}


def _is_linux() -> bool:
    return sys.platform.startswith("linux")


def _limits(options: dict[str, t.Any]) -> Limits:
    """The limits of the task. The module on the host has found them correct."""
    limits = Limits()
    size = options.get("max_bytes")
    return Limits(limits.max_bytes if size is None else text.parse_size(size, "max_bytes"),
                  int(options.get("max_entries") or limits.max_entries), int(options.get("max_depth") or limits.max_depth))


def _is_own(archive: Archive) -> bool:
    """Whether a layout has the same image for this machine as for the host."""
    try:
        return look(archive.path, lambda: os.uname().machine).digest == archive.digest
    except ImageError:
        return False
