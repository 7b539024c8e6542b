# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every compression in every way that this machine has: with each library, and with the tool."""

from __future__ import annotations

import functools
import random
import time

import pytest

from ansible_collections.coracle.launcher.plugins.module_utils._coracle.base.errors import ArchiveError
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.formats.compression import codecs
from ansible_collections.coracle.launcher.tests.unit import packers

WAYS = [
    ("gzip", "standard library"), ("gzip", "library isal"), ("gzip", "library zlib_ng"), ("xz", "standard library"),
    ("bzip2", "standard library"), ("lzma", "standard library"), ("zstd", "library compression.zstd"), ("zstd", "library backports.zstd"),
    ("zstd", "library zstandard"), ("zstd", "tool zstd"), ("lz4", "library lz4"), ("lz4", "tool lz4"), ("lzop", "tool lzop"),
]  # fmt: skip
# What the tools make, with the options that change the container.
MADE = [
    ("gzip", "gzip", "-9c"), ("xz", "xz", "-T2", "-c"), ("bzip2", "bzip2", "-c"), ("lzma", "xz", "--format=lzma", "-c"),
    ("zstd", "zstd", "-qc"), ("zstd", "zstd", "-19", "-qc"), ("zstd", "zstd", "-T2", "--no-check", "-qc"), ("zstd", "zstd", "--long=26", "-qc"),
    ("lz4", "lz4", "-qc"), ("lz4", "lz4", "-lqc"), ("lz4", "lz4", "-9", "-BX", "-B4", "--content-size", "-qc"), ("lz4", "lz4", "-BD", "--no-frame-crc", "-qc"),
    ("lzop", "lzop", "-c"), ("lzop", "lzop", "-9", "-CC", "-c"),
]  # fmt: skip
CHECKED = ("gzip", "xz", "bzip2", "lz4", "lzop")  # with the packers' options; lzma has no checksum, and neither have lz4 -l and our zstd

A = b"070701" + random.Random(1).randbytes(3000)


