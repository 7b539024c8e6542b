# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host says of its cgroups, namespaces, filters, links and init: yes, no, or nothing."""

from __future__ import annotations

import os
import socket

import pytest

from ansible_collections.coracle.launcher.plugins.module_utils._coracle.base.errors import LauncherError
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.kernel.cgroup import detect
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.kernel.survey import (
    boot,
    cgroups,
    config,
    fences,
    modules,
    networks,
)

UNKNOWN = config.Config(None, {})


def tree(root, **content):
    """Files below `root`; a double underscore in a name is a slash, three are a point."""
    for name, text in content.items():
        path = root / name.replace("___", ".").replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")
    return root


# --- cgroups


def on(monkeypatch, layout):
    monkeypatch.setattr(detect, "find", lambda: layout)


def test_no_cgroup_is_mounted(monkeypatch):
    def nothing():
        raise LauncherError("no cgroup is mounted")
    monkeypatch.setattr(detect, "find", nothing)
    facts, needed, optional = cgroups.survey(UNKNOWN)
    assert (facts["mode"], facts["controllers"], facts["writable"], facts["swap_accounting"]) == ("none", [], None, None)
    assert [(gap["need"], gap["problem"]) for gap in needed] == [("cgroup", "no cgroup is mounted")] and optional == []


def v1(tmp_path, *controllers):
    for controller in controllers:
        (tmp_path / controller).mkdir()
    return detect.Layout(detect.V1, {controller: str(tmp_path / controller) for controller in controllers}, None)


def test_a_controller_is_missing(monkeypatch, tmp_path):
    on(monkeypatch, v1(tmp_path, "cpu", "pids"))
    facts, needed, optional = cgroups.survey(UNKNOWN)
    assert [gap["problem"] for gap in needed] == ["the kernel offers no cgroup controller memory"]
    assert facts["swap_accounting"] is False and optional == []  # without the controller there is no use in saying it twice


@pytest.mark.parametrize("counted", [True, False])
def test_swap_of_v1_is_counted_where_the_kernel_has_the_file(monkeypatch, tmp_path, counted):
    on(monkeypatch, v1(tmp_path, "cpu", "memory", "pids"))
    if counted:
        tree(tmp_path, memory__memory___memsw___limit_in_bytes="-1")
    facts, needed, optional = cgroups.survey(UNKNOWN)
    assert facts == {"mode": "v1", "controllers": ["cpu", "memory", "pids"], "writable": True, "parent": "coracle", "delegated": None,
                     "swap_accounting": counted}
    assert needed == [] and [gap["need"] for gap in optional] == ([] if counted else ["swap_accounting"])


@pytest.mark.parametrize("files, swap", [
    ({}, None),  # no cgroup has the controller: nothing tells
    ({"a__cgroup___procs": "", "b__memory___max": "max", "b__memory___swap___max": "max"}, True),
    ({"a__cgroup___procs": "", "b__memory___max": "max"}, False),
])
def test_swap_of_v2_shows_in_a_cgroup_with_the_controller(tmp_path, files, swap):
    layout = detect.Layout(detect.V2, {"memory": str(tmp_path)}, str(tmp_path))
    tree(tmp_path, **files)
    assert cgroups.swap_accounting(layout, UNKNOWN) is swap
    if swap is None:
        assert cgroups.swap_accounting(layout, config.Config(None, {"SWAP": "n"})) is False


@pytest.mark.parametrize("offered, delegated, problems", [
    (None, None, []),  # the unit is not active
    ("cpuset cpu io memory pids", ["cpu", "cpuset", "io", "memory", "pids"], []),
    ("cpu pids", ["cpu", "pids"], ["systemd does not pass the controller memory on to coracle.service"]),
])
def test_what_systemd_passes_on(monkeypatch, tmp_path, offered, delegated, problems):
    on(monkeypatch, detect.Layout(detect.V2, dict.fromkeys(("cpu", "memory", "pids"), str(tmp_path)), str(tmp_path), "coracle.service"))
    if offered:
        tree(tmp_path, coracle___service__cgroup___controllers=offered)
    facts, needed, _optional = cgroups.survey(UNKNOWN)
    assert (facts["parent"], facts["delegated"]) == ("coracle.service", delegated)
    assert [gap["problem"] for gap in needed] == problems


def test_hierarchies_that_are_mounted_read_only(monkeypatch, tmp_path):
    on(monkeypatch, v1(tmp_path, "cpu", "memory", "pids"))
    real = os.statvfs(tmp_path)
    monkeypatch.setattr(os, "statvfs", lambda _path: os.statvfs_result((*real[:8], real.f_flag | os.ST_RDONLY, *real[9:])))
    facts, needed, _optional = cgroups.survey(UNKNOWN)
    assert facts["writable"] is False and "read-only" in needed[0]["problem"]


# --- namespaces, filters


def host_proc(tmp_path, **content):
    for kind in ("mnt", "pid", "uts", "ipc", "net", "cgroup", "user", "time"):
        tree(tmp_path, **{f"self__ns__{kind}": "", f"sys__user__max_{kind}_namespaces": "9000"})
    return tree(tmp_path, sys__kernel__seccomp__actions_avail="kill_process trap errno allow", **content)


