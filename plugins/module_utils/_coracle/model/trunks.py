# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sets of VLANs: ['10', '20-29'] for people, [(10, 10), (20, 29)] to compare. Pure; a lean start loads this."""

from __future__ import annotations

from ..base import text
from ..base.errors import LauncherError

MAX_VLAN = 4094  # IEEE 802.1Q: 12 bits, of which 0 and 4095 mean something else


def parse_trunks(value: list, option: str) -> list[tuple[int, int]]:
    """Return the ranges that the words of `value` name, sorted, disjoint and not adjacent. LauncherError."""
    ranges = sorted(_range(word, option) for word in value)
    merged: list[tuple[int, int]] = []
    for first, last in ranges:
        if merged and first <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(last, merged[-1][1]))
        else:
            merged.append((first, last))
    return merged


def _range(word, option: str) -> tuple[int, int]:
    remedy = f"Give a number from 1 to {MAX_VLAN} or a range as 20-29"
    shown = str(word) if isinstance(word, int) and not isinstance(word, bool) else word
    first, dash, last = shown.partition("-") if isinstance(shown, str) else ("", "", "")
    last = last if dash else first
    if not text.is_digits(first) or not text.is_digits(last) or len(first) > 4 or len(last) > 4:
        raise LauncherError("is no VLAN", option=option, value=word, remedy=remedy)
    if not 1 <= int(first) <= int(last) <= MAX_VLAN:
        raise LauncherError("is no range of VLANs" if dash else "is no VLAN", option=option, value=word, remedy=remedy)
    return int(first), int(last)


def render_trunks(ranges: list[tuple[int, int]]) -> list[str]:
    """Return ranges of VLANs as words."""
    return [str(first) if first == last else f"{first}-{last}" for first, last in ranges]
