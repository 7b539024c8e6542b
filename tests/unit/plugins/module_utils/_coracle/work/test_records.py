# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names and paths of containers: what is taken, what is refused because somebody else has that name."""

from __future__ import annotations

import pytest

from ansible_collections.coracle.launcher.plugins.module_utils._coracle.base.errors import LauncherError
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.work import records


@pytest.mark.parametrize("name", ["web1", "123", "supervisor", "a.b_c-d", "memory", "cgroup"])
def test_odd_but_good_names(name):
    assert records.identify(name, None) == (name, records.path_of(name))
    assert records.identify(None, f"/srv/{name}") == (name, f"/srv/{name}")


@pytest.mark.parametrize("name", ["supervisor.lock", "supervisor.sock", "supervisor.sock.new", "tasks", "cgroup.procs", "memory.max", ".locks", ".."])
def test_names_of_the_supervisor_and_of_the_kernel_are_refused(name):
    with pytest.raises(LauncherError):
        records.identify(name, None)
    with pytest.raises(LauncherError):
        records.identify(None, f"/srv/{name}")