def test_a_kernel_with_all_of_it(tmp_path, monkeypatch):
    monkeypatch.setattr(fences.landlock, "abi", lambda: 4)
    facts, needed, optional = fences.survey(UNKNOWN, str(host_proc(tmp_path)))
    assert needed == [] and optional == []
    assert facts["namespaces"]["pid"] == {"available": True, "limit": 9000} and facts["namespaces"]["user"]["unprivileged"] is True
    assert facts["seccomp"] == {"filter": True, "actions": ["kill_process", "trap", "errno", "allow"], "architecture": True}


def test_a_kernel_with_little_of_it(tmp_path, monkeypatch):
    proc = host_proc(tmp_path, sys__user__max_net_namespaces="0", sys__kernel__unprivileged_userns_clone="0")
    (proc / "self/ns/ipc").unlink()
    tree(proc, sys__kernel__seccomp__actions_avail="trap")
    monkeypatch.setattr(fences.landlock, "abi", lambda: 1)
    monkeypatch.setattr(fences.seccomp, "MACHINES", {"other": None})
    facts, needed, optional = fences.survey(UNKNOWN, str(proc))
    assert [gap["problem"] for gap in needed] == [
        "the kernel has no ipc namespaces", "no net namespace may be made (user.max_net_namespaces is 0)", "the kernel cannot filter system calls"]
    assert [gap["need"] for gap in optional] == ["seccomp", "landlock"] and facts["namespaces"]["user"]["unprivileged"] is False
    assert all(gap["remedy"] for gap in needed + optional)


def test_nothing_can_be_read_and_so_nothing_is_said(tmp_path):
    facts, needed, _optional = fences.survey(UNKNOWN, str(tmp_path))
    assert needed == []
    assert facts["namespaces"]["pid"] == {"available": None, "limit": None} and facts["namespaces"]["user"]["unprivileged"] is None
    assert (facts["seccomp"]["filter"], facts["seccomp"]["actions"]) == (None, None)


@pytest.mark.parametrize("status, state, has", [
    ("Seccomp:\t0", "y", True), ("Seccomp:\t0", None, None), ("Seccomp:\t0", "n", False), ("NoNewPrivs:\t0", "y", False)])
def test_filters_before_linux_4_14(tmp_path, status, state, has):
    tree(tmp_path, self__status=status)
    built = config.Config("/boot/config", {"SECCOMP_FILTER": state} if state else {})
    assert fences.survey(built, str(tmp_path))[0]["seccomp"]["filter"] is has


# --- links, init


def kernel(tmp_path, **states):
    return modules.Modules(config.Config(None, states), str(tmp_path / "gone"), str(tmp_path / "loaded"))


def test_links_that_the_kernel_lacks(tmp_path, monkeypatch):
    monkeypatch.setattr(networks, "_DIRECTORIES", ())
    monkeypatch.setattr(networks, "_SOCKETS", ())
    facts, needed, optional = networks.survey(kernel(tmp_path, VETH="n", BRIDGE="y", VLAN_8021Q="n"))
    assert facts == {"veth": False, "bridge": True, "vlan": False, "openvswitch": {"kernel": None, "command": None, "running": False}}
    assert [gap["problem"] for gap in needed] == ["the kernel has no veth links"]
    assert [(gap["need"], gap["package"]) for gap in optional] == [("vlan", ""), ("openvswitch", "openvswitch-switch")]
    assert networks.survey(kernel(tmp_path))[1] == []  # unknown is no gap, and not there either
    assert networks.survey(kernel(tmp_path))[0]["veth"] is None


def test_open_vswitch_runs_when_its_database_answers(tmp_path, monkeypatch):
    program = tmp_path / "ovs-vsctl"
    program.touch()
    program.chmod(0o755)
    monkeypatch.setattr(networks, "_DIRECTORIES", ("/gone", str(tmp_path)))
    monkeypatch.setattr(networks, "_SOCKETS", (str(tmp_path / "gone"), "db.sock"))
    monkeypatch.chdir(tmp_path)
    facts, _needed, optional = networks.survey(kernel(tmp_path, VLAN_8021Q="y", OPENVSWITCH="m"))
    assert facts["openvswitch"] == {"kernel": False, "command": str(program), "running": False}
    assert [gap["problem"] for gap in optional] == ["Open vSwitch does not run, which bridges of that type need"]
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("db.sock")
        server.listen()
        facts, _needed, optional = networks.survey(kernel(tmp_path, VLAN_8021Q="y"))
    assert facts["openvswitch"]["running"] is True and optional == []


@pytest.mark.parametrize("marks, name", [
    (["run/systemd/system/x", "etc/init.d/x", "etc/inittab"], "systemd"),
    (["run/systemd/seats", "etc/slackware-version", "etc/rc.d/rc.M", "etc/inittab", "etc/init.d/x"], "slackware"),  # elogind leaves /run/systemd
    (["run/openrc/x", "etc/inittab", "etc/init.d/x"], "openrc"),
    (["etc/inittab", "etc/init.d/x"], "sysvinit"),
    (["etc/inittab"], None),
])
def test_the_init_is_known_by_what_only_it_has(tmp_path, marks, name):
    for mark in marks:
        (tmp_path / mark).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / mark).touch()
    assert boot.init(str(tmp_path)) == name


def test_the_time_of_boot(tmp_path):
    tree(tmp_path, stat="cpu  1 2 3\nintr 5\nbtime 1795506900\nprocesses 7")
    assert boot.booted_at(str(tmp_path / "stat")) == "2026-11-24T07:55:00Z"
    assert boot.booted_at(str(tmp_path / "gone")) is None
