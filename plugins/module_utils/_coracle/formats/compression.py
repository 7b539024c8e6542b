# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bytes of an archive, unpacked: compression is recognised by magic, and one file may hold several segments, each compressed or not."""

from __future__ import annotations

import os
import queue
import threading

from ..base.errors import ArchiveError, LauncherError
from .entries import PIECE

TYPE_CHECKING = False
if TYPE_CHECKING:
    import hashlib
    from collections.abc import Callable, Generator

    Pieces = Generator[bytes, None, None]

_READ = 256 << 10
_AHEAD = 6  # pieces unpacked before somebody asks for them
_XZ_MEMORY = 80 << 20  # bytes: xz -9 wants 65 MiB, all of it for its dictionary

_MAX_RUNS = 1000

PLAIN = "none"


class _Codec:
    """`open` returns an object like bz2.BZ2Decompressor; None where we cannot unpack, and then `remedy` says what to do."""

    __slots__ = ("name", "magic", "open", "remedy")

    def __init__(self, name: str, magic: bytes, opener: Callable | None, remedy: str | None = None):
        self.name = name
        self.magic = magic
        self.open = opener
        self.remedy = remedy


class _Gzip:
    """zlib behind the interface that bz2 and lzma have."""

    def __init__(self, zlib):
        self._zlib = zlib.decompressobj(31)  # 31: a gzip header and trailer around 15 bits of window
        self.needs_input = True

    @property
    def eof(self) -> bool:
        return self._zlib.eof

    @property
    def unused_data(self) -> bytes:
        return self._zlib.unused_data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        piece = self._zlib.decompress(data or self._zlib.unconsumed_tail, max_length)
        # A full piece may leave output inside zlib although its input is used up.
        self.needs_input = not self._zlib.unconsumed_tail and len(piece) < max_length
        return piece


def _library(name: str):
    try:
        return __import__(name)
    except ImportError as error:
        raise LauncherError(f"this host's Python has no module {name}, which unpacks the image",
                            remedy="Install the whole standard library of Python, or repack the image with gzip") from error


def _open_xz():
    lzma = _library("lzma")
    return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_XZ_MEMORY), lzma.LZMAError


def _open_lzma():
    lzma = _library("lzma")
    return lzma.LZMADecompressor(lzma.FORMAT_ALONE, memlimit=_XZ_MEMORY), lzma.LZMAError


def _open_gzip():
    zlib = _library("zlib")
    return _Gzip(zlib), zlib.error


def _open_bzip2():
    return _library("bz2").BZ2Decompressor(), OSError


def _repack(tool: str, option: str = "-dc") -> str:
    return f"Repack it where the tool is: {tool} {option} IMAGE | gzip > IMAGE.gz"


# lib/decompress.c of the kernel; the lz4 of initramfs images is the legacy frame.
_CODECS = (
    _Codec("gzip", b"\x1f\x8b", _open_gzip),
    _Codec("xz", b"\xfd7zXZ\0", _open_xz),
    _Codec("bzip2", b"BZh", _open_bzip2),
    _Codec("lzma", b"\x5d\0\0", _open_lzma),
    _Codec("zstd", b"\x28\xb5\x2f\xfd", None, _repack("zstd")),
    _Codec("lz4", b"\x02\x21\x4c\x18", None, _repack("lz4")),
    _Codec("lz4", b"\x04\x22\x4d\x18", None, _repack("lz4")),
    _Codec("lzop", b"\x89LZO", None, _repack("lzop")),
)
_MAGIC = max(len(codec.magic) for codec in _CODECS)


def _codec_of(head: bytes) -> _Codec | None:
    return next((codec for codec in _CODECS if head.startswith(codec.magic)), None)


def name_of(head: bytes) -> str | None:
    """Return the name of the compression whose magic `head` begins with, or None."""
    codec = _codec_of(head)
    return codec.name if codec else None


