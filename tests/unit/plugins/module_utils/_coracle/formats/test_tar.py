# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading tar archives: what is accepted, and what is refused with the member's name and offset."""

from __future__ import annotations

import os
import struct

import pytest

from ansible_collections.coracle.launcher.plugins.module_utils._coracle.base.errors import ArchiveError
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.formats import tar
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.formats.entries import Summary
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.formats.limits import Limits
from ansible_collections.coracle.launcher.tests.unit.archives import (
    BLOCK,
    CHARACTER,
    FIFO,
    TAR_FORMATS,
    Tar,
    octal,
    pax_records,
    tar_header,
)
from ansible_collections.coracle.launcher.tests.unit.each import each
from ansible_collections.coracle.launcher.tests.unit.reading import names, read

NUMBERS = {"mode": (100, 8), "uid": (108, 8), "gid": (116, 8), "size": (124, 12), "time": (136, 12)}


def one(*parts, limits=None):
    """Return the first entry and its content of an archive of these bytes and an end mark."""
    return read(b"".join(parts) + b"\0" * 1024, limits)[0]


@pytest.mark.parametrize("style", ["ustar", "gnu", "pax"])
def test_an_archive_of_each_kind_of_entry(style):
    made = Tar(style).directory(b".").directory(b"etc/", 0o2755).file(b"etc/a", b"hello", 0o4711, uid=1, gid=2, mtime=77)
    made.symlink(b"l", b"/etc/a").node(b"null", CHARACTER, rdev=(1, 3)).node(b"sda", BLOCK, rdev=(8, 0)).node(b"f", FIFO)
    made.hardlink(b"h", b"./etc//a")
    summary = Summary()
    found = read(made.end(9999), summary=summary)
    assert names(found) == [b"", b"etc", b"etc/a", b"l", b"null", b"sda", b"f", b"h"]
    assert [entry.kind for entry, _data in found] == [
        "directory", "directory", "file", "symlink", "character device", "block device", "fifo", "file"]
    entry, data = found[2]
    assert (entry.mode, entry.uid, entry.gid, entry.mtime_ns, entry.size, data) == (0o4711, 1, 2, 77 * 10**9, 5, b"hello")
    assert (found[3][0].target, found[3][0].size, found[4][0].device, found[1][0].mode) == (b"/etc/a", 6, (1, 3), 0o2755)
    assert (found[7][0].link_path, found[7][0].size, found[7][0].link) == (b"etc/a", 0, None)
    assert (summary.format, summary.segments, summary.entries, summary.size) == (style, ["none"], 8, 11)


@pytest.mark.parametrize("kind", [b"0", b"\0", b"7"])
def test_kinds_of_files(kind):
    entry, data = one(tar_header(b"a", kind, b"data"))
    assert (entry.kind, data) == ("file", b"data")
    assert one(tar_header(b"a/", kind))[0].kind == "directory"
    with pytest.raises(ArchiveError, match="a directory with data"):
        one(tar_header(b"a/", kind, b"data"))


@each("kind, problem", [
    (b"V", "the label of a volume. Make the archive without --label"), (b"M", "from another volume"), (b"D", "incremental archive"),
    (b"N", "names as the oldest"), (b"8", r"type is unknown \(b'8'\)"), (b"A", "type is unknown"), (b"\xff", "type is unknown"),
    (b"S", "type is unknown")])
def test_kinds_that_are_refused(kind, problem):
    with pytest.raises(ArchiveError, match=f"member 'a' at byte 0: .*{problem}"):
        one(tar_header(b"a", kind))


@each("name, path", [
    (b"/etc/a", b"etc/a"), (b"./a", b"a"), (b"a//b/./c", b"a/b/c"), (b"..a/b..", b"..a/b.."), (b"a\nb\x1b[2J\xff", b"a\nb\x1b[2J\xff"),
    (b"n" * 100, b"n" * 100)])
@each("style", TAR_FORMATS)
def test_B01_B38_names_are_below_the_root(style, name, path):
    assert names(read(Tar(style).file(name).end())) == [path]


@each("name", [b"../victim", b"a/../../b", b"..", b"/..", b"a/..", b"./../x"])
@each("style", TAR_FORMATS)
def test_B02_B03_B10_parent_names_are_refused(style, name):
    with pytest.raises(ArchiveError, match=r"its name has '\.\.' in it"):
        read(Tar(style).file(name).end())
    with pytest.raises(ArchiveError, match=r"the name that it is linked to has '\.\.' in it"):
        read(Tar(style).file(b"a").hardlink(b"b", name).end())


