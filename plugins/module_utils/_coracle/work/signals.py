# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Signals to the first process of a container, from outside of the supervisor."""

from __future__ import annotations

import os

from ..base.errors import LauncherError
from ..kernel import procs
from . import records


def send(name: str, number: int) -> None:
    """Send signal `number` to the init of a running container, and to nobody else: through a pidfd that was opened before its identity was
    looked at again. What it does about it, and whether its restart policy acts afterwards, is its own affair. LauncherError: it does not run.
    """
    state = records.read_state(name)
    if not records.is_running(state):
        raise _not_running(name)
    try:
        pidfd = os.pidfd_open(state.pid)
    except ProcessLookupError:
        raise _not_running(name) from None
    try:
        if not records.is_running(state) or not procs.send(pidfd, number):
            raise _not_running(name)
    finally:
        os.close(pidfd)


def _not_running(name):
    return LauncherError("is not running", option="name", value=name, remedy=f"Start it with coracle start {name}")
