# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which containers the words of a command line mean, and one verb for several of them: each gets its line, the worst status wins."""

from __future__ import annotations

import os

from ..base.errors import LauncherError
from ..work import records
from .arguments import Usage
from .output import complain
from .suggestions import nearest


def identify(word: str) -> tuple[str, str]:
    """(name, path): a word with a slash is the path of a container's directory, any other its name. LauncherError for bad ones."""
    if "/" in word:
        return records.identify(None, os.path.abspath(word))
    name, _path = records.identify(word, None)
    return name, records.known_path(name)


def known(word: str) -> tuple[str, str]:
    """The same of a container that there is; LauncherError for another."""
    name, path = identify(word)
    if not os.path.exists(f"{path}/settings") and not records.is_running(records.read_state(name)):
        raise missing(name)
    return name, path


def missing(name: str) -> LauncherError:
    """The error for a container that is not there, with the one that was meant."""
    near = nearest(name, records.names())
    return LauncherError("there is no such container", option="name", value=name,
                         remedy=f"Did you mean {near}?" if near else "coracle list shows all")


def chosen(values: dict, names: list[str], running: bool) -> list[str]:
    """The words given, or with --all the names of all that run, or do not. Usage: none."""
    if values.get("all"):
        if names:
            raise Usage("--all and names exclude each other", remedy="Leave one of them away")
        return [name for name in records.names() if records.is_active(records.read_state(name)) == running]
    if not names:
        raise Usage("no container is named", remedy="Give names, or --all")
    return names


def each(words: list[str], function) -> tuple[list, int]:
    """Call function(name, path) for each container named, once. Return ([(name, path)] of those for which it went well, 1 for an error)."""
    done, status = [], 0
    for word in dict.fromkeys(words):
        try:
            name, path = known(word)
            if (name, path) not in done:
                function(name, path)
                done.append((name, path))
        except (LauncherError, OSError) as error:
            complain(error, word)
            status = 1
    return done, status


def report(problems: list) -> int:
    """Write the errors of containers, (name, LauncherError or text); 1 when there is one."""
    for name, problem in problems:
        complain(problem, name)
    return 1 if problems else 0
