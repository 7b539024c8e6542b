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
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.model.state import EXITED, State
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.work import client, container, fleet, inspect, records
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.work.protocol import Outcome

COMMAND = ["/bin/sleep", "9"]


class Supervisor:
    """Stands for the supervisor: keeps records as the real one does. Its containers' init is this very process."""

    def __init__(self):
        self.requests = []
        self.broken = {}

    def start(self, items, grace, host_interfaces=None, unattended=False):
        self.requests.append(("start", [name for name, _path in items], grace))
        return {name: self._start(name, path) for name, path in items}

    def _start(self, name, path):
        if name in self.broken:
            outcome = Outcome(name, problem=self.broken[name])
            outcome.log_tail = ["oh no"]
            return outcome
        state = State(name, path)
        state.pid, state.starttime, state.boot_id = os.getpid(), procs.starttime(os.getpid()), procs.boot_id()
        records.write_state(state)
        with open(f"{records.run_directory(name)}/settings", "wb") as started, open(f"{path}/settings", "rb") as stored:
            started.write(stored.read())
        return Outcome(name, ok=True, pid=state.pid)

    def stop(self, items):
        self.requests.append(("stop", [name for name, _signal, _timeout in items]))
        for name, _signal, _timeout in items:
            state = records.read_state(name)
            state.status, state.exit_code = EXITED, 0
            records.write_state(state)
        return {name: Outcome(name, ok=True, exit_code=0) for name, _signal, _timeout in items}

    def refresh(self, name):
        self.requests.append(("refresh", name))
        return Outcome(name, ok=True)


@pytest.fixture
def host(tmp_path, monkeypatch):
    """A host in a directory, without cgroups and networks."""
    monkeypatch.setattr(places, "CONTAINERS", str(tmp_path / "lib" / "containers"))
    monkeypatch.setattr(places, "DATA", str(tmp_path / "lib"))
    monkeypatch.setattr(places, "RUN", str(tmp_path / "run"))
    monkeypatch.setattr(detect, "find", lambda: detect.Layout(detect.V1, {}, None))
    (tmp_path / "rootfs").mkdir()
    supervisor = Supervisor()
    for verb in ("start", "stop", "refresh"):
        monkeypatch.setattr(client, verb, getattr(supervisor, verb))
    supervisor.tree = tmp_path
    return supervisor


def options(host, name, **more):
    return {"name": name, "rootfs": str(host.tree / "rootfs"), "command": COMMAND, **more}


def converge(items, purge=False):
    """Run as the module does; return (the fleet, {name: number of changes})."""
    found = fleet.read(items, purge)
    planned = [change.as_dict() for change in fleet.plan(found)]
    if planned:
        fleet.apply(found)
    if not any(job.error for job in found.jobs):
        assert [change.as_dict() for change in fleet.changes(found)] == planned
    fleet.look_again(found)
    return found, {job.want.name: len(job.changes) for job in found.jobs}


def states(found):
    return {job.want.name: job.have.status for job in found.jobs}


def snapshot(tree):
    return sorted(os.path.join(directory, name) for directory, folders, names in os.walk(tree) for name in folders + names)


def test_a_list_is_started_by_one_request_and_the_second_run_asks_nothing(host):
    items = [options(host, "a"), options(host, "b", start_grace=1.0), options(host, "c", state="present")]
    found, _counts = converge(items)
    assert states(found) == {"a": "running", "b": "running", "c": "created"}
    assert host.requests == [("start", ["a", "b"], 1.0)]
    found, counts = converge(items)
    assert counts == {"a": 0, "b": 0, "c": 0}
    assert len(host.requests) == 1


def test_changes_name_their_container(host):
    found = fleet.read([options(host, "a"), options(host, "b")], False)
    names = [change.option for change in fleet.plan(found)]
    assert names.count("a.state") == names.count("b.state") == 1


def test_planning_leaves_no_trace(host):
    before = snapshot(host.tree)
    fleet.plan(fleet.read([options(host, "a"), options(host, "b", state="absent")], True))
    assert snapshot(host.tree) == before
    assert host.requests == []


