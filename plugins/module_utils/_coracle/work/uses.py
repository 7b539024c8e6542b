# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who uses an image of the store. Containers say so in their settings, mounts in the kernel's table, and trees elsewhere by a record.

    IMAGES/.uses/HASH   {"path": tree or container's directory, "digests": [...], "above": [[device, inode] from / to its parent]}
                        HASH being that of the path

A record is a hint where to look. It holds as long as a file there, which goes with the tree or the container, names the image:
`.NAME.coracle` beside a tree (work/rootfs/stamp.py), or the settings of a container that is not in places.CONTAINERS. It holds as well
while that place cannot be seen, as the disk is not mounted: directories above it are missing or others than they were.
"""

from __future__ import annotations

import contextlib
import json
import os

from ..base import files, places, text
from ..base.errors import LauncherError
from ..kernel import mountinfo
from .stamps import locked

_DIRECTORY = ".uses"
MOUNT = "a mount"  # of nobody whose name is known
_LIMIT = 65536
_HEX = 64


def add(path: str, digests: list[str]) -> None:
    """Record that the tree or the container at `path` uses these images. Writes nothing when that is recorded."""
    content = json.dumps({"path": path, "digests": sorted(digests), "above": _above(path)}).encode()
    with contextlib.suppress(FileNotFoundError):
        if files.read_limited(f"{places.IMAGES}/{_DIRECTORY}/{_name(path)}", _LIMIT) == content:
            return
    with locked(_DIRECTORY) as directory:
        files.write_whole(directory, _name(path), content)


def remove(path: str) -> None:
    """Forget what the tree or the container at `path` uses. No record is fine."""
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        os.unlink(f"{places.IMAGES}/{_DIRECTORY}/{_name(path)}")


def _name(path: str) -> str:
    from hashlib import sha256  # not for those who only remove a container

    return sha256(os.fsencode(path)).hexdigest()[:32]


def by_image() -> dict[str, list[str]]:
    """Return {digest: who uses it}, as 'container web1', 'tree /srv/web' or 'a mount', each sorted. Writes nothing.

    'something at /mnt/disk/web' is a tree or a container whose place cannot be seen now.
    """
    users: dict[str, set[str]] = {}
    for who, digests in (*_containers(), *_recorded(), (MOUNT, _mounted())):
        for digest in digests:
            users.setdefault(digest, set()).add(who)
    return {digest: sorted(who) for digest, who in sorted(users.items())}


def _containers() -> list[tuple[str, set[str]]]:
    """Every container that is kept or runs. Its settings may be damaged, or changed since it was started: each digest in them counts."""
    from . import records  # not for those who only add a record

    found = []
    for name in records.names():
        paths = [f"{records.path_of(name)}/settings", f"{records.run_directory(name)}/settings"]
        state = records.read_state(name)
        if state is not None:
            paths.append(f"{state.path}/settings")
        found.append((f"container {name}", set().union(*map(_named_in, paths))))
    return found


def tidy() -> None:
    """Remove the records that hold no more."""
    if not _records():
        return
    with locked(_DIRECTORY) as directory:  # nobody adds one while it is looked at
        for name in _records():
            if _holding(name) is None:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(name, dir_fd=directory)


def _recorded() -> list[tuple[str, set[str]]]:
    held = [_holding(name) for name in _records()]
    return [user for user in held if user is not None]


def _records() -> list[str]:
    try:
        return [name for name in os.listdir(f"{places.IMAGES}/{_DIRECTORY}") if not name.startswith(".")]  # which is a temporary one
    except FileNotFoundError:
        return []


def _holding(name: str) -> tuple[str, set[str]] | None:
    """(who, digests) of a record that still holds; None otherwise."""
    path, digests, above = _read_record(name)
    if not digests:
        return None
    parent, _slash, base = path.rpartition("/")
    for who, file in (("tree", f"{parent}/.{base}.coracle"), ("container", f"{path}/settings")):
        try:
            named = _named_in(file) & digests
        except OSError:  # a server that does not answer, a disk that fails
            break
        if named:
            return f"{who} {path}", named
    return (f"something at {path}", digests) if _is_out_of_sight(path, above) else None


def _is_out_of_sight(path: str, above: list) -> bool:
    """True unless the directories above `path` are those that were there when it was recorded.

    Some may have been removed since, but not one that another file system was mounted on, or that lay within such a one.
    """
    now = _above(path)
    return now != above[:len(now)] or now[-1][0] != above[-1][0]


def _above(path: str) -> list[list[int]]:
    """[device, inode] of each directory from / to the parent of `path`, as far as they are there."""
    found = []
    parts = path.split("/")
    for depth in range(1, len(parts)):
        try:
            info = os.stat("/".join(parts[:depth]) or "/")
        except (FileNotFoundError, NotADirectoryError):
            break
        except OSError:
            return [[0, 0]]  # like no other
        found.append([info.st_dev, info.st_ino])
    return found


def _read_record(name: str) -> tuple[str, set[str], list]:
    """(path, digests, above) of a record; no digests when it is none."""
    try:
        record = json.loads(files.read_limited(f"{places.IMAGES}/{_DIRECTORY}/{name}", _LIMIT))
    except (FileNotFoundError, ValueError, LauncherError):
        return "", set(), []
    kinds = {"path": str, "digests": list, "above": list}
    record = {"above": [], **record} if isinstance(record, dict) else {}  # earlier ones did not say: then the place is out of sight
    if not all(isinstance(record.get(key), kind) for key, kind in kinds.items()) or not record["path"].startswith("/"):
        return "", set(), []
    return record["path"], {digest for digest in record["digests"] if isinstance(digest, str)}, record["above"]


def _named_in(path: str) -> set[str]:
    """The digests in a small file of ours; none when it is not there."""
    try:
        content = files.read_limited(path, _LIMIT).decode("utf-8", "replace")
    except (FileNotFoundError, NotADirectoryError, LauncherError):
        return set()
    return _digests(content.split(text.DIGEST_PREFIX)[1:])


def _mounted() -> set[str]:
    """Images that something in our mount namespace is mounted from: an overlay on one, or a bind mount of one."""
    found = set()
    for mount in mountinfo.parse(mountinfo.own()):
        for value in mount.options.values():
            found |= _digests(value.split(f"{places.IMAGES}/")[1:])
        # Of a bind mount the kernel shows the path within its file system, which is the end of the path that we know.
        parts = mount.root.split("/")
        names = [part for index, part in enumerate(parts) if places.IMAGES.endswith("/".join(parts[:index]))]
        found |= _digests([name for name in names if len(name) == _HEX])
    return found


def _digests(pieces: list[str]) -> set[str]:
    """The digests whose hexadecimal digits are at the beginnings of these texts."""
    return {digest for digest in (text.DIGEST_PREFIX + piece[:_HEX] for piece in pieces) if text.is_digest(digest)}
