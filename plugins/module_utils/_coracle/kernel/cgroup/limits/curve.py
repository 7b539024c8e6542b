# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""runc's and crun's conversion of cpu.shares to cpu.weight: a curve through the minimum, the default and the maximum of both.

From ConvertCPUSharesToCgroupV2Value in utils.go of opencontainers/cgroups, used by runc since 1.3.2 and crun since 1.23. Before, both used
the line 1 + (shares - 2) * 9999 / 262142, which turned the default of 1024 into 39; nobody writes that any more, so it is not offered.
"""

from __future__ import annotations

import math

_LEAST, _MOST = 2, 262144


def shares_to_weight(shares: int) -> int:
    """2 -> 1, 1024 -> 100, 262144 -> 10000."""
    if shares <= _LEAST:
        return 1
    if shares >= _MOST:
        return 10000
    power = math.log2(shares)
    return math.ceil(10 ** ((power * power + 125 * power) / 612 - 7 / 34))


def weight_to_shares(weight: int) -> int:
    """The smallest shares that have at least this weight: the curve grows, so by halving."""
    low, high = _LEAST, _MOST
    while low < high:
        middle = (low + high) // 2
        if shares_to_weight(middle) >= weight:
            high = middle
        else:
            low = middle + 1
    return low
