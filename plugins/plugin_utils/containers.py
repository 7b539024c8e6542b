# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The archives that options of containers name on the controller. What is wrong with the options themselves is left to the module to say."""

from __future__ import annotations

import typing as t

from . import images

if t.TYPE_CHECKING:
    from ansible.plugins.action import ActionBase

    Options = dict[str, t.Any]


def name_archive(action: ActionBase, options: Options, task_vars: Options, sources: images.Sources) -> Options:
    """Return the options of one container with the absolute path of its archive, which is added to `sources`.

    ImageError: it cannot be read, or is another than `checksum` says.
    """
    if options.get("state") == "absent" or not images.is_local(options, "image"):
        return options
    archive = images.find_image(action, options, "image", task_vars)
    sources[archive.path] = archive
    return {**options, "image": archive.path}
