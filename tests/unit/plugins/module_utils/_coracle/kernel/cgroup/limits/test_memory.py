# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import errno

import pytest

from ansible_collections.coracle.launcher.plugins.module_utils._coracle.base.errors import LauncherError
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.kernel.cgroup.limits import memory, table

NO_LIMIT = "9223372036854771712"
SWAP = table.row("memory_swap")


@pytest.mark.parametrize("text, value", [(NO_LIMIT, -1), ("9223372036854775807", -1), ("max", -1), ("4096", 4096)])
def test_no_memory_limit_in_every_spelling(text, value):
    assert memory.parse_bytes(text) == value


@pytest.mark.parametrize("asked, have, both, swap", [
    ({"memory": 8 << 20}, "max", 24 << 20, "16777216"),  # the task's own limit counts
    ({}, str(8 << 20), 24 << 20, "16777216"),            # or the kernel's
    ({"memory": 8 << 20}, str(4 << 20), 8 << 20, "0"),   # no swap at all
    ({"memory": (8 << 20) + 5}, "max", (24 << 20) + 7, "16777216"),
    ({"memory": -1}, "max", -1, "max"),
])
def test_v2_keeps_swap_alone(paper, asked, have, both, swap):
    place = paper(True, asked, memory__max=have, memory__swap__max="max")
    assert SWAP.writes(both, place) == [("memory.swap.max", swap)]
    place.content.update({"memory.max": str(memory.whole_pages(asked["memory"])) if asked.get("memory", -1) > 0 else have, "memory.swap.max": swap})
    assert SWAP.read(place, both) == SWAP.kept(both, place)


@pytest.mark.parametrize("unified", [False, True])
@pytest.mark.parametrize("asked, both, says", [({}, 8 << 20, "memory has no limit"), ({"memory": -1}, 8 << 20, "memory has no limit"),
                                               ({"memory": 8 << 20}, 4 << 20, "less than the 8388608 bytes")])
def test_a_sum_needs_memory_and_is_not_less(paper, unified, asked, both, says):
    with pytest.raises(LauncherError, match=says) as caught:
        SWAP.kept(both, paper(unified, asked, memory__max="max", memory__limit_in_bytes=NO_LIMIT))
    assert caught.value.option == "memory_swap"


@pytest.mark.parametrize("have, both, first", [("8388608", 16 << 20, True), ("8388608", 8 << 20, False), ("8388608", -1, True), (NO_LIMIT, 8 << 20, False)])
def test_v1_a_sum_that_grows_goes_before_memory(paper, have, both, first):
    place = paper(False, {"memory": 4 << 20}, memory__memsw__limit_in_bytes=have)
    assert SWAP.goes_first(both, place) is first
    assert table.raw_row("memory.memsw.limit_in_bytes").goes_first(str(both), place) is first


def test_a_kernel_that_does_not_count_swap(paper):
    for place in (paper(True, {"memory": 8 << 20}, memory__max="max"), paper(False, {"memory": 8 << 20})):  # /nowhere has no memsw either
        with pytest.raises(LauncherError, match="does not count swap") as caught:
            SWAP.check(16 << 20, place)
        assert "swapaccount=1" in caught.value.remedy


def test_v2_swap_below_what_is_swapped_out_is_refused(paper):
    place = paper(True, {"memory": 8 << 20}, memory__swap__current="9000000")
    with pytest.raises(OSError) as caught:
        SWAP.prepare(16 << 20, place)
    assert caught.value.errno == errno.EBUSY and "9000000 bytes" in SWAP.remedy(caught.value, place)
    SWAP.prepare(24 << 20, place)
