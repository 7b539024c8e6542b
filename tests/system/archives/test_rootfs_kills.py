# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Killed at any step of any transition: the place has the old tree or the new one, and the next run makes it right and leaves nothing."""

from __future__ import annotations

import errno
import mmap
import os
import signal

import pytest

from ansible_collections.coracle.launcher.plugins.module_utils._coracle.base import beneath, files, libc
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.base.errors import LauncherError
from ansible_collections.coracle.launcher.tests.unit.rootfs_task import BESIDE, KINDS, Task

STEPS = ((os, "mkdir"), (os, "unlink"), (os, "rmdir"), (os, "rename"), (libc, "mount"), (libc, "umount2"), (libc, "renameat2"),
         (beneath, "remove_tree"), (files, "write_whole"))
START = {"none": None, **KINDS}
WANTED = {"absent": {"state": "absent"}, **KINDS}


class Steps:
    """Lets each of STEPS do its work until the given number, then calls `act` once. Children count on, in memory that all share."""

    def __init__(self, number, act):
        self.shared, self.act = mmap.mmap(-1, mmap.PAGESIZE), act
        self.left = number
        for owner, name in STEPS:
            setattr(owner, name, self.step(getattr(owner, name)))

    @property
    def left(self):
        return int.from_bytes(self.shared[:8], "little", signed=True)

    @left.setter
    def left(self, number):
        self.shared[:8] = number.to_bytes(8, "little", signed=True)

    def step(self, function):
        def call(*arguments, **options):
            self.left -= 1
            if self.left == 0:
                self.act()
            return function(*arguments, **options)
        return call


def interrupted(number, act, work):
    """Run `work` in a child with Steps; return whether the steps were enough to get to the number."""
    pid = os.fork()
    if pid == 0:
        try:
            steps = Steps(number, lambda: act(pid_of_run))
            pid_of_run = os.getpid()
            work()
            os._exit(0 if steps.left > 0 else 3)
        except LauncherError as error:
            os._exit(3 if "Input/output error" in str(error) else 4)
        finally:
            os._exit(4)
    status = os.waitpid(pid, 0)[1]
    if os.WIFSIGNALED(status):
        return True
    assert os.WEXITSTATUS(status) in (0, 3), status
    return os.WEXITSTATUS(status) == 3


def kill(pid):
    os.kill(pid, signal.SIGKILL)
    os._exit(1)  # a child of the run that was killed


def fail(_pid):
    raise OSError(errno.EIO, "Input/output error")


def prepared(task, number, before):
    """A place of its own for each number; the images are in the store."""
    here = Task(task.path, f"place{number}")
    if before == "none":
        os.mkdir(here.place)
    else:
        here.run(**KINDS[before])
    return here


def release(here):
    """What the place has: 'one', 'two', or None for nothing at all."""
    return here.release() if os.path.lexists(here.dest) else None


def each_step(task, before, after, act):
    """Yield each place in which `act` has happened at another step, and whether it has."""
    old, new = None if before == "none" else "one", None if after == "absent" else "two"
    task.run()
    task.run(src=task.two)
    task.run(state="absent")
    number, reached = 0, True
    while reached:
        number += 1
        here = prepared(task, number, before)
        reached = interrupted(number, act, lambda here=here: here.run(src=here.two, **WANTED[after]))
        assert release(here) in (old, new), number
        yield here, reached
    assert number > 4


PAIRS = [(before, after) for before in START for after in WANTED if (before, after) != ("none", "absent")]


@pytest.mark.parametrize("before, after", PAIRS)
def test_killed_at_any_step(task, before, after):
    for here, _reached in each_step(task, before, after, kill):
        options = {"src": here.two, **WANTED[after]}
        assert here.run(check=True, **options) == here.run(**options)
        assert here.run(**options) == []
        if after == "absent":
            assert here.beside() == [] and here.mounts() == []
        else:
            assert here.is_clean(after) and here.release() == "two" and here.run(verify=True, **options) == []


@pytest.mark.parametrize("before, after", PAIRS)
def test_failed_at_any_step(task, before, after):
    for here, reached in each_step(task, before, after, fail):
        if reached and release(here) != ("two" if after != "absent" else None):
            assert here.beside() == ([] if before == "none" else BESIDE[before])
        here.run(src=here.two, **WANTED[after])
        if after == "absent":
            assert here.beside() == [] and here.mounts() == []
        else:
            assert here.is_clean(after) and here.release() == "two"


@pytest.mark.parametrize("kind", ["overlay", "read_only"])
def test_killed_while_it_is_mounted_again(task, kind):
    number, reached = 0, True
    while reached:
        number += 1
        here = prepared(task, number, kind)
        here.reboot()
        reached = interrupted(number, kill, lambda here=here: here.run(**KINDS[kind]))
        here.run(**KINDS[kind])
        assert here.release() == "one" and here.is_clean(kind) and here.run(**KINDS[kind]) == []
