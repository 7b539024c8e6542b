# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import errno
import os

import pytest

from ansible_collections.coracle.launcher.plugins.module_utils._coracle.base import libc, places
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.work import stamps
from ansible_collections.coracle.launcher.tests.unit import one_image
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


@pytest.fixture
def image_store(tmp_path, monkeypatch):
    """An empty store below `tmp_path`; an archive that was written just now is remembered like any other. Returns `tmp_path`."""
    monkeypatch.setattr(places, "IMAGES", f"{tmp_path}/images")
    monkeypatch.setattr(stamps, "_SETTLED", -1)
    return tmp_path


@pytest.fixture
def source(image_store):
    """Path of the archive one_image.DATA, beside an empty store."""
    path = image_store / "image"
    path.write_bytes(one_image.DATA)
    os.utime(path, (1000, 1000))
    return str(path)
