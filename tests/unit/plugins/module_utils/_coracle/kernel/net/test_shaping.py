# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import errno
import os
import shutil
import socket
import subprocess
import time

import pytest

from ansible_collections.coracle.launcher.plugins.module_utils._coracle.kernel.net import netlink, shaping
from ansible_collections.coracle.launcher.tests.unit.each import each

BURST = 80 << 10  # bytes; what passes at once
FRAME = 14 + 1400
SO_SNDBUFFORCE = 32  # <asm-generic/socket.h>; not in Python 3.9


class Pair:
    """A veth pair in this namespace: what leaves through `index` is counted at the other end."""

    def __init__(self, route):
        self.route = route
        ip("link", "add", "va", "type", "veth", "peer", "name", "vb")
        for name in ("va", "vb"):
            ip("link", "set", name, "up")
        self.index = socket.if_nametoindex("va")

    def flood(self, count):
        """Hand `count` frames of 1414 bytes to the link, as fast as it takes them; those that do not fit are dropped."""
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as out:
            out.bind(("va", 0x88B5))
            out.setsockopt(socket.SOL_SOCKET, SO_SNDBUFFORCE, 16 << 20)
            frame = bytes.fromhex("ffffffffffff 020000000001 88b5") + bytes(FRAME - 14)
            for _number in range(count):
                try:
                    out.send(frame)
                except OSError as error:
                    if error.errno != errno.ENOBUFS:
                        raise

    def arrived(self):
        """Bytes that came out so far; the kernel's own are few."""
        with open("/proc/net/dev", encoding="ascii") as file:
            return next(int(line.split()[1]) for line in file if line.lstrip().startswith("vb:"))

    def shaper(self):
        return shaping.read(self.route).get(self.index)


def ip(*words, program="ip"):
    subprocess.run([program, *words], check=True, timeout=30)


@pytest.fixture
def pair(own_network):
    with netlink.Socket() as route:
        pair = Pair(route)
        try:
            shaping.limit(route, pair.index, 1)
        except OSError as error:
            if error.errno != errno.ENOENT:
                raise
            pytest.skip("this kernel has no token bucket filter (CONFIG_NET_SCH_TBF)")
        shaping.unlimit(route, pair.index)
        yield pair


def test_a_link_has_no_shaper_but_the_kernels_default(pair):
    assert shaping.read(pair.route) == {}
    shaping.limit(pair.route, pair.index, 125000)
    assert list(shaping.read(pair.route)) == [pair.index]
    shaping.unlimit(pair.route, pair.index)
    assert shaping.read(pair.route) == {}


@each("rate", [1, 1000, 1250000, 125000000, 0xFFFFFFFF, 1 << 32, 12500000000, (1 << 63) - 1])
def test_the_rate_is_read_back_to_the_byte(pair, rate):
    shaping.limit(pair.route, pair.index, rate)
    shaper = pair.shaper()
    assert (shaper.kind, shaper.ours, shaper.rate) == ("tbf", True, rate)


def test_no_more_passes_than_bucket_and_queue_hold_and_all_does_without_a_limit(pair):
    count = 1000
    pair.flood(count)
    free = pair.arrived()
    assert free >= count * FRAME  # the control
    shaping.limit(pair.route, pair.index, 100)
    pair.flood(count)
    limited = pair.arrived() - free
    assert BURST // 2 < limited < BURST * 2  # what is in the queue needs minutes
    shaping.unlimit(pair.route, pair.index)
    before = pair.arrived()
    pair.flood(count)
    assert pair.arrived() - before >= count * FRAME


def test_what_passes_in_time_follows_the_rate(pair):
    """A million bytes a second and what the bucket held: never more, however slow this machine is."""
    rate = 1000000
    shaping.limit(pair.route, pair.index, rate)
    before, started = pair.arrived(), time.monotonic()
    while pair.arrived() - before < 4 * BURST and time.monotonic() - started < 30:
        pair.flood(100)
    passed, took = pair.arrived() - before, time.monotonic() - started
    assert passed >= 4 * BURST  # it goes on after the bucket was empty
    assert passed <= (BURST + rate * took) * 1.1


def test_a_changed_limit_keeps_the_queue(pair):
    shaping.limit(pair.route, pair.index, 100)
    pair.flood(1000)
    held = backlog()
    assert held > BURST // 2
    shaping.limit(pair.route, pair.index, 200)
    assert backlog() > held // 2
    assert pair.shaper().rate == 200


def backlog():
    found = subprocess.run(["tc", "-s", "qdisc", "show", "dev", "va"], check=True, capture_output=True, text=True, timeout=30).stdout
    word = found.partition("backlog ")[2].split()[0]
    return int(word.lower().replace("kb", "000").replace("b", ""))


@pytest.mark.skipif(shutil.which("tc", path=os.defpath + ":/usr/sbin:/sbin") is None, reason="needs tc")
def test_somebody_elses_shaper_is_known_as_such(pair):
    ip("qdisc", "add", "dev", "va", "root", "tbf", "rate", "1mbit", "burst", "100k", "latency", "50ms", program="tc")
    shaper = pair.shaper()
    assert (shaper.kind, shaper.ours, shaper.rate) == ("tbf", False, 125000)


def test_a_shaper_without_options_is_no_error():
    shaper = shaping._parse(bytes(20) + netlink.attribute(1, b"htb\0"))
    assert (shaper.kind, shaper.ours, shaper.rate) == ("htb", False, 0)
    assert shaping._parse(bytes(20)).kind == ""


def test_a_refusal_of_the_kernel_says_why(pair):
    with pytest.raises(OSError) as caught:
        shaping.unlimit(pair.route, pair.index)
    assert caught.value.errno == errno.ENOENT
    with pytest.raises(OSError) as caught:
        shaping.limit(pair.route, 99, 1000)
    assert caught.value.errno == errno.ENODEV
