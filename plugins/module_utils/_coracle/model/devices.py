# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Devices of the host that a container has, as docker writes them: '/dev/fuse', '/dev/fuse:/dev/fuse:rwm'. Pure; a lean start loads this."""

from __future__ import annotations

from ..base import text
from ..base.errors import LauncherError

_ACCESS = "rwm"
# What the launcher makes in a container's /dev itself.
_OURS = frozenset(("null", "zero", "full", "random", "urandom", "tty", "fd", "stdin", "stdout", "stderr", "ptmx", "pts", "shm", "mqueue",
                   "console"))


def normalise(value, option: str) -> list[str]:
    """Return devices in their one spelling, PATH-ON-HOST:PATH-IN-CONTAINER:ACCESS, sorted by their path in the container. LauncherError."""
    if not isinstance(value, list):
        raise LauncherError("is no list", option=option, value=value, remedy="Give e.g. ['/dev/fuse:rw']")
    found: dict[str, str] = {}
    for word in value:
        source, target, access = parse(word, option)
        if found.setdefault(target, f"{source}:{target}:{access}") != f"{source}:{target}:{access}":
            raise LauncherError("is there twice", option=option, value=target, remedy="Remove one")
    return [found[target] for target in sorted(found)]


def parse(word, option: str = "devices") -> tuple[str, str, str]:
    """Return (path on the host, path in the container, some of rwm: read, write, mknod). LauncherError."""
    parts = word.split(":") if isinstance(word, str) else []
    access = parts.pop() if len(parts) > 1 and not parts[-1].startswith("/") else _ACCESS
    if len(parts) not in (1, 2) or not access or len(set(access)) != len(access) or set(access) - set(_ACCESS):
        raise LauncherError("is no device", option=option, value=word,
                            remedy="Write /dev/NAME, or /dev/NAME:/dev/NAME-INSIDE:rwm; r is to read, w to write, m to make a node")
    source, target = _path(parts[0], option), _path(parts[-1], option)
    if target.split("/")[2] in _OURS:
        raise LauncherError("is a name that the launcher needs itself", option=option, value=target,
                            remedy="Choose another path in the container")
    return source, target, "".join(letter for letter in _ACCESS if letter in access)


def _path(value, option):
    parts = value.split("/")
    if parts[:2] != ["", "dev"] or len(parts) < 3 or not all(parts[2:]) or ".." in parts or "." in parts or len(value) > 255 \
            or text.has_control(value) or not value.isprintable():
        raise LauncherError("is no path below /dev", option=option, value=value, remedy="Write e.g. /dev/fuse")
    return value
