# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest

from ansible_collections.coracle.launcher.plugins.module_utils._coracle.doors import tables


@pytest.mark.parametrize("seconds, shown", [(None, "-"), (0.4, "0s"), (59.9, "59s"), (60, "1m"), (7200, "2h"), (86400 * 3, "3d")])
def test_durations_are_for_people(seconds, shown):
    assert tables.duration(seconds) == shown


@pytest.mark.parametrize("used, limit, shown", [(None, None, "-"), (1468007, 4194304, "1.4M / 4.0M (35%)"), (1024, None, "1.0K"), (1024, -1, "1.0K")])
def test_memory_is_shown_as_a_share_of_its_limit(used, limit, shown):
    assert tables.memory(used, limit) == shown


@pytest.mark.parametrize(
    "container, shown",
    [({"state": "running"}, "running"), ({"state": "running", "health": "healthy"}, "running (healthy)"), ({"state": "created"}, "created"),
     ({"state": "exited", "exit_code": 137}, "exited (137)"), ({"state": "exited", "exit_code": 137, "oom": True}, "exited (137, oom)"),
     ({"state": "exited"}, "exited (?)"), ({"state": "restarting", "exit_code": 1}, "restarting (1)")],
)
def test_a_state_says_how_it_is_and_how_it_ended(container, shown):
    assert tables.state({"exit_code": None, **container}) == shown


def test_a_process_is_one_row_that_cannot_drive_the_terminal():
    process = {"pid": 4711, "inside": 1, "uid": 99, "state": "S", "seconds": 1.25, "rss": 1 << 20, "command": "\x1b[2Jsh"}
    assert tables.process_row(process)[:6] == ["4711", "1", "99", "S", "1.2s", "1.0M"]
    assert "\x1b" not in tables.render(tables.PROCESS_COLUMNS, [tables.process_row(process)], colour=False)


def test_columns_line_up_and_colour_only_adds():
    rows = [["a", "running"], ["long-name", "exited (1)"]]
    plain = tables.render(("NAME", "STATE"), rows, colour=False)
    assert plain == "NAME        STATE\na           running\nlong-name   exited (1)\n"
    coloured = tables.render(("NAME", "STATE"), rows, colour=True)
    for code in ("\x1b[32m", "\x1b[31m", "\x1b[0m"):
        coloured = coloured.replace(code, "")
    assert coloured == plain


def test_A58_a_cell_cannot_drive_the_terminal():
    assert "\x1b" not in tables.render((), [["\x1b[2J", "x"]], colour=False)


def test_no_rows_no_headers_is_nothing():
    assert tables.render((), [], colour=False) == ""
