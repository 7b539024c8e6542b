# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an archive may bring along: devices, set-id bits, owners, hard links, names. B17-B23, B37, B38 of the catalogue, by the module."""

from __future__ import annotations

import errno
import os
import stat
import struct

import pytest

from ...unit import archives
from ..hostile import EVIL, PACKINGS, TIME, Member, directory, file, hard_link, pack, write

each_packing = pytest.mark.parametrize("packing", PACKINGS)
NODES = [Member("character", b"c", device=(1, 3), mode=0o666), Member("block", b"b", device=(7, 200), mode=0o660, gid=6), Member("fifo", b"p")]
CAPABILITY = struct.pack("<5I", 0x02000000, 1 << 10, 0, 0, 0)  # version 2, cap_net_bind_service permitted; <linux/capability.h>


@each_packing
def test_B17_B18_B19_devices_are_made_only_when_asked_for(ground, packing):
    members = NODES if packing == "tar" else [*NODES, Member("socket", b"s")]
    archive = write(members, packing).data
    run = ground.accepts(archive)
    assert run.values["image"]["skipped"] == {"devices": 2, "sockets": len(members) - 3}, run
    assert os.listdir(ground.dest) == ["p"] and stat.S_ISFIFO(os.stat(f"{ground.dest}/p").st_mode)
    run = ground.accepts(archive, devices=True)
    assert run.values["image"]["skipped"]["devices"] == 0, run
    found = {name: os.lstat(f"{ground.dest}/{name}") for name in "bc"}
    assert stat.S_ISCHR(found["c"].st_mode) and found["c"].st_rdev == os.makedev(1, 3)
    assert stat.S_ISBLK(found["b"].st_mode) and found["b"].st_rdev == os.makedev(7, 200) and found["b"].st_gid == 6


@each_packing
def test_B20_set_id_bits_are_kept_only_when_asked_for(ground, packing):
    archive = write([file(b"u", mode=0o4755), file(b"g", mode=0o2711, gid=5), file(b"t", mode=0o1644), directory(b"d", 0o3777)], packing).data
    for options, wanted in (({}, (0o755, 0o711)), ({"preserve_setuid": True}, (0o4755, 0o2711))):
        ground.accepts(archive, **options)
        modes = {name: stat.S_IMODE(os.lstat(f"{ground.dest}/{name}").st_mode) for name in "ugtd"}
        assert (modes["u"], modes["g"]) == wanted
        assert (modes["t"], modes["d"]) == (0o1644, 0o3777)


@pytest.mark.parametrize("packing", ["tar", "tar.gz", "tar.xz"])
def test_B21_capabilities_are_kept_only_when_asked_for(ground, packing):
    tar = archives.Tar("ustar").pax([(b"SCHILY.xattr.security.capability", CAPABILITY)]).file(b"f", mode=0o755)
    archive = pack(tar.pax([(b"SCHILY.xattr.trusted.overlay.opaque", b"y")]).directory(b"d").end(), packing)
    ground.accepts(archive)
    assert attribute(f"{ground.dest}/f", "security.capability") is None
    assert attribute(f"{ground.dest}/d", "trusted.overlay.opaque") is None
    ground.accepts(archive, preserve_setuid=True)
    assert attribute(f"{ground.dest}/f", "security.capability") == CAPABILITY
    assert attribute(f"{ground.dest}/d", "trusted.overlay.opaque") is None


def attribute(path: str, name: str) -> bytes | None:
    try:
        return os.getxattr(path, name)
    except OSError as error:
        if error.errno != errno.ENODATA:
            raise
        return None


