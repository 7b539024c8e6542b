# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Restart policies on the real kernel, the start of the host, and what a killed supervisor must not lose."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time

import pytest

from ansible_collections.coracle.launcher.plugins.module_utils._coracle.base import places
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.base.errors import LauncherError
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.kernel import procs
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.kernel.net import links
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.work import boot, client, fleet, marks, records
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.work import start as launch

from . import boxes
from .test_supervisor import details, is_alive, kill_supervisor, start, supervisor_pid, wait_until

COUNT = "echo run >> /srv/runs; "
LIVE = "sleep 60"


@pytest.fixture(autouse=True)
def no_other_containers(launcher):
    """What boot() finds are the containers of one test."""
    yield
    for name in marks.links():
        marks.unlink(name)
    if supervisor_pid() is not None:
        boxes.end_supervisor()
    for name in records.names():
        state = records.read_state(name)
        if records.is_running(state):
            kill_container(state.pid)
        launch.clean(name, launch.cgroup_of(name))
        records.forget(name)


def runs(box):
    """How often its process has run."""
    with contextlib.suppress(FileNotFoundError), open(f"{box.root}/srv/runs", encoding="ascii") as file:
        return len(file.readlines())
    return 0


def end(box, number=signal.SIGKILL):
    """End its process from outside, as a crash does."""
    pid = box.pid()
    os.kill(pid, number)
    wait_until(lambda: not is_alive(pid))
    return pid


def is_up_again(box, pid):
    state = records.read_state(box.name)
    return records.is_running(state) and state.pid != pid


def is_waiting(box):
    return records.is_restarting(records.read_state(box.name))


def kill_container(pid):
    """The end of a process that no supervisor sees."""
    descriptor = os.pidfd_open(pid)
    os.kill(pid, signal.SIGKILL)
    assert procs.wait_end(descriptor, 10)
    os.close(descriptor)


def reboot(*many):
    """What a reboot does: nothing runs, and nothing is in /run."""
    if supervisor_pid() is not None:
        kill_supervisor()
    for box in many:
        if records.is_running(records.read_state(box.name)):
            kill_container(box.pid())
        launch.clean(box.name, launch.cgroup_of(box.name))
        shutil.rmtree(records.run_directory(box.name), ignore_errors=True)


@pytest.mark.parametrize("policy, code, again", [
    ("no", 3, False), ("on-failure", 0, False), ("on-failure", 3, True), ("always", 0, True), ("unless-stopped", 0, True)])
def test_what_ends_by_itself_is_started_again_as_its_policy_says(box, policy, code, again):
    start(box, f"{COUNT} sleep 0.4; [ $(wc -l < /srv/runs) -ge 2 ] && exec sleep 60; exit {code}", restart_policy=policy)
    if again:
        wait_until(lambda: runs(box) == 2 and records.is_running(records.read_state(box.name)))
        told = details(box)
        assert (told["state"], told["restarts"]) == ("running", 1) and f"exit code {code}" in told["reason"]
        assert "restarted once" in box.launcher("status", box.name).out
    else:
        wait_until(lambda: records.read_state(box.name).status == "exited" and box.traces() == [])
        assert runs(box) == 1 and not is_waiting(box) and details(box)["exit_code"] == code


def test_F12_on_failure_3_gives_exactly_four_starts(box):
    start(box, f"{COUNT} sleep 0.4; exit 7", restart_policy="on-failure", restart_retries=3)
    wait_until(lambda: "restart_retries is 3" in details(box)["reason"], 20)
    told = details(box)
    assert (told["state"], told["exit_code"], told["restarts"], runs(box)) == ("exited", 7, 3, 4)
    assert box.traces() == [] and marks.is_stopped(box.path)
    assert box.launcher("boot").code == 0 and runs(box) == 4, "it has had its chances"


