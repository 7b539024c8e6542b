# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's part of the module container_rootfs: an archive that lies here is named by its digest, and sent only when needed."""

from __future__ import annotations

import typing as t

from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.action import ActionBase

from ..plugin_utils import images, local_archives


class ActionModule(ActionBase):
    """Run the module, and give it the archive when the host lacks it."""

    TRANSFERS_FILES = False  # seldom, and then a temporary directory is made for it
    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        """Return the module's result."""
        task_vars = task_vars or {}
        result: dict[str, t.Any] = super().run(tmp, task_vars)
        args = dict(self._task.args)
        sources: images.Sources = {}
        if args.get("state", "present") == "present" and images.is_local(args, "src"):
            archive = images.find_image(self, args, "src", task_vars)
            args["src"] = archive.path
            sources[archive.path] = archive
        elif args.get("src") is not None and args.get("checksum") == args["src"]:
            del args["checksum"]  # the module takes both together for an archive that we could send
        found = images.ImageSender(self, task_vars).run("coracle.launcher.container_rootfs", args, sources)
        if self._task.check_mode and sources and set(found.get("image") or ()) == {"digest"} and not found.get("failed"):
            found = self._look_here(found, args, sources[args["src"]])
        result.update(found)
        return result

    def _look_here(self, found: dict[str, t.Any], args: dict[str, t.Any], archive: local_archives.Archive) -> dict[str, t.Any]:
        """Say what a run would make of an archive that the host lacks, without sending it; a broken one fails as in the run."""
        here = local_archives.inspect(archive, args, "src")
        if here.get("failed"):
            return here
        image = here.get("image", found["image"])
        if boolean(args.get("devices") or False, strict=False) and "skipped" in image:
            image["skipped"]["devices"] = 0
        return {**found, "image": image}
