# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Named network namespaces, as `ip netns` sees them: a bind mount of the namespace at /run/netns/NAME.

Like iproute2 this mounts /run/netns upon itself before the first name: else iproute2 would do so later, on top of our names, and
where /run is not shared nobody could remove these any more. Unlike it, the last name takes that mount along.
A namespace that was made here carries a mark (the alias of its `lo`), which nobody else's namespace of the same name has.
"""

from __future__ import annotations

import errno
import fcntl
import os

from ...base import files, libc, places, text
from ...base.errors import LauncherError
from . import netlink

CONTAINER = "coracle:container"  # marks on lo: who made the namespace
MODULE = "coracle:veth_bridge"

_OWN = "/proc/thread-self/ns/net"
_LO = 1  # LOOPBACK_IFINDEX of the kernel's net/ipv4: in every namespace
_NS_GET_NSTYPE = 0xB703  # <linux/nsfs.h>
_MS_SHARED = 1 << 20  # <linux/mount.h>
_OUR_MOUNT = "trusted.coracle"  # on the directory: the mount upon itself is ours, not one of `ip netns`


def path(name: str) -> str:
    """Where the namespace of this name is. LauncherError for a name that is no plain file name or looks like an option."""
    good = isinstance(name, str) and 1 <= len(name) <= 63 and name.isascii() and all(c.isalnum() or c in "_.-" for c in name)
    if not good or name[0] in ".-":
        raise LauncherError("is not the name of a network namespace", option="netns", value=name,
                            remedy="Use 1 to 63 of A-Z a-z 0-9 _ . - and begin with a letter, a digit or _")
    return f"{places.NETNS}/{name}"


def create(name: str, mark: str = CONTAINER) -> str:
    """Make the namespace with `lo` up, give it its name and return its path. What exists already is left as it is. OSError.

    The calling thread stays in its own namespace; for some 100 µs it is in the new one, so no other thread may rely on it.
    """
    target = path(name)
    if exists(name):
        return target
    own = open_own()
    try:
        libc.unshare(libc.CLONE_NEWNET)
        try:
            _prepare(mark)
            _give_name(target)
        finally:
            libc.setns(own, libc.CLONE_NEWNET)
    finally:
        os.close(own)
    return target


def _prepare(mark: str) -> None:
    """What a namespace needs to be of use, done from inside it."""
    loopback_up(mark)
    try:
        # ping without CAP_NET_RAW for every group, as docker and podman set it.
        files.write_text("/proc/sys/net/ipv4/ping_group_range", "0 2147483647")
    except OSError:
        pass  # /proc/sys is read-only or hidden where we ourselves run in a container: only ping misses it


def _give_name(target: str) -> None:
    # A file that is not mounted on was left by a run that was killed between both calls: use it.
    flags = os.O_RDONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    _make_directory()
    try:
        os.close(os.open(target, flags, 0o444))
    except FileNotFoundError:  # whoever removed the last name has just removed the directory
        _make_directory()
        os.close(os.open(target, flags, 0o444))
    try:
        libc.mount(_OWN, target, None, libc.MS_BIND)
    except OSError:
        os.unlink(target)
        raise


def _make_directory() -> None:
    files.make_directories(places.NETNS, 0o755)
    try:
        if os.listdir(places.NETNS):
            return  # a mount on top of names that are mounted already is what must not be
        if not _share():
            libc.mount(places.NETNS, places.NETNS, None, libc.MS_BIND)
            _share()
            os.setxattr(places.NETNS, _OUR_MOUNT, b"1")
    except OSError:
        pass  # it was removed meanwhile, or its file system has no such attributes: the mount stays, as the one of `ip netns` does


def _share() -> bool:
    """Let other mount namespaces hear of what is unmounted, so that none of them keeps a namespace alive. False: it is no mount point."""
    try:
        libc.mount(None, places.NETNS, None, _MS_SHARED)
    except OSError:
        return False
    return True


def delete(name: str) -> None:
    """Take the name away; the namespace and its links go when no process and no descriptor is left in it. Missing is fine. OSError."""
    target = path(name)
    for _mounted_upon in range(16):  # others may have mounted a second time on the same name
        try:
            libc.umount2(target, libc.MNT_DETACH | libc.UMOUNT_NOFOLLOW)
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.ENOENT):
                raise
            break
    try:
        os.unlink(target)
    except FileNotFoundError:
        return
    _remove_empty_parent()


def _remove_empty_parent() -> None:
    try:
        if not os.listdir(places.NETNS) and os.getxattr(places.NETNS, _OUR_MOUNT):
            libc.umount2(places.NETNS, libc.UMOUNT_NOFOLLOW)
    except OSError:
        pass  # no such mount, or not ours, or a name has come meanwhile
    try:
        os.rmdir(places.NETNS)
    except OSError:
        pass  # names of others are in it, or `ip netns` has mounted it upon itself


def exists(name: str) -> bool:
    """True when the name leads to a namespace; False for nothing, and for a file without a namespace mounted on it."""
    try:
        fd = _open(path(name))
    except FileNotFoundError:
        return False
    try:
        return _is_network(fd)
    finally:
        os.close(fd)


def names() -> list[str]:
    """The names of all namespaces, sorted, also of those that others made."""
    try:
        entries = os.listdir(places.NETNS)
    except FileNotFoundError:
        return []
    return sorted(entries)


def locate(netns: str) -> str:
    """Return the path of a namespace given by its name, a pid in digits, or an absolute path. LauncherError when it is none of them."""
    if netns.startswith("/"):
        if text.has_control(netns):
            raise LauncherError("has a control character", option="netns", value=netns, remedy="Remove it")
        return os.path.normpath(netns)
    return f"/proc/{netns}/ns/net" if text.is_digits(netns) else path(netns)


def open_namespace(netns: str) -> int:
    """Open a namespace given as for locate(). LauncherError: there is none, or it is the caller's own."""
    place = locate(netns)
    try:
        fd = _open(place)
    except OSError as error:
        raise LauncherError(f"there is no such network namespace: {error.strerror}", option="netns", value=netns,
                            remedy="Give the name, the path or a process of one that exists") from None
    problem = ""
    if not _is_network(fd):
        problem = f"{place} is no network namespace"
    elif _identity(fd) == own_identity():
        problem = "is the host's own network namespace"
    if problem:
        os.close(fd)
        raise LauncherError(problem, option="netns", value=netns, remedy="Give the name, the path or a process of a container's namespace")
    return fd