@functools.cache
def mixed(size, seed=5):
    """Bytes that pack to about a half."""
    chooser = random.Random(seed)
    found = b"070701" + b"".join(chooser.randbytes(97) + b"x" * chooser.randrange(200) for _count in range(size // 180 + 5))
    return found[:size]


@functools.cache
def packed_large(pack):
    return pack(mixed(1_500_000))


def each_packer(name):
    return packers.PACKERS[name]


@pytest.fixture(params=WAYS, ids=[f"{name}-{by.replace(' ', '-')}" for name, by in WAYS])
def name(request, only):
    only(*request.param)
    return request.param[0]


@pytest.mark.parametrize("size", [6, 1000, 300_000])
def test_content_comes_back_whatever_is_read_at_once(reading, name, size):
    chooser = random.Random(size)
    for pack in each_packer(name):
        assert reading.runs(pack(mixed(size)), size=lambda: chooser.choice((1, 7, 1000, 70000)) if size < 2000 else chooser.randrange(1, 99999)) == [
            (name, mixed(size))]


def test_what_the_tools_pack_comes_back(reading, name):
    data = mixed(1_800_000)
    tried = 0
    for _name, *command in [made for made in MADE if made[0] == name]:
        packed = packers.by_tool(data, *command)
        if packed is not None:
            tried += 1
            assert reading.runs(packed) == [(name, data)], command
    if not tried:
        pytest.skip("this machine has no tool that packs it")


@pytest.mark.parametrize("zeros", [0, 1, 3, 4, 511, 300_000])
def test_B40_segments_follow_each_other_behind_zeros_of_any_number(reading, name, zeros):
    for pack in each_packer(name):
        padding = bytes(zeros)
        assert reading.runs(pack(A), padding, packers.PACKERS["gzip"][0](A[::-1]), padding, pack(A), padding) == (
            [("gzip", A + A[::-1] + A)] if name == "gzip" and not zeros else [(name, A), ("gzip", A[::-1]), (name, A)])


def test_B40_every_compression_may_follow(reading, name):
    others = [(other, pack) for other, packs in packers.PACKERS.items() for pack in packs]
    for pack in each_packer(name):
        for other, follow in others:
            if codecs.codec_of(follow(A)).backend()[0] is None:
                continue
            runs = reading.runs(pack(A), follow(A[:500]))
            assert runs == ([(name, A + A[:500])] if other == name else [(name, A), (other, A[:500])])


def test_a_plain_archive_may_follow(reading, name):
    for pack in each_packer(name):
        assert reading.runs(pack(A), A[:200]) == [(name, A), ("none", A[:200])]
        assert reading.runs(pack(A), bytes(512), A[:200]) == [(name, A), ("none", A[:200])]


def test_members_of_one_compression_are_one_stream(reading, name):
    for pack in each_packer(name):
        assert reading.runs(*[pack(A[start:start + 100]) for start in range(0, 3000, 100)]) == [(name, A[:3000])]


def test_zeros_inside_are_the_readers(reading, name):
    for pack in each_packer(name):
        with reading.stream(pack(A + bytes(400)), bytes(40)) as stream:
            assert stream.begin() and stream.exactly(len(A)) == A
            assert not stream.begin()
            assert stream.position == len(A) + 440


def test_peek_keeps_and_skip_passes_over(reading, name):
    data = mixed(1_500_000)
    for pack in each_packer(name):
        with reading.stream(packed_large(pack)) as stream:
            assert stream.begin()
            for size in (1, 512, 300_000, 1 << 20):
                assert stream.peek(size) == data[:size]
            assert stream.position == 0
            assert stream.skip(300_000) == 300_000
            assert stream.position == 300_000
            assert stream.peek(1 << 20) == data[300_000:300_000 + (1 << 20)]
            assert stream.exactly(5) == data[300_000:300_005]
            assert stream.skip(2_000_000) == 1_199_995
            assert stream.peek(10) == b"" and stream.skip(1) == 0


def test_B28_truncated_anywhere_is_an_error(reading, name):
    for pack in each_packer(name):
        packed = pack(mixed(60))
        assert reading.runs(packed) == [(name, mixed(60))]
        for size in range(len(codecs.codec_of(packed).magics[0]), len(packed)):
            if pack is packers.lz4_legacy and size <= 7:
                continue  # a legacy frame without a block, and then less than the size of one: nothing is missing that it would know of
            with pytest.raises(ArchiveError, match=f"ends in the middle of its {name} data, at byte {size} of the file"):
                reading.runs(packed[:size])


def test_B29_a_flipped_bit_is_an_error_or_harmless(reading, name):
    chooser = random.Random(3)
    data = mixed(120)
    for pack in each_packer(name):
        if name not in CHECKED or pack is packers.lz4_legacy:
            continue
        packed = pack(data)
        for place in range(len(packed)):
            broken = bytearray(packed)
            broken[place] ^= 1 << chooser.randrange(8)
            try:
                runs = reading.runs(bytes(broken))
            except ArchiveError:
                continue
            # Another magic makes it plain bytes; and what is no content, such as a file's name, may be anything.
            assert runs[0][0] in ("none", "lzma", "gzip") or runs[0] == (name, data), place


def test_B29_flipped_bits_of_what_the_tools_pack(reading, name):
    chooser = random.Random(4)
    data = mixed(20_000)
    for _name, *command in [made for made in MADE if made[0] == name]:
        if "-lqc" in command or name == "lzma" or "--no-check" in command or "--no-frame-crc" in command:
            continue  # no checksum
        packed = packers.by_tool(data, *command)
        for _count in range(40 if packed else 0):
            broken = bytearray(packed)
            place = chooser.randrange(4, len(packed))
            broken[place] ^= 1 << chooser.randrange(8)
            try:
                runs = reading.runs(bytes(broken))
            except ArchiveError as error:
                assert "\n" not in str(error)
                continue
            # A zstd frame whose header denies its checksum leaves four bytes behind, which no archive format takes.
            assert runs[0] == (name, data) and (runs[1:] == [] or (name == "zstd" and len(runs[1][1]) <= 4)), (command, place)


def test_garbage_behind_the_magic_is_an_error(reading, name):
    chooser = random.Random(6)
    for magic in codecs.codec_of(each_packer(name)[0](A)).magics:
        for size in (1, 20, 5000, 300_000):
            with pytest.raises(ArchiveError):
                reading.runs(magic + b"\xff" + chooser.randbytes(size))


def test_nobody_reads_on(reading, name):
    for pack in each_packer(name):
        with reading.stream(pack(mixed(200_000)) * 100) as stream:
            assert stream.begin() and len(stream.read(10)) == 10


def test_many_small_members(reading, name):
    members = each_packer(name)[0](b"x") * 4000
    assert reading.runs(members) == [(name, b"x" * 4000)]


def resident():
    """Bytes of memory that this process has."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096


def bombs(name):
    """Return something that unpacks to more than a gigabyte, in a few megabytes."""
    if name == "zstd":
        return [packers.zstd(b"")[:5] + b"\x80" + packers.zstd_block(1, 128 << 10, b"x") * 10_000 + packers.zstd_block(0, 0, b"", last=True)]
    if name in ("gzip", "xz", "lzma"):
        return [packers.PACKERS[name][0](b"x" * (16 << 20)) * 64]
    made = [packers.by_tool(b"x" * (16 << 20), *command) for _name, *command in MADE if _name == name]
    return [data * 64 for data in made if data]


def test_B24_a_bomb_fills_no_memory(reading, name):
    for bomb in bombs(name):
        with reading.stream(bomb) as stream:
            before = resident()
            assert stream.begin() and stream.compression == name
            for _count in range(5):
                time.sleep(0.05)
                assert stream.skip(5 << 20) == 5 << 20
                assert resident() - before < 40 << 20
