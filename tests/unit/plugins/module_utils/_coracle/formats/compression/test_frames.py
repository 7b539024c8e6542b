# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The walk over frames: what is no frame, what wants too much, where the data ends."""

from __future__ import annotations

import random
import struct

import pytest

from ansible_collections.coracle.launcher.plugins.module_utils._coracle.base.errors import ArchiveError
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.formats.compression import codecs
from ansible_collections.coracle.launcher.tests.unit import packers

A = b"070701" + bytes(range(256)) * 20
MIB = 1 << 20


@pytest.fixture(autouse=True)
def present(request):
    """Every compression has some way to be unpacked."""
    missing = {row["name"] for row in codecs.available() if row["by"] is None}
    for name in missing:
        if name in request.node.name:
            pytest.skip(f"nothing here unpacks {name}")


def window(log, mantissa=0):
    return log - 10 << 3 | mantissa


@pytest.mark.parametrize("log, mantissa", [(10, 0), (23, 7), (26, 0)])
def test_zstd_windows_that_fit_are_taken(reading, log, mantissa):
    block = packers.zstd_block(0, 1000, A[:1000], last=True)
    assert reading.runs(b"\x28\xb5\x2f\xfd\x00" + bytes([window(log, mantissa)]) + block) == [("zstd", A[:1000])]


@pytest.mark.parametrize("log, mantissa", [(26, 1), (27, 0), (31, 0), (41, 7)])
def test_zstd_windows_that_do_not_are_refused(reading, log, mantissa):
    with pytest.raises(ArchiveError, match=r"a window of \d+ bytes.*Repack it"):
        reading.runs(packers.zstd(A, window(log, mantissa)))


@pytest.mark.parametrize("code, size", [(0, b"\xff"), (1, struct.pack("<H", 65535)), (2, struct.pack("<I", 64 * MIB))])
def test_zstd_frames_of_a_single_segment_say_their_size(reading, code, size):
    with pytest.raises(ArchiveError, match="cannot be unpacked"):  # it is another than the header says
        reading.runs(b"\x28\xb5\x2f\xfd" + bytes([0x20 | code << 6]) + size + packers.zstd_block(0, 200, A[:200], last=True))


@pytest.mark.parametrize("code, data", [(0, A[:6]), (1, A[:300]), (2, A), (3, A)])
def test_zstd_content_sizes_of_each_length(reading, code, data):
    size = [struct.pack("<B", len(data) & 255), struct.pack("<H", max(0, len(data) - 256)), struct.pack("<I", len(data)), struct.pack("<Q", len(data))][code]
    assert reading.runs(packers.zstd(data, descriptor=0x20 | code << 6, rest=size)) == [("zstd", data)]
    if code:
        assert reading.runs(packers.zstd(data, descriptor=code << 6, rest=size)) == [("zstd", data)]


@pytest.mark.parametrize("code, size", [(2, 64 * MIB + 1), (3, 1 << 40)])
def test_zstd_frames_of_a_large_single_segment_are_refused(reading, code, size):
    with pytest.raises(ArchiveError, match="a window of"):
        reading.runs(packers.zstd(A, descriptor=0x20 | code << 6, rest=struct.pack("<Q", size)[:1 << code]))


@pytest.mark.parametrize("code, bytes_of_id", [(1, b"\5"), (2, b"\0\1"), (3, b"\0\0\0\1")])
def test_zstd_with_a_dictionary_is_refused(reading, code, bytes_of_id):
    with pytest.raises(ArchiveError, match="dictionary"):
        reading.runs(packers.zstd(A, descriptor=code, rest=bytes_of_id))
    assert reading.runs(packers.zstd(A, descriptor=code, rest=bytes(len(bytes_of_id)))) == [("zstd", A)]


@pytest.mark.parametrize("block", [packers.zstd_block(3, 5, b"12345", True), packers.zstd_block(0, 200_000, bytes(200_000), True)])
def test_zstd_blocks_that_no_packer_makes(reading, block):
    with pytest.raises(ArchiveError, match="impossible header"):
        reading.runs(packers.zstd(b"")[:6] + block)
    with pytest.raises(ArchiveError, match="reserved bit"):
        reading.runs(packers.zstd(A, descriptor=0x08))


def test_zstd_empty_blocks_without_end(reading):
    empty = packers.zstd_block(0, 0, b"")
    assert reading.runs(packers.zstd(b"")[:6] + empty * 900 + packers.zstd(A)[6:]) == [("zstd", A)]
    with pytest.raises(ArchiveError, match="empty blocks in a row"):
        reading.runs(packers.zstd(b"")[:6] + empty * 1100 + packers.zstd(A)[6:])


