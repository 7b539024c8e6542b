# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures that these cases share with the unit tests of work/."""

from ansible_collections.coracle.launcher.tests.unit.plugins.module_utils._coracle.work.conftest import world
from ansible_collections.coracle.launcher.tests.unit.plugins.module_utils._coracle.work.rootfs.conftest import own_mounts, task

__all__ = ["own_mounts", "task", "world"]
