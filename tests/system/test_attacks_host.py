# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Attacks on the host around a container: its limits, its supervisor, its files, its terminals (A17, A50 to A58)."""

from __future__ import annotations

import os
import stat
import subprocess
import time

import pytest

from ansible_collections.coracle.launcher.plugins.module_utils._coracle.model import state as states
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.work import records

from . import boxes


@pytest.fixture
def started(box):
    """started(*command, **options) -> a container that the supervisor runs; stopped at the end."""
    def start(*command, grace="0.25", **options):
        box.write_settings(command=list(command), **options)
        result = box.launcher("start", "--grace", grace, box.path)
        assert result.code == 0, result
        return box
    return start


def _as_nobody(*command):
    def drop():
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
    return boxes.run(list(command), preexec_fn=drop)


def test_A17_other_users_of_the_host_see_neither_state_nor_output(started, tmp_path):
    box = started("/bin/sh", "-c", "echo secret; exec sleep 60")
    assert stat.S_IMODE(os.stat("/run/coracle").st_mode) == 0o700
    assert stat.S_IMODE(os.stat("/run/coracle/supervisor.sock").st_mode) == 0o600
    log = f"{box.path}/log/container.log"
    deadline = time.monotonic() + 5
    while not os.path.exists(log) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert stat.S_IMODE(os.stat(f"{box.path}/log").st_mode) == 0o700 and stat.S_IMODE(os.stat(log).st_mode) & 0o007 == 0
    assert _as_nobody("/bin/cat", f"/run/coracle/{box.name}/state").code != 0
    assert _as_nobody("/bin/cat", "/proc/uptime").code == 0  # control: nobody can run cat


def test_A50_a_fork_bomb_stays_within_its_limit_and_its_cgroup(box):
    script = "sh -c 'while :; do sleep 60 & done' 2>/dev/null; exec tail -f /dev/null"
    with box.running("/bin/sh", "-c", script, pids_limit=16):
        time.sleep(0.3)
        own = os.readlink(f"/proc/{box.pid()}/ns/pid")
        inside = {pid for pid in filter(str.isdigit, os.listdir("/proc")) if _namespace(pid) == own}
        groups = [group for group in boxes.cgroups(box.name) if os.path.exists(f"{group}/cgroup.procs")]
        assert 2 <= len(inside) <= 16 and groups
        for group in groups:
            with open(f"{group}/cgroup.procs", encoding="ascii") as file:
                assert set(file.read().split()) >= inside, group
    assert box.traces() == []


def _namespace(pid):
    try:
        return os.readlink(f"/proc/{pid}/ns/pid")
    except OSError:
        return None


def test_A50_a_program_that_forks_at_once_forks_in_its_cgroup(box):
    for _number in range(10):
        result = box.run("/bin/sh", "-c", "(sleep 0 & cat /proc/self/cgroup) | grep -v ':/$'", pids_limit=8)
        assert result.payload == [], result  # its cgroup namespace begins at its own cgroup: every path is /


def test_A51_a_memory_hog_is_killed_alone_and_that_is_told(started):
    box = started("/bin/tail", "/dev/zero", memory="16M", grace="0")
    assert box.launcher("wait", box.name).out.split() == ["137"]
    assert records.read_state(box.name).oom is True
    shown = box.launcher("inspect", box.name).out + box.launcher("status", box.name).out
    assert "memory" in shown.lower(), shown


def test_A53_a_flood_of_output_fills_no_disk_and_stops_nobody(started):
    box = started("/bin/sh", "-c", "yes | tr -d '\\n' & while :; do : > /alive; usleep 50000; done", log_max_size="256K")
    time.sleep(3)
    sizes = {name: os.stat(f"{box.path}/log/{name}").st_size for name in os.listdir(f"{box.path}/log")}
    assert sizes and sum(sizes.values()) <= (256 << 10) * (len(sizes) + 1) and len(sizes) <= 4, sizes
    assert time.time() - os.stat(f"{box.root}/alive").st_mtime < 2
    begin = time.monotonic()
    assert box.launcher("status", box.name).code == 0 and box.launcher("stop", "-t", "0", box.name).code == 0
    assert time.monotonic() - begin < 5 and box.traces() == []


