# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os

import pytest

from ansible_collections.coracle.launcher.plugins.module_utils._coracle.base import places
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.base.errors import LauncherError
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.kernel import procs
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.kernel.cgroup import detect
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.model import settings
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.model.state import EXITED, State
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.work import inspect, records

SPEC = {"user": "1", "memory": 8 << 20, "command": ["/bin/a"], "labels": {"stage": "test"}}


@pytest.fixture
def tree(tmp_path, monkeypatch):
    """Places in a directory; cgroups in one too, with one v1 hierarchy for memory."""
    monkeypatch.setattr(places, "CONTAINERS", str(tmp_path / "containers"))
    monkeypatch.setattr(places, "RUN", str(tmp_path / "run"))
    group = tmp_path / "memory" / "coracle" / "a"
    group.mkdir(parents=True)
    (group / "memory.limit_in_bytes").write_text("4194304\n")
    (group / "cgroup.procs").write_text("")
    monkeypatch.setattr(detect, "find", lambda: detect.Layout(detect.V1, {"memory": str(tmp_path / "memory")}, None))
    return tmp_path


def make(path, spec=None):
    os.makedirs(path)
    records.write_settings(str(path), SPEC if spec is None else spec)
    return str(path)


def run(name, path, started=None, **fields):
    """Leave the records of a run whose init is this process."""
    state = State(name, path)
    state.pid, state.starttime, state.boot_id, state.started_at = os.getpid(), procs.starttime(os.getpid()), procs.boot_id(), 1.0
    for field, value in fields.items():
        setattr(state, field, value)
    records.write_state(state)
    with open(f"{records.run_directory(name)}/settings", "wb") as file:
        file.write(settings.render(SPEC if started is None else started))


def look(name="a", path=None):
    return inspect.read(*inspect.locate(name, path), inspect.Host())


def test_what_is_not_there_is_absent(tree):
    have = look()
    assert (have.status, have.remains, have.spec) == ("absent", False, None)
    assert inspect.describe(have) == {"name": "a", "path": f"{places.CONTAINERS}/a", "state": "absent", "pid": None, "exit_code": None,
                                      "started_at": None, "restarts": 0, "limits": {}, "networks": []}


def test_a_directory_that_a_killed_run_left_is_absent_but_remains(tree):
    os.makedirs(f"{places.CONTAINERS}/a")
    have = look()
    assert (have.status, have.remains) == ("absent", True)


def test_a_running_container_is_told_with_the_kernels_limits(tree):
    run("a", make(f"{places.CONTAINERS}/a"))
    told = inspect.describe(look())
    assert (told["state"], told["pid"], told["exit_code"], told["started_at"]) == ("running", os.getpid(), None, "1970-01-01T00:00:01Z")
    assert told["limits"] == {"memory": 4 << 20}


@pytest.mark.parametrize("fields, code", [({"status": EXITED, "exit_code": 3}, 3), ({"starttime": 1}, None), ({"boot_id": "another"}, None)])
def test_one_that_does_not_run_has_exited(tree, fields, code):
    run("a", make(f"{places.CONTAINERS}/a"), **fields)
    told = inspect.describe(look())
    assert (told["state"], told["pid"], told["exit_code"]) == ("exited", None, code)
    assert told["limits"] == {"memory": 8 << 20}


def test_drift_is_what_the_kernel_and_the_process_have_otherwise(tree):
    run("a", make(f"{places.CONTAINERS}/a"), started={**SPEC, "user": "2"})
    have = look()
    found = inspect.drift(have, inspect.Host())
    assert [tuple(entry.values()) for entry in found] == [("memory", 8 << 20, 4 << 20), ("user", "1", "2")]
    assert inspect.restart_required(have)


def test_broken_settings_are_a_problem_and_not_an_error(tree):
    path = make(f"{places.CONTAINERS}/a")
    with open(f"{path}/settings", "a", encoding="utf-8") as file:
        file.write("bogus: 1\n")
    have = look()
    assert have.spec is None
    assert "bogus" in str(have.problem)


def test_one_that_runs_from_elsewhere_is_found_by_its_name(tree):
    path = make(tree / "elsewhere")
    run("a", path)
    assert inspect.locate("a", None) == ("a", path)
    assert inspect.locate("a", path) == ("a", path)
    with pytest.raises(LauncherError) as caught:
        inspect.locate("a", str(tree))
    assert caught.value.option == "name"


def test_an_old_run_from_elsewhere_does_not_keep_the_name(tree):
    run("a", make(tree / "elsewhere"), status=EXITED)
    os.makedirs(f"{places.CONTAINERS}/a")
    assert inspect.locate("a", None) == ("a", f"{places.CONTAINERS}/a")
    assert inspect.locate("a", str(tree)) == ("a", str(tree))


@pytest.mark.parametrize("name, labels, found", [
    ([], {}, ["a", "b1", "b2"]),
    (["b*"], {}, ["b1", "b2"]),
    (["a", "b1"], {}, ["a", "b1"]),
    ([], {"stage": "live"}, ["b2"]),
    (["a*"], {"stage": "live"}, []),
    ([], {"stage": "live", "other": "x"}, []),
])
def test_containers_are_found_by_names_and_labels(tree, name, labels, found):
    for one in ("a", "b1"):
        make(f"{places.CONTAINERS}/{one}")
    make(f"{places.CONTAINERS}/b2", {**SPEC, "labels": {"stage": "live"}})
    assert [have.name for have in inspect.find({"name": name, "labels": labels, "log_lines": 10})] == found


@pytest.mark.parametrize("lines", [-1, 1001])
def test_the_number_of_lines_has_bounds(tree, lines):
    with pytest.raises(LauncherError) as caught:
        inspect.find({"name": [], "labels": {}, "log_lines": lines})
    assert caught.value.option == "log_lines"
