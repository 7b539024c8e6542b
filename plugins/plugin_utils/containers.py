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


def name_archive(action: ActionBase, options: Options, sources: dict[str, str]) -> Options:
    """Return the options of one container with the absolute path of its archive, which is added to `sources` with its digest.

    ImageError: it cannot be read, or is another than `checksum` says.
    """
    if options.get("state") == "absent" or not images.is_local(options, "image"):
        return options
    path = images.find_image(action, options["image"])
    digest = images.digest_of(path)
    if options.get("checksum") not in (None, digest):
        raise images.ImageError(f"The image {path} has the digest {digest}, not the checksum {options['checksum']}.")
    sources[path] = digest
    return {**options, "image": path}
