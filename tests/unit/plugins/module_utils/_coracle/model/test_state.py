# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import math

import pytest
from hypothesis import given, settings, strategies

from ansible_collections.coracle.launcher.plugins.module_utils._coracle.model import state as model

MANY = settings(max_examples=500, deadline=None, derandomize=True)


def running():
    state = model.State("web1", "/var/lib/coracle/containers/web1")
    state.pid, state.starttime, state.boot_id, state.started_at = 4711, 123456, "5c1fa3a2-0000-4000-8000-000000000000", 1700000000.25
    return state


def fields(state):
    return {field: getattr(state, field) for field in model.State.__slots__}


def test_running_and_exited_there_and_back():
    state = running()
    state.host_interfaces = ["veth0", "veth1"]
    assert fields(model.parse(model.render(state))) == fields(state)
    state.status, state.exit_code, state.oom, state.finished_at, state.reason, state.restarts = model.EXITED, 137, True, 1700000001.5, "out of memory", 3
    state.row, state.restart_at, state.stopping = 2, 4711.5, True
    assert fields(model.parse(model.render(state))) == fields(state)


def test_it_is_text_for_a_person():
    assert b"name: web1\n" in model.render(running()) and b"exit_code" not in model.render(running())


def test_a_reason_with_lines_and_escapes_cannot_say_other_fields():
    state = running()
    state.reason = "x\npid: 1\nstatus: exited\x1b[2J"
    again = model.parse(model.render(state))
    assert again.pid == 4711 and again.status == model.RUNNING and again.reason == "x\\x0apid: 1\\x0astatus: exited\\x1b[2J"


@pytest.mark.parametrize("old, new", [
    (b"pid: 4711", b"pid: 0"), (b"pid: 4711", b"pid: 1"), (b"pid: 4711", b"pid: -1"), (b"pid: 4711", b"pid: 4_711"), (b"pid: 4711", b"pid: +4711"),
    (b"pid: 4711", "pid: \u0663\u0663".encode()), (b"pid: 4711", b"pid: 99999999999999999999"), (b"pid: 4711", b"pid:  4711"), (b"pid: 4711", b"pid: "),
    (b"pid: 4711", b""), (b"name: web1", b""), (b"path: /", b"paths: /"), (b"status: running", b"status: stopped"), (b"starttime: 123456", b"starttime: x"),
    (b"started_at: 1700000000.250", b"started_at: nan"), (b"started_at: 1700000000.250", b"started_at: inf"),
    (b"started_at: 1700000000.250", b"started_at: 1e9"), (b"row: 0", b"row: -1"), (b"row: 0", b"restart_at: nan"),
    (b"boot_id: 5c1fa3a2-0000-4000-8000-000000000000", b""), (b"restarts: 0", b"restarts: \xff"),
])
def test_P9_a_changed_file_is_none(old, new):
    content = model.render(running())
    assert old in content
    assert model.parse(content.replace(old, new)) is None


def test_F17_a_file_cut_short_is_none_or_loses_only_whole_lines():
    content = model.render(running())
    whole = fields(model.parse(content))
    for length in range(len(content)):
        state = model.parse(content[:length])
        if state is not None:
            assert content[:length].endswith(b"\n")
            assert all(value in (whole[field], getattr(model.State("", ""), field)) for field, value in fields(state).items())


def test_fields_of_another_version_are_passed_over():
    assert model.parse(model.render(running()) + b"future: 1\n").pid == 4711


pieces = strategies.sampled_from([b"name: a\n", b"path: /a\n", b"status: running\n", b"status: exited\n", b"pid: 7\n", b"boot_id: x\n", b"exit_code: ",
                                  b"pid: ",
                                  b"started_at: ", b"\n", b"256\n", b"nan\n", b"7.5\n", b"\xff", b"oom: yes\n"]) | strategies.binary(max_size=8)


@MANY
@given(strategies.binary(max_size=100) | strategies.lists(pieces, max_size=20).map(b"".join))
def test_P9_any_bytes_are_a_state_or_none(content):
    state = model.parse(content)
    if state is None:
        return
    assert state.status in (model.RUNNING, model.EXITED)
    assert isinstance(state.pid, int) and 0 <= state.pid <= 1 << 22 and (state.status == model.EXITED or state.pid > 1 and state.boot_id)
    assert state.exit_code is None or 0 <= state.exit_code <= 255
    assert math.isfinite(state.started_at) and (state.finished_at is None or math.isfinite(state.finished_at))
    assert model.render(model.parse(model.render(state))) == model.render(state)
