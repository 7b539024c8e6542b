# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Directories of one hierarchy, whatever its version: make, list processes, move one in, remove. Knows no controller."""

from __future__ import annotations

import errno
import os
import time

from ...base import files, text
from ...base.errors import LauncherError

_PF_KTHREAD = 0x00200000  # include/linux/sched.h
_GONE = (errno.ENOENT, errno.ENODEV)  # ENODEV: the directory was removed while its file was open

# Kernel files share the name space with our directories (mkdir says EEXIST, or a later kernel would).
_FILES = frozenset(("tasks", "notify_on_release", "release_agent"))
_PREFIXES = frozenset(("cgroup", "memory", "cpu", "cpuacct", "cpuset", "pids", "freezer", "devices", "blkio", "io", "hugetlb", "rdma", "misc",
                       "net_cls", "net_prio", "perf_event", "irq", "dmem", "debug"))


def check_path(path: str, option: str = "name") -> str:
    """Return `path` of a cgroup below the root of a hierarchy. LauncherError: absolute, '..', empty parts, a kernel file's name."""
    if not isinstance(path, str) or not path or path.startswith("/"):
        raise LauncherError("is no relative path", option=option, value=path, remedy="Name the cgroup below the root of its hierarchy, as coracle/web")
    for part in path.split("/"):
        if part in ("", ".", "..") or len(os.fsencode(part)) > 255 or text.has_control(part) or " " in part:
            raise LauncherError(f"{part!r} cannot name a cgroup", option=option, value=path, remedy="Use names without spaces between single slashes")
        if part in _FILES or ("." in part and part.split(".")[0] in _PREFIXES):
            raise LauncherError(f"{part!r} is a name that the kernel keeps for its own files", option=option, value=path, remedy="Choose another name")
    return path


def make_directory(directory: str) -> bool:
    """mkdir(2); False when it is there already. OSError otherwise, ENOENT when its parent has just been removed."""
    try:
        os.mkdir(directory, 0o755)
    except FileExistsError:
        return False
    return True


def undo_directories(made: list[str]) -> None:
    """Remove directories that a failed call has made, the last one first. What others have begun to use stays."""
    for directory in reversed(made):
        try:
            os.rmdir(directory)
        except OSError:
            continue


def below(directory: str) -> list[str]:
    """All directories below `directory` and itself, the deepest first; empty when it is not there."""
    try:
        with os.scandir(directory) as entries:
            children = [entry.path for entry in entries if entry.is_dir(follow_symlinks=False)]
    except OSError as error:
        if error.errno in _GONE:
            return []
        raise
    return [deeper for child in children for deeper in below(child)] + [directory]


def processes(directory: str) -> list[int]:
    """Pids (thread group leaders) in `directory` itself, sorted; empty when it is not there. Those of other pid namespaces are left out."""
    try:
        content = files.read_text(f"{directory}/cgroup.procs")
    except OSError as error:
        if error.errno in (*_GONE, errno.EOPNOTSUPP):  # EOPNOTSUPP: a threaded v2 cgroup, whose processes its domain lists
            return []
        raise
    return sorted({int(word) for word in content.split()} - {0})


def attach(directory: str, pid: int) -> None:
    """Move one process with all its threads. OSError: ESRCH no such process, ENOSPC a v1 cpuset without processors or memory nodes."""
    for _attempt in range(5):
        try:
            return files.write_text(f"{directory}/cgroup.procs", str(pid))
        except OSError as error:
            # EINVAL also means a process that fork(2) has not finished yet (TASK_NEW); runc waits the same 5 times 30 ms.
            if error.errno != errno.EINVAL:
                raise
        time.sleep(0.03)
    return files.write_text(f"{directory}/cgroup.procs", str(pid))


def immovable(pid: int) -> str | None:
    """Why no cgroup can take the process `pid`, None when one can: not there, ended, a thread, of the kernel."""
    try:
        stat = files.read_text(f"/proc/{pid}/stat") if pid > 0 else ""
        status = files.read_text(f"/proc/{pid}/status") if pid > 0 else ""
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ESRCH):
            raise
        stat = ""
    if not stat:
        return "no such process"
    fields = stat[stat.rindex(")") + 2:].split()  # from the third on: state, ..., flags (proc(5))
    if fields[0] in "ZX":
        return "has ended, and waits for its parent to notice"
    if int(fields[6]) & _PF_KTHREAD:
        return "is a thread of the kernel, which cannot be moved"
    leader = next((line.split()[1] for line in status.split("\n") if line.startswith("Tgid:")), str(pid))
    return None if leader == str(pid) else f"is a thread of the process {leader}; all threads of a process move together"


def remove_once(directory: str) -> bool:
    """rmdir(2) of `directory` and all below, depth first. False when one is busy: a process in it, or one that has just ended."""
    for deeper in below(directory):
        try:
            os.rmdir(deeper)
        except OSError as error:
            if error.errno == errno.EBUSY:
                return False
            if error.errno not in _GONE:
                raise
    return True


def named(pids: list[int]) -> str:
    """Pids with their command's name for a message: '12 (sleep), 13 (sh)', at most ten."""
    shown = []
    for pid in pids[:10]:
        try:
            comm = text.printable(files.read_text(f"/proc/{pid}/comm"))
        except OSError:
            comm = "ended"
        shown.append(f"{pid} ({comm})")
    return ", ".join(shown) + (f" and {len(pids) - 10} more" if len(pids) > 10 else "")