def test_F12_each_delay_is_longer_than_the_one_before(box):
    start(box, f"{COUNT} sleep 0.3; exit 1", restart_policy="always")
    seen = {}
    while len(seen) < 4:
        state = records.read_state(box.name)
        if records.is_restarting(state):
            seen.setdefault(state.row, state.restart_at - state.finished_at)
    gaps = [seen[row] for row in sorted(seen)]
    assert sorted(seen) == list(range(min(seen), min(seen) + 4))
    # Both clocks run alike: the differences of the differences are those of the delays.
    assert gaps == sorted(gaps) and gaps[3] - gaps[0] > 0.5


def test_the_first_start_of_a_task_that_fails_is_not_tried_again(box):
    box.write_settings(command=["/bin/sh", "-c", f"{COUNT} exit 5"], restart_policy="always")
    started = box.launcher("start", box.path)
    assert started.code == 1 and "exit code 5" in started.err
    assert not is_waiting(box) and box.traces() == [] and runs(box) == 1


def test_a_stop_ends_the_wait_at_once(box):
    pid = start(box, f"{COUNT} sleep 0.3; exit 1", restart_policy="always")
    wait_until(lambda: is_waiting(box) and records.read_state(box.name).row >= 3, 20)
    listed = box.launcher("list", "--no-headers", box.name).out
    assert "restarting (1)" in listed, listed
    assert box.launcher("status", box.name).code == 3
    assert box.launcher("stop", box.name).code == 0
    count = runs(box)
    assert not is_waiting(box) and box.traces() == [] and not is_alive(pid)
    assert details(box)["state"] == "exited" and runs(box) == count
    wait_until(lambda: supervisor_pid() is None)


def test_a_stop_is_the_end_whatever_the_policy(box):
    start(box, "trap 'exit 4' TERM; while :; do sleep 0.02; done", restart_policy="always")
    assert box.launcher("stop", box.name).code == 0
    told = details(box)
    assert (told["state"], told["exit_code"], told["restarts"]) == ("exited", 4, 0) and not is_waiting(box)


def test_the_policy_changes_while_it_runs(box):
    pid = start(box, LIVE)
    box.write_settings(command=["/bin/sh", "-c", LIVE], restart_policy="always")
    assert client.refresh(box.name).ok and box.pid() == pid
    end(box)
    wait_until(lambda: is_up_again(box, pid))
    box.write_settings(command=["/bin/sh", "-c", LIVE], restart_policy="no")
    assert client.refresh(box.name).ok
    end(box)
    wait_until(lambda: box.traces() == [])
    assert details(box)["state"] == "exited"


def test_no_policy_any_more_ends_the_wait(box):
    start(box, "sleep 0.3; exit 1", restart_policy="always")
    wait_until(lambda: is_waiting(box) and records.read_state(box.name).row >= 2, 20)
    box.write_settings(command=["/bin/sh", "-c", LIVE], restart_policy="no")
    assert client.refresh(box.name).ok
    wait_until(lambda: not is_waiting(box) and box.traces() == [])


def test_a_start_during_the_wait_comes_at_once(box):
    start(box, "sleep 0.3; exit 1", restart_policy="always")
    wait_until(lambda: is_waiting(box) and records.read_state(box.name).row >= 3, 20)
    pid = start(box, LIVE, restart_policy="always")
    told = details(box)
    assert (told["state"], told["pid"], told["restarts"]) == ("running", pid, 0)


def test_what_waited_for_a_restart_comes_with_it_but_not_another_root(make_box, box):
    other = make_box()
    pid = start(box, LIVE, restart_policy="always", memory="16M")
    box.write_settings(command=["/bin/sh", "-c", "sleep 61"], restart_policy="always", memory="32M", rootfs=other.root)
    end(box)
    wait_until(lambda: is_up_again(box, pid))
    wait_until(lambda: b"sleep\x0061" in cmdline(box.pid()) or b"sleep 61" in cmdline(box.pid()))
    assert details(box)["limits"]["memory"] == 32 << 20
    started = records.read_started(box.name)
    assert "rootfs" not in started and details(box)["restart_required"]


def cmdline(pid):
    with contextlib.suppress(OSError), open(f"/proc/{pid}/cmdline", "rb") as file:
        return file.read()
    return b""


