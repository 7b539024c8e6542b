# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The nine cases of the kernel's own test of its initramfs (init/initramfs_test.c), by their names there, read by us.

Where the kernel is lenient and we are not, the case says so: a missing end mark, a name that is too long.
"""

from __future__ import annotations

import pytest

from ansible_collections.coracle.launcher.plugins.module_utils._coracle.base.errors import ArchiveError
from ansible_collections.coracle.launcher.tests.unit.archives import DIRECTORY, FILE, header, trailer
from ansible_collections.coracle.launcher.tests.unit.reading import names, read

HEADER = 110
REGULAR = {"mode": FILE | 0o777, "mtime": 1, "dev": (0, 1)}


def test_initramfs_test_extract():
    data = header(b"initramfs_test_extract", FILE | 0o777, ino=1, uid=12, gid=34, mtime=56, dev=(0, 1))
    data += header(b"initramfs_test_extract_dir", DIRECTORY | 0o777, ino=2, mtime=57, dev=(0, 1)) + trailer()
    (file, content), (directory, _nothing) = read(data)
    assert (file.path, file.kind, file.uid, file.gid, file.link, file.mtime_ns, content) == (
        b"initramfs_test_extract", "file", 12, 34, None, 56 * 10**9, b"")
    assert (directory.path, directory.kind, directory.mtime_ns) == (b"initramfs_test_extract_dir", "directory", 57 * 10**9)


def test_initramfs_test_fname_overrun():
    name = b"initramfs_test_fname_overrun"
    data = bytearray(header(name, **REGULAR))
    end = HEADER + len(name)
    data[end:] = b"P" * (len(data) - end)
    with pytest.raises(ArchiveError, match="a name without its NUL"):
        read(bytes(data) + b"B" * 20 + b"\0" + trailer())
    assert names(read(header(name, **REGULAR) + trailer())) == [name]


def test_initramfs_test_data():
    assert [content for _entry, content in read(header(b"initramfs_test_data", data=b"ASDF", **REGULAR) + trailer())] == [b"ASDF"]


@pytest.mark.parametrize("wrong", [0, 1])
def test_initramfs_test_csum(wrong):
    data = header(b"initramfs_test_csum", data=b"ASDF", magic=b"070702", check=sum(b"ASDF") - wrong, **REGULAR)
    data += header(b"initramfs_test_csum_not_here", data=b"ASDF", check=5555, **REGULAR) + trailer()
    if wrong:
        with pytest.raises(ArchiveError, match="member 'initramfs_test_csum' at byte 0: its checksum is wrong"):
            read(data)
    else:
        assert [content for _entry, content in read(data)] == [b"ASDF", b"ASDF"]


def test_initramfs_test_hardlink():
    data = header(b"initramfs_test_hardlink", ino=1, nlink=2, **REGULAR)
    data += header(b"initramfs_test_hardlink_link", data=b"ASDF", ino=1, nlink=2, **REGULAR)
    found = read(data + trailer())
    assert found[0][0].link is not None
    assert found[0][0].link == found[1][0].link and [entry.links for entry, _content in found] == [2, 2]
    assert [content for _entry, content in found] == [b"", b"ASDF"]
    with pytest.raises(ArchiveError, match="ends without its end mark"):  # the kernel takes it without one
        read(data)


def test_initramfs_test_many():
    data = b"".join(header(b"initramfs_test_many-%d" % number, ino=number, **REGULAR) for number in range(1000))
    assert names(read(data + trailer())) == [b"initramfs_test_many-%d" % number for number in range(1000)]


def test_initramfs_test_fname_pad():
    content = b"this file data is aligned at 4K in the archive\0"
    name = b"padded_fname"
    data = header(name, data=content, nul=b"\0" * (4096 - HEADER - len(name)), **REGULAR)
    assert data.index(content) == 4096
    assert [(entry.path, found) for entry, found in read(data + trailer())] == [(name, content)]


def test_initramfs_test_fname_path_max():
    fits = b"fname_ok".ljust(4095, b"/")
    assert names(read(header(fits, DIRECTORY | 0o777, ino=2) + trailer())) == [b"fname_ok"]
    with pytest.raises(ArchiveError, match="has a name of 4097 bytes, at byte 0"):  # the kernel passes over this member, and goes on
        read(header(b"fname_oversize".ljust(4096, b"/"), DIRECTORY | 0o777, b"this file data will not be unpacked\0") + trailer())


def test_initramfs_test_hdr_hex():
    prefixed = {2: b"0x123456", 3: b"0X123457", 11: b"0x%06x" % len(b"initramfs_test_hdr_hex_0\0")}
    with pytest.raises(ArchiveError, match="something else than hexadecimal digits"):
        read(header(b"initramfs_test_hdr_hex_0", data=b"not unpacked\0", fields=prefixed, **REGULAR) + trailer())
    lower = {2: b"00a23456", 3: b"00b23457"}
    assert read(header(b"initramfs_test_hdr_hex_0", fields=lower, **REGULAR) + trailer())[0][0].uid == 0xA23456
