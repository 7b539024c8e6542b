# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Layers of a container image -> entries, the whiteouts among them told apart, and what was read compared with its digest.

OCI image-spec, layer.md: a layer is one tar archive, compressed or not; ".wh.NAME" hides NAME of the layers below, ".wh..wh..opq" all of
them in its directory. What else begins with ".wh..wh." was bookkeeping of aufs and means nothing.
"""

from __future__ import annotations

from ...base.errors import ArchiveError
from .. import tar
from ..compression.source import Source
from ..compression.stream import Stream
from ..entries import OPAQUE, PIECE, WHITEOUT, Entry, Summary
from ..limits import Limits
from .documents import broken, check_content, hasher

TYPE_CHECKING = False
if TYPE_CHECKING:
    import hashlib
    from collections.abc import Callable, Iterator

    from .stores import Part

_HIDES = b".wh."
_META = b".wh..wh."
_OPAQUE = b".wh..wh..opq"
_ZEROS = bytes(1 << 16)


class Layer:
    """`open` returns the file that holds it. `digest`: of that file, `diff_id`: of the tar in it. One of them is not None."""

    __slots__ = ("open", "digest", "diff_id")

    def __init__(self, opener: Callable[[], Part], digest: str | None, diff_id: str | None):
        self.open = opener
        self.digest = digest
        self.diff_id = diff_id


def entries(layers: list[Layer], limits: Limits, summary: Summary) -> Iterator[Entry]:
    """Return the entries of all layers, the lowest first, `layer` counting up from 0. All of them count for the limits.

    ArchiveError names the layer, which a person counts from 1. One that is damaged is found out at its end at the latest: what was made
    of its entries must be thrown away then.
    """
    for number, layer in enumerate(layers):
        with layer.open() as part:
            yield from _entries(layer, part, number, len(layers), limits, summary)


def _entries(layer: Layer, part: Part, number: int, count: int, limits: Limits, summary: Summary) -> Iterator[Entry]:
    what = f"layer {number + 1}"
    packed = hasher(layer.digest) if layer.digest else None
    unpacked = hasher(layer.diff_id) if layer.diff_id else None
    source = Source(part.fd, packed, part.start, part.size)
    stream = _Hashed(source, limits.max_bytes, unpacked) if unpacked else Stream(source, limits.max_bytes)
    try:
        for entry in _archive(stream, limits, summary):
            judged = _judged(entry, number)
            if judged is not None:
                yield judged
    except ArchiveError as error:
        stream.close()
        if packed and not error.option:  # a layer that came damaged is the better message than the first thing that looks wrong in it
            while source.piece():
                pass
            check_content(packed, layer.digest, what)
        raise ArchiveError(f"in {what} of {count}: {error.problem}", option=error.option, value=error.value,
                           remedy=error.remedy) from error
    finally:
        stream.close()
    if packed:
        check_content(packed, layer.digest, what)
    if unpacked:
        check_content(unpacked, layer.diff_id, what)


def _archive(stream: Stream, limits: Limits, summary: Summary) -> Iterator[Entry]:
    """Return the entries of the one archive of a layer. A layer of nothing but zeros changes nothing: old tools made those."""
    if not stream.begin():
        return
    summary.segments.append(stream.compression)
    yield from tar.entries(stream, limits, summary)
    # Go's archive/tar ends at the end mark: no other tool has ever shown what is behind it, and it must not appear here.
    if not _only_zeros_left(stream, limits) or stream.begin():
        raise broken("goes on with something behind the end of its archive")


def _only_zeros_left(stream: Stream, limits: Limits) -> bool:
    left = limits.max_bytes
    while True:
        piece = bytes(stream.read(PIECE))
        if not piece:
            return True
        left -= len(piece)
        limits.check(limits.max_bytes - left, 0, 0)
        if piece.strip(b"\0"):
            return False


def _judged(entry: Entry, number: int) -> Entry | None:
    """Return `entry` as one of layer `number`, a whiteout as what it means, None for what means nothing."""
    entry.layer = number
    if _HIDES not in entry.path:
        return entry
    parent, slash, name = entry.path.rpartition(b"/")
    if entry.path.startswith(_META) or b"/" + _META in entry.path:
        hidden, kind = parent, OPAQUE
        if name != _OPAQUE or parent.startswith(_META) or b"/" + _META in parent:
            return None
    elif name.startswith(_HIDES):
        hidden, kind = parent + slash + name[len(_HIDES):], WHITEOUT
        if name[len(_HIDES):] in (b"", b".", b".."):
            raise entry.member.error("a whiteout of no name, '.' or '..'")
    else:
        return entry
    if number == 0:
        return None  # there is nothing below
    whiteout = Entry(entry.member, hidden, kind, 0, 0, 0, 0, 0)
    whiteout.layer = number
    return whiteout


class _Hashed(Stream):
    """A Stream whose unpacked bytes are hashed on the way: those of one archive, and the zeros before it."""

    def __init__(self, source: Source, max_padding: int, seen: hashlib._Hash):
        super().__init__(source, max_padding)
        self._seen = seen

    def begin(self) -> bool:
        is_first = self.position == 0
        found = super().begin()
        zeros = self.position if is_first else 0
        while zeros:
            piece = _ZEROS[:zeros]
            self._seen.update(piece)
            zeros -= len(piece)
        return found

    def read(self, size: int) -> memoryview:  # exactly() and skip() read with it
        data = super().read(size)
        self._seen.update(data)
        return data
