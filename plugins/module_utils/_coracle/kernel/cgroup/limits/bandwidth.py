# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Period and quota of the cpu controller by themselves, in docker's spelling. `cpus` sets both at once."""

from __future__ import annotations

from ....base import text
from .cpu import v1_writes
from .row import Files, Row, integer

_QUOTA_LEAST, _QUOTA_MOST = 1000, (1 << 44) - 1  # µs: min_cfs_quota_period and MAX_BW of kernel/sched/core.c


class _Period(Row):
    """Written together with the quota that is asked, or that is there."""

    def writes(self, value, place):
        asked = place.asked.get("cpu_quota")
        if place.unified:
            have = (place.read("cpu", "cpu.max") or "max").split()[0]
            return [("cpu.max", f"{_word(have if asked is None else asked)} {value}")]
        return v1_writes(place, str(value), str(asked if asked is not None else place.read("cpu", "cpu.cfs_quota_us") or -1))

    def claims(self, value, place):
        return [("cpu.max", "period") if place.unified else ("cpu.cfs_period_us", "")]


class _Quota(Row):
    def claims(self, value, place):
        return [("cpu.max", "quota") if place.unified else ("cpu.cfs_quota_us", "")]


def _word(quota):
    return "max" if str(quota) == "-1" else str(quota)


def _normalise_quota(value):
    return text.parse_integer(value, "cpu_quota", text.UNLIMITED if value in (-1, "-1") else _QUOTA_LEAST, _QUOTA_MOST)


ROWS = (
    _Period("cpu_period",
            Files("cpu", ("cpu.cfs_period_us",), lambda value, _place: (str(value),), lambda texts, _place: int(texts[0])),
            Files("cpu", ("cpu.max",), lambda value, _place: (f"max {value}",), lambda texts, _place: int(texts[0].split()[1])),
            integer("cpu_period", 1000, 1000000)),
    # Without a second word the period stays (cpu_period_quota_parse).
    _Quota("cpu_quota",
           Files("cpu", ("cpu.cfs_quota_us",), lambda value, _place: (str(value),), lambda texts, _place: int(texts[0])),
           Files("cpu", ("cpu.max",), lambda value, _place: (_word(value),),
                 lambda texts, _place: text.UNLIMITED if texts[0].split()[0] == "max" else int(texts[0].split()[0])),
           _normalise_quota),
)
