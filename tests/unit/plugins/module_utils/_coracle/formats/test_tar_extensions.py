# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Extended headers of tar: pax records, GNU's long names, files with holes; and how much of them is read."""

from __future__ import annotations

import pytest

from ansible_collections.coracle.launcher.plugins.module_utils._coracle.base.errors import ArchiveError
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.formats.entries import Summary
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.formats.limits import Limits
from ansible_collections.coracle.launcher.tests.unit.archives import Tar, octal, padded, pax_records, tar_header
from ansible_collections.coracle.launcher.tests.unit.each import each
from ansible_collections.coracle.launcher.tests.unit.reading import names, read

PREFIX = b"GNU.sparse."


def member(made):
    """Return the first entry and its content."""
    return read(made.end())[0]


@each("value, mtime_ns", [
    (b"1", 10**9), (b"1.5", 1_500_000_000), (b"1.", 10**9), (b"0.000000001", 1), (b"7.123456789999", 7_123456789), (b"0", 0),
    (b"-1", 0), (b"-1.5", 0), (b"-0.5", 0)])
def test_times_have_fractions_and_those_before_1970_become_1970(value, mtime_ns):
    assert member(Tar().pax([(b"mtime", value)]).file(b"a"))[0].mtime_ns == mtime_ns


@each("key", [b"mtime", b"size", b"uid", b"gid"])
@each("value, problem", [
    (b"-1", "negative KEY"), (b"+1", "KEY that is no number"), (b" 1", "KEY that is no number"), (b"1_0", "KEY that is no number"),
    (b"0x1", "KEY that is no number"), (b"1\0", "KEY that is no number"), ("٣".encode(), "KEY that is no number"),
    (b"-", "negative KEY"), (b"9" * 20, "KEY above 9223372036854775807"), (b"9" * 400, "KEY that is no number")])
def test_B32_B33_numbers_are_decimal_digits_only(key, value, problem):
    if key == b"mtime" and value.startswith(b"-"):
        value, problem = b"-" + value, "negative KEY"
    expected = f"member 'a' at byte 1024: its extended header has a {problem.replace('KEY', key.decode())}"
    with pytest.raises(ArchiveError, match=expected) as caught:
        member(Tar().pax([(key, value)]).file(b"a"))
    assert len(str(caught.value)) < 300


@each("value", [b"1.x", b"1.-5", b"1.5.5", b".5", b"1,5", b"1.5 ", b"1e3", b"nan", b"inf"])
def test_times_that_are_none(value):
    with pytest.raises(ArchiveError, match="has a mtime that is no number"):
        member(Tar().pax([(b"mtime", value)]).file(b"a"))


def test_records_win_over_the_header():
    records = [(b"path", b"p" * 200), (b"uid", b"2000000000"), (b"gid", b"7"), (b"mtime", b"8.25"), (b"size", b"3")]
    entry, data = read(Tar().pax(records).raw(tar_header(b"short", data=b"abc", size=1, uid=1, gid=1)).end())[0]
    assert (entry.path, entry.uid, entry.gid, entry.mtime_ns, entry.size, data) == (b"p" * 200, 2000000000, 7, 8_250_000_000, 3, b"abc")
    assert read(Tar().pax([(b"linkpath", b"t" * 300)]).symlink(b"l", b"x").end())[0][0].target == b"t" * 300
    assert member(Tar().pax([(b"linkpath", b"./t")]).hardlink(b"l", b"x"))[0].link_path == b"t"


def test_records_are_for_one_member_and_the_last_of_a_key_counts():
    found = read(Tar().pax([(b"path", b"x"), (b"path", b"y"), (b"uid", b"1")]).pax([(b"uid", b"2")]).file(b"a").file(b"b").end())
    assert [(entry.path, entry.uid) for entry, _data in found] == [(b"y", 2), (b"b", 0)]


def test_global_records_are_for_all_members_that_follow():
    made = Tar().file(b"a").pax([(b"uid", b"5"), (b"mtime", b"9.5"), (b"comment", b"x")], b"g").file(b"b").pax([(b"uid", b"6")]).file(b"c")
    made.pax([(b"uid", b"")]).file(b"d").pax([(b"uid", b"")], b"g").file(b"e")
    assert [entry.uid for entry, _data in read(made.end())] == [0, 5, 6, 0, 0]
    assert [entry.mtime_ns for entry, _data in read(made.end())][1] == 9_500_000_000
    assert read(Tar().pax([(b"comment", b"x")], b"g").end()) == []  # what git archive makes of nothing


@pytest.mark.parametrize("key", [b"path", b"linkpath", b"size", b"SCHILY.xattr.security.capability", b"GNU.sparse.map", b"GNU.sparse.name"])
def test_what_only_one_member_can_have_is_not_global(key):
    with pytest.raises(ArchiveError, match=f"a global header with '{key.decode()}', which only one member can have"):
        read(Tar().pax([(key, b"1")], b"g").file(b"a").end())


