# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os

import pytest

from ansible_collections.coracle.launcher.plugins.module_utils._coracle.base import libc
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.base.errors import LauncherError
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.kernel import caps

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="runs as root only: it drops capabilities in a child")
CHOWN, KILL, SETUID, SETPCAP, NET_RAW = 1 << 0, 1 << 5, 1 << 7, 1 << 8, 1 << 13


def test_names_are_numbered_as_in_the_kernels_header():
    assert len(caps.NAMES) == len(set(caps.NAMES)) == 41
    for name, number in {"CHOWN": 0, "KILL": 5, "NET_ADMIN": 12, "SYS_ADMIN": 21, "SYS_RESOURCE": 24, "MKNOD": 27, "SETFCAP": 31,
                         "SYSLOG": 34, "CHECKPOINT_RESTORE": 40}.items():
        assert caps.NUMBERS[name] == number


@pytest.mark.parametrize("names, expected", [
    ([], 0),
    (["CHOWN"], CHOWN),
    (["CAP_CHOWN", "cap_kill", "net_raw"], CHOWN | KILL | NET_RAW),
    (["CHOWN", "CAP_CHOWN"], CHOWN),
    (["CHECKPOINT_RESTORE"], 1 << 40),
])
def test_mask(names, expected):
    assert caps.mask(names) == expected


@pytest.mark.parametrize("name", ["", "CAP_", "CAP_CAP_CHOWN", "ALL", "CHOWN ", "0", "SYS_ADMIN,KILL"])
def test_unknown_name_is_refused_with_its_option(name):
    with pytest.raises(LauncherError) as caught:
        caps.mask([name])
    assert (caught.value.option, caught.value.value) == ("capabilities", name)


def test_root_keeps_eight_and_nobody_else_any():
    assert caps.for_uid(0) == caps.mask(caps.DEFAULT_ROOT)
    assert bin(caps.for_uid(0)).count("1") == 8
    assert not caps.for_uid(0) & caps.mask(["SYS_ADMIN", "SYS_CHROOT", "SYS_PTRACE", "MKNOD", "NET_RAW", "NET_ADMIN", "SETPCAP", "SETFCAP",
                                            "DAC_READ_SEARCH"])
    assert caps.for_uid(99) == 0


def _sets():
    with open("/proc/self/status", encoding="utf-8") as file:
        return {line.split(":")[0]: int(line.split()[1], 16) for line in file if line.startswith("Cap")}


def _become(uid, keep):
    """The order of a start, then what /proc says, then what a fresh program gets from execve."""
    caps.limit_bounding(keep)
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)
    caps.apply(keep)
    own = _sets()
    reader, writer = os.pipe()
    if os.fork() == 0:
        os.dup2(writer, 1)
        os.execv("/bin/cat", ["cat", "/proc/self/status"])
    os.close(writer)
    text = b"".join(iter(lambda: os.read(reader, 65536), b"")).decode()
    os.wait()
    return own, {line.split(":")[0]: int(line.split()[1], 16) for line in text.splitlines() if line.startswith("Cap")}


@needs_root
def test_A42_uid_0_has_exactly_the_default_set_before_and_after_execve(in_child):
    keep = caps.for_uid(0) & _sets()["CapPrm"]
    expected = {"CapInh": 0, "CapPrm": keep, "CapEff": keep, "CapBnd": keep, "CapAmb": 0}
    assert in_child(_become, 0, caps.for_uid(0)) == (expected, expected)
    assert _sets()["CapBnd"] != keep  # control: the parent is not limited


@needs_root
def test_A42_another_uid_has_nothing(in_child):
    nothing = dict.fromkeys(("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"), 0)
    assert in_child(_become, 99, caps.for_uid(99)) == (nothing, nothing)


@needs_root
def test_A42_inheritable_and_ambient_of_the_caller_do_not_survive(in_child):
    def with_ambient(clean):
        permitted = libc.capget()[1]
        libc.capset(permitted, permitted, CHOWN)
        libc.prctl(libc.PR_CAP_AMBIENT, 2, 0)  # PR_CAP_AMBIENT_RAISE CAP_CHOWN
        if clean:
            caps.apply(caps.for_uid(0))
        sets = _sets()
        return sets["CapInh"], sets["CapAmb"]
    assert in_child(with_ambient, True) == (0, 0)
    assert in_child(with_ambient, False) == (CHOWN, CHOWN)  # control


@needs_root
def test_a_capability_the_host_lacks_is_left_out_and_no_error(in_child):
    def without_kill():
        rest = libc.capget()[1] & ~KILL
        libc.capset(rest, rest, 0)
        caps.apply(CHOWN | KILL)
        return libc.capget()
    assert in_child(without_kill) == (CHOWN, CHOWN, 0)


@needs_root
def test_bounding_set_needs_setpcap_and_says_so(in_child):
    def without_setpcap():
        rest = libc.capget()[1] & ~SETPCAP
        libc.capset(rest, rest, 0)
        try:
            caps.limit_bounding(0)
        except OSError as error:
            return error.errno
        return 0
    assert in_child(without_setpcap) == 1  # EPERM


def test_nothing_is_imported_and_no_path_is_opened_by_the_two_steps():
    # After pivot_root every import and every path is the image's (A06); names at the top of the module are all it may use.
    for function in (caps.limit_bounding, caps.apply, caps.for_uid, libc.capget, libc.capset, libc.prctl):
        assert "IMPORT_NAME" not in _opcodes(function)
        assert not {"open", "listdir", "stat"} & set(function.__code__.co_names)


def _opcodes(function):
    import dis

    return {instruction.opname for instruction in dis.get_instructions(function)}