def test_settings_that_cannot_be_read_are_tried_again_and_a_removed_container_is_not(box):
    start(box, LIVE, restart_policy="always")
    with open(f"{box.path}/settings", "rb") as file:
        content = file.read()
    with open(f"{box.path}/settings", "wb") as file:
        file.write(b"nonsense\n")
    end(box)
    wait_until(lambda: is_waiting(box) and "nonsense" in details(box)["reason"])
    with open(f"{box.path}/settings", "wb") as file:
        file.write(content)
    wait_until(lambda: records.is_running(records.read_state(box.name)))
    os.unlink(f"{box.path}/settings")
    end(box)
    wait_until(lambda: "has gone" in records.read_state(box.name).reason and box.traces() == [])
    wait_until(lambda: supervisor_pid() is None)


# --- network


@pytest.fixture
def bridge():
    """The name of a bridge for this test alone; containers make it when they come."""
    name = f"trst{os.getpid() % 100000}"
    yield name
    subprocess.run(["ip", "link", "del", name], stderr=subprocess.DEVNULL, check=False)


def has_network(box):
    return box.launcher("exec", box.name, "ip", "-4", "addr", "show", "eth0").out.count("198.18.79.2/24") == 1


def namespace(box):
    return os.stat(f"/run/netns/{box.name}").st_ino


def test_the_namespace_survives_a_restart_and_a_lost_interface_comes_back(box, bridge):
    pid = start(box, LIVE, restart_policy="always", networks=[{"bridge": bridge, "addresses": ["198.18.79.2/24"]}])
    before, (interface,) = namespace(box), records.read_state(box.name).host_interfaces
    end(box)
    wait_until(lambda: is_up_again(box, pid))
    assert namespace(box) == before and has_network(box)
    subprocess.run(["ip", "link", "del", interface], check=True)
    pid = end(box)
    wait_until(lambda: is_up_again(box, pid))
    assert has_network(box) and namespace(box) == before
    kill_supervisor()
    subprocess.run(["ip", "netns", "del", box.name], check=True)
    pid = box.pid()
    kill_container(pid)
    client.adopt()
    wait_until(lambda: is_up_again(box, pid))
    assert has_network(box)
    assert box.launcher("stop", "-t", "0", box.name).code == 0
    assert box.traces() == [] and not os.path.exists(f"/sys/class/net/{interface}")


# --- faults


def test_F03_killed_during_the_wait_it_loses_neither_count_nor_time(box):
    start(box, f"{COUNT} sleep 0.3; exit 1", restart_policy="on-failure", restart_retries=5)
    wait_until(lambda: is_waiting(box) and records.read_state(box.name).row == 3, 20)
    kill_supervisor()
    before, count = records.read_state(box.name), runs(box)
    assert is_waiting(box) and details(box)["exit_code"] == 1
    client.adopt()
    after = records.read_state(box.name)
    assert (after.restarts, after.row, runs(box)) == (3, 3, count)
    assert after.restart_at <= before.restart_at + 0.01, "what is left of the time, not all of it again"
    wait_until(lambda: "restart_retries is 5" in details(box)["reason"], 30)
    assert (details(box)["restarts"], runs(box)) == (5, 6)


def test_F03_an_adopted_one_is_restarted_once(box):
    pid = start(box, LIVE, restart_policy="always")
    kill_supervisor()
    client.adopt()
    kill_container(pid)
    wait_until(lambda: is_up_again(box, pid))
    pid = box.pid()
    time.sleep(2.5)  # longer than a supervisor waits for a status that only the parent of the process can bring
    told = details(box)
    assert (told["pid"], told["restarts"]) == (pid, 1) and len(told["processes"]) <= 2