def test_B09_absolute_hard_links_are_below_the_root():
    assert read(Tar().file(b"a").hardlink(b"b", b"//etc/passwd").end())[1][0].link_path == b"etc/passwd"


@pytest.mark.parametrize("target", [b"", b"/", b".", b"./"])
def test_hard_links_to_nothing(target):
    with pytest.raises(ArchiveError, match="a hard link to nothing or to the root"):
        read(Tar().hardlink(b"b", target).end())


@pytest.mark.parametrize("style", ["ustar", "gnu", "pax"])
def test_long_names(style):
    name, target = b"d" * 60 + b"/" + b"n" * 90, b"d" * 60 + b"/" + b"m" * 90
    made = Tar(style).file(name)
    if style != "ustar":
        made.hardlink(b"h", name).symlink(b"s", target * 2).file(target)
    found = read(made.end())
    assert found[0][0].path == name
    if style != "ustar":
        assert (found[1][0].link_path, found[2][0].target, found[3][0].path) == (name, target * 2, target)


def test_prefix_is_for_ustar_only():
    assert one(tar_header(b"a", prefix=b"p" * 155))[0].path == b"p" * 155 + b"/a"
    assert one(tar_header(b"a", style="gnu", prefix=b"p" * 131))[0].path == b"a"
    assert one(tar_header(b"a", style="v7", fields={345: b"p"}))[0].path == b"a"


def test_B38_parts_of_names_that_are_too_long():
    for made in (Tar("gnu").file(b"n" * 256), Tar("pax").file(b"n" * 256)):
        with pytest.raises(ArchiveError, match="a part of its name is longer than 255 bytes"):
            read(made.end())
    for made in (Tar("gnu").file(b"n" * 255), Tar("pax").file(b"n" * 255)):
        assert names(read(made.end())) == [b"n" * 255]


@pytest.mark.parametrize("style, problem", [("gnu", "extended header of 4097 bytes"), ("pax", "its name has 4096 bytes")])
def test_names_beyond_path_max(style, problem):
    with pytest.raises(ArchiveError, match=problem) as caught:
        read(Tar(style).file(b"d/" * 2048).end(), Limits(max_depth=9999))
    assert len(str(caught.value)) < 5000
    assert len(read(Tar(style).file(b"d/" * 2047 + b"d").end(), Limits(max_depth=9999))) == 1


def test_a_name_of_a_megabyte_does_not_make_a_message_of_a_megabyte():
    with pytest.raises(ArchiveError, match="its name has 1000000 bytes") as caught:
        read(Tar("pax").file(b"d/" * 500_000).end())
    assert len(str(caught.value)) < 5000


@pytest.mark.parametrize("target", [b"", b"x" * 4096])
def test_targets_of_symbolic_links(target):
    with pytest.raises(ArchiveError, match="a symbolic link to a name of"):
        read(Tar("pax").symlink(b"l", target).end())
    assert read(Tar("pax").symlink(b"l", b"x" * 4095).end())[0][0].target == b"x" * 4095


@pytest.mark.parametrize("name", [b"", b"."])
def test_the_root_is_a_directory(name):
    with pytest.raises(ArchiveError, match="the root is no directory|its name is empty|is no archive|no tar header"):
        one(tar_header(name))
    assert one(tar_header(b"./", b"5"))[0].path == b""


@pytest.mark.parametrize("kind", [b"1", b"2", b"3", b"4", b"5", b"6"])
def test_sizes_of_what_has_no_data(kind):
    with pytest.raises(ArchiveError, match="with data"):
        one(tar_header(b"a", kind, b"data", linkname=b"b"))
    with pytest.raises(ArchiveError, match="with data"):
        one(tar_header(b"a", kind, size=1, linkname=b"b"))
    assert one(tar_header(b"a", kind, linkname=b"b"))[0].path == b"a"


# --- numbers ---


@each("what", NUMBERS)
@each("raw", [b"0x10", b"-1", b"+1", b"1_0", b"8", b"1 1", b"1\0001", b"a", "٣".encode(), b"1,", b"\x81\1", b"\xbf\1"])
def test_B32_B33_numbers_are_octal_digits_only(what, raw):
    offset, width = NUMBERS[what]
    with pytest.raises(ArchiveError, match=f"its {what} is no octal number"):
        one(tar_header(b"a", fields={offset: raw.ljust(width, b"\0")}))


@each("raw, value", [
    (b"", 0), (b"5", 5), (b"   17", 15), (b"17 \0", 15), (b"17   ", 15), (b"1" * 11, 0o11111111111), (b"0" * 11 + b"7", 7), (b" " * 12, 0)])