def test_one_failure_does_not_hide_the_others(host):
    host.broken["b"] = "ended at once with exit code 7"
    found, _counts = converge([options(host, "a"), options(host, "b"), options(host, "c")])
    assert {job.want.name: job.error is not None for job in found.jobs} == {"a": False, "b": True, "c": False}
    message = str(found.jobs[1].error)
    assert "exit code 7" in message and "oh no" in message
    assert states(found) == {"a": "running", "b": "absent", "c": "running"}
    host.broken.clear()
    found, counts = converge([options(host, "a"), options(host, "b"), options(host, "c")])
    assert (counts["a"], counts["c"]) == (0, 0)
    assert states(found)["b"] == "running"


@pytest.mark.parametrize("by_path", [False, True])
def test_a_new_container_that_does_not_start_leaves_no_trace(host, by_path):
    (host.tree / "mine" / "chroot").mkdir(parents=True)
    item = {"path": str(host.tree / "mine"), "name": "a", "command": COMMAND} if by_path else options(host, "a")
    before = snapshot(host.tree)
    host.broken["a"] = "ended at once"
    found, counts = converge([item])
    assert (counts, states(found)) == ({"a": 0}, {"a": "absent"})
    assert snapshot(host.tree) == before


def test_a_container_that_was_there_stays_when_it_does_not_start(host):
    converge([options(host, "a", state="present")])
    host.broken["a"] = "ended at once"
    found, _counts = converge([options(host, "a")])
    assert states(found) == {"a": "created"}
    assert found.jobs[0].changes


def test_a_restart_is_one_stop_and_one_start_for_all(host):
    converge([options(host, "a"), options(host, "b")])
    host.requests.clear()
    converge([options(host, "a", user="5"), options(host, "b", labels={"x": "y"}), options(host, "c")])
    assert host.requests == [("stop", ["a"]), ("start", ["a", "c"], 0.25)]


def test_what_the_supervisor_keeps_is_told_to_it(host):
    converge([options(host, "a")])
    host.requests.clear()
    converge([options(host, "a", stop_timeout=3)])
    assert host.requests == [("refresh", "a")]


def test_notify_reports_until_the_restart(host):
    converge([options(host, "a")])
    host.requests.clear()
    again = options(host, "a", user="5", on_restart_required="notify")
    for count in (1, 0):
        found, counts = converge([again])
        assert counts == {"a": count}
        assert inspect.restart_required(found.jobs[0].have)
    assert host.requests == []
    found, counts = converge([options(host, "a", user="5")])
    assert counts == {"a": 1}
    assert not inspect.restart_required(found.jobs[0].have)


def test_purge_removes_only_what_lies_in_our_directory(host):
    converge([options(host, "a"), options(host, "b")])
    elsewhere = host.tree / "mine"
    elsewhere.mkdir()
    converge([options(host, "mine", path=str(elsewhere))])
    found, _counts = converge([options(host, "a")], purge=True)
    assert states(found) == {"a": "running", "b": "absent"}
    assert os.listdir(places.CONTAINERS) == ["a"]
    assert (elsewhere / "settings").exists()


def test_absent_leaves_nothing_of_a_container_and_nothing_to_do(host):
    before = snapshot(host.tree)
    converge([options(host, "a")])
    assert snapshot(host.tree) != before
    _found, counts = converge([{"name": "a", "state": "absent"}])
    assert counts == {"a": 1}
    assert snapshot(host.tree) == before
    assert converge([{"name": "a", "state": "absent"}])[1] == {"a": 0}


def test_absent_keeps_what_somebody_made_by_hand(host):
    directory = host.tree / "slackware"
    (directory / "chroot").mkdir(parents=True)
    (directory / "settings").write_text("process:/bin/bash\narg1:-i\n")
    before = snapshot(host.tree)
    item = {"path": str(directory), "memory": None}
    found, _counts = converge([item])
    assert states(found) == {"slackware": "running"}
    (directory / "log").mkdir()
    found, counts = converge([{"name": "slackware", "state": "absent"}])
    assert counts == {"slackware": 1}
    assert snapshot(host.tree) == before
    assert converge([{"path": str(directory), "state": "absent"}])[1] == {"slackware": 0}


