# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the end of a run to the next one: the time in between, the settings of then, and the network, if something of it is missing."""

from __future__ import annotations

import os

from ...base.errors import HOST_FAILED, LauncherError
from . import attaching
from .container import ATTACHING, WAITING, Container
from .words import told


class Restarts:
    """`start(container)` begins a next run, `settle(container)` decides again after an attempt that came to nothing."""

    __slots__ = ("_loop", "_start", "_settle")

    def __init__(self, loop, start, settle):
        self._loop, self._start, self._settle = loop, start, settle

    def wait(self, container: Container, seconds: float) -> None:
        """Start the next run in `seconds`."""
        container.phase = WAITING
        container.timer = self._loop.after(seconds, lambda: self._restart(container))

    def cancel(self, container: Container) -> None:
        """Start no next run."""
        self._loop.cancel(container.timer)
        if container.attachment is not None:
            container.attachment.cancel()
            container.attachment = None

    def _restart(self, container):
        try:
            successor = container.successor()
            if not attaching.needed(successor, container.spec):
                self._start(successor)
                return
            container.attachment = attaching.Attachment(self._loop, successor, lambda *found: self._attached(container, successor, *found))
        except (LauncherError, OSError) as error:
            self._put_off(container, told(error))
            return
        container.phase = ATTACHING

    def _attached(self, container, successor, interfaces, problem):
        container.attachment = None
        if problem:
            self._put_off(container, problem)
            return
        successor.state.host_interfaces = interfaces
        self._start(successor)

    def _put_off(self, container, problem):
        """An attempt that could not even begin counts in the row; without a container there is no other."""
        state = container.state
        if os.path.exists(f"{container.path}/settings"):
            state.row += 1
            state.exit_code, state.reason = HOST_FAILED, problem
        else:
            state.stopping, state.reason = True, f"not started again: {container.path} has gone"
        self._settle(container)
