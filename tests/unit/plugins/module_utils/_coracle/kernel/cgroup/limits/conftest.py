# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A cgroup without a file system: limits only see what is read."""

from __future__ import annotations

import pytest

from ansible_collections.coracle.launcher.plugins.module_utils._coracle.kernel.cgroup import detect
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.kernel.cgroup.limits.row import Place


class Paper(Place):
    """A Place that reads `content` ({file: text})."""

    __slots__ = ("content",)

    def __init__(self, unified, asked=None, **content):
        names = "cpuset cpu memory pids io hugetlb" if unified else "cpuset cpu memory pids blkio hugetlb devices"
        super().__init__(detect.Layout(detect.V2 if unified else detect.V1, dict.fromkeys(names.split(), "/nowhere"), "/nowhere"), "web", asked)
        self.content = {name.replace("__", "."): text for name, text in content.items()}

    def read(self, controller, name):
        return self.content.get(name)


@pytest.fixture
def paper():
    return Paper
