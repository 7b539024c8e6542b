# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The mounts of one container, made inside its own mount namespace: root, /proc, /sys, /dev, and the way out of the host's tree.

Everything below the root is hostile: its directories are opened beneath the root's descriptor without following a link, the mount goes to
/proc/self/fd/N, and the result is opened again and its file system type compared (CVE-2019-19921, CVE-2023-27561).
"""

from __future__ import annotations

import errno
import os
import stat

from ..base import beneath, libc

_NOSUID_NODEV_NOEXEC = libc.MS_NOSUID | libc.MS_NODEV | libc.MS_NOEXEC


def at(fd: int) -> str:
    """A path that names the opened file itself. Valid while the host's /proc is mounted, so before the pivot."""
    return f"/proc/self/fd/{fd}"


def make_private() -> None:
    """Stop mount events in both directions: on most hosts / is shared, and a mount made here would appear there."""
    libc.mount(None, "/", None, libc.MS_REC | libc.MS_PRIVATE)


def bind_root(path: str, read_only: bool = False) -> int:
    """Make the directory `path` a mount point with nosuid and nodev, as all that is mounted below it; return an O_PATH descriptor of its root.

    What the mount had before stays: a read-only or noexec file system does not become more than that inside. `read_only`: so is what is
    mounted below it; for the top one that comes last, by make_read_only().
    """
    libc.mount(path, path, None, libc.MS_BIND | libc.MS_REC)
    root = os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    was_read_only = os.fstatvfs(root).f_flag & libc.MS_RDONLY
    flags = libc.MOUNT_ATTR_NOSUID | libc.MOUNT_ATTR_NODEV | (libc.MOUNT_ATTR_RDONLY if read_only else 0)
    try:
        libc.mount_setattr(root, flags, libc.AT_RECURSIVE)
        if read_only and not was_read_only:
            libc.mount_setattr(root, 0, clear=libc.MOUNT_ATTR_RDONLY)  # for a moment: mount points are made in it
    except OSError as error:
        if error.errno != errno.ENOSYS:
            raise
        # Before Linux 5.12 only the top one; ST_* of statvfs(3) are MS_* up to noexec.
        kept = os.fstatvfs(root).f_flag & (libc.MS_RDONLY | libc.MS_NOEXEC)
        libc.mount(None, at(root), None, libc.MS_REMOUNT | libc.MS_BIND | libc.MS_NOSUID | libc.MS_NODEV | kept)
    return root


def make_read_only(root: int) -> None:
    """Make the mount whose root is the descriptor `root` read-only; not what is mounted in it."""
    try:
        libc.mount_setattr(root, libc.MOUNT_ATTR_RDONLY)
    except OSError as error:
        if error.errno != errno.ENOSYS:
            raise
        kept = os.fstatvfs(root).f_flag & (libc.MS_NOSUID | libc.MS_NODEV | libc.MS_NOEXEC)
        libc.mount(None, at(root), None, libc.MS_REMOUNT | libc.MS_BIND | libc.MS_RDONLY | kept)


def overlay_options(lower: str, upper: str, work: str) -> str:
    """The options of mount(2) for an overlay: less than a page, and no name in it may hold ':', ',' or a backslash."""
    return f"lowerdir={lower},upperdir={upper},workdir={work}"


def overlay_root(target: str, lower: str, upper: str, work: str, flags: int = 0) -> int:
    """Mount an overlay of the image tree `lower` on `target`, with `flags` beside nosuid and nodev; return an O_PATH descriptor of its root.

    Names as for overlay_options().
    """
    libc.mount("overlay", target, "overlay", libc.MS_NOSUID | libc.MS_NODEV | flags, overlay_options(lower, upper, work))
    return os.open(target, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)


def noexec_of(directory: int) -> int:
    """MS_NOEXEC when the mount that the opened directory is on has it, else 0."""
    return os.fstatvfs(directory).f_flag & libc.MS_NOEXEC  # ST_* of statvfs(3) are MS_* up to noexec


def image_root(directory: int, name: str, tree: str) -> int:
    """Mount the image tree `tree` itself, read-only, on the directory `name` in the opened one; return an O_PATH descriptor of its root.

    The mount has its flags before anybody sees it: to namespaces that follow ours it goes as it is then, and no later remount goes there.
    """
    noexec = noexec_of(directory)
    point = _open_point(directory, name)
    try:
        return _attach(tree, point, noexec)
    except OSError as error:
        if error.errno != errno.ENOSYS:
            raise
        return _bind_read_only_root(directory, name, point, tree, noexec)
    finally:
        os.close(point)


def _open_point(directory: int, name: str) -> int:
    return os.open(name, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory)


