# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table: each option has its files on both versions, and what is written is read back as what is kept."""

from __future__ import annotations

import os

import pytest

from ansible_collections.coracle.launcher.plugins.module_utils._coracle.base.errors import LauncherError
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.kernel.cgroup.limits import blkio, cpu, hugetlb, memory, table

PAGE = os.sysconf("SC_PAGE_SIZE")


def rates(rate, path="/dev/sda"):
    return [{"path": path, "rate": rate}]


CASES = [
    # option, normalised value, {file: text} of v1, of v2; a text where a version has no such limit
    ("cpuset_cpus", "0,1, 2", {"cpuset.cpus": "0-2"}, {"cpuset.cpus": "0-2"}),
    ("cpuset_mems", "1", {"cpuset.mems": "1"}, {"cpuset.mems": "1"}),
    ("memory", 4194304 + PAGE - 1, {"memory.limit_in_bytes": "4194304"}, {"memory.max": "4194304"}),
    ("memory", -1, {"memory.limit_in_bytes": "-1"}, {"memory.max": "max"}),
    ("memory", (1 << 63) - 1, {"memory.limit_in_bytes": "-1"}, {"memory.max": "max"}),
    ("memory_swap", -1, {"memory.memsw.limit_in_bytes": "-1"}, {"memory.swap.max": "max"}),
    ("memory_reservation", 3145729, {"memory.soft_limit_in_bytes": "3145728"}, {"memory.low": "3145728"}),
    ("memory_reservation", -1, {"memory.soft_limit_in_bytes": "-1"}, {"memory.low": "max"}),
    ("memory_swappiness", 10, {"memory.swappiness": "10"}, "no swappiness"),
    ("oom_group", True, "cannot end all", {"memory.oom.group": "1"}),
    ("oom_group", False, "cannot end all", {"memory.oom.group": "0"}),
    ("cpu_percent", 5, {"cpu.shares": "51"}, {"cpu.weight": "5"}),
    ("cpu_percent", 1, {"cpu.shares": "10"}, {"cpu.weight": "1"}),
    ("cpu_percent", 25600, {"cpu.shares": "262144"}, {"cpu.weight": "10000"}),
    ("cpu_shares", 2, {"cpu.shares": "2"}, {"cpu.weight": "1"}),
    ("cpu_shares", 1024, {"cpu.shares": "1024"}, {"cpu.weight": "100"}),
    ("cpus", "0.5", {"cpu.cfs_period_us": "100000", "cpu.cfs_quota_us": "50000"}, {"cpu.max": "50000 100000"}),
    ("cpus", "-1", {"cpu.cfs_period_us": "100000", "cpu.cfs_quota_us": "-1"}, {"cpu.max": "max 100000"}),
    ("cpu_period", 50000, {"cpu.cfs_period_us": "50000", "cpu.cfs_quota_us": "-1"}, {"cpu.max": "max 50000"}),
    ("cpu_quota", 20000, {"cpu.cfs_quota_us": "20000"}, {"cpu.max": "20000"}),
    ("cpu_quota", -1, {"cpu.cfs_quota_us": "-1"}, {"cpu.max": "max"}),
    ("pids_limit", 20, {"pids.max": "20"}, {"pids.max": "20"}),
    ("pids_limit", -1, {"pids.max": "max"}, {"pids.max": "max"}),
    ("blkio_weight", 300, {"blkio.bfq.weight": "300"}, {"io.bfq.weight": "300", "io.weight": "300"}),
    ("device_read_bps", rates(1048576), {"blkio.throttle.read_bps_device": "8:0 1048576"}, {"io.max": "8:0 rbps=1048576"}),
    ("device_write_bps", rates(1048576), {"blkio.throttle.write_bps_device": "8:0 1048576"}, {"io.max": "8:0 wbps=1048576"}),
    ("device_read_iops", rates(90), {"blkio.throttle.read_iops_device": "8:0 90"}, {"io.max": "8:0 riops=90"}),
    ("device_write_iops", rates(-1), {"blkio.throttle.write_iops_device": "8:0 0"}, {"io.max": "8:0 wiops=max"}),
    ("hugepages", {"2M": 68157440, "1G": -1}, {"hugetlb.2MB.limit_in_bytes": "67108864", "hugetlb.1GB.limit_in_bytes": "-1"},
     {"hugetlb.2MB.max": "67108864", "hugetlb.1GB.max": "max"}),
]


@pytest.fixture(autouse=True)
def machine(monkeypatch):
    monkeypatch.setattr(blkio, "_number", lambda path, option: {"/dev/sda": "8:0", "/dev/sdb": "8:16"}[path])
    monkeypatch.setattr(blkio._Weight, "_has", lambda self, place, controller, name: name != "blkio.weight")
    monkeypatch.setattr(hugetlb, "page_sizes", lambda: [2 << 20, 1 << 30])