def test_F12_ten_seconds_of_life_end_the_row(box):
    start(box, f"{COUNT} [ $(wc -l < /srv/runs) -lt 3 ] && sleep 0.4 || sleep 10.3; exit 1", restart_policy="on-failure", restart_retries=2)
    wait_until(lambda: runs(box) == 3)
    assert records.read_state(box.name).row == 2
    wait_until(lambda: runs(box) == 4, 20)
    state = records.read_state(box.name)
    assert (state.restarts, state.row) == (3, 1)


@pytest.mark.parametrize("policy, again", [("no", False), ("on-failure", True), ("always", True)])
def test_F03_what_ended_unseen_is_restarted_by_the_next(box, policy, again):
    pid = start(box, LIVE, restart_policy=policy)
    kill_supervisor()
    kill_container(pid)
    client.adopt()
    if again:
        wait_until(lambda: is_up_again(box, pid))
        told = details(box)
        assert told["restarts"] == 1 and "no supervisor was there" in told["reason"]
    else:
        wait_until(lambda: box.traces() == [])
        assert details(box)["state"] == "exited" and details(box)["exit_code"] is None


def test_F03_a_stop_that_was_cut_short_is_not_undone_by_the_next(box):
    pid = start(box, "trap '' TERM; while :; do sleep 0.02; done", restart_policy="always")
    with subprocess.Popen([boxes.COMMAND, "stop", "-t", "30", box.name], stderr=subprocess.DEVNULL) as command:
        wait_until(lambda: records.read_state(box.name).stopping)
        command.kill()
    kill_supervisor()
    kill_container(pid)
    client.adopt()
    wait_until(lambda: box.traces() == [])
    assert not is_waiting(box) and details(box)["state"] == "exited"


def test_a_supervisor_waits_for_whoever_has_started_it():
    client._launch()
    time.sleep(0.5)  # a slow host needs that for a client to connect
    pid = supervisor_pid()
    assert pid is not None
    assert client.stop([("nobody", None, None)])["nobody"].ok
    wait_until(lambda: supervisor_pid() != pid)


def test_F20_a_newer_version_takes_over_what_waits(box):
    start(box, f"{COUNT} sleep 0.3; exit 1", restart_policy="always")
    wait_until(lambda: is_waiting(box) and records.read_state(box.name).row >= 4, 20)
    before = supervisor_pid()
    current = os.readlink(f"{places.LIBRARY}/current")
    newer = "fedcba9876543210" * 2
    shutil.copytree(f"{places.LIBRARY}/{current}", f"{places.LIBRARY}/{newer}", symlinks=True)
    try:
        connection = client._connect()
        connection.send(f"code\t{newer}\nend\n".encode())
        wait_until(lambda: newer.encode() in cmdline(supervisor_pid()))
        connection.close()
        count = runs(box)
        wait_until(lambda: runs(box) > count, 20)
        assert supervisor_pid() == before
        assert box.launcher("stop", "-t", "0", box.name).code == 0
    finally:
        shutil.rmtree(f"{places.LIBRARY}/{newer}")


def test_F12_containers_that_flap_leak_nothing(make_box, bridge):
    networks = [[{"bridge": bridge, "addresses": [f"198.18.79.{number}/24"]}] for number in range(2, 6)]
    many = [(make_box(), network) for network in networks]
    for box, network in many:
        start(box, LIVE, restart_policy="always", networks=network)
    before = measure(bridge)
    assert many[0][0].launcher("stop", "-t", "0", *[box.name for box, _network in many[1:]]).code == 0  # the first one keeps the supervisor
    for box, network in many[1:]:
        start(box, f"{COUNT} [ $(wc -l < /srv/runs) -gt 7 ] && exec sleep 60; exec sleep 0.3", restart_policy="always", networks=network)
    wait_until(lambda: all(runs(box) == 8 and records.is_running(records.read_state(box.name)) for box, _network in many[1:]), 60)
    wait_until(lambda: measure(bridge) == before)
    assert [records.read_state(box.name).restarts for box, _network in many[1:]] == [7, 7, 7]
    assert many[0][0].launcher("stop", "-t", "0", *[box.name for box, _network in many]).code == 0
    assert [box.traces() for box, _network in many] == [[]] * 4


