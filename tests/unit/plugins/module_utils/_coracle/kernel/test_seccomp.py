# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import ctypes
import errno
import os
import signal
import socket
import struct

import pytest
from hypothesis import given, settings, strategies

from ansible_collections.coracle.launcher.plugins.module_utils._coracle.base import libc
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.kernel import seccomp
from ansible_collections.coracle.launcher.tests.unit.each import each

MACHINES = ["x86_64", "aarch64"]
ALLOW, KILL = "allow", "kill"
I386, ARM, X86_64, AARCH64 = 0x40000003, 0x40000028, 0xC000003E, 0xC00000B7
ARCH = {"x86_64": X86_64, "aarch64": AARCH64}
OWN = os.uname().machine
needs_kernel = pytest.mark.skipif(os.geteuid() != 0 or OWN not in MACHINES, reason="runs as root on x86_64 or aarch64: it loads the filter in a child")


def unpacked(machine):
    return list(struct.iter_unpack("<HBBI", seccomp.program(machine)))


def run_bpf(program, nr, arch, arguments=()):
    """A small interpreter of what the builder uses (Linux: kernel/seccomp.c takes the last RET; loads are 32-bit words of seccomp_data)."""
    arguments = tuple(arguments) + (0,) * (6 - len(arguments))
    data = struct.pack("<IIQ6Q", nr & 0xFFFFFFFF, arch, 0x7F0000001000, *(a & 0xFFFFFFFFFFFFFFFF for a in arguments))
    position, accumulator, steps = 0, 0, 0
    while True:
        code, jump_true, jump_false, operand = program[position]
        steps += 1
        assert steps <= len(program), "a classic BPF program only goes forward"
        position += 1
        if code == 0x20:
            assert operand % 4 == 0 and operand + 4 <= len(data)
            accumulator = struct.unpack_from("<I", data, operand)[0]
        elif code == 0x06:
            return decision(operand)
        elif code == 0x54:
            accumulator &= operand
        else:
            test = {0x15: accumulator == operand, 0x25: accumulator > operand, 0x35: accumulator >= operand, 0x45: bool(accumulator & operand)}[code]
            position += jump_true if test else jump_false


def decision(value):
    if value & 0xFFFF0000 == 0x00050000:
        return value & 0xFFFF
    return {0x7FFF0000: ALLOW, 0x80000000: KILL}[value]


# The specification, written a second time and by name (security.md 3.3): what a container's program sees.
DENIED_X86_64 = {165, 166, 155, 161, 428, 429, 430, 431, 432, 433, 442, 467, 167, 168, 179, 443, 272, 308, 248, 249, 250, 101, 310, 311, 312, 438,
                 321, 298, 323, 425, 426, 427, 300, 304, 212, 246, 320, 175, 176, 313, 174, 177, 178, 169, 103, 163, 164, 227, 172, 173, 134, 156, 180}
DENIED_AARCH64 = {40, 39, 41, 51, 428, 429, 430, 431, 432, 433, 442, 467, 224, 225, 60, 443, 97, 268, 217, 218, 219, 117, 270, 271, 272, 438,
                  280, 241, 282, 425, 426, 427, 262, 265, 18, 104, 294, 105, 106, 273, 142, 116, 89, 170, 112, 42}
DENIED = {"x86_64": DENIED_X86_64, "aarch64": DENIED_AARCH64}
WITH_ARGUMENTS = {"x86_64": {"clone": 56, "ioctl": 16, "socket": 41, "setsockopt": 54},
                  "aarch64": {"clone": 220, "ioctl": 29, "socket": 198, "setsockopt": 208}}


def expected(machine, nr, arch, arguments):
    low = [argument & 0xFFFFFFFF for argument in arguments]
    special = WITH_ARGUMENTS[machine]
    if arch != ARCH[machine]:
        return KILL
    if machine == "x86_64" and nr >= 0x40000000 and nr != 0xFFFFFFFF:
        return KILL
    if nr == 435 or nr > 469:
        return errno.ENOSYS
    if nr in DENIED[machine] or (nr == special["clone"] and low[0] & 0x7E020000) or (nr == special["ioctl"] and low[1] in (0x5412, 0x541C)) \
            or (nr == special["socket"] and refused_socket(*low[:3])) \
            or (nr == special["setsockopt"] and tuple(low[1:3]) in REFUSED_OPTIONS):
        return errno.EPERM
    return ALLOW


