# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import signal

import pytest

from ansible_collections.coracle.launcher.plugins.module_utils._coracle.kernel import oom


@pytest.fixture
def child():
    """A process that waits."""
    pid = os.fork()
    if pid == 0:
        signal.pause()
        os._exit(0)
    yield pid
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def test_it_is_raised_and_read(child):
    oom.set_all(900, lambda: [child])
    assert oom.read(child) == 900 and oom.read(os.getpid()) != 900


def test_what_is_forked_meanwhile_is_told_too(child):
    seen = []

    def processes():
        seen.append(1)
        return [] if len(seen) == 1 else [child]

    oom.set_all(900, processes)
    assert oom.read(child) != 900  # control: the list was empty when it was asked
    oom.set_all(900, processes)
    assert oom.read(child) == 900


def test_one_that_left_meanwhile_is_left_alone(child):
    lists = [[child], [], []]
    oom.set_all(900, lambda: lists.pop(0))
    assert oom.read(child) != 900


def test_what_is_gone_is_no_error():
    assert oom.read(4194303) is None
    oom.set_all(5, lambda: [4194303])
