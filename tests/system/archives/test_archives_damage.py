# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Archives that are broken, lie or never end, through the module: B24-B36, B39, B40 of the catalogue, and the kernel's initramfs cases.

Whatever is refused here has a relative without the one fault, which is accepted.
"""

from __future__ import annotations

import gzip
import lzma
import os
import struct
import subprocess
import time
import zlib

import pytest

from ...unit import archives
from ..ground import Ground, snapshot
from ..hostile import EVIL, PACKINGS, directory, file, hard_link, pack, symlink, write

MEBI = 1 << 20
LOOP_SECONDS = 2.5  # for each loop over the bytes of an archive: what it cannot try in time it leaves out evenly
CPIO = PACKINGS[:3]
SMALL = [directory(b"d"), file(b"d/first", b"1" * 40), symlink(b"l", b"d/first"), hard_link(b"h", b"d/first"), file(b"last", b"2" * 30)]
each_packing = pytest.mark.parametrize("packing", PACKINGS)


def content(ground: Ground, name: str) -> bytes:
    with open(f"{ground.dest}/{name}", "rb") as opened:
        return opened.read()


def gzip_of(parts) -> bytes:
    """gzip of [(bytes, times)] with each part compressed once, so that many GiB are quickly said. Its checksum is wrong: nobody gets there."""
    compressor = zlib.compressobj(9, zlib.DEFLATED, -15)
    pieces = [b"\x1f\x8b\x08" + bytes(7)]
    for data, times in parts:
        pieces += [(compressor.compress(data) + compressor.flush(zlib.Z_FULL_FLUSH))] * times
    return b"".join(pieces) + compressor.flush() + bytes(8)


def test_B24_ten_gigabytes_in_ten_megabytes(ground):
    zeros = bytes(16 * MEBI)
    head = archives.header(b"zeros", filesize=0xFFFFFFFF)
    behind = archives.header(b"a", data=EVIL) + archives.trailer()
    used = usage()
    for parts, message in (([(head, 1), (zeros, 640)], "max_bytes"), ([(behind, 1), (zeros, 640)], ""), ([(zeros, 640)], "")):
        archive = gzip_of(parts)
        assert len(archive) < 12 * MEBI
        assert message in ground.refuses(archive, max_bytes="64M").message
    assert abs(usage() - used) < MEBI
    ground.accepts(gzip.compress(archives.header(b"zeros", data=zeros) + archives.trailer() + zeros), max_bytes="64M")
    assert content(ground, "zeros") == zeros


@each_packing
def test_B24_many_files_that_are_too_much_together(ground, packing):
    used = usage()
    many = [file(b"f%d" % number, bytes(MEBI)) for number in range(40)]
    run = ground.refuses(write(many, packing).data, max_bytes="32M")
    assert "max_bytes" in run.message and "'f32'" in run.message, run
    assert abs(usage() - used) < MEBI
    ground.accepts(write(many, packing).data, max_bytes="40M")
    assert len(os.listdir(ground.dest)) == 40


def usage() -> int:
    """Bytes in use where the store is."""
    found = os.statvfs("/var/lib/coracle")
    return (found.f_blocks - found.f_bfree) * found.f_frsize


@pytest.mark.parametrize("kind", ["cpio", "tar"])
def test_B25_a_million_empty_files(ground, kind):
    if kind == "cpio":
        entries, end = b"".join(archives.header(b"%03d/e" % number) for number in range(1000)), archives.trailer()
    else:
        entries, end = b"".join(archives.tar_header(b"%03d/e" % number) for number in range(1000)), bytes(1024)
    run = ground.refuses(gzip_of([(entries, 1000), (end, 1)]), max_entries=20_000)
    assert "max_entries" in run.message, run
    ground.accepts(gzip.compress(entries * 10 + end), max_entries=20_000)
    assert len(os.listdir(ground.dest)) == 1000


@each_packing
def test_B26_five_thousand_directories_deep(ground, packing):
    deep = b"d/" * 2000 + b"f"
    written = write([file(b"a"), file(deep)], packing)
    run = ground.refuses(written.data)
    assert "max_depth" in run.message, run
    deeper = write([file(b"a"), file(b"d/" * 5000 + b"f")], packing)
    assert any(f" {offset}" in ground.refuses(deeper.data).message for offset in deeper.offsets[1])
    run = ground.refuses(write([file(b"d/" * 5 + b"f")], packing).data, max_depth=4)
    assert "max_depth" in run.message, run
    ground.accepts(write([file(b"d/" * 5 + b"f")], packing).data, max_depth=5)
    ground.accepts(write([file(b"d/" * 100 + b"f")], packing).data)


@each_packing
def test_B27_a_size_that_the_data_does_not_have(ground, packing):
    small = {"filesize": 0xFFFFFFFF} if packing in CPIO else {"size": 0xFFFFFFFF}
    make, end = (archives.header, archives.trailer()) if packing in CPIO else (archives.tar_header, bytes(1024))
    lie = pack(make(b"first") + make(b"big", data=b"short", **small) + end, packing)
    run = ground.refuses(lie, max_bytes="1G")
    assert "max_bytes" in run.message and "'big'" in run.message, run
    run = ground.refuses(lie, max_bytes="8G")
    assert "max_bytes" not in run.message and "'big'" in run.message, run
    ground.accepts(pack(make(b"first") + make(b"big", data=b"short") + end, packing), max_bytes="8G")


@each_packing
def test_B28_B29_B30_truncated_at_every_byte(ground, packing):
    whole = write(SMALL, packing).data
    shortest = len(whole) - 512 if packing == "tar" else len(whole)  # the second block of a tar's end mark may be missing
    ends = list(range(shortest)) if packing in CPIO else sorted({*range(0, shortest, 16), *range(640), *range(shortest - 40, shortest)})
    for end in in_time(ends):
        run = ground.run(whole[:end])
        assert run.code == 1 and run.values["failed"] and run.message and run.err == "" and run.orphans == 0, (end, run)
    before = ground.state()
    ground.refuses(whole[:len(whole) // 2])
    assert ground.state() == before and content(ground, "etc/old") == b"the old tree\n"
    ground.accepts(whole)
    assert content(ground, "last") == b"2" * 30


def in_time(items: list[int]):
    """The items, strewn, as long as there is time; a tenth at least."""
    start, step = time.monotonic(), 7 if len(items) % 7 else 11
    strewn = [items[number * step % len(items)] for number in range(len(items))]
    for number, item in enumerate(strewn):
        if time.monotonic() - start > LOOP_SECONDS and number > len(items) // 10:
            return
        yield item


@each_packing
def test_B30_nothing_is_written_before_an_old_tree_goes(ground, packing):
    """The fault is in the last byte that counts: everything before was good, and is gone all the same."""
    whole = write([file(b"f%d" % number, bytes(MEBI)) for number in range(8)], packing, end=False).data
    ground.refuses(whole)
    assert content(ground, "etc/old") == b"the old tree\n"
    ground.accepts(write([file(b"f%d" % number, bytes(MEBI)) for number in range(8)], packing).data)


@pytest.mark.parametrize("packing", CPIO)
def test_B31_initramfs_test_csum(ground, packing):
    def archive(check):
        entries = [archives.header(b"before", magic=b"070702"), archives.header(b"summed", data=b"ASDF", magic=b"070702", check=check)]
        return pack(b"".join(entries) + archives.header(b"not_here", data=b"ASDF", check=5555) + archives.trailer(b"070702"), packing)
    good = sum(b"ASDF")
    run = ground.refuses(archive(good - 1))
    assert "'summed'" in run.message and f" {len(archives.header(b'before'))}" in run.message and "sum" in run.message, run
    ground.accepts(archive(good))
    assert content(ground, "summed") == content(ground, "not_here") == b"ASDF"


NUMBERS = [b"0x00001c", b"0X00001c", b"-000001c", b"+000001c", b"0000_01c", b"000001c ", b" 000001c", b"000001c\0", b"\xd9\xa3\xd9\xa3\xd9\xa3\xd9\xa3",
           b"0000001g", b"\n000001c"]
FIELDS = ("ino", "mode", "uid", "gid", "nlink", "mtime", "filesize", "devmajor", "devminor", "rdevmajor", "rdevminor", "namesize", "check")


@pytest.mark.parametrize("field", FIELDS)
def test_B32_B33_initramfs_test_hdr_hex(ground, field):
    packing = CPIO[FIELDS.index(field) % 3]
    first, good = archives.header(b"first"), archives.header(b"hexadecimal", mode=0o100644, data=b"x" * 28)
    for number in NUMBERS:
        bad = archives.header(b"hexadecimal", mode=0o100644, data=b"x" * 28, fields={FIELDS.index(field): number})
        run = ground.refuses(pack(first + bad + archives.trailer(), packing))
        assert f" {len(first)}" in run.message, run
    ground.accepts(pack(first + good.lower() + archives.trailer(), packing))  # lower case digits, and a name that stays as it is


TAR_FIELDS = {"mode": (100, 8), "uid": (108, 8), "gid": (116, 8), "size": (124, 12), "mtime": (136, 12)}
TAR_NUMBERS = [b"-1", b"+1", b"0x1", b"1_0", b"9", b"1 1", b"\xd9\xa1", b"\xff" * 7 + b"\0"]


@pytest.mark.parametrize("field", TAR_FIELDS)
def test_B32_B33_numbers_of_a_tar(ground, field):
    offset, width = TAR_FIELDS[field]
    first, end = archives.tar_header(b"first"), bytes(1024)
    for number in TAR_NUMBERS:
        if field == "mtime" and number[0] == 0xFF:
            continue  # before 1970, in base 256: odd, but it can be
        bad = archives.tar_header(b"octal", fields={offset: number.ljust(width, b"\0")})
        assert f" {len(first)}" in ground.refuses(first + bad + end).message
    ground.accepts(first + archives.tar_header(b"octal", fields={offset: b"0".rjust(width - 1) + b"\0"}) + end)


@pytest.mark.parametrize("packing", CPIO)
def test_B34_names_and_their_sizes(ground, packing):
    first, last = archives.header(b"first"), archives.header(b"last") + archives.trailer()
    bad = {
        "initramfs_test_fname_overrun": archives.header(b"unterminated!", nul=b""),
        "namesize 0": archives.header(b"", nul=b"", namesize=0),
        "initramfs_test_fname_path_max": archives.header(b"oversize" + b"/" * (4097 - 9)),
        "a name of 2 GiB": archives.header(b"far", namesize=0x7FFFFFFF),
        "a name of 4 GiB": archives.header(b"far", namesize=0xFFFFFFFF),
        "no name": archives.header(b""),
    }
    for name, entry in bad.items():
        run = ground.refuses(pack(first + entry + last, packing))
        assert f" {len(first)}" in run.message, (name, run)
    padded = archives.header(b"padded_fname" + bytes(4096 - 110 - 13), data=EVIL)  # initramfs_test_fname_pad
    longest = archives.header(b"fname_ok".ljust(4095, b"/"), archives.DIRECTORY | 0o755)
    ground.accepts(pack(first + padded + longest + last, packing))
    assert content(ground, "padded_fname") == EVIL and sorted(os.listdir(ground.dest)) == ["first", "fname_ok", "last", "padded_fname"]


def test_initramfs_test_extract_data_and_many(ground):
    """The kernel's cases that are no attacks, in one archive."""
    entries = [archives.header(b"extract", 0o100777, uid=12, gid=34, mtime=56), archives.header(b"extract_dir", 0o040777, mtime=57),
               archives.header(b"data", 0o100777, data=b"ASDF"), *(archives.header(b"many-%d" % number, 0o100777) for number in range(1000))]
    ground.accepts(b"".join(entries) + archives.trailer())
    info, folder = os.stat(f"{ground.dest}/extract"), os.stat(f"{ground.dest}/extract_dir")
    assert (info.st_mode, info.st_uid, info.st_gid, info.st_mtime) == (0o100777, 12, 34, 56)
    assert (folder.st_mode, folder.st_mtime) == (0o040777, 57)
    assert content(ground, "data") == b"ASDF" and len(os.listdir(ground.dest)) == 1003


