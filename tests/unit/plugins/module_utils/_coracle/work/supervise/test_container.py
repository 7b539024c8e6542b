# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The next run of a container: which of its settings it takes, and what it knows of the run before."""

from __future__ import annotations

from ansible_collections.coracle.launcher.plugins.module_utils._coracle.work import records
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.work.supervise.container import Container

STARTED = {"rootfs": "/srv/one", "user": "0", "memory": 1 << 20, "stop_signal": "TERM", "command": ["/bin/one"]}
STORED = {"image": "sha256:" + "a" * 64, "user": "99", "memory": 1 << 21, "restart_policy": "always", "command": ["/bin/two"]}


def test_a_restart_takes_the_settings_of_now_and_the_root_of_before(tmp_path):
    records.write_settings(str(tmp_path), STORED)
    container = Container("web", str(tmp_path), dict(STARTED))
    container.state.restarts, container.state.row, container.state.reason, container.state.host_interfaces = 4, 2, "exit code 1", ["cor-web"]
    again = container.successor()
    assert again.spec == {"user": "99", "memory": 1 << 21, "restart_policy": "always", "command": ["/bin/two"], "rootfs": "/srv/one"}
    assert (again.state.restarts, again.state.row, again.state.reason, again.state.host_interfaces) == (5, 3, "exit code 1", ["cor-web"])
    assert again.unattended and not container.unattended and again.state.restart_at is None


def test_without_knowledge_of_the_run_before_all_settings_are_taken(tmp_path):
    records.write_settings(str(tmp_path), STORED)
    assert Container("web", str(tmp_path)).successor().spec == STORED


def test_a_refresh_takes_what_costs_nothing(tmp_path):
    records.write_settings(str(tmp_path), STORED)
    container = Container("web", str(tmp_path), dict(STARTED))
    container.refresh()
    assert container.spec == {"rootfs": "/srv/one", "user": "0", "memory": 1 << 20, "restart_policy": "always", "command": ["/bin/one"]}
