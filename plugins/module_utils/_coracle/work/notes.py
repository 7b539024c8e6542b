# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the extractor notes about each entry, in the archive's order: lines of JSON that settle.py makes the manifest from.

A note is a record as the manifest has it (manifest.py) with a number behind it, or a small one:

    [path, LINKED, inode, number]       the file that `path` is now has got a further name
    [path, WHITEOUT, below, number]     nothing with a number smaller than `below` is at `path` or below it any more
    [path, OPAQUE, below, number]       the same of what is below `path`

Numbers count the entries. In the record of a LINK `extra` is the inode, and a mode of None means that it changed nothing of the file.
"""

from __future__ import annotations

import os

from ..base.errors import ArchiveError
from ..formats.entries import Entry
from .manifest import Record, quoted

TYPE_CHECKING = False
if TYPE_CHECKING:
    import typing as t

LINKED = "linked"
MAX_CHARACTERS = 1 << 30  # names take disk that no limit of the archive's counts


class Notes:
    """Writes notes to `file`, with the number of the present entry."""

    __slots__ = ("file", "number", "_characters")

    def __init__(self, file: t.TextIO):
        self.file = file
        self.number = 0
        self._characters = 0

    def entry(self, entry: Entry, kind: str | None = None, extra: t.Any = None, digest: str | None = None) -> None:
        """Note an entry as it is in the archive, by default with its own kind."""
        self.record(Record(os.fsdecode(entry.path), kind or entry.kind, entry.mode, entry.uid, entry.gid, entry.mtime_ns, entry.size,
                           extra, digest, entry.capability.hex() if entry.capability else None))

    def record(self, record: Record) -> None:
        """Note a record. ArchiveError when all notes together are too large."""
        self._write(f"{record.line()[:-2]},{self.number}]\n")

    def linked(self, path: bytes, inode: int) -> None:
        """Note that the file at `path` has got a further name, whose record is a LINK."""
        self._write(f'[{quoted(os.fsdecode(path))},"{LINKED}",{inode},{self.number}]\n')

    def hidden(self, path: bytes, kind: str, below: int) -> None:
        """Note a WHITEOUT or OPAQUE."""
        self._write(f'[{quoted(os.fsdecode(path))},"{kind}",{below},{self.number}]\n')

    def _write(self, note: str) -> None:
        self._characters += len(note)
        if self._characters > MAX_CHARACTERS:
            raise ArchiveError(f"the names in the archive need more than {MAX_CHARACTERS >> 20} MiB")
        self.file.write(note)
