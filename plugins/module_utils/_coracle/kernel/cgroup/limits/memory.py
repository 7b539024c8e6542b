# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The limit of memory, which every container may have. Its relatives are in memory_more.py."""

from __future__ import annotations

import errno
import os
import sys

from ....base import text
from ....base.errors import LauncherError
from .. import v2
from .row import Files, Row

PAGE = os.sysconf("SC_PAGE_SIZE")
# PAGE_COUNTER_MAX in bytes: what memory.limit_in_bytes reads without a limit.
NO_LIMIT = min(sys.maxsize * PAGE, (1 << 63) - 1) // PAGE * PAGE


def whole_pages(value: int) -> int:
    """Bytes as the kernel keeps them: page_counter_memparse rounds down. text.UNLIMITED stays."""
    size = value // PAGE * PAGE
    return text.UNLIMITED if value == text.UNLIMITED or size >= NO_LIMIT else size


def parse_bytes(word: str) -> int:
    """Return what a file of the memory controller reads in bytes, text.UNLIMITED for no limit."""
    return text.UNLIMITED if word == "max" or int(word) >= NO_LIMIT else int(word)


def sizes(controller: str, name: str, unlimited: str) -> Files:
    """Files of a limit in bytes, kept in whole pages. `unlimited`: what is written for no limit."""
    def render(value, _place):
        size = whole_pages(value)
        return (unlimited if size == text.UNLIMITED else str(size),)
    return Files(controller, (name,), render, lambda texts, _place: parse_bytes(texts[0]))


class _Memory(Row):
    def kept(self, value, place):
        if 0 <= value < PAGE:
            raise LauncherError("leaves no process room to live", option=self.option, value=value,
                                remedy="Give some megabytes as 4M, or -1 for no limit")
        return super().kept(value, place)

    def prepare(self, value, place):
        if place.unified:
            v2.make_room(place.directory("memory"), whole_pages(value))

    def remedy(self, error, place):
        if error.errno == errno.EBUSY:
            used = place.read("memory", "memory.current" if place.unified else "memory.usage_in_bytes")
            return f"{used} bytes are in use and cannot be reclaimed: give more, or end processes in {place.path} first"
        if error.errno == errno.EINVAL and not place.unified:
            both = place.read("memory", "memory.memsw.limit_in_bytes")
            return f"It cannot be more than memory and swap together, which is {both} now: give memory_swap too"
        return None


ROWS = (
    _Memory("memory", sizes("memory", "memory.limit_in_bytes", "-1"), sizes("memory", "memory.max", "max"),
            lambda value: text.parse_size(value, "memory")),
)