@each_packing
@pytest.mark.parametrize("owner", [{"uid": 2**32 - 1}, {"gid": 2**32 - 1}, {"uid": 2**31}, {"gid": 2**31}], ids=str)
def test_B22_B23_ids_that_chown_takes_for_something_else(ground, packing, owner):
    written = write([file(b"a"), file(b"dir/owned", **owner)], packing)
    run = ground.refuses(written.data)
    assert "'dir/owned'" in run.message and f" {min(written.offsets[1])}" in run.message, run
    ground.accepts(write([file(b"a"), file(b"dir/owned", **dict.fromkeys(owner, 2**31 - 1))], packing).data)
    info = os.stat(f"{ground.dest}/dir/owned")
    assert [2**31 - 1 if name in owner else 0 for name in ("uid", "gid")] == [info.st_uid, info.st_gid]


def cpio(*entries: tuple[bytes, dict]) -> bytes:
    return b"".join(archives.header(name, **fields) for name, fields in entries) + archives.trailer()


LINK = {"ino": 7, "nlink": 3}
LINKS = {
    "data-on-the-last": [(b"a", LINK), (b"b", LINK), (b"c", {**LINK, "data": EVIL})],  # the kernel's initramfs_test_hardlink
    "data-in-the-middle": [(b"a", LINK), (b"b", {**LINK, "data": EVIL}), (b"c", LINK)],
    "data-on-the-first": [(b"a", {**LINK, "data": EVIL}), (b"b", LINK), (b"c", LINK)],
    "data-on-each": [(b"a", {**LINK, "data": EVIL}), (b"b", {**LINK, "data": EVIL}), (b"c", {**LINK, "data": EVIL})],
    "count-lies": [(b"a", {**LINK, "nlink": 9}), (b"b", {**LINK, "nlink": 2}), (b"c", {**LINK, "nlink": 9, "data": EVIL})],
    "directories-between": [(b"a", LINK), (b"d", {"mode": archives.DIRECTORY | 0o755, "ino": 7}), (b"b", LINK), (b"c", {**LINK, "data": EVIL})],
}


@pytest.mark.parametrize("packing", PACKINGS[:3])
@pytest.mark.parametrize("name", LINKS)
def test_B37_hard_links_wherever_the_data_is(ground, packing, name):
    ground.accepts(pack(cpio(*LINKS[name]), packing))
    found = [os.stat(f"{ground.dest}/{name}") for name in "abc"]
    assert {info.st_ino for info in found} == {found[0].st_ino} and found[0].st_nlink == 3
    assert content(f"{ground.dest}/a") == EVIL


def test_B37_hard_links_of_a_tar(ground):
    ground.accepts(write([file(b"a"), hard_link(b"d/b", b"a"), hard_link(b"c", b"./d//b")], "tar").data)
    assert os.stat(f"{ground.dest}/a").st_nlink == 3 and content(f"{ground.dest}/c") == EVIL


@pytest.mark.parametrize("packing", PACKINGS[:3])
@pytest.mark.parametrize("second", [{"dev": (8, 2)}, {"dev": (9, 1)}], ids=str)
def test_B37_one_inode_number_on_two_devices_is_two_files(ground, packing, second):
    entries = [(b"a", {**LINK, "data": b"one"}), (b"b", LINK), (b"c", {**LINK, **second, "data": b"two"}), (b"d", {**LINK, **second})]
    ground.accepts(pack(cpio(*entries), packing))
    assert [content(f"{ground.dest}/{name}") for name in "abcd"] == [b"one", b"one", b"two", b"two"]
    assert os.stat(f"{ground.dest}/a").st_nlink == os.stat(f"{ground.dest}/c").st_nlink == 2


@pytest.mark.parametrize("packing", PACKINGS[:3])
def test_B37_numbers_of_one_segment_mean_nothing_in_the_next(ground, packing):
    one, two = cpio((b"a", {**LINK, "nlink": 2, "data": b"one"})), cpio((b"b", {**LINK, "nlink": 2, "data": b"two"}))
    ground.accepts(pack(one, packing) + pack(two, packing))
    assert (content(f"{ground.dest}/a"), content(f"{ground.dest}/b")) == (b"one", b"two")


