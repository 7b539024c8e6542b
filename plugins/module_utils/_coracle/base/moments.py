# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Points in time, as people write them: 42m, 1h30m (so long ago), or RFC 3339 with any offset. As text that compares with stamps of logs."""

from __future__ import annotations

import time
from datetime import datetime, timezone

from .errors import LauncherError
from .text import is_digits

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_REMEDY = "Use e.g. 42m, 1h30m, 2026-11-24, or 2026-11-24T05:59:44Z"
_LONGEST = 100 * 366 * 86400  # seconds


def parse(value: str, option: str) -> str:
    """Return `value` as 2026-11-24T05:59:44.590000000Z, in UTC. Without an offset it is UTC too, without a time of day midnight.

    LauncherError for anything else, and for what no calendar has.
    """
    moment = _ago(value)
    if moment is None:
        moment = _at(value)
    if moment is None:
        raise LauncherError("is no time", option=option, value=value, remedy=_REMEDY)
    seconds, nanoseconds = moment
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}.{nanoseconds:09d}Z"


def _ago(value):
    """'1h30m' -> (seconds since the epoch, nanoseconds); None when it is no duration."""
    total, number = 0, ""
    for character in value:
        if character in _UNITS and is_digits(number) and len(number) <= 9:
            total += int(number) * _UNITS[character]
            number = ""
        else:
            number += character
    if number or not value or total > _LONGEST:
        return None
    now = time.time_ns() - total * 1_000_000_000
    return now // 1_000_000_000, now % 1_000_000_000


def _at(value):
    """RFC 3339, its T a space or its time of day left out -> (seconds since the epoch, nanoseconds); None for anything else."""
    date, rest = value[:10], value[10:]
    if len(date) != 10 or date[4] != "-" or date[7] != "-" or (rest and rest[0] not in "Tt "):
        return None
    clock, offset = _split_offset(rest[1:])
    clock, point, fraction = clock.partition(".")
    hours = clock.split(":") if clock else ["00", "00"]
    words = [date[:4], date[5:7], date[8:], *hours]
    good = len(words) in (5, 6) and all(map(is_digits, words)) and all(len(word) == 2 for word in words[1:])
    if not good or offset is None or (rest and not clock) or (point and not (is_digits(fraction) and len(fraction) <= 9 and len(words) == 6)):
        return None
    year, month, day, hour, minute, second = [*map(int, words), 0][:6]
    try:
        moment = datetime(year, month, day, hour, minute, second, tzinfo=timezone.utc)
    except ValueError:
        return None
    if not 1970 <= moment.year <= 9000:
        return None
    return int(moment.timestamp()) - offset, int(fraction.ljust(9, "0")) if fraction else 0


def _split_offset(clock):
    """'05:59+01:00' -> ('05:59', 3600); Z and nothing are UTC. (text, None) for an offset that is none."""
    if clock[-1:] in ("Z", "z"):
        return clock[:-1], 0
    sign = clock[-6:-5]
    if sign not in ("+", "-") or not sign:
        return clock, 0
    hours, minutes = clock[-5:-3], clock[-2:]
    if clock[-3] != ":" or not is_digits(hours) or not is_digits(minutes) or int(hours) > 23 or int(minutes) > 59:
        return clock, None
    return clock[:-6], (int(hours) * 3600 + int(minutes) * 60) * (-1 if sign == "-" else 1)
