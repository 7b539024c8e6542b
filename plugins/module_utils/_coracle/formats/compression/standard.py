# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compressions that Python's standard library unpacks: gzip, xz, bzip2 and lzma. Each finds the end of its data by itself."""

from __future__ import annotations

from ...base.errors import ArchiveError
from ..entries import PIECE
from . import frames

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from .source import Bytes, Pieces, Source

    Opener = Callable[[], Any]

STANDARD_LIBRARY = "standard library"
_XZ_MEMORY = 80 << 20  # bytes: xz -9 wants 65 MiB, all of it for its dictionary


class _Gzip:
    """zlib, or a faster module of the same interface, behind the interface that bz2 and lzma have."""

    def __init__(self, zlib):
        self._zlib = zlib.decompressobj(31)  # 31: a gzip header and trailer around 15 bits of window
        self.needs_input = True

    @property
    def eof(self) -> bool:
        return self._zlib.eof

    @property
    def unused_data(self) -> bytes:
        return self._zlib.unused_data

    def decompress(self, data: Bytes, max_length: int) -> bytes:
        piece = self._zlib.decompress(data or self._zlib.unconsumed_tail, max_length)
        # A full piece may leave output inside zlib although its input is used up.
        self.needs_input = not self._zlib.unconsumed_tail and len(piece) < max_length
        return piece


# Each returns who unpacks, what opens a member, and what that raises for broken data; ImportError where this Python lacks it.


def gzip():
    for load in (_isal, _zlib_ng):
        try:
            by, zlib = load()
            break
        except ImportError:
            continue
    else:
        import zlib
        by = STANDARD_LIBRARY
    return by, lambda: _Gzip(zlib), zlib.error


def _isal():
    from isal import isal_zlib  # half the time of zlib, and less
    return "library isal", isal_zlib


def _zlib_ng():
    from zlib_ng import zlib_ng
    return "library zlib_ng", zlib_ng


def xz():
    import lzma
    return STANDARD_LIBRARY, lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_XZ_MEMORY), lzma.LZMAError


def lzma_alone():
    import lzma
    return STANDARD_LIBRARY, lambda: lzma.LZMADecompressor(lzma.FORMAT_ALONE, memlimit=_XZ_MEMORY), lzma.LZMAError


def bzip2():
    import bz2
    return STANDARD_LIBRARY, bz2.BZ2Decompressor, OSError


def unpack(source: Source, name: str, magic: bytes, opener: Opener, errors: type[Exception]) -> Pieces:
    """Return the pieces of all members that follow each other at once. They are one stream to every unpacker.

    `opener` returns an object like bz2.BZ2Decompressor, `errors`: what that raises for broken data. A piece may be empty.
    """
    empty = 0
    while source.peek(len(magic)) == magic:
        unpacker = opener()
        empty += 1
        while not unpacker.eof:
            data = source.piece() if unpacker.needs_input else b""
            if not data and unpacker.needs_input:
                raise frames.truncated(source, name)
            try:
                piece = unpacker.decompress(data, PIECE)
            except (errors, EOFError, MemoryError) as error:
                raise frames.broken(source, name, error) from error
            if piece:
                empty = 0
            yield piece
        if empty > frames.MAX_EMPTY:
            raise ArchiveError(f"has more than {frames.MAX_EMPTY} empty {name} members in a row")
        source.give_back(unpacker.unused_data)
