# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One run of a container under a supervisor: what is known of it, and in which phase it is."""

from __future__ import annotations

import os

from ...model import settings
from ...model.change import RECREATE
from ...model.state import State
from .. import records

STARTING = "starting"  # until its execve
GRACE = "grace"  # lives, and has not lived for as long as a task asks
UP = "up"
ENDING = "ending"  # init has ended; its output, its cgroup and its interfaces may not have
WAITING = "waiting"  # has ended, and is started again when its time has come
ATTACHING = "attaching"  # a child makes the network for the next start

_KEPT = tuple(row.option for row in settings.KEYS if row.cost == RECREATE)  # by a restart that nobody asks for


class Container:
    """One run. `unattended`: nobody waits for its start to succeed, so its restart policy holds from the first moment."""

    __slots__ = ("name", "path", "spec", "state", "pidfd", "group", "report", "said", "phase", "problem", "grace", "unattended", "starters",
                 "stoppers", "next_starts", "child", "status", "log_open", "output", "timer", "deadline", "attachment")

    def __init__(self, name: str, path: str, spec: dict | None = None, state: State | None = None):
        self.name, self.path, self.spec = name, path, spec or {}
        self.state = state or State(name, path)
        self.pidfd, self.report, self.group, self.said = -1, -1, None, b""
        self.phase, self.problem, self.grace, self.unattended = STARTING, "", 0.0, False
        self.starters, self.stoppers, self.next_starts = [], [], []
        self.child, self.status, self.log_open, self.output = True, None, False, []
        self.timer, self.deadline = None, None  # of its phase; of a stop, that SIGKILL follows
        self.attachment = None

    def release_output(self) -> None:
        """Leave its output to the container and the log reader."""
        while self.output:
            os.close(self.output.pop())

    def refresh(self) -> None:
        """Take from the settings what costs nothing to change. LauncherError, OSError."""
        fresh = records.read_settings(self.path)
        for option in settings.SUPERVISED:
            self.spec.pop(option, None)
            if option in fresh:
                self.spec[option] = fresh[option]

    def successor(self) -> Container:
        """The next run, under its restart policy: of the settings as they are now, but with the root file system that it has had; what
        would empty its layer waits for somebody who asks. LauncherError, OSError: the settings cannot be read."""
        fresh = records.read_settings(self.path)
        if self.spec:
            fresh = {option: value for option, value in fresh.items() if option not in _KEPT}
            fresh.update((option, self.spec[option]) for option in _KEPT if option in self.spec)
        successor = Container(self.name, self.path, fresh)
        successor.unattended, successor.group = True, self.group
        state = successor.state
        state.digest, state.host_interfaces, state.reason = self.state.digest, self.state.host_interfaces, self.state.reason
        state.restarts, state.row = self.state.restarts + 1, self.state.row + 1
        return successor
