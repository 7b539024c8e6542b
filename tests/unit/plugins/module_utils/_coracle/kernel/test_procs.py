# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who a process is, on the real kernel: this process and its children."""

from __future__ import annotations

import os
import signal
import time

import pytest

from ansible_collections.coracle.launcher.plugins.module_utils._coracle.kernel import procs


def child(code=0, sleep=0.0):
    pid = os.fork()
    if pid == 0:
        time.sleep(sleep)
        os._exit(code)
    return pid


def test_A57_a_process_is_its_pid_start_time_and_boot():
    own = os.getpid()
    started = procs.starttime(own)
    assert procs.is_same(own, started, procs.boot_id())
    assert not procs.is_same(own, started + 1, procs.boot_id())
    assert not procs.is_same(own, started, "00000000-0000-0000-0000-000000000000")
    assert not procs.is_same(1, procs.starttime(1), procs.boot_id()), "no state file may name PID 1"


def test_a_zombie_is_not_alive():
    pid = child()
    descriptor = os.pidfd_open(pid)
    assert procs.wait_end(descriptor, 5)
    assert procs.starttime(pid) is None
    os.waitpid(pid, 0)
    os.close(descriptor)


def test_a_missing_process_has_no_start_time():
    pid = child()
    os.waitpid(pid, 0)
    assert procs.starttime(pid) is None


def test_a_name_with_spaces_and_brackets_does_not_shift_the_fields():
    pid = os.fork()
    if pid == 0:
        with open("/proc/self/comm", "w") as comm:
            comm.write(") R 1 2 (")
        time.sleep(5)
        os._exit(0)
    try:
        deadline = time.monotonic() + 5
        while ") R 1" not in open(f"/proc/{pid}/comm").read():
            assert time.monotonic() < deadline
        assert procs.starttime(pid) >= procs.starttime(os.getpid())
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


@pytest.mark.parametrize("end, code", [(0, 0), (7, 7), (-signal.SIGKILL, 137), (-signal.SIGTERM, 143)])
def test_exit_codes_are_those_of_a_shell(end, code):
    pid = child(end if end >= 0 else 0, sleep=0 if end >= 0 else 5)
    if end < 0:
        os.kill(pid, -end)
    _pid, status = os.waitpid(pid, 0)
    assert procs.exit_code_of(status) == code


def test_a_signal_to_one_that_is_gone_says_so():
    pid = child()
    descriptor = os.pidfd_open(pid)
    os.waitpid(pid, 0)
    assert procs.send(descriptor, signal.SIGTERM) is False
    os.close(descriptor)


def test_uptime_counts_from_the_start():
    assert 0 <= procs.uptime(procs.starttime(os.getpid())) < 3600
