# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a restart policy says after an end, and at the start of the host."""

from __future__ import annotations

import pytest

from ansible_collections.coracle.launcher.plugins.module_utils._coracle.model import restart


def test_F12_the_delays_double_from_100_ms_to_a_minute():
    assert [restart.delay(row) for row in range(12)] == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 51.2, 60.0, 60.0]
    assert restart.delay(10**9) == 60.0


@pytest.mark.parametrize("policy, restarted_after", [
    (None, []), ("no", []), ("on-failure", [1, 125, 137, 143, None]), ("always", [0, 1, 125, 137, 143, None]),
    ("unless-stopped", [0, 1, 125, 137, 143, None])])
def test_after_which_ends_it_is_started_again(policy, restarted_after):
    spec = {} if policy is None else {"restart_policy": policy}
    assert [code for code in (0, 1, 125, 137, 143, None) if restart.refusal(spec, code, 1000) is None] == restarted_after


def test_F12_three_retries_are_four_starts():
    spec = {"restart_policy": "on-failure", "restart_retries": 3}
    assert [restart.refusal(spec, 1, row) for row in range(3)] == [None] * 3
    assert "restart_retries is 3" in restart.refusal(spec, 1, 3)
    assert restart.refusal({**spec, "restart_policy": "always"}, 1, 3) is None, "they count with on-failure only"


@pytest.mark.parametrize("policy, fresh, stopped", [
    (None, False, False), ("no", False, False), ("on-failure", True, False), ("always", True, True), ("unless-stopped", True, False)])
def test_what_the_host_starts(policy, fresh, stopped):
    spec = {} if policy is None else {"restart_policy": policy}
    assert (restart.is_started_at_boot(spec, False), restart.is_started_at_boot(spec, True)) == (fresh, stopped)
    assert restart.minds_stop(spec) == (fresh != stopped)