@pytest.mark.parametrize("unified", [False, True])
def test_each_limit_goes_to_the_files_of_this_version_and_comes_back(paper, unified):
    assert {case[0] for case in CASES} == set(table.OPTIONS) - {"devices"}, "a new option needs a case here; devices: test_devices.py"
    for option, value, *expected in CASES:
        row, place = table.row(option), paper(unified)
        if isinstance(expected[unified], str):
            with pytest.raises(LauncherError) as caught:
                row.check(value, place)
            assert caught.value.option == option and expected[unified] in str(caught.value) and row.read(place) is None
            continue
        if option != "memory_swap":  # asks the hierarchy, see test_memory.py
            row.check(value, place)
        assert dict(row.writes(value, place)) == expected[unified], (option, value)
        assert row.read(place, value) is None, "no such file"
        # What a text of the kernel's files would be after the write.
        place.content = {name: text.replace("8:0 0", "") for name, text in expected[unified].items()}
        if option == "cpu_quota" and unified:
            place.content["cpu.max"] += " 100000"
        place.content.setdefault("memory.max", "max")
        assert row.read(place, value) == row.kept(value, place), (option, value)


@pytest.mark.parametrize("unified", [False, True])
def test_what_the_kernel_keeps_does_not_change_when_it_is_asked_again(paper, unified):
    for option, values in {"memory": [PAGE, 4194305, 1 << 40, -1], "cpu_shares": [2, 3, 51, 52, 1023, 1024, 262144], "cpuset_cpus": ["0", "0-3,7,9-10"],
                           "cpu_percent": [1, 3, 5, 33, 99, 100, 101, 999, 10000], "cpus": ["0.01", "0.333", "1", "16.125", "-1"]}.items():
        for value in values:
            kept = table.row(option).kept(value, paper(unified))
            assert table.row(option).kept(kept, paper(unified)) == kept


@pytest.mark.parametrize("given, option", [
    ({"cpu_shares": 5, "cpu_percent": 5}, "cpu_percent"), ({"cpus": "1", "cpu_period": 1000}, "cpu_period"), ({"cpus": "1", "cpu_quota": 1000}, "cpu_quota"),
    ({"pids_limit": 5, "cgroup_conf": {"pids.max": 6}}, "cgroup_conf"), ({"memory": 1}, "memory"),
])
@pytest.mark.parametrize("unified", [False, True])
def test_two_limits_for_one_file_are_refused(paper, unified, given, option):
    with pytest.raises(LauncherError) as caught:
        table.check(given, paper(unified))
    assert caught.value.option == option


def test_limits_that_share_a_file_without_meeting_are_not(paper):
    four = {option: rates(7) + rates(8, "/dev/sdb") for option in table.OPTIONS if option.startswith("device_")}
    table.check({**four, "cpu_period": 50000, "cpu_quota": 20000}, paper(True))
    with pytest.raises(LauncherError, match="same file as device_read_bps, io.max"):
        table.check({**four, "cgroup_conf": {"io.max": "8:0 rbps=5"}}, paper(True))


def test_a_controller_that_is_not_mounted_is_named(paper):
    for unified, how in ((False, "mount -t cgroup -o memory"), (True, "cgroup_disable")):
        place = paper(unified)
        del place.layout.mounts["memory"]
        with pytest.raises(LauncherError) as caught:
            table.check({"memory": 8388608}, place)
        assert "controller memory" in str(caught.value) and how in caught.value.remedy


def test_containers_load_no_row_that_they_do_not_have():
    assert set(table.COMMON) - {"cpuset_cpus", "cpuset_mems"} == {row.option for rows in (memory.ROWS, cpu.ROWS) for row in rows} | {"pids_limit"}


@pytest.mark.parametrize("option, value", [("memory", 0), ("memory", PAGE - 1), ("cpuset_cpus", ""), ("cpuset_cpus", "1-"), ("cpuset_cpus", "3-1"),
                                           ("cpuset_cpus", "0-99999999"), ("cpuset_mems", "a"), ("cpuset_mems", "0,,1"), ("cpuset_cpus", "-1")])
def test_values_that_cannot_be_are_refused_with_their_option(paper, option, value):
    with pytest.raises(LauncherError) as caught:
        table.row(option).kept(value, paper(False))
    assert (caught.value.option, caught.value.value) == (option, value)


@pytest.mark.parametrize("option, value", [
    ("memory_swap", "much"), ("memory_swappiness", 101), ("memory_swappiness", -1), ("oom_group", "yes"), ("cpu_period", 999), ("cpu_period", 1000001),
    ("cpu_quota", 999), ("cpu_quota", -2), ("blkio_weight", 9), ("blkio_weight", 1001), ("device_read_bps", rates("fast")), ("device_read_bps", rates("0")),
    ("device_write_iops", rates("1M")), ("device_read_iops", rates(1 << 32)), ("device_read_bps", rates(1) + rates(2)), ("hugepages", {"3M": 0}),
    ("hugepages", {"2M": "x"}), ("hugepages", {"2M": 0, "2048K": 0}),
])
def test_values_of_users_are_refused_with_their_option(option, value):
    with pytest.raises(LauncherError) as caught:
        table.row(option).normalise(value)
    assert caught.value.option == option


@pytest.mark.parametrize("option, value, kept", [("cpu_quota", "-1", -1), ("cpu_quota", 1000, 1000), ("hugepages", {"2048K": "4M"}, {"2M": 4194304}),
                                                 ("device_write_bps", rates("2k"), rates(2048)), ("device_read_iops", rates("-1"), rates(-1))])
def test_values_of_users_become_numbers(option, value, kept):
    assert table.row(option).normalise(value) == kept
