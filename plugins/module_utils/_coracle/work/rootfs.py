# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module container_rootfs: an image's tree copied to one place, and kept as the task wants it.

Beside the tree NAME lies `.NAME.coracle`: inode of the tree -> which image and policy it was made from. A tree whose inode is not in
there is not ours. It is written before a new tree gets its name, with the old tree and the new one, so a run that is killed leaves
no moment in which a tree of ours looks like somebody else's. A new tree is made as `.NAME.tmp-XXXX` (0700) and changes places with
the old one in one system call.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import stat

from ..base import files, libc, text
from ..base.errors import LauncherError
from ..formats.entries import Limits
from ..model.change import CREATE, RECREATE, REMOVE, Change
from . import images, trees

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_STAMP_LIMIT = 65536
_MAX_DEPTH = 256  # verify holds a descriptor for each level
_SHOWN = 100  # differences that verify lists one by one
_DIFFERS = "the tree differs from its image"


class Dest:
    """Where the tree is: `path` as given, `parent` with its symbolic links resolved, `name` in it."""

    __slots__ = ("path", "parent", "name")

    def __init__(self, path: str):
        if not path.startswith("/") or ".." in path.split("/") or text.has_control(path) or os.path.normpath(path).strip("/") == "":
            raise LauncherError("is no absolute path of a tree", option="dest", value=path,
                                remedy="Give a path that begins with / and has no .. in it, and not / itself")
        self.path = os.path.normpath("/" + path.lstrip("/"))
        self.parent = os.path.realpath(os.path.dirname(self.path))
        self.name = os.path.basename(self.path)

    @property
    def real(self) -> str:
        return os.path.join(self.parent, self.name)

    @property
    def stamp(self) -> str:
        return f".{self.name}.coracle"

    @property
    def temporary(self) -> str:
        return f".{self.name}.tmp-"


class Have:
    """What is there. `inode`: of the tree, None when there is none; `made`: what the stamp says of it, None when it is not ours.

    `digest`: of the source, '' for state absent; `archive`: its path on this host, None when only the digest is known.
    `leftovers`: names of what killed runs left beside it; `differing`: what verify found, as work/trees.py returns it.
    """

    __slots__ = ("dest", "digest", "archive", "inode", "made", "leftovers", "stamped", "differing")

    def __init__(self, dest: Dest):
        self.dest = dest
        self.digest = ""
        self.archive = None
        self.inode = None
        self.made = None
        self.leftovers: list[str] = []
        self.stamped = False
        self.differing: list[tuple] = []


def read(want: dict) -> Have:
    """Return what the host has. LauncherError for options that cannot be, and for a place that is not ours to fill."""
    have = Have(Dest(want["dest"]))
    _look(have)
    limits_of(want)
    if want["state"] == "present":
        if want["backing_store"] == "overlay":
            raise LauncherError("cannot be had for a plain tree", option="backing_store", value="overlay",
                                remedy="Use the option image of the module coracle.launcher.container: such a container gets an overlay"
                                       " on the image when it starts")
        have.archive, have.digest = _source(want)
        if want["verify"] and have.made == _made_as(want, have.digest):
            have.differing = _differing(want, have)
    return have


def _look(have: Have) -> None:
    dest = have.dest
    try:
        info = os.lstat(dest.real)
    except (FileNotFoundError, NotADirectoryError):
        info = None
    stamp = _read_stamp(dest)
    have.stamped = stamp is not None
    have.leftovers = _leftovers(dest)
    if info is None:
        return
    have.inode = info.st_ino
    have.made = (stamp or {}).get(str(info.st_ino))
    _check_ours(dest, info, have.made)


def _check_ours(dest: Dest, info: os.stat_result, made: dict | None) -> None:
    if not stat.S_ISDIR(info.st_mode):
        what = "a symbolic link" if stat.S_ISLNK(info.st_mode) else "no directory"
        raise LauncherError(f"is {what}", option="dest", value=dest.path, remedy="Remove it, or give another path")
    mounted = [point for point in _mount_points() if point == dest.real or point.startswith(dest.real + "/")]
    if mounted:
        raise LauncherError(f"has a file system mounted on {text.visible(mounted[0])}", option="dest", value=dest.path,
                            remedy="Unmount it, or give a directory inside it")
    if made is None and os.listdir(dest.real):
        raise LauncherError("is a directory with content that this module has not made", option="dest", value=dest.path,
                            remedy="Move it away, or give another path")


def _mount_points() -> list[str]:
    # Field 5 of each line, with blanks and backslashes as \ooo (proc(5)).
    points = []
    for line in files.read_text("/proc/self/mountinfo").splitlines():
        raw = line.split(" ")[4]
        for code, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
            raw = raw.replace(code, character)
        points.append(raw)
    return points


