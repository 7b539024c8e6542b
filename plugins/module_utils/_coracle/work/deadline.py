# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A process in a container that has so long and no longer, with all that it has forked, whatever session or parent that has by then.

They are kept together by a cgroup of their own below the container's, in which the container's limits hold as before: on v2 it enables no
controllers, on v1 it is in one hierarchy only. It is gone with the command; what the command leaves running goes back to the container's.
"""

from __future__ import annotations

import _signal
import os
import time

from ..base import places
from ..base.errors import LauncherError
from ..kernel.cgroup import detect, tree
from .limits import Cgroup

PATIENCE = 2.0  # seconds between SIGTERM to the process group and SIGKILL to everything
_UNIFIED = "unified"
_TRACKERS = ("freezer", "pids", "devices", "cpuacct")  # v1 hierarchies that can hold it, the best first: one that can stop forks


class Nested(Cgroup):
    """The cgroup `coracle/NAME/exec-PID` of what process PID has begun in the container NAME."""

    __slots__ = ("container",)

    def __init__(self, name: str, pid: int, layout: detect.Layout | None = None):
        layout = layout or detect.find()
        super().__init__(layout, f"{places.CGROUP_PARENT}/{name}/exec-{pid}")
        self.container = Cgroup(layout, f"{places.CGROUP_PARENT}/{name}")

    def make(self) -> None:
        """Make it, below what the container has and nowhere else. LauncherError when that has just ended, or nothing here could hold it."""
        names = (_UNIFIED,) if self.unified else _TRACKERS
        mounts = {_UNIFIED: self.layout.unified, **self.layout.mounts}
        above = [f"{mounts[name]}/{self.container.path}" for name in names if name in mounts]
        if not above:
            raise LauncherError("no cgroup hierarchy is mounted that could hold the command together", option="timeout",
                                remedy=f"Mount one of {', '.join(_TRACKERS)}, or give no timeout")
        for directory in above:
            try:
                os.mkdir(f"{directory}/{os.path.basename(self.path)}", 0o755)
                return
            except FileNotFoundError:
                continue
        raise LauncherError("has just ended", option="name")

    def join(self) -> None:
        """As of any cgroup; where this one is not, the container's."""
        self.container.join()
        super().join()

    def dissolve(self) -> None:
        """Move everybody who is left to the container's own cgroup, and remove it. Who forks faster than that keeps it until the container ends."""
        for attempt in range(20):
            time.sleep(0.001 * attempt)
            for directory in self.directories():
                for pid in tree.processes(directory):
                    _move(os.path.dirname(directory), pid)
            left = [directory for directory in self.directories() if not tree.remove_once(directory)]
            if not left:
                return


def _move(directory, pid):
    try:
        tree.attach(directory, pid)
    except OSError:
        return  # it has ended


class Deadline:
    """`seconds` that a command may take. Once begin() was called a timer interrupts whatever this process waits for."""

    __slots__ = ("expired", "_group", "_seconds", "_pid", "_before")

    def __init__(self, name: str, seconds: float):
        self.expired = False
        self._group = Nested(name, os.getpid())
        self._seconds, self._pid, self._before = seconds, 0, None

    def group(self) -> Cgroup:
        """The cgroup for the command, made now."""
        self._group.make()
        return self._group

    def begin(self, pid: int) -> None:
        """Count from now on. `pid`: of the command, our child, leader of its process group and not to be reaped before end()."""
        self._pid = pid
        self._before = _signal.signal(_signal.SIGALRM, self._ring)
        _signal.setitimer(_signal.ITIMER_REAL, self._seconds)

    def _ring(self, _number, _frame):
        if not self.expired:
            self.expired = True
            _signal.setitimer(_signal.ITIMER_REAL, PATIENCE)
            try:
                os.killpg(self._pid, _signal.SIGTERM)
            except ProcessLookupError:  # it is not its leader yet
                os.kill(self._pid, _signal.SIGKILL)
        else:
            self._group.kill()

    def end(self) -> None:
        """The command has ended, or could not be begun. After an expired deadline nothing of it is left."""
        if self._before is not None:
            _signal.setitimer(_signal.ITIMER_REAL, 0)
            _signal.signal(_signal.SIGALRM, self._before)
        if self.expired:
            self._group.kill(PATIENCE)
        self._group.dissolve()
