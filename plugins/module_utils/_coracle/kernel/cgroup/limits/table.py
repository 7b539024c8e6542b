# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of limits: option -> its row. Rows that containers do not have are loaded when they are asked for."""

from __future__ import annotations

from ....base.errors import LauncherError
from . import cpu, memory, pids

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .row import Place, Row

CONF = "cgroup_conf"
CONVERSION = cpu.CONVERSION
_LOADED = {row.option: row for rows in (memory.ROWS, cpu.ROWS, pids.ROWS) for row in rows}

# In the order of writing: a v1 cpuset must have both before a process may enter, period and quota of the processor belong together.
OPTIONS = ("cpuset_cpus", "cpuset_mems", "memory", "memory_swap", "memory_reservation", "memory_swappiness", "oom_group", "cpu_shares",
           "cpu_percent", "cpus", "cpu_period", "cpu_quota", "pids_limit", "blkio_weight", "device_read_bps", "device_write_bps",
           "device_read_iops", "device_write_iops", "hugepages", "devices")
# What is told of every cgroup; the others when they are asked for.
COMMON = ("cpuset_cpus", "cpuset_mems", *_LOADED)


def row(option: str) -> Row:
    """The row of an option of OPTIONS."""
    if option not in _LOADED:
        _LOADED.update({loaded.option: loaded for loaded in _load(option)})
    return _LOADED[option]


def _load(option):
    # Import statements, one for each file: that is how Ansible finds what to send.
    if option.startswith("cpuset_"):
        from . import cpuset

        return cpuset.ROWS
    if option.startswith(("memory_", "oom_")):
        from . import memory_more

        return memory_more.ROWS
    if option.startswith("cpu_"):
        from . import bandwidth

        return bandwidth.ROWS
    if option.startswith(("blkio_", "device_")):
        from . import blkio

        return blkio.ROWS
    if option == "hugepages":
        from . import hugetlb

        return hugetlb.ROWS
    from . import access

    return access.ROWS


def rows(limits: dict) -> list[tuple[Row, object]]:
    """Return (row, value) for each limit that is asked (not None), in the order of OPTIONS, raw keys last. LauncherError: a bad raw key."""
    found = [(row(option), limits[option]) for option in OPTIONS if limits.get(option) is not None]
    raw = [(raw_row(key), value) for key, value in (limits.get(CONF) or {}).items()]
    return found + [(each, each.normalise(value)) for each, value in raw]


def raw_row(key: str) -> Row:
    """The row of one key of cgroup_conf. LauncherError when it is no file of a controller."""
    from . import raw

    return raw.RawKey(key)


def check(limits: dict, place: Place) -> None:
    """LauncherError for limits that cannot be set on this host: bad value, controller not mounted, two of them for one file."""
    owners: dict[str, dict[str, str]] = {}
    for each, value in rows(limits):
        each.check(value, place)
        for name, part in each.claims(value, place):
            _claim(owners.setdefault(name, {}), name, part, each, value)


def _claim(parts, name, part, each, value):
    other = next((option for taken, option in parts.items() if taken == part or "" in (taken, part)), None)
    if other is not None:
        raise LauncherError(f"sets the same file as {other}, {name}", option=each.option, value=each.shown(value),
                            remedy="Give one of them")
    parts[part] = each.option
