# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The containers that a killed supervisor, or an earlier version of the code, has left: taken over from their states."""

from __future__ import annotations

import os
import time

from ...base.errors import LauncherError
from ...kernel import procs
from ...model import restart
from ...model.state import EXITED, RUNNING
from .. import records, start
from . import endings
from .container import ENDING, UP, Container
from .words import complain, told


def adopt_all(loop, lives) -> None:
    """Follow what runs, start again what should, clean up after the rest. One of them must not keep the others from being adopted."""
    for name in records.names():
        state = records.read_state(name)
        try:
            if state is not None:
                _adopt(loop, lives, state)
        except (LauncherError, OSError) as error:
            complain(f"cannot adopt {name}: {told(error)}")


def _adopt(loop, lives, state):
    if records.is_restarting(state):
        _resume(lives, _container(state, lives.layout))
    elif state.status == RUNNING and records.is_running(state):
        if not state.foreground:
            lives.containers[state.name] = follow(loop, lives, state)
    elif state.status == RUNNING and state.boot_id == procs.boot_id() and not state.foreground:
        container = _container(state, lives.layout)
        state.status, state.reason = EXITED, endings.UNSEEN
        _settle(lives, container)
    elif state.status == RUNNING:
        start.bury(state, lives.layout)


def _resume(lives, container):
    """The rest of its time; unless its policy has changed while nobody was there."""
    state = container.state
    if restart.refusal(container.spec, state.exit_code, state.row) is None:
        container.unattended = True
        lives.wait(container, min(max(0.0, state.restart_at - time.monotonic()), restart.LONGEST_DELAY))
    else:
        _settle(lives, container)


def _settle(lives, container):
    container.phase, container.unattended = ENDING, True
    lives.containers[container.name] = container
    lives.settle(container)


def follow(loop, lives, state) -> Container:
    """Watch by its pidfd a container that somebody else has started. LauncherError, ProcessLookupError: it has just ended."""
    pidfd = os.pidfd_open(state.pid)
    if not records.is_running(state):  # looked again with the pidfd in hand: it names the very process or nothing
        os.close(pidfd)
        raise LauncherError("has just ended", option="name", value=state.name)
    container = _container(state, lives.layout)
    container.pidfd, container.phase = pidfd, UP
    if not state.foreground:
        lives.log.add(container)
    loop.watch(pidfd, lambda events: lives.ended(container, events))
    return container


def _container(state, layout):
    container = Container(state.name, state.path, records.read_started(state.name) or {}, state)
    container.group = start.cgroup_of(state.name, layout)
    try:
        container.refresh()  # as somebody may have changed it since the start
    except (LauncherError, OSError) as error:
        complain(f"{state.name} keeps what it was started with: {told(error)}")
    return container
