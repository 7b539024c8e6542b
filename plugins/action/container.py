# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's part of the module container: an archive that lies here is named by its digest, and sent only when needed."""

from __future__ import annotations

import typing as t

from ansible.plugins.action import ActionBase

from ..plugin_utils import containers, images


class ActionModule(ActionBase):
    """Run the module, and give it the archive when the host lacks it."""

    TRANSFERS_FILES = False  # seldom, and then a temporary directory is made for it
    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        """Return the module's result."""
        task_vars = task_vars or {}
        result: dict[str, t.Any] = super().run(tmp, task_vars)
        sources: images.Sources = {}
        args = containers.name_archive(self, dict(self._task.args), task_vars, sources)
        result.update(images.ImageSender(self, task_vars).run("coracle.launcher.container", args, sources))
        return result
