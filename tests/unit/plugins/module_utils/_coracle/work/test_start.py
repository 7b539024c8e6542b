# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the child of a start comes into its cgroup; starts themselves are in tests/system."""

from __future__ import annotations

import errno
import os

import pytest

from ansible_collections.coracle.launcher.plugins.module_utils._coracle.base import clone
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.kernel.cgroup import detect
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.work import start
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.work.limits import Cgroup


@pytest.fixture
def born(monkeypatch):
    """Kernels, or cgroups, in which no process can begin, unless `born.error` is None; what was asked."""

    class Born:
        error = OSError(errno.ENOSYS, "clone3")
        asked: list = []

        def into_cgroup(self, directory):
            self.asked.append(directory)
            if self.error:
                raise self.error
            return 4711, 9

    found = Born()
    found.asked = []
    monkeypatch.setattr(clone, "into_cgroup", found.into_cgroup)
    monkeypatch.setattr(os, "fork", lambda: 42)
    return found


def test_on_v2_a_child_begins_in_its_cgroup(born):
    born.error = None
    pid, pidfd, join = start._fork(Cgroup(detect.Layout(detect.V2, {}, "/c", "machine.slice/coracle.service"), "coracle/web"))
    assert (pid, pidfd) == (4711, 9) and born.asked == ["/c/machine.slice/coracle.service/web"]
    assert join() is None


@pytest.mark.parametrize("mode", [detect.V2, detect.HYBRID, detect.V1])
def test_elsewhere_it_joins_first_of_all(born, mode):
    group = Cgroup(detect.Layout(mode, {"memory": "/c"}, "/c"), "coracle/web")
    assert start._fork(group) == (42, -1, group.join)
    assert born.asked == (["/c/coracle/web"] if mode == detect.V2 else [])
