# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The system call filter of a container: a classic BPF program that takes away what capabilities do not cover. Bytes only; no I/O.

A deny list: what is not named here works as before. Refused calls fail with EPERM and clone3(2) with ENOSYS, so that libc falls back to
clone(2), whose flags a filter can read. Numbers are asm/unistd_64.h's (x86_64) and asm-generic/unistd.h's (aarch64).
"""

from __future__ import annotations

import errno
import os

# What each group of numbers is for; (name, x86_64, aarch64), None where the architecture has no such call.
DENIED = (
    # Mounts: a container's view is made for it, once.
    ("mount", 165, 40), ("umount2", 166, 39), ("pivot_root", 155, 41), ("chroot", 161, 51), ("open_tree", 428, 428), ("move_mount", 429, 429),
    ("fsopen", 430, 430), ("fsconfig", 431, 431), ("fsmount", 432, 432), ("fspick", 433, 433), ("mount_setattr", 442, 442),
    ("open_tree_attr", 467, 467), ("swapon", 167, 224), ("swapoff", 168, 225), ("quotactl", 179, 60), ("quotactl_fd", 443, 443),
    # Namespaces; clone(2) is looked at below.
    ("unshare", 272, 97), ("setns", 308, 268),
    # Keyrings are not namespaced.
    ("add_key", 248, 217), ("request_key", 249, 218), ("keyctl", 250, 219),
    # Looking into other processes.
    ("ptrace", 101, 117), ("process_vm_readv", 310, 270), ("process_vm_writev", 311, 271), ("kcmp", 312, 272), ("pidfd_getfd", 438, 438),
    # Large parts of the kernel that few programs need and many exploits did.
    ("bpf", 321, 280), ("perf_event_open", 298, 241), ("userfaultfd", 323, 282), ("io_uring_setup", 425, 425), ("io_uring_enter", 426, 426),
    ("io_uring_register", 427, 427), ("fanotify_init", 300, 262), ("open_by_handle_at", 304, 265), ("lookup_dcookie", 212, 18),
    # The kernel itself: its code, its log, its clock, its end.
    ("kexec_load", 246, 104), ("kexec_file_load", 320, 294), ("init_module", 175, 105), ("delete_module", 176, 106),
    ("finit_module", 313, 273), ("create_module", 174, None), ("get_kernel_syms", 177, None), ("query_module", 178, None),
    ("reboot", 169, 142), ("syslog", 103, 116), ("acct", 163, 89), ("settimeofday", 164, 170), ("clock_settime", 227, 112),
    ("iopl", 172, None), ("ioperm", 173, None), ("uselib", 134, None), ("_sysctl", 156, None), ("nfsservctl", 180, 42),
)

CLONE_NEW = 0x7E020000  # every CLONE_NEW* flag of clone(2), <linux/sched.h>
REFUSED_IOCTLS = (0x5412, 0x541C)  # TIOCSTI and TIOCLINUX type into the terminal of whoever started the container
# AF_PACKET would forge ARP for the whole bridge; AF_ALG: the kernel's ciphers; AF_VSOCK: the hypervisor, not namespaced.
REFUSED_FAMILIES = (17, 38, 40)
# Of what CAP_NET_RAW allows only ping is left: a raw IPv4 socket for ICMP, with headers that the kernel writes. Raw ICMPv6 could announce
# routers to the neighbours (CVE-2020-10749), IP_HDRINCL and the two *_TRANSPARENT options could use their addresses.
REFUSED_IP_OPTIONS = (3, 19)  # IP_HDRINCL, IP_TRANSPARENT of SOL_IP
REFUSED_IPV6_OPTIONS = (75, 36)  # IPV6_TRANSPARENT, IPV6_HDRINCL of SOL_IPV6
_AF_INET, _AF_INET6, _SOCK_RAW, _SOCK_TYPE_MASK, _IPPROTO_ICMP, _SOL_IP, _SOL_IPV6 = 2, 10, 3, 0xF, 1, 0, 41
HIGHEST_KNOWN = 469  # file_setattr, Linux 6.17: a later call has not been judged yet and "does not exist"


class _Machine:
    """`column` in DENIED; `audit`: AUDIT_ARCH_* of <linux/audit.h>; the calls whose arguments count. All of them little endian, 64 bit."""

    __slots__ = ("column", "audit", "clone", "clone3", "ioctl", "socket", "setsockopt", "x32")

    def __init__(self, column, audit, clone, clone3, ioctl, socket, setsockopt, x32):
        self.column = column
        self.audit = audit
        self.clone = clone
        self.clone3 = clone3
        self.ioctl = ioctl
        self.socket = socket
        self.setsockopt = setsockopt
        self.x32 = x32


# The flags are the first argument of clone(2) on both (they are the second only on s390).
MACHINES = {
    "x86_64": _Machine(1, 0xC000003E, clone=56, clone3=435, ioctl=16, socket=41, setsockopt=54, x32=True),
    "aarch64": _Machine(2, 0xC00000B7, clone=220, clone3=435, ioctl=29, socket=198, setsockopt=208, x32=False),
}

# <linux/seccomp.h>
_KILL_PROCESS = 0x80000000
_ERRNO = 0x00050000
_ALLOW = 0x7FFF0000
_OFFSET_NR, _OFFSET_ARCH, _OFFSET_ARGUMENTS = 0, 4, 16
_X32_BIT = 0x40000000

# <linux/bpf_common.h>
_LD, _JEQ, _JGT, _JGE, _JSET, _RET, _AND = 0x20, 0x15, 0x25, 0x35, 0x45, 0x06, 0x54


def program(machine: str | None = None, sockets: bool = True) -> bytes | None:
    """Return the filter for `machine` (None: the one we run on, as `uname -m`), 8 bytes an instruction, for libc.seccomp_filter().

    `sockets`: False refuses every socket(2). None when the architecture is not known here; the caller decides whether to go on without,
    and says so.
    """
    known = MACHINES.get(machine or os.uname().machine)
    return None if known is None else _assemble(_instructions(known, sockets))


def _instructions(machine, sockets):
    """Return (code, operand, where to go if true, if false); a place is a label below, '' is the next line. A label is a plain text."""
    code: list = [
        (_LD, _OFFSET_ARCH, "", ""),
        (_JEQ, machine.audit, "", "kill"),  # i386 on x86_64, arm on aarch64: other numbers, so nothing below would hold
        (_LD, _OFFSET_NR, "", ""),
    ]
    if machine.x32:
        code += [(_JEQ, 0xFFFFFFFF, "missing", ""), (_JGE, _X32_BIT, "kill", "")]  # -1 is no x32 call; libseccomp knows it, too
    code += [(_JEQ, row[machine.column], "refuse", "") for row in DENIED if row[machine.column] is not None]
    code += [
        (_JEQ, machine.clone3, "missing", ""),
        (_JGT, HIGHEST_KNOWN, "missing", ""),
        (_JEQ, machine.clone, "clone", ""),
        (_JEQ, machine.ioctl, "ioctl", ""),
        (_JEQ, machine.socket, "socket" if sockets else "refuse", ""),
        (_JEQ, machine.setsockopt, "setsockopt", "allow"),
        "clone", (_LD, _argument(0), "", ""), (_JSET, CLONE_NEW, "refuse", "allow"),
        "ioctl", (_LD, _argument(1), "", ""), *_refuse(REFUSED_IOCTLS),
        "socket", (_LD, _argument(0), "", ""),
        *[(_JEQ, family, "refuse", "") for family in REFUSED_FAMILIES],
        (_JEQ, _AF_INET, "inet", ""), (_JEQ, _AF_INET6, "inet6", "allow"),
        "inet", (_LD, _argument(2), "", ""), (_JEQ, _IPPROTO_ICMP, "allow", ""),
        "inet6", (_LD, _argument(1), "", ""), (_AND, _SOCK_TYPE_MASK, "", ""), (_JEQ, _SOCK_RAW, "refuse", "allow"),
        "setsockopt", (_LD, _argument(1), "", ""), (_JEQ, _SOL_IP, "ip option", ""), (_JEQ, _SOL_IPV6, "ipv6 option", "allow"),
        "ip option", (_LD, _argument(2), "", ""), *_refuse(REFUSED_IP_OPTIONS),
        "ipv6 option", (_LD, _argument(2), "", ""), *_refuse(REFUSED_IPV6_OPTIONS),
        "allow", (_RET, _ALLOW, "", ""),
        "refuse", (_RET, _ERRNO | errno.EPERM, "", ""),
        "missing", (_RET, _ERRNO | errno.ENOSYS, "", ""),
        "kill", (_RET, _KILL_PROCESS, "", ""),
    ]
    return code


def _argument(index):
    """Offset of the low word of an argument: the kernel takes flags, ioctl numbers and families as 32 bits and ignores the rest."""
    return _OFFSET_ARGUMENTS + 8 * index


def _refuse(values):
    return [(_JEQ, value, "refuse", "") for value in values[:-1]] + [(_JEQ, values[-1], "refuse", "allow")]


def _assemble(code):
    labels, lines = {"": 0}, []
    for line in code:
        if isinstance(line, str):
            labels[line] = len(lines)
        else:
            lines.append(line)
    out = bytearray()
    for position, (operation, operand, if_true, if_false) in enumerate(lines):
        jumps = [labels[place] - position - 1 if place else 0 for place in (if_true, if_false)]
        out += operation.to_bytes(2, "little") + bytes(jumps) + operand.to_bytes(4, "little")  # bytes() refuses a jump beyond 255
    return bytes(out)
