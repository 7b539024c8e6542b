# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os

import pytest

from ansible_collections.coracle.launcher.plugins.module_utils._coracle.base.errors import LauncherError
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.kernel.cgroup import limits

PAGE = os.sysconf("SC_PAGE_SIZE")
ROWS = {row.option: row for row in limits.ROWS}
NO_LIMIT = "9223372036854771712"


@pytest.mark.parametrize("option, value, v1, v2", [
    ("memory", 4194304, {"memory.limit_in_bytes": "4194304"}, {"memory.max": "4194304"}),
    ("memory", 4194304 + PAGE - 1, {"memory.limit_in_bytes": "4194304"}, {"memory.max": "4194304"}),
    ("memory", -1, {"memory.limit_in_bytes": "-1"}, {"memory.max": "max"}),
    ("memory", (1 << 63) - 1, {"memory.limit_in_bytes": "-1"}, {"memory.max": "max"}),
    ("cpu_percent", 5, {"cpu.shares": "51"}, {"cpu.weight": "5"}),
    ("cpu_percent", 1, {"cpu.shares": "10"}, {"cpu.weight": "1"}),
    ("cpu_percent", 100, {"cpu.shares": "1024"}, {"cpu.weight": "100"}),
    ("cpu_percent", 25600, {"cpu.shares": "262144"}, {"cpu.weight": "10000"}),
    ("cpu_shares", 2, {"cpu.shares": "2"}, {"cpu.weight": "1"}),
    ("cpu_shares", 1024, {"cpu.shares": "1024"}, {"cpu.weight": "100"}),
    ("cpus", "0.5", {"cpu.cfs_period_us": "100000", "cpu.cfs_quota_us": "50000"}, {"cpu.max": "50000 100000"}),
    ("cpus", "2", {"cpu.cfs_period_us": "100000", "cpu.cfs_quota_us": "200000"}, {"cpu.max": "200000 100000"}),
    ("cpus", "-1", {"cpu.cfs_period_us": "100000", "cpu.cfs_quota_us": "-1"}, {"cpu.max": "max 100000"}),
    ("pids_limit", 20, {"pids.max": "20"}, {"pids.max": "20"}),
    ("pids_limit", -1, {"pids.max": "max"}, {"pids.max": "max"}),
    ("cpuset_cpus", "0,1,2, 5", {"cpuset.cpus": "0-2,5"}, {"cpuset.cpus": "0-2,5"}),
    ("cpuset_mems", "0", {"cpuset.mems": "0"}, {"cpuset.mems": "0"}),
])
def test_each_limit_goes_to_the_files_of_this_version(option, value, v1, v2):
    row = ROWS[option]
    assert dict(zip(row.v1.names, row.v1.render(value))) == v1
    assert dict(zip(row.v2.names, row.v2.render(value))) == v2


@pytest.mark.parametrize("unified", [False, True])
@pytest.mark.parametrize("option, values", [
    ("memory", [PAGE, 4194305, 1 << 40, -1]),
    ("cpu_shares", [2, 3, 51, 52, 1023, 1024, 262144]),
    ("cpu_percent", [1, 3, 5, 33, 99, 100, 101, 999, 10000]),
    ("cpus", ["0.01", "0.333", "1", "16.125", "-1"]),
    ("pids_limit", [0, 1, 4194304, -1]),
    ("cpuset_cpus", ["0", "0-3,7,9-10"]),
])
def test_what_the_kernel_keeps_does_not_change_when_it_is_asked_again(option, values, unified):
    for value in values:
        kept = ROWS[option].kept(value, unified)
        again = ROWS[option].kept(int(kept) if option == "cpu_shares" else kept, unified)
        assert again == kept


@pytest.mark.parametrize("option", ["cpu_percent", "cpus", "pids_limit", "cpuset_cpus"])
def test_values_without_rounding_are_kept_as_given(option):
    for value in {"cpu_percent": range(1, 400), "cpus": ["0.123", "3"], "pids_limit": [0, 7], "cpuset_cpus": ["0-2"]}[option]:
        assert ROWS[option].kept(value, False) == value
        assert ROWS[option].kept(value, True) == value


def test_shares_that_no_percentage_means_are_shown_as_a_fraction():
    shown = [ROWS["cpu_percent"].v1.parse((str(shares),)) for shares in (50, 51, 52)]
    assert shown == [4.88, 5, 5.08]


def test_a_cap_in_another_period_is_compared_by_its_ratio():
    parse = ROWS["cpus"].v1.parse
    assert parse(("50000", "25000")) == "0.5" and parse(("100000", "50001")) == "0.50001" and parse(("100000", "-1")) == "-1"


