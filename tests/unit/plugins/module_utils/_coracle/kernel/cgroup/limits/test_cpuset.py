# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import errno

import pytest

from ansible_collections.coracle.launcher.plugins.module_utils._coracle.kernel.cgroup.limits import table

ROW = table.row("cpuset_cpus")


def test_v2_what_the_cgroup_above_does_not_have_is_refused_as_on_v1(paper):
    place = paper(True)
    place.content["../cpuset.cpus.effective"] = "0-1"
    ROW.prepare("0-1", place)
    with pytest.raises(OSError) as caught:
        ROW.prepare("1-2", place)
    assert caught.value.errno == errno.EACCES and caught.value.filename.endswith("web/cpuset.cpus") and "has 0-1" in ROW.remedy(caught.value, place)


def test_v1_asks_the_kernel(paper):
    ROW.prepare("7", paper(False))