NAMES = {"not-utf-8": b"caf\xe9/\xff\xfe", "newline": b"a\nfailed: no", "escape": b"\x1b]0;gone\x07\x1b[2J", "blank": b" ", "minus": b"-rf",
         "quotes": b"'\"\\$(id)`", "right-to-left": "\u202etxt.exe".encode(), "255-bytes": b"n" * 255, "trailing-slash": b"d/",
         "doubled-slashes": b"x//y", "dots": b"./x/./y/.", "three-dots": b".../..x/x..", "unicode": "Łódź/日本".encode()}


@each_packing
@pytest.mark.parametrize("name", NAMES)
def test_B38_strange_names_arrive_as_they_are(ground, packing, name):
    written = NAMES[name]
    member = directory(written) if name in ("trailing-slash", "dots") else file(written)
    run = ground.accepts(write([member], packing).data)
    found = {os.path.relpath(os.path.join(folder, entry), os.fsencode(ground.dest))
             for folder, directories, files in os.walk(os.fsencode(ground.dest)) for entry in directories + files}
    assert os.path.normpath(written) in found, found
    assert not set(run.out) & set("\x1b\x07\u202e"), run


@each_packing
@pytest.mark.parametrize("name", NAMES)
def test_B38_strange_names_are_escaped_in_messages(ground, packing, name):
    written = write([file(NAMES[name][:200] + b"/../x")], packing)
    run = ground.refuses(written.data)  # which checks that the message is one line of printable characters
    assert any(f" {offset}" in run.message for offset in written.offsets[0]), run


@each_packing
@pytest.mark.parametrize("name", [b"n" * 256, b"a/" + b"n" * 256 + b"/b", b"p/" * 2047 + b"pp"], ids=["256-bytes", "256-in-the-middle", "4096-bytes"])
def test_B38_names_that_no_file_system_has(ground, packing, name):
    written = write([file(b"a"), file(name)], packing)
    run = ground.refuses(written.data)
    assert any(f" {offset}" in run.message for offset in written.offsets[1]), run


@each_packing
@pytest.mark.parametrize("name", [b".", b"/", b"./", b"//./", b"./."])
def test_B38_the_root_itself(ground, packing, name):
    ground.accepts(write([directory(name, 0o711, uid=3, gid=4), file(b"./a")], packing).data)
    info = os.stat(ground.dest)
    assert (stat.S_IMODE(info.st_mode), info.st_uid, info.st_gid, int(info.st_mtime)) == (0o711, 3, 4, TIME)
    for kind in ("file", "symlink", "fifo"):
        written = write([Member(kind, name, b"" if kind == "fifo" else b"x")], packing)
        assert f" {min(written.offsets[0])}" in ground.refuses(written.data).message


def test_B38_the_end_mark_as_a_name(ground):
    """cpio has no way to say that it means a file. What stands behind the mark must not be lost in silence."""
    written = write([file(b"a"), file(b"TRAILER!!!", b"not the end"), file(b"b")], "newc")
    assert "TRAILER!!!" in ground.refuses(written.data).message
    ground.accepts(write([file(b"a"), file(b"d/TRAILER!!!", b"not the end"), file(b"b")], "newc").data)
    assert sorted(os.listdir(ground.dest)) == ["a", "b", "d"]
    ground.accepts(write([file(b"a"), file(b"TRAILER!!!", b"not the end"), file(b"b")], "tar").data)
    assert content(f"{ground.dest}/TRAILER!!!") == b"not the end"


def test_B38_the_last_of_two_entries_with_one_name_counts(ground):
    ground.accepts(write([file(b"a", b"one", mode=0o600), file(b"./a", b"two", mode=0o640), directory(b"d"), directory(b"d/", 0o700)], "newc").data)
    assert content(f"{ground.dest}/a") == b"two" and stat.S_IMODE(os.stat(f"{ground.dest}/a").st_mode) == 0o640
    assert stat.S_IMODE(os.stat(f"{ground.dest}/d").st_mode) == 0o700


def content(path: str) -> bytes:
    with open(path, "rb") as opened:
        return opened.read()
