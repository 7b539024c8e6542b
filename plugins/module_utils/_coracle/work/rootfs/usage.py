# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who uses a tree: a process that has it as its root, a container that has mounted it for itself. Reads only."""

from __future__ import annotations

import os

from ...base.errors import LauncherError
from ...kernel import mountinfo
from . import stamp

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .place import Dest, Found


def check_unused(found: Found, differing: str = "") -> None:
    """LauncherError when the tree that would have to go is in use, or has mounts of others. `differing`: why it would, for the message."""
    found.check_foreign()
    user = mounted_elsewhere(found.dest, found.made) or _rooted(found)
    if user:
        why = f", and differs from its image ({differing})" if differing else ""
        raise LauncherError(f"is in use as the root of {user}{why}", option="dest", value=found.dest.path, remedy="Stop the container first")


def mounted_elsewhere(dest: Dest, made: stamp.Made) -> str:
    """Return 'process PID' of one that sees the upper directory of an overlay mounted anywhere but at its own place; '' for nobody.

    A container binds the mounted tree, or mounts one that the host has not mounted itself (kernel/mounts.py). Namespaces that have been
    copied from ours show it at the same place as here, and do not count.
    """
    if made.kind != stamp.OVERLAY:
        return ""
    for pid, mount in mountinfo.with_upper(stamp.upper_and_work(dest.parent, dest.name, made.layer)[0]):
        if mount.point != dest.real and not dest.is_temporary(os.path.basename(mount.point)):
            return f"process {os.getpid() if pid == 'self' else pid}"
    return ""


def _rooted(found: Found) -> str:
    if found.made.kind == stamp.READ_ONLY:
        return _rooted_by_name(found.dest)
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            used = os.path.samestat(os.stat(f"/proc/{pid}/root"), found.info)
        except OSError:
            continue  # it ended meanwhile, or has no root any more
        if used:
            return f"process {pid}"
    return ""


def _rooted_by_name(dest: Dest) -> str:
    """Of trees that are the image itself there may be many, so the directory alone does not tell which one a process has."""
    from .. import records

    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            if os.readlink(f"/proc/{pid}/root") == dest.real:
                return f"process {pid}"
        except OSError:
            continue
    for name in records.names():
        state = records.read_state(name)
        if records.is_running(state) and _root(name, state.path) == dest.real:
            return f"the container {name}"
    return ""


def _root(name: str, path: str) -> str:
    """The root file system of a running container; '' for one that has an image, and for one of which that cannot be told any more."""
    from .. import records, start

    try:
        spec = records.read_started(name) or records.read_settings(path)
    except (LauncherError, OSError):
        return ""
    return "" if "image" in spec else stamp.real(start.root_of(path, spec))
