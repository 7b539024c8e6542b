# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import threading
import zlib

import pytest

from ansible_collections.coracle.launcher.plugins.module_utils._coracle.base.errors import ArchiveError
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.formats import compression

A = b"070701" + b"a" * 3000
B = b"070701" + b"b" * 5000


def read_all(path, max_padding=1 << 20):
    """Return [(compression, bytes)] of all runs; a run of plain bytes goes to the end of the file."""
    fd = os.open(path, os.O_RDONLY)
    stream = compression.Stream(fd, max_padding)
    try:
        found = []
        while stream.begin():
            data = bytearray()
            name = stream.compression
            while True:
                piece = stream.read(777)
                if not piece:
                    break
                data += piece
            found.append((name, bytes(data)))
        return found
    finally:
        stream.close()
        os.close(fd)


@pytest.fixture(params=[1, 2], ids=["alone", "with-thread"], autouse=True)
def processors(request, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: set(range(request.param)))


@pytest.fixture
def image(tmp_path):
    def write(*parts):
        (tmp_path / "image").write_bytes(b"".join(parts))
        return str(tmp_path / "image")
    return write


@pytest.mark.parametrize("name, pack", [
    ("gzip", gzip.compress), ("xz", lzma.compress), ("bzip2", bz2.compress), ("xz", lambda data: lzma.compress(data, check=lzma.CHECK_CRC32)),
    ("lzma", lambda data: lzma.compress(data, format=lzma.FORMAT_ALONE)), ("none", bytes)])
def test_compression_is_recognised_by_magic(image, name, pack):
    assert read_all(image(pack(A))) == [(name, A)]


@pytest.mark.parametrize("pack", [gzip.compress, lzma.compress, bz2.compress])
@pytest.mark.parametrize("zeros", [0, 1, 512, 300000])
def test_B40_members_and_segments_follow_each_other(image, pack, zeros):
    found = read_all(image(pack(A), b"\0" * zeros, gzip.compress(B), b"\0" * zeros))
    assert b"".join(data for _name, data in found) == A + B


def test_an_archive_may_go_on_in_the_next_member(image):
    assert read_all(image(gzip.compress(A[:100]), gzip.compress(A[100:]))) == [("gzip", A)]


def test_zeros_at_the_end_of_the_compressed_stream_are_the_readers(image):
    fd = os.open(image(gzip.compress(A + b"\0" * 400), b"\0" * 40), os.O_RDONLY)
    stream = compression.Stream(fd, 1000)
    assert stream.begin() and stream.exactly(len(A)) == A
    assert not stream.begin()
    stream.close()
    os.close(fd)


def test_plain_archive_before_a_compressed_one(image):
    fd = os.open(image(A, b"\0" * 3, gzip.compress(B)), os.O_RDONLY)
    stream = compression.Stream(fd, 1000)
    assert stream.begin() and (stream.compression, stream.exactly(len(A))) == ("none", A)
    assert stream.begin() and (stream.compression, stream.exactly(len(B) + 5)) == ("gzip", B)
    assert not stream.begin()
    stream.close()
    os.close(fd)


@pytest.mark.parametrize("pack", [gzip.compress, lzma.compress, bz2.compress])
def test_truncated_stream_names_the_place(image, pack):
    packed = pack(os.urandom(2000))
    with pytest.raises(ArchiveError, match=r"ends in the middle of its \w+ data, at byte 1500 of the file"):
        read_all(image(packed[:1500]))
    assert read_all(image(packed))


def test_B40_wrong_checksum_of_gzip_is_refused(image):
    packed = bytearray(gzip.compress(A))
    packed[-8] ^= 1
    with pytest.raises(ArchiveError, match="gzip data that cannot be unpacked.*incorrect data check"):
        read_all(image(packed))


@pytest.mark.parametrize("magic, name", [(b"\x28\xb5\x2f\xfd", "zstd"), (b"\x02\x21\x4c\x18", "lz4"), (b"\x04\x22\x4d\x18", "lz4"),
                                         (b"\x89LZO", "lzop")])
def test_other_compressions_are_named_with_a_remedy(image, magic, name):
    with pytest.raises(ArchiveError, match=f"is compressed with {name}, .*Repack it where the tool is: {name} "):
        read_all(image(magic + b"x" * 100))


def test_B24_zeros_without_end_stop_at_the_limit(image):
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    bomb = b"".join([packer.compress(b"\0" * (1 << 20)) for _count in range(64)] + [packer.flush()])
    path = image(gzip.compress(A), bomb)
    with pytest.raises(ArchiveError, match="more zeros"):
        fd = os.open(path, os.O_RDONLY)
        stream = compression.Stream(fd, 8 << 20)
        try:
            assert stream.begin() and stream.exactly(len(A)) == A
            stream.begin()
        finally:
            stream.close()
            os.close(fd)
    assert [thread.name for thread in threading.enumerate()] == ["MainThread"]


def test_xz_that_wants_too_much_memory_is_refused(image):
    large = lzma.compress(A, filters=[{"id": lzma.FILTER_LZMA2, "preset": 0, "dict_size": 256 << 20}])
    with pytest.raises(ArchiveError, match="[Mm]emory usage limit"):
        read_all(image(large))


def test_many_empty_segments_end(image):
    with pytest.raises(ArchiveError, match="more than 1000"):
        read_all(image((gzip.compress(b"") + b"\0") * 1100))


def test_thread_ends_when_nobody_reads_on(image):
    fd = os.open(image(gzip.compress(os.urandom(1 << 20) * 30)), os.O_RDONLY)
    stream = compression.Stream(fd, 0)
    assert stream.begin()
    stream.close()
    os.close(fd)
    assert [thread.name for thread in threading.enumerate()] == ["MainThread"]
