# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading cpio archives: what is accepted, and the archive cases of the project's attack list (B..) that end before a file is made."""

from __future__ import annotations

import gzip
import os

import pytest

from ansible_collections.coracle.launcher.plugins.module_utils._coracle.base.errors import ArchiveError
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.formats import archive
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.formats.compression.source import Source
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.formats.compression.stream import Stream
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.formats.entries import Summary
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.formats.limits import Limits
from ansible_collections.coracle.launcher.tests.unit.archives import (
    BINARY,
    BINARY_SWAPPED,
    BLOCK,
    CHARACTER,
    CPIO_FORMATS,
    CRC,
    DIRECTORY,
    FIFO,
    FILE,
    NEWC,
    ODC,
    SOCKET,
    SYMLINK,
    Archive,
    header,
    trailer,
)
from ansible_collections.coracle.launcher.tests.unit.each import each
from ansible_collections.coracle.launcher.tests.unit.reading import names, read


@pytest.fixture
def parse():
    """Return a function: bytes of a file -> [(entry, content)]; the Summary is its attribute."""
    def run(data, limits=None):
        run.summary = Summary()
        return read(data, limits, run.summary)
    return run


@pytest.mark.parametrize("magic, name", [(NEWC, "newc"), (CRC, "crc"), (ODC, "odc"), (BINARY, "bin"), (BINARY_SWAPPED, "bin")])
def test_an_archive_of_each_kind_of_entry(parse, magic, name):
    made = Archive(magic).directory(b".").directory(b"etc", 0o2755).file(b"etc/a", b"hello", 0o4711, uid=1, gid=2, mtime=77)
    made.symlink(b"l", b"/etc/a").node(b"null", CHARACTER, rdev=(1, 3)).node(b"sda", BLOCK, rdev=(8, 0))
    made.node(b"f", FIFO).node(b"s", SOCKET)
    found = parse(made.end(37))
    assert names(found) == [b"", b"etc", b"etc/a", b"l", b"null", b"sda", b"f", b"s"]
    assert [entry.kind for entry, _data in found] == [
        "directory", "directory", "file", "symlink", "character device", "block device", "fifo", "socket"]
    entry, data = found[2]
    assert (entry.mode, entry.uid, entry.gid, entry.mtime_ns, entry.size, data) == (0o4711, 1, 2, 77 * 10**9, 5, b"hello")
    assert (found[3][0].target, found[4][0].device, found[1][0].mode) == (b"/etc/a", (1, 3), 0o2755)
    assert (parse.summary.format, parse.summary.segments, parse.summary.entries, parse.summary.size) == (name, ["none"], 8, 11)


@each("name, path", [
    (b"/etc/a", b"etc/a"), (b"./a", b"a"), (b"a//b/./c/", b"a/b/c"), (b"///", b""), (b"..a/b..", b"..a/b.."),
    (b"./TRAILER!!!", b"TRAILER!!!"), (b"a\nb\x1b[2J\xff", b"a\nb\x1b[2J\xff"), (b"n" * 255, b"n" * 255)])
def test_B01_B38_names_are_below_the_root(parse, name, path):
    assert names(parse(Archive().directory(name).end())) == [path]


@pytest.mark.parametrize("name", [b"../victim", b"a/../../b", b"..", b"/..", b"a/..", b"./../x"])
def test_B02_B03_parent_names_are_refused(parse, name):
    with pytest.raises(ArchiveError, match=r"has '\.\.' in it"):
        parse(Archive().file(name).end())


@pytest.mark.parametrize("uid, gid", [(0xFFFFFFFF, 0), (0, 0xFFFFFFFF), (1 << 31, 0), (0, 1 << 31)])
def test_B22_B23_owners_that_mean_something_else_are_refused(parse, uid, gid):
    with pytest.raises(ArchiveError, match=f"owner {uid}:{gid} is above 2147483647"):
        parse(Archive().file(b"a", uid=uid, gid=gid).end())
    assert parse(Archive().file(b"a", uid=(1 << 31) - 1, gid=65534).end())[0][0].uid == (1 << 31) - 1


def test_B25_too_many_entries(parse):
    made = Archive()
    for number in range(50):
        made.file(b"%d" % number, b"")
    with pytest.raises(ArchiveError, match="max_entries=49: the archive needs 50 or more") as caught:
        parse(made.end(), Limits(max_entries=49))
    assert (caught.value.option, caught.value.value) == ("max_entries", 49)
    assert len(parse(made.end(), Limits(max_entries=50))) == 50


