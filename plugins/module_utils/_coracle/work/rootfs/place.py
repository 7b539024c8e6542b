# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The place of a tree: what may be given as dest, what is there, whose it is, and what killed runs left beside it. Reads only."""

from __future__ import annotations

import os
import stat

from ...base import text
from ...base.errors import LauncherError
from ...kernel import mountinfo
from . import stamp

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ...kernel.mountinfo import Mount

_NAME_MAX = 230  # bytes: of the 255 that the kernel takes, the names beside the tree need the rest
RANDOM_BYTES = 4  # at the end of a temporary name, in hexadecimal digits; an overlay's layer has the same


class Dest:
    """Where the tree is: `path` as given, `parent` with its symbolic links resolved, `name` in it, `real` both together."""

    __slots__ = ("path", "parent", "name", "real")

    def __init__(self, path: str):
        if not path.startswith("/") or ".." in path.split("/") or text.has_control(path) or os.path.normpath(path).strip("/") == "":
            raise LauncherError("is no absolute path of a tree", option="dest", value=path,
                                remedy="Give a path that begins with / and has no .. in it, and not / itself")
        self.path = os.path.normpath("/" + path.lstrip("/"))
        if max(map(len, os.fsencode(self.path).split(b"/"))) > _NAME_MAX:
            raise LauncherError(f"has a name of more than {_NAME_MAX} bytes in it", option="dest", value=path, remedy="Give shorter names")
        self.parent = os.path.realpath(os.path.dirname(self.path))
        self.name = os.path.basename(self.path)
        self.real = os.path.join(self.parent, self.name)

    def temporary(self, random: str) -> str:
        """The name beside the tree that a new one has until it is complete, and then the old one until it is gone."""
        return f".{self.name}.tmp-{random}"

    def is_temporary(self, name: str) -> bool:
        """Whether a name is one of those."""
        return name.startswith(self.temporary("")) and stamp.is_layer(self.random_of(name))

    def random_of(self, name: str) -> str:
        """The random part of a temporary name."""
        return name[len(self.temporary("")):]

    def plain_part(self) -> str:
        """The longest part of the name that mountinfo shows as it is: it escapes some characters, and not the same ones in each field."""
        plain = "".join(character if character.isalnum() else "/" for character in self.name)
        return max(plain.split("/"), key=len)


