# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The marks that a reboot must not lose."""

from __future__ import annotations

import os

import pytest

from ansible_collections.coracle.launcher.plugins.module_utils._coracle.base import places
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.work import marks


@pytest.fixture
def data(tmp_path, monkeypatch):
    monkeypatch.setattr(places, "DATA", str(tmp_path / "lib"))
    return tmp_path


def test_a_stop_is_marked_until_the_next_start(tmp_path):
    path = str(tmp_path)
    assert not marks.is_stopped(path)
    marks.start(path)
    for durable in (True, False, True):
        marks.stop(path, durable)
        assert marks.is_stopped(path) and os.listdir(path) == [marks.STOPPED]
    marks.start(path)
    assert not marks.is_stopped(path)
    marks.stop(f"{path}/nothing")
    assert os.listdir(path) == []


def test_a_link_of_the_container_is_not_followed(tmp_path):
    os.symlink(tmp_path / "victim", tmp_path / marks.STOPPED)
    marks.stop(str(tmp_path))
    assert not (tmp_path / "victim").exists()


def test_links_name_containers_that_lie_elsewhere(data):
    assert marks.links() == {}
    marks.link("web", "/mnt/web")
    os.symlink("/mnt/killed", data / "lib" / "boot" / ".web.new")  # a run that was killed
    marks.link("web", "/mnt/other/web")
    marks.link("db", "/mnt/db")
    (data / "lib" / "boot" / "README").touch()
    assert marks.links() == {"db": "/mnt/db", "web": "/mnt/other/web"}
    (data / "lib" / "boot" / "README").unlink()
    for name in ("web", "web", "db"):
        marks.unlink(name)
    assert os.listdir(data / "lib") == []
