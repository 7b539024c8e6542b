# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The bytes of an archive as they lie in the file: read once, in pieces, with a way back."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    import hashlib
    import typing as t
    from collections.abc import Generator

    Bytes = t.Union[bytes, bytearray, memoryview]
    Pieces = Generator[Bytes, None, None]

_READ = 256 << 10  # bytes


class Source:
    """What a Stream unpacks: a file from where its descriptor stands to its end, or a part of it.

    `digest`, where given, sees every byte once, in order. With `start` or `size` (bytes) the part is read with pread(2), and the
    position of the descriptor is left alone; without them the descriptor need not be seekable.
    """

    def __init__(self, fd: int, digest: hashlib._Hash | None = None, start: int = 0, size: int | None = None):
        self._fd = fd
        self._digest = digest
        self._placed = start > 0 or size is not None
        self._next = start  # of pread
        self._left = size
        self._held: Bytes = b""
        self.offset = 0  # of the next byte that piece() returns, from `start`

    def _read(self) -> bytes:
        data = self._read_placed() if self._placed else os.read(self._fd, _READ)
        if self._digest is not None:
            self._digest.update(data)
        return data

    def _read_placed(self) -> bytes:
        wanted = _READ if self._left is None else min(_READ, self._left)
        data = os.pread(self._fd, wanted, self._next)
        self._next += len(data)
        if self._left is not None:
            self._left -= len(data)
        return data

    def piece(self) -> Bytes:
        """Return some bytes, none at the end."""
        data = self._held or self._read()
        self._held = b""
        self.offset += len(data)
        return data

    def give_back(self, data: Bytes) -> None:
        """Let piece() return these bytes again, which were the last that it returned."""
        self.offset -= len(data)
        self._held = b"".join((data, self._held)) if self._held else data

    def peek(self, size: int) -> bytes:
        """Return the next `size` bytes (a small number) and keep them; fewer at the end."""
        while len(self._held) < size:
            data = self._read()
            if not data:
                break
            self._held = b"".join((self._held, data)) if self._held else data
        return bytes(self._held[:size])

    def up_to(self, size: int) -> Bytes:
        """Return at least one and at most `size` bytes, none at the end."""
        data = self.piece()
        if len(data) <= size:
            return data
        view = memoryview(data)
        self.offset -= len(view) - size
        self._held = view[size:]
        return view[:size]

    def exactly(self, size: int) -> Bytes:
        """Return `size` bytes, fewer only at the end."""
        data = self.up_to(size)
        if len(data) == size:
            return data
        whole = bytearray(data)
        while data and len(whole) < size:
            data = self.up_to(size - len(whole))
            whole += data
        return whole

    def skip_zeros(self) -> int:
        """Skip zero bytes, and return how many."""
        skipped = 0
        while True:
            data = bytes(self.piece())
            rest = data.lstrip(b"\0")
            skipped += len(data) - len(rest)
            if rest or not data:
                self.give_back(rest)
                return skipped