def test_B26_too_deep(parse):
    with pytest.raises(ArchiveError, match="max_depth=100"):
        parse(Archive().file(b"d/" * 101 + b"f").end())
    assert parse(Archive().file(b"d/" * 100 + b"f").end())


def test_B24_too_many_bytes_are_refused_before_they_are_read(parse):
    packed = gzip.compress(Archive().file(b"zeros", b"", filesize=0xFFFFFFFF).end())
    with pytest.raises(ArchiveError, match="max_bytes=1048576: the archive needs 4294967295 or more"):
        parse(packed, Limits(max_bytes=1 << 20))


def test_B27_size_of_a_file_beyond_the_end(parse):
    with pytest.raises(ArchiveError, match=r"member 'a' at byte 0: the archive ends \d+ bytes before the end of its data"):
        parse(Archive().file(b"a", b"short", filesize=0xFFFFFFFF).end())


@pytest.mark.parametrize("magic", CPIO_FORMATS.values(), ids=CPIO_FORMATS)
def test_B28_B30_truncated_at_every_byte(parse, magic):
    whole = Archive(magic).directory(b"d").file(b"d/a", b"0123456789" * 20).symlink(b"l", b"target").file(b"b", b"xyz").end()
    for length in range(len(whole)):
        with pytest.raises(ArchiveError, match="ends|holds no archive|is no archive|is a text"):
            parse(whole[:length])
    assert len(parse(whole)) == 4


def test_B28_truncated_at_every_byte_inside_gzip(parse):
    whole = Archive().directory(b"d").file(b"d/a", b"0123456789").end()
    packed = gzip.compress(whole)
    for length in range(len(packed)):
        with pytest.raises(ArchiveError):
            parse(packed[:length])
    for length in range(len(whole)):
        with pytest.raises(ArchiveError):
            parse(gzip.compress(whole[:length], 1))
    assert len(parse(packed)) == 2


def test_B31_wrong_checksum(parse):
    made = Archive(CRC).file(b"good").file(b"bad", b"some data", check=sum(b"some data") + 1).end()
    with pytest.raises(ArchiveError, match=r"member 'bad' at byte \d+: its checksum is wrong"):
        parse(made)
    assert len(parse(Archive(CRC).file(b"good").file(b"bad", b"some data").end())) == 2


@each("field", range(13))
@each("text", [b"0x000001", b"-0000001", b"+0000001", b"0000_001", b" 0000001", b"0000001 ", b"\0" * 8, b"0000001g",
               "٠٠٠٠".encode(), b"\xff" * 8])
def test_B32_B33_numbers_are_hexadecimal_digits_only(parse, field, text):
    with pytest.raises(ArchiveError, match="something else than hexadecimal digits, at byte 0"):
        parse(header(b"a", fields={field: text}) + trailer())


def test_B33_digits_of_both_cases_are_fine(parse):
    assert parse(header(b"a", fields={5: b"000000aF"}) + trailer())[0][0].mtime_ns == 0xAF * 10**9


@each("field", range(10))
@each("digits", [b"0o", b"-0", b"+0", b"_0", b" 0", b"8", b"9", b"a", b"\0", b"\xb2"])
def test_B32_B33_numbers_of_odc_are_octal_digits_only(parse, field, digits):
    width = 11 if field in (7, 9) else 6
    for raw in (digits + b"0" * (width - len(digits)), b"0" * (width - len(digits)) + digits):
        with pytest.raises(ArchiveError, match="something else than octal digits, at byte 0"):
            parse(header(b"a", magic=ODC, fields={field: raw}) + trailer(ODC))
    assert parse(header(b"a", magic=ODC) + trailer(ODC))


@pytest.mark.parametrize("magic, largest", [(ODC, 8**11 - 1), (BINARY, 2**32 - 1), (BINARY_SWAPPED, 2**32 - 1)])
def test_large_numbers_of_the_old_formats(parse, magic, largest):
    entry = parse(Archive(magic).file(b"a", uid=65535, gid=65534, mtime=largest, ino=65535).end())[0][0]
    assert (entry.uid, entry.gid, entry.mtime_ns) == (65535, 65534, largest * 10**9)
    with pytest.raises(ArchiveError, match=f"needs {largest} or more"):
        parse(Archive(magic).file(b"a", filesize=largest).end(), Limits(max_bytes=1 << 20))


@each("length", range(1, 6))
@each("name", [b"a", b"bc"])
@each("magic", CPIO_FORMATS.values(), ids=CPIO_FORMATS)
def test_padding_of_names_and_data(parse, magic, name, length):
    found = parse(Archive(magic).file(name, b"x" * length).file(b"next", b"y").end())
    assert [(entry.path, data) for entry, data in found] == [(name, b"x" * length), (b"next", b"y")]


