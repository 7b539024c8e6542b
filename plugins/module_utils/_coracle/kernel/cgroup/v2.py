# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One cgroup in the v2 hierarchy: controllers enabled down the path, freeze and kill. From the kernel's admin-guide/cgroup-v2.rst."""

from __future__ import annotations

import errno
import os
import time

from ...base import files
from . import tree, usage


def make(root: str, path: str, controllers: list[str]) -> list:
    """mkdir -p of `path` below `root`, each of `controllers` that the kernel lets us enabled above it.

    Returns what it did, for undo(). A controller that cannot be enabled is no error here but where it is needed.
    """
    done: list = []
    above = root
    try:
        for part in path.split("/"):
            done += _enable_willing(above, controllers)
            above = f"{above}/{part}"
            if tree.make_directory(above):
                done.append(above)
    except OSError:
        undo(done)
        raise
    return done


def undo(done: list) -> None:
    """Take back what make() and enable() did, the last first: directories, and controllers enabled above where nobody else is by now."""
    for entry in reversed(done):
        if isinstance(entry, str):
            tree.undo_directories([entry])
        else:
            disable_unused(*entry)


def disable_unused(directory: str, controllers: list[str]) -> None:
    """Disable `controllers` for the children of `directory` unless there are several: another run may have limits there already."""
    try:
        with os.scandir(directory) as entries:
            children = sum(entry.is_dir(follow_symlinks=False) for entry in entries)
        if children <= 1:
            files.write_text(f"{directory}/cgroup.subtree_control", " ".join(f"-{name}" for name in controllers))
    except OSError:
        return  # gone, or in use further down


def enabled(directory: str) -> list[str]:
    """The controllers that limit `directory`."""
    return files.read_text(f"{directory}/cgroup.controllers").split()


def enable(directory: str, controllers: list[str]) -> list[tuple[str, list[str]]]:
    """Enable `controllers` for the children of `directory`, all or none. Returns what it did, for undo().

    OSError: EBUSY it holds processes itself, ENOENT not offered.
    """
    active = files.read_text(f"{directory}/cgroup.subtree_control").split()
    names = [name for name in controllers if name not in active]
    if not names:
        return []
    # The kernel refuses only some controllers for that; with the others it turns `directory` into a threaded domain, whose children no
    # process can enter. The root may hold processes, and has no type.
    if os.path.exists(f"{directory}/cgroup.type") and tree.processes(directory):
        raise OSError(errno.EBUSY, os.strerror(errno.EBUSY), f"{directory}/cgroup.subtree_control")
    files.write_text(f"{directory}/cgroup.subtree_control", " ".join(f"+{name}" for name in names))
    return [(directory, names)]


def _enable_willing(directory, controllers):
    offered = enabled(directory)
    names = [name for name in controllers if name in offered]
    try:
        return enable(directory, names)
    except OSError as error:
        if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
            raise
    done = []
    for name in names:  # one refused name refuses the whole write
        try:
            done += enable(directory, [name])
        except OSError:
            continue
    return done


def enable_down(root: str, path: str, controller: str) -> list[tuple[str, list[str]]]:
    """Enable one controller for `path` below `root`, wherever it is not: a cgroup has its files only when all above pass it on.

    Returns what it did, for undo(). OSError; then nothing of it is left.
    """
    done = []
    above = root
    try:
        for part in path.split("/"):
            if controller not in enabled(f"{above}/{part}"):
                done += enable(above, [controller])
            above = f"{above}/{part}"
    except OSError:
        undo(done)
        raise
    return done


def make_room(directory: str, limit: int) -> None:
    """Reclaim until `limit` bytes (-1 none) can hold what is there; OSError EBUSY when they cannot.

    The kernel takes a memory.max below the usage and kills until it fits, where v1 refuses: so that both refuse.
    """
    used = int(files.read_text(f"{directory}/memory.current"))
    if not 0 <= limit < used:
        return
    try:
        files.write_text(f"{directory}/memory.reclaim", str(used - limit))
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.EAGAIN):  # ENOENT: before Linux 5.19; EAGAIN: less was reclaimed than asked
            raise
    cached = usage.fields(files.read_text(f"{directory}/memory.stat")).get("file", 0)
    if int(files.read_text(f"{directory}/memory.current")) - cached > limit:
        raise OSError(errno.EBUSY, os.strerror(errno.EBUSY), f"{directory}/memory.max")


def is_frozen(directory: str) -> bool:
    """True when this very cgroup was frozen."""
    return files.read_text(f"{directory}/cgroup.freeze") == "1"


def freeze(directory: str, seconds: float = 10.0) -> bool:
    """Freeze (Linux 5.2) and wait until every process has stopped. False, and thawed again, when one has not within `seconds`."""
    deadline = time.monotonic() + seconds
    wait = 0.001
    files.write_text(f"{directory}/cgroup.freeze", "1")
    while "frozen 1" not in files.read_text(f"{directory}/cgroup.events").split("\n"):
        if time.monotonic() > deadline:
            thaw(directory)
            return False
        time.sleep(wait)
        wait = min(wait * 1.2, 0.02)
    return True


def thaw(directory: str) -> None:
    """Undo freeze."""
    files.write_text(f"{directory}/cgroup.freeze", "0")


def kill(directory: str) -> bool:
    """SIGKILL to everything in `directory` and below, forks in flight included. False before Linux 5.14, which has no cgroup.kill."""
    if not os.path.exists(f"{directory}/cgroup.kill"):
        return False
    files.write_text(f"{directory}/cgroup.kill", "1")
    return True
