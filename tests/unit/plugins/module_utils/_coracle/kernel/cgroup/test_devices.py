# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which devices a process can use, on this host's own cgroups as root: the kernel is the oracle. And what it may refuse."""

from __future__ import annotations

import errno
import os
import stat

import pytest

from ansible_collections.coracle.launcher.plugins.module_utils._coracle.base import libc
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.base.errors import LauncherError
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.kernel import bpf
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.kernel.cgroup import detect, device_program, devices

DEVICE, PROGRAM = 6, 15  # BPF_CGROUP_DEVICE, BPF_PROG_TYPE_CGROUP_DEVICE
V1, V2 = "v1", "v2"
READ, WRITE = {V1: devices.read_v1, V2: devices.read_v2}, {V1: devices.write_v1, V2: devices.write_v2}


def mount_of(version):
    """Where this host can restrict devices in this way, None where it cannot."""
    try:
        layout = detect.find()
    except LauncherError:
        return None
    mount = layout.unified if version == V2 else layout.mounts.get("devices") if layout.mode != detect.V2 else None
    if os.geteuid() != 0 or mount is None or not os.access(mount, os.W_OK):
        return None
    try:
        if version == V2:
            devices.check_v2(mount)
    except LauncherError:
        return None
    return mount


@pytest.fixture
def make():
    """Return make(version, name) -> a new directory of a cgroup; all are removed at the end."""
    made = []

    def make(version, name=""):
        if mount_of(version) is None:
            pytest.skip(f"runs as root on a host where cgroup {version} restricts devices")
        made.append(f"{mount_of(version)}/coracle-unit-devices-{os.getpid()}{name}")
        os.mkdir(made[-1])
        return made[-1]
    yield make
    for directory in reversed(made):
        os.rmdir(directory)


@pytest.fixture(autouse=True)
def no_descriptor_is_left():
    before = os.listdir("/proc/self/fd")
    yield
    assert len(os.listdir("/proc/self/fd")) == len(before)


def inside(directory, in_child, *opens):
    """What open(2) of each (path, flags) says in that cgroup: 'ok' or an errno; a path of mknod(2) makes a node of 1:3."""
    def tell():
        with open(f"{directory}/cgroup.procs", "w") as file:
            file.write("0")
        found = []
        for path, flags in opens:
            try:
                if flags == "mknod":
                    os.mknod(path, stat.S_IFCHR | 0o600, os.makedev(1, 3))
                else:
                    os.close(os.open(path, flags))
                found.append("ok")
            except OSError as error:
                found.append(error.errno)
        return found
    return in_child(tell)


@pytest.mark.parametrize("version", [V1, V2])
def test_what_is_allowed_can_be_used_and_nothing_else(make, in_child, tmp_path, version):
    directory, number = make(version), iter(range(9))

    def seen():
        return inside(directory, in_child, ("/dev/null", os.O_RDWR), ("/dev/zero", os.O_RDONLY), ("/dev/zero", os.O_RDWR),
                      ("/dev/full", os.O_RDONLY), (f"{tmp_path}/{next(number)}", "mknod"), ("/dev/null", os.O_PATH))
    ok, no = "ok", errno.EPERM
    assert READ[version](directory) == devices.ALL and seen() == [ok] * 6
    for rules, expected in [(["c 1:3 rw", "c 1:5 r"], [ok, ok, no, no, no, ok]), (["c 1:* r", "c 1:3 rwm"], [ok, ok, no, ok, ok, ok]), ([], [no] * 5 + [ok]),
                            (["c 1:3 r", "c *:* w", "b *:* rwm"], [no] * 5 + [ok]), (["c *:* rwm"], [ok] * 6), (["a 1:5 rw"], [no, ok, ok, no, no, ok]),
                            (devices.ALL, [ok] * 6)]:
        rules = devices.parse(rules)
        WRITE[version](directory, rules)
        assert READ[version](directory) == rules
        assert seen() == expected


def test_v1_refusals_leave_what_was_there(make):
    parent = make(V1)
    devices.write_v1(parent, ["c 1:3 rw", "c 1:5 rw"])
    child = make(V1, "/below")
    assert devices.read_v1(child) == ["c 1:3 rw", "c 1:5 rw"]
    devices.write_v1(child, ["c 1:3 r"])
    with pytest.raises(LauncherError) as caught:  # c 1:5 is written before the kernel refuses c 1:8
        devices.write_v1(child, ["c 1:5 r", "c 1:8 r"])
    assert "devices.allow: Operation not permitted (EPERM)" in str(caught.value) and "above" in caught.value.remedy
    assert devices.read_v1(child) == ["c 1:3 r"]
    with pytest.raises(LauncherError) as caught:
        devices.write_v1(parent, devices.ALL)
    assert "(EINVAL)" in str(caught.value) and "below" in caught.value.remedy
    devices.write_v1(parent, ["c 1:3 rw"])  # with children it can still be narrowed, and its children with it
    assert (devices.read_v1(parent), devices.read_v1(child)) == (["c 1:3 rw"], ["c 1:3 r"])


