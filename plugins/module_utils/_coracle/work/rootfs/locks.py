# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lock of a directory with trees: whoever changes one of them holds it, and a container that mounts one for itself.

    IMAGES/.locks/DEVICE-INODE   numbers of the directory, in hexadecimal digits

A file of its own where only root gets to: a flock(2) of the directory could be taken by everybody who may read it. Whoever has waited for
it removes it afterwards, except a container, whose process cannot get at it any more when the lock goes with its execve(2).
Children that may not import use this too, so nothing but the small part of the standard library is imported here.
"""

from __future__ import annotations

import os
import time

from ...base import files, places
from ...base.errors import LauncherError

_WAIT = 600  # seconds: another task that copies a large tree is worth waiting for, one that hangs is not
_PAUSE = 0.05  # seconds


def take(directory: int, path: str) -> files.Lock:
    """Take the lock of an open directory. LauncherError when somebody else has it for too long; `path` is for the message."""
    info = os.fstat(directory)
    lock = files.Lock(f"{places.IMAGES}/.locks/{info.st_dev:x}-{info.st_ino:x}")
    end = time.monotonic() + _WAIT
    while not lock.take(wait=False):
        if time.monotonic() > end:
            raise LauncherError(f"is being worked on by somebody else, for more than {_WAIT // 60} minutes now", option="dest", value=path,
                                remedy="Look for another task, or a container that does not get on with its start")
        time.sleep(_PAUSE)
    return lock


def release(lock: files.Lock) -> None:
    """Let go of it, and remove its file."""
    try:
        lock.remove()
    finally:
        lock.release()