def _read_stamp(dest: Dest) -> dict | None:
    try:
        stamp = json.loads(files.read_limited(f"{dest.parent}/{dest.stamp}", _STAMP_LIMIT))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except ValueError:
        stamp = None
    made = stamp.get("trees") if isinstance(stamp, dict) else None
    # Of a stamp that was damaged nothing is believed, and the tree counts as not ours.
    return {inode: values for inode, values in made.items() if _is_made(values)} if isinstance(made, dict) else {}


def _is_made(values) -> bool:
    return isinstance(values, dict) and set(values) == {"digest", "devices", "preserve_setuid"} and isinstance(values["digest"], str)


def _leftovers(dest: Dest) -> list[str]:
    try:
        return sorted(name for name in os.listdir(dest.parent) if name == f".{dest.stamp}.new"
                      or (name.startswith(dest.temporary) and len(name) == len(dest.temporary) + 8))
    except (FileNotFoundError, NotADirectoryError):
        return []


def limits_of(want: dict) -> Limits:
    """Return the limits that the task gives. LauncherError for numbers that cannot be."""
    size = text.parse_size(want["max_bytes"], "max_bytes")
    if size < 0:
        raise LauncherError("has no meaning as a limit", option="max_bytes", value=want["max_bytes"], remedy="Give a size, e.g. 4G")
    return Limits(size, text.parse_integer(want["max_entries"], "max_entries", 1, 100_000_000),
                  text.parse_integer(want["max_depth"], "max_depth", 1, _MAX_DEPTH))


def _source(want: dict) -> tuple[str | None, str]:
    """Return (archive on this host or None, digest). The action plugin gives an archive of the controller as digest and checksum."""
    src, checksum = want["src"], want["checksum"]
    if checksum is not None:
        images.check_digest(checksum, "checksum")
    if src.startswith(images.PREFIX):
        digest = images.check_digest(src, "src")
        if checksum is None and images.find(digest) is None:
            raise images.MissingImages([digest])
        archive = None
    else:
        if not src.startswith("/"):
            raise LauncherError("is no absolute path", option="src", value=src,
                                remedy="Give the archive's path on the host, beginning with /")
        archive, digest = src, images.plan_image(src).digest
    if checksum not in (None, digest):
        raise LauncherError(f"is not the digest of {src}, which is {digest}", option="checksum", value=checksum,
                            remedy="Give the right checksum, or the archive that it belongs to")
    return archive, digest


def _made_as(want: dict, digest: str) -> dict:
    return {"digest": digest, "devices": want["devices"], "preserve_setuid": want["preserve_setuid"]}


def _policy(want: dict) -> trees.Policy:
    return trees.Policy(want["devices"], want["preserve_setuid"])


def _differing(want: dict, have: Have) -> list[tuple]:
    image = images.find(have.digest)
    if image is None:
        return [("", "not comparable, the image is not in the store", "the image")]
    source = files.open_directory(image.tree)
    target = files.open_directory(have.dest.real)
    try:
        return trees.differences(source, trees.load(images.manifest_path(have.digest)), target, _policy(want))
    finally:
        os.close(target)
        os.close(source)


def plan(want: dict, have: Have) -> list[Change]:
    """Return the changes. LauncherError when a tree that a process has as its root would have to go."""
    changes = []
    if want["state"] == "absent":
        if have.made is not None:
            changes.append(Change("dest", have.made["digest"], None, REMOVE))
        elif have.inode is not None:
            raise LauncherError("is a directory that this module has not made", option="dest", value=have.dest.path,
                                remedy="Remove it yourself, if it is to go")
        elif have.stamped:
            changes.append(Change("dest", have.dest.stamp, None, REMOVE, "left over of a tree that is gone"))
    elif have.made is None:
        changes.append(Change("src", None, have.digest, CREATE))
    else:
        wanted = dict(_made_as(want, have.digest))
        changes += [Change("src" if key == "digest" else key, have.made.get(key), wanted[key], RECREATE)
                    for key in wanted if have.made.get(key) != wanted[key]]
        changes += _verify_changes(have.differing)
    if changes and have.made is not None:
        _check_unused(have)
    changes += [Change("dest", name, None, REMOVE, "left over by a run that was killed") for name in have.leftovers]
    return changes


def _verify_changes(differing: list[tuple]) -> list[Change]:
    changes = []
    for path, before, after in differing[:_SHOWN]:
        name = text.visible(os.fsencode(path)) or "."
        changes.append(Change("verify", f"{name}: {_shown(before)}", f"{name}: {_shown(after)}", RECREATE, _DIFFERS))
    if len(differing) > _SHOWN:
        changes.append(Change("verify", f"{len(differing) - _SHOWN} more files", None, RECREATE, _DIFFERS))
    return changes


def _shown(description: str | None) -> str:
    return "nothing" if description is None else text.visible(os.fsencode(description))


