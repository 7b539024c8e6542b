# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of counters: one row each with the files of v1 and v2. Then what is no single number: devices, pressure, huge pages.

From the kernel's admin-guide/cgroup-v2.rst, accounting/psi.rst, admin-guide/cgroup-v1/{memory,cpuacct,blkio-controller,hugetlb}.rst.
"""

from __future__ import annotations

import os

from .limits import hugetlb
from .usage import fields

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .usage import Read

_TICK = 1000000000 // os.sysconf("SC_CLK_TCK")  # ns in what cpuacct.stat counts in


class Place:
    """Where one version keeps a number: a `file` of `controller`, in it the line that begins with `name` ('' for the whole file)."""

    __slots__ = ("controller", "file", "name", "factor")

    def __init__(self, controller, file, name="", factor=1):
        self.controller = controller
        self.file = file
        self.name = name
        self.factor = factor


def _memory_stat(name):
    return Place("memory", "memory.stat", name)


def _cpu_stat(name, factor=1):
    return Place("cpu", "cpu.stat", name, factor)


_PIDS = Place("pids", "pids.current")
_PIDS_PEAK = Place("pids", "pids.peak")
_PIDS_EVENTS = Place("pids", "pids.events", "max")

# (key, v1, v2), None where a version has no such counter. v1's total_* and cpuacct include the cgroups below, as v2 does. Throttling counts
# for this very cgroup on both, hits and kills on v1.
ROWS = (
    ("memory_usage", Place("memory", "memory.usage_in_bytes"), Place("memory", "memory.current")),
    ("memory_peak", Place("memory", "memory.max_usage_in_bytes"), Place("memory", "memory.peak")),  # v2: Linux 5.19
    ("memory_swap_usage", _memory_stat("total_swap"), Place("memory", "memory.swap.current")),
    ("memory_anon", _memory_stat("total_rss"), _memory_stat("anon")),
    ("memory_file", _memory_stat("total_cache"), _memory_stat("file")),
    ("memory_inactive_file", _memory_stat("total_inactive_file"), _memory_stat("inactive_file")),
    ("memory_shmem", _memory_stat("total_shmem"), _memory_stat("shmem")),
    ("memory_kernel", Place("memory", "memory.kmem.usage_in_bytes"), _memory_stat("kernel")),  # v2: Linux 5.18
    ("page_faults", _memory_stat("total_pgfault"), _memory_stat("pgfault")),
    ("major_page_faults", _memory_stat("total_pgmajfault"), _memory_stat("pgmajfault")),
    ("memory_high_hits", None, Place("memory", "memory.events", "high")),
    ("memory_max_hits", Place("memory", "memory.failcnt"), Place("memory", "memory.events", "max")),
    ("oom_kills", Place("memory", "memory.oom_control", "oom_kill"), Place("memory", "memory.events", "oom_kill")),  # v1: Linux 4.13
    ("cpu_usage_ns", Place("cpuacct", "cpuacct.usage"), _cpu_stat("usage_usec", 1000)),
    # Not cpuacct.usage_user: only cpuacct.stat is scaled to what was really used, as v2's are (cputime_adjust).
    ("cpu_user_ns", Place("cpuacct", "cpuacct.stat", "user", _TICK), _cpu_stat("user_usec", 1000)),
    ("cpu_system_ns", Place("cpuacct", "cpuacct.stat", "system", _TICK), _cpu_stat("system_usec", 1000)),
    ("cpu_periods", _cpu_stat("nr_periods"), _cpu_stat("nr_periods")),
    ("cpu_throttled_periods", _cpu_stat("nr_throttled"), _cpu_stat("nr_throttled")),
    ("cpu_throttled_ns", _cpu_stat("throttled_time"), _cpu_stat("throttled_usec", 1000)),
    ("pids", _PIDS, _PIDS),
    ("pids_peak", _PIDS_PEAK, _PIDS_PEAK),
    ("pids_max_hits", _PIDS_EVENTS, _PIDS_EVENTS),
)

_IO = ("read_bytes", "write_bytes", "read_operations", "write_operations")
# Older kernels have no *_recursive, which includes the cgroups below.
_IO_V1 = ("blkio.throttle.{}_recursive", "blkio.throttle.{}", "blkio.bfq.{}_recursive")
_RESOURCES = ("cpu", "memory", "io")
_AVERAGES = ("avg10", "avg60", "avg300")


def counters(read: Read, unified: bool) -> dict:
    """Return {key of ROWS: number or None}, sums io_*, `io_devices`, `hugepages_usage`, `pressure`; sizes in bytes, times in ns."""
    numbers = _Numbers(read)
    found = {key: numbers.at(v2 if unified else v1) for key, v1, v2 in ROWS}
    devices = (_io_v2 if unified else _io_v1)(read)
    found.update((f"io_{name}", _sum(devices, name)) for name in _IO)
    found["io_devices"] = None if devices is None else [{"device": device, **devices[device]} for device in sorted(devices, key=_by_number)]
    found["hugepages_usage"] = {size: numbers.at(Place("hugetlb", f"hugetlb.{size}B.{'current' if unified else 'usage_in_bytes'}"))
                                for size in map(hugetlb.shorten, hugetlb.page_sizes())}
    found["pressure"] = {resource: _pressure(read, resource, unified) for resource in _RESOURCES}
    return found


class _Numbers:
    """Reads each file once, however many lines of it are asked for."""

    __slots__ = ("_read", "_lines")

    def __init__(self, read):
        self._read = read
        self._lines: dict = {}

    def at(self, place: Place | None) -> int | None:
        """The number there, in the unit of the result."""
        if place is None:
            return None
        if not place.name:
            content = self._read(place.controller, place.file)
            return None if content is None else int(content) * place.factor
        if (place.controller, place.file) not in self._lines:
            self._lines[place.controller, place.file] = fields(self._read(place.controller, place.file))
        value = self._lines[place.controller, place.file].get(place.name)
        return None if value is None else value * place.factor


# --- devices: {'MAJOR:MINOR': {name of _IO: number}}, None where nobody counts


def _io_v2(read):
    """'254:0 rbytes=1459200 wbytes=314773504 rios=192 wios=353 dbytes=0 dios=0' for each device."""
    content = read("io", "io.stat")
    if content is None:
        return None
    devices = {}
    for line in content.split("\n"):
        device, *pairs = line.split() or [""]
        values = dict(pair.split("=", 1) for pair in pairs if "=" in pair)
        if device and values:
            devices[device] = {name: int(values.get(key, 0)) for name, key in zip(_IO, ("rbytes", "wbytes", "rios", "wios"))}
    return devices


def _io_v1(read):
    """'254:0 Read 1459200' and '254:0 Write 314773504' for each device, among other lines; bytes and operations are two files.

    Most kernels only count what is throttled, or goes to a device with the scheduler bfq, and show zeros or no line otherwise. So a zero
    is None, and a device that has nothing but zeros is left out.
    """
    for pattern in _IO_V1:
        devices: dict = {}
        for unit, name in (("bytes", "io_service_bytes"), ("operations", "io_serviced")):
            for line in (read("blkio", pattern.format(name)) or "").split("\n"):
                words = line.split()
                if len(words) == 3 and words[1] in ("Read", "Write"):
                    devices.setdefault(words[0], dict.fromkeys(_IO))[f"{words[1].lower()}_{unit}"] = int(words[2]) or None
        counted = {device: numbers for device, numbers in devices.items() if any(numbers.values())}
        if counted:
            return counted
    return None


def _sum(devices, name):
    known = [device[name] for device in (devices or {}).values() if device[name] is not None]
    return sum(known) if known or devices == {} else None


def _by_number(device):
    major, _colon, minor = device.partition(":")
    return (int(major), int(minor)) if major.isdecimal() and minor.isdecimal() else (0, 0)


# --- pressure


def _pressure(read, resource, unified):
    """{'some': {'avg10': percent, ..., 'total_ns': ns}, 'full': the same}: the share of time in which some, or all, processes waited."""
    content = (read(resource, f"{resource}.pressure") if unified else None) or ""
    lines = {line.split()[0]: dict(word.split("=") for word in line.split()[1:]) for line in content.split("\n") if line}
    return {kind: _stalled(lines.get(kind, {})) for kind in ("some", "full")}


def _stalled(values):
    averages = {name: float(values[name]) if name in values else None for name in _AVERAGES}
    return {**averages, "total_ns": int(values["total"]) * 1000 if "total" in values else None}
