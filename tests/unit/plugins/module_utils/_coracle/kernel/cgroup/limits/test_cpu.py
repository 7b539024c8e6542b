# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest

from ansible_collections.coracle.launcher.plugins.module_utils._coracle.kernel.cgroup.limits import curve, table

RUNC = {"cpu_weight_conversion": "runc"}


@pytest.mark.parametrize("shares, weight", [(0, 1), (2, 1), (10, 4), (51, 11), (102, 17), (256, 35), (512, 59), (1024, 100), (262144, 10000), (300000, 10000)])
def test_runcs_curve(shares, weight):
    assert curve.shares_to_weight(shares) == weight


def test_runcs_curve_and_back():
    weights = [curve.shares_to_weight(shares) for shares in range(2, 5000)]
    assert weights == sorted(weights)
    for weight in range(1, 10001):
        shares = curve.weight_to_shares(weight)
        assert curve.shares_to_weight(shares) >= weight and (shares == 2 or curve.shares_to_weight(shares - 1) < weight)


@pytest.mark.parametrize("option, value, weight", [("cpu_percent", 5, "11"), ("cpu_shares", 1024, "100"), ("cpu_shares", 1023, "100")])
def test_runcs_curve_by_option_compares_weights(paper, option, value, weight):
    row, place = table.row(option), paper(True, RUNC, cpu__weight=weight)
    assert row.writes(value, place) == [("cpu.weight", weight)]
    assert row.read(place, value) == row.kept(value, place) == value
    place.content["cpu.weight"] = "101"
    assert row.read(place, value) != value
    assert row.writes(value, paper(False, RUNC)) == row.writes(value, paper(False))


def test_shares_that_no_percentage_means_are_shown_as_a_fraction(paper):
    shown = [table.row("cpu_percent").read(paper(False, cpu__shares=shares)) for shares in ("50", "51", "52")]
    assert shown == [4.88, 5, 5.08]


@pytest.mark.parametrize("period, quota, cpus", [("50000", "25000", "0.5"), ("100000", "50001", "0.50001"), ("100000", "-1", "-1")])
def test_a_cap_in_another_period_is_compared_by_its_ratio(paper, period, quota, cpus):
    assert table.row("cpus").read(paper(False, cpu__cfs_period_us=period, cpu__cfs_quota_us=quota)) == cpus
    assert table.row("cpus").read(paper(True, cpu__max=f"{quota.replace('-1', 'max')} {period}")) == cpus


def test_v1_another_period_lifts_the_quota_first(paper):
    place = paper(False, cpu__cfs_period_us="50000", cpu__cfs_quota_us="40000")
    assert table.row("cpus").writes("0.5", place) == [("cpu.cfs_quota_us", "-1"), ("cpu.cfs_period_us", "100000"), ("cpu.cfs_quota_us", "50000")]
    assert table.row("cpu_period").writes(20000, place) == [("cpu.cfs_quota_us", "-1"), ("cpu.cfs_period_us", "20000"), ("cpu.cfs_quota_us", "40000")]
    assert table.row("cpus").writes("0.5", paper(False, cpu__cfs_period_us="100000"))[0] == ("cpu.cfs_period_us", "100000")


def test_period_and_quota_are_written_together(paper):
    asked = {"cpu_period": 20000, "cpu_quota": 5000}
    assert table.row("cpu_period").writes(20000, paper(True, asked, cpu__max="max 100000")) == [("cpu.max", "5000 20000")]
    assert table.row("cpu_period").writes(20000, paper(True, {}, cpu__max="7000 100000")) == [("cpu.max", "7000 20000")]
    assert table.row("cpu_period").writes(20000, paper(False, asked, cpu__cfs_period_us="1", cpu__cfs_quota_us="-1"))[-1] == ("cpu.cfs_quota_us", "5000")
