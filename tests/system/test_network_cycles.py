# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A thousand containers are put on the network and taken off it, some of them with everything that there is, and nothing of them is left."""

from __future__ import annotations

import os
import time

import pytest

from ansible_collections.coracle.launcher.plugins.module_utils._coracle.base import libc
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.kernel.net import netns
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.work.network import container as network

CYCLES = 1000
SLOTS = 8  # names that come again: what the kernel is still taking apart has the name of what is made
BRIDGES = ("cyc0", "cyc1")
PLAIN = {"bridge": BRIDGES[0], "addresses": ["192.0.2.5/24"]}
FULL = {"bridge": BRIDGES[1], "interface_name": "lan1", "addresses": ["198.51.100.5/24", "fd00::5/64"], "gateway": "198.51.100.1", "mtu": 1400,
        "routes": [{"dest": "10.0.0.0/8", "gateway": "198.51.100.2"}], "isolated": True, "ingress_rate": "10Mbit", "egress_rate": "1Gbit"}


@pytest.fixture
def own_network():
    """A network of our own; conftest.py sees to the mounts."""
    pytest.importorskip("pyroute2")
    before = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    libc.unshare(libc.CLONE_NEWNET)
    try:
        netns.loopback_up()
        yield
    finally:
        libc.setns(before, libc.CLONE_NEWNET)
        os.close(before)


def test_1000_cycles_leak_nothing(own_network) -> None:
    for number in range(SLOTS):  # what is loaded and opened once is no leak
        one_cycle(number, whole=True)
    before = settled()
    for number in range(CYCLES):
        one_cycle(number, whole=number % 10 == 0)
    assert settled() == before
    assert before["links"] == ["lo"]
    assert no_children()
    if namespaces() is not None:  # the kernel counts those of everybody, and those that are being taken apart: a leak would be a thousand
        wait_until(lambda: namespaces() < CYCLES // 2)


def test_what_is_left_would_be_seen(own_network) -> None:
    before = settled()
    ends = network.attach("left", [PLAIN])
    after = left_behind()
    assert {what for what, found in after.items() if found != before[what]} >= {"links", "namespaces", "mounts"}
    network.detach("left", ends)
    assert settled()["links"] == ["lo"]


def one_cycle(number: int, whole: bool) -> None:
    name = f"cycle{number % SLOTS}"
    networks = [PLAIN, FULL] if whole else [PLAIN]
    ends = network.attach(name, networks)
    assert len(ends) == len(networks)
    assert {name, *ends} <= {*netns.names(), *links()}
    network.detach(name, ends, wait=number % 3 != 0)  # the supervisor waits, a start that failed does not
    if whole:
        network.remove_host_ends(name, ends)
        network.remove_unused_bridges(list(BRIDGES))


def settled() -> dict:
    """What is left when the kernel has done what it does later, and bridges without ports are gone, too."""
    wait_until(lambda: [name for name in links() if name not in ("lo", *BRIDGES)] == [])
    network.remove_unused_bridges(list(BRIDGES))
    return left_behind()


def left_behind() -> dict:
    with open("/proc/self/mountinfo", encoding="utf-8") as file:
        mounts = sorted(line.split()[4] for line in file)
    return {"descriptors": len(os.listdir("/proc/self/fd")), "links": links(), "namespaces": netns.names(), "mounts": mounts}


def links() -> list[str]:
    """All of this namespace; not from /sys, which shows those of the namespace in which it was mounted."""
    with open("/proc/thread-self/net/dev", encoding="ascii") as file:
        return sorted(line.partition(":")[0].strip() for line in file if ":" in line)


def wait_until(condition) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def namespaces() -> int | None:
    """Network namespaces that are in use in the kernel, by its allocator; None where it does not tell."""
    try:
        with open("/proc/slabinfo", encoding="ascii") as file:
            return next((int(line.split()[1]) for line in file if line.startswith("net_namespace ")), None)
    except OSError:
        return None


def no_children() -> bool:
    try:
        os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        return True
    return False
