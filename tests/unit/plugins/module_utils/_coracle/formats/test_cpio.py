# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading cpio archives: what is accepted, and the archive cases of the project's attack list (B..) that end before a file is made."""

from __future__ import annotations

import gzip
import io
import os
import time

import pytest

from ansible_collections.coracle.launcher.plugins.module_utils._coracle.base.errors import ArchiveError
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.formats import compression, cpio
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.formats.entries import Limits
from ansible_collections.coracle.launcher.tests.unit.archives import (
    BLOCK,
    CHARACTER,
    DIRECTORY,
    FIFO,
    FILE,
    SOCKET,
    SYMLINK,
    Archive,
    header,
    trailer,
)


@pytest.fixture
def parse(tmp_path):
    """Return a function: bytes of a file -> [(entry, content)]; the Summary is its attribute."""
    def run(data, limits=None):
        (tmp_path / "image").write_bytes(data)
        fd = os.open(tmp_path / "image", os.O_RDONLY)
        limits = limits or Limits()
        stream = compression.Stream(fd, limits.max_bytes)
        run.summary = cpio.Summary()
        try:
            return [(entry, b"".join(entry.data)) for entry in cpio.entries(stream, limits, run.summary)]
        finally:
            stream.close()
            os.close(fd)
    return run


def names(found):
    return [entry.path for entry, _data in found]


@pytest.mark.parametrize("magic, name", [(b"070701", "newc"), (b"070702", "crc")])
def test_an_archive_of_each_kind_of_entry(parse, magic, name):
    archive = Archive(magic).directory(b".").directory(b"etc", 0o2755).file(b"etc/a", b"hello", 0o4711, uid=1, gid=2, mtime=77)
    archive.symlink(b"l", b"/etc/a").node(b"null", CHARACTER, rdev=(1, 3)).node(b"sda", BLOCK, rdev=(8, 0))
    archive.node(b"f", FIFO).node(b"s", SOCKET)
    found = parse(archive.end(37))
    assert names(found) == [b"", b"etc", b"etc/a", b"l", b"null", b"sda", b"f", b"s"]
    assert [entry.kind for entry, _data in found] == [
        "directory", "directory", "file", "symlink", "character device", "block device", "fifo", "socket"]
    entry, data = found[2]
    assert (entry.mode, entry.uid, entry.gid, entry.mtime, entry.size, data) == (0o4711, 1, 2, 77, 5, b"hello")
    assert (found[3][0].target, found[4][0].device, found[1][0].mode) == (b"/etc/a", (1, 3), 0o2755)
    assert (parse.summary.format, parse.summary.segments, parse.summary.entries, parse.summary.size) == (name, ["none"], 8, 11)


