# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fleet's table: what people read, and what hostile text cannot do to their terminal."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.coracle.launcher.plugins.plugin_utils import table

RUNNING = {"name": "web", "state": "running", "pid": 1234, "uptime": 7500.2, "exit_code": None, "restarts": 0,
           "limits": {"memory": 4194304}, "usage": {"memory_usage": 1500000, "cpu_usage_ns": 30 * 10**9},
           "networks": [{"bridge": "br0", "addresses": ["10.88.7.2/24"]}]}
EXITED = {"name": "bash", "state": "exited", "pid": None, "uptime": None, "exit_code": 137, "restarts": 3,
          "limits": {"memory": -1}, "usage": {}, "networks": [{"bridge": "br0", "addresses": ["10.88.7.4/24", "fd00::4/64"]}]}


def test_the_whole_table() -> None:
    silent = table.Answer("gamma", None, "unreachable: no route\nto host")
    answers = [table.Answer("alpha", [RUNNING, EXITED]), table.Answer("beta", []), silent]
    lines = [line.split() for line in table.fleet(answers)]
    assert lines == [line.split() for line in (
        "HOST NAME STATE PID UPTIME RESTARTS MEMORY CPU ADDRESS",
        "alpha web running 1234 2h 0 1.4M / 4.0M (35%) 30.0s 10.88.7.2/24",
        "alpha bash exited (137) - - 3 - - 10.88.7.4/24 fd00::4/64",
        "beta - no containers",
        "gamma - not asked",
        "",
        "gamma: unreachable: no route to host",
        "",
        "3 hosts, 2 containers: 1 running, 1 exited; 1 host could not be asked",
    )]


def test_columns_are_aligned() -> None:
    lines = table.fleet([table.Answer("alpha", [RUNNING, EXITED])])[:3]
    assert len({line.index(word) for line, word in zip(lines, ("ADDRESS", "10.88.7.2", "10.88.7.4"))}) == 1


def test_nothing_at_all() -> None:
    assert table.fleet([])[1:] == ["", "0 hosts, 0 containers"]


@pytest.mark.parametrize("hostile", ["\x1b[2J", "\x9b31m", "\r", "\x07", "a\nb", "\x7f", "a\tb"])
def test_no_control_character_gets_through(hostile: str) -> None:
    container = {**RUNNING, "name": hostile, "state": hostile, "networks": [{"addresses": [hostile]}]}
    lines = table.fleet([table.Answer(hostile, [container]), table.Answer(hostile, None, hostile)])
    assert all(character.isprintable() for line in lines for character in line)


def test_an_answer_that_lacks_keys_is_shown_all_the_same() -> None:
    assert table.fleet([table.Answer("h", [{"name": "web"}])])[1].split()[:3] == ["h", "web", "?"]


def test_long_messages_are_cut() -> None:
    assert max(len(line) for line in table.fleet([table.Answer("h", None, "x" * 1000)])) < 210


@pytest.mark.parametrize(("details", "shown"), [
    ({"state": "exited", "exit_code": 0}, "exited (0)"),
    ({"state": "exited"}, "exited (?)"),
    ({"state": "running", "restart_required": True, "drift": [{"option": "user"}]}, "running (restart required)"),
    ({"state": "running", "drift": [{"option": "memory"}]}, "running (drift)"),
])
def test_state(details: dict[str, t.Any], shown: str) -> None:
    assert shown in table.fleet([table.Answer("h", [{"name": "web", **details}])])[1]