@each_packing
@pytest.mark.parametrize("rubbish", [b"x", b"garbage behind the end", b"\0" * 512 + b"x", b"\x1f\x8b", b"\x1f\x8b\x08" + bytes(30), b"070701"],
                         ids=["x", "text", "zeros-x", "gzip-magic", "gzip-head", "cpio-magic"])
def test_B35_rubbish_behind_the_end(ground, packing, rubbish):
    whole = write(SMALL, packing).data
    ground.refuses(whole + rubbish)
    if packing == "tar":
        ground.refuses(whole + bytes(512 * 7) + rubbish)
    inside = write(SMALL, packing.partition(".")[0]).data
    ground.refuses(pack(inside + rubbish, packing))
    ground.accepts(pack(inside + bytes(512), packing) + bytes(512))


@pytest.mark.parametrize("first", CPIO)
@pytest.mark.parametrize("second", CPIO)
def test_B35_several_archives_one_after_the_other(ground, first, second):
    early = write([directory(b"kernel"), file(b"kernel/microcode.bin", b"u" * 5000), file(b"both", b"early")], first).data
    main = write([file(b"main", EVIL), file(b"both", b"main")], second).data
    for zeros in (0, 1, 3, 508, 4096, 100_000):
        run = ground.accepts(early + bytes(zeros) + main + bytes(zeros))
        assert run.values["image"]["segments"] == [{"newc": "none", "newc.gz": "gzip", "newc.xz": "xz"}[packing] for packing in (first, second)]
        assert content(ground, "both") == b"main" and len(content(ground, "kernel/microcode.bin")) == 5000
    ground.refuses(early + bytes(64) + main[:-20])


