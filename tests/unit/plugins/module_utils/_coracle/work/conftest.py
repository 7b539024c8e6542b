# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import errno

import pytest

from ansible_collections.coracle.launcher.plugins.module_utils._coracle.base import libc
from ansible_collections.coracle.launcher.tests.unit.extracting import World


def _without_openat2(monkeypatch, number):
    def refuse(*_arguments):
        raise OSError(number, "no openat2")
    monkeypatch.setattr(libc, "openat2", refuse)


@pytest.fixture(params=["openat2", "ENOSYS", "EPERM"])
def world(request, tmp_path, monkeypatch):
    """A world to extract in, on a kernel that has openat2 or refuses it in one of two ways."""
    if request.param != "openat2":
        _without_openat2(monkeypatch, getattr(errno, request.param))
    return World(tmp_path)
