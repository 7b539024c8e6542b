# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import signal
import time

import pytest

from ansible_collections.coracle.launcher.plugins.module_utils._coracle.base import places
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.base.errors import LauncherError
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.work.network import watchdog


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.setattr(places, "RUN", str(tmp_path / "run"))
    return tmp_path / "run"


@pytest.fixture
def put_back(tmp_path):
    """What a watchdog calls; it tells by a file, and which process it was."""
    return lambda: (tmp_path / "put back").write_text(str(os.getpid()))


def wait_until(condition):
    """False when it does not come true within half a minute."""
    deadline = time.monotonic() + 30
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def test_who_removes_the_file_has_confirmed_and_nothing_is_left(run, put_back, tmp_path):
    guard = watchdog.Watchdog("eth0", 60, put_back)
    guard.wait_for_confirmation()
    assert (run / "uplink-eth0").read_text() == f"{guard.token}\n"
    os.unlink(guard.path)
    assert wait_until(lambda: not run.exists())
    assert not (tmp_path / "put back").exists()


def test_without_confirmation_everything_is_put_back_by_another_process(run, put_back, tmp_path):
    guard = watchdog.Watchdog("eth0", 1, put_back)
    guard.wait_for_confirmation()
    assert wait_until((tmp_path / "put back").exists) and wait_until(lambda: not run.exists())
    assert int((tmp_path / "put back").read_text()) != os.getpid()


def test_a_failed_module_waits_until_everything_is_put_back(run, put_back, tmp_path):
    watchdog.Watchdog("eth0", 60, put_back).put_back()
    assert (tmp_path / "put back").exists()


def test_a_module_that_is_killed_while_it_works_is_put_back(run, put_back, tmp_path):
    child = os.fork()
    if child == 0:
        try:
            watchdog.Watchdog("eth0", 60, put_back)
            os.kill(os.getpid(), signal.SIGKILL)
        finally:
            os._exit(1)
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL
    assert wait_until((tmp_path / "put back").exists) and wait_until(lambda: not run.exists())


def test_while_the_module_works_nobody_can_confirm(run, put_back):
    guard = watchdog.Watchdog("eth0", 60, put_back)
    assert (run / "uplink-eth0").read_text() == ""  # no token to be found
    guard.put_back()


def test_a_module_that_is_too_slow_learns_that_it_was_put_back(run, put_back, tmp_path):
    guard = watchdog.Watchdog("eth0", 0, put_back)
    assert wait_until((tmp_path / "put back").exists) and wait_until(lambda: not run.exists())
    with pytest.raises(LauncherError, match="took longer than 0 seconds, and was put back"):
        guard.wait_for_confirmation()


def test_a_second_change_of_a_nic_is_refused_while_the_first_waits_and_possible_when_its_watchdog_was_killed(run, put_back, tmp_path):
    first = watchdog.Watchdog("eth0", 60, put_back)
    with pytest.raises(LauncherError, match="an earlier change of it waits for its confirmation"):
        watchdog.Watchdog("eth0", 60, put_back)
    other = watchdog.Watchdog("eth1", 60, put_back)
    for guard in (first, other):
        guard.put_back()
    run.mkdir()
    (run / "uplink-eth0").write_text("of one that was killed\n")
    guard = watchdog.Watchdog("eth0", 60, put_back)
    assert (run / "uplink-eth0").read_text() == ""
    guard.put_back()


def test_a_session_that_ends_does_not_end_it_and_it_holds_no_file_of_the_module(run, tmp_path):
    told = tmp_path / "told"

    def tell():
        told.write_text(f"{sorted(os.listdir('/proc/self/fd'), key=int)[:3]} {os.getsid(0)} {os.getcwd()} {os.path.realpath('/proc/self/fd/1')}")

    reader, writer = os.pipe()
    guard = watchdog.Watchdog("eth0", 60, tell)
    os.close(writer)
    assert os.read(reader, 1) == b""  # nobody else holds the other end
    os.close(reader)
    guard.put_back()
    descriptors, session, directory, output = told.read_text().rsplit(" ", 3)
    assert int(session) != os.getsid(0) and directory == "/" and output == "/dev/null"
    assert descriptors.startswith("['0', '1', '2'")