@each("first", CPIO_FORMATS)
@each("second", CPIO_FORMATS)
def test_only_newc_and_crc_alternate_in_one_archive(parse, first, second):
    data = header(b"a", magic=CPIO_FORMATS[first]) + Archive(CPIO_FORMATS[second]).file(b"b").end()
    if first == second or {first, second} == {"newc", "crc"}:
        assert names(parse(data)) == [b"a", b"b"]
    else:
        with pytest.raises(ArchiveError, match="goes on with something that is no cpio header"):
            parse(data)


@pytest.mark.parametrize("magic", [NEWC, ODC, BINARY])
def test_device_numbers_that_no_kernel_has(parse, magic):
    if magic == NEWC:
        with pytest.raises(ArchiveError, match="device number 4096:0 is above 4095:1048575"):
            parse(Archive(magic).node(b"n", CHARACTER, rdev=(4096, 0)).end())
        assert parse(Archive(magic).node(b"n", CHARACTER, rdev=(4095, 1048575)).end())
    assert parse(Archive(magic).node(b"n", BLOCK, rdev=(255, 255)).end())[0][0].device == (255, 255)


def test_B34_name_without_nul(parse):
    with pytest.raises(ArchiveError, match="name without its NUL"):
        parse(header(b"abc", nul=b"x") + trailer())


@pytest.mark.parametrize("size", [0, 1, 4097, 0xFFFFFFFF])
def test_B34_sizes_of_names(parse, size):
    with pytest.raises(ArchiveError, match=f"name of {size} bytes"):
        parse(header(b"abc", namesize=size) + b"\0" * 5000 + trailer())


def test_B34_empty_name(parse):
    with pytest.raises(ArchiveError, match="empty name"):
        parse(header(b"", nul=b"\0\0") + trailer())


def test_B34_nul_before_the_end_of_the_name_is_padding(parse):
    assert names(parse(header(b"abc", nul=b"\0\0\0\0\0\0") + trailer())) == [b"abc"]


@pytest.mark.parametrize("garbage", [b"garbage", b"\x01", b"\0\0\0\x7f", b"070701", b"0" * 200])
def test_B35_garbage_behind_the_archive(parse, garbage):
    with pytest.raises(ArchiveError):
        parse(Archive().file(b"a").end() + garbage)
    with pytest.raises(ArchiveError):
        parse(gzip.compress(Archive().file(b"a").end()) + garbage)
    with pytest.raises(ArchiveError):
        parse(gzip.compress(Archive().file(b"a").end() + garbage))


def test_B36_no_end_mark(parse):
    whole = Archive().file(b"a").end()
    for data in (whole[:-len(trailer())], whole[:-len(trailer())] + b"\0" * 512, gzip.compress(whole[:-len(trailer())])):
        with pytest.raises(ArchiveError, match="ends without its end mark|no cpio header"):
            parse(data)
    assert parse(whole)


def test_B37_names_of_one_file_share_a_link(parse):
    made = Archive().file(b"a", b"", ino=7, nlink=2).file(b"b", b"x", ino=7, nlink=2).file(b"other device", ino=7, nlink=2, dev=(9, 9))
    made.file(b"alone", ino=7, nlink=1)
    again = Archive().file(b"after the end mark", ino=7, nlink=2)
    links = [entry.link for entry, _data in parse(made.end() + again.end())]
    assert links[0] == links[1] and links[3] is None
    assert len({links[0], links[2], links[4]}) == 3


@pytest.mark.parametrize("magic", [ODC, BINARY, BINARY_SWAPPED])
def test_B37_old_formats_bring_the_data_with_each_name(parse, magic):
    found = parse(Archive(magic).file(b"a", b"data", ino=7, nlink=2).file(b"b", b"data", ino=7, nlink=2).end())
    assert found[0][0].link is not None
    assert found[0][0].link == found[1][0].link and [data for _entry, data in found] == [b"data", b"data"]


@each("fields", [{"mtime": 5}, {"uid": 5}, {"gid": 5}, {"mode": 0o600}, {"data": b"other"}, {"nlink": 3}])
@each("magic", [ODC, BINARY, BINARY_SWAPPED])
def test_B37_old_formats_have_short_inode_numbers_so_two_files_may_share_one(parse, magic, fields):
    found = parse(Archive(magic).file(b"a", ino=7, nlink=2).file(b"b", **{"ino": 7, "nlink": 2, **fields}).end())
    assert found[0][0].link != found[1][0].link


