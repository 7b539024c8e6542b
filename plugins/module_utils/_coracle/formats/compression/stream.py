# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an archive format reads: unpacked bytes. One file may hold several segments, each compressed or not."""

from __future__ import annotations

from ...base.errors import ArchiveError
from . import frames
from .ahead import ahead
from .codecs import MAGIC, PLAIN, codec_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .codecs import Codec
    from .source import Bytes, Pieces, Source

_MAX_RUNS = 1000


class Stream:
    """The unpacked bytes of one run of segments after the other.

    Call begin() before each archive, then read() and its kin, and close() in the end. Bytes are unpacked by a thread of its own
    where a second processor makes that worth it.
    """

    def __init__(self, source: Source, max_padding: int):
        """`source` at its beginning. `max_padding`: bytes; more zeros than that between archives are refused."""
        self._source = source
        self._pieces: Pieces | None = None  # of a compressed run; None while bytes pass as they are
        self._view = memoryview(b"")
        self._padding = max_padding
        self._runs = 0
        self.compression = PLAIN  # of the run that begin() found
        self.position = 0  # bytes delivered so far

    def begin(self) -> bool:
        """Go to the next archive, past zeros of any number. False at the end of the file. What comes need not be an archive."""
        while True:
            if self._pieces is not None and self._skip_unpacked_zeros():
                return True
            if self._pieces is None:
                self._source.give_back(self._view)
            self._view = memoryview(b"")
            self._close_pieces()
            self._skip_padding()
            codec = codec_of(self._source.peek(MAGIC))
            self.compression = codec.name if codec else PLAIN
            if codec is None:
                return bool(self._source.peek(1))
            self._open(codec)

    def _skip_padding(self) -> None:
        """Skip zeros, and the skippable frames that zstd and lz4 may begin with."""
        for _count in range(frames.MAX_EMPTY):
            skipped = self._source.skip_zeros()
            self._pad(skipped)
            self.position += skipped
            if not frames.is_skippable(self._source.peek(frames.SKIPPABLE_MAGIC)):
                return
            self.position += frames.skip_skippable(self._source)
        raise ArchiveError(f"has more than {frames.MAX_EMPTY} skippable frames in a row")

    def _open(self, codec: Codec) -> None:
        self._runs += 1
        if self._runs > _MAX_RUNS:  # each costs a thread
            raise ArchiveError(f"has more than {_MAX_RUNS} compressed segments")
        self._pieces = ahead(codec.unpack(self._source))

    def _skip_unpacked_zeros(self) -> bool:
        while self._fill():
            rest = bytes(self._view).lstrip(b"\0")
            skipped = len(self._view) - len(rest)
            self._pad(skipped)
            self.position += skipped
            self._view = self._view[skipped:]
            if rest:
                return True
        return False

    def _pad(self, count: int) -> None:
        self._padding -= count
        if self._padding < 0:
            raise ArchiveError("has more zeros between its archives than max_bytes allows", remedy="Give max_bytes a larger value")

    def _fill(self) -> bool:
        while not self._view:
            piece = self._next_piece()
            if not piece:
                return False
            self._view = memoryview(piece)
        return True

    def _next_piece(self) -> Bytes:
        """Return the next piece of the run, an empty one at its end only."""
        if self._pieces is None:
            return self._source.piece()
        return next(filter(None, self._pieces), b"")

    def peek(self, size: int) -> bytes:
        """Return the next `size` bytes (at most 1 MiB) and keep them; fewer only at the end of the run."""
        if len(self._view) < size:
            parts: list[Bytes] = [self._view]
            missing = size - len(self._view)
            while missing > 0:
                piece = self._next_piece()
                if not piece:
                    break
                parts.append(piece)
                missing -= len(piece)
            self._view = memoryview(b"".join(parts))
        return bytes(self._view[:size])

    def read(self, size: int) -> memoryview:
        """Return at least one and at most `size` bytes; none at the end of the run."""
        self._fill()
        data = self._view[:size]
        self._view = self._view[size:]
        self.position += len(data)
        return data

    def exactly(self, size: int) -> bytes:
        """Return `size` bytes (a small number), fewer only at the end of the run."""
        data = self.read(size)
        if len(data) == size:
            return bytes(data)
        whole = bytearray(data)
        while len(whole) < size:
            data = self.read(size - len(whole))
            if not data:
                break
            whole += data
        return bytes(whole)

    def skip(self, size: int) -> int:
        """Pass over `size` bytes, and return how many there were: fewer only at the end of the run."""
        skipped = 0
        while skipped < size:
            data = self.read(size - skipped)
            if not data:
                break
            skipped += len(data)
        return skipped

    def close(self) -> None:
        """End the thread and the tool, if there is one. The descriptor stays open."""
        self._close_pieces()

    def _close_pieces(self) -> None:
        if self._pieces is not None:
            self._pieces.close()
            self._pieces = None
