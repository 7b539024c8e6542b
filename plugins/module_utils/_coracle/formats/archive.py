# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Any archive: the format of each in a stream is told by its content, and what is no archive is named."""

from __future__ import annotations

from ..base.errors import ArchiveError
from . import cpio, cpio_headers, foreign, tar
from .entries import Entry, Summary
from .limits import Limits

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from .compression.stream import Stream

_HEAD = 512  # bytes: a header of tar, which is the largest


def entries(stream: Stream, limits: Limits, summary: Summary) -> Iterator[Entry]:
    """Return the entries of all archives of `stream`, to its end. ArchiveError with name and offset for whatever is wrong."""
    while stream.begin():
        if len(summary.segments) >= limits.max_entries:
            raise ArchiveError("the file holds too many archives", option="max_entries", value=limits.max_entries)
        summary.segments.append(stream.compression)
        head = stream.peek(_HEAD)
        form = cpio_headers.recognise(head)
        if tar.is_archive(head):  # asked first: the first member of a tar may have the name 070701, but no cpio has its checksum
            yield from tar.entries(stream, limits, summary)
        elif form:
            yield from cpio.entries(stream, form, limits, summary)
        else:
            raise foreign.error(stream, is_first=len(summary.segments) == 1)
    if not summary.segments:
        raise ArchiveError("holds no archive, nothing but zeros or nothing at all", remedy=foreign.GIVE)
