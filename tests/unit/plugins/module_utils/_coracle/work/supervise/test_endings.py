# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is known of an end, and how it is told."""

from __future__ import annotations

import os
import select

import pytest

from ansible_collections.coracle.launcher.plugins.module_utils._coracle.model.state import State
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.work.supervise import endings
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.work.supervise.container import Container


@pytest.mark.parametrize("code, oom, at_once, says", [
    (0, False, False, "ended with exit code 0"), (7, False, True, "ended at once with exit code 7"), (137, False, False, "ended by signal 9 (exit code 137)"),
    (137, True, True, "memory than its limit"), (None, False, False, "nobody saw how")])
def test_an_end_in_words(code, oom, at_once, says):
    state = State("web", "/web")
    state.exit_code, state.oom = code, oom
    assert says in endings.told(state, at_once)


class Quiet:
    """A loop that keeps what it is told."""

    def __init__(self):
        self.modified, self.later = [], []

    def modify(self, fd, events):
        self.modified.append((fd, events))

    def after(self, _seconds, function):
        self.later.append(function)


def test_our_own_child_tells_its_status():
    pid = os.fork()
    if pid == 0:
        os._exit(7)
    container = Container("web", "/web")
    container.state.pid = pid
    container.pidfd = os.pidfd_open(pid)
    select.select([container.pidfd], [], [], 10)
    assert endings.learn(Quiet(), container, select.EPOLLIN, None) and container.status == 7 << 8
    os.close(container.pidfd)


def test_somebody_elses_child_is_waited_for_until_its_parent_has_reaped_it():
    pid = os.fork()
    if pid == 0:
        os._exit(7)
    container, loop = Container("web", "/web"), Quiet()
    container.child, container.state.pid, container.pidfd = False, pid, os.pidfd_open(pid)
    select.select([container.pidfd], [], [], 10)
    assert not endings.learn(loop, container, select.EPOLLIN, "again")
    assert (loop.modified, loop.later) == ([(container.pidfd, 0)], ["again"])
    os.waitpid(pid, 0)
    assert endings.learn(loop, container, select.EPOLLIN | select.EPOLLHUP, "again")
    assert container.status in (7 << 8, None), "None: before Linux 6.15"
    os.close(container.pidfd)
