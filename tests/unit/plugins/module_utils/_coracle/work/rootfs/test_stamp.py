# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os

import pytest

from ansible_collections.coracle.launcher.plugins.module_utils._coracle.base import files
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.work.rootfs import stamp
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.work.rootfs.stamp import Made

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="a stamp must be root's")
ONE, TWO = ("sha256:" + digit * 64 for digit in "12")
TREES = [Made(stamp.COPY, ONE, 5, newest=ONE, generation="4026531840"), Made(stamp.OVERLAY, TWO, 7, "0123abcd", True, True, ONE, TWO),
         Made(stamp.READ_ONLY, ONE, 9, "", False, False, ONE, TWO)]


def write(path, text):
    with open(f"{path}/.root.coracle", "w", encoding="utf-8") as file:
        file.write(text)


def test_what_is_written_is_read(tmp_path):
    assert stamp.read(str(tmp_path), "root") is None
    write(tmp_path, "".join(made.line() for made in TREES))
    found = stamp.read(str(tmp_path), "root")
    assert [made.line() for made in found] == [made.line() for made in TREES]
    assert found[1].devices and found[1].preserve_setuid and found[0].previous is None and found[2].digests() == [ONE, ONE, TWO]


LINE = TREES[1].line().strip()


@pytest.mark.parametrize("old, new", [
    ("overlay", "aufs"), (TWO, "sha256:2"), (" 7 ", " x "), (" 7 ", " -7 "), ("0123abcd", "../../up"), ("0123abcd", "-"),
    ("devices", "device"), (f" {TWO}", ""), (f"{ONE} {TWO}", f"{TWO} -"), ("0123abcd", "0123ABCD"), ("overlay", "copy"), ("overlay ", "overlay  ")])
def test_of_a_damaged_stamp_nothing_is_believed(tmp_path, old, new):
    assert old in LINE
    write(tmp_path, LINE.replace(old, new) + "\n" + TREES[0].line())
    assert stamp.read(str(tmp_path), "root") == []
    write(tmp_path, LINE)
    assert len(stamp.read(str(tmp_path), "root")) == 1


@pytest.mark.parametrize("make", [os.mkdir, lambda path: os.symlink("/etc/passwd", path), os.mkfifo])
def test_what_is_no_file_is_no_stamp(tmp_path, make):
    make(f"{tmp_path}/.root.coracle")
    assert stamp.read(str(tmp_path), "root") == []


def test_an_inode_number_that_is_used_again_is_another_directory(tmp_path, monkeypatch):
    root = f"{tmp_path}/root"
    os.mkdir(root)
    monkeypatch.setattr(files, "inode_generation", lambda fd: 7)
    fd = os.open(root, os.O_RDONLY)
    inode, generation = stamp.identity(fd)
    os.close(fd)
    write(tmp_path, Made(stamp.OVERLAY, ONE, inode, "0123abcd", newest=ONE, generation=generation).line())
    assert generation == "7" and stamp.unmounted(root).generation == "7"
    for other in (8, 0, None):
        monkeypatch.setattr(files, "inode_generation", lambda fd, other=other: other)
        assert stamp.unmounted(root) is None


def test_a_bare_tree_is_told_by_its_directory(tmp_path):
    root = f"{tmp_path}/root"
    os.mkdir(root)
    fd = os.open(root, os.O_RDONLY)
    inode, generation = stamp.identity(fd)
    os.close(fd)
    write(tmp_path, Made(stamp.OVERLAY, ONE, inode, "0123abcd", newest=ONE, generation=generation).line())
    assert stamp.unmounted(f"{tmp_path}/./root/").digest == ONE
    os.rename(root, f"{root}.old")
    os.mkdir(root)
    assert stamp.unmounted(root) is None
    assert stamp.unmounted(f"{root}.old") is None  # which has no stamp
    fd = os.open(root, os.O_RDONLY)
    inode, generation = stamp.identity(fd)
    os.close(fd)
    write(tmp_path, Made(stamp.COPY, ONE, inode, newest=ONE, generation=generation).line())
    assert stamp.unmounted(root) is None  # a copy has nothing to mount
