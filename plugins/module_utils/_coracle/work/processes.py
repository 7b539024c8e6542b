# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The processes of a running container, as the host's /proc has them. What a process says about itself is hostile text."""

from __future__ import annotations

import errno
import os

from ..base import files
from ..base.errors import LauncherError
from ..base.text import printable
from ..kernel import procs
from . import records, start

_TICKS = os.sysconf("SC_CLK_TCK")
_LIMIT = 4096  # bytes of a command line that are read
_GONE = (errno.ENOENT, errno.ESRCH)


class Process:
    """`pid` on the host, `inside` in the container's own pid namespace (0: not known), `uid`, `state` letter of proc(5), `seconds` of
    processor time so far, `rss` in bytes, `command` as text."""

    __slots__ = ("pid", "inside", "uid", "state", "seconds", "rss", "command")

    def __init__(self, pid, inside, uid, state, seconds, rss, command):
        self.pid, self.inside, self.uid, self.state = pid, inside, uid, state
        self.seconds, self.rss, self.command = seconds, rss, command

    def as_dict(self) -> dict:
        """For JSON."""
        return {field: getattr(self, field) for field in self.__slots__}


def of(name: str) -> list[Process]:
    """All processes of a running container, in the order of their pids. LauncherError: it does not run."""
    state = records.read_state(name)
    if not records.is_running(state):
        raise LauncherError("is not running", option="name", value=name, remedy=f"Start it with coracle start {name}")
    found = [_read(pid) for pid in sorted(start.cgroup_of(name).processes())]
    return [process for process in found if process is not None]


def _read(pid):
    """None when it has ended meanwhile."""
    try:
        status = dict(line.split(":", 1) for line in files.read_text(f"/proc/{pid}/status").split("\n") if ":" in line)
        fields = procs.stat_fields(pid)
        words = _command_line(pid)
    except OSError as error:
        if error.errno in _GONE:
            return None
        raise
    if fields is None:
        return None
    # proc(5): NSpid begins with the namespace of this /proc, the last is the innermost. Kernel threads and zombies have no VmRSS.
    inside = status.get("NSpid", "0").split()[-1]
    command = printable(words.rstrip(b"\0").replace(b"\0", b" ")) or printable(f"[{status['Name'].strip()}]")
    return Process(pid, int(inside), int(status["Uid"].split()[1]), fields[0], (int(fields[11]) + int(fields[12])) / _TICKS,
                   int(status.get("VmRSS", "0 kB").split()[0]) * 1024, command)


def _command_line(pid):
    """What it was started with, or has written over it; as much as a table can show."""
    fd = os.open(f"/proc/{pid}/cmdline", os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(fd, _LIMIT)
    finally:
        os.close(fd)
