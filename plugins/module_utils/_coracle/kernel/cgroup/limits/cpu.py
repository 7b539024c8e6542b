# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The limits of the cpu controller that every container may have: a weight and a cap. Period and quota alone are in bandwidth.py."""

from __future__ import annotations

from .row import Files, Row

PERIOD = 100000  # µs, the kernel's default period of the bandwidth controller
CONVERSION = "cpu_weight_conversion"  # in Place.asked: 'runc' for its curve


def percent_to_shares(percent: int) -> int:
    """cpu.shares of the article's cpupercent: a part of the 1024 that every cgroup has by default (5 -> 51)."""
    return 1024 * percent // 100


def shares_to_weight(shares: int) -> int:
    """cpu.shares (default 1024) -> cpu.weight (default 100), in proportion, as systemd does: 5 % of a default sibling stays 5 %."""
    return min(10000, max(1, round(shares * 100 / 1024)))


class _Weight(Row):
    """A weight. runc's curve gives many shares the same weight, so with it the asked number stands for its weight."""

    def kept(self, value, place):
        return value if _curved(place) else super().kept(value, place)

    def read(self, place, asked=None):
        have = super().read(place)
        if have is None or asked is None or not _curved(place):
            return have
        return asked if [("cpu.weight", place.read("cpu", "cpu.weight"))] == self.writes(asked, place) else have


def _curved(place):
    return place.unified and place.asked.get(CONVERSION) == "runc"


def _to_weight(shares, place):
    if _curved(place):
        from . import curve

        return curve.shares_to_weight(shares)
    return shares_to_weight(shares)


def _to_shares(weight, place):
    """The shares that are shown for a weight: each weight has its own, so comparing them compares weights."""
    if _curved(place):
        from . import curve

        return curve.weight_to_shares(weight)
    return weight * 1024 // 100


def _shares_to_percent(shares):
    """The percentage that means these shares, with a fraction when no whole one does."""
    whole = -(-shares * 100 // 1024)
    return whole if percent_to_shares(whole) == shares else round(shares * 100 / 1024, 2)


def milli(cpus: str) -> int:
    """'0.5' -> 500 thousandths of a processor; '-1' stays -1, no cap."""
    whole, _point, fraction = str(cpus).partition(".")
    return int(cpus) if whole.startswith("-") else int(whole) * 1000 + int((fraction or "0").ljust(3, "0")[:3])


def _quota(cpus):
    thousandths = milli(cpus)
    return "-1" if thousandths < 0 else str(thousandths * PERIOD // 1000)


def _parse_quota(period, quota):
    """Processors as text, '-1' without a cap; five decimals keep what another period gave apart from what we asked."""
    if quota in ("-1", "max"):
        return "-1"
    return f"{int(quota) / int(period):.5f}".rstrip("0").rstrip(".") or "0"


def _render_max(cpus, _place):
    quota = _quota(cpus)
    return (f"{'max' if quota == '-1' else quota} {PERIOD}",)


def _parse_max(texts, _place):
    quota, period = texts[0].split()
    return _parse_quota(period, quota)


class _Cpus(Row):
    def writes(self, value, place):
        return super().writes(value, place) if place.unified else v1_writes(place, str(PERIOD), _quota(value))


def v1_writes(place, period: str, quota: str) -> list[tuple[str, str]]:
    """Both files of v1 in an order that the kernel takes: it compares quota / period with the cgroups above and below at each write
    (__cfs_schedulable in kernel/sched/core.c), and a new period with the old quota may not fit. No quota always does."""
    lift = [("cpu.cfs_quota_us", "-1")] if place.read("cpu", "cpu.cfs_period_us") not in (None, period) else []
    return [*lift, ("cpu.cfs_period_us", period), ("cpu.cfs_quota_us", quota)]


ROWS = (
    _Weight("cpu_shares",
            Files("cpu", ("cpu.shares",), lambda value, _place: (str(value),), lambda texts, _place: int(texts[0])),
            Files("cpu", ("cpu.weight",), lambda value, place: (str(_to_weight(value, place)),),
                  lambda texts, place: _to_shares(int(texts[0]), place))),
    _Weight("cpu_percent",
            Files("cpu", ("cpu.shares",), lambda value, _place: (str(percent_to_shares(value)),),
                  lambda texts, _place: _shares_to_percent(int(texts[0]))),
            Files("cpu", ("cpu.weight",), lambda value, place: (str(_to_weight(percent_to_shares(value), place)),),
                  lambda texts, place: _shares_to_percent(_to_shares(int(texts[0]), place)) if _curved(place) else int(texts[0]))),
    _Cpus("cpus",
          Files("cpu", ("cpu.cfs_period_us", "cpu.cfs_quota_us"), lambda value, _place: (str(PERIOD), _quota(value)),
                lambda texts, _place: _parse_quota(*texts)),
          Files("cpu", ("cpu.max",), _render_max, _parse_max)),
)