def _attach(tree: str, point: int, noexec: int) -> int:
    root = libc.open_tree_clone(tree)
    try:
        flags = libc.MOUNT_ATTR_RDONLY | libc.MOUNT_ATTR_NOSUID | libc.MOUNT_ATTR_NODEV
        libc.mount_setattr(root, flags | (libc.MOUNT_ATTR_NOEXEC if noexec else 0))
        libc.move_mount(root, point)
    except BaseException:
        os.close(root)
        raise
    return root


def _bind_read_only_root(directory: int, name: str, point: int, tree: str, noexec: int) -> int:
    """Before Linux 5.12, in two steps."""
    libc.mount(tree, at(point), None, libc.MS_BIND)
    root = _open_point(directory, name)
    flags = libc.MS_RDONLY | libc.MS_NOSUID | libc.MS_NODEV | noexec | noexec_of(root)  # what the store had, stays
    libc.mount(None, at(root), None, libc.MS_REMOUNT | libc.MS_BIND | flags)
    return root


def open_inside(root: int, path: str, flags: int = os.O_PATH) -> int:
    """Open `path` below `root`, crossing mounts but no symbolic link."""
    return beneath.open_beneath(root, path, flags)


def mount_inside(root: int, path: str, fstype: str, magic: int, flags: int = _NOSUID_NODEV_NOEXEC, data: str | None = None) -> int:
    """Mount a new `fstype` on the directory `path` below `root`, made when missing. Returns an O_PATH descriptor of its root.

    OSError ENOTDIR or ELOOP: the image has something else of that name there.
    """
    try:
        os.mkdir(path, 0o755, dir_fd=root)
    except FileExistsError:
        pass
    before = open_inside(root, path, os.O_PATH | os.O_DIRECTORY)
    try:
        libc.mount(fstype, at(before), fstype, flags, data)
    finally:
        os.close(before)
    mounted = open_inside(root, path, os.O_PATH | os.O_DIRECTORY)
    if libc.fstatfs_type(mounted) != magic:
        os.close(mounted)
        raise OSError(errno.EXDEV, "the directory was replaced while it was mounted on", path)
    return mounted


def bind_read_only(root: int, path: str) -> None:
    """Make what is at `path` read-only, with all below it. A missing path is left alone: kernels differ in what they have."""
    try:
        source = open_inside(root, path)
    except FileNotFoundError:
        return
    try:
        libc.mount(at(source), at(source), None, libc.MS_BIND | libc.MS_REC)
    finally:
        os.close(source)
    bound = open_inside(root, path)
    try:
        libc.mount(None, at(bound), None, libc.MS_REMOUNT | libc.MS_BIND | libc.MS_RDONLY | _NOSUID_NODEV_NOEXEC)
    finally:
        os.close(bound)


def mask(root: int, path: str, null: int) -> None:
    """Hide `path`: a file behind the host's /dev/null (descriptor `null`), a directory behind an empty read-only tmpfs."""
    try:
        target = open_inside(root, path)
    except FileNotFoundError:
        return
    try:
        try:
            libc.mount(at(null), at(target), None, libc.MS_BIND)
        except NotADirectoryError:
            libc.mount("tmpfs", at(target), "tmpfs", libc.MS_RDONLY | _NOSUID_NODEV_NOEXEC, "nr_blocks=1,nr_inodes=1,mode=0555")
    finally:
        os.close(target)


def host_null() -> int:
    """An O_PATH descriptor of the host's /dev/null, checked to be character device 1:3: a mask must hide, not open a door.

    Opened in the container's own mount namespace (a bind from another one is EINVAL), before the pivot: never the image's. Behind a
    read-only mount, whose flags every mask made of it inherits: else root inside could chmod(2) the host's /dev/null.
    """
    descriptor = _open_null()
    try:
        libc.mount(at(descriptor), at(descriptor), None, libc.MS_BIND)
    finally:
        os.close(descriptor)
    bound = _open_null()
    libc.mount(None, at(bound), None, libc.MS_REMOUNT | libc.MS_BIND | libc.MS_RDONLY | libc.MS_NOSUID | libc.MS_NOEXEC)
    return bound


def _open_null():
    descriptor = os.open("/dev/null", os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
    info = os.fstat(descriptor)
    if not stat.S_ISCHR(info.st_mode) or info.st_rdev != os.makedev(1, 3):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "is not the null device", "/dev/null")
    return descriptor


def pivot(root: int) -> None:
    """Make the mount behind `root` the root, and let go of the host's tree. chroot(2) alone can be left again by its own root user."""
    os.fchdir(root)
    libc.pivot_root(".", ".")
    # The old root now lies on top of the new one; detached, it is out of reach for good.
    libc.umount2(".", libc.MNT_DETACH)
    os.chdir("/")
