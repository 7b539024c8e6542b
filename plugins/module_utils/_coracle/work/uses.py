# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who uses an image of the store. Containers say so in their settings, mounts in the kernel's table, and trees elsewhere by a record.

    IMAGES/.uses/HASH   {"path": tree or container's directory, "digests": [...]}, HASH being that of the path

A record is a hint where to look. It holds as long as a file there, which goes with the tree or the container, names the image:
`.NAME.coracle` beside a tree (work/rootfs/stamp.py), or the settings of a container that is not in places.CONTAINERS.
"""

from __future__ import annotations

import contextlib
import json
import os

from ..base import files, places
from ..base.errors import LauncherError
from ..kernel import mountinfo
from .stamps import PREFIX, is_digest

MOUNT = "a mount"  # of nobody whose name is known
_LIMIT = 65536
_HEX = 64


def add(path: str, digests: list[str]) -> None:
    """Record that the tree or the container at `path` uses these images. Writes nothing when that is recorded."""
    content = json.dumps({"path": path, "digests": sorted(digests)}).encode()
    directory = f"{places.IMAGES}/.uses"
    with contextlib.suppress(FileNotFoundError):
        if files.read_limited(f"{directory}/{_name(path)}", _LIMIT) == content:
            return
    files.make_directories(directory)
    fd = files.open_directory(directory)
    try:
        files.write_whole(fd, _name(path), content)
    finally:
        os.close(fd)


def remove(path: str) -> None:
    """Forget what the tree or the container at `path` uses. No record is fine."""
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        os.unlink(f"{places.IMAGES}/.uses/{_name(path)}")


def _name(path: str) -> str:
    from hashlib import sha256  # not for those who only remove a container

    return sha256(os.fsencode(path)).hexdigest()[:32]


def by_image() -> dict[str, list[str]]:
    """Return {digest: who uses it}, as 'container web1', 'tree /srv/web' or 'a mount', each sorted. Writes nothing."""
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
    directory = f"{places.IMAGES}/.uses"
    for name in _records():
        if _holding(f"{directory}/{name}") is None:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(f"{directory}/{name}")


def _recorded() -> list[tuple[str, set[str]]]:
    held = [_holding(f"{places.IMAGES}/.uses/{name}") for name in _records()]
    return [user for user in held if user is not None]


def _records() -> list[str]:
    try:
        return os.listdir(f"{places.IMAGES}/.uses")
    except FileNotFoundError:
        return []


def _holding(record: str) -> tuple[str, set[str]] | None:
    """(who, digests) of a record that still holds; None otherwise."""
    path, digests = _read_record(record)
    parent, _slash, base = path.rpartition("/")
    for who, file in (("tree", f"{parent}/.{base}.coracle"), ("container", f"{path}/settings")):
        named = _named_in(file) & digests
        if named:
            return f"{who} {path}", named
    return None


def _read_record(path: str) -> tuple[str, set[str]]:
    try:
        record = json.loads(files.read_limited(path, _LIMIT))
    except (FileNotFoundError, ValueError, LauncherError):
        return "", set()
    good = isinstance(record, dict) and isinstance(record.get("path"), str) and isinstance(record.get("digests"), list)
    return (record["path"], {digest for digest in record["digests"] if isinstance(digest, str)}) if good else ("", set())


def _named_in(path: str) -> set[str]:
    """The digests in a small file of ours; none when it is not there."""
    try:
        content = files.read_limited(path, _LIMIT).decode("utf-8", "replace")
    except (FileNotFoundError, NotADirectoryError, LauncherError):
        return set()
    return _digests(content.split(PREFIX)[1:])


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
    return {digest for digest in (PREFIX + piece[:_HEX] for piece in pieces) if is_digest(digest)}
