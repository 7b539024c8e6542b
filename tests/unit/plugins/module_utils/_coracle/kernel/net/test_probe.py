# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import errno
import os
import subprocess

import pytest

from ansible_collections.coracle.launcher.plugins.module_utils._coracle.base.errors import LauncherError
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.kernel.net import netns, probe
from ansible_collections.coracle.launcher.tests.unit.each import each

V4, OTHER_V4 = bytes([192, 0, 2, 5]), bytes([192, 0, 2, 9])
V6 = bytes.fromhex("fd000000000000000000000000000005")
MACS = {"web": "02:00:00:00:00:01", "db": "02:00:00:00:00:02"}


def arp(operation, sender, target, start="000108000604"):
    return bytes.fromhex(start) + operation.to_bytes(2, "big") + bytes(6) + sender + bytes(6) + target


@each("body, claimed", [
    (arp(1, V4, OTHER_V4), V4), (arp(2, V4, OTHER_V4), V4), (arp(1, V4, V4), V4),
    (arp(1, bytes(4), V4), V4),  # the probe of somebody who wants it, too
    (arp(2, bytes(4), V4), b""),
    (arp(1, V4, OTHER_V4)[:27], b""), (b"", b""),
    (arp(1, V4, OTHER_V4, start="000686dd0810"), b""),
    (arp(1, V4, OTHER_V4) + bytes(18), V4),  # padded to the least that Ethernet sends
])
def test_what_an_arp_packet_claims(body, claimed):
    assert probe.claimed_by_arp(body) == claimed


def ndp(kind, source, target, next_header=58, hops=255):
    return bytes(6) + bytes((next_header, hops)) + source + bytes(16) + bytes((kind,)) + bytes(7) + target


@each("body, claimed", [
    (ndp(136, V6, V6), V6),
    (ndp(135, bytes(16), V6), V6),
    (ndp(135, V6, V6), b""),  # somebody asks for us
    (ndp(136, V6, V6, next_header=17), b""), (ndp(136, V6, V6, hops=64), b""),  # from behind a router: forged
    (ndp(134, V6, V6), b""), (ndp(136, V6, V6)[:63], b""), (b"", b""),
])
def test_what_a_neighbour_message_claims(body, claimed):
    assert probe.claimed_by_ndp(body) == claimed


class Wire:
    """Two namespaces with eth0 on one bridge."""

    def __init__(self):
        self.outside("link", "add", "br0", "type", "bridge", "forward_delay", "0")
        self.outside("link", "set", "br0", "up")
        for name, mac in MACS.items():
            netns.create(name)
            self.outside("link", "add", name, "type", "veth", "peer", "name", "eth0", "address", mac, "netns", name)
            self.outside("link", "set", name, "master", "br0", "up")
            self.inside(name, "link", "set", "eth0", "up")

    def outside(self, *words):
        subprocess.run(["ip", *words], check=True, timeout=30)

    def inside(self, name, *words):
        self.outside("-n", name, *words)

    @contextlib.contextmanager
    def prober(self, name, *addresses):
        fd = os.open(netns.path(name), os.O_RDONLY)
        try:
            with netns.inside(fd):
                prober = probe.Prober("eth0", MACS[name], list(addresses))
            with prober:
                yield prober
        finally:
            os.close(fd)


@pytest.fixture
def wire(own_network):
    return Wire()


def conflict(*probers):
    found = probe.conflict(list(probers), interval=0.2, wait=0.5)
    return None if found is None else (found.prober, found.address, found.mac)


def test_an_address_that_another_machine_has_is_found_with_its_mac(wire):
    wire.inside("db", "addr", "add", "192.0.2.5/24", "dev", "eth0")
    with wire.prober("web", "192.0.2.4/24", "192.0.2.5/24") as prober:
        assert conflict(prober) == (prober, "192.0.2.5", MACS["db"])


def test_free_addresses_are_no_conflict(wire):
    wire.inside("db", "addr", "add", "192.0.2.5/24", "dev", "eth0")
    with wire.prober("web", "192.0.2.4/24", "192.0.2.6") as prober:
        assert conflict(prober) is None


def test_two_that_want_the_same_address_at_once_find_each_other(wire):
    with wire.prober("web", "192.0.2.5/24") as one, wire.prober("db", "192.0.2.5/24") as other:
        found = conflict(one, other)
        assert found in ((one, "192.0.2.5", MACS["db"]), (other, "192.0.2.5", MACS["web"]))


def test_an_ipv6_address_that_another_machine_has_is_found_with_its_mac(wire):
    wire.inside("db", "addr", "add", "fd00::5/64", "dev", "eth0", "nodad")
    with wire.prober("web", "fd00::5/64") as prober:
        wire.inside("web", "addr", "add", "fd00::5/64", "dev", "eth0")
        assert conflict(prober) == (prober, "fd00::5", MACS["db"])


def test_a_duplicate_that_only_the_kernel_has_heard_of_counts(wire):
    wire.inside("db", "addr", "add", "fd00::5/64", "dev", "eth0", "nodad")
    with wire.prober("web", "fd00::5/64") as early:
        wire.inside("web", "addr", "add", "fd00::5/64", "dev", "eth0")
        assert conflict(early) is not None
    with wire.prober("web", "fd00::5/64") as late:
        assert conflict(late) == (late, "fd00::5", None)


def test_a_free_ipv6_address_is_usable_when_it_returns(wire):
    wire.inside("db", "addr", "add", "fd00::6/64", "dev", "eth0", "nodad")
    with wire.prober("web", "fd00::5/64", "192.0.2.5/24") as prober:
        wire.inside("web", "addr", "add", "fd00::5/64", "dev", "eth0")
        assert prober.detected() == (None, True)
        assert conflict(prober) is None
        assert prober.detected() == (None, False)


def test_a_detection_without_end_is_an_error(wire, monkeypatch):
    monkeypatch.setattr(probe, "_DAD_ENDS_WITHIN", 0.2)
    wire.outside("link", "set", "web", "down")  # without a carrier it does not even begin
    with wire.prober("web", "fd00::5/64") as prober:
        wire.inside("web", "addr", "add", "fd00::5/64", "dev", "eth0")
        with pytest.raises(LauncherError) as caught:
            conflict(prober)
    assert caught.value.option == "duplicate_address_detection"


def test_an_announcement_tells_older_neighbours(wire):
    wire.inside("db", "addr", "add", "192.0.2.9/24", "dev", "eth0")
    wire.inside("db", "neigh", "add", "192.0.2.5", "lladdr", "02:00:00:00:00:99", "dev", "eth0", "nud", "stale")
    with wire.prober("web", "192.0.2.5/24") as prober:
        prober.announce()
        assert MACS["web"] in neighbours()


def neighbours():
    return subprocess.run(["ip", "-n", "db", "neigh"], check=True, capture_output=True, text=True, timeout=30).stdout


def test_a_link_that_is_down_is_an_error(wire):
    wire.inside("web", "link", "set", "eth0", "down")
    with wire.prober("web", "192.0.2.5/24") as prober, pytest.raises(OSError) as caught:
        conflict(prober)
    assert caught.value.errno == errno.ENETDOWN


def test_a_link_that_is_missing_is_an_error(own_network):
    with pytest.raises(OSError):
        probe.Prober("eth0", MACS["web"], ["192.0.2.5/24"])


def test_nothing_is_left_open(wire):
    before = len(os.listdir("/proc/self/fd"))
    with wire.prober("web", "192.0.2.5/24", "fd00::5/64") as prober:
        conflict(prober)
    assert len(os.listdir("/proc/self/fd")) == before