def measure(bridge):
    """What a supervisor holds, and what of our containers there is in the kernel."""
    pid, own = supervisor_pid(), f"atk{os.getpid()}x"
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
        children = len(file.read().split())
    groups = [sum(name.startswith(own) for name in os.listdir(f"{top}/coracle")) for top in boxes.cgroup_mounts() if os.path.isdir(f"{top}/coracle")]
    return len(os.listdir(f"/proc/{pid}/fd")), children, len(os.listdir(f"/sys/class/net/{bridge}/brif")), len(os.listdir("/run/netns")), groups


# --- the start and the end of the host


def state_of(box):
    return details(box)["state"]


def test_boot_starts_what_should_run_and_nothing_else(make_box):
    kinds = [(policy, stopped) for policy in ("no", "on-failure", "always", "unless-stopped") for stopped in (False, True)]
    many = [make_box() for _kind in kinds]
    for box, (policy, stopped) in zip(many, kinds):
        start(box, LIVE, restart_policy=policy)
        if stopped:
            assert box.launcher("stop", "-t", "0", box.name).code == 0
    reboot(*many)
    booted = many[0].launcher("boot")
    assert (booted.code, booted.out, booted.err) == (0, "", "")
    running = [kind for box, kind in zip(many, kinds) if records.is_running(records.read_state(box.name))]
    assert running == [("on-failure", False), ("always", False), ("always", True), ("unless-stopped", False)]
    pids = [box.pid() for box, kind in zip(many, kinds) if kind in running]
    assert many[0].launcher("boot").code == 0
    assert [box.pid() for box, kind in zip(many, kinds) if kind in running] == pids
    kill_supervisor()
    assert many[0].launcher("boot").code == 0 and supervisor_pid() is not None, "and who waits for them is brought back"
    assert [box.pid() for box, kind in zip(many, kinds) if kind in running] == pids


def test_boot_starts_what_lies_in_our_own_directory_with_its_network(box, bridge):
    path = records.path_of(box.name)
    spec = {"name": box.name, "rootfs": box.root, "command": ["/bin/sleep", "60"], "restart_policy": "unless-stopped",
            "networks": [{"bridge": bridge, "addresses": ["198.18.79.2/24"]}]}
    converge(spec)
    try:
        assert not marks.links() and box.name in records.names()
        reboot(box)
        subprocess.run(["ip", "link", "del", bridge], check=True)
        assert box.launcher("boot").code == 0 and has_network(box)
        converge({**spec, "state": "stopped", "stop_timeout": 0})
        reboot(box)
        assert box.launcher("boot").code == 0 and records.read_state(box.name) is None, "a task has stopped it"
        converge({**spec, "state": "started"})
        assert not marks.is_stopped(path)
    finally:
        converge({"name": box.name, "state": "absent", "stop_timeout": 0})
    assert not os.path.exists(path)


def converge(options):
    """What a task with the module `container` does, without Ansible. Returns the changed options."""
    found = fleet.read_one(options)
    planned = [change.option for change in fleet.plan(found)]
    fleet.apply(found)
    assert found.jobs[0].error is None, found.jobs[0].error
    return planned


def test_a_new_container_that_no_task_has_started_is_not_started_by_boot(box):
    for policy, stays in (("unless-stopped", True), ("always", False)):
        name = f"{box.name}{policy[0]}"
        converge({"name": name, "rootfs": box.root, "command": ["/bin/sleep", "60"], "restart_policy": policy, "state": "present"})
        try:
            assert box.launcher("boot").code == 0
            assert (records.read_state(name) is None) == stays
        finally:
            converge({"name": name, "state": "absent", "stop_timeout": 0})


def test_stopped_says_so_when_the_host_would_start_it(box):
    start(box, LIVE, restart_policy="unless-stopped")
    assert box.launcher("shutdown", "-t", "0").code == 0
    assert state_of(box) == "exited" and not marks.is_stopped(box.path)
    assert converge({"path": box.path, "state": "stopped"}) == ["state"]
    assert marks.is_stopped(box.path) and converge({"path": box.path, "state": "stopped"}) == []
    assert box.launcher("boot").code == 0 and state_of(box) == "exited"


