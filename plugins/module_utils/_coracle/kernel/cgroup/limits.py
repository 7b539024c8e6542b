# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of limits: one row each with the controller, the files of v1 and v2, and the conversion both ways. And raw keys.

Compared is always `parse(render(want))` with `parse(have)`: both as the kernel keeps them, rounded and clamped. No file is opened here.
"""

from __future__ import annotations

import os
import sys

from ...base import text
from ...base.errors import LauncherError

_PAGE = os.sysconf("SC_PAGE_SIZE")
# PAGE_COUNTER_MAX in bytes: what memory.limit_in_bytes reads without a limit.
_NO_LIMIT = min(sys.maxsize * _PAGE, (1 << 63) - 1) // _PAGE * _PAGE
_PERIOD = 100000  # µs, the kernel's default period of the bandwidth controller


class Files:
    """Where one version keeps a limit. `names`: files in the order of writing. `render(value)` -> a text for each, `parse(texts)` -> value."""

    __slots__ = ("names", "render", "parse")

    def __init__(self, names, render, parse):
        self.names = names
        self.render = render
        self.parse = parse


class Row:
    """One limit: `option` as users know it, its `controller`, and its Files in `v1` and `v2`."""

    __slots__ = ("option", "controller", "v1", "v2")

    def __init__(self, option, controller, v1, v2):
        self.option = option
        self.controller = controller
        self.v1 = v1
        self.v2 = v2

    def files(self, unified: bool) -> Files:
        """The Files of v2 (`unified`) or v1."""
        return self.v2 if unified else self.v1

    def kept(self, value, unified: bool):
        """Return `value` as the kernel will keep it and as it will be read back. LauncherError when it cannot be a value of this limit."""
        place = self.files(unified)
        return place.parse(place.render(value))


def _memory(value):
    if 0 <= value < _PAGE:
        raise LauncherError("leaves no process room to live", option="memory", value=value, remedy="Give some megabytes as 4M, or -1 for no limit")
    size = value // _PAGE * _PAGE  # page_counter_memparse rounds down
    return text.UNLIMITED if value == text.UNLIMITED or size >= _NO_LIMIT else size


def _render_memory(unlimited):
    def render(value):
        size = _memory(value)
        return (unlimited if size == text.UNLIMITED else str(size),)
    return render


def parse_bytes(word: str) -> int:
    """Return what a file of the memory controller reads in bytes, text.UNLIMITED for no limit."""
    return text.UNLIMITED if word == "max" or int(word) >= _NO_LIMIT else int(word)


def _parse_memory(texts):
    return parse_bytes(texts[0])


def percent_to_shares(percent: int) -> int:
    """cpu.shares of the article's cpupercent: a part of the 1024 that every cgroup has by default (5 -> 51)."""
    return 1024 * percent // 100


