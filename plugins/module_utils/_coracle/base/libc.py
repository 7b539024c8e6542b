# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every call to libc that Python 3.9's standard library lacks; constants under the kernel's names. Nothing here decides anything."""

from __future__ import annotations

import ctypes
import errno
import os

# <sched.h>
CLONE_NEWNS = 0x00020000
CLONE_NEWCGROUP = 0x02000000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

# <sys/mount.h>
MS_RDONLY = 1
MS_NOSUID = 2
MS_NODEV = 4
MS_NOEXEC = 8
MS_REMOUNT = 32
MS_BIND = 4096
MS_REC = 16384
MS_PRIVATE = 1 << 18
MS_SLAVE = 1 << 19
MS_STRICTATIME = 1 << 24
MNT_DETACH = 2
UMOUNT_NOFOLLOW = 8

# <linux/openat2.h>
RESOLVE_NO_XDEV = 0x01
RESOLVE_NO_MAGICLINKS = 0x02
RESOLVE_NO_SYMLINKS = 0x04
RESOLVE_BENEATH = 0x08
RESOLVE_IN_ROOT = 0x10

# <linux/mount.h>, <fcntl.h>
AT_FDCWD = -100
AT_EMPTY_PATH = 0x1000
AT_RECURSIVE = 0x8000
OPEN_TREE_CLONE = 1
MOUNT_ATTR_RDONLY = 1
MOUNT_ATTR_NOSUID = 2
MOUNT_ATTR_NODEV = 4
MOUNT_ATTR_NOEXEC = 8
_MOVE_MOUNT_F_EMPTY_PATH = 0x04
_MOVE_MOUNT_T_EMPTY_PATH = 0x40

# <linux/magic.h>
CGROUP_SUPER_MAGIC = 0x27E0EB
CGROUP2_SUPER_MAGIC = 0x63677270
PROC_SUPER_MAGIC = 0x9FA0
SYSFS_MAGIC = 0x62656572
TMPFS_MAGIC = 0x01021994
NSFS_MAGIC = 0x6E736673

# <linux/prctl.h>
PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_SET_KEEPCAPS = 8
PR_CAPBSET_READ = 23
PR_CAPBSET_DROP = 24
PR_SET_TIMERSLACK = 29
PR_SET_NO_NEW_PRIVS = 38
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_RAISE = 2
PR_CAP_AMBIENT_CLEAR_ALL = 4

RENAME_NOREPLACE = 1
RENAME_EXCHANGE = 2

KEYCTL_JOIN_SESSION_KEYRING = 1
SECCOMP_SET_MODE_FILTER = 1

_MACHINE = os.uname().machine
# Numbers from 424 on are the same on every architecture; older ones are not (asm/unistd.h of each).
_NR_OPEN_TREE = 428
_NR_MOVE_MOUNT = 429
_NR_CLOSE_RANGE = 436
_NR_OPENAT2 = 437
_NR_MOUNT_SETATTR = 442
_NR_LANDLOCK_CREATE_RULESET = 444
_NR_LANDLOCK_ADD_RULE = 445
_NR_LANDLOCK_RESTRICT_SELF = 446
_NR_RT_SIGACTION = {"x86_64": 13, "aarch64": 134, "i686": 174, "armv7l": 174, "riscv64": 134}.get(_MACHINE)
_NR_KEYCTL = {"x86_64": 250, "aarch64": 219, "i686": 288, "armv7l": 311, "riscv64": 219}.get(_MACHINE)
_NR_RENAMEAT2 = {"x86_64": 316, "aarch64": 276, "i686": 353, "armv7l": 382, "riscv64": 276}.get(_MACHINE)  # no wrapper in older libcs
_NR_BPF = {"x86_64": 321, "aarch64": 280, "i686": 357, "armv7l": 386, "riscv64": 280}.get(_MACHINE)
_NR_SECCOMP = {"x86_64": 317, "aarch64": 277, "i686": 354, "armv7l": 383, "riscv64": 277}.get(_MACHINE)

