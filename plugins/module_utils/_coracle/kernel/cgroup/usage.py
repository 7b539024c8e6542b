# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the processes of one cgroup have used: the same words for the counters of v1 and v2. Only reads."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Read = Callable[[str, str], "str | None"]


def usage(read: Read, unified: bool) -> dict[str, int | None]:
    """Return the counters; None where this kernel has no such file. `read(controller, file)` -> its text, or None.

    memory_usage, memory_peak in bytes; cpu_usage_ns, cpu_throttled_ns; cpu_throttled_periods, pids, oom_kills are counts.
    """
    cpu = fields(read("cpu", "cpu.stat"))
    if unified:
        return {
            "memory_usage": _number(read("memory", "memory.current")),
            "memory_peak": _number(read("memory", "memory.peak")),  # Linux 5.19
            "cpu_usage_ns": _nanoseconds(cpu.get("usage_usec")),
            "cpu_throttled_periods": cpu.get("nr_throttled"),
            "cpu_throttled_ns": _nanoseconds(cpu.get("throttled_usec")),
            "pids": _number(read("pids", "pids.current")),
            "oom_kills": fields(read("memory", "memory.events")).get("oom_kill"),
        }
    return {
        "memory_usage": _number(read("memory", "memory.usage_in_bytes")),
        "memory_peak": _number(read("memory", "memory.max_usage_in_bytes")),
        "cpu_usage_ns": _number(read("cpuacct", "cpuacct.usage")),
        "cpu_throttled_periods": cpu.get("nr_throttled"),
        "cpu_throttled_ns": cpu.get("throttled_time"),
        "pids": _number(read("pids", "pids.current")),
        "oom_kills": fields(read("memory", "memory.oom_control")).get("oom_kill"),  # Linux 4.13
    }


def fields(content: str | None) -> dict[str, int]:
    """'name number' lines -> {name: number}."""
    pairs = [line.split() for line in (content or "").split("\n")]
    return {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2}


def _number(content):
    return None if content is None else int(content)


def _nanoseconds(microseconds):
    return None if microseconds is None else microseconds * 1000
