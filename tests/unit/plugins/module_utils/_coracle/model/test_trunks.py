# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest

from ansible_collections.coracle.launcher.plugins.module_utils._coracle.base.errors import LauncherError
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.model import trunks
from ansible_collections.coracle.launcher.tests.unit.each import each


@each("value, ranges, shown", [
    ([], [], []),
    (["10"], [(10, 10)], ["10"]),
    ([10], [(10, 10)], ["10"]),
    (["20-29", "10"], [(10, 10), (20, 29)], ["10", "20-29"]),
    (["1-4094"], [(1, 4094)], ["1-4094"]),
    (["5", "7", "6"], [(5, 7)], ["5-7"]),
    (["5-9", "7-8", "9-12"], [(5, 12)], ["5-12"]),
    (["5", "5"], [(5, 5)], ["5"]),
    (["10-10"], [(10, 10)], ["10"]),
])
def test_ranges_are_sorted_and_merged(value, ranges, shown):
    assert trunks.parse_trunks(value, "trunks") == ranges
    assert trunks.render_trunks(ranges) == shown
    assert trunks.parse_trunks(shown, "trunks") == ranges


@each("value", ["", "0", "4095", "-1", "1-", "-", "20-10", "0-10", "10-4095", "1-2-3", "a", "1 2", "+1", "\u0661", "00001", True, None, 1.0, "--"])
def test_what_is_no_vlan_is_refused(value):
    with pytest.raises(LauncherError) as caught:
        trunks.parse_trunks(["10", value], "trunks")
    assert (caught.value.option, caught.value.value) == ("trunks", value)
    assert caught.value.remedy
