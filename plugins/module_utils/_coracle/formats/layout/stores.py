# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the files of a container image lie: below a directory, or in a plain tar. A name from a document never leads out of either."""

from __future__ import annotations

import errno
import os
import stat
import sys

from ...base import beneath, text
from ...base.errors import LauncherError
from .. import tar
from ..compression.source import Source
from ..compression.stream import Stream
from ..entries import FILE, SYMLINK, Entry, Summary
from ..limits import Limits
from .documents import MAX_DOCUMENT, Descriptor, broken, check_content, hasher

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

_READ = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY  # a fifo without a writer must not hang us
_MAX_LINKS = 8


class Part:
    """A file of an image: `size` bytes from `start` of the descriptor `fd`. A context manager, which closes what was opened for it."""

    __slots__ = ("fd", "start", "size", "_owned")

    def __init__(self, fd: int, start: int, size: int, owned: bool):
        self.fd = fd
        self.start = start
        self.size = size
        self._owned = owned

    def __enter__(self) -> Part:
        return self

    def __exit__(self, *_exception) -> None:
        if self._owned:
            os.close(self.fd)

    def read(self, what: str) -> bytes:
        """Return the content of a document. ArchiveError when it is too large for one or shorter than it was."""
        if self.size > MAX_DOCUMENT:
            raise broken(f"its {what} has {self.size} bytes; {MAX_DOCUMENT} are possible")
        data = b""
        while len(data) < self.size:
            piece = os.pread(self.fd, self.size - len(data), self.start + len(data))
            if not piece:
                raise broken(f"its {what} ends after {len(data)} of {self.size} bytes")
            data += piece
        return data


class Store:
    """`open` returns the file of this name, or None. `label`: what a person calls the place."""

    label = ""

    def open(self, name: bytes) -> Part | None:
        raise NotImplementedError

    def read(self, name: bytes) -> bytes | None:
        """Return the content of a document by its name, None when there is none."""
        part = self.open(name)
        if part is None:
            return None
        with part:
            return part.read(text.visible(name))

    def blob(self, found: Descriptor, what: str) -> Part:
        """Open a blob. ArchiveError when it is missing or of another size than declared; the content is for the reader to check."""
        part = self.open(found.path)
        if part is None:
            raise broken(f"its {what} is missing: the {self.label} has no {found.path.decode()}")
        if part.size != found.size:
            with part:
                raise broken(f"its {what} is damaged: {found.path.decode()} has {part.size} bytes, not the {found.size} declared")
        return part

    def document(self, found: Descriptor, what: str) -> bytes:
        """Return the content of a blob that is a document, after comparing it with its digest."""
        with self.blob(found, what) as part:
            data = part.read(what)
        seen = hasher(found.digest)
        seen.update(data)
        check_content(seen, found.digest, what)
        return data


class DirectoryStore(Store):
    """The files below an open directory, which stays the caller's."""

    label = "directory"

    def __init__(self, fd: int):
        self._fd = fd

    def open(self, name: bytes) -> Part | None:
        shown = text.visible(name)
        try:
            fd = beneath.open_beneath(self._fd, name, _READ)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            if error.errno in (errno.ELOOP, errno.EXDEV):
                raise broken(f"its {shown} is reached through a symbolic link, which is not followed") from None
            raise LauncherError(f"its {shown} cannot be read: {error.strerror}") from error
        info = os.fstat(fd)
        if not stat.S_ISREG(info.st_mode):
            os.close(fd)
            raise broken(f"its {shown} is no regular file")
        return Part(fd, 0, info.st_size, owned=True)


class TarStore(Store):
    """The members of a plain tar, whose descriptor stays the caller's. `index`: what tar.index() returns for it."""

    label = "archive"

    def __init__(self, fd: int, index: Mapping[bytes, tuple[int, int]], limits: Limits):
        self._fd = fd
        self._index = index
        self._limits = limits
        self._links: dict[bytes, bytes] | None = None

    def open(self, name: bytes) -> Part | None:
        for _step in range(_MAX_LINKS):
            found = self._index.get(name)
            if found is not None:
                return Part(self._fd, *found, owned=False)
            if self._links is None:
                self._links = _links(self._fd, self._limits)
            if name not in self._links:
                return None
            name = self._links[name]
        raise broken(f"its {text.visible(name)} is a link to a link, more than {_MAX_LINKS} times or in a circle")


def _links(fd: int, limits: Limits) -> dict[bytes, bytes]:
    """Return {member: member} for the links of the tar `fd`: docker save had a link for each layer that it met before.

    Only archives with links are read for it, and as a whole. A link that leads nowhere in the archive is left out.
    """
    links: dict[bytes, bytes] = {}
    stream = Stream(Source(fd, size=os.fstat(fd).st_size), sys.maxsize)
    try:
        if stream.begin():
            for entry in tar.entries(stream, Limits(sys.maxsize, limits.max_entries, limits.max_depth), Summary()):
                target = entry.link_path if entry.kind == FILE else _followed(entry) if entry.kind == SYMLINK else None
                links.pop(entry.path, None)
                if target is not None:
                    links[entry.path] = target
    finally:
        stream.close()
    return links


def _followed(entry: Entry) -> bytes | None:
    """Return the member that a symbolic link names, None when that is outside of the archive."""
    if entry.target.startswith(b"/"):
        return None
    parts = entry.path.split(b"/")[:-1]
    for part in entry.target.split(b"/"):
        if part == b"..":
            if not parts:
                return None
            parts.pop()
        elif part not in (b"", b"."):
            parts.append(part)
    return b"/".join(parts)
