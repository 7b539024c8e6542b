# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the module cgroup_info does: find cgroups by their names, and tell all that the kernel has of each. Only reads."""

from __future__ import annotations

import errno
import os
from fnmatch import fnmatchcase

from ..base.errors import LauncherError
from ..kernel.cgroup import detect, tree
from ..kernel.cgroup.limits import table
from ..model.change import Change
from .limits import Cgroup

_GONE = (errno.ENOENT, errno.ENODEV)


class Have:
    """`parent`: the Cgroup that the names are below; `names`: paths below it of those that are asked for and exist, sorted."""

    __slots__ = ("parent", "names")

    def __init__(self, parent: Cgroup, names: list[str]):
        self.parent = parent
        self.names = names


def read(want: dict) -> Have:
    """Find the cgroups. LauncherError: names and parents that cannot be, no cgroup mounted."""
    path = tree.check_path(want["parent"], "parent") if want["parent"] else ""
    patterns = [tree.check_path(pattern, "name").split("/") for pattern in want["name"]] or [["*"]]
    parent = Cgroup(detect.find(), path)
    directories = list(dict.fromkeys(parent.paths().values()))
    names: set[str] = set()
    for pattern in patterns:
        names.update(_matching(directories, pattern))
    if want["recurse"]:
        names.update([deeper for name in names for deeper in _below(directories, name)])
    return Have(parent, sorted(names))


def _matching(directories: list[str], pattern: list[str]) -> list[str]:
    """Paths of the cgroups, in any of the hierarchies, whose parts match those of `pattern` one by one, as a shell's wildcards do."""
    found = [""]
    for part in pattern:
        found = [f"{above}{name}/" for above in found for name in _children(directories, above) if fnmatchcase(name, part)]
    return [path[:-1] for path in found]


def _children(directories: list[str], above: str) -> list[str]:
    """Names of the cgroups directly in `above`, '' or a path that ends with a slash."""
    names: set[str] = set()
    for directory in directories:
        try:
            with os.scandir(f"{directory}/{above}") as entries:
                names.update(entry.name for entry in entries if entry.is_dir(follow_symlinks=False))
        except FileNotFoundError:  # not in this hierarchy, or it has just been removed
            continue
    return sorted(names)


def _below(directories: list[str], name: str) -> list[str]:
    return [deeper[len(directory) + 1:] for directory in directories for deeper in tree.below(f"{directory}/{name}")]


def plan(_want: dict, _have: Have) -> list[Change]:
    """It only reads."""
    return []


def apply(_want: dict, _have: Have, _changes: list[Change]) -> None:
    """Never called: there are no changes."""


def result(want: dict, have: Have, _changes: list[Change], _checking: bool) -> dict:
    """Return the module's `cgroups`. One that is removed meanwhile, or has a name that no cgroup of ours can have, is left out."""
    described = [_describe(have.parent.layout, want["parent"], name) for name in have.names]
    return {"cgroups": [one for one in described if one is not None]}


def _describe(layout: detect.Layout, parent: str, name: str) -> dict | None:
    try:
        cgroup = Cgroup(layout, f"{parent}/{name}" if parent else name)
    except LauncherError:
        return None
    try:
        told = {
            "name": name,
            "path": cgroup.path,
            "mode": layout.mode,
            "state": "frozen" if cgroup.is_frozen() else "present",
            "paths": cgroup.paths(),
            "limits": cgroup.get(table.OPTIONS),
            "usage": cgroup.usage(),
            "processes": cgroup.processes(),
        }
    except OSError as error:
        if error.errno not in _GONE:
            raise
        return None
    return told if cgroup.exists() else None