def test_v1_new_rules_come_before_old_ones_go(make, monkeypatch):
    directory = make(V1)
    devices.write_v1(directory, ["c 1:3 rw", "c 1:5 r"])
    written, write = [], devices.files.write_text
    monkeypatch.setattr(devices.files, "write_text", lambda path, text: written.append((os.path.basename(path), text)) or write(path, text))
    devices.write_v1(directory, ["c 1:3 rm", "c 1:8 r"])
    assert written == [("devices.allow", "c 1:3 m"), ("devices.allow", "c 1:8 r"), ("devices.deny", "c 1:3 w"), ("devices.deny", "c 1:5 r")]


def attached(directory):
    fd = os.open(directory, os.O_RDONLY)
    try:
        return bpf.query(fd, DEVICE)
    finally:
        os.close(fd)


def attach_another(directory, name, rules=()):
    """A program that allows all, as of another tool; with `rules`, one of ours beside ours."""
    kept = bpf.create_map(name, "\n".join([*rules, "\n"]).encode())
    program = bpf.load(PROGRAM, name, device_program.build(["a *:* rw", "a *:* m"], kept))
    fd = os.open(directory, os.O_RDONLY)
    bpf.attach(fd, program, DEVICE)
    for each in (fd, program, kept):
        os.close(each)


@pytest.mark.parametrize("replaces", [True, False])
def test_v2_only_our_own_program_is_replaced(make, monkeypatch, replaces):
    directory, attach = make(V2), bpf.attach
    if not replaces:  # before Linux 5.6
        def old_attach(cgroup, program, point, replaced=None):
            if replaced is not None:
                raise OSError(errno.EINVAL, "no such flag")
            attach(cgroup, program, point)
        monkeypatch.setattr(bpf, "attach", old_attach)
    attach_another(directory, "coracle_device")
    attach_another(directory, "coracle_devices", ["no rules"])  # our name, but not our map
    others = attached(directory)
    assert len(others) == 2 and devices.read_v2(directory) == devices.ALL
    for rules in (["c 1:3 rwm"], ["c 1:5 rwm"], ["c 1:5 rwm"], []):
        devices.write_v2(directory, rules)
        assert devices.read_v2(directory) == rules
        assert len(attached(directory)) == 3 and attached(directory)[:2] == others
    devices.write_v2(directory, devices.ALL)
    assert attached(directory) == others


def test_v2_what_a_killed_run_left_is_not_taken_for_one_and_mended(make):
    directory = make(V2)
    devices.write_v2(directory, ["c 1:* r", "c 5:0 rw"])
    attach_another(directory, "coracle_devices", ["c *:3 rw", "b 8:0 r"])
    assert len(attached(directory)) == 2 and devices.read_v2(directory) is None
    devices.write_v2(directory, ["c 1:* r"])
    assert len(attached(directory)) == 1 and devices.read_v2(directory) == ["c 1:* r"]


def test_v2_as_many_rules_as_are_promised_load_and_more_are_refused(make):
    directory = make(V2)
    rules = [f"c {number % 2000}:{number // 2000} rw" for number in range(device_program.MAX_RULES + 1)]
    devices.write_v2(directory, devices.parse(rules[:-1]))
    with pytest.raises(LauncherError) as caught:
        devices.write_v2(directory, devices.parse(rules))
    assert "4001 rules" in str(caught.value) and "wildcards" in caught.value.remedy
    assert devices.read_v2(directory) == devices.parse(rules[:-1])


@pytest.mark.parametrize("number, says", [(errno.EPERM, "as root"), (errno.ENOSYS, "CONFIG_BPF_SYSCALL"), (errno.EINVAL, "CONFIG_CGROUP_BPF")])
def test_v2_a_kernel_that_cannot_is_named_and_reads_as_unknown(monkeypatch, tmp_path, number, says):
    def refuse(_command, _attributes):
        raise OSError(number, "bpf: no")
    monkeypatch.setattr(libc, "bpf", refuse)
    assert devices.read_v2(str(tmp_path)) is None
    for refused in (lambda: devices.check_v2(str(tmp_path)), lambda: devices.write_v2(str(tmp_path), [])):
        with pytest.raises(LauncherError) as caught:
            refused()
        assert f"({errno.errorcode[number]})" in str(caught.value) and says in caught.value.remedy and caught.value.option == "devices"


def test_v2_where_there_is_no_cgroup(tmp_path):
    if mount_of(V2) is None:
        pytest.skip("runs as root on a host where cgroup v2 restricts devices")
    with pytest.raises(LauncherError) as caught:
        devices.write_v2(str(tmp_path), [])
    assert "(EBADF)" in str(caught.value)
    with pytest.raises(FileNotFoundError):
        devices.read_v2(f"{tmp_path}/gone")
