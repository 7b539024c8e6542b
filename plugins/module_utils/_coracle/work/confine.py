# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a child of work/fence.py locks itself in, for good. Resource limits hold everywhere; what else a kernel offers is taken:

- a user of its own, root to file systems only, with the four capabilities that writing a tree needs, and no new privileges;
- a network of its own with nobody in it, and the containers' system call filter without any sockets;
- Landlock (kernel/landlock.py): it writes below one directory or nowhere, and reads what its programs and libraries need.
"""

from __future__ import annotations

import contextlib
import errno
import os
import resource
import signal
import sys

from ..base import files, libc
from ..formats.limits import Limits
from ..kernel import caps, landlock, seccomp

MEMORY = 512 << 20  # bytes of address space on top of the parent's: xz -9 has a dictionary of 64 MiB, a thread a stack of 8 MiB
SPILL_EXTRA = 64 << 20  # bytes that a docker or OCI archive may have beside the files that are in it: headers, JSON, padding
_DESCRIPTORS = 256
_PROCESSES = 64  # of the child's own user, threads count
_MANIFEST_LINE = 1024  # bytes, far above what an entry needs on average
_CAPABILITIES = ("CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID")  # no SETFCAP: no file of the store has capabilities
_KEEPING = ("SETUID", "SETGID")  # until the user has changed
# Ids that nobody gives out (systemd's UIDS-GIDS.md); two children at once mostly have two, and cannot signal each other.
_FIRST_USER, _USERS = 60578, 600
_LIBRARIES = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/nix/store", "/gnu/store", "/etc/alternatives",
              "/etc/ld.so.cache", "/etc/ld.so.preload", f"/etc/ld-musl-{os.uname().machine}.path", "/sys/devices/system/cpu", "/proc/self")


class Room:
    """What is left to the child: descriptors, of which `writable` (or None) and `readable` are directories, and `limits`. `parent`: pid."""

    __slots__ = ("writable", "readable", "keep", "limits", "parent")

    def __init__(self, writable: int | None, readable: tuple[int, ...], keep: tuple[int, ...], limits: Limits, parent: int):
        self.writable = writable
        self.readable = readable
        self.keep = keep
        self.limits = limits
        self.parent = parent

    def descriptors(self) -> list[int]:
        """All that stay open, sorted."""
        return sorted({*self.keep, *self.readable, *([] if self.writable is None else [self.writable])})


def lock_in(room: Room) -> None:
    """Give up everything but `room`. OSError when something fails that every kernel has. Ends the process when its parent has died."""
    os.setsid()  # no terminal, and a group that the parent can end as a whole
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # EFBIG instead, which becomes a message
    _close_descriptors(room)
    _limit_resources(room.limits)
    _leave_network()
    libc.prctl(libc.PR_SET_NO_NEW_PRIVS, 1)
    _restrict_files(room)
    _change_user(room)
    _restrict_calls()
    # Last, for every change of credentials takes it back (kernel/cred.c).
    libc.prctl(libc.PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != room.parent:  # it died before that
        os._exit(1)


def _close_descriptors(room: Room) -> None:
    kept = room.descriptors()
    null = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
    for number in range(3):
        if number not in kept and number != null:
            os.dup2(null, number)
    first = 3
    for number in kept:
        os.closerange(first, max(first, number))
        first = max(first, number + 1)
    libc.close_range(first)


def _limit_resources(limits: Limits) -> None:
    pages = int(files.read_text("/proc/self/statm").split()[0])
    patience = seconds(limits)
    for name, soft, hard in (("AS", pages * resource.getpagesize() + MEMORY, 0), ("FSIZE", largest_file(limits), 0),
                             ("CPU", patience, patience + 5),  # SIGXCPU, and SIGKILL when that was not enough
                             ("NOFILE", _DESCRIPTORS, 0), ("CORE", 0, 0)):
        _limit(name, soft, hard)


def _limit(name: str, soft: int, hard: int = 0) -> None:
    number = getattr(resource, f"RLIMIT_{name}")
    most = resource.getrlimit(number)[1]
    soft, hard = (value if most == resource.RLIM_INFINITY else min(value, most) for value in (soft, max(soft, hard)))
    resource.setrlimit(number, (soft, hard))


def largest_file(limits: Limits) -> int:
    """Bytes: of a file of the tree, an archive that is unpacked once more, or the manifest."""
    return max(limits.max_bytes + SPILL_EXTRA, limits.max_entries * _MANIFEST_LINE)


def seconds(limits: Limits) -> int:
    """Of processor time: slower than any decompressor and any disk, so that only what never ends reaches it."""
    return 300 + (limits.max_bytes >> 21) + limits.max_entries // 1000


def _leave_network() -> None:
    with contextlib.suppress(OSError):  # not allowed inside some containers
        libc.unshare(libc.CLONE_NEWNET | libc.CLONE_NEWIPC)


def _restrict_files(room: Room) -> None:
    version = landlock.abi()
    if not version:
        return
    rules = [(fd, landlock.READ) for fd in room.readable]
    if room.writable is not None:
        rules.append((room.writable, landlock.WRITE))
    opened = []
    try:
        for path, rights in [("/dev/null", landlock.DEVICE), *((path, landlock.READ) for path in _libraries())]:
            with contextlib.suppress(OSError):  # few hosts have all of them
                opened.append(os.open(path, os.O_PATH | os.O_CLOEXEC))
                rules.append((opened[-1], rights))
        landlock.confine(rules, version)
    finally:
        for fd in opened:
            os.close(fd)


def _libraries() -> set[str]:
    """Where programs, their libraries and Python's modules are; Ansible's are in a zip that sys.path names, ours may be behind a link."""
    own = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
    python = {sys.prefix, sys.exec_prefix, sys.base_prefix, sys.base_exec_prefix, os.path.dirname(sys.executable or ""), own, *sys.path}
    return {path for path in (*_LIBRARIES, *python) if path.startswith("/") and path != "/"}


def _change_user(room: Room) -> None:
    """Become somebody whose processes can be counted, and whom others' signals and /proc do not obey; root to file systems only."""
    kept = caps.mask(_CAPABILITIES)
    with contextlib.suppress(OSError):
        caps.limit_bounding(kept)
    libc.prctl(libc.PR_SET_KEEPCAPS, 1)
    user = _FIRST_USER + os.getpid() % _USERS
    try:
        os.setgroups([])
        os.setresgid(user, user, user)
        os.setresuid(user, user, user)
    except OSError as error:  # EINVAL: a user namespace that has no such id. EPERM: no CAP_SETUID
        if error.errno not in (errno.EINVAL, errno.EPERM):
            raise
    caps.apply(kept | caps.mask(_KEEPING))
    libc.setfsids(0, 0)
    if not all(map(_is_reachable, room.descriptors())):
        os.setresgid(0, 0, 0)
        os.setresuid(0, 0, 0)
    if os.getuid() == user:  # else others' processes would count, of somebody who may have many
        _limit("NPROC", _PROCESSES)
    caps.apply(kept)


def _is_reachable(fd: int) -> bool:
    """False on a file system that lets nobody in but the user who mounted it: FUSE looks at more ids than that for file systems."""
    try:
        os.fstat(fd)
    except PermissionError:
        return False
    return True


def _restrict_calls() -> None:
    is_64_bit = sys.maxsize > 1 << 32  # a 32-bit Python on a 64-bit kernel makes calls that the filter for uname -m would kill
    program = seccomp.program(sockets=False) if is_64_bit else None
    if program is not None:
        with contextlib.suppress(OSError):  # a kernel without filters
            libc.seccomp_filter(program)