def test_settings_that_cannot_be_read_stop_everything_but_removal(host):
    converge([options(host, "a", state="present")])
    with open(f"{places.CONTAINERS}/a/settings", "ab") as file:
        file.write(b"bogus: 1\n")
    with pytest.raises(LauncherError) as caught:
        fleet.read([options(host, "a")], False)
    assert caught.value.place.endswith("settings:10")
    assert converge([{"name": "a", "state": "absent"}])[1] == {"a": 1}


@pytest.mark.parametrize("one, other, option", [
    ({"name": "a"}, {"name": "a"}, "name"),
    ({"name": "a", "networks": [{"bridge": "br0", "addresses": ["10.250.0.2/24"]}]},
     {"name": "b", "networks": [{"bridge": "br0", "addresses": ["10.250.0.2/16"]}]}, "networks.addresses"),
    ({"name": "a", "networks": [{"bridge": "br0", "mac_address": "02:00:00:00:00:aa"}]},
     {"name": "b", "networks": [{"bridge": "br0", "mac_address": "02:00:00:00:00:AA"}]}, "networks.mac_address"),
])
def test_two_that_share_something_are_an_error_before_anything_is_done(host, one, other, option):
    before = snapshot(host.tree)
    with pytest.raises(LauncherError) as caught:
        fleet.read([{**options(host, "a"), **one, "state": "present"}, {**options(host, "a"), **other, "state": "present"}], False)
    assert caught.value.option == option
    assert "containers[1]" in str(caught.value)
    assert snapshot(host.tree) == before


def test_one_address_on_two_bridges_is_no_conflict(host):
    networks = [[{"bridge": bridge, "addresses": ["10.250.0.2/24"]}] for bridge in ("br0", "br1")]
    found = fleet.read([options(host, name, networks=item, state="present") for name, item in zip("ab", networks)], False)
    assert len(found.jobs) == 2


def test_all_bad_items_are_named_at_once(host):
    with pytest.raises(LauncherError) as caught:
        fleet.read([options(host, "a", memory="4X"), options(host, "b"), options(host, "c", user="")], False)
    assert "containers[0] (a)" in str(caught.value) and "containers[2] (c)" in str(caught.value)


def test_missing_images_are_asked_for_together(host):
    images = ["sha256:" + letter * 64 for letter in "ab"]
    with pytest.raises(LauncherError) as caught:
        fleet.read([{"name": "a", "image": images[1], "command": COMMAND}, {"name": "b", "image": images[0], "command": COMMAND}], False)
    assert caught.value.needs_image == images


@pytest.mark.parametrize("items, needed", [([], True), ([{"name": "a", "state": "absent"}], False)])
def test_an_empty_list_brings_the_launcher(host, items, needed):
    found = fleet.read(items, False)
    fleet.plan(found)
    assert fleet.needs_launcher(found) is needed


def test_a_name_that_runs_from_elsewhere_is_refused(host):
    converge([options(host, "a")])
    other = host.tree / "a"
    other.mkdir()
    with pytest.raises(LauncherError) as caught:
        fleet.read([options(host, "a", path=str(other))], False)
    assert caught.value.option == "name"


def test_somebody_who_was_faster_leaves_nothing_to_do(host):
    slow = fleet.read([options(host, "a")], False)
    fleet.plan(slow)
    converge([options(host, "a")])
    host.requests.clear()
    fleet.apply(slow)
    assert host.requests == []
    assert fleet.changes(slow) == []


def test_a_step_that_the_kernel_refuses_is_a_message(host, monkeypatch):
    def full(_job, _host):
        raise OSError(28, "No space left on device", "/var/lib/coracle")

    monkeypatch.setattr(container, "write", full)
    found, _counts = converge([options(host, "a")])
    assert "No space left on device" in str(found.jobs[0].error)
    assert host.requests == []