@each_packing
def test_B36_without_its_end_mark(ground, packing):
    ground.refuses(write(SMALL, packing, end=False).data)
    if packing in CPIO:
        ground.refuses(write(SMALL, packing, end=False).data + bytes(512))
    ground.accepts(write(SMALL, packing).data)


RPM = b"\xed\xab\xee\xdb\x03\x00\x00\x00\x00\x01name-1-1".ljust(96, b"\0")
FOREIGN = {"unknown": b"\x89ABC\r\n\x1a\n" * 100, "rpm": RPM + b"\x8e\xad\xe8\x01" + bytes(300), "ar": b"!<arch>\ndebian-binary   ".ljust(500),
           "zip": b"PK\x03\x04" + bytes(300), "squashfs": b"hsqs" + bytes(300), "elf": b"\x7fELF\x02\x01\x01" + bytes(300), "text": b"plain text\n" * 80,
           "script": b"#!/bin/sh\nexit 0\n" * 40, "empty": b"", "one-byte": b"0", "zeros": bytes(5000), "newline": b"\n" * 700,
           "near-cpio": b"070703" + b"0" * 300, "gzip-of-nothing": gzip.compress(b""), "gzip-of-text": gzip.compress(b"plain text\n" * 80),
           "xz-of-zeros": lzma.compress(bytes(100_000)), "json": b'{"schemaVersion": 2}' * 30}


