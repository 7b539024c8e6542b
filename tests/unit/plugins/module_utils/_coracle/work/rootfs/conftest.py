# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A mount namespace and a file system of its own for tests that mount: nothing of the host is seen or touched, nothing is left."""

from __future__ import annotations

import os

import pytest

from ansible_collections.coracle.launcher.plugins.module_utils._coracle.base import libc, places
from ansible_collections.coracle.launcher.tests.unit.rootfs_task import Task


@pytest.fixture
def own_mounts(tmp_path):
    if os.geteuid() != 0:
        pytest.skip("needs root to mount")
    directory = os.getcwd()
    before = os.open("/proc/thread-self/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
    libc.unshare(libc.CLONE_NEWNS)
    try:
        libc.mount(None, "/", None, libc.MS_REC | libc.MS_PRIVATE)
        libc.mount("tmpfs", str(tmp_path), "tmpfs", 0, "mode=755,size=64m")
        yield
    finally:
        libc.setns(before, libc.CLONE_NEWNS)
        os.close(before)
        os.chdir(directory)


@pytest.fixture
def task(own_mounts, tmp_path, monkeypatch):
    monkeypatch.setattr(places, "IMAGES", f"{tmp_path}/images")
    monkeypatch.setattr(places, "CONTAINERS", f"{tmp_path}/containers")
    monkeypatch.setattr(places, "RUN", f"{tmp_path}/run")
    return Task(tmp_path)
