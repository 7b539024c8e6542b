# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The manifest of an image: one JSON list a line, one line for each path of its tree, and for each device node that the tree lacks.

Lines come in the order of paths compared part by part, so that a directory stands right before its content: whoever walks a tree in
the same order needs one line at a time. Names that are no UTF-8 are kept as surrogates, as os.fsdecode() gives them; all is ASCII.
"""

from __future__ import annotations

import json
import os
import stat

from ..base import beneath
from ..formats.entries import BLOCK, CHARACTER, DIRECTORY, FILE

TYPE_CHECKING = False
if TYPE_CHECKING:
    import typing as t
    from collections.abc import Iterator

LINK = "link"  # a further name of a file, with all that the file has; `extra` is its first name
_SET_ID = stat.S_ISUID | stat.S_ISGID
quoted = json.JSONEncoder().encode


class Record:
    """A line. `path` below the root, '' is the root; `mode`: permission bits with set-id, which files of the tree do not have.

    `extra`: target of a symlink; [major, minor] of a device; first name of a link; of a file, how many names it has when several.
    `digest`: sha256 of a file's content in hexadecimal digits. `capability`: its security.capability, in hexadecimal digits, or None.
    """

    __slots__ = ("path", "kind", "mode", "uid", "gid", "mtime_ns", "size", "extra", "digest", "capability")

    def __init__(self, path: str, kind: str, mode: int, uid: int, gid: int, mtime_ns: int, size: int, extra: t.Any = None,
                 digest: str | None = None, capability: str | None = None):
        self.path = path
        self.kind = kind
        self.mode = mode
        self.uid = uid
        self.gid = gid
        self.mtime_ns = mtime_ns
        self.size = size
        self.extra = extra
        self.digest = digest
        self.capability = capability

    def line(self) -> str:
        """Return the line, newline included."""
        extra = "null" if self.extra is None else quoted(self.extra)
        digest = f'"{self.digest}"' if self.digest else "null"
        capability = f'"{self.capability}"' if self.capability else "null"
        mode = "null" if self.mode is None else self.mode
        return (f'[{quoted(self.path)},"{self.kind}",{mode},{self.uid},{self.gid},{self.mtime_ns},{self.size},{extra},{digest},'
                f"{capability}]\n")


class Policy:
    """What a rootfs may have that the store's tree has not: device nodes; set-id bits and capabilities of files."""

    __slots__ = ("devices", "preserve_setuid")

    def __init__(self, devices: bool = False, preserve_setuid: bool = False):
        self.devices = devices
        self.preserve_setuid = preserve_setuid

    def mode(self, record: Record) -> int:
        """Permission bits that the rootfs's `record` has."""
        return record.mode if self.preserve_setuid else safe_mode(record.kind, record.mode)

    def capability(self, record: Record) -> str | None:
        """Value of security.capability that it has, in hexadecimal digits."""
        return record.capability if self.preserve_setuid and record.kind in (FILE, LINK) else None

    def wants(self, record: Record) -> bool:
        """False for what the rootfs does without."""
        return self.devices or record.kind not in (BLOCK, CHARACTER)


class Manifest:
    """The records of a finished manifest, read anew from the file in each iteration, one at a time. OSError when it is not there."""

    __slots__ = ("path",)

    def __init__(self, path: str):
        self.path = path

    def __iter__(self) -> Iterator[Record]:
        with open(self.path, encoding="ascii") as file:
            yield from lines(file)


def lines(file: t.TextIO) -> Iterator[Record]:
    """Return the records of an open, finished manifest from where it is."""
    for line in file:
        yield Record(*json.loads(line))


def directories(file: t.TextIO) -> Iterator[Record]:
    """Return the records of directories. The others are told by their text alone."""
    for line in file:
        if f'","{DIRECTORY}",' in line:
            record = Record(*json.loads(line))
            if record.kind == DIRECTORY:
                yield record


def order(path: str) -> bytes:
    """Return what the lines are sorted by. Of two names in one directory, order() of the names alone compares like that of the paths."""
    return quoted(path)[1:-1].replace("/", "\x1f").encode("ascii")  # below all that a quoted name has in it


def implicit_directory(path: bytes) -> Record:
    """The record of a directory that the archive only implies."""
    return Record(os.fsdecode(path), DIRECTORY, 0o755, 0, 0, 0, 0)


def safe_mode(kind: str, mode: int) -> int:
    """Return `mode` without the set-id bits, which on a directory mean no privilege and stay."""
    return mode if kind == DIRECTORY else mode & ~_SET_ID


class Parents:
    """Descriptors of the directories that paths below `root` are in. Each is kept while the next path has the same parent."""

    def __init__(self, root: int):
        self._root = root
        self._path: str | None = None
        self._fd = -1

    def of(self, path: str) -> tuple[int, str]:
        """Return the parent of `path`, good until the next call, and the last part of `path`; of '' the root and '.'."""
        parent, _slash, name = path.rpartition("/")
        if parent != self._path:
            fd = beneath.open_beneath(self._root, parent or ".", os.O_RDONLY | os.O_DIRECTORY)
            self.close()
            self._path, self._fd = parent, fd
        return self._fd, name or "."

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd, self._path = -1, None