@each("data", [
    b"x", b"5 a=b\n", b"7 a=b\n", b"6 a=bb", b"6 abc\n", b"6 =bc\n", b" 6 a=b\n", b"6  a=b\n", b"-6 a=b\n", b"+6 a=b\n",
    b"6_ a=b\n", b"0 a=b\n", b"0000000013 a=b\n", b"6\ta=b\n", b"6 a=b\n6 a=b", b"6 a=b\n\0\0", b"99999999 a=b\n", b"6 a=b",
    "٦ a=b\n".encode()])
@each("kind", [b"x", b"g"])
def test_B33_records_that_are_broken(kind, data):
    with pytest.raises(ArchiveError, match=r"member 'PaxHeaders/x' at byte 0: a broken extended header, at byte \d+ of it"):
        read(Tar().pax(data, kind).file(b"a").end())
    assert read(Tar().pax(b"6 a=b\n6 c=d\n", kind).file(b"a").end())


def test_extended_headers_are_read_up_to_a_megabyte():
    assert names(read(Tar().pax([(b"comment", b"x" * 1_000_000)]).file(b"a").end())) == [b"a"]
    with pytest.raises(ArchiveError, match="an extended header of 10485.. bytes, which is too large"):
        read(Tar().pax([(b"comment", b"x" * (1 << 20))]).file(b"a").end())
    with pytest.raises(ArchiveError, match="extended headers of 12000.. bytes before one member"):
        read(Tar().pax([(b"comment", b"x" * 600_000)]).pax([(b"comment", b"x" * 600_000)]).file(b"a").end())


@pytest.mark.parametrize("kind", [b"x", b"g", b"L", b"K"])
def test_extended_headers_before_one_member_are_few(kind):
    made = Tar()
    for _number in range(16):
        made.raw(tar_header(b"h", kind, pax_records([(b"comment", b"x")])))
    assert read(Tar().raw(b"".join(made.parts)).file(b"a").end())
    with pytest.raises(ArchiveError, match="more than 16 extended headers before one member"):
        read(made.raw(made.parts[0]).file(b"a").end())


def test_extended_headers_count_for_max_bytes():
    made = Tar()
    for number in range(30):
        made.pax([(b"comment", b"x" * 100_000)]).file(b"%d" % number, b"")
    with pytest.raises(ArchiveError, match="max_bytes=1000000: the archive needs"):
        read(made.end(), Limits(max_bytes=1_000_000))
    assert len(read(made.end(), Limits(max_bytes=4_000_000))) == 30


@pytest.mark.parametrize("kind", [b"x", b"L", b"K"])
def test_an_extended_header_wants_a_member(kind):
    with pytest.raises(ArchiveError, match="ends with an extended header, at byte 1536"):
        read(tar_header(b"h", kind, pax_records([(b"comment", b"x")])) + b"\0" * 1024)
    with pytest.raises(ArchiveError, match="a global header between an extended header and its member"):
        read(Tar().raw(tar_header(b"h", kind, pax_records([(b"comment", b"x")]))).pax([(b"uid", b"1")], b"g").file(b"a").end())


@pytest.mark.parametrize("kind", [b"x", b"X", b"g", b"L", b"K"])
def test_an_extended_header_that_ends_early(kind):
    with pytest.raises(ArchiveError, match="the archive ends in an extended header"):
        read(tar_header(b"h", kind, size=600) + b"6 a=b\n")
    with pytest.raises(ArchiveError, match="its size is negative"):
        read(tar_header(b"h", kind, size=-600) + b"6 a=b\n")


def test_the_extended_header_of_solaris():
    assert names(read(Tar().pax([(b"path", b"long")], b"X").file(b"a").end())) == [b"long"]


def test_format_is_pax_as_soon_as_there_is_an_extended_header():
    summary = Summary()
    read(Tar().file(b"a").pax([(b"uid", b"1")]).file(b"b").end(), summary=summary)
    assert summary.format == "pax"


def test_long_names_of_gnu():
    assert names(read(Tar("gnu").long(b"n" * 120).file(b"a").file(b"b").end())) == [b"n" * 120, b"b"]
    assert member(Tar("gnu").long(b"t" * 120, b"K").symlink(b"l", b"x"))[0].target == b"t" * 120
    assert names(read(Tar("gnu").long(b"seen\0unseen").file(b"a").end())) == [b"seen"]


# --- holes ---


def holes(parts, size):
    content = bytearray(size)
    for offset, data in parts:
        content[offset:offset + len(data)] = data
    return bytes(content)


VERSIONS = ("old", "0.0", "0.1", "1.0")


@each("version", VERSIONS)
@each("count", [0, 1, 4, 5, 25, 26, 80])
def test_files_with_holes(version, count):
    parts = [(number * 1500 + 7, b"%d" % number * 100) for number in range(count)]
    size = count * 1500 + 3_000_000
    for more in ([], [(size, b"")]):
        found = read(Tar().file(b"before").sparse(b"holes", parts + more, size, version).file(b"after").end())
        assert names(found) == [b"before", b"holes", b"after"]
        assert found[1][0].size == size and found[1][1] == holes(parts, size)


