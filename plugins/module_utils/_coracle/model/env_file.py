# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Environment files as docker's: NAME=value, one a line, # comments; values as they are, quotes included. Pure."""

from __future__ import annotations

from ..base import text
from ..base.errors import LauncherError

LIMIT = 65536  # bytes; all of it goes into the settings


def parse(content: bytes, path: str) -> dict[str, str]:
    """Return {name: value} of the file `path`. LauncherError names the line, and nothing of its content: it may be a secret."""
    found: dict[str, str] = {}
    for number, raw in enumerate(content.split(b"\n"), 1):
        try:
            line = raw.decode("utf-8")
        except UnicodeDecodeError:
            raise _wrong("is not UTF-8", path, number) from None
        line = (line[:-1] if line.endswith("\r") else line).lstrip(" \t")
        if not line or line.startswith("#"):
            continue
        name, equals, value = line.partition("=")
        if not equals or not name or name != name.strip() or text.has_control(name):
            raise _wrong("is no NAME=value", path, number)
        if "\0" in value:
            raise _wrong("has a NUL character", path, number)
        if name in found:
            raise _wrong(f"gives {name} a second time", path, number)
        found[name] = value
    return found


def _wrong(problem, path, number):
    return LauncherError(f"line {number} {problem}", option="env_file", value=path, remedy="Write NAME=value lines; # begins a comment")