REFUSED_OPTIONS = {(0, 3), (0, 19), (41, 36), (41, 75)}


def refused_socket(family, kind, protocol):
    """AF_PACKET, AF_ALG, AF_VSOCK; raw IPv6; raw IPv4 but for ICMP."""
    raw = kind & 0xF == socket.SOCK_RAW
    return family in (17, 38, 40) or (raw and family == socket.AF_INET6) or (raw and family == socket.AF_INET and protocol != 1)


@each("family, kind, protocol, want", [
    (socket.AF_INET, socket.SOCK_RAW, 1, ALLOW), (socket.AF_INET, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 1, ALLOW),
    (socket.AF_INET, socket.SOCK_RAW, 255, errno.EPERM), (socket.AF_INET, socket.SOCK_RAW | socket.SOCK_NONBLOCK, 17, errno.EPERM),
    (socket.AF_INET6, socket.SOCK_RAW, 58, errno.EPERM), (socket.AF_INET6, socket.SOCK_DGRAM, 58, ALLOW),
    (socket.AF_INET, socket.SOCK_DGRAM, 17, ALLOW), (socket.AF_NETLINK, socket.SOCK_RAW, 0, ALLOW),
    (17, socket.SOCK_DGRAM, 8, errno.EPERM), (socket.AF_UNIX, socket.SOCK_STREAM, 0, ALLOW)])
@each("machine", MACHINES)
def test_A61_of_raw_sockets_only_ping_is_left(machine, family, kind, protocol, want):
    assert run_bpf(unpacked(machine), WITH_ARGUMENTS[machine]["socket"], ARCH[machine], (family, kind, protocol)) == want


@each("level, option, want", [
    (0, 3, errno.EPERM), (0, 19, errno.EPERM), (41, 75, errno.EPERM), (41, 36, errno.EPERM),
    (0, 2, ALLOW), (1, 3, ALLOW), (6, 3, ALLOW), (41, 26, ALLOW)])
@each("machine", MACHINES)
def test_A61_no_header_and_no_address_can_be_forged(machine, level, option, want):
    assert run_bpf(unpacked(machine), WITH_ARGUMENTS[machine]["setsockopt"], ARCH[machine], (3, level, option)) == want


@pytest.mark.parametrize("machine", MACHINES)
def test_P11_every_number_of_this_architecture_is_decided_as_specified(machine):
    program = unpacked(machine)
    for nr in list(range(600)) + [0x3FFFFFFF, 0x40000000, 0x40000000 + 165, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF]:
        assert run_bpf(program, nr, ARCH[machine]) == expected(machine, nr, ARCH[machine], (0,) * 6), nr


@pytest.mark.parametrize("machine", MACHINES)
@settings(max_examples=500, deadline=None, derandomize=True)
@given(data=strategies.data())
def test_P11_sampled_decisions_are_the_specified_ones(machine, data):
    words = strategies.one_of(
        strategies.sampled_from([0, 38, 40, 0x5412, 0x541C, 0x5413, 0x10000000, 0x02000000, 0x20000, 0x11, 0x100005412, 0x1541C0000541C, 1 << 63]),
        strategies.integers(0, (1 << 64) - 1))
    nr = data.draw(strategies.one_of(strategies.sampled_from(sorted(DENIED[machine]) + list(WITH_ARGUMENTS[machine].values()) + [435]),
                                     strategies.integers(0, 480), strategies.integers(0, 0xFFFFFFFF)))
    arch = data.draw(strategies.sampled_from([ARCH[machine]] * 5 + [I386, ARM, X86_64, AARCH64]))
    arguments = data.draw(strategies.tuples(*[words] * 6))
    assert run_bpf(unpacked(machine), nr, arch, arguments) == expected(machine, nr, arch, arguments)


