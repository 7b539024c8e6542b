# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What two trees have in common: names, types, modes, owners, links, devices, targets, content and times."""

from __future__ import annotations

import hashlib
import os
import stat
from typing import NamedTuple

SET_ID = stat.S_ISUID | stat.S_ISGID


class Facts(NamedTuple):
    """One name. `links`: all names of the same file in the tree; `content`: target, digest or device; `mtime`: seconds."""

    kind: str
    mode: int
    uid: int
    gid: int
    content: object
    nlink: int
    links: tuple[bytes, ...]
    mtime: int


def look(root: str) -> dict[bytes, Facts]:
    """Return {name below `root`: what it is}."""
    top, paths, names = os.fsencode(root), [], {}
    for folder, directories, files in os.walk(top):
        paths += [os.path.join(folder, name) for name in (*directories, *files)]
    infos = {path: os.lstat(path) for path in [top, *paths]}
    for path, info in infos.items():
        names.setdefault((info.st_dev, info.st_ino), []).append(os.path.relpath(path, top))
    return {os.path.relpath(path, top): _facts(path, info, names[info.st_dev, info.st_ino]) for path, info in infos.items()}


def _facts(path: bytes, info: os.stat_result, names: list[bytes]) -> Facts:
    kind, content, nlink = "node", info.st_rdev, info.st_nlink
    if stat.S_ISDIR(info.st_mode):
        kind, content, nlink = "directory", None, 0  # a file system counts them as it likes
    elif stat.S_ISLNK(info.st_mode):
        kind, content = "symlink", os.readlink(path)
    elif stat.S_ISREG(info.st_mode):
        kind, content = "file", _digest(path)
    return Facts(kind, info.st_mode, info.st_uid, info.st_gid, content, nlink, tuple(sorted(names)), int(info.st_mtime))


def _digest(path: bytes) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def as_by_default(tree: dict[bytes, Facts]) -> dict[bytes, Facts]:
    """What the module makes of such a tree when it is not told to keep devices and set-id bits."""
    kept = {}
    for name, facts in tree.items():
        if stat.S_ISCHR(facts.mode) or stat.S_ISBLK(facts.mode):
            continue
        kept[name] = facts if facts.kind == "directory" else facts._replace(mode=facts.mode & ~SET_ID)
    return kept


def differences(ours: dict[bytes, Facts], theirs: dict[bytes, Facts], times: tuple[str, ...]) -> list[str]:
    """Lines that say what differs. `times`: kinds of which the time counts; root is the directory itself."""
    found = []
    for name in sorted({*ours, *theirs}):
        one, other = ours.get(name), theirs.get(name)
        if one is None or other is None:
            found.append(f"{name!r}: {'missing' if one is None else 'too much'}")
            continue
        for field in Facts._fields:
            kind = "root" if name == b"." else one.kind
            if getattr(one, field) != getattr(other, field) and (field != "mtime" or kind in times):
                found.append(f"{name!r}: {field} {getattr(one, field)!r}, not {getattr(other, field)!r}")
    return found