def test_boot_tells_what_did_not_come_up_and_starts_the_rest(make_box):
    good, crash, gone, rootless, broken = many = [make_box() for _number in range(5)]
    for box in many:
        start(box, LIVE, restart_policy="always")
    reboot(*many)
    crash.write_settings(command=["/bin/sh", "-c", f"{COUNT} exit 9"], restart_policy="always")
    os.rename(gone.path, f"{gone.path}.away")
    shutil.rmtree(rootless.root)
    with open(f"{broken.path}/settings", "ab") as file:
        file.write(b"memlimits: 4M\n")
    booted = good.launcher("boot")
    lines = booted.err.splitlines()
    assert booted.code == 1 and "Traceback" not in booted.err and len(lines) == 4, booted
    assert all(line.startswith("coracle: ") for line in lines)
    for box, says in ((crash, "exit code 9; it is started again"), (gone, "is not there"), (rootless, "rootfs"), (broken, "memlimits")):
        assert [line for line in lines if box.name in line and says in line], (says, lines)
    assert state_of(good) == "running"
    wait_until(lambda: runs(crash) >= 3)
    assert records.names() == sorted(box.name for box in many)
    os.rename(f"{gone.path}.away", gone.path)
    assert good.launcher("boot").code == 1
    assert state_of(gone) == "running"


def test_F09_the_state_of_another_boot_is_never_believed(make_box):
    ran, waited = make_box(), make_box()
    other_boot = "00000000-0000-0000-0000-000000000000"
    with subprocess.Popen(["sleep", "60"]) as innocent:
        try:
            for box in (ran, waited):
                start(box, LIVE, restart_policy="unless-stopped")
            states = [records.read_state(box.name) for box in (ran, waited)]
            reboot(ran, waited)
            for state in states:
                state.pid, state.starttime, state.boot_id = innocent.pid, procs.starttime(innocent.pid), other_boot
            states[1].status, states[1].restart_at, states[1].exit_code = "exited", 1e9, 1
            for state in states:
                records.write_state(state)
            assert ran.launcher("boot").code == 0
            assert [state_of(box) for box in (ran, waited)] == ["running", "running"]
            assert innocent.poll() is None and innocent.pid not in (ran.pid(), waited.pid())
        finally:
            innocent.kill()


def test_boot_says_when_a_network_cannot_be_made(box, bridge, monkeypatch):
    start(box, LIVE, restart_policy="always", networks=[{"bridge": bridge, "addresses": ["198.18.79.2/24"]}])
    reboot(box)

    def missing():
        raise LauncherError("pyroute2 is not there")
    monkeypatch.setattr(links, "require", missing)
    assert [(name, "pyroute2" in why) for name, why in boot.boot()] == [(box.name, True)]
    monkeypatch.undo()
    assert boot.boot() == []


def test_shutdown_is_nobodys_wish(make_box):
    lives, waits, stopped = make_box(), make_box(), make_box()
    start(lives, LIVE, restart_policy="unless-stopped")
    start(stopped, LIVE, restart_policy="unless-stopped")
    start(waits, "sleep 0.3; exit 1", restart_policy="on-failure")
    wait_until(lambda: is_waiting(waits) and records.read_state(waits.name).row >= 3, 20)
    assert stopped.launcher("stop", "-t", "0", stopped.name).code == 0
    assert lives.launcher("shutdown", "-t", "0").code == 0
    assert [box.traces() for box in (lives, waits, stopped)] == [[], [], []]
    assert supervisor_pid() is None or wait_until(lambda: supervisor_pid() is None) is None
    assert lives.launcher("shutdown").code == 0 and supervisor_pid() is None, "nothing to do starts nobody"
    lives.launcher("boot")
    assert [state_of(box) for box in (lives, stopped)] == ["running", "exited"]
    assert records.is_active(records.read_state(waits.name))
