# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rates of data in the units of tc(8), parse and render. A lean start loads this."""

from __future__ import annotations

from .errors import LauncherError
from .text import is_digits

# tc(8), "PARAMETERS, RATES": a bare number is bits a second; bit is a bit, bps a byte; k, m, g, t count by 1000, with an i by 1024.
_PREFIXES = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12, "ki": 1 << 10, "mi": 1 << 20, "gi": 1 << 30, "ti": 1 << 40}
_UNITS = {"": 1, **{prefix + "bit": factor for prefix, factor in _PREFIXES.items()},
          **{prefix + "bps": 8 * factor for prefix, factor in _PREFIXES.items()}}
_SHOWN = (("Tbit", 10**12), ("Gbit", 10**9), ("Mbit", 10**6), ("kbit", 10**3), ("bit", 1))
MINIMUM, MAXIMUM = 8, 8 * ((1 << 63) - 1)  # the kernel counts bytes a second, in 64 bits


def parse_rate(value, option: str) -> int:
    """Return bits a second: '10Mbit', '1.5mbit', '100kbps' (bytes), '800000', 800000; 0 is no limit. LauncherError."""
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    remedy = "Give e.g. 10Mbit or 500kbit, or 0 for no limit"
    if not isinstance(text, str):
        raise LauncherError("is not a rate", option=option, value=value, remedy=remedy)
    number = text
    while number and number[-1].isalpha() and number[-1].isascii():
        number = number[:-1]
    factor = _UNITS.get(text[len(number):].lower())
    whole, point, fraction = number.partition(".")
    good = factor is not None and is_digits(whole) and len(whole) <= 20
    if not good or (point and not (is_digits(fraction) and len(fraction) <= 9)):
        raise LauncherError("is not a rate", option=option, value=value, remedy=remedy)
    rate = int(whole) * factor + (int(fraction) * factor // 10 ** len(fraction) if fraction else 0)
    is_zero = not number.strip("0.")
    if not is_zero and not MINIMUM <= rate <= MAXIMUM:
        raise LauncherError("is out of range", option=option, value=value, remedy=f"Give at least {MINIMUM}bit, or 0 for no limit")
    return rate


def render_rate(rate: int) -> str:
    """Return bits a second as tc would take them, in the largest unit that leaves no fraction: '10Mbit', '1500kbit'; '0' is no limit."""
    for unit, factor in _SHOWN:
        if rate and rate % factor == 0:
            return f"{rate // factor}{unit}"
    return "0"
