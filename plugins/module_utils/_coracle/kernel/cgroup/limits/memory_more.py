# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What else the memory controller limits: a reservation, swap, and who goes when there is no memory."""

from __future__ import annotations

import errno
import os

from ....base import text
from ....base.errors import LauncherError
from .memory import parse_bytes, sizes, whole_pages
from .row import Files, Lacking, Row, integer

_TOGETHER = "memory.memsw.limit_in_bytes"
_SWAP = "memory.swap.max"


class _Together(Row):
    """memory_swap, in docker's meaning: memory and swap together. v1 keeps the sum, v2 swap alone."""

    def kept(self, value, place):
        memory = _memory(place)
        if value != text.UNLIMITED and memory == text.UNLIMITED:
            raise LauncherError("limits memory and swap together, but memory has no limit", option=self.option, value=value,
                                remedy="Give memory too")
        if value != text.UNLIMITED and value < memory:
            raise LauncherError(f"is less than the {memory} bytes of memory alone", option=self.option, value=value,
                                remedy="Give the sum of memory and swap; the same number as memory is no swap at all")
        return whole_pages(value)

    def check(self, value, place):
        super().check(value, place)
        # The file of a v1 controller is in its root, too, that of v2 is not: there only a cgroup that has the controller tells.
        without = (place.read("memory", "memory.max") is not None and place.read("memory", _SWAP) is None if place.unified
                   else not os.path.exists(f"{place.layout.mounts['memory']}/{_TOGETHER}"))
        if without:
            raise LauncherError(f"this kernel does not count swap: the controller memory has no {_SWAP if place.unified else _TOGETHER}",
                                option=self.option, value=value, remedy="Boot it with swapaccount=1")

    def read(self, place, asked=None):
        if not place.unified:
            return super().read(place, asked)
        memory, swap = place.read("memory", "memory.max"), place.read("memory", _SWAP)
        if memory is None or swap is None:
            return None
        if swap == "max":
            return text.UNLIMITED
        # Without a limit of memory there is no sum; -1 would say that swap has none either.
        return None if memory == "max" else int(memory) + int(swap)

    def goes_first(self, value, place):
        """v1 refuses a sum below the limit of memory and a limit of memory above the sum (mem_cgroup_resize_max): a sum that grows goes
        before memory, one that shrinks after it. v2 does not mind, but more swap makes room for less memory."""
        have = self.read(place)
        return have is not None and have != text.UNLIMITED and (value == text.UNLIMITED or value > have)

    def prepare(self, value, place):
        """v2 takes a limit of swap below what is swapped out already, which v1 refuses: so that both refuse."""
        if place.unified and value != text.UNLIMITED:
            used = place.read("memory", "memory.swap.current")
            if used is not None and int(used) > whole_pages(value) - _memory(place):
                raise OSError(errno.EBUSY, os.strerror(errno.EBUSY), f"{place.directory('memory')}/{_SWAP}")

    def remedy(self, error, place):
        if error.errno == errno.EBUSY:
            used = place.read("memory", "memory.swap.current" if place.unified else "memory.memsw.usage_in_bytes")
            swap = " of swap" if place.unified else ""
            return f"{used} bytes{swap} are in use, and stay so: give more, or end processes in {place.path} first"
        return "Boot the kernel with swapaccount=1" if error.errno == errno.ENOENT else None


def _memory(place):
    """The limit of memory in bytes that will hold beside this one: asked, or else the kernel's."""
    asked = place.asked.get("memory")
    if asked is not None:
        return whole_pages(asked)
    have = place.read("memory", "memory.max" if place.unified else "memory.limit_in_bytes")
    return text.UNLIMITED if have is None else parse_bytes(have)


def _render_swap(value, place):
    return ("max" if whole_pages(value) == text.UNLIMITED else str(whole_pages(value) - _memory(place)),)


def _boolean(value):
    if not isinstance(value, bool):
        raise LauncherError("is neither true nor false", option="oom_group", value=value, remedy="Give true or false")
    return value


def _size(option):
    return lambda value: text.parse_size(value, option)


ROWS = (
    _Together("memory_swap", sizes("memory", _TOGETHER, "-1"), Files("memory", (_SWAP,), _render_swap, None), _size("memory_swap")),
    # As runc and crun do it on v2 (fs2/memory.go of opencontainers/cgroups): what is reserved is reclaimed last.
    Row("memory_reservation", sizes("memory", "memory.soft_limit_in_bytes", "-1"), sizes("memory", "memory.low", "max"),
        _size("memory_reservation")),
    Row("memory_swappiness",
        Files("memory", ("memory.swappiness",), lambda value, _place: (str(value),), lambda texts, _place: int(texts[0])),
        Lacking("cgroup v2 has no swappiness of a single cgroup",
                "Leave it out, limit swap with memory_swap, or set vm.swappiness of the host"),
        integer("memory_swappiness", 0, 100)),
    Row("oom_group",
        Lacking("cgroup v1 cannot end all processes of a cgroup together when memory is out",
                "Leave it out, or boot the host with cgroup v2"),
        Files("memory", ("memory.oom.group",), lambda value, _place: (str(int(value)),), lambda texts, _place: texts[0] == "1"), _boolean),
)
