# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Processes that begin in a cgroup of version 2. Needs a mounted one, which hybrid hosts have too."""

from __future__ import annotations

import ctypes
import os
import signal

import pytest

from ansible_collections.coracle.launcher.plugins.module_utils._coracle.base import clone, libc
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.kernel.cgroup import detect


@pytest.fixture
def directory():
    unified = detect.find().unified
    if unified is None:
        pytest.skip("no cgroup v2 is mounted here")
    path = f"{unified}/coracle-test-{os.getpid()}"
    os.mkdir(path)
    yield path
    os.rmdir(path)


def run(directory, work):
    """Return the exit status of a child that begins in `directory` and calls `work`."""
    pid, pidfd = clone.into_cgroup(directory)
    if pid == 0:
        code = 99
        try:
            code = work()
        finally:
            os._exit(code)
    assert not os.get_inheritable(pidfd)
    os.close(pidfd)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def own_cgroup():
    with open("/proc/self/cgroup", encoding="ascii") as content:
        return next(line.partition("::")[2].rstrip() for line in content if line.startswith("0::"))


def test_a_child_begins_there(directory):
    name = os.path.basename(directory)
    assert run(directory, lambda: 7 if own_cgroup().endswith(name) else 8) == 7
    assert not own_cgroup().endswith(name)


def test_it_is_a_fork_as_any_other(directory):
    """Its thread's id is its own, so raise(3) reaches it; it can fork, and the caller reaps it as its child."""

    def work():
        inner = os.fork()
        if inner == 0:
            os._exit(5)
        code = os.waitstatus_to_exitcode(os.waitpid(inner, 0)[1])
        ctypes.CDLL(None)["raise"](signal.SIGUSR1)
        return code

    assert run(directory, work) == -signal.SIGUSR1


def test_in_a_new_pid_namespace_it_is_the_first(directory):
    own = os.open("/proc/self/ns/pid", os.O_RDONLY)
    libc.unshare(libc.CLONE_NEWPID)
    try:
        assert run(directory, os.getpid) == 1
    finally:
        libc.setns(own, libc.CLONE_NEWPID)
        os.close(own)
