# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A writer of cpio archives for tests: it writes what it is told, right or wrong, and shares no line with the reader."""

from __future__ import annotations

FILE, DIRECTORY, SYMLINK = 0o100000, 0o040000, 0o120000
CHARACTER, BLOCK, FIFO, SOCKET = 0o020000, 0o060000, 0o010000, 0o140000


def header(name, mode=FILE | 0o644, data=b"", *, magic=b"070701", ino=0, uid=0, gid=0, nlink=1, mtime=1000000000, filesize=None, dev=(8, 1),
           rdev=(0, 0), namesize=None, check=0, nul=b"\0", fields=None):
    """Return one entry. `filesize`, `namesize`: what the header says instead of the truth. `fields`: {index: 8 raw bytes}."""
    raw = name + nul
    numbers = (ino, mode, uid, gid, nlink, mtime, len(data) if filesize is None else filesize, dev[0], dev[1], rdev[0], rdev[1],
               len(raw) if namesize is None else namesize, check)
    texts = [b"%08X" % number for number in numbers]
    for index, text in (fields or {}).items():
        texts[index] = text
    head = magic + b"".join(texts) + raw
    return head + b"\0" * (-len(head) % 4) + data + b"\0" * (-len(data) % 4)


def trailer(magic=b"070701"):
    """Return the end mark."""
    return header(b"TRAILER!!!", 0, magic=magic, mtime=0, dev=(0, 0))


class Archive:
    """Entries in the making; numbers inodes by itself."""

    def __init__(self, magic=b"070701"):
        self.magic = magic
        self.parts = []
        self.ino = 100

    def add(self, name, mode, data=b"", **fields):
        self.ino += 1
        if self.magic == b"070702" and mode & 0o170000 == FILE and data:
            fields.setdefault("check", sum(data) & 0xFFFFFFFF)
        fields.setdefault("ino", self.ino)
        self.parts.append(header(name, mode, data, magic=self.magic, **fields))
        return self

    def file(self, name, data=b"data", mode=0o644, **fields):
        return self.add(name, FILE | mode, data, **fields)

    def directory(self, name, mode=0o755, **fields):
        return self.add(name, DIRECTORY | mode, nlink=2, **fields)

    def symlink(self, name, target, **fields):
        return self.add(name, SYMLINK | 0o777, target, **fields)

    def node(self, name, kind, **fields):
        return self.add(name, kind | 0o644, **fields)

    def raw(self, data):
        self.parts.append(data)
        return self

    def end(self, padding=0):
        """Return the bytes, with the end mark and `padding` zeros."""
        return b"".join(self.parts) + trailer(self.magic) + b"\0" * padding
