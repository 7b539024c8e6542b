# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import threading

import pytest

from ansible_collections.coracle.launcher.plugins.module_utils._coracle.base import clone


def descriptors():
    return sorted(os.listdir("/proc/self/fd"))


def test_what_is_no_cgroup_is_refused_and_nothing_forked(tmp_path):
    before = descriptors()
    for directory in (str(tmp_path), str(tmp_path / "missing")):
        with pytest.raises(OSError):
            clone.into_cgroup(directory)
    assert descriptors() == before
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def test_never_in_a_process_with_threads(monkeypatch, tmp_path):
    """A lock that another thread holds would stay locked in the child: only os.fork() knows libc's."""
    monkeypatch.setattr(clone, "_fork", lambda _arguments: pytest.fail("forked"))
    end = threading.Event()
    thread = threading.Thread(target=end.wait)
    thread.start()
    try:
        with pytest.raises(OSError, match="not in this process"):
            clone.into_cgroup(str(tmp_path))
    finally:
        end.set()
        thread.join()
