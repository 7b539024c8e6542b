# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who, other than root, could put something else where a tree is: the owners of the directories above it.

What is mounted by a path, as an overlay and its layers are, must not lie where others rename directories. Supervisors ask it too, so
nothing but the small part of the standard library is imported here.
"""

from __future__ import annotations

import os
import stat

from ...base import text


def unsafe(directory: str) -> str:
    """Return why `directory`, a path without symbolic links that need not exist yet, could be replaced by others than root; '' if not."""
    while True:
        try:
            info = os.lstat(directory)
        except (FileNotFoundError, NotADirectoryError):
            info = None
        if info is not None:
            if info.st_uid:
                return f"the directory {text.visible(directory)} belongs to uid {info.st_uid}, who could put something else there"
            if info.st_mode & 0o022 and not info.st_mode & stat.S_ISVTX:
                return f"the directory {text.visible(directory)} (mode {stat.S_IMODE(info.st_mode):04o}) lets others put something else there"
        if directory == "/":
            return ""
        directory = os.path.dirname(directory)
