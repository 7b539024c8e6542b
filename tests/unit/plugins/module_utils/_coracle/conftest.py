# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A network and a /run of its own for tests that make real links: nothing of the host is seen or touched."""

from __future__ import annotations

import os

import pytest

from ansible_collections.coracle.launcher.plugins.module_utils._coracle.base import libc


@pytest.fixture
def own_network():
    if os.geteuid() != 0:
        pytest.skip("needs root to make namespaces")
    directory = os.getcwd()
    before = [os.open(f"/proc/thread-self/ns/{kind}", os.O_RDONLY | os.O_CLOEXEC) for kind in ("net", "mnt")]
    libc.unshare(libc.CLONE_NEWNET | libc.CLONE_NEWNS)
    try:
        libc.mount(None, "/", None, libc.MS_REC | libc.MS_PRIVATE)
        libc.mount("tmpfs", "/run", "tmpfs")
        yield
    finally:
        for fd in before:
            libc.setns(fd)
            os.close(fd)
        os.chdir(directory)
