# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a task has mounted in a container beside its root: binds and file systems in memory. In the container's own mount namespace.

The root is hostile: a target is opened as the container would (a link leads to somewhere inside), missing parts are made one by one, and
the mount goes to the descriptor. A source is opened without following any link: a container may own a part of its path.
"""

from __future__ import annotations

import errno
import os
import stat

from ..base import beneath, libc
from . import devices, mounts

_IN_ROOT = libc.RESOLVE_IN_ROOT | libc.RESOLVE_NO_MAGICLINKS
_KERNELS = frozenset((libc.PROC_SUPER_MAGIC, libc.SYSFS_MAGIC, libc.CGROUP_SUPER_MAGIC, libc.CGROUP2_SUPER_MAGIC, devices.DEVPTS_SUPER_MAGIC,
                      devices.MQUEUE_MAGIC))
_OURS = ("proc", "sys", "dev")


def open_source(path: str) -> int:
    """An O_PATH descriptor of a file or directory of the host. OSError ELOOP: there is a symbolic link on the way."""
    top = os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        return beneath.open_beneath(top, path.strip("/") or ".", os.O_PATH)
    finally:
        os.close(top)


def bind(root: int, source: str, target: str, read_only: bool, recursive: bool) -> None:
    """Make `source` of the host visible at `target` below `root`, nosuid and nodev; a missing target is made. OSError names the path."""
    opened = open_source(source)
    try:
        is_directory = stat.S_ISDIR(os.fstat(opened).st_mode)
        point = _open_target(root, target, is_directory)
        try:
            _attach(opened, point, read_only, recursive)
        finally:
            os.close(point)
    finally:
        os.close(opened)


def tmpfs(root: int, target: str, data: str, read_only: bool, noexec: bool) -> None:
    """Mount a file system in memory on the directory `target` below `root`, made when missing; `data`: its options. OSError."""
    flags = libc.MS_NOSUID | libc.MS_NODEV | (libc.MS_NOEXEC if noexec else 0) | (libc.MS_RDONLY if read_only else 0)
    point = _open_target(root, target, True)
    try:
        libc.mount("tmpfs", mounts.at(point), "tmpfs", flags, data)
    finally:
        os.close(point)


def _attach(source, point, read_only, recursive):
    flags = libc.MOUNT_ATTR_NOSUID | libc.MOUNT_ATTR_NODEV | (libc.MOUNT_ATTR_RDONLY if read_only else 0)
    try:
        copy = libc.open_tree_clone(mounts.at(source), libc.AT_RECURSIVE if recursive else 0)
        try:
            libc.mount_setattr(copy, flags, libc.AT_RECURSIVE if recursive else 0)
            libc.move_mount(copy, point)
        finally:
            os.close(copy)
    except OSError as error:
        if error.errno != errno.ENOSYS:
            raise
        raise OSError(errno.ENOSYS, "needs Linux 5.12, which can make a mount safe before anybody sees it") from None


def _open_target(root, target, is_directory):
    """The descriptor to mount on, inside `root` whatever its links say, and on nothing that the launcher has mounted."""
    point = _open_or_make(root, target, is_directory)
    try:
        _refuse_ours(root, point, target)
        if os.path.samestat(os.fstat(root), os.fstat(point)):
            raise OSError(errno.EXDEV, "leads to the root itself", target)
        if stat.S_ISDIR(os.fstat(point).st_mode) != is_directory:
            raise OSError(errno.EISDIR if not is_directory else errno.ENOTDIR, "is not of the kind of what would be mounted there", target)
    except BaseException:
        os.close(point)
        raise
    return point


def _open_or_make(root, target, is_directory):
    try:
        return libc.openat2(root, target, os.O_PATH, 0, _IN_ROOT)
    except FileNotFoundError:
        pass
    except OSError as error:
        if error.errno == errno.ENOSYS:
            raise OSError(errno.ENOSYS, "needs Linux 5.6, which resolves a path inside a directory", target) from None
        raise
    parts = [part for part in target.split("/") if part]
    for depth in range(1, len(parts) + (1 if is_directory else 0)):
        _make_directory(root, "/".join(parts[:depth]))
    if not is_directory:
        _make_file(root, target)
    return libc.openat2(root, target, os.O_PATH, 0, _IN_ROOT)


def _make_directory(root, path):
    parent, _slash, name = path.rpartition("/")
    above = libc.openat2(root, parent or ".", os.O_PATH | os.O_DIRECTORY, 0, _IN_ROOT)
    try:
        _refuse_ours(root, above, path)
        os.mkdir(name, 0o755, dir_fd=above)
    except FileExistsError:
        pass
    finally:
        os.close(above)


def _make_file(root, path):
    """An empty file; where the last part is a link that leads nowhere, what it names. Nothing that is there is opened for writing."""
    parent, _slash, name = path.strip("/").rpartition("/")
    above = libc.openat2(root, parent or ".", os.O_PATH | os.O_DIRECTORY, 0, _IN_ROOT)
    try:
        _refuse_ours(root, above, path)
        named = _link_of(above, name)
    finally:
        os.close(above)
    if named is not None:
        inside = os.path.normpath(os.path.join("/", parent, named)).strip("/").split("/")
        for depth in range(1, len(inside)):
            _make_directory(root, "/".join(inside[:depth]))
    os.close(libc.openat2(root, path, os.O_RDONLY | os.O_CREAT | os.O_NONBLOCK | os.O_NOCTTY, 0o644, _IN_ROOT))


def _link_of(directory, name):
    try:
        return os.readlink(name, dir_fd=directory)
    except OSError:
        return None


def _refuse_ours(root, point, target):
    """A link of the image may lead to /proc, /sys or /dev, where a mount would hide what the launcher has put there."""
    top, place = os.readlink(mounts.at(root)), os.readlink(mounts.at(point))
    first = place[len(top):].split("/")[1:2]
    if not f"{place}/".startswith(f"{top}/") or first and first[0] in _OURS or libc.fstatfs_type(point) in _KERNELS:
        raise OSError(errno.EXDEV, "leads to what the launcher has mounted", target)
