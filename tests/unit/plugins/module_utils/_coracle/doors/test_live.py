# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`coracle stats` from two looks at the counters."""

from __future__ import annotations

import json

import pytest

from ansible_collections.coracle.launcher.plugins.module_utils._coracle.doors import live
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.doors.arguments import Usage
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.work import statistics
from ansible_collections.coracle.launcher.tests.unit.each import each

EMPTY = dict.fromkeys(key for _name, _kind, _help, key in statistics.METRICS)


def use(name="web1", at=0.0, life=(100, 1), **values):
    found = statistics.Use(name, life, {**EMPTY, "running": 1, "restarts": 0, **values})
    found.at = at
    return found


@pytest.fixture
def looks(monkeypatch):
    """Two looks, one second apart: web1 runs, job1 does not."""
    both = [
        [use("job1", 0.0, None, running=0), use(cpu_seconds=1.0, cpu_periods=10, cpu_throttled_periods=2, memory_usage=1 << 20, memory_limit=4 << 20)],
        [use("job1", 1.0, None, running=0), use(at=1.0, cpu_seconds=1.5, cpu_periods=20, cpu_throttled_periods=7, memory_usage=3 << 20, memory_limit=4 << 20,
                                                memory_peak=4 << 20, pids=3, oom_kills=1, network_received_bytes=2048, network_sent_bytes=1024)],
    ]
    monkeypatch.setattr(statistics, "look", lambda names: both.pop(0))
    monkeypatch.setattr(live.time, "sleep", lambda seconds: None)


def test_stats_of_a_pipe_are_one_table_of_what_runs(looks, capfd):
    assert live.stats({}, []) == 0
    lines = capfd.readouterr().out.splitlines()
    assert len(lines) == 2 and lines[0].split()[:3] == ["NAME", "CPU", "MEMORY"]
    assert lines[1].split() == "web1 50.0% 3.0M / 4.0M (75%) [#######...] 4.0M 2.0K / 1.0K - / - 3 50.0% 1".split()


def test_stats_as_json_have_all_containers_and_both_rates(looks, capfd):
    assert live.stats({"json": True}, []) == 0
    job, web = json.loads(capfd.readouterr().out)
    assert (job["name"], job["running"], job["cpu_percent"], job["memory_usage"]) == ("job1", False, None, None)
    assert (web["running"], web["cpu_percent"], web["throttled_percent"], web["oom_kills"]) == (True, 50.0, 50.0, 1)
    assert set(web) == {"name", "cpu_percent", "throttled_percent", *EMPTY}


def test_prometheus_leaves_out_what_is_not_counted(looks, capfd):
    assert live.stats({"format": "prometheus"}, []) == 0
    lines = capfd.readouterr().out.splitlines()
    assert 'coracle_container_running{name="job1"} 0' in lines and 'coracle_container_cpu_seconds_total{name="web1"} 1.0' in lines
    assert not [line for line in lines if "io_read" in line or "None" in line]
    families = [line.split()[2] for line in lines if line.startswith("# TYPE")]
    assert len(families) == len(set(families)) and all(name.endswith("_total") == (kind == "counter") for name, kind in
                                                       (line.split()[2:4] for line in lines if line.startswith("# TYPE")))


@each("interval", [0.0, 0.01, 3601.0])
def test_an_interval_that_makes_no_sense_is_refused(interval):
    with pytest.raises(Usage):
        live.stats({"interval": interval}, [])


@each(
    "before, after, percent",
    [
        (use(cpu_seconds=1.0), use(at=2.0, cpu_seconds=2.0), 50.0),
        (None, use(at=2.0, cpu_seconds=2.0), None),
        (use(cpu_seconds=9.0, life=(99, 1)), use(at=2.0, cpu_seconds=0.5), None),  # started again in between
        (use(cpu_seconds=None), use(at=2.0, cpu_seconds=None), None),
        (use(cpu_seconds=1.0), use(at=0.0, cpu_seconds=2.0), None),
    ],
)
def test_a_rate_needs_two_looks_at_one_life(before, after, percent):
    assert statistics.cpu_percent(before, after) == percent


def test_without_a_quota_nothing_is_throttled():
    assert statistics.throttled_percent(use(cpu_periods=0), use(at=1.0, cpu_periods=0)) is None
    assert statistics.throttled_percent(use(cpu_periods=0, cpu_throttled_periods=0), use(at=1.0, cpu_periods=4, cpu_throttled_periods=1)) == 25.0