def test_A55_a_process_that_ignores_the_stop_signal_is_killed_in_time(started):
    box = started("/bin/sh", "-c", "trap '' TERM; while :; do sleep 1; done", stop_timeout=1)
    begin = time.monotonic()
    assert box.launcher("stop", box.name).code == 0
    assert 0.9 <= time.monotonic() - begin < 4
    assert box.launcher("wait", box.name).out.split() == ["137"] and box.traces() == []


def test_A56_no_zombie_is_left_on_the_host(started):
    box = started("/bin/sh", "-c", "i=0; while [ $i -lt 50 ]; do (sleep 0.01 & exit); i=$((i+1)); done; exit 0", grace="0")
    box.launcher("wait", box.name)
    namespace = [line for line in boxes.run(["ps", "-eo", "stat,args"]).out.splitlines() if line.startswith("Z") and box.name in line]
    assert namespace == []


@pytest.mark.parametrize("lie", ["pid", "starttime", "boot_id"])
def test_A57_a_process_that_is_not_the_container_gets_no_signal(box, lie):
    with subprocess.Popen(["/bin/sleep", "60"]) as innocent:
        try:
            state = states.State(box.name, box.path)
            state.pid, state.starttime, state.boot_id = innocent.pid, _starttime(innocent.pid), _boot_id()
            assert records.is_running(state)  # control: so far it would be believed
            if lie == "pid":
                state.starttime += 1
            elif lie == "starttime":
                state.starttime = 1
            else:
                state.boot_id = "00000000-0000-4000-8000-000000000000"
            box.write_settings(command=["/bin/true"])
            records.write_state(state)
            box.launcher("stop", "-t", "0", box.name)
            assert box.launcher("status", box.name).code == 3
            assert box.run("/bin/true").code == 0
            assert innocent.poll() is None
        finally:
            innocent.kill()


def _starttime(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        return int(file.read().rpartition(")")[2].split()[19])


def _boot_id():
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
        return file.read().strip()


def test_A58_what_a_container_writes_drives_no_terminal_through_a_message(box):
    box.write_settings(command=["/bin/sh", "-c", "printf '\\033]0;x\\007\\033[2J{{ 7*7 }}\\n'; exit 3"])
    result = box.launcher("start", "--grace", "2", box.path)
    shown = result.out + result.err
    assert result.code == 1 and "7*7" in shown and "\x1b" not in shown and "\x07" not in shown, result
    for verb in ("list", "status", "inspect"):
        assert "\x1b" not in box.launcher(verb, box.name).out


def test_A59_an_exec_ends_with_its_process_even_if_another_goes_on_writing(started):
    box = started("/bin/sleep", "60")
    begin = time.monotonic()
    with subprocess.Popen([boxes.COMMAND, "exec", box.name, "/bin/sh", "-c", "yes & exit 7"], stdin=subprocess.DEVNULL,
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            assert process.wait(10) == 7
        finally:
            process.kill()
    assert time.monotonic() - begin < 10


def test_A59_input_that_nobody_reads_does_not_stop_the_output(started, tmp_path):
    """A program that writes more than it reads: with one blocking write each side would wait for the other for ever."""
    box = started("/bin/sleep", "60")
    packed = subprocess.run(["gzip", "-9"], input=bytes(64 << 20), capture_output=True, check=True).stdout * 6
    assert len(packed) > 4 << 16  # several pipes full
    done = subprocess.run([boxes.COMMAND, "exec", "-i", box.name, "/bin/sh", "-c", "gzip -dc | tee /dev/null"], input=packed,
                          capture_output=True, timeout=60, check=False)
    assert done.returncode == 0 and len(done.stdout) == 6 * (64 << 20), (done.returncode, done.stderr)


def test_A59_every_byte_in_and_out_is_the_same(started):
    box = started("/bin/sleep", "60")
    data = os.urandom(700000) * 3
    done = subprocess.run([boxes.COMMAND, "exec", "-i", box.name, "/bin/cat"], input=data, stdout=subprocess.PIPE, timeout=60, check=False)
    assert done.returncode == 0 and done.stdout == data
    done = subprocess.run([boxes.COMMAND, "exec", "-i", box.name, "/bin/true"], input=data, stdout=subprocess.PIPE, timeout=60, check=False)
    assert done.returncode == 0 and done.stdout == b""