_libc = ctypes.CDLL(None, use_errno=True)
_libc.mount.argtypes = (ctypes.c_char_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_ulong, ctypes.c_char_p)
_libc.umount2.argtypes = (ctypes.c_char_p, ctypes.c_int)
_libc.pivot_root.argtypes = (ctypes.c_char_p, ctypes.c_char_p)
_libc.unshare.argtypes = (ctypes.c_int,)
_libc.setns.argtypes = (ctypes.c_int, ctypes.c_int)
_libc.prctl.argtypes = (ctypes.c_int, ctypes.c_ulong, ctypes.c_ulong, ctypes.c_ulong, ctypes.c_ulong)
_libc.sethostname.argtypes = (ctypes.c_char_p, ctypes.c_size_t)
_libc.personality.argtypes = (ctypes.c_ulong,)
_libc.capset.argtypes = (ctypes.c_void_p, ctypes.c_void_p)
_libc.capget.argtypes = (ctypes.c_void_p, ctypes.c_void_p)
_libc.fstatfs.argtypes = (ctypes.c_int, ctypes.c_void_p)
_libc.syscall.restype = ctypes.c_long


def _check(result: int, call: str, path: str | None = None) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{call}: {os.strerror(number)}", path)
    return result


def _bytes(text: str | None) -> bytes | None:
    return None if text is None else os.fsencode(text)


def mount(source: str | None, target: str, fstype: str | None, flags: int = 0, data: str | None = None) -> None:
    """mount(2). `target` may be /proc/self/fd/N, which names the opened directory whatever happens to its path."""
    _check(_libc.mount(_bytes(source), _bytes(target), _bytes(fstype), flags, _bytes(data)), "mount", target)


def umount2(target: str, flags: int = 0) -> None:
    """umount2(2)."""
    _check(_libc.umount2(_bytes(target), flags), "umount2", target)


def pivot_root(new_root: str, put_old: str) -> None:
    """pivot_root(2). Both must be directories, `new_root` a mount point. OSError EINVAL if its parent mount is shared."""
    _check(_libc.pivot_root(_bytes(new_root), _bytes(put_old)), "pivot_root", new_root)


def unshare(flags: int) -> None:
    """unshare(2) with CLONE_NEW* flags."""
    _check(_libc.unshare(flags), "unshare")


def setns(fd: int, nstype: int = 0) -> None:
    """setns(2): `fd` is a namespace file, or a pidfd (Linux 5.8) with CLONE_NEW* flags in `nstype`."""
    _check(_libc.setns(fd, nstype), "setns")


def prctl(option: int, arg2: int = 0, arg3: int = 0, arg4: int = 0, arg5: int = 0) -> int:
    """prctl(2)."""
    return _check(_libc.prctl(option, arg2, arg3, arg4, arg5), "prctl")


def personality(persona: int) -> None:
    """personality(2); 0 is PER_LINUX without any of the flags that setarch(8) sets."""
    _check(_libc.personality(persona), "personality")


def default_signal(number: int) -> None:
    """Set a signal to SIG_DFL by rt_sigaction(2) itself: libc keeps 32 and 33 to itself, but they are inherited ignored like all others.

    Does nothing on an architecture whose number we do not know.
    """
    if _NR_RT_SIGACTION is not None:
        no_handler = ctypes.create_string_buffer(32)  # struct kernel_sigaction with sa_handler SIG_DFL, no flags, an empty mask
        _check(_libc.syscall(_NR_RT_SIGACTION, ctypes.c_int(number), no_handler, None, ctypes.c_size_t(8)), "rt_sigaction")


def sethostname(name: str) -> None:
    """sethostname(2); at most 64 bytes."""
    data = os.fsencode(name)
    _check(_libc.sethostname(data, len(data)), "sethostname", name)


def keyctl_join_session() -> None:
    """Leave the caller's session keyring for a new one. Does nothing on an architecture whose number we do not know."""
    if _NR_KEYCTL is not None:
        _check(_libc.syscall(_NR_KEYCTL, KEYCTL_JOIN_SESSION_KEYRING, None), "keyctl")


