# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a container mounts beside its root, checked on this host before anything is done."""

from __future__ import annotations

import errno
import os
import stat

from ..base import places
from ..base.errors import LauncherError
from ..kernel import volumes
from ..model import mounting

# What is written there is believed by the launcher, run as root, or shared by containers.
_OURS = (places.RUN, places.DATA, places.LIBRARY)


def check(spec: dict) -> None:
    """LauncherError for mounts that this host cannot make, or that would give the launcher itself away. No effect."""
    mounting.check_together(spec)
    for one in mounting.plan(spec):
        if one.source is not None:
            _check_source(one.source)


def _check_source(source):
    for place in map(os.path.realpath, _OURS):
        if f"{place}/".startswith(f"{source.rstrip('/')}/") or f"{source}/".startswith(f"{place}/"):
            raise LauncherError(f"holds what the launcher itself works with, in {place}", option="mounts.source", value=source,
                                remedy="Give a directory of the container's own")
    try:
        opened = volumes.open_source(source)
    except OSError as error:
        remedy = "Make it first"
        if error.errno == errno.ELOOP:
            remedy = f"Give its real path, {os.path.realpath(source)}: whoever may change the link would choose what is mounted"
        raise LauncherError(f"cannot be mounted: {os.strerror(error.errno)}", option="mounts.source", value=source, remedy=remedy) from None
    try:
        mode = os.fstat(opened).st_mode
    finally:
        os.close(opened)
    if stat.S_ISCHR(mode) or stat.S_ISBLK(mode):
        raise LauncherError("is a device, which no mount makes usable", option="mounts.source", value=source, remedy="Use devices")
