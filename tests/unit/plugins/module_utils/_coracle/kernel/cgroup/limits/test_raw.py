# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest

from ansible_collections.coracle.launcher.plugins.module_utils._coracle.base.errors import LauncherError
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.kernel.cgroup.limits import raw

NO_LIMIT = "9223372036854771712"


@pytest.mark.parametrize("key, controller", [("memory.swappiness", "memory"), ("net_cls.classid", "net_cls"), ("hugetlb.2MB.max", "hugetlb")])
def test_a_raw_key_names_its_controller(key, controller):
    assert raw.raw_controller(key) == controller


@pytest.mark.parametrize("key", ["tasks", "cgroup.procs", "cgroup.kill", "release_agent", "notify_on_release", "../memory.max", "memory.", ".", "",
                                 "memory.max\n", "memory/../x.y", "devices.allow", "devices.deny", "memory.force_empty"])
def test_a_raw_key_that_could_do_harm_is_refused(key):
    with pytest.raises(LauncherError) as caught:
        raw.raw_controller(key)
    assert caught.value.option == "cgroup_conf"


@pytest.mark.parametrize("value, text", [(10, "10"), ("  4M ", "4M"), (True, "1"), ("8:0   rbps=1", "8:0 rbps=1")])
def test_raw_text(value, text):
    assert raw.raw_text(value) == text


@pytest.mark.parametrize("value", ["\x00", "ä", None, ["8:0 1"], {"a": 1}, 0.5])
def test_raw_text_refuses(value):
    with pytest.raises(LauncherError):
        raw.raw_text(value)


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
    assert raw.raw_same(key, want, have) is same


@pytest.mark.parametrize("want, before, undo", [
    ("10", "60", "60"),
    ("1", "oom_kill_disable 0\nunder_oom 0", "0"),
    ("5000 10000", "max 100000", "max 100000"),
    ("8:0 5", "8:0 9\n8:16 7", "8:0 9"),
    ("8:0 5", "8:16 7", "8:0 0"),
    ("8:0 rbps=5 wbps=6", "", "8:0 rbps=max wbps=max"),
])
def test_raw_values_can_be_taken_back(want, before, undo):
    assert raw.raw_undo(want, before) == undo


def test_a_key_that_holds_what_is_asked_in_other_words_is_equal(paper):
    row = raw.RawKey("memory.high")
    assert row.read(paper(True, memory__high="6291456"), "6M") == "6M" and row.read(paper(True, memory__high="6291456")) == "6291456"
    assert row.read(paper(True, memory__high="max"), "6M") == "max" and row.read(paper(True), "6M") is None