@pytest.mark.parametrize("machine", MACHINES)
def test_P11_program_is_one_the_kernel_takes(machine):
    program = unpacked(machine)
    assert len(program) <= 4096 and program[-1][0] == 0x06
    for position, (code, jump_true, jump_false, _operand) in enumerate(program):
        assert 0 <= jump_true <= 255 and 0 <= jump_false <= 255
        if code & 7 == 5:
            assert position + 1 + max(jump_true, jump_false) < len(program)
    reached = {0}
    for position, (code, jump_true, jump_false, _operand) in enumerate(program):
        assert position in reached, "a line that nothing reaches"
        if code != 0x06:
            reached |= {position + 1 + jump_true, position + 1 + jump_false}


@each("flags, want", [(0x11, ALLOW), (0x01200011, ALLOW), (0x003D0F00, ALLOW), (0x00020011, errno.EPERM), (0x10000011, errno.EPERM),
                      (0x20000000, errno.EPERM), (0x40000000, errno.EPERM), (0x02000000, errno.EPERM), (0x04000000, errno.EPERM),
                      (0x08000000, errno.EPERM), (0x700000000 | 0x11, ALLOW), (0x700000000 | 0x10000000, errno.EPERM)])
@each("machine", MACHINES)
def test_A32_clone_may_not_make_namespaces(machine, flags, want):
    assert run_bpf(unpacked(machine), WITH_ARGUMENTS[machine]["clone"], ARCH[machine], (flags,)) == want


@each("request_number", [0x5412, 0x541C, 0x100005412, 0xFFFFFFFF0000541C])
@each("machine", MACHINES)
def test_A27_typing_into_a_terminal_is_refused_whatever_the_high_bits_say(machine, request_number):
    assert run_bpf(unpacked(machine), WITH_ARGUMENTS[machine]["ioctl"], ARCH[machine], (0, request_number)) == errno.EPERM
    assert run_bpf(unpacked(machine), WITH_ARGUMENTS[machine]["ioctl"], ARCH[machine], (0x5412, 0x5413)) == ALLOW  # the first argument is an fd


@pytest.mark.parametrize("machine", ["s390x", "i686", "riscv64", "", "X86_64", "aarch64_be"])
def test_another_architecture_has_no_filter(machine):
    assert seccomp.program(machine or "unknown") is None


def test_own_architecture_is_the_default():
    assert seccomp.program() == seccomp.program(OWN)


def test_names_and_numbers_are_there_once():
    for column in (0, 1, 2):
        values = [row[column] for row in seccomp.DENIED if row[column] is not None]
        assert len(values) == len(set(values))
    assert {row[1] for row in seccomp.DENIED} == DENIED_X86_64
    assert {row[2] for row in seccomp.DENIED} - {None} == DENIED_AARCH64


# --- the kernel itself


def _call(nr, *arguments):
    function = ctypes.CDLL(None, use_errno=True).syscall
    function.restype = ctypes.c_long
    result = function(ctypes.c_long(nr), *(ctypes.c_long(argument) for argument in arguments))
    return 0 if result >= 0 else ctypes.get_errno()


def _number(name):
    return next(row[seccomp.MACHINES[OWN].column] for row in seccomp.DENIED if row[0] == name)


def _probe(filtered):
    """Return {probe: errno} of calls that root may do, on this kernel, when nothing is filtered."""
    ioctl, socket, clone3 = seccomp.MACHINES[OWN].ioctl, seccomp.MACHINES[OWN].socket, seccomp.MACHINES[OWN].clone3
    if filtered:
        libc.prctl(libc.PR_SET_NO_NEW_PRIVS, 1)
        libc.seccomp_filter(seccomp.program())
    results = {
        "keyctl": _call(_number("keyctl"), 0, -3, 0),  # KEYCTL_GET_KEYRING_ID of the session
        "unshare": _call(_number("unshare"), libc.CLONE_NEWUTS),
        "unshare mounts": _call(_number("unshare"), libc.CLONE_NEWNS),
        "clone3": _call(clone3, 0, 0),
        "AF_ALG": _call(socket, 38, 5, 0),
        "AF_UNIX": _call(socket, 1, 1, 0),
        "TIOCSTI": _call(ioctl, 0, 0x5412, 0),
        "newest": _call(490),
    }
    # In the mount namespace made above, where it was made: harmless, and the positive control of the filtered run.
    buffers = [ctypes.create_string_buffer(text) for text in (b"none", b"/", b"tmpfs")]
    addresses = [ctypes.addressof(buffer) for buffer in buffers]
    results["mount"] = _call(_number("mount"), addresses[0], addresses[1], 0, libc.MS_REC | libc.MS_PRIVATE, 0)
    pid = os.fork()
    if pid == 0:
        os.execv("/bin/true", ["true"])
    results["fork and exec"] = os.waitpid(pid, 0)[1]
    return results


