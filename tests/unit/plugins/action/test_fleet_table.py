# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the action plugin makes of the results that hosts registered."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.coracle.launcher.plugins.action.fleet_table import _answer


@pytest.mark.parametrize(("said", "containers", "problem"), [
    ({"containers": [{"name": "web"}]}, [{"name": "web"}], ""),
    ({"containers": []}, [], ""),
    ({"unreachable": True, "msg": "no route"}, None, "unreachable: no route"),
    ({"failed": True, "msg": "needs root", "containers": [{"name": "web"}]}, None, "failed: needs root"),
    ({"skipped": True}, None, "was not asked"),
    (None, None, "was not asked"),
])
def test_answer(said: t.Any, containers: t.Any, problem: str) -> None:
    answer = _answer("alpha", said)
    assert (answer.host, answer.containers, answer.problem) == ("alpha", containers, problem)