def test_B38_parts_of_names_that_are_too_long(parse):
    with pytest.raises(ArchiveError, match="longer than 255 bytes"):
        parse(Archive().file(b"d/" + b"n" * 256).end())


def test_B38_messages_hold_no_control_characters(parse):
    with pytest.raises(ArchiveError) as caught:
        parse(Archive().file(b"\x1b]0;x\x07\n\xff/..").end())
    assert r"member '\x1b]0;x\x07\x0a\xff/..' at byte 0" in str(caught.value)
    assert str(caught.value).isprintable()


def test_B38_end_mark_with_data(parse):
    with pytest.raises(ArchiveError, match="the end mark has data"):
        parse(Archive().file(b"TRAILER!!!", b"data").end())


@pytest.mark.parametrize("target", [b"", b"a\0b", b"x" * 4096])
def test_targets_of_symbolic_links(parse, target):
    with pytest.raises(ArchiveError, match="a symbolic link to"):
        parse(Archive().symlink(b"l", target).end())
    assert parse(Archive().symlink(b"l", b"x" * 4095).end())[0][0].target == b"x" * 4095


@pytest.mark.parametrize("mode, problem", [(0o755, "type is unknown"), (0o170644, "type is unknown"), (0xFFFFFFFF, "type is unknown"),
                                           (DIRECTORY | 0o755, "a directory with data"), (FIFO | 0o644, "a fifo with data")])
def test_types_and_data_that_do_not_belong_together(parse, mode, problem):
    with pytest.raises(ArchiveError, match=problem):
        parse(Archive().add(b"a", mode, b"data").end())


@pytest.mark.parametrize("mode, data", [(FILE | 0o644, b""), (SYMLINK | 0o777, b"x"), (FIFO | 0o644, b"")])
def test_the_root_is_a_directory(parse, mode, data):
    with pytest.raises(ArchiveError, match="the root is no directory"):
        parse(Archive().add(b".", mode, data).end())


def test_content_that_nobody_reads_is_skipped(tmp_path):
    (tmp_path / "image").write_bytes(gzip.compress(Archive().file(b"a", b"x" * 3000001).file(b"b", b"y").end()))
    fd = os.open(tmp_path / "image", os.O_RDONLY)
    stream = Stream(Source(fd), 0)
    found = []
    for entry in archive.entries(stream, Limits(), Summary()):
        found.append(entry.path)
        if entry.path == b"a":
            next(entry.data)
    stream.close()
    os.close(fd)
    assert found == [b"a", b"b"]


@pytest.mark.parametrize("magic", [NEWC, CRC])
def test_busybox_puts_the_target_of_linked_symbolic_links_on_the_last_name(parse, magic):
    made = Archive(magic).symlink(b"a", b"", ino=7, nlink=3).symlink(b"b", b"", ino=7, nlink=3).file(b"f").symlink(b"c", b"target", ino=7, nlink=3)
    found = parse(made.symlink(b"d", b"other", ino=8, nlink=2).end())
    assert [(entry.path, entry.target, entry.size, entry.link) for entry, _data in found if entry.kind == "symlink"] == [
        (b"a", b"target", 6, None), (b"b", b"target", 6, None), (b"c", b"target", 6, None), (b"d", b"other", 5, None)]
    assert (parse.summary.entries, parse.summary.size) == (5, 4 + 3 * 6 + 5)


@pytest.mark.parametrize("magic, fields", [(NEWC, {"nlink": 1}), (ODC, {"nlink": 2}), (NEWC, {"nlink": 2}), (CRC, {"nlink": 2, "ino": 9})])
def test_a_symbolic_link_that_never_gets_a_target(parse, magic, fields):
    with pytest.raises(ArchiveError, match="member 'l' at byte 0: a symbolic link to a name of 0 bytes"):
        parse(Archive(magic).symlink(b"l", b"", **fields).symlink(b"m", b"x", nlink=2).end())


def test_symbolic_links_without_a_target_have_limits(parse):
    made = Archive()
    for number in range(4097):
        made.symlink(b"%d" % number, b"", ino=7, nlink=2)
    with pytest.raises(ArchiveError, match="member '4096' .*4096 symbolic links before it"):
        parse(made.symlink(b"l", b"x", ino=7, nlink=2).end())
    few = Archive().symlink(b"a", b"", ino=7, nlink=2).symlink(b"b", b"x" * 60, ino=7, nlink=2).end()
    assert len(parse(few, Limits(max_bytes=120))) == 2
    with pytest.raises(ArchiveError, match="member 'a' at byte 0"):
        parse(few, Limits(max_bytes=119))