class _Source:
    """The file as it is: read in pieces, with a way back. `digest`, where given, sees every byte once."""

    def __init__(self, fd: int, digest: hashlib._Hash | None):
        self._fd = fd
        self._digest = digest
        self._held = b""
        self.offset = 0  # of the next byte that piece() returns

    def _read(self) -> bytes:
        data = os.read(self._fd, _READ)
        if self._digest is not None:
            self._digest.update(data)
        return data

    def piece(self) -> bytes:
        """Return some bytes, b'' at the end."""
        data, self._held = self._held or self._read(), b""
        self.offset += len(data)
        return data

    def give_back(self, data: bytes) -> None:
        self._held = data + self._held if self._held else data
        self.offset -= len(data)

    def peek(self, size: int) -> bytes:
        """Return the next `size` bytes and keep them; fewer at the end."""
        while len(self._held) < size:
            data = self._read()
            if not data:
                break
            self._held += data
        return self._held[:size]

    def skip_zeros(self) -> int:
        """Skip zero bytes, and return how many."""
        skipped = 0
        while True:
            data = self.piece()
            rest = data.lstrip(b"\0")
            skipped += len(data) - len(rest)
            if rest or not data:
                self.give_back(rest)
                return skipped


class Stream:
    """What an archive format reads: the unpacked bytes of one run of segments after the other.

    Call begin() before each archive, then read() and exactly(), and close() in the end. Bytes are unpacked by a thread of its own
    where a second processor makes that worth it: zlib, bz2 and lzma release the interpreter's lock.
    """

    def __init__(self, fd: int, max_padding: int, digest: hashlib._Hash | None = None):
        """`fd`: a regular file at its beginning. `max_padding`: bytes; more zeros than that between archives are refused."""
        self._source = _Source(fd, digest)
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
                self._source.give_back(bytes(self._view))
            self._view = memoryview(b"")
            skipped = self._source.skip_zeros()
            self._pad(skipped)
            self.position += skipped
            self._close_pieces()
            codec = _codec_of(self._source.peek(_MAGIC))
            self.compression = codec.name if codec else PLAIN
            if codec is None:
                return bool(self._source.peek(1))
            self._open(codec)

    def _open(self, codec: _Codec) -> None:
        if codec.open is None:
            raise ArchiveError(f"is compressed with {codec.name}, which this release does not unpack", remedy=codec.remedy)
        self._runs += 1
        if self._runs > _MAX_RUNS:  # each costs a thread
            raise ArchiveError(f"has more than {_MAX_RUNS} compressed segments")
        self._pieces = _ahead(self._unpack())

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
            piece = self._source.piece() if self._pieces is None else next(self._pieces, b"")
            if not piece:
                return False
            self._view = memoryview(piece)
        return True

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

    def close(self) -> None:
        """End the thread, if there is one. The descriptor stays open."""
        self._close_pieces()

    def _close_pieces(self) -> None:
        if self._pieces is not None:
            self._pieces.close()
            self._pieces = None

    def _unpack(self) -> Pieces:
        # Members that follow each other at once are one stream to every unpacker: an archive may go on from one into the next.
        codec = _codec_of(self._source.peek(_MAGIC))
        while codec is not None and codec.open is not None:
            yield from self._unpack_member(codec)
            codec = _codec_of(self._source.peek(_MAGIC))

    def _unpack_member(self, codec: _Codec) -> Pieces:
        unpacker, broken = codec.open()
        while not unpacker.eof:
            data = self._source.piece() if unpacker.needs_input else b""
            if not data and unpacker.needs_input:
                raise ArchiveError(f"ends in the middle of its {codec.name} data, at byte {self._source.offset} of the file",
                                   remedy="Copy the image again")
            try:
                piece = unpacker.decompress(data, PIECE)
            except (broken, EOFError, MemoryError) as error:
                raise ArchiveError(f"has {codec.name} data that cannot be unpacked, before byte {self._source.offset} of the file: {error}",
                                   remedy="Copy the image again") from error
            if piece:
                yield piece
        self._source.give_back(unpacker.unused_data)


def _ahead(pieces: Pieces) -> Pieces:
    """Return the same pieces, made by another thread where there are two processors."""
    if len(os.sched_getaffinity(0)) < 2:
        return pieces
    return _from_thread(pieces)


def _from_thread(pieces: Pieces) -> Pieces:
    ready: queue.Queue = queue.Queue(_AHEAD)
    stop = threading.Event()

    def work() -> None:
        try:
            for piece in pieces:
                ready.put(piece)
                if stop.is_set():
                    return
            ready.put(b"")
        except BaseException as error:  # handed to the reader, who raises it
            ready.put(error)

    worker = threading.Thread(target=work, name="unpack", daemon=True)
    worker.start()
    try:
        while True:
            piece = ready.get()
            if isinstance(piece, BaseException):
                raise piece
            if not piece:
                return
            yield piece
    finally:
        stop.set()
        while worker.is_alive():
            try:
                ready.get_nowait()
            except queue.Empty:
                worker.join(0.01)
