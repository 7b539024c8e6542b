# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
import threading

import pytest

from ansible_collections.coracle.launcher.plugins.module_utils._coracle.base import files
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.base.errors import LauncherError


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077])
def test_C04_new_directories_have_their_mode_under_any_umask(tmp_path, mask):
    (tmp_path / "there").mkdir(mode=0o711)
    old = os.umask(mask)
    try:
        files.make_directories(str(tmp_path / "there" / "a" / "b"), 0o755)
        files.make_directories(str(tmp_path / "private"))
        files.make_directories(str(tmp_path / "there"))
    finally:
        os.umask(old)
    modes = [stat.S_IMODE(os.stat(tmp_path / name).st_mode) for name in ("there/a", "there/a/b", "private")]
    assert modes == [0o755, 0o755, 0o700]


def test_make_directories_does_not_take_a_file_for_a_directory(tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "dangling").symlink_to("nowhere")
    for name in ("file", "dangling"):
        with pytest.raises(FileExistsError):
            files.make_directories(str(tmp_path / name))


def test_read_limited(tmp_path):
    (tmp_path / "f").write_bytes(b"x" * 100)
    assert files.read_limited(str(tmp_path / "f"), 100) == b"x" * 100
    with pytest.raises(LauncherError, match="larger than 99 bytes"):
        files.read_limited(str(tmp_path / "f"), 99)
    with pytest.raises(FileNotFoundError):
        files.read_limited(str(tmp_path / "none"), 99)


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir], ids=["fifo", "directory"])
def test_read_limited_takes_regular_files_only_and_never_hangs(tmp_path, make):
    make(tmp_path / "odd")
    with pytest.raises(LauncherError, match="no regular file"):
        files.read_limited(str(tmp_path / "odd"), 99)


def test_read_limited_of_an_endless_file():
    with pytest.raises(LauncherError):
        files.read_limited("/dev/zero", 99)


def test_read_text_and_write_text(tmp_path):
    (tmp_path / "value").write_text("old\n")
    files.write_text(str(tmp_path / "value"), "4194304")
    assert files.read_text(str(tmp_path / "value")) == "4194304"
    with pytest.raises(FileNotFoundError):
        files.write_text(str(tmp_path / "none"), "1")
    assert not (tmp_path / "none").exists()


def test_write_text_names_the_file_that_refused():
    with pytest.raises(OSError) as caught:
        files.write_text("/dev/full", "1")
    assert caught.value.filename == "/dev/full" and caught.value.errno == errno.ENOSPC


@pytest.mark.parametrize("durable", [True, False])
def test_write_whole_replaces(tmp_path, durable):
    directory = files.open_directory(str(tmp_path))
    old = os.umask(0)
    try:
        files.write_whole(directory, "settings", b"one", durable=durable)
        (tmp_path / ".settings.new").write_text("left by a run that was killed")
        files.write_whole(directory, "settings", b"two" * 100000, 0o640, durable=durable)
    finally:
        os.umask(old)
        os.close(directory)
    assert (tmp_path / "settings").read_bytes() == b"two" * 100000
    assert stat.S_IMODE((tmp_path / "settings").stat().st_mode) == 0o640
    assert os.listdir(tmp_path) == ["settings"]


def test_write_whole_writes_through_no_link(tmp_path):
    canary = tmp_path / "canary"
    canary.write_text("canary")
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "settings").symlink_to(canary)
    (tmp_path / "d" / ".settings.new").symlink_to(canary)
    directory = files.open_directory(str(tmp_path / "d"))
    files.write_whole(directory, "settings", b"new")
    os.close(directory)
    assert canary.read_text() == "canary" and (tmp_path / "d" / "settings").read_bytes() == b"new"
    assert not (tmp_path / "d" / "settings").is_symlink()


def test_F10_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    directory = files.open_directory(str(tmp_path))
    files.write_whole(directory, "settings", b"old")

    def full(_fd):
        raise OSError(errno.ENOSPC, "full")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError):
        files.write_whole(directory, "settings", b"new")
    os.close(directory)
    assert os.listdir(tmp_path) == ["settings"] and (tmp_path / "settings").read_bytes() == b"old"


def test_C07_lock_excludes_and_no_child_inherits_it(tmp_path):
    path = str(tmp_path / "lock")
    with files.Lock(path):
        assert files.Lock(path).take(wait=False) is False
        child = subprocess.run([sys.executable, "-c", "import os; print([os.readlink('/proc/self/fd/' + f) for f in os.listdir('/proc/self/fd')"
                                " if os.path.exists('/proc/self/fd/' + f)])"], capture_output=True, text=True, check=True, close_fds=False)
        assert path not in child.stdout
    second = files.Lock(path)
    assert second.take(wait=False) is True
    second.release()
    second.release()
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600


def test_C07_a_waiting_lock_comes_after_the_first(tmp_path):
    path, order = str(tmp_path / "lock"), []
    first = files.Lock(path)
    first.take()

    def wait():
        with files.Lock(path):
            order.append("second")
    thread = threading.Thread(target=wait)
    thread.start()
    order.append("first")
    first.release()
    thread.join(10)
    assert order == ["first", "second"]


def test_a_lock_is_no_link(tmp_path):
    (tmp_path / "lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError):
        files.Lock(str(tmp_path / "lock")).take()
    assert not (tmp_path / "elsewhere").exists()
