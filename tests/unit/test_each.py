# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest

from ansible_collections.coracle.launcher.tests.unit.each import each


def test_every_value_meets_every_other():
    seen = []

    @each("text, number", [("a", 1), ("b", 2)])
    @each("flag", [True, False])
    def some(text, number, flag):
        seen.append((text, number, flag))

    some()
    assert sorted(seen) == [("a", 1, False), ("a", 1, True), ("b", 2, False), ("b", 2, True)]


@pytest.mark.parametrize("fail", [lambda: pytest.fail("no"), lambda: int("no")], ids=["fail", "error"])
def test_a_failure_says_with_which_value(fail):
    @each("number", range(3))
    def some(number):
        if number == 2:
            fail()

    with pytest.raises(AssertionError, match="with 2 for number"):
        some()


def test_no_values_are_a_failure():
    with pytest.raises(AssertionError, match="no values"):
        each("number", [])(lambda number: None)()