def open_own() -> int:
    """Open the calling thread's own namespace."""
    return _open(_OWN)


def own_identity() -> tuple[int, int]:
    """(device, inode) of the calling thread's own namespace."""
    own = os.stat(_OWN)
    return own.st_dev, own.st_ino


class inside:  # noqa: N801  used as a function
    """Context manager: the calling thread is in the namespace behind `fd`, and afterwards in its own again."""

    __slots__ = ("_fd", "_own")

    def __init__(self, fd: int):
        self._fd = fd
        self._own = -1

    def __enter__(self) -> None:
        self._own = open_own()
        try:
            libc.setns(self._fd, libc.CLONE_NEWNET)
        except OSError:
            os.close(self._own)
            raise

    def __exit__(self, *_exception) -> None:
        try:
            libc.setns(self._own, libc.CLONE_NEWNET)
        finally:
            os.close(self._own)


def loopback_up(mark: str | None = None) -> None:
    """Put `lo` of the calling thread's namespace up; the kernel then gives it 127.0.0.1 and ::1. OSError."""
    with netlink.Socket() as route:
        route.change(netlink.RTM_SETLINK, netlink.link_message(index=_LO, alias=mark, up=True))


def _open(place: str) -> int:
    return os.open(place, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)


def _identity(fd: int) -> tuple[int, int]:
    info = os.fstat(fd)
    return info.st_dev, info.st_ino


def _is_network(fd: int) -> bool:
    if libc.fstatfs_type(fd) != libc.NSFS_MAGIC:
        return False
    try:
        return fcntl.ioctl(fd, _NS_GET_NSTYPE) == libc.CLONE_NEWNET
    except OSError:
        return True  # before Linux 4.11 a namespace does not tell its type; setns(2) checks it