def test_numbers_as_old_tars_wrote_them(raw, value):
    assert one(tar_header(b"a", fields={136: raw.ljust(12, b"\0")}))[0].mtime_ns == value * 10**9


@pytest.mark.parametrize("what, attribute", [("uid", "uid"), ("gid", "gid"), ("time", "mtime_ns")])
def test_numbers_of_base_256(what, attribute):
    offset, width = NUMBERS[what]
    for number in (0, 1, 255, 2097152, 2**31 - 1):
        raw = b"\x80" + number.to_bytes(width - 1, "big")
        entry = one(tar_header(b"a", fields={offset: raw}))[0]
        assert getattr(entry, attribute) == number * (10**9 if what == "time" else 1)


@pytest.mark.parametrize("what", NUMBERS)
def test_negative_and_enormous_numbers_are_refused(what):
    offset, width = NUMBERS[what]
    for raw in (b"\xff" * width, b"\xff" * (width - 1) + b"\x85"):
        if what == "time":  # before 1970
            assert one(tar_header(b"a", fields={offset: raw}))[0].mtime_ns == 0
            continue
        with pytest.raises(ArchiveError, match=f"its {what} is negative"):
            one(tar_header(b"a", fields={offset: raw}))
    if width == 12:
        with pytest.raises(ArchiveError, match=f"its {what} is above 9223372036854775807"):
            one(tar_header(b"a", fields={offset: b"\x80" + b"\xff" * 11}))


@pytest.mark.parametrize("uid, gid", [(0xFFFFFFFF, 0), (0, 0xFFFFFFFF), (1 << 31, 0), (0, 1 << 31)])
def test_B22_B23_owners_that_mean_something_else_are_refused(uid, gid):
    records = [(b"uid", b"%d" % uid), (b"gid", b"%d" % gid)]
    for data in (tar_header(b"a", uid=uid, gid=gid), Tar().pax(records).file(b"a").end()):
        with pytest.raises(ArchiveError, match=f"owner {uid}:{gid} is above 2147483647"):
            one(data)
    assert one(tar_header(b"a", uid=(1 << 31) - 1, gid=65534))[0].uid == (1 << 31) - 1


def test_times_beyond_any_file_system():
    assert one(tar_header(b"a", mtime=0x37FFFFFFF))[0].mtime_ns == 0x37FFFFFFF * 10**9
    with pytest.raises(ArchiveError, match="its time 15032385536 is above"):
        one(tar_header(b"a", mtime=0x380000000))


def test_B24_too_many_bytes_are_refused_before_they_are_read():
    with pytest.raises(ArchiveError, match="max_bytes=1048576: the archive needs 1099511627776 or more"):
        one(tar_header(b"a", size=1 << 40), limits=Limits(max_bytes=1 << 20))


def test_B27_size_of_a_file_beyond_the_end():
    with pytest.raises(ArchiveError, match=r"member 'a' at byte 0: the archive ends \d+ bytes before the end of its data"):
        one(tar_header(b"a", data=b"short", size=1 << 30))


# --- checksums and ends ---


def test_checksums():
    block = tar_header(b"\xff\xfe")
    signed = sum(byte - 256 if byte > 127 else byte for byte in block[:148] + b" " * 8 + block[156:])
    for checksum in (b"%06o\0 " % signed, b"%6o\0 " % sum(block[:148] + b" " * 8 + block[156:]), b"%07o\0" % signed):
        assert one(tar_header(b"\xff\xfe", checksum=checksum))[0].path == b"\xff\xfe"
    for checksum in (b"%06o\0 " % (signed + 1), b"\0" * 8, b" " * 8, b"0x%04o\0 " % signed, b"-%06o\0" % signed, b"\x80\0\0\0\0\0\0\x01"):
        with pytest.raises(ArchiveError, match="a tar header with a wrong checksum, at byte 0"):
            one(tar_header(b"\xff\xfe", checksum=checksum))
        with pytest.raises(ArchiveError, match="has a header with a wrong checksum, at byte 512"):
            one(tar_header(b"a"), tar_header(b"\xff\xfe", checksum=checksum))


def test_B36_the_end_mark_is_one_block_of_zeros():
    whole = Tar().file(b"a").end()
    for data in (whole, whole[:-512], whole + b"\0" * 9000, whole + b"\0" * 3):
        assert names(read(data)) == [b"a"]
    for data in (whole[:-1024], whole[:-513], whole[:-1023]):
        with pytest.raises(ArchiveError, match=r"ends without its end mark \(a block of zeros\), at byte 1024"):
            read(data)


