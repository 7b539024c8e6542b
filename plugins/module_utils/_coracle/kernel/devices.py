# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A container's own /dev: six nodes, a pseudo-terminal instance, shared memory. Never the host's, never the image's."""

from __future__ import annotations

import errno
import fcntl
import os
import stat

from ..base import libc
from . import mounts

# What the OCI runtime specification asks of every container (config-linux, "Default Devices").
_NODES = (("null", 1, 3), ("zero", 1, 5), ("full", 1, 7), ("random", 1, 8), ("urandom", 1, 9), ("tty", 5, 0))
_LINKS = (("fd", "/proc/self/fd"), ("stdin", "/proc/self/fd/0"), ("stdout", "/proc/self/fd/1"), ("stderr", "/proc/self/fd/2"),
          ("ptmx", "pts/ptmx"))

DEVPTS_SUPER_MAGIC = 0x1CD1
MQUEUE_MAGIC = 0x19800202
_TTY_GROUP = 5  # group tty on every distribution: what grantpt(3) expects of a slave

SHM_SIZE = 64 << 20  # bytes

TIOCSCTTY = 0x540E
TIOCSPTLCK = 0x40045431
TIOCGPTPEER = 0x5441
TIOCSWINSZ = 0x5414
TIOCGWINSZ = 0x5413


def populate(root: int, shm_size: int = SHM_SIZE, nodes=()) -> None:
    """Mount and fill /dev below `root`. Needs umask 0 and CAP_MKNOD. An image's own /dev, whatever it holds, disappears below it.

    `shm_size`: bytes of /dev/shm; `nodes`: more of them, as of work/nodes.py.
    """
    dev = mounts.mount_inside(root, "dev", "tmpfs", libc.TMPFS_MAGIC, libc.MS_NOSUID | libc.MS_NOEXEC | libc.MS_STRICTATIME,
                              "mode=755,size=65536k")
    try:
        for name, major, minor in _NODES:
            os.mknod(name, stat.S_IFCHR | 0o666, os.makedev(major, minor), dir_fd=dev)
        for name, target in _LINKS:
            os.symlink(target, name, dir_fd=dev)
        for node in nodes:
            _make_node(dev, node)
        os.close(mounts.mount_inside(dev, "pts", "devpts", DEVPTS_SUPER_MAGIC, libc.MS_NOSUID | libc.MS_NOEXEC,
                                     f"newinstance,ptmxmode=0666,mode=0620,gid={_TTY_GROUP}"))
        os.close(mounts.mount_inside(dev, "shm", "tmpfs", libc.TMPFS_MAGIC, data=f"mode=1777,size={shm_size}"))
        try:
            os.close(mounts.mount_inside(dev, "mqueue", "mqueue", MQUEUE_MAGIC))
        except OSError as error:
            if error.errno != errno.ENODEV:  # CONFIG_POSIX_MQUEUE is off: nothing in the container can miss it
                raise
    finally:
        os.close(dev)


def _make_node(dev, node):
    """With the owner and the mode that it has on the host. The file system is new, and nobody else has it yet."""
    parts = node.path.split("/")
    for depth in range(1, len(parts)):
        try:
            os.mkdir("/".join(parts[:depth]), 0o755, dir_fd=dev)
        except FileExistsError:
            continue
    os.mknod(node.path, node.mode, node.device, dir_fd=dev)
    os.chown(node.path, node.uid, node.gid, dir_fd=dev, follow_symlinks=False)


def open_terminal(root: int) -> tuple[int, int]:
    """Return (master, slave) of a new pseudo-terminal of the container's own devpts instance below `root`.

    The slave is opened through its master (TIOCGPTPEER, Linux 4.13), not by a path that the container could have replaced.
    """
    instance = mounts.open_inside(root, "dev/pts", os.O_PATH | os.O_DIRECTORY)
    try:
        if libc.fstatfs_type(instance) != DEVPTS_SUPER_MAGIC:
            raise OSError(errno.EXDEV, "is no devpts", "/dev/pts")
        master = os.open("ptmx", os.O_RDWR | os.O_NOCTTY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=instance)
    finally:
        os.close(instance)
    fcntl.ioctl(master, TIOCSPTLCK, b"\0\0\0\0")
    slave = fcntl.ioctl(master, TIOCGPTPEER, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    return master, slave
