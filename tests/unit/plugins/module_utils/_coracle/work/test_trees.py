# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import errno
import os
import stat

import pytest

from ansible_collections.coracle.launcher.plugins.module_utils._coracle.base import files, places
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.work import images, trees
from ansible_collections.coracle.launcher.tests.unit.archives import CHARACTER, FIFO, Archive

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="sets owners: needs root")
PLAIN = trees.Policy()


def sample():
    archive = Archive().directory(b".", 0o711, mtime=5).directory(b"bin", mtime=6).file(b"bin/su", b"program", 0o4755, uid=0, gid=3, mtime=7)
    archive.file(b"bin/a", b"", 0o755, ino=9, nlink=2).file(b"bin/b", b"busy", 0o755, ino=9, nlink=2)
    archive.symlink(b"sh", b"bin/a", uid=4, mtime=8).node(b"null", CHARACTER, rdev=(1, 3)).node(b"pipe", FIFO)
    return archive.file(b"caf\xe9\n", b"odd", 0o600, uid=99, gid=98).end()


@pytest.fixture
def copied(tmp_path, monkeypatch):
    """Return a function that extracts an archive, copies its tree with a policy, and returns (copy, source fd, records)."""
    monkeypatch.setattr(places, "IMAGES", f"{tmp_path}/images")
    opened = []

    def run(data, policy=PLAIN, name="copy"):
        (tmp_path / "image").write_bytes(data)
        image = images.ensure_image(str(tmp_path / "image"))
        os.mkdir(tmp_path / name)
        records = trees.load(images.manifest_path(image.digest))
        opened.extend([os.open(image.tree, os.O_RDONLY), os.open(tmp_path / name, os.O_RDONLY)])
        trees.copy(opened[-2], records, opened[-1], policy)
        return str(tmp_path / name), opened[-2], records
    yield run
    for fd in opened:
        os.close(fd)


def differences(copied_tree, policy=PLAIN):
    path, source, records = copied_tree
    target = os.open(path, os.O_RDONLY)
    try:
        return trees.differences(source, records, target, policy)
    finally:
        os.close(target)


def test_a_copy_is_equal(copied):
    tree = copied(sample())
    assert differences(tree) == []
    path = tree[0]
    assert sorted(os.listdir(os.fsencode(path))) == [b"bin", b"caf\xe9\n", b"pipe", b"sh"]
    assert (stat.S_IMODE(os.stat(path).st_mode), os.stat(path).st_mtime, os.stat(f"{path}/bin").st_mtime) == (0o711, 5, 6)
    info = os.stat(f"{path}/bin/su")
    assert (stat.S_IMODE(info.st_mode), info.st_gid, info.st_mtime, info.st_nlink) == (0o755, 3, 7, 1)
    assert os.path.samefile(f"{path}/bin/a", f"{path}/bin/b") and os.stat(f"{path}/bin/a").st_nlink == 2
    assert os.lstat(f"{path}/sh").st_uid == 4 and os.lstat(f"{path}/sh").st_mtime == 8


def test_devices_and_set_id_bits_by_policy(copied):
    policy = trees.Policy(devices=True, preserve_setuid=True)
    tree = copied(sample(), policy)
    info = os.stat(f"{tree[0]}/null")
    assert stat.S_ISCHR(info.st_mode) and (os.major(info.st_rdev), os.minor(info.st_rdev)) == (1, 3)
    assert stat.S_IMODE(os.stat(f"{tree[0]}/bin/su").st_mode) == 0o4755
    assert differences(tree, policy) == []
    assert [path for path, _have, _want in differences(tree)] == ["bin/su", "null"]


@pytest.mark.parametrize("change, path", [
    (lambda root: os.unlink(f"{root}/sh"), "sh"),
    (lambda root: open(f"{root}/bin/new", "wb").close(), "bin/new"),
    (lambda root: os.chmod(f"{root}/bin/su", 0o700), "bin/su"),
    (lambda root: os.chown(f"{root}/bin", 1, 1), "bin"),
    (lambda root: os.chmod(root, 0o700), ""),
    (lambda root: os.truncate(f"{root}/bin/su", 3), "bin/su"),
    (lambda root: (os.unlink(f"{root}/sh"), os.symlink("bin/b", f"{root}/sh")), "sh"),
    (lambda root: (os.unlink(f"{root}/bin/su"), os.mkdir(f"{root}/bin/su")), "bin/su"),
    (lambda root: (os.unlink(f"{root}/bin/su"), os.mkfifo(f"{root}/bin/su")), "bin/su")])
def test_each_difference_is_found(copied, change, path):
    tree = copied(sample())
    change(tree[0])
    assert [difference[0] for difference in differences(tree)] == [path]


def test_other_content_of_the_same_size_is_found(copied):
    tree = copied(sample())
    with open(f"{tree[0]}/bin/su", "r+b") as file:
        file.write(b"Program")
    assert differences(tree) == [("bin/su", "file of 7 bytes, 0755 0:3, other content", "file of 7 bytes, 0755 0:3, the image's content")]


def test_a_name_that_is_a_file_of_its_own_is_found(copied):
    tree = copied(sample())
    os.unlink(f"{tree[0]}/bin/b")
    with open(f"{tree[0]}/bin/b", "wb") as file:
        file.write(b"busy")
    os.chmod(f"{tree[0]}/bin/b", 0o755)
    assert differences(tree) == [("bin/b", "a file of its own", "a name of bin/a")]


def test_directories_that_are_not_of_the_image_are_not_entered(copied):
    tree = copied(sample())
    here = os.open(tree[0], os.O_RDONLY)
    for _level in range(1100):
        os.mkdir("d", dir_fd=here)
        deeper = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = deeper
    os.close(here)
    assert [path for path, _have, _want in differences(tree)] == ["d"]
    files.remove_tree(f"{tree[0]}/d")


def test_a_link_out_of_the_tree_is_not_followed(copied, tmp_path):
    tree = copied(sample())
    os.rename(f"{tree[0]}/bin", f"{tmp_path}/moved")
    os.symlink(f"{tmp_path}/moved", f"{tree[0]}/bin")
    found = {path: have for path, have, _want in differences(tree)}
    assert found["bin"].startswith("symlink to ") and found["bin/su"] is None


@pytest.mark.parametrize("number", [errno.EXDEV, errno.EOPNOTSUPP])
def test_copies_without_copy_file_range(copied, monkeypatch, number):
    def refuse(*_arguments):
        raise OSError(number, "no")
    monkeypatch.setattr(os, "copy_file_range", refuse, raising=False)
    assert differences(copied(Archive().file(b"a", os.urandom(3 << 20)).file(b"empty", b"").end())) == []


@pytest.mark.parametrize("build", [
    lambda: Archive().file(b"d/a").directory(b"d", 0o700).directory(b".", 0o700),
    lambda: Archive().file(b"a", b"1", ino=1, nlink=3).file(b"b", b"", ino=1, nlink=3).file(b"a", b"new").file(b"c", b"", ino=1, nlink=3),
    lambda: Archive().file(b"x").node(b"x", CHARACTER).file(b"y").symlink(b"y", b"x"),
    lambda: Archive().directory(b"d").symlink(b"d", b"e").directory(b"e").file(b"e/a").directory(b"e", 0o711),
    lambda: Archive().directory(b".").raw(Archive().directory(b".", 0o700).end())])
def test_manifest_of_an_archive_with_names_twice(copied, build):
    tree = copied(build().end())
    assert differences(tree) == []
    assert len(tree[2]) == len({record.path for record in tree[2].values()})