@pytest.mark.parametrize("name, path", [
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
    archive = Archive()
    for number in range(50):
        archive.file(b"%d" % number, b"")
    with pytest.raises(ArchiveError, match="max_entries=49: the archive needs 50 or more") as caught:
        parse(archive.end(), Limits(max_entries=49))
    assert (caught.value.option, caught.value.value) == ("max_entries", 49)
    assert len(parse(archive.end(), Limits(max_entries=50))) == 50


def test_B26_too_deep(parse):
    with pytest.raises(ArchiveError, match="max_depth=100"):
        parse(Archive().file(b"d/" * 101 + b"f").end())
    assert parse(Archive().file(b"d/" * 100 + b"f").end())


def test_B24_too_many_bytes_are_refused_before_they_are_read(parse):
    archive = gzip.compress(Archive().file(b"zeros", b"", filesize=0xFFFFFFFF).end())
    with pytest.raises(ArchiveError, match="max_bytes=1048576: the archive needs 4294967295 or more"):
        parse(archive, Limits(max_bytes=1 << 20))


def test_B27_size_of_a_file_beyond_the_end(parse):
    with pytest.raises(ArchiveError, match=r"member 'a' at byte 0: the archive ends \d+ bytes before the end of its data"):
        parse(Archive().file(b"a", b"short", filesize=0xFFFFFFFF).end())


@pytest.mark.parametrize("magic", [b"070701", b"070702"])
def test_B28_B30_truncated_at_every_byte(parse, magic):
    whole = Archive(magic).directory(b"d").file(b"d/a", b"0123456789" * 20).symlink(b"l", b"target").file(b"b", b"xyz").end()
    for length in range(len(whole)):
        with pytest.raises(ArchiveError, match="ends|holds no archive|no cpio archive|something that is no cpio header"):
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
    archive = Archive(b"070702").file(b"good").file(b"bad", b"some data", check=sum(b"some data") + 1).end()
    with pytest.raises(ArchiveError, match=r"member 'bad' at byte \d+: its checksum is wrong"):
        parse(archive)
    assert len(parse(Archive(b"070702").file(b"good").file(b"bad", b"some data").end())) == 2


@pytest.mark.parametrize("field", range(13))
@pytest.mark.parametrize("text", [b"0x000001", b"-0000001", b"+0000001", b"0000_001", b" 0000001", b"0000001 ", b"\0" * 8, b"0000001g",
                                  "٠٠٠٠".encode(), b"\xff" * 8])
def test_B32_B33_numbers_are_hexadecimal_digits_only(parse, field, text):
    with pytest.raises(ArchiveError, match="something else than hexadecimal digits, at byte 0"):
        parse(header(b"a", fields={field: text}) + trailer())


def test_B33_digits_of_both_cases_are_fine(parse):
    assert parse(header(b"a", fields={5: b"000000aF"}) + trailer())[0][0].mtime == 0xAF


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


@pytest.mark.parametrize("zeros", [0, 1, 2, 3, 4, 512, 70000])
def test_B35_archives_follow_each_other(parse, zeros):
    early, main = Archive().file(b"kernel/x86/microcode/GenuineIntel.bin").end(512), Archive().file(b"init").end(300)
    for data, segments in ((early + b"\0" * zeros + gzip.compress(main), ["none", "gzip"]), (early + b"\0" * zeros + main, ["none", "none"]),
                           (gzip.compress(early + b"\0" * zeros + main), ["gzip", "gzip"]),
                           (gzip.compress(early) + b"\0" * zeros + main, ["gzip", "none"])):
        assert names(parse(data)) == [b"kernel/x86/microcode/GenuineIntel.bin", b"init"]
        assert parse.summary.segments == segments


def test_B36_no_end_mark(parse):
    whole = Archive().file(b"a").end()
    for data in (whole[:-len(trailer())], whole[:-len(trailer())] + b"\0" * 512, gzip.compress(whole[:-len(trailer())])):
        with pytest.raises(ArchiveError, match="ends without its end mark|no cpio header"):
            parse(data)
    assert parse(whole)


def test_B37_names_of_one_file_share_a_link(parse):
    archive = Archive().file(b"a", b"", ino=7, nlink=2).file(b"b", b"x", ino=7, nlink=2).file(b"other device", ino=7, nlink=2, dev=(9, 9))
    archive.file(b"alone", ino=7, nlink=1)
    again = Archive().file(b"after the end mark", ino=7, nlink=2)
    links = [entry.link for entry, _data in parse(archive.end() + again.end())]
    assert links[0] == links[1] and links[3] is None
    assert len({links[0], links[2], links[4]}) == 3


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


@pytest.mark.parametrize("data, problem", [
    (b"", "holds no archive"), (b"\0" * 4096, "holds no archive"), (gzip.compress(b"", mtime=0), "holds no archive"),
    (gzip.compress(b"\0" * 600, mtime=0), "holds no"),
    (b"just some text\n" * 20, "is no cpio archive: it begins with the bytes 6a 75 73 74 20 73"), (b"070707" + b"0" * 100, r"old portable format \(odc\)"),
    (b"\xc7\x71" + b"0" * 100, "old binary format"), (b"\x71\xc7" + b"0" * 100, "old binary format"), (b"\xed\xab\xee\xdb" + b"0" * 100, "RPM"),
    (b"\x7fELF" + b"0" * 100, "a program"), (b"\x01", "begins with the bytes 01"), (gzip.compress(b"text" * 50, mtime=0), "is no cpio archive"),
    (b"\x17" + b"\xfe" * 4096, "no cpio archive")])
def test_B39_what_is_no_archive_is_named(parse, data, problem):
    with pytest.raises(ArchiveError, match=problem):
        parse(data)


def test_B40_compressed_twice(parse):
    whole = Archive().file(b"a").end()
    with pytest.raises(ArchiveError, match="compressed twice: gzip inside gzip"):
        parse(gzip.compress(gzip.compress(whole)))
    assert parse(gzip.compress(whole))


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
    stream = compression.Stream(fd, 0)
    found = []
    for entry in cpio.entries(stream, Limits(), cpio.Summary()):
        found.append(entry.path)
        if entry.path == b"a":
            next(entry.data)
    stream.close()
    os.close(fd)
    assert found == [b"a", b"b"]


def test_P1_a_megabyte_of_small_archives_takes_less_than_a_second(parse):
    data = io.BytesIO()
    while data.tell() < 1 << 20:
        data.write(Archive().file(b"a", b"").end())
    began = time.process_time()
    parse(data.getvalue())
    assert time.process_time() - began < 1
