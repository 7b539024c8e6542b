# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import subprocess

import pytest

from ansible_collections.coracle.launcher.plugins.module_utils._coracle.base.errors import LauncherError
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.kernel.net import netlink, netns, read
from ansible_collections.coracle.launcher.tests.unit.each import each


def files_and_mounts():
    with open("/proc/thread-self/mountinfo", encoding="ascii") as mounts:
        return sorted(os.listdir("/run")), mounts.read()


@each("name", ["", ".", "..", "../x", "a/b", "-x", "a b", "a\n", "\u00fc", "x" * 64])
def test_names_that_are_no_file_names_are_refused(name):
    with pytest.raises(LauncherError, match="netns"):
        netns.path(name)


@pytest.mark.parametrize("given, place", [
    ("web", "/run/netns/web"), ("4711", "/proc/4711/ns/net"), ("/proc/self/ns/net", "/proc/self/ns/net"),
    ("/run/netns/../netns/web", "/run/netns/web"),
])
def test_a_namespace_is_located_by_name_pid_or_path(given, place):
    assert netns.locate(given) == place


def test_a_namespace_is_made_marked_and_usable_and_leaves_no_trace(own_network):
    before, own = files_and_mounts(), netns.own_identity()
    assert netns.create("tnet") == "/run/netns/tnet"
    assert netns.own_identity() == own
    assert netns.names() == ["tnet"]
    assert netns.exists("tnet")
    fd = netns.open_namespace("tnet")
    with netns.inside(fd):
        assert netns.own_identity() != own
        with netlink.Socket() as socket:
            lo = read.link(socket, "lo")
            assert (lo.up, lo.alias) == (True, netns.CONTAINER)
            assert (1, "127.0.0.1/8") in [(one.index, one.words) for one in read.addresses(socket)]
        with open("/proc/sys/net/ipv4/ping_group_range", encoding="ascii") as file:
            assert file.read().split() == ["0", "2147483647"]
    assert netns.own_identity() == own
    os.close(fd)
    netns.delete("tnet")
    assert not netns.exists("tnet")
    assert files_and_mounts() == before


def test_creating_and_deleting_twice_changes_nothing(own_network):
    netns.create("tnet")
    first = os.stat("/run/netns/tnet").st_ino
    netns.create("tnet")
    assert os.stat("/run/netns/tnet").st_ino == first
    netns.delete("tnet")
    netns.delete("tnet")
    assert netns.names() == []


def test_a_file_left_by_a_killed_run_is_used(own_network):
    os.mkdir("/run/netns")
    open("/run/netns/tnet", "wb").close()
    assert not netns.exists("tnet")
    netns.create("tnet")
    assert netns.exists("tnet")
    netns.delete("tnet")


def test_names_of_others_keep_the_directory(own_network):
    netns.create("tnet-a")
    netns.create("tnet-b")
    netns.delete("tnet-a")
    assert netns.names() == ["tnet-b"]


def ip(*words):
    subprocess.run(["ip", "netns", *words], check=True, timeout=30)


def mounted():
    with open("/proc/thread-self/mountinfo", encoding="ascii") as mounts:
        return [line.split()[4] for line in mounts if line.split()[4].startswith("/run/netns")]


@pytest.mark.parametrize("last", ["ours", "theirs"])
def test_names_of_ip_and_ours_are_removed_in_any_order(own_network, last):
    """/run is private here, as on a host without systemd: there `ip netns add` must find the mount that it would make itself."""
    netns.create("ours")
    ip("add", "theirs")
    assert mounted() == ["/run/netns", "/run/netns/ours", "/run/netns/theirs"]
    for name in ("ours", "theirs") if last == "theirs" else ("theirs", "ours"):
        netns.delete(name) if name == "ours" else ip("delete", name)
    assert netns.names() == []
    assert mounted() == ([] if last == "ours" else ["/run/netns"])  # ip(8) leaves it
    assert os.path.exists("/run/netns") == (last == "theirs")


def test_a_mount_of_ip_is_used_and_stays(own_network):
    ip("add", "theirs")
    netns.create("ours")
    ip("delete", "theirs")
    netns.delete("ours")
    assert (netns.names(), mounted()) == ([], ["/run/netns"])


def test_names_that_were_mounted_before_are_not_hidden(own_network):
    os.mkdir("/run/netns")
    subprocess.run(["sh", "-ec", "touch /run/netns/theirs; unshare --net=/run/netns/theirs true"], check=True, timeout=30)
    netns.create("ours")
    subprocess.run(["sh", "-ec", "umount /run/netns/theirs; rm /run/netns/theirs"], check=True, timeout=30)
    netns.delete("ours")
    assert mounted() == []


@pytest.mark.parametrize("given", ["tnet-none", "999999999", "/nowhere", "/etc/passwd", "/proc/self/ns/mnt", "/proc/self/ns/net"])
def test_what_is_no_other_network_namespace_is_refused(own_network, given):
    with pytest.raises(LauncherError) as caught:
        netns.open_namespace(given)
    assert (caught.value.option, caught.value.value) == ("netns", given)


def test_an_error_inside_leads_back(own_network):
    netns.create("tnet")
    own, fd = netns.own_identity(), netns.open_namespace("tnet")
    with pytest.raises(ValueError), netns.inside(fd):
        raise ValueError
    os.close(fd)
    assert netns.own_identity() == own


def test_a_cycle_leaks_no_descriptor(own_network):
    before = os.listdir("/proc/self/fd")
    for _cycle in range(20):
        netns.create("tnet")
        fd = netns.open_namespace("tnet")
        with netns.inside(fd):
            pass
        os.close(fd)
        netns.delete("tnet")
    assert len(os.listdir("/proc/self/fd")) == len(before)