class Found:
    """What is at a place.

    `info`: lstat of it, None for nothing. `made`: the tree of ours that it is, None when it is not ours. `mounts`: on it and below it;
    `mounted`: on it; `foreign`: those that are not the tree's own. `stamped`: all trees that the stamp knows, None without a stamp.
    `is_bare`: a tree of ours whose mount is gone, as after a reboot.
    `leftovers`: names beside it that killed runs left; `layers`: those in `.NAME.overlay`, when that is not one of them as a whole.
    """

    __slots__ = ("dest", "info", "made", "mounts", "mounted", "foreign", "stamped", "is_bare", "leftovers", "layers")

    def __init__(self, dest: Dest):
        self.dest = dest
        self.stamped = stamp.read(dest.parent, dest.name)
        try:
            self.info = os.lstat(dest.real)
        except (FileNotFoundError, NotADirectoryError):
            self.info = None
        self.mounts = mountinfo.below(dest.real, dest.plain_part())
        self.mounted = [mount for mount in self.mounts if mount.point == dest.real]
        self.made = self._made() if self.info is not None else None
        self.foreign = self.mounts if self.made is None else [mount for mount in self.mounts if mount.point != dest.real]
        self.is_bare = self.made is not None and self.made.kind != stamp.COPY and not self.mounted
        self.leftovers = [name for name in _names(dest.parent) if name == f".{stamp.file_of(dest.name)}.new" or dest.is_temporary(name)]
        home = stamp.layers_of(dest.name)
        kept = self._kept_layers()
        self.layers = [name for name in _names(f"{dest.parent}/{home}") if stamp.is_layer(name) and name not in kept]
        if not kept and os.path.isdir(f"{dest.parent}/{home}") and self.layers == _names(f"{dest.parent}/{home}"):  # with nobody else's files
            self.leftovers, self.layers = [*self.leftovers, home], []

    def _made(self):
        for made in self.stamped or []:
            if self.mounted:
                if len(self.mounted) == 1 and is_mount_of(self.dest, made, self.mounted[0]):
                    return made
            elif stamp.is_bare(self.dest.parent, self.dest.name, made.inode, made.generation):
                return made
        return None

    def _kept_layers(self):
        """Those that belong to a tree. Of two that the stamp has, only the one that is there; but each when it cannot be told."""
        trees = (self.stamped or []) if self.made is None else [self.made]
        home = f"{self.dest.parent}/{stamp.layers_of(self.dest.name)}/"
        mounted = [_upper(mount) for mount in mountinfo.parse(mountinfo.own(), "upperdir=") if not is_temporary_mount(self.dest, mount)]
        return {made.layer for made in trees if made.layer} | {upper[len(home):].partition("/")[0] for upper in mounted if upper.startswith(home)}

    def check(self) -> None:
        """LauncherError for what this module may neither replace nor remove."""
        path = self.dest.path
        if self.info is None:
            self._check_above(path)
            return
        if not stat.S_ISDIR(self.info.st_mode):
            what = "a symbolic link" if stat.S_ISLNK(self.info.st_mode) else "no directory"
            raise LauncherError(f"is {what}", option="dest", value=path, remedy="Remove it, or give another path")
        if self.made is None or self.is_bare:
            self.check_foreign()
        if self.made is None or self.is_bare:
            self._check_empty(path)

    def check_foreign(self) -> None:
        """LauncherError when others have mounted something on the tree or below it, which it cannot go with."""
        if self.foreign:
            raise LauncherError(f"has a file system mounted on {text.visible(self.foreign[0].point)}", option="dest", value=self.dest.path,
                                remedy="Unmount it, or give another path")

    def _check_above(self, path):
        above = self.dest.parent
        while not os.path.lexists(above):
            above = os.path.dirname(above)
        if not os.path.isdir(above):
            raise LauncherError(f"lies below {text.visible(above)}, which is no directory", option="dest", value=path, remedy="Give another path")

    def _check_empty(self, path):
        if not os.listdir(self.dest.real):
            return
        if self.is_bare:
            raise LauncherError("holds files that were written while its mount was gone", option="dest", value=path,
                                remedy="Move them away, then run this again")
        raise LauncherError("is a directory with content that this module has not made", option="dest", value=path,
                            remedy="Move it away, or give another path")


def is_mount_of(dest: Dest, made: stamp.Made, mount: Mount) -> bool:
    """Whether `mount` is the one that belongs to the tree `made` of `dest`."""
    if made.kind == stamp.OVERLAY:
        return _upper(mount) == stamp.upper_and_work(dest.parent, dest.name, made.layer)[0]
    return made.kind == stamp.READ_ONLY and image_of(mount) == made.digest


def is_temporary_mount(dest: Dest, mount: Mount) -> bool:
    """Whether a run that was killed has left `mount` at a temporary name."""
    home, name = os.path.split(mount.point)
    return home == dest.parent and dest.is_temporary(name) and (
        _upper(mount).startswith(f"{dest.parent}/{stamp.layers_of(dest.name)}/") or bool(image_of(mount)))


def _upper(mount):
    return mount.options.get("upperdir", "") if mount.fstype == "overlay" else ""


def image_of(mount: Mount) -> str:
    """Return the digest of the image whose tree is mounted as it is, '' for any other mount."""
    root = mount.root.partition("//deleted")[0]  # as d_path() in fs/d_path.c marks a directory that has been removed since
    home, _slash, name = root.rpartition("/")
    digest = "sha256:" + os.path.basename(home)
    is_tree = name == "tree" or name.startswith(".tree.")  # the latter is one that goes (work/homes.py)
    return digest if is_tree and text.is_digest(digest) else ""


def _names(directory: str) -> list[str]:
    try:
        return sorted(os.listdir(directory))
    except (FileNotFoundError, NotADirectoryError):
        return []
