# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The counters of v1 and v2 as kernels print them, and that both are told in the same words."""

from __future__ import annotations

import os

import pytest

from ansible_collections.coracle.launcher.plugins.module_utils._coracle.kernel.cgroup import counters, usage

V1 = {
    "memory.usage_in_bytes": "372736",
    "memory.max_usage_in_bytes": "1564672",
    "memory.kmem.usage_in_bytes": "94208",
    "memory.failcnt": "31",
    "memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 4",
    "memory.stat": """cache 9875456
rss 7610368
rss_huge 0
shmem 9166848
swap 0
pgfault 1243330
hierarchical_memory_limit 16777216
total_cache 28672
total_rss 114688
total_rss_huge 0
total_shmem 4096
total_mapped_file 0
total_swap 8192
total_pgfault 854
total_pgmajfault 1
total_inactive_anon 114688
total_inactive_file 12288
total_unevictable 0""",
    "cpu.stat": "nr_periods 9\nnr_throttled 2\nthrottled_time 7000\nnr_bursts 0\nburst_time 0",
    "cpuacct.usage": "61120537",
    "cpuacct.stat": "user 4\nsystem 1",
    "pids.current": "3",
    "pids.events": "max 6",
    "blkio.throttle.io_service_bytes_recursive": """254:16 Read 4096
254:16 Write 512
254:16 Sync 4608
254:16 Async 0
254:16 Discard 0
254:16 Total 4608
254:0 Read 4194304
254:0 Write 8388608
254:0 Total 12582912
Total 12587520""",
    "blkio.throttle.io_serviced_recursive": "254:16 Read 1\n254:16 Write 2\n254:0 Read 4\n254:0 Write 8\n254:0 Total 12\nTotal 15",
    "hugetlb.2MB.usage_in_bytes": "4194304",
}
V2 = {
    "memory.current": "372736",
    "memory.peak": "1564672",
    "memory.swap.current": "8192",
    "memory.events": "low 0\nhigh 7\nmax 31\noom 5\noom_kill 4\noom_group_kill 0",
    "memory.stat": """anon 114688
file 28672
kernel 94208
kernel_stack 16384
sock 0
shmem 4096
file_mapped 0
inactive_anon 114688
inactive_file 12288
unevictable 0
pgfault 854
pgmajfault 1""",
    "cpu.stat": """usage_usec 61120
user_usec 40000
system_usec 10000
nr_periods 9
nr_throttled 2
throttled_usec 7
nr_bursts 0
burst_usec 0""",
    "pids.current": "3",
    "pids.events": "max 6",
    "io.stat": "254:16 rbytes=4096 wbytes=512 rios=1 wios=2 dbytes=0 dios=0\n254:0 rbytes=4194304 wbytes=8388608 rios=4 wios=8 dbytes=0 dios=0 cost.usage=1",
    "hugetlb.2MB.current": "4194304",
    "cpu.pressure": "some avg10=5.14 avg60=3.12 avg300=1.94 total=7551",  # before Linux 5.13 without `full`
    "memory.pressure": "some avg10=0.00 avg60=0.00 avg300=0.00 total=0\nfull avg10=0.18 avg60=0.59 avg300=1.14 total=192",
}
SAME = {
    "memory_usage": 372736, "memory_peak": 1564672, "memory_swap_usage": 8192, "memory_anon": 114688, "memory_file": 28672,
    "memory_inactive_file": 12288, "memory_shmem": 4096, "memory_kernel": 94208, "page_faults": 854, "major_page_faults": 1,
    "memory_max_hits": 31, "oom_kills": 4, "cpu_user_ns": 40000000, "cpu_system_ns": 10000000, "cpu_periods": 9, "cpu_throttled_periods": 2,
    "cpu_throttled_ns": 7000, "pids": 3, "pids_peak": None, "pids_max_hits": 6,
    "io_read_bytes": 4198400, "io_write_bytes": 8389120, "io_read_operations": 5, "io_write_operations": 10,
    "io_devices": [
        {"device": "254:0", "read_bytes": 4194304, "write_bytes": 8388608, "read_operations": 4, "write_operations": 8},
        {"device": "254:16", "read_bytes": 4096, "write_bytes": 512, "read_operations": 1, "write_operations": 2},
    ],
    "hugepages_usage": {"2M": 4194304},
}  # fmt: skip
NOTHING = {"avg10": None, "avg60": None, "avg300": None, "total_ns": None}


