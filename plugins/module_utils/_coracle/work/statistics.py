# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What running containers use, from cgroup files and /proc alone, and how fast: two looks and the time between them."""

from __future__ import annotations

import time

from ..base import files
from ..base.errors import LauncherError
from . import inspect, records

# (name, type, help) in Prometheus' text format, key of Use. Units as it wants them: seconds and bytes.
METRICS = (
    ("running", "gauge", "Whether the container runs", "running"),
    ("restarts_total", "counter", "Starts by its restart policy", "restarts"),
    ("cpu_seconds_total", "counter", "Processor time", "cpu_seconds"),
    ("cpu_periods_total", "counter", "Periods in which it had a quota and ran", "cpu_periods"),
    ("cpu_throttled_periods_total", "counter", "Periods in which it used up its quota", "cpu_throttled_periods"),
    ("memory_usage_bytes", "gauge", "Memory, page cache included", "memory_usage"),
    ("memory_peak_bytes", "gauge", "The most memory so far", "memory_peak"),
    ("memory_limit_bytes", "gauge", "Limit of memory", "memory_limit"),
    ("oom_kills_total", "counter", "Processes killed for want of memory", "oom_kills"),
    ("pids", "gauge", "Processes and threads", "pids"),
    ("network_receive_bytes_total", "counter", "Bytes received, without the loopback", "network_received_bytes"),
    ("network_transmit_bytes_total", "counter", "Bytes sent, without the loopback", "network_sent_bytes"),
    ("io_read_bytes_total", "counter", "Bytes read from block devices", "io_read_bytes"),
    ("io_write_bytes_total", "counter", "Bytes written to block devices", "io_write_bytes"),
)
_FROM_CGROUP = ("memory_usage", "memory_peak", "oom_kills", "pids", "cpu_periods", "cpu_throttled_periods", "io_read_bytes", "io_write_bytes")


class Use:
    """One look at one container. `values`: {last column of METRICS: number}, None for what this kernel does not count, and for no limit;
    `at`: seconds of CLOCK_MONOTONIC; `life`: which run of the container it was."""

    __slots__ = ("name", "at", "life", "values")

    def __init__(self, name, life, values):
        self.name, self.at, self.life, self.values = name, time.monotonic(), life, values


def look(patterns: list[str]) -> list[Use]:
    """Containers whose names match one of `patterns` (all: []), sorted by name; of those that do not run only that they do not."""
    from fnmatch import fnmatchcase

    host = inspect.Host()
    return [_look_at(name, host) for name in records.names() if not patterns or any(fnmatchcase(name, pattern) for pattern in patterns)]


def _look_at(name, host):
    state = records.read_state(name)
    life = (state.pid, state.starttime) if state is not None else None
    values = {**dict.fromkeys(key for _name, _kind, _help, key in METRICS), "running": 0, "restarts": state.restarts if state else 0}
    if not records.is_running(state):
        return Use(name, life, values)
    try:
        usage = host.cgroup(name).usage()
        received, sent = _traffic(state.pid)
    except (LauncherError, OSError):  # it has just ended
        return Use(name, life, values)
    values.update((key, usage.get(key)) for key in _FROM_CGROUP)
    nanoseconds, limit = usage.get("cpu_usage_ns"), usage.get("memory_limit")
    values.update(running=1, network_received_bytes=received, network_sent_bytes=sent,
                  cpu_seconds=None if nanoseconds is None else nanoseconds / 1e9, memory_limit=limit if limit is not None and limit > 0 else None)
    return Use(name, life, values)


def _traffic(pid):
    """Bytes (received, sent) by the interfaces of a process' network namespace: /proc/net/dev, proc(5), fields 1 and 9."""
    received = sent = 0
    for line in files.read_text(f"/proc/{pid}/net/dev").split("\n")[2:]:
        interface, _colon, numbers = line.partition(":")
        words = numbers.split()
        if interface.strip() != "lo" and len(words) >= 9:
            received, sent = received + int(words[0]), sent + int(words[8])
    return received, sent


def cpu_percent(before: Use | None, after: Use) -> float | None:
    """Processor time between two looks in percent of one processor; None when it was not the same run both times."""
    return None if before is None else _rate(before, after, "cpu_seconds", 100.0)


def _rate(before, after, key, factor):
    earlier, later = before.values[key], after.values[key]
    if earlier is None or later is None or before.life != after.life or after.at <= before.at:
        return None
    return max(0.0, (later - earlier) * factor / (after.at - before.at))


def throttled_percent(before: Use | None, after: Use) -> float | None:
    """Share of the periods between two looks in which it had used up its quota; None without a quota, or when it did not run."""
    if before is None or before.life != after.life or None in (before.values["cpu_periods"], after.values["cpu_periods"]):
        return None
    periods = after.values["cpu_periods"] - before.values["cpu_periods"]
    throttled = (after.values["cpu_throttled_periods"] or 0) - (before.values["cpu_throttled_periods"] or 0)
    return throttled * 100.0 / periods if periods > 0 else None
