# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which processors and memory nodes may be used. The same files on both versions; on v1 a process may enter only when both have a value."""

from __future__ import annotations

import errno
import os

from ....base import text
from ....base.errors import LauncherError
from .row import Files, Row


class _Set(Row):
    def prepare(self, value, place):
        """v2 takes processors that the cgroup above does not have, and goes on with others, where v1 refuses: so that both refuse."""
        if not place.unified:
            return
        above = self._above(place)
        if above and not set(_numbers(value, self.option)) <= set(_numbers(above, self.option)):
            raise OSError(errno.EACCES, os.strerror(errno.EACCES), f"{place.directory('cpuset')}/{self.option.replace('_', '.')}")

    def remedy(self, error, place):
        if error.errno in (errno.EACCES, errno.ERANGE, errno.EINVAL):
            return f"The cgroup above {place.directory('cpuset')} has {self._above(place)}: give a part of it"
        return None

    def _above(self, place):
        name = self.option.replace("_", ".")
        return place.read("cpuset", f"../{name}.effective") or place.read("cpuset", f"../{name}")


def _numbers(value, option):
    """'0-2,4' -> [0, 1, 2, 4]. LauncherError for anything else."""
    numbers = set()
    for word in str(value).split(","):
        first, dash, last = word.strip().partition("-")
        last = last if dash else first
        if not text.is_digits(first) or not text.is_digits(last) or not int(first) <= int(last) <= 65535:
            raise LauncherError("is no list of numbers", option=option, value=value, remedy="Write it as 0-2,4")
        numbers.update(range(int(first), int(last) + 1))
    return sorted(numbers)


def _ranges(numbers):
    """[0, 1, 2, 4] -> '0-2,4', as the kernel prints it."""
    parts = []
    for number in numbers:
        if parts and parts[-1][1] == number - 1:
            parts[-1][1] = number
        else:
            parts.append([number, number])
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in parts)


def _row(option):
    files = Files("cpuset", (option.replace("_", "."),), lambda value, _place: (_ranges(_numbers(value, option)),),
                  lambda texts, _place: texts[0])
    return _Set(option, files, files)


ROWS = (_row("cpuset_cpus"), _row("cpuset_mems"))
