# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A thousand cgroups come and go, some with a process that is stopped or killed in them, and nothing of them is left."""

from __future__ import annotations

import os

from ansible_collections.coracle.launcher.plugins.module_utils._coracle.kernel.cgroup import detect
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.work.limits import Cgroup

CYCLES = 1000
LIMITS = {"memory": 8 << 20, "cpu_percent": 5, "cpus": "0.5", "pids_limit": 5, "cgroup_conf": {"memory.soft_limit_in_bytes": 4 << 20}}


def test_1000_cycles_leak_nothing() -> None:
    layout = detect.find()
    limits = dict(LIMITS)
    if layout.mode == detect.V2:
        limits["cgroup_conf"] = {"memory.low": 4 << 20}
    home = f"coracle/atk-cycles-{os.getpid()}"
    anchor = Cgroup(layout, home)
    anchor.create()
    try:
        one_cycle(layout, home, limits, with_process=True)  # what is loaded and opened once is no leak
        before = left_behind()
        for number in range(CYCLES):
            one_cycle(layout, home, limits, with_process=number % 20 == 0)
        after = left_behind()
        assert directories_below(anchor) == []
        assert after["descriptors"] == before["descriptors"]
        # The kernel counts those of everybody here, and those that are just being taken apart: a leak would be a thousand.
        for controller, number in after["cgroups"].items():
            assert number - before["cgroups"][controller] < CYCLES // 2, controller
        assert no_children()
    finally:
        anchor.kill()
        anchor.remove()
    assert not anchor.exists()


def one_cycle(layout: detect.Layout, home: str, limits: dict, with_process: bool) -> None:
    group = Cgroup(layout, f"{home}/cycle")
    assert group.create()
    assert group.set(limits)
    if with_process:
        pid = sleeper_in(group)
        group.freeze()
        assert group.processes() == [pid]
        assert group.kill(10)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -9
    group.remove()
    assert not group.exists()


def sleeper_in(group: Cgroup) -> int:
    ready, tell = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            group.join()
            os.write(tell, b"x")
            os.close(tell)
            os.read(os.pipe()[0], 1)
        finally:
            os._exit(1)
    os.close(tell)
    assert os.read(ready, 1) == b"x"
    os.close(ready)
    return pid


def left_behind() -> dict:
    with open("/proc/cgroups", encoding="ascii") as file:
        rows = [line.split() for line in file if not line.startswith("#")]
    return {"descriptors": len(os.listdir("/proc/self/fd")), "cgroups": {row[0]: int(row[2]) for row in rows}}


def directories_below(group: Cgroup) -> list[str]:
    return [f"{directory}/{name}" for directory in set(group.paths().values()) for name in os.listdir(directory) if os.path.isdir(f"{directory}/{name}")]


def no_children() -> bool:
    try:
        os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        return True
    return False