@needs_kernel
def test_A26_filter_in_a_child_and_the_same_calls_without_it(in_child):
    refused = in_child(_probe, True)
    control = in_child(_probe, False)
    for name in ("keyctl", "unshare", "unshare mounts", "mount", "AF_ALG", "TIOCSTI"):
        assert refused[name] == errno.EPERM, name
    assert refused["clone3"] == errno.ENOSYS and refused["newest"] == errno.ENOSYS
    assert refused["AF_UNIX"] == 0 and refused["fork and exec"] == 0
    for name in ("keyctl", "unshare", "unshare mounts", "mount", "AF_UNIX", "fork and exec"):
        assert control[name] == 0, name
    assert control["clone3"] != errno.ENOSYS and control["TIOCSTI"] != errno.EPERM and control["AF_ALG"] != errno.EPERM


def _call_x32(filtered):
    if filtered:
        libc.prctl(libc.PR_SET_NO_NEW_PRIVS, 1)
        libc.seccomp_filter(seccomp.program())
    return _call(0x40000000 + 39)  # getpid


@needs_kernel
@pytest.mark.skipif(OWN != "x86_64", reason="x32 is a part of x86_64")
def test_A26_x32_call_kills(signal_of_child):
    assert signal_of_child(_call_x32, True) == signal.SIGSYS
    assert signal_of_child(_call_x32, False) is None


def _call_int80(filtered):
    """getpid by int 0x80: the i386 table of an x86_64 kernel, if it has one."""
    import mmap

    code = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    code.write(b"\x53\xb8\x14\x00\x00\x00\xcd\x80\x5b\xc3")  # push rbx; mov eax, 20; int 0x80; pop rbx; ret
    if filtered:
        libc.prctl(libc.PR_SET_NO_NEW_PRIVS, 1)
        libc.seccomp_filter(seccomp.program())
    return ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(code)))()


@needs_kernel
@pytest.mark.skipif(OWN != "x86_64", reason="int 0x80 is of x86")
def test_A26_i386_call_kills(signal_of_child):
    if signal_of_child(_call_int80, False) is not None:
        pytest.skip("this kernel has no i386 calls (CONFIG_IA32_EMULATION): nothing to close")
    assert signal_of_child(_call_int80, True) == signal.SIGSYS


@needs_kernel
def test_program_of_the_caller_before_fork_needs_no_import_after(in_child):
    def load():
        program = seccomp.program()
        import sys

        before = set(sys.modules)
        sys.meta_path[:] = []
        libc.prctl(libc.PR_SET_NO_NEW_PRIVS, 1)
        libc.seccomp_filter(program)
        return sorted(set(sys.modules) - before)
    assert in_child(load) == []


@pytest.mark.parametrize("machine", MACHINES)
def test_without_sockets_every_socket_is_refused_and_nothing_else(machine):
    one = unpacked(machine)
    other = list(struct.iter_unpack("<HBBI", seccomp.program(machine, sockets=False)))
    special = WITH_ARGUMENTS[machine]
    for family in (1, 2, 10, 16):
        assert run_bpf(one, special["socket"], ARCH[machine], (family, 1, 0)) == ALLOW
        assert run_bpf(other, special["socket"], ARCH[machine], (family, 1, 0)) == errno.EPERM
    for nr in set(range(470)) - {special["socket"]}:
        assert run_bpf(one, nr, ARCH[machine]) == run_bpf(other, nr, ARCH[machine])
