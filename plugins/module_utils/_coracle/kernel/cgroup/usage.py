# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the processes of one cgroup have used: the same words for the counters of v1 and v2. Only reads.

A supervisor loads this file; the table of all counters, in counters.py, is loaded by the first who asks for them.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Read = Callable[[str, str], "str | None"]


def usage(read: Read, unified: bool) -> dict:
    """Return all counters (counters.py); None where this kernel has no such file. `read(controller, file)` -> its text, or None."""
    from . import counters

    return counters.counters(read, unified)


def oom_kills(read: Read, unified: bool) -> int | None:
    """How many processes of it were killed for want of memory; None where nobody counts (v1 before Linux 4.13)."""
    return fields(read("memory", "memory.events" if unified else "memory.oom_control")).get("oom_kill")


def fields(content: str | None) -> dict[str, int]:
    """'name number' lines -> {name: number}."""
    pairs = [line.split() for line in (content or "").split("\n")]
    return {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2}
