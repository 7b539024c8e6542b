# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of container_logs, and what it returns."""

from __future__ import annotations

import pytest

from ansible_collections.coracle.launcher.plugins.module_utils._coracle.base.errors import LauncherError
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.work import log_lines
from ansible_collections.coracle.launcher.tests.unit.each import each

DEFAULTS = {"name": "web", "tail": 1000, "since": None, "until": None, "stream": "all", "timestamps": False}
LOG = b"""2026-11-24T01:00:00.000000000Z stdout F one
2026-11-24T02:00:00.000000000Z stderr F two\x1b[31m
2026-11-24T03:00:00.000000000Z stdout F thr\xff\xc3\xa4
"""


@pytest.fixture
def container(tmp_path, monkeypatch):
    (tmp_path / "log").mkdir()
    (tmp_path / "log/container.log").write_bytes(LOG)
    monkeypatch.setattr(log_lines.inspect, "locate", lambda name, _path: (name, str(tmp_path)))
    return tmp_path


def report(**options):
    given = {**DEFAULTS, **options}
    return log_lines.report(given, log_lines.read(given))


@each("options, lines, omitted", [
    ({}, ["one", "two\\x1b[31m", "thr\\xff\u00e4"], 0),
    ({"tail": 1}, ["thr\\xff\u00e4"], 2),
    ({"tail": 0}, [], 3),
    ({"stream": "stderr", "timestamps": True}, ["2026-11-24T02:00:00.000000000Z two\\x1b[31m"], 0),
    ({"stream": "stdout", "tail": 1}, ["thr\\xff\u00e4"], 1),
    ({"since": "2026-11-24T03:00:00+01:00", "until": "2026-11-24T02:00:00Z"}, ["two\\x1b[31m"], 0),
    ({"since": "2026-11-24T02:00:00.000000001Z"}, ["thr\\xff\u00e4"], 0),
    ({"until": "2026-11-24"}, [], 0),
])  # fmt: skip
def test_lines(container, options, lines, omitted):
    assert report(**options) == {"lines": lines, "omitted": omitted}


@each("option, value", [("tail", -1), ("tail", 1000001), ("since", ""), ("since", "yesterday"), ("until", "x"), ("since", "2026-11-25")])
def test_bad_options(container, option, value):
    with pytest.raises(LauncherError) as raised:
        report(**{"until": "2026-11-24", option: value})
    assert raised.value.option == option and raised.value.remedy


def test_a_container_that_is_not_there(container):
    (container / "log/container.log").unlink()
    assert report() == {"lines": [], "omitted": 0}  # control: it is there, and has said nothing
    (container / "log").rmdir()
    with pytest.raises(LauncherError, match="no such container"):
        report()
    (container / "settings").write_text("")
    assert report() == {"lines": [], "omitted": 0}