@pytest.mark.parametrize("name", FOREIGN)
def test_B39_what_is_no_archive(ground, name):
    run = ground.refuses(FOREIGN[name])
    assert len(run.message) < 600 and run.message.startswith("src"), run


@pytest.mark.parametrize("form", ["odc", "bin", "crc", "newc"])
def test_B39_what_cpio_itself_writes(ground, form):
    folder = f"{ground.path}/{form}"
    os.makedirs(f"{folder}/tree/sub")
    for name, data in (("tree/a", b"a" * 700), ("tree/sub/b", b"b")):
        with open(f"{folder}/{name}", "wb") as opened:
            opened.write(data)
    os.link(f"{folder}/tree/a", f"{folder}/tree/twin")
    listed = b"\n".join([b"tree", b"tree/a", b"tree/sub", b"tree/sub/b", b"tree/twin"]) + b"\n"
    archive = subprocess.run(["cpio", "-o", "--quiet", "-H", form], cwd=folder, input=listed, capture_output=True, check=True).stdout
    run = ground.accepts(archive)
    assert run.values["image"]["format"] == form
    assert content(ground, "tree/twin") == b"a" * 700 and os.stat(f"{ground.dest}/tree/a").st_nlink == 2
    for end in (60, len(archive) // 2, archive.index(b"TRAILER!!!") + 4):
        ground.refuses(archive[:end])


@each_packing
def test_B40_the_suffix_says_nothing(ground, packing):
    data = write(SMALL, packing).data
    for suffix in ("image.xz", "image.tar.bz2", "image.zip", "-rf", " ", "Łódź.img", "%s{0}$(id)"):
        ground.accepts(ground.archive(data, suffix))
    ground.refuses(ground.archive(data, "image\n\x1b[2J"))


@each_packing
@pytest.mark.parametrize("outer", [gzip.compress, lzma.compress], ids=["gzip", "xz"])
def test_B40_compressed_twice(ground, packing, outer):
    once = write(SMALL, packing).data
    if packing in ("newc", "tar"):
        ground.accepts(outer(once))
    else:
        ground.refuses(outer(once))


@pytest.mark.parametrize("packing", ["newc.gz", "newc.xz", "tar.gz", "tar.xz"])
def test_B40_a_bad_checksum_is_seen_before_the_old_tree_goes(ground, packing):
    good = write(SMALL, packing).data
    for offset in (-5, -8) if packing.endswith("gz") else (-20, -30):
        bad = bytearray(good)
        bad[offset] ^= 0x10
        ground.refuses(bytes(bad))
        assert content(ground, "etc/old") == b"the old tree\n"
    ground.accepts(good)


@pytest.mark.parametrize("kind", ["newc", "tar"])
def test_B40_gzip_of_several_members(ground, kind):
    plain = write(SMALL, kind).data
    halves = gzip.compress(plain[:300]) + gzip.compress(plain[300:])
    ground.accepts(halves)
    assert content(ground, "last") == b"2" * 30
    ground.refuses(halves[:-9])
    ground.refuses(gzip.compress(plain[:300]) + plain[300:])


@each_packing
def test_B40_one_bit_wrong_anywhere(ground, packing):
    """Refused, or a tree: never a traceback, never anything outside."""
    good = write(SMALL, packing).data
    before = snapshot(ground.outside)
    for position in in_time([position for position, byte in enumerate(good) if byte]):
        bad = bytearray(good)
        bad[position] ^= 1 << position % 8
        run = ground.run(bytes(bad), dest=f"{ground.path}/flipped/root")
        assert run.code in (0, 1) and run.values is not None and run.err == "" and run.orphans == 0, (position, run)
        assert run.code == 0 or (run.message and "Traceback" not in run.out), (position, run)
    assert snapshot(ground.outside) == before
    ground.accepts(good)


def test_B24_compressed_sizes_that_lie(ground):
    """The length that gzip and xz say they have decides nothing."""
    good = write(SMALL, "newc").data
    packed = gzip.compress(good)
    ground.refuses(packed[:-4] + struct.pack("<I", 5))
    ground.accepts(packed)
