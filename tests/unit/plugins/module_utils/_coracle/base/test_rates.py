# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from hypothesis import given, settings, strategies

from ansible_collections.coracle.launcher.plugins.module_utils._coracle.base import rates
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.base.errors import LauncherError
from ansible_collections.coracle.launcher.tests.unit.each import each


@each("value, expected", [
    (0, 0), ("0", 0), ("0bit", 0), (8, 8), ("800000", 800000), ("10Mbit", 10_000_000), ("10mbit", 10_000_000), ("1.5Gbit", 1_500_000_000),
    ("1kbps", 8000), ("1KiBit", 1024), ("2mibps", 2 * 8 << 20), ("1tbit", 10**12), ("100bps", 800), ("0.5kbit", 500), ("1kbit", 1000),
])
def test_the_words_of_tc(value, expected):
    assert rates.parse_rate(value, "egress_rate") == expected


@each("value", ["", " ", "fast", "10 Mbit", "-1", "+1", "1e6", "10M", "10MB", "10Mbits", "1.", ".5mbit", "1.5.5mbit", "7", "0.001bit", "1_0", "\u0661bit",
                "9" * 20, "9223372036854775808bps", True, None, 1.5, [], -8, "10Mbit\n"])
def test_what_is_no_rate_is_refused(value):
    with pytest.raises(LauncherError) as caught:
        rates.parse_rate(value, "egress_rate")
    assert caught.value.option == "egress_rate"
    assert caught.value.remedy


@each("rate, shown", [(0, "0"), (8, "8bit"), (1000, "1kbit"), (1_500_000, "1500kbit"), (10_000_000, "10Mbit"), (10**12, "1Tbit"),
                      (10**12 + 1, "1000000000001bit")])
def test_one_spelling(rate, shown):
    assert rates.render_rate(rate) == shown


@settings(max_examples=300, deadline=None, derandomize=True)
@given(strategies.just(0) | strategies.integers(rates.MINIMUM, rates.MAXIMUM))
def test_what_is_rendered_is_read_as_itself(rate):
    assert rates.parse_rate(rates.render_rate(rate), "egress_rate") == rate
