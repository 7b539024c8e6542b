# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The stream above all compressions: its runs, its limits, its thread."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import threading
import zlib

import pytest

from ansible_collections.coracle.launcher.plugins.module_utils._coracle.base.errors import ArchiveError
from ansible_collections.coracle.launcher.tests.unit import packers

A = b"070701" + b"a" * 3000
B = b"070701" + b"b" * 5000


@pytest.fixture(params=[1, 2], ids=["alone", "with-thread"], autouse=True)
def processors(request, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: set(range(request.param)))


@pytest.mark.parametrize("name, pack", [
    ("gzip", gzip.compress), ("xz", lzma.compress), ("bzip2", bz2.compress), ("xz", lambda data: lzma.compress(data, check=lzma.CHECK_CRC32)),
    ("lzma", packers.lzma_alone), ("none", bytes)])
def test_compression_is_recognised_by_magic(reading, name, pack):
    assert reading.runs(pack(A)) == [(name, A)]


def test_an_archive_may_go_on_in_the_next_member(reading):
    assert reading.runs(gzip.compress(A[:100]), gzip.compress(A[100:])) == [("gzip", A)]


def test_zeros_at_the_end_of_the_compressed_stream_are_the_readers(reading):
    with reading.stream(gzip.compress(A + b"\0" * 400), b"\0" * 40, max_padding=1000) as stream:
        assert stream.begin() and stream.exactly(len(A)) == A
        assert not stream.begin()


def test_plain_archive_before_a_compressed_one(reading):
    with reading.stream(A, b"\0" * 3, gzip.compress(B), max_padding=1000) as stream:
        assert stream.begin() and (stream.compression, stream.exactly(len(A))) == ("none", A)
        assert stream.begin() and (stream.compression, stream.exactly(len(B) + 5)) == ("gzip", B)
        assert not stream.begin()


def test_what_was_peeked_at_in_a_plain_run_is_not_lost(reading):
    with reading.stream(A, gzip.compress(B)) as stream:
        assert stream.begin()
        assert len(stream.peek(1 << 20)) > len(A)
        assert stream.exactly(len(A)) == A
        assert stream.begin() and stream.peek(7) == B[:7] and stream.exactly(len(B)) == B


def test_skippable_frames_lie_before_and_between_archives(reading):
    parts = (packers.skippable(), packers.zstd(A), packers.skippable(b"x" * 300_000, 0x184D2A5F), packers.zstd(A), b"\0" * 5, packers.skippable(b""),
             gzip.compress(B), packers.skippable())
    assert b"".join(data for _name, data in reading.runs(parts[0], gzip.compress(A), *parts[4:])) == A + B


@pytest.mark.parametrize("pack", [gzip.compress, lzma.compress, bz2.compress])
def test_truncated_stream_names_the_place(reading, pack):
    packed = pack(os.urandom(2000))
    with pytest.raises(ArchiveError, match=r"ends in the middle of its \w+ data, at byte 1500 of the file"):
        reading.runs(packed[:1500])
    assert reading.runs(packed)


def test_B40_wrong_checksum_of_gzip_is_refused(reading):
    packed = bytearray(gzip.compress(A))
    packed[-8] ^= 1
    with pytest.raises(ArchiveError, match="gzip data that cannot be unpacked"):
        reading.runs(packed)


def test_B24_zeros_without_end_stop_at_the_limit(reading):
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    bomb = b"".join([packer.compress(b"\0" * (1 << 20)) for _count in range(64)] + [packer.flush()])
    with reading.stream(gzip.compress(A), bomb, max_padding=8 << 20) as stream:
        assert stream.begin() and stream.exactly(len(A)) == A
        with pytest.raises(ArchiveError, match="more zeros"):
            stream.begin()
    with reading.stream(gzip.compress(A), bomb, max_padding=65 << 20) as stream:
        assert stream.begin() and stream.exactly(len(A)) == A and not stream.begin()


def test_xz_that_wants_too_much_memory_is_refused(reading):
    large = lzma.compress(A, filters=[{"id": lzma.FILTER_LZMA2, "preset": 0, "dict_size": 256 << 20}])
    with pytest.raises(ArchiveError, match="[Mm]emory usage limit"):
        reading.runs(large)


def test_many_empty_segments_end(reading):
    with pytest.raises(ArchiveError, match="more than 1000"):
        reading.runs((gzip.compress(b"") + b"\0") * 1100)


@pytest.mark.parametrize("part", [gzip.compress(b""), packers.skippable(b"")], ids=["member", "skippable frame"])
def test_many_empty_members_end(reading, part):
    assert reading.runs(gzip.compress(A) + part * 900 + gzip.compress(B))
    with pytest.raises(ArchiveError, match="more than 1000 .* in a row"):
        reading.runs(gzip.compress(A) + part * 1100 + gzip.compress(B))


def test_thread_ends_when_nobody_reads_on(reading):
    with reading.stream(gzip.compress(os.urandom(1 << 20) * 9, 1)) as stream:
        assert stream.begin()
    assert [thread.name for thread in threading.enumerate()] == ["MainThread"]


def test_thread_ends_with_an_error_that_nobody_sees(reading):
    with reading.stream(gzip.compress(os.urandom(1 << 20))[:-9]) as stream:
        assert stream.begin()


def test_closing_twice_is_harmless(reading):
    with reading.stream(gzip.compress(A)) as stream:
        assert stream.begin()
        stream.close()


def test_without_a_thread_to_be_had_it_goes_on(reading, monkeypatch):
    def start(_thread):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", start)
    assert reading.runs(gzip.compress(A)) == [("gzip", A)]
