# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller confirms a move through a connection of its own, and says so when that was too late."""

from __future__ import annotations

import types
import typing as t

import pytest
from ansible.errors import AnsibleActionFail, AnsibleConnectionFailure

from ansible_collections.coracle.launcher.plugins.action import veth_bridge

WAITING = {"path": "/run/coracle/uplink-eth0", "token": "0f0f", "seconds": 30}
DONE = {"changed": True, "changes": [{"option": "uplink"}], "uplink": {"name": "eth0", "bridge": "br0"}}


class Action(veth_bridge.ActionModule):
    """One whose host answers as the test says: `module` and `shell` are what each call returns, or raises."""

    def __init__(self, args: dict[str, t.Any], module: list[t.Any], shell: list[t.Any] = (), in_background: int = 0) -> None:
        self._task = types.SimpleNamespace(args=args, async_val=in_background)
        self._connection = types.SimpleNamespace(has_native_async=False, reset=lambda: self.calls.append("reset"),
                                                 _shell=types.SimpleNamespace(tmpdir=None))
        self.module, self.shell = list(module), list(shell)
        self.calls: list[str] = []

    def _execute_module(self, **_words: t.Any) -> dict[str, t.Any]:
        self.calls.append("module")
        return dict(self.module.pop(0))

    def _low_level_execute_command(self, command: str) -> dict[str, t.Any]:
        self.calls.append(command)
        answer = self.shell.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return {"rc": answer}

    def _remove_tmp_path(self, _path: str | None) -> None:
        pass


@pytest.fixture(autouse=True)
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = types.SimpleNamespace(now=0.0)
    monkeypatch.setattr(veth_bridge.ActionBase, "run", lambda _self, _tmp, _vars: {})
    monkeypatch.setattr(veth_bridge.time, "monotonic", lambda: clock.now)
    monkeypatch.setattr(veth_bridge.time, "sleep", lambda seconds: setattr(clock, "now", clock.now + seconds))


COMMAND = "grep -qx 0f0f /run/coracle/uplink-eth0 && rm /run/coracle/uplink-eth0"
LOST = AnsibleConnectionFailure("no route to host")


def test_without_a_move_the_module_is_all() -> None:
    action = Action({"bridge": "br0"}, [DONE])
    assert action.run() == DONE and action.calls == ["module"]


def test_a_move_is_confirmed_by_a_new_connection() -> None:
    action = Action({"uplink": "eth0"}, [{**DONE, "confirm": WAITING}], [0])
    assert action.run() == DONE
    assert action.calls == ["module", "reset", COMMAND]


def test_it_is_tried_again_until_the_host_can_be_reached() -> None:
    action = Action({}, [{**DONE, "confirm": WAITING}], [LOST, LOST, 0])
    assert action.run() == DONE
    assert action.calls == ["module", *["reset", COMMAND] * 3]


def test_who_comes_too_late_has_changed_nothing() -> None:
    result = Action({}, [{**DONE, "confirm": WAITING}], [LOST] * 40 + [1]).run()
    assert result["failed"] and not result["changed"] and "changes" not in result
    assert "within 30 s" in result["msg"] and "put everything back" in result["msg"]


def test_a_host_that_never_answers_is_unreachable() -> None:
    with pytest.raises(AnsibleConnectionFailure):
        Action({}, [{**DONE, "confirm": WAITING}], [LOST] * 100).run()


def test_after_a_confirmed_return_the_empty_bridge_goes() -> None:
    moved = {**DONE, "bridge": {"name": "br0"}, "confirm": WAITING}
    later = {"changed": True, "changes": [{"option": "bridge"}], "bridge": None, "uplink": {"name": "eth0", "bridge": None}}
    action = Action({"state": "absent"}, [moved, later], [0])
    assert action.run() == {**DONE, "bridge": None, "uplink": {"name": "eth0", "bridge": None}}
    assert action.calls[-1] == "module"


def test_a_move_in_the_background_is_refused_and_anything_else_is_not() -> None:
    with pytest.raises(AnsibleActionFail, match="without async"):
        Action({"uplink_move_addresses": "yes"}, [DONE], in_background=60).run()
    assert Action({"uplink_move_addresses": "no"}, [DONE], in_background=60).run() == DONE