@pytest.mark.parametrize("version", VERSIONS)
def test_B24_holes_count_for_max_bytes(version):
    for size in (1 << 40, (1 << 63) - 1):
        with pytest.raises(ArchiveError, match="max_bytes"):
            read(Tar().sparse(b"a", [(0, b"x")], size, version).end(), Limits(max_bytes=1 << 20))


@each("version", VERSIONS)
@each("parts, size", [
    ([(5, b"xx"), (6, b"y")], 100), ([(50, b"x"), (5, b"y")], 100), ([(0, b"xx")], 1), ([(100, b"x")], 100), ([(1 << 62, b"x")], 9)])
def test_maps_that_overlap_or_leave_the_file(version, parts, size):
    with pytest.raises(ArchiveError, match="member 'a' at byte .*: its sparse map has parts that overlap or lie behind its end"):
        read(Tar().sparse(b"a", parts, size, version).end())


@pytest.mark.parametrize("version", VERSIONS)
def test_B28_files_with_holes_truncated_at_every_byte(version):
    whole = Tar().sparse(b"a", [(number * 600, b"x" * 5) for number in range(5)], 5000, version).end()[:-512]
    for length in range(len(whole)):
        with pytest.raises(ArchiveError):
            read(whole[:length])
    assert read(whole)


NEW = [(b"major", b"1"), (b"minor", b"0"), (b"realsize", b"9")]


@each("records, data, problem", [
    ([(b"major", b"2"), (b"minor", b"0")], b"", "of a version that is not known"),
    ([(b"major", b"1")], b"", "of a version that is not known"),
    (NEW[:2], b"0\n", "realsize that is no number"),
    (NEW, b"", "its data ends in its sparse map"),
    (NEW, b"9" * 511 + b"\n", "no number"),
    (NEW, b"9" * 600, "no number"),
    (NEW, b"-1\n", "negative"),
    (NEW, b"1\n0\n", "no number"),
    (NEW, b"99999999\n" + b"0\n" * 200_000, "its sparse map has more than 50000 parts"),
    (NEW, b"1\n0\n1\n", "not that of its data"),
    ([(b"size", b"9"), (b"numblocks", b"1"), (b"map", b"0")], b"", "another number of parts"),
    ([(b"size", b"9"), (b"numblocks", b"1"), (b"map", b"0,x")], b"", "no number"),
    ([(b"size", b"9"), (b"numblocks", b"1"), (b"map", b"0,4")], b"abc", "not that of its data"),
    ([(b"size", b"9"), (b"map", b"0,3")], b"abc", "numblocks that is no number"),
    ([(b"numblocks", b"1"), (b"map", b"0,3")], b"abc", "size that is no number"),
    ([(b"size", b"9"), (b"numblocks", b"60000"), (b"map", b",".join([b"0"] * 120_000))], b"", "more than 50000 parts"),
    ([(b"size", b"9"), (b"numblocks", b"1"), (b"offset", b"0"), (b"offset", b"0")], b"", "a broken sparse map"),
    ([(b"size", b"9"), (b"numblocks", b"1"), (b"numbytes", b"0")], b"", "a broken sparse map"),
    ([(b"size", b"9"), (b"numblocks", b"1"), (b"offset", b"0")], b"", "another number of parts")])
def test_maps_that_are_broken(records, data, problem):
    data = padded(data) if records[0] == (b"major", b"1") else data
    with pytest.raises(ArchiveError, match=problem):
        read(Tar().pax([(PREFIX + key, value) for key, value in records]).raw(tar_header(b"a", data=data)).end())


def test_old_maps_that_are_broken():
    part = octal(0, 12) + octal(1, 12)
    for fields, problem in (({386: part, 483: octal(9, 12)}, "not that of its data"),
                            ({386: b"x" * 24}, "its sparse map is no octal number"),
                            ({386: part, 483: b"x" * 12}, "its real size is no octal number"),
                            ({482: b"\1"}, "goes on with nothing"), ({386: octal(-1, 12)}, "its sparse map is negative")):
        with pytest.raises(ArchiveError, match=problem):
            read(tar_header(b"a", b"S", style="gnu", fields=fields) + b"\0" * 2048)
    with pytest.raises(ArchiveError, match="the archive ends in its sparse map"):
        read(tar_header(b"a", b"S", style="gnu", fields={482: b"\1"}) + b"1")
    endless = (octal(0, 12) + octal(0, 12)) * 21 + b"\1" + b"\0" * 7
    with pytest.raises(ArchiveError, match="its sparse map has more than 50000 parts"):
        read(tar_header(b"a", b"S", style="gnu", fields={482: b"\1"}) + endless * 3000)


def test_holes_are_for_files_only():
    with pytest.raises(ArchiveError, match="a directory with data"):
        read(Tar().sparse(b"a/", [(0, b"x")], 9, "0.1").end())
    records = [(PREFIX + b"size", b"9"), (PREFIX + b"numblocks", b"0")]
    assert read(Tar().pax(records).directory(b"d").end())[0][0].size == 0