def test_skippable_frames_are_left_out(reading):
    for pack, name in ((packers.zstd, "zstd"), (packers.lz4, "lz4"), (packers.lz4_legacy, "lz4")):
        if name == "lz4" and pack is packers.lz4_legacy:
            assert reading.runs(packers.skippable() + pack(A) + pack(A)) == [(name, A + A)]
        else:
            parts = packers.skippable(), pack(A), packers.skippable(bytes(300_000), 0x184D2A5F), pack(A), packers.skippable(b"")
            assert reading.runs(*parts) == [(name, A + A)]


@pytest.mark.parametrize("cut", [3, 7, 9, 13])
def test_zstd_skippable_frames_may_be_truncated(reading, cut):
    with pytest.raises(ArchiveError, match="ends in the middle of its skippable data"):
        reading.runs(packers.zstd(A), packers.skippable()[:cut + 1])


def test_lz4_kinds_of_frames_are_one_stream(reading):
    assert reading.runs(packers.lz4(A), packers.lz4_legacy(A), packers.lz4(A)) == [("lz4", A + A + A)]


@pytest.mark.parametrize("place, value", [(4, 0x24), (4, 0x66), (5, 0xC0), (5, 0x41), (5, 0x30)])
def test_lz4_headers_that_no_packer_makes(reading, place, value):
    frame = bytearray(packers.lz4(A))
    frame[place] = value
    with pytest.raises(ArchiveError, match="impossible header"):
        reading.runs(frame)


def test_lz4_with_a_dictionary_is_refused(reading):
    frame = bytearray(packers.lz4(A))
    frame[4] |= 1
    with pytest.raises(ArchiveError, match="dictionary"):
        reading.runs(frame)


def test_lz4_blocks_larger_than_their_frame_says(reading):
    frame = bytearray(packers.lz4(A))
    frame[15:19] = struct.pack("<I", (64 << 10) + 1)
    with pytest.raises(ArchiveError, match="larger than its frame allows"):
        reading.runs(frame)


def test_lz4_legacy_of_several_blocks(reading):
    data = random.Random(1).randbytes(MIB) * 20
    assert reading.runs(packers.lz4_legacy(data), bytes(7), packers.lz4_legacy(A)) == [("lz4", data), ("lz4", A)]


@pytest.mark.parametrize("size", [8 * MIB + 8 * MIB // 255 + 17, 0xFFFFFFFF])
def test_lz4_legacy_without_a_block(reading, size):
    with pytest.raises(ArchiveError, match="impossible size"):
        reading.runs(packers.LEGACY + struct.pack("<I", size) + A)


def test_lz4_legacy_blocks_that_unpack_to_more_than_they_may(reading):
    with pytest.raises(ArchiveError, match="lz4 data that cannot be unpacked"):
        reading.runs(packers.LEGACY + struct.pack("<I", 40_000) + b"\x1fa\1\0" + b"\xff" * 39_990 + b"\0" * 6)


@pytest.mark.parametrize("flags", [0x01, 0x03, 0x100, 0x303, 0x00])
@pytest.mark.parametrize("extra", [None, b"", b"extra field"])
def test_lzop_checksums_and_fields(reading, flags, extra):
    assert reading.runs(packers.lzop(A, b"a name", flags, extra), packers.lzop(A)) == [("lzop", A + A)]


@pytest.mark.parametrize("sizes", [(5, 0), (9 * MIB, 5), (5, 6)])
def test_lzop_blocks_that_no_packer_makes(reading, sizes):
    member = packers.lzop(b"")
    assert reading.runs(member + packers.lzop(A)) == [("lzop", A)]
    block = struct.pack(">II", *sizes)
    with pytest.raises(ArchiveError):
        reading.runs(member[:-4] + block + bytes(8) + A)


def test_lzop_extra_field_without_end(reading):
    member = packers.lzop(A, extra=b"x")
    with pytest.raises(ArchiveError, match="impossible header"):
        reading.runs(member.replace(struct.pack(">I", 1) + b"x", struct.pack(">I", 1 << 31) + b"x"))


@pytest.mark.parametrize("seed", range(3))
def test_frames_of_nonsense_end(reading, seed):
    """Whatever stands behind a magic, there is an answer."""
    chooser = random.Random(seed)
    for pack in (packers.zstd, packers.lz4, packers.lz4_legacy, packers.lzop):
        good = pack(A)
        for _count in range(40):
            frame = bytearray(good)
            for _flip in range(chooser.randrange(1, 20)):
                frame[chooser.randrange(4, len(frame))] = chooser.randrange(256)
            del frame[chooser.randrange(4, 2 * len(frame)):]
            try:
                reading.runs(frame)
            except ArchiveError as error:
                assert str(error).isprintable()