@pytest.fixture(autouse=True)
def one_size(monkeypatch):
    """A host with huge pages of 2 MiB, whose kernel has the usual 100 ticks."""
    monkeypatch.setattr(counters.hugetlb, "page_sizes", lambda: [2 << 20])
    if os.sysconf("SC_CLK_TCK") != 100:
        pytest.skip("the ticks of cpuacct.stat above are hundredths")


def read(unified):
    content = V2 if unified else V1
    return lambda _controller, file: content.get(file)


@pytest.mark.parametrize("unified, other", [
    (False, {"cpu_usage_ns": 61120537, "memory_high_hits": None}),
    (True, {"cpu_usage_ns": 61120000, "memory_high_hits": 7}),
])
def test_both_versions_are_told_in_the_same_words(unified, other):
    found = usage.usage(read(unified), unified)
    pressure = found.pop("pressure")
    assert found == {**SAME, **other}
    assert {resource: set(kinds) for resource, kinds in pressure.items()} == dict.fromkeys(("cpu", "memory", "io"), {"some", "full"})
    assert usage.oom_kills(read(unified), unified) == 4


def test_pressure_is_of_v2_and_has_all_its_keys_everywhere():
    pressure = usage.usage(read(True), True)["pressure"]
    assert pressure["cpu"] == {"some": {"avg10": 5.14, "avg60": 3.12, "avg300": 1.94, "total_ns": 7551000}, "full": NOTHING}
    assert pressure["memory"]["full"] == {"avg10": 0.18, "avg60": 0.59, "avg300": 1.14, "total_ns": 192000}
    assert pressure["io"] == {"some": NOTHING, "full": NOTHING}
    v1 = usage.usage(lambda _controller, file: V2.get(file), False)["pressure"]  # a v1 kernel has such files only for the whole host
    assert list(v1.values()) == [{"some": NOTHING, "full": NOTHING}] * 3


@pytest.mark.parametrize("unified", [False, True])
def test_what_no_file_counts_is_none_and_never_zero(unified):
    def leaves(value):
        return [leaf for each in value.values() for leaf in leaves(each)] if isinstance(value, dict) else [value]
    assert set(leaves(usage.usage(lambda *_file: None, unified))) == {None}
    assert usage.oom_kills(lambda *_file: None, unified) is None


def test_every_file_is_read_once():
    asked = []
    usage.usage(lambda controller, file: asked.append((controller, file)), True)
    assert len(asked) == len(set(asked)) > 10


BYTES, NUMBERS = "blkio.throttle.io_service_bytes", "blkio.throttle.io_serviced"


@pytest.mark.parametrize("files, devices", [
    ({f"{BYTES}_recursive": "Total 0", f"{NUMBERS}_recursive": "Total 0"}, None),
    # What Linux 6.1 shows when nothing is throttled, whatever is read and written.
    ({f"{BYTES}_recursive": "254:0 Read 0\n254:0 Write 0\n254:0 Total 0\nTotal 0", f"{NUMBERS}_recursive": "254:0 Read 0\n254:0 Write 0\nTotal 0"}, None),
    # And with a limit for writing: still nothing of what was read.
    ({BYTES: "254:0 Read 0\n254:0 Write 1048576\n254:0 Total 1048576\nTotal 1048576", NUMBERS: "254:0 Read 0\n254:0 Write 16\nTotal 16"},
     [{"device": "254:0", "read_bytes": None, "write_bytes": 1048576, "read_operations": None, "write_operations": 16}]),
    ({f"{BYTES}_recursive": "Total 0", "blkio.bfq.io_service_bytes_recursive": "8:16 Read 512\nTotal 512"},
     [{"device": "8:16", "read_bytes": 512, "write_bytes": None, "read_operations": None, "write_operations": None}]),
])  # fmt: skip
def test_v1_counts_of_devices_come_from_whoever_counts_and_are_never_zero(files, devices):
    found = usage.usage(lambda _controller, file: files.get(file), False)
    assert found["io_devices"] == devices
    for name in ("read_bytes", "write_bytes", "read_operations", "write_operations"):
        assert found[f"io_{name}"] == (devices and devices[0][name])


def test_v2_without_any_traffic_counts_zero():
    found = usage.usage(lambda _controller, file: "" if file == "io.stat" else None, True)
    assert (found["io_devices"], found["io_read_bytes"]) == ([], 0)