@pytest.mark.parametrize("text, value", [(NO_LIMIT, -1), ("9223372036854775807", -1), ("max", -1), ("4096", 4096)])
def test_no_memory_limit_in_every_spelling(text, value):
    assert limits.parse_bytes(text) == value


@pytest.mark.parametrize("option, value", [("memory", 0), ("memory", PAGE - 1), ("cpuset_cpus", ""), ("cpuset_cpus", "1-"), ("cpuset_cpus", "3-1"),
                                           ("cpuset_cpus", "0-99999999"), ("cpuset_mems", "a"), ("cpuset_mems", "0,,1"), ("cpuset_cpus", "-1")])
def test_values_that_cannot_be_are_refused_with_their_option(option, value):
    with pytest.raises(LauncherError) as caught:
        ROWS[option].kept(value, False)
    assert (caught.value.option, caught.value.value) == (option, value)


def test_a_cpuset_is_written_first_and_options_have_one_row_each():
    assert limits.OPTIONS[:2] == ("cpuset_cpus", "cpuset_mems")
    assert len(set(limits.OPTIONS)) == len(limits.OPTIONS)


@pytest.mark.parametrize("key, controller", [("memory.swappiness", "memory"), ("net_cls.classid", "net_cls"), ("hugetlb.2MB.max", "hugetlb")])
def test_a_raw_key_names_its_controller(key, controller):
    assert limits.raw_controller(key) == controller


@pytest.mark.parametrize("key", ["tasks", "cgroup.procs", "cgroup.kill", "release_agent", "notify_on_release", "../memory.max", "memory.", ".", "",
                                 "memory.max\n", "memory/../x.y", "devices.allow", "devices.deny", "memory.force_empty"])
def test_a_raw_key_that_could_do_harm_is_refused(key):
    with pytest.raises(LauncherError) as caught:
        limits.raw_controller(key)
    assert caught.value.option == "cgroup_conf"


@pytest.mark.parametrize("value, text", [(10, "10"), ("  4M ", "4M"), (True, "1"), ("8:0   rbps=1", "8:0 rbps=1")])
def test_raw_text(value, text):
    assert limits.raw_text(value) == text


@pytest.mark.parametrize("value", ["\x00", "ä", None, ["8:0 1"], {"a": 1}, 0.5])
def test_raw_text_refuses(value):
    with pytest.raises(LauncherError):
        limits.raw_text(value)


@pytest.mark.parametrize("key, want, have, same", [
    ("memory.swappiness", "10", "10", True),
    ("memory.swappiness", "10", "60", False),
    ("memory.soft_limit_in_bytes", "4M", "4194304", True),
    ("memory.soft_limit_in_bytes", "4194305", "4194304", True),
    ("memory.soft_limit_in_bytes", "4M", "4198400", False),
    ("memory.swappiness", "11", "10", False),
    ("memory.memsw.limit_in_bytes", "-1", NO_LIMIT, True),
    ("memory.memsw.limit_in_bytes", "8M", NO_LIMIT, False),
    ("memory.high", "max", "max", True),
    ("memory.high", "unlimited", "max", True),
    ("memory.oom_control", "0", "oom_kill_disable 0\nunder_oom 1", True),
    ("memory.oom_control", "1", "oom_kill_disable 0\nunder_oom 1", False),
    ("cpu.max", "max 100000", "max 100000", True),
    ("io.max", "8:0 rbps=1048576", "8:0 rbps=1048576 wbps=max riops=max wiops=max", True),
    ("io.max", "8:0 rbps=1048576", "8:16 rbps=1048576 wbps=max", False),
    ("io.max", "8:0 rbps=max", "", True),
    ("io.max", "8:0 rbps=1", "", False),
    ("blkio.throttle.read_bps_device", "8:0 0", "", True),
    ("blkio.throttle.read_bps_device", "8:0 5", "8:0 5\n8:16 6", True),
])
def test_raw_values_are_compared_as_the_kernel_shows_them(key, want, have, same):
    assert limits.raw_same(key, want, have) is same


@pytest.mark.parametrize("want, before, undo", [
    ("10", "60", "60"),
    ("1", "oom_kill_disable 0\nunder_oom 0", "0"),
    ("5000 10000", "max 100000", "max 100000"),
    ("8:0 5", "8:0 9\n8:16 7", "8:0 9"),
    ("8:0 5", "8:16 7", "8:0 0"),
    ("8:0 rbps=5 wbps=6", "", "8:0 rbps=max wbps=max"),
])
def test_raw_values_can_be_taken_back(want, before, undo):
    assert limits.raw_undo(want, before) == undo
