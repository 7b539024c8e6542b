# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Signals and the list of processes: whom they are about, and never somebody else."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from ansible_collections.coracle.launcher.plugins.module_utils._coracle.base import places
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.base.errors import LauncherError
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.kernel import procs
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.model.state import State
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.work import processes, records, signals, start


@pytest.fixture
def init(tmp_path, monkeypatch):
    """A process of ours, and a state that says it is the init of the container web1."""
    monkeypatch.setattr(places, "RUN", f"{tmp_path}/run")
    with subprocess.Popen([sys.executable, "-c", "import time; print(flush=True); time.sleep(60)", "\x1b[2J"], stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        write_state(process.pid)
        yield process
        process.kill()


def write_state(pid, **more):
    state = State("web1", "/srv/web1")
    state.pid, state.starttime, state.boot_id = pid, procs.starttime(pid), procs.boot_id()
    for field, value in more.items():
        setattr(state, field, value)
    records.write_state(state)


def test_a_signal_reaches_the_init(init):
    signals.send("web1", signal.SIGUSR1)
    assert init.wait(10) == -signal.SIGUSR1


@pytest.mark.parametrize("changed", [{"starttime": 1}, {"boot_id": "0-0-0-0-0"}, {"status": "exited"}], ids=lambda changed: next(iter(changed)))
def test_A57_another_process_with_its_pid_gets_none(init, changed):
    write_state(init.pid, **changed)
    with pytest.raises(LauncherError, match="is not running"):
        signals.send("web1", signal.SIGKILL)
    assert init.poll() is None


def test_one_that_never_ran_gets_none(init):
    with pytest.raises(LauncherError, match="is not running"):
        signals.send("nosuch", signal.SIGKILL)


class Group:
    def __init__(self, *pids):
        self.pids = pids

    def processes(self):
        return list(self.pids)


def test_processes_are_told_as_the_kernel_has_them(init, monkeypatch):
    gone = subprocess.Popen(["true"])
    gone.wait()
    monkeypatch.setattr(start, "cgroup_of", lambda name: Group(init.pid, os.getpid(), gone.pid))
    found = {process.pid: process for process in processes.of("web1")}
    assert set(found) == {init.pid, os.getpid()}
    told = found[init.pid].as_dict()
    assert told["uid"] == os.geteuid() and told["state"] in "SR" and told["rss"] > 1 << 20 and told["seconds"] >= 0
    assert told["command"].startswith(sys.executable) and told["command"].endswith("\\x1b[2J")


def test_processes_of_one_that_does_not_run_are_an_error(init):
    write_state(init.pid, status="exited")
    with pytest.raises(LauncherError, match="is not running"):
        processes.of("web1")
