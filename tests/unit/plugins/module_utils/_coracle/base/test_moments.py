# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Times as people write them become stamps that compare with those of a log."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, strategies

from ansible_collections.coracle.launcher.plugins.module_utils._coracle.base import moments
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.base.errors import LauncherError
from ansible_collections.coracle.launcher.tests.unit.each import each


@each("value, stamp", [
    ("2026-11-24", "2026-11-24T00:00:00.000000000Z"),
    ("2026-11-24T05:59", "2026-11-24T05:59:00.000000000Z"),
    ("2026-11-24 05:59:44", "2026-11-24T05:59:44.000000000Z"),
    ("2026-11-24t05:59:44z", "2026-11-24T05:59:44.000000000Z"),
    ("2026-11-24T05:59:44.59Z", "2026-11-24T05:59:44.590000000Z"),
    ("2026-11-24T05:59:44.123456789+01:00", "2026-11-24T04:59:44.123456789Z"),
    ("2026-12-31T23:30-01:30", "2027-01-01T01:00:00.000000000Z"),
    ("2028-02-29", "2028-02-29T00:00:00.000000000Z"),
])  # fmt: skip
def test_rfc_3339(value, stamp):
    assert moments.parse(value, "since") == stamp


@each("value, seconds", [("0s", 0), ("42m", 2520), ("1h30m", 5400), ("2d", 172800), ("1d1h1m1s", 90061)])
def test_so_long_ago(value, seconds):
    before = time.time()
    stamp = moments.parse(value, "since")
    after = time.time()
    shown = [time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(moment - seconds)) for moment in (before, after)]
    assert stamp[:19] in shown and len(stamp) == 30


@each("value", [
    "", " ", "5", "m", "1h5", "1.5h", "-5m", "+5m", "1 h", "5M", "\u0662d", "9999999999d", "99999999d", "2026-02-30", "2026-02-29", "2026-13-01",
    "2026-1-1", "26-01-01", "2026/11/24", "2026-11-24T", "2026-11-24T05", "2026-11-24T5:59", "2026-11-24T24:00", "2026-11-24T05:60",
    "2026-11-24T05:59:60", "2026-11-24T05:59.5", "2026-11-24T05:59:44.", "2026-11-24T05:59:44.1234567890", "2026-11-24T05:59+0100",
    "2026-11-24T05:59+24:00", "2026-11-24T05:59+01:60", "2026-11-24Z", "2026-11-24X05:59", "2026-11-24T05:59 ", "1969-12-31", "now", "\udcff",
])  # fmt: skip
def test_what_is_no_time(value):
    with pytest.raises(LauncherError) as raised:
        moments.parse(value, "since")
    assert raised.value.option == "since" and raised.value.remedy


@given(strategies.text(max_size=40))
def test_nothing_else_comes_out(value):
    try:
        stamp = moments.parse(value, "since")
    except LauncherError:
        return
    assert len(stamp) == 30 and stamp.endswith("Z") and stamp[10] == "T"
