# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Any archive: formats told by content, several in one file, and what is no archive at all (B39, B40)."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import time
from pathlib import Path

import pytest

from ansible_collections.coracle.launcher.plugins.module_utils._coracle.base.errors import ArchiveError
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.formats.entries import Summary
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.formats.limits import Limits
from ansible_collections.coracle.launcher.tests.unit.archives import FORMATS, TAR_FORMATS, Archive, Tar, new, tar_header
from ansible_collections.coracle.launcher.tests.unit.each import each
from ansible_collections.coracle.launcher.tests.unit.reading import names, read

CORPUS = Path(__file__).resolve().parents[5] / "fuzz" / "corpus"
WITH_TOOLS = ("zstd", "lz4", "lz4-legacy", "lzop")  # not everywhere can these be unpacked
SUMMARY_NAMES = {"bin-swapped": "bin"}
PACKERS = {"none": bytes, "gzip": gzip.compress, "bzip2": bz2.compress, "xz": lzma.compress,
           "lzma": lambda data: lzma.compress(data, lzma.FORMAT_ALONE)}


def small(name):
    return new(name).directory(b"d").file(b"d/a", b"hello").symlink(b"l", b"d/a")


@each("packer", PACKERS)
@each("name", FORMATS)
def test_format_and_compression_are_told_by_content(name, packer):
    summary = Summary()
    found = read(PACKERS[packer](small(name).end()), summary=summary)
    assert [(entry.path, data) for entry, data in found] == [(b"d", b""), (b"d/a", b"hello"), (b"l", b"")]
    assert (summary.format, summary.segments) == (SUMMARY_NAMES.get(name, name), [packer])
    assert (summary.entries, summary.size, summary.depth) == (3, 8, 1)


@pytest.mark.parametrize("zeros", [0, 1, 2, 3, 4, 512, 70000])
def test_B35_archives_follow_each_other(zeros):
    early, main = Archive().file(b"kernel/x86/microcode/GenuineIntel.bin").end(512), Archive().file(b"init").end(300)
    for data, segments in ((early + b"\0" * zeros + gzip.compress(main), ["none", "gzip"]),
                           (early + b"\0" * zeros + main, ["none", "none"]),
                           (gzip.compress(early + b"\0" * zeros + main), ["gzip", "gzip"]),
                           (gzip.compress(early) + b"\0" * zeros + main, ["gzip", "none"])):
        summary = Summary()
        assert names(read(data, summary=summary)) == [b"kernel/x86/microcode/GenuineIntel.bin", b"init"]
        assert summary.segments == segments


@each("first", FORMATS)
@each("second", FORMATS)
def test_B35_archives_of_any_two_formats_follow_each_other(first, second):
    summary = Summary()
    data = new(first).file(b"a", b"1").end() + b"\0" * 7 + gzip.compress(new(second).file(b"b", b"2").end())
    assert [(entry.path, content) for entry, content in read(data, summary=summary)] == [(b"a", b"1"), (b"b", b"2")]
    assert summary.format == SUMMARY_NAMES.get(first, first)


def test_format_is_that_of_the_first_archive_with_entries():
    summary = Summary()
    read(Archive(b"070707").end() + Archive().file(b"a").end() + Tar("gnu").file(b"b").end(), summary=summary)
    assert summary.format == "newc"


@pytest.mark.parametrize("name", [b"070701", b"070707000000", b"\xc7\x71"])
def test_a_tar_whose_first_name_looks_like_cpio_is_a_tar(name):
    assert names(read(Tar("ustar").file(name).end())) == [name]


@each("garbage", [b"garbage", b"\x01", b"\0\0\0\x7f", b"070701", b"0" * 200, b"x" * 512, b"text" * 500])
@each("name", FORMATS)
def test_B35_garbage_behind_the_archive(name, garbage):
    whole = small(name).end()
    for data in (whole + garbage, gzip.compress(whole) + garbage, gzip.compress(whole + garbage)):
        with pytest.raises(ArchiveError):
            read(data)
    assert len(read(whole)) == 3


@each("name", FORMATS)
def test_B28_B30_truncated_at_every_byte(name):
    made = new(name).file(b"d/a", b"hello").symlink(b"l", b"d/a")
    whole = made.end()[:-512] if name in TAR_FORMATS else made.end()  # the second block of the end mark of tar is not asked for
    for length in range(len(whole)):
        with pytest.raises(ArchiveError) as caught:
            read(whole[:length])
        assert str(caught.value).isprintable()
    assert len(read(whole)) == 2


