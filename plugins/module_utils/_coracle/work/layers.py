# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Layers of an image: what one of them made, and what it hides of the layers below (OCI image-spec, layer.md, "Whiteouts").

A layer may name what it hides before or after what it makes there, so what it made has to be told from what was there before.
"""

from __future__ import annotations

import array
import bisect
import errno
import os

from ..base import beneath

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_LATEST = 1 << 16  # paths that take the memory of a set


class _Paths:
    """A set of paths that takes 8 bytes for each: it keeps hashes, which of bytes have 64 bits and a random key."""

    __slots__ = ("_latest", "_sorted")

    def __init__(self):
        self._latest: set[int] = set()
        self._sorted: list[array.array] = []

    def add(self, path: bytes) -> None:
        self._latest.add(hash(path))
        if len(self._latest) >= _LATEST:
            self._sorted.append(array.array("q", sorted(self._latest)))
            self._latest.clear()

    def __contains__(self, path: bytes) -> bool:
        wanted = hash(path)
        return wanted in self._latest or any(_has(hashes, wanted) for hashes in self._sorted)


def _has(hashes: array.array, wanted: int) -> bool:
    place = bisect.bisect_left(hashes, wanted)
    return place < len(hashes) and hashes[place] == wanted


class Layer:
    """`number`: of the layer. `start`: number of its first entry. Layer 0 has nothing below it, and remembers nothing."""

    __slots__ = ("number", "start", "_made", "_implied", "_cleaned")

    def __init__(self, number: int = 0, start: int = 0):
        self.number = number
        self.start = start
        self._made, self._implied, self._cleaned = _Paths(), _Paths(), _Paths()

    def makes(self, path: bytes) -> None:
        """Remember that this layer has an entry for `path`, whose parents it implies."""
        if not self.number:
            return
        self._made.add(path)
        parent = path.rpartition(b"/")[0]
        while parent and parent not in self._implied:
            self._implied.add(parent)
            parent = parent.rpartition(b"/")[0]

    def made(self, path: bytes) -> bool:
        """True when this layer has an entry for `path`. Always in layer 0."""
        return not self.number or path in self._made

    def reaches(self, path: bytes) -> bool:
        """True when this layer has an entry for `path` or for something below it. Always in layer 0."""
        return self.made(path) or path in self._implied

    def hide(self, parent: int, name: bytes, path: bytes, implied: Callable[[int, bytes], None]) -> bool:
        """Remove what layers below put at `path`, which is `name` in the directory `parent`, and below it. False when `path` stays.

        A directory that stays only because this layer has something in it is not the older one any more: `implied` gets its
        descriptor and path.
        """
        if not self.reaches(path):
            beneath.remove_tree(os.fsdecode(name), parent)
            return True
        try:
            fd = os.open(name, _DIRECTORY, dir_fd=parent)
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):  # not there, or a file of this layer
                return False
            raise
        try:
            if not self.made(path):
                implied(fd, path)
            self.hide_content(fd, path, implied)
        finally:
            os.close(fd)
        return False

    def hide_content(self, directory: int, path: bytes, implied: Callable[[int, bytes], None]) -> None:
        """hide() everything in the directory that is open as `directory`. Once is enough, however often the layer says it."""
        if path in self._cleaned:
            return
        self._cleaned.add(path)
        for name in os.listdir(directory):
            raw = os.fsencode(name)
            self.hide(directory, raw, path + b"/" + raw if path else raw, implied)
