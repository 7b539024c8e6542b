# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""container_exec between Ansible and the core: check mode, failures, and when the launcher is brought."""

from __future__ import annotations

import pytest

from ansible_collections.coracle.launcher.plugins.module_utils._ansible import execution
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.base.errors import LauncherError
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.model.change import CREATE, Change
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.work import execute
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.work.execution import Answer, Request

OPTIONS = {"strip_empty_ends": True, "max_output": "10"}
LAUNCHER = Change("launcher", None, "d", CREATE)


@pytest.fixture
def command():
    return execute.Command(Request("web", ["x"]), b"", 10)


@pytest.fixture
def done(monkeypatch):
    """What was done, in its order."""
    happened = []
    monkeypatch.setattr(execution.launcher, "plan_install", lambda: [LAUNCHER])
    monkeypatch.setattr(execution.launcher, "ensure_installed", lambda: happened.append("install"))
    monkeypatch.setattr(execution.execute, "apply", lambda _have: happened.append("run"))
    monkeypatch.setattr(execution, "warn", happened.append)
    return happened


def test_the_launcher_first(command, done):
    changes = execution.plan(OPTIONS, command)
    assert [change.option for change in changes] == ["launcher", "command"]
    command.answer = Answer(0)
    execution.apply(OPTIONS, command, changes)
    assert done == ["install", "run"] and [change.option for change in changes] == ["launcher", "command"]
    values = execution.result(OPTIONS, command, changes, False)
    assert "failed" not in values and "skipped" not in values and values["rc"] == 0


def test_nothing_is_brought_when_there_is_nothing_to_do(command, done):
    command.reason = "Did not run it"
    assert execution.plan(OPTIONS, command) == [] and done == []


def test_a_command_that_could_not_be_run_is_no_change(command, done):
    changes = execution.plan(OPTIONS, command)
    command.answer = Answer(127, error=LauncherError("is not there", option="argv", value="x", remedy="Put it there", code=127))
    execution.apply(OPTIONS, command, changes)
    assert changes == [LAUNCHER]
    values = execution.result(OPTIONS, command, changes, False)
    assert (values["failed"], values["rc"], values["option"], values["remedy"]) == (True, 127, "argv", "Put it there")
    assert values["msg"] == "argv='x': is not there. Put it there"


def test_one_that_fails_is_a_change(command, done):
    changes = execution.plan(OPTIONS, command)
    command.answer = Answer(1)
    execution.apply(OPTIONS, command, changes)
    values = execution.result(OPTIONS, command, changes, False)
    assert [change.option for change in changes] == ["launcher", "command"] and values["failed"] and values["rc"] == 1


def test_check_mode_without_a_condition_skips(command, done):
    changes = execution.plan(OPTIONS, command)
    values = execution.result(OPTIONS, command, changes, True)
    assert values["skipped"] and changes == [] and done == []


def test_check_mode_with_a_condition_tells(command, done):
    command.depends = True
    changes = execution.plan(OPTIONS, command)
    values = execution.result(OPTIONS, command, changes, True)
    assert "skipped" not in values and len(changes) == 2 and values["msg"] == "Command would have run if not in check mode" and done == []
    command.reason = "Did not run it"
    values = execution.result(OPTIONS, command, execution.plan(OPTIONS, command), True)
    assert "skipped" not in values and values["msg"] == "Did not run it"


def test_output_that_was_cut_is_warned_about(command, done):
    command.answer = Answer(0)
    command.stderr.take(b"x" * 11)
    assert execution.result(OPTIONS, command, [], False)["truncated"]
    assert len(done) == 1 and "max_output=10" in done[0]
