# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One cgroup in one v1 hierarchy: what its directory needs before a process may enter, and the freezer."""

from __future__ import annotations

import os
import time

from ...base import files
from . import tree


def make(mount: str, path: str, controllers: list[str]) -> list[str]:
    """mkdir -p of `path` below `mount`, made ready for processes. Returns the directories it made, the outermost first. OSError."""
    made = []
    above = mount
    try:
        for part in path.split("/"):
            directory = f"{above}/{part}"
            new = tree.make_directory(directory)
            if new:
                made.append(directory)
            if "cpuset" in controllers:
                _fill_cpuset(directory, above)
            if new and "memory" in controllers:
                _account_children(directory)
            above = directory
    except OSError:
        tree.undo_directories(made)
        raise
    return made


def is_ready(directory: str, controllers: list[str]) -> bool:
    """False for a cpuset that no process may enter yet."""
    return "cpuset" not in controllers or all(files.read_text(f"{directory}/{name}") for name in _CPUSET)


_CPUSET = ("cpuset.cpus", "cpuset.mems")


def _fill_cpuset(directory, above):
    # Both are empty in a new cpuset, and a process may not enter before they are set (ENOSPC). Also done for a directory that is there:
    # another start may have made it a moment ago.
    for name in _CPUSET:
        if not files.read_text(f"{directory}/{name}"):
            files.write_text(f"{directory}/{name}", files.read_text(f"{above}/{name}"))


def _account_children(directory):
    # Before Linux 5.11 the default is 0: a limit would not hold for children. It can only be set while there are none.
    name = f"{directory}/memory.use_hierarchy"
    if os.path.exists(name) and files.read_text(name) == "0":
        files.write_text(name, "1")


def is_frozen(directory: str) -> bool:
    """True when this very cgroup was frozen (its freezer.state also says FROZEN below a frozen parent)."""
    return files.read_text(f"{directory}/freezer.self_freezing") == "1"


def freeze(directory: str, seconds: float = 10.0) -> bool:
    """Write FROZEN and wait until every process has stopped. False, and thawed again, when one has not within `seconds`."""
    deadline = time.monotonic() + seconds
    wait, rounds = 0.001, 0
    files.write_text(f"{directory}/freezer.state", "FROZEN")
    while files.read_text(f"{directory}/freezer.state") != "FROZEN":
        if time.monotonic() > deadline:
            thaw(directory)
            return False
        rounds += 1
        if rounds % 50 == 0:  # it may stick in FREEZING while processes fork; a short thaw helps (libcontainer's freezer.go)
            thaw(directory)
            files.write_text(f"{directory}/freezer.state", "FROZEN")
        time.sleep(wait)
        wait = min(wait * 1.2, 0.02)
    return True


def thaw(directory: str) -> None:
    """Write THAWED. A process killed while frozen ends only now."""
    files.write_text(f"{directory}/freezer.state", "THAWED")
