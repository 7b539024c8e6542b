# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is in a container's root is found as the container sees it; nothing outside of it ever is."""

from __future__ import annotations

import errno
import os
import signal

import pytest

from ansible_collections.coracle.launcher.plugins.module_utils._coracle.base import libc
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.base.errors import LauncherError
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.work import lookup
from ansible_collections.coracle.launcher.tests.unit.each import each


@pytest.fixture
def root(tmp_path):
    """A tree with links that lead out of it, were they followed from here; beside it a file that is in no container."""
    (tmp_path / "secret").write_bytes(b"")
    tree = tmp_path / "tree"
    (tree / "srv/www").mkdir(parents=True)
    for name in ("srv/www/index.html", "srv/www/.hidden", "srv/www/a[1]"):
        (tree / name).write_bytes(b"")
    os.mkfifo(tree / "fifo")
    for name, to in (("out", "/../secret"), ("up", "../../../secret"), ("absolute", str(tmp_path / "secret")), ("inside", "/srv/www"), ("nowhere", "/no"),
                     ("loop", "loop"), ("srv/back", "../../../../srv")):
        (tree / name).symlink_to(to)
    descriptor = os.open(tree, os.O_PATH | os.O_DIRECTORY)
    yield descriptor
    os.close(descriptor)


@each("path", [
    "/", "", "/srv", "/srv/", "//srv/www/index.html", "/srv/../srv/www", "/inside/index.html", "/srv/back/www/index.html", "/../../srv", "/fifo", "/nowhere",
    "/out", "/srv/www/*.html", "/s?v/w*/index.htm[a-z]", "/*/www", "/inside/*.html", "/srv/www/.h*", "/srv/www/a[[]1]",
])  # fmt: skip
def test_there(root, path):
    assert lookup.exists(root, path)


@each("path", [
    "/no", "/srv/www/index", "/out/x", "/up/.", "/absolute/.", "/loop/x", "/fifo/x", "/nowhere/x", "/../secret", "/secret", "/../*secret", "/out/*", "/fifo/*",
    "/srv/www/*hidden", "/srv/www/*.txt", "/*/no", "/" + "x" * 300, "/srv/www/a[1]",
])  # fmt: skip
def test_not_there(root, path):
    assert not lookup.exists(root, path)


def test_control_followed_from_here_they_do_lead_out(root, tmp_path):
    assert (tmp_path / "tree/absolute").exists() and (tmp_path / "tree/../secret").exists()


def test_a_kernel_that_cannot_is_an_error_and_not_an_absence(root, monkeypatch):
    def refuse(*_arguments):
        raise OSError(errno.ENOSYS, "no openat2")

    monkeypatch.setattr(libc, "openat2", refuse)
    with pytest.raises(OSError, match="no openat2"):
        lookup.exists(root, "/srv")


def test_the_root_of_a_process():
    descriptor = lookup.open_root(os.getpid(), os.pidfd_open(os.getpid()))
    assert os.fstat(descriptor).st_ino == os.stat("/").st_ino
    os.close(descriptor)


def test_the_root_of_a_process_that_has_ended():
    pid = os.fork()
    if pid == 0:
        signal.pause()
    pidfd = os.pidfd_open(pid)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    for number in (pid, os.getpid()):  # the second: as if somebody else had got the number
        with pytest.raises(LauncherError, match="has just ended"):
            lookup.open_root(number, pidfd)
    os.close(pidfd)