@each("name", FORMATS)
def test_B28_truncated_at_every_byte_inside_gzip(name):
    whole = small(name).end()
    packed = gzip.compress(whole)
    for length in range(len(packed)):
        with pytest.raises(ArchiveError):
            read(packed[:length])
    assert len(read(packed)) == 3


@each("name", FORMATS)
def test_B25_B26_limits_of_entries_and_depth(name):
    for limits, option in ((Limits(max_entries=2), "max_entries"), (Limits(max_depth=0), "max_depth"), (Limits(max_bytes=4), "max_bytes")):
        with pytest.raises(ArchiveError, match="the archive needs") as caught:
            read(small(name).end(), limits)
        assert caught.value.option == option
    whole = small(name).end()
    assert len(read(whole[:-512] if name in TAR_FORMATS else whole, Limits(max_entries=3, max_depth=1, max_bytes=8))) == 3


ISO = b"\0" * 32768 + b"\x01CD001" + b"\0" * 2042
EXT4 = b"\0" * 1024 + b"\x10" + b"\0" * 55 + b"\x53\xef" + b"\0" * 1000


@each("data, problem", [
    (b"", "holds no archive"), (b"\0" * 4096, "holds no archive"), (gzip.compress(b"", mtime=0), "holds no archive"),
    (gzip.compress(b"\0" * 600, mtime=0), "holds no archive"),
    (b"just some text\n" * 20, "is a text"), (b"<html>\r\n", "is a text"), (gzip.compress(b"text" * 50, mtime=0), "is a text"),
    (b"\x01", "is no archive: it begins with the bytes 01"), (b"\x17" + b"\xfe" * 4096, "is no archive: it begins with the bytes 17 fe"),
    (b"\xed\xab\xee\xdb" + b"0" * 100, "an RPM package.*rpm2cpio"), (b"!<arch>\ndebian-binary   ", "a Debian package.*data.tar"),
    (b"PK\x03\x04" + b"0" * 100, "a ZIP archive"), (b"hsqs" + b"\0" * 100, "a squashfs image.*unsquashfs"), (b"sqsh", "a squashfs image"),
    (b"\x7fELF" + b"0" * 100, "a program"), (b"MZ" + b"\0" * 600, "a Linux kernel"), (b"\x27\x05\x19\x56" + b"\0" * 60, "U-Boot"),
    (ISO, "an ISO 9660 image"), (EXT4, "an ext2, ext3 or ext4 image"), (b"\xeb" + b"\x90" * 509 + b"\x55\xaa" + b"\1" * 600, "a disk"),
    (b"070727" + b"0" * 100, "afio"), (b"\x1f\x9d\x90" + b"0" * 100, "compressed with compress"), (b"LZIP\x01", "compressed with lzip"),
    (gzip.compress(b"\x7fELF" + b"0" * 100, mtime=0), "a program")], ids=range(24))
def test_B39_what_is_no_archive_is_named(data, problem):
    with pytest.raises(ArchiveError, match=problem) as caught:
        read(data)
    assert caught.value.remedy


def test_B39_a_tar_header_with_a_wrong_checksum_is_named():
    with pytest.raises(ArchiveError, match="a tar header with a wrong checksum, at byte 0"):
        read(tar_header(b"a", checksum=b"000001\0 ") + b"\0" * 1024)


@each("inner", PACKERS)
@each("outer", PACKERS)
def test_B40_compressed_twice(inner, outer):
    packed = PACKERS[outer](PACKERS[inner](Archive().file(b"a").end()))
    if "none" in (inner, outer):
        assert read(packed)
        return
    with pytest.raises(ArchiveError, match=f"compressed twice: {inner} inside {outer}.*Unpack it once"):
        read(packed)


def test_B25_too_many_archives():
    with pytest.raises(ArchiveError, match="max_entries=3: the file holds too many archives"):
        read(Archive().end() * 4, Limits(max_entries=3))
    assert read(Archive().end() * 3, Limits(max_entries=3)) == []


@each("name", FORMATS)
def test_P1_many_small_archives_come_to_an_end(name):
    data = io.BytesIO()
    while data.tell() < 1 << 18:
        data.write(new(name).file(b"a", b"").end())
    began = time.process_time()
    read(data.getvalue())
    assert time.process_time() - began < 10  # no figure: it would be minutes if each looked at all that follow


@each("path", [path for path in sorted(CORPUS.iterdir()) if path.name not in WITH_TOOLS], ids=lambda path: path.name)
def test_P1_what_the_fuzzer_begins_with_is_read(path):
    if path.name == "gzip-twice":
        with pytest.raises(ArchiveError, match="compressed twice"):
            read(path.read_bytes())
    else:
        assert bool(read(path.read_bytes())) is (path.name != "empty-newc")
