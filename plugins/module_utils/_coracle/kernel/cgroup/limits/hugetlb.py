# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The limits of huge pages: {'2M': bytes}, a file of the controller hugetlb for each size of pages that this kernel has."""

from __future__ import annotations

import errno
import os

from ....base import text
from ....base.errors import LauncherError
from .memory import NO_LIMIT
from .row import Files, Row

_OPTION = "hugepages"
_SIZES = "/sys/kernel/mm/hugepages"


class _HugePages(Row):
    def check(self, value, place):
        place.require("hugetlb", _OPTION, value)

    def claims(self, value, place):
        return [(self._name(size, place), "") for size in value]

    def writes(self, value, place):
        unlimited = "max" if place.unified else "-1"
        return [(self._name(size, place), unlimited if limit == text.UNLIMITED else str(limit))
                for size, limit in self.kept(value, place).items()]

    def kept(self, value, place):
        """Rounded down to whole huge pages, as the kernel does (hugetlb_cgroup_write)."""
        return {size: limit if limit == text.UNLIMITED else limit // _bytes(size) * _bytes(size) for size, limit in value.items()}

    def read(self, place, asked=None):
        wanted = [shorten(size) for size in page_sizes()] if asked is None else asked
        texts = {size: place.read("hugetlb", self._name(size, place)) for size in wanted}
        if None in texts.values():
            return None
        return {size: _parse(size, word) for size, word in texts.items()}

    def remedy(self, error, place):
        if error.errno == errno.EBUSY:
            return f"More is in use: give more, or end processes in {place.path} first"
        return None

    def _name(self, size, place):
        return f"hugetlb.{size}B.{'max' if place.unified else 'limit_in_bytes'}"


def page_sizes() -> list[int]:
    """Sizes in bytes of the huge pages of this kernel, the smallest first."""
    try:
        names = os.listdir(_SIZES)
    except FileNotFoundError:
        return []
    return sorted(int(name[len("hugepages-"):-len("kB")]) << 10 for name in names)


def shorten(size: int) -> str:
    """2097152 -> '2M', as the kernel names its files, without their B (mem_fmt in mm/hugetlb_cgroup.c)."""
    for letter, factor in (("G", 1 << 30), ("M", 1 << 20)):
        if size >= factor:
            return f"{size // factor}{letter}"
    return f"{size >> 10}K"


def _bytes(size):
    return text.parse_size(size, _OPTION)


def _parse(size, word):
    return text.UNLIMITED if word == "max" or int(word) >= NO_LIMIT // _bytes(size) * _bytes(size) else int(word)


def _normalise(value):
    sizes = page_sizes()
    limits = {}
    for word, limit in value.items():
        if _bytes(word) not in sizes:
            have = ", ".join(map(shorten, sizes)) or "none"
            raise LauncherError("is no size of huge pages of this kernel", option=_OPTION, value=word, remedy=f"It has {have}")
        if shorten(_bytes(word)) in limits:
            raise LauncherError("is given twice", option=_OPTION, value=word, remedy="Give each size once")
        limits[shorten(_bytes(word))] = text.parse_size(limit, _OPTION)
    return limits


_FILES = Files("hugetlb", (), None, None)
ROWS = (_HugePages(_OPTION, _FILES, _FILES, _normalise),)
