# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kernel parameters that each container has of its own, in the spelling of sysctl(8). Pure; a lean start loads this."""

from __future__ import annotations

from ..base import text
from ..base.errors import LauncherError

# ipc_namespaces(7), mq_overview(7); network_namespaces(7): all below net. What of that the kernel keeps for the host, it makes read-only.
_IPC = frozenset(("kernel.msgmax", "kernel.msgmnb", "kernel.msgmni", "kernel.sem", "kernel.shmall", "kernel.shmmax", "kernel.shmmni",
                  "kernel.shm_rmid_forced"))
_TREES = ("net.", "fs.mqueue.")
_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.")
_LONGEST = 128


def normalise(value, option: str) -> dict[str, str]:
    """Return {name: value} sorted by name. LauncherError for a parameter that is the host's."""
    if not isinstance(value, dict):
        raise LauncherError("is no mapping", option=option, value=value, remedy="Give e.g. {net.core.somaxconn: 1024}")
    found = {}
    for name, content in value.items():
        shown = " ".join(str(content).split()) if isinstance(content, (str, int)) and not isinstance(content, bool) else ""
        if not shown or text.has_control(shown) or not shown.isascii() or len(shown) > _LONGEST:
            raise LauncherError(f"gives {name!r} no value that it could have", option=option, value=content,
                                remedy="Give a number or words")
        found[_name(name, option)] = shown
    return {name: found[name] for name in sorted(found)}


def _name(name, option):
    good = isinstance(name, str) and len(name) <= _LONGEST and all(c in _CHARACTERS for c in name) and all(name.split("."))
    if not good or not (name in _IPC or name.startswith(_TREES)):
        raise LauncherError("is no kernel parameter that a container has of its own", option=option, value=name,
                            remedy="Use net.*, fs.mqueue.*, or " + ", ".join(sorted(_IPC)))
    return name


def path(name: str) -> str:
    """Return the file of a parameter below /proc/sys."""
    return name.replace(".", "/")