def test_B35_a_lone_block_of_zeros_may_stand_between_archives():
    one_zero = Tar().file(b"a").end()[:-512]
    assert names(read(one_zero + one_zero + Tar("gnu").file(b"b").end())) == [b"a", b"a", b"b"]
    with pytest.raises(ArchiveError, match="goes on with something that is no archive .67 61 72 62 61 67., at byte 1536"):
        read(one_zero + b"garbage")
    with pytest.raises(ArchiveError, match="goes on with something that is no tar header, at byte 1024"):
        read(one_zero[:-512] + b"garbage" * 100)


# --- where members lie ---


@pytest.fixture
def index(tmp_path):
    """Return a function: bytes of a file -> what tar.index() says."""
    def run(data, limits=None):
        (tmp_path / "file").write_bytes(data)
        fd = os.open(tmp_path / "file", os.O_RDONLY)
        try:
            return tar.index(fd, limits or Limits())
        finally:
            assert os.lseek(fd, 0, os.SEEK_CUR) == 0
            os.close(fd)
    return run


@pytest.mark.parametrize("style", TAR_FORMATS)
def test_an_index_says_where_files_lie(index, style):
    made = Tar(style).directory(b"blobs").file(b"./blobs/a", b"A" * 700).file(b"b", b"B").symlink(b"l", b"b").hardlink(b"h", b"b")
    data = made.file(b"e", b"").end()
    found = index(data)
    assert {name: data[offset:offset + size] for name, (offset, size) in found.items()} == {b"blobs/a": b"A" * 700, b"b": b"B", b"e": b""}


def test_of_a_name_that_comes_twice_the_last_counts(index):
    data = Tar().file(b"a", b"1").file(b"a", b"2").file(b"b", b"3").symlink(b"b", b"a").sparse(b"s", [(0, b"x")], 9, "1.0").end()
    found = index(data)
    assert list(found) == [b"a"] and data[found[b"a"][0]:][:1] == b"2"


def test_an_index_is_as_strict_as_a_reader(index):
    data = Tar().file(b"a", b"1" * 600).file(b"b", b"2").end()[:-512]
    for length in range(0, len(data), 7):
        with pytest.raises(ArchiveError):
            index(data[:length])
    for wrong in (Tar().file(b"../a").end(), tar_header(b"a", size=1 << 60) + b"\0" * 1024, Tar().add(b"a", b"V").end(), b"garbage" * 200):
        with pytest.raises(ArchiveError):
            index(wrong)
    with pytest.raises(ArchiveError, match="max_entries=1"):
        index(data, Limits(max_entries=1))
    assert set(index(data)) == {b"a", b"b"}


# --- extended attributes ---

CAPABILITY = struct.pack("<5I", 0x02000001, 1 << 10, 0, 0, 0)


@pytest.mark.parametrize("key, value", [
    (b"SCHILY.xattr.security.capability", CAPABILITY), (b"LIBARCHIVE.xattr.security.capability", b"AQAAAgAEAAAAAAAAAAAAAAAAAAA="),
    (b"LIBARCHIVE.xattr.security.capability", b"AQAAAgAEAAAAAAAAAAAAAAAAAAA")])
def test_B21_capabilities_of_files(key, value):
    found = read(Tar().pax([(key, value)]).file(b"a").file(b"b").pax([(key, value)]).directory(b"d").end())
    assert [entry.capability for entry, _data in found] == [CAPABILITY, None, None]


@pytest.mark.parametrize("key, value", [
    (b"SCHILY.xattr.security.capability", b"short"), (b"SCHILY.xattr.security.capability", CAPABILITY + b"x"),
    (b"LIBARCHIVE.xattr.security.capability", b"AQAA!gAE"), (b"LIBARCHIVE.xattr.security.capability", b"A")])
def test_B21_what_is_no_capability(key, value):
    with pytest.raises(ArchiveError, match="security.capability is no set of capabilities"):
        read(Tar().pax([(key, value)]).file(b"a").end())


def test_other_attributes_are_passed_over():
    records = [(b"SCHILY.xattr.user.a", b"x"), (b"comment", b"y\n\0z"), (b"SCHILY.acl.access", b"user::rwx"), (b"hdrcharset", b"BINARY")]
    assert one(b"".join(Tar().pax(records).file(b"a").parts))[0].path == b"a"
    assert octal(1, 8) == b"0000001\0" and pax_records([(b"a", b"b")]) == b"6 a=b\n"