def _shares_to_percent(shares):
    """The percentage that means these shares, with a fraction when no whole one does."""
    whole = -(-shares * 100 // 1024)
    return whole if percent_to_shares(whole) == shares else round(shares * 100 / 1024, 2)


def shares_to_weight(shares: int) -> int:
    """cpu.shares (default 1024) -> cpu.weight (default 100), in proportion, as systemd does: 5 % of a default sibling stays 5 %."""
    return min(10000, max(1, round(shares * 100 / 1024)))


def _weight_to_shares(weight):
    return weight * 1024 // 100


def milli(cpus: str) -> int:
    """'0.5' -> 500 thousandths of a processor; '-1' stays -1, no cap."""
    whole, _point, fraction = str(cpus).partition(".")
    return int(cpus) if whole.startswith("-") else int(whole) * 1000 + int((fraction or "0").ljust(3, "0")[:3])


def _render_quota(cpus):
    thousandths = milli(cpus)
    return (str(_PERIOD), "-1" if thousandths < 0 else str(thousandths * _PERIOD // 1000))


def _parse_quota(texts):
    """(period, quota) -> processors as text, '-1' without a cap; five decimals keep what another period gave apart from what we asked."""
    period, quota = texts
    if quota in ("-1", "max"):
        return "-1"
    cpus = f"{int(quota) / int(period):.5f}".rstrip("0").rstrip(".")
    return cpus or "0"


def _render_max(cpus):
    period, quota = _render_quota(cpus)
    return (f"{'max' if quota == '-1' else quota} {period}",)


def _parse_max(texts):
    quota, period = texts[0].split()
    return _parse_quota((period, quota))


def _render_pids(value):
    return ("max" if value == text.UNLIMITED else str(value),)


def _parse_pids(texts):
    return text.UNLIMITED if texts[0] == "max" else int(texts[0])


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


def _cpuset(option):
    def render(value):
        return (_ranges(_numbers(value, option)),)
    files = Files((option.replace("_", "."),), render, lambda texts: texts[0])
    return Row(option, "cpuset", files, files)


# In the order of writing: a v1 cpuset must have both before a process may enter.
ROWS = (
    _cpuset("cpuset_cpus"),
    _cpuset("cpuset_mems"),
    Row("memory", "memory",
        Files(("memory.limit_in_bytes",), _render_memory("-1"), _parse_memory),
        Files(("memory.max",), _render_memory("max"), _parse_memory)),
    Row("cpu_shares", "cpu",
        Files(("cpu.shares",), lambda value: (str(value),), lambda texts: int(texts[0])),
        Files(("cpu.weight",), lambda value: (str(shares_to_weight(value)),), lambda texts: _weight_to_shares(int(texts[0])))),
    Row("cpu_percent", "cpu",
        Files(("cpu.shares",), lambda value: (str(percent_to_shares(value)),), lambda texts: _shares_to_percent(int(texts[0]))),
        Files(("cpu.weight",), lambda value: (str(shares_to_weight(percent_to_shares(value))),), lambda texts: int(texts[0]))),
    Row("cpus", "cpu",
        Files(("cpu.cfs_period_us", "cpu.cfs_quota_us"), _render_quota, _parse_quota),
        Files(("cpu.max",), _render_max, _parse_max)),
    Row("pids_limit", "pids",
        Files(("pids.max",), _render_pids, _parse_pids),
        Files(("pids.max",), _render_pids, _parse_pids)),
)
CONF = "cgroup_conf"
OPTIONS = tuple(row.option for row in ROWS) + (CONF,)


# --- raw keys: {file name: text}


# They open or close something for good, take part in no comparison, or act on the whole hierarchy.
_REFUSED = frozenset(("devices.allow", "devices.deny", "memory.force_empty", "memory.reclaim", "memory.pressure_level"))


def raw_controller(key: str) -> str:
    """Return the controller of a raw key. LauncherError for a name that is no controller's file, and for what cannot be read back."""
    controller, dot, rest = key.partition(".")
    if not dot or not rest or "/" in key or text.has_control(key) or controller == "cgroup":
        raise LauncherError(f"{key!r} is no file of a controller", option=CONF, remedy="Use names as memory.swappiness, never cgroup.* or a path")
    if key in _REFUSED:
        raise LauncherError(f"{key} cannot be read back, so it cannot be kept as asked", option=CONF, remedy="Remove it")
    return controller


def raw_text(value) -> str:
    """Return the text that is written for a raw value: one line, single spaces. Booleans are the kernel's 1 and 0."""
    shown = " ".join(str(int(value) if isinstance(value, bool) else value).split())
    if not isinstance(value, (int, str)):
        raise LauncherError("is neither text nor a whole number", option=CONF, value=value, remedy="Give what is to be written, as 10 or '8:0 1048576'")
    if not shown.isascii() or text.has_control(shown):
        raise LauncherError("has a character that no file of the kernel takes", option=CONF, value=value, remedy="Remove it")
    return shown


def raw_same(key: str, want: str, have: str) -> bool:
    """True when the file `key` that reads `have` holds what writing `want` puts there.

    Sizes are compared in bytes, those of memory in whole pages, 'max' and -1 with the kernel's largest number; of a file with a line for
    each device only that device's counts; a file with its own value first and counters below (memory.oom_control) by its first line.
    """
    lines = have.split("\n")
    words = want.split()
    if want == have or any(line.split() == words for line in lines):
        return True
    if len(words) > 1:
        return _same_device(words, lines)
    shown = lines[0].split()
    if len(lines) > 1 or len(shown) == 2:
        return len(shown) == 2 and shown[1] == want
    paged = key.startswith("memory.") and key.endswith(("_in_bytes", ".max", ".high", ".low", ".min"))
    size = _as_bytes(want, paged)
    return size is not None and size == _as_bytes(have, paged)


def raw_undo(want: str, before: str) -> str:
    """Return what to write to take `want` back in a file that read `before`: its old value, or the old (or no) limit of that device."""
    words, lines = want.split(), before.split("\n")
    if len(words) > 1 and ":" in words[0]:
        for line in lines:
            if line.split()[:1] == words[:1]:
                return line
        return " ".join(words[:1] + [f"{word.split('=')[0]}=max" if "=" in word else "0" for word in words[1:]])
    return lines[0].split()[-1] if len(lines) > 1 else before


def _same_device(words, lines):
    for line in lines:
        shown = line.split()
        if shown[:1] == words[:1]:
            return all(word in shown for word in words)
    # No line for the device: no limit.
    return ":" in words[0] and all(word == "0" or word.endswith("=max") for word in words[1:])


def _as_bytes(word, paged):
    try:
        size = text.parse_size(word, CONF)
    except LauncherError:
        return None
    if size >= _NO_LIMIT:
        return text.UNLIMITED
    return size // _PAGE * _PAGE if paged and size >= 0 else size