def _check_unused(have: Have) -> None:
    tree = os.lstat(have.dest.real)
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            used = os.path.samestat(os.stat(f"/proc/{pid}/root"), tree)
        except OSError:
            continue  # it ended meanwhile, or has no root any more
        if used:
            raise LauncherError(f"is in use as the root of process {pid}", option="dest", value=have.dest.path,
                                remedy="Stop the container first")


def apply(want: dict, have: Have, changes: list[Change]) -> None:
    """Make it so. Killed at any moment, the tree is the old one or the new one, and the next run finds what is left over."""
    image = None
    if want["state"] == "present":
        if have.archive is not None:
            image = images.ensure_image(have.archive, have.digest, limits_of(want))
        else:
            image = images.find(have.digest)
            if image is None:
                raise images.MissingImages([have.digest])
            limits_of(want).check(image.bytes, image.entries, image.depth)
        files.make_directories(have.dest.parent, 0o755)
    try:
        directory = files.open_directory(have.dest.parent)
    except FileNotFoundError:
        return  # somebody else removed it all meanwhile
    try:
        fcntl.flock(directory, fcntl.LOCK_EX)  # of the directory itself, so that no file of a lock is left over
        now = Have(have.dest)
        _look(now)
        for name in now.leftovers:  # we hold the lock, so nobody is filling them
            files.remove_tree(name, directory)
        if image is None:
            _remove(now, directory)
        elif now.made != _made_as(want, have.digest) or have.differing:
            _replace(want, now, image, directory)
        elif len(_read_stamp(have.dest) or {}) > 1:  # killed just after the trees changed places
            _write_stamp(have.dest, directory, {str(now.inode): now.made})
    finally:
        os.close(directory)


def _write_stamp(dest: Dest, directory: int, made: dict) -> None:
    files.write_whole(directory, dest.stamp, json.dumps({"trees": made}).encode() + b"\n")


def _replace(want: dict, now: Have, image: images.Image, directory: int) -> None:
    dest = now.dest
    with _temporary(dest, directory) as name:
        target = files.open_directory(name, directory)
        try:
            source = files.open_directory(image.tree)
            try:
                trees.copy(source, trees.load(images.manifest_path(image.digest)), target, _policy(want))
            finally:
                os.close(source)
            libc.syncfs(target)
            made = {str(os.fstat(target).st_ino): _made_as(want, image.digest)}
        finally:
            os.close(target)
        if now.made is not None:
            _write_stamp(dest, directory, dict(made, **{str(now.inode): now.made}))
        else:
            _write_stamp(dest, directory, made)
        _switch(directory, name, dest.name, now.inode is not None)
        os.fsync(directory)
        if now.made is not None:
            _write_stamp(dest, directory, made)


@contextlib.contextmanager
def _temporary(dest: Dest, directory: int) -> Iterator[str]:
    """Make a directory beside the tree, and remove what has its name in the end: the unfinished tree, or the one that was replaced."""
    name = dest.temporary + os.urandom(4).hex()
    os.mkdir(name, 0o700, dir_fd=directory)
    try:
        yield name
    finally:
        files.remove_tree(name, directory)


def _switch(directory: int, new: str, name: str, exists: bool) -> None:
    try:
        libc.renameat2(directory, new, directory, name, libc.RENAME_EXCHANGE if exists else libc.RENAME_NOREPLACE)
        return
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOSYS):
            raise
    # A file system that cannot exchange. Killed between the two renames, the old tree has a leftover's name and the next run makes
    # the tree again.
    if exists:
        old = f"{new[:-8]}{os.urandom(4).hex()}"
        os.rename(name, old, src_dir_fd=directory, dst_dir_fd=directory)
        os.rename(new, name, src_dir_fd=directory, dst_dir_fd=directory)
        os.rename(old, new, src_dir_fd=directory, dst_dir_fd=directory)
    else:
        os.rename(new, name, src_dir_fd=directory, dst_dir_fd=directory)


def _remove(now: Have, directory: int) -> None:
    dest = now.dest
    if now.made is not None:
        name = dest.temporary + os.urandom(4).hex()
        os.rename(dest.name, name, src_dir_fd=directory, dst_dir_fd=directory)
        files.remove_tree(name, directory)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(dest.stamp, dir_fd=directory)


def result(want: dict, have: Have, changes: list[Change], checking: bool) -> dict:
    """Return `image`. In check mode an archive that is new to this host is read, so that a bad one fails there too."""
    if want["state"] == "absent":
        return {}
    image = images.find(have.digest)
    if image is None and checking and have.archive is not None:
        image = images.inspect(have.archive, limits_of(want))
    if have.archive is not None and not checking:
        if want["checksum"] is None:  # else the archive may well be the action plugin's temporary copy
            images.remember(have.archive, have.digest)
    return {"image": {"digest": have.digest} if image is None else _as_copied(image, want)}


def _as_copied(image: images.Image, want: dict) -> dict:
    values = image.as_dict()
    if want["devices"]:
        values["skipped"] = dict(values["skipped"], devices=0)
    return values