def capset(effective: int, permitted: int, inheritable: int) -> None:
    """capset(2) of the calling thread; each argument a 64-bit mask. Uses _LINUX_CAPABILITY_VERSION_3."""
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    low, high = 0xFFFFFFFF, 32
    data = (ctypes.c_uint32 * 6)(
        effective & low, permitted & low, inheritable & low, effective >> high, permitted >> high, inheritable >> high)
    _check(_libc.capset(header, data), "capset")


def capget() -> tuple[int, int, int]:
    """capget(2) of the calling thread: effective, permitted and inheritable as 64-bit masks."""
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    data = (ctypes.c_uint32 * 6)()
    _check(_libc.capget(header, data), "capget")
    return data[0] | data[3] << 32, data[1] | data[4] << 32, data[2] | data[5] << 32


def seccomp_filter(program: bytes) -> None:
    """Load a classic BPF program (an array of struct sock_filter, 8 bytes each). Needs no_new_privs or CAP_SYS_ADMIN."""
    if _NR_SECCOMP is None:
        raise OSError(errno.ENOSYS, f"seccomp: no system call number known for {_MACHINE}")
    buffer = ctypes.create_string_buffer(program, len(program))

    class SockFprog(ctypes.Structure):
        _fields_ = (("len", ctypes.c_ushort), ("filter", ctypes.c_void_p))

    fprog = SockFprog(len(program) // 8, ctypes.addressof(buffer))
    _check(_libc.syscall(_NR_SECCOMP, SECCOMP_SET_MODE_FILTER, 0, ctypes.byref(fprog)), "seccomp")


def openat2(dirfd: int, path: str | bytes, flags: int, mode: int = 0, resolve: int = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS) -> int:
    """openat2(2), Linux 5.6. Returns a close-on-exec descriptor. Retries EAGAIN (a rename raced with the walk) a bounded number of times."""
    how = (ctypes.c_uint64 * 3)(flags | os.O_CLOEXEC, mode, resolve)
    raw = os.fsencode(path)
    if b"\0" in raw:
        raise ValueError("embedded null byte")  # as os.open; C would take what is before it
    for _attempt in range(128):
        result = _libc.syscall(_NR_OPENAT2, ctypes.c_int(dirfd), raw, ctypes.byref(how), ctypes.c_size_t(24))
        if result >= 0:
            return result
        number = ctypes.get_errno()
        if number not in (errno.EAGAIN, errno.EINTR):
            raise OSError(number, f"openat2: {os.strerror(number)}", path)
    raise OSError(errno.EAGAIN, "openat2: the path kept changing", path)


def open_tree_clone(path: str, more: int = 0) -> int:
    """open_tree(2) with OPEN_TREE_CLONE, Linux 5.2: a detached mount of `path`, close-on-exec. `more`: AT_RECURSIVE or 0."""
    flags = ctypes.c_uint(OPEN_TREE_CLONE | os.O_CLOEXEC | more)
    return _check(_libc.syscall(_NR_OPEN_TREE, ctypes.c_int(AT_FDCWD), os.fsencode(path), flags), "open_tree", path)


def move_mount(mount_fd: int, directory: int) -> None:
    """move_mount(2), Linux 5.2: attach the detached mount `mount_fd` to the opened directory, O_PATH or not."""
    flags = ctypes.c_uint(_MOVE_MOUNT_F_EMPTY_PATH | _MOVE_MOUNT_T_EMPTY_PATH)
    _check(_libc.syscall(_NR_MOVE_MOUNT, ctypes.c_int(mount_fd), b"", ctypes.c_int(directory), b"", flags), "move_mount")


def mount_setattr(fd: int, set_flags: int, flags: int = 0, clear: int = 0) -> None:
    """mount_setattr(2), Linux 5.12, on the mount that `fd` is the root of: adds MOUNT_ATTR_* to what it has, takes those of `clear` away.
    `flags`: AT_RECURSIVE or 0."""
    attr = (ctypes.c_uint64 * 4)(set_flags, clear, 0, 0)
    _check(_libc.syscall(_NR_MOUNT_SETATTR, ctypes.c_int(fd), b"", ctypes.c_uint(AT_EMPTY_PATH | flags), ctypes.byref(attr),
                         ctypes.c_size_t(32)), "mount_setattr")


def close_range(first: int) -> None:
    """Close every descriptor from `first` on. Before Linux 5.9 one by one, up to the default of fs.nr_open."""
    if _libc.syscall(_NR_CLOSE_RANGE, ctypes.c_uint(first), ctypes.c_uint(0xFFFFFFFF), ctypes.c_uint(0)) == 0:
        return
    os.closerange(first, 1 << 20)  # not RLIMIT_NOFILE: a limit that was lowered leaves higher descriptors open


def fstatfs_type(fd: int) -> int:
    """f_type of the file system behind `fd` (statfs(2)); a *_MAGIC constant."""
    buffer = ctypes.create_string_buffer(256)
    _check(_libc.fstatfs(fd, buffer), "fstatfs")
    return ctypes.c_long.from_buffer(buffer).value & 0xFFFFFFFF


def renameat2(old_fd: int, old: str, new_fd: int, new: str, flags: int = 0) -> None:
    """renameat2(2): RENAME_NOREPLACE, RENAME_EXCHANGE. EINVAL where the file system cannot, ENOSYS on an architecture we do not know."""
    if _NR_RENAMEAT2 is None:
        raise OSError(errno.ENOSYS, f"renameat2: no system call number known for {_MACHINE}", new)
    _check(_libc.syscall(_NR_RENAMEAT2, ctypes.c_int(old_fd), _bytes(old), ctypes.c_int(new_fd), _bytes(new), ctypes.c_uint(flags)),
           "renameat2", new)


def syncfs(fd: int) -> None:
    """syncfs(2): write out what the file system behind `fd` holds in memory, and wait for it."""
    _check(_libc.syncfs(fd), "syncfs")


def landlock_create_ruleset(attributes: bytes, flags: int = 0) -> int:
    """landlock_create_ruleset(2), Linux 5.13: a close-on-exec descriptor, or with LANDLOCK_CREATE_RULESET_VERSION and b'' the ABI.

    `attributes`: struct landlock_ruleset_attr, as long as the kernel's ABI knows it.
    """
    pointer = ctypes.create_string_buffer(attributes, len(attributes)) if attributes else None
    return _check(_libc.syscall(_NR_LANDLOCK_CREATE_RULESET, pointer, ctypes.c_size_t(len(attributes)), ctypes.c_uint(flags)),
                  "landlock_create_ruleset")


def landlock_add_rule(ruleset: int, kind: int, attributes: bytes) -> None:
    """landlock_add_rule(2). `attributes`: the struct that belongs to `kind`."""
    pointer = ctypes.create_string_buffer(attributes, len(attributes))
    _check(_libc.syscall(_NR_LANDLOCK_ADD_RULE, ctypes.c_int(ruleset), ctypes.c_int(kind), pointer, ctypes.c_uint(0)), "landlock_add_rule")


def landlock_restrict_self(ruleset: int) -> None:
    """landlock_restrict_self(2), of the calling thread and all that it starts. Needs no_new_privs or CAP_SYS_ADMIN."""
    _check(_libc.syscall(_NR_LANDLOCK_RESTRICT_SELF, ctypes.c_int(ruleset), ctypes.c_uint(0)), "landlock_restrict_self")


def setfsids(uid: int, gid: int) -> None:
    """setfsgid(2) and setfsuid(2): who this thread is to file systems. They tell no failure; without CAP_SETUID nothing changes."""
    _libc.setfsgid(ctypes.c_uint(gid))
    _libc.setfsuid(ctypes.c_uint(uid))


def bpf(command: int, attributes: bytearray) -> int:
    """bpf(2). `attributes`: the part of union bpf_attr that belongs to `command`; the kernel may write into it. Returns a descriptor or 0."""
    if _NR_BPF is None:
        raise OSError(errno.ENOSYS, f"bpf: no system call number known for {_MACHINE}")
    buffer = (ctypes.c_char * len(attributes)).from_buffer(attributes)
    return _check(_libc.syscall(_NR_BPF, ctypes.c_int(command), buffer, ctypes.c_uint(len(attributes))), "bpf")
