# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The three kinds of tree, each made at a temporary name beside its place.

    copy        a directory with everything in it
    overlay     an empty directory, over which the image's tree and a layer of its own are mounted
    read_only   an empty directory, over which the image's tree is mounted read-only

A mount is made in the mount namespace of the caller, so every process of the host sees it. Where the file system of the place is mounted
shared, as systemd has it, it also goes to the namespaces that follow this one. It lasts until the next boot.
"""

from __future__ import annotations

import errno
import os

from ...base import files, libc
from ...base.errors import LauncherError
from ...kernel import mounts
from .. import store
from . import kinds, stamp

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..manifest import Manifest, Parents, Policy, Record
    from .place import Dest
    from .stamp import Made


class Refused(OSError):
    """mount(2) refuses an overlay, though nothing that is known beforehand speaks against it (kinds.py)."""


_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.ENOMEM)  # would be the same with any other kind of tree


def make(dest: Dest, wanted: Made, directory: int, name: str) -> None:
    """Make the tree as `name` in the open parent `directory`, and set `inode`, `generation` and `layer` of `wanted`.

    When this fails, what it made is a leftover like that of a run that was killed (place.py).
    """
    os.mkdir(name, 0o700, dir_fd=directory)
    point = files.open_directory(name, directory)
    try:
        wanted.inode, wanted.generation = stamp.identity(point)
    finally:
        os.close(point)
    if wanted.kind == stamp.OVERLAY:
        wanted.layer = dest.random_of(name)
        make_layer(dest, wanted, directory)
        mount(dest, wanted, directory, name)
        if wanted.devices or wanted.preserve_setuid:
            _add_extras(wanted, directory, name)
    elif wanted.kind == stamp.READ_ONLY:
        mount(dest, wanted, directory, name)
    else:
        _copy(wanted, directory, name)


def policy(made: Made) -> Policy:
    """What the tree may have that the store's has not."""
    from ..manifest import Policy

    return Policy(made.devices, made.preserve_setuid)


def records_of(made: Made) -> Manifest:
    """What was recorded of its image."""
    from ..manifest import Manifest

    return Manifest(store.manifest_path(made.digest))


def make_layer(dest: Dest, made: Made, directory: int) -> None:
    """Make the directories of an overlay that are missing. The merged root has mode, owner and time of the upper directory."""
    home = _open_layers(dest, directory)
    try:
        _make_directory(home, made.layer, 0o700)
        layer = files.open_directory(made.layer, home)
        try:
            _make_directory(layer, "work", 0o700)
            if _make_directory(layer, "upper", 0o700):
                info = os.stat(made.tree)
                os.chown("upper", info.st_uid, info.st_gid, dir_fd=layer)
                os.chmod("upper", info.st_mode & 0o7777, dir_fd=layer)
                os.utime("upper", ns=(info.st_mtime_ns, info.st_mtime_ns), dir_fd=layer)
        finally:
            os.close(layer)
    finally:
        os.close(home)


def _open_layers(dest: Dest, directory: int) -> int:
    name = stamp.layers_of(dest.name)
    _make_directory(directory, name, 0o700)
    home = files.open_directory(name, directory)
    if os.fstat(home).st_uid:
        os.close(home)
        raise LauncherError("is not root's, and would hold what is written to the overlay", option="dest", value=f"{dest.parent}/{name}",
                            remedy="Move it away, or give another dest")
    return home


def _make_directory(directory: int, name: str, mode: int) -> bool:
    try:
        os.mkdir(name, mode, dir_fd=directory)
    except FileExistsError:
        return False
    return True


def mount(dest: Dest, made: Made, directory: int, name: str) -> None:
    """Mount an overlay, or the image itself, on `name` in the open parent `directory`. LauncherError when others could replace that."""
    kinds.check_above(dest)
    if made.kind == stamp.READ_ONLY:
        os.close(mounts.image_root(directory, name, made.tree))
        return
    flags = (0 if made.preserve_setuid else libc.MS_NOSUID) | (0 if made.devices else libc.MS_NODEV) | mounts.noexec_of(directory)
    point = files.open_directory(name, directory)
    try:
        data = mounts.overlay_options(made.tree, *stamp.upper_and_work(dest.parent, dest.name, made.layer))
        libc.mount("overlay", mounts.at(point), "overlay", flags, data)
    except OSError as error:
        if error.errno in _NO_ROOM:
            raise
        raise Refused(error.errno, f"the kernel refuses an overlay here ({error.strerror})", f"{dest.parent}/{name}") from error
    finally:
        os.close(point)


def _add_extras(wanted: Made, directory: int, name: str) -> None:
    from .. import manifest, trees

    root = files.open_directory(name, directory)
    try:
        wants = policy(wanted)
        lacking = list(trees.extras(records_of(wanted), wants))
        trees.apply_extras(root, [record for record in lacking if record.kind != manifest.LINK], wants)
        _link_again(manifest.Parents(root), manifest.Parents(root), [record for record in lacking if record.kind == manifest.LINK])
        libc.syncfs(root)
    finally:
        os.close(root)


def _link_again(firsts: Parents, others: Parents, links: list[Record]) -> None:
    """A file that is changed gets a copy of its own in the layer, without its other names: give them to it."""
    try:
        for record in links:
            first, first_name = firsts.of(record.extra)
            parent, name = others.of(record.path)
            before = os.fstat(parent)
            os.unlink(name, dir_fd=parent)
            os.link(first_name, name, src_dir_fd=first, dst_dir_fd=parent, follow_symlinks=False)
            os.utime(parent, ns=(before.st_mtime_ns, before.st_mtime_ns))
    finally:
        firsts.close()
        others.close()


def _copy(wanted: Made, directory: int, name: str) -> None:
    from .. import trees

    target = files.open_directory(name, directory)
    try:
        source = files.open_directory(wanted.tree)
        try:
            trees.copy(source, records_of(wanted), target, policy(wanted))
        finally:
            os.close(source)
        libc.syncfs(target)
    finally:
        os.close(target)
