# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import errno
import os

import pytest
from hypothesis import HealthCheck, given, settings, strategies

from ansible_collections.coracle.launcher.plugins.module_utils._coracle.base import beneath, files, libc
from ansible_collections.coracle.launcher.tests.unit.each import each

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="runs as root only: it makes mounts in a mount namespace of a child")


@pytest.fixture
def root(tmp_path):
    """A directory descriptor of a tree with every kind of way out, and a canary outside of it."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "canary").write_text("canary")
    inside = tmp_path / "root"
    (inside / "dir" / "deep").mkdir(parents=True)
    (inside / "dir" / "file").write_text("file")
    (inside / "absolute").symlink_to(tmp_path / "outside")
    (inside / "relative").symlink_to("../outside")
    (inside / "within").symlink_to("dir")
    (inside / "dangling").symlink_to("nowhere")
    (inside / "dir" / "link").symlink_to("file")
    fd = os.open(inside, os.O_RDONLY | os.O_DIRECTORY)
    yield fd
    os.close(fd)


WAYS = [beneath.open_beneath, lambda root, path, flags, mode=0: beneath._walk_beneath(root, os.fsencode(path), flags, mode)]


@each("open_beneath", WAYS, ids=["openat2", "by hand"])
@each("path, flags", [("dir/file", os.O_RDONLY), ("dir", os.O_PATH), ("dir/deep", os.O_RDONLY | os.O_DIRECTORY), (".", os.O_PATH),
                      ("dir/./deep", os.O_PATH), (b"dir/file", os.O_RDONLY)])
def test_open_beneath(root, open_beneath, path, flags):
    fd = open_beneath(root, path, flags)
    try:
        assert not os.get_inheritable(fd)
        assert os.path.samestat(os.fstat(fd), os.stat(path, dir_fd=root))
    finally:
        os.close(fd)


@each("open_beneath", WAYS, ids=["openat2", "by hand"])
@each("path", ["absolute", "absolute/canary", "relative/canary", "within", "within/file", "dangling", "dir/link", "..", "../outside/canary",
               "dir/../../outside", "/etc/passwd", "dir/file/x", "nothing", "dir/nothing"])
@each("flags", [os.O_RDONLY, os.O_PATH])
def test_P5_no_link_and_no_dots_lead_out(root, open_beneath, path, flags):
    with pytest.raises(OSError) as caught:
        os.close(open_beneath(root, path, flags))
    assert caught.value.errno in (errno.ELOOP, errno.EXDEV, errno.ENOTDIR, errno.ENOENT)
    if "nothing" not in path and "file/x" not in path:
        assert caught.value.errno != errno.ENOENT


parts = strategies.sampled_from(["dir", "deep", "file", "absolute", "relative", "within", "dangling", "link", "..", ".", "", "x"])


@settings(max_examples=300, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(path=strategies.lists(parts, min_size=1, max_size=6).map("/".join), way=strategies.sampled_from(WAYS))
def test_P5_whatever_is_opened_lies_below_the_root(root, path, way):
    prefix = os.readlink(f"/proc/self/fd/{root}")
    try:
        fd = way(root, path, os.O_PATH)
    except OSError:
        return
    try:
        assert (os.readlink(f"/proc/self/fd/{fd}") + "/").startswith(prefix + "/")
    finally:
        os.close(fd)


def test_remove_tree(tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "canary").write_text("canary")
    tree = tmp_path / "tree"
    (tree / "a" / "b" / "c").mkdir(parents=True)
    (tree / "a" / "file").write_text("x")
    (tree / "a" / "link").symlink_to(outside)
    (tree / "a" / "b" / "dots").symlink_to("../../..")
    os.mkfifo(tree / "fifo")
    (tree / "a" / "b" / "locked").mkdir(mode=0)
    beneath.remove_tree(str(tree))
    beneath.remove_tree(str(tree))  # missing is fine
    assert sorted(os.listdir(tmp_path)) == ["outside"] and (outside / "canary").read_text() == "canary"


def test_remove_tree_of_a_link_or_a_file_removes_just_that(tmp_path):
    (tmp_path / "dir").mkdir()
    (tmp_path / "link").symlink_to("dir")
    (tmp_path / "file").write_text("")
    fd = files.open_directory(str(tmp_path))
    beneath.remove_tree("link", fd)
    beneath.remove_tree("file", fd)
    os.close(fd)
    assert os.listdir(tmp_path) == ["dir"]


def test_remove_tree_goes_down_as_deep_as_a_container_can(tmp_path):
    # Deeper than Python's stack, PATH_MAX and the limit on open files.
    here = os.open(tmp_path, os.O_RDONLY)
    for _level in range(3000):
        os.mkdir("dddd", dir_fd=here)
        deeper = os.open("dddd", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = deeper
    os.close(os.open("file", os.O_CREAT | os.O_WRONLY, dir_fd=here))
    os.close(here)
    beneath.remove_tree(str(tmp_path / "dddd"))
    assert os.listdir(tmp_path) == []


@needs_root
@pytest.mark.parametrize("source", ["same file system", "tmpfs"])
def test_remove_tree_does_not_enter_mounts(tmp_path, source):
    (tmp_path / "host").mkdir()
    (tmp_path / "host" / "canary").write_text("canary")
    target = tmp_path / "tree" / "a" / "mounted"
    target.mkdir(parents=True)
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            libc.unshare(libc.CLONE_NEWNS)
            libc.mount(None, "/", None, libc.MS_REC | libc.MS_PRIVATE)
            if source == "tmpfs":
                libc.mount("tmpfs", str(target), "tmpfs", 0, "size=64k")
            else:
                libc.mount(str(tmp_path / "host"), str(target), None, libc.MS_BIND)
            before = os.listdir(target)
            try:
                beneath.remove_tree(str(tmp_path / "tree"))
            except OSError as error:
                code = 0 if error.errno == errno.EXDEV and error.filename == str(target) and os.listdir(target) == before else 2
        finally:
            os._exit(code)
    assert os.waitpid(pid, 0)[1] == 0
    assert (tmp_path / "host" / "canary").read_text() == "canary"
    beneath.remove_tree(str(tmp_path / "tree"))  # control: without the mount it goes
    assert not (tmp_path / "tree").exists()
