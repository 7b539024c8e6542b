# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A NIC (here one end of a pair, whose other end is the network) joins a bridge and leaves it, with all that the host has on it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time

import pytest

from ansible_collections.coracle.launcher.plugins.module_utils._coracle.base.errors import LauncherError
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.kernel.net import netlink
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.work.network import moves, switch, uplink
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.work.network.bridges import LINUX, Undo, View
from ansible_collections.coracle.launcher.tests.unit.each import each

HOST = """
link add nic0 address 02:00:00:00:00:01 type veth peer name wire0
link add nic1 type veth peer name wire1
link set lo up
link set wire0 up
link set nic0 up
address add 192.0.2.5/24 dev nic0
address add 2001:db8::5/64 dev nic0 nodad
route add default via 192.0.2.1 metric 100
-6 route add default via fe80::99 dev nic0
"""


def ip(*words):
    return subprocess.run(["ip", *words], check=True, stdout=subprocess.PIPE, text=True).stdout


@pytest.fixture
def host(own_network):
    pytest.importorskip("pyroute2")
    if shutil.which("ip") is None:
        pytest.skip("needs iproute2")
    for line in HOST.strip().splitlines():
        ip(*line.split())


def want(**options):
    return {"bridge": "br0", "uplink": "nic0", "uplink_move_addresses": False, "confirm_timeout": 60, "state": "present", "netns": None,
            "interfaces": None, **options}


def move(**options):
    return want(uplink_move_addresses=True, **options)


def read(asked):
    with netlink.Socket() as route:
        view = View(route)
        bridge = switch.find(view, asked["bridge"])
        return uplink.read(asked, view, bridge, switch.kind_of(bridge, "auto"))


def planned(asked):
    return [(change.option, change.action) for change in uplink.plan(asked, read(asked))]


def run(asked):
    """As the module does it: the bridge is made first, or removed last. Return what uplink.apply() found, and what it returned."""
    found = read(asked)
    if asked["state"] == "absent":
        step = remove_bridge
    else:
        step = None if found.bridge is not None else lambda: switch.make(Undo(), asked["bridge"], LINUX)
    return found, uplink.apply(asked, found, step)


def remove_bridge():
    with netlink.Socket() as route:
        view = View(route)
        bridge = switch.find(view, "br0")
        switch.remove(switch.unused(view, [bridge] if bridge else []))


def picture():
    """All links, addresses and routes, but for what the kernel does by itself in its own time."""
    links = [" ".join(line.split()[:3] + line.split()[3:5]) for line in ip("-o", "link", "show").splitlines()]
    links = sorted(line.partition(": ")[2].replace("LOWER_UP", "").replace(",>", ">").replace("NO-CARRIER,", "") for line in links)
    masters = [line.partition(": ")[2].split("@")[0] for line in ip("-o", "link", "show", "master", "br0").splitlines()] if "br0" in str(links) else []
    addresses = [" ".join(line.split()[1:]).partition(" valid_lft")[0] for line in ip("-o", "address", "show").splitlines()]
    addresses = sorted(line.replace(" tentative", "").rstrip("\\ ") for line in addresses if "fe80" not in line)
    routes = sorted(line.strip() for family in ("-4", "-6") for line in ip(family, "route", "show").splitlines() if "fe80::/64" not in line)
    macs = sorted(line for line in ip("-o", "link", "show", "nic0").split() if line.count(":") == 5)
    return links, masters, addresses, routes, macs


def run_unconfirmed(asked, look):
    """Run it, return what look() says while it waits, and wait until all is put back. Anew with more time when the machine is too slow for that."""
    for seconds in (1, 4, 16, 64):
        try:
            found, _none = run({**asked, "confirm_timeout": seconds})
            seen = look()
            in_time = os.path.exists(found.waiting["path"])
        except LauncherError as error:
            assert "took longer" in str(error)
            in_time = False
        deadline = time.monotonic() + seconds + 30
        while os.path.exists("/run/coracle"):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        if in_time:
            return seen
    raise AssertionError("a minute was not enough")


def wait_until(condition):
    deadline = time.monotonic() + 30
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def test_a_nic_without_addresses_joins_and_leaves(host):
    ip("link", "set", "wire1", "up")
    before = picture()
    asked = want(uplink="nic1")
    assert planned(asked) == [("uplink", "live")]
    found, put_back = run(asked)
    assert picture()[1] == ["nic1"] and "nic1" in ip("link", "show", "up")
    assert uplink.result(asked, found, False) == {"uplink": {"name": "nic1", "bridge": "br0"}}
    assert planned(asked) == []
    assert put_back is not None
    asked["state"] = "absent"
    assert planned(asked) == [("uplink", "remove")]
    run(asked)
    assert planned(asked) == []
    ip("link", "set", "nic1", "down")  # it was, and stays up
    assert picture() == before


def test_what_was_joined_can_be_put_back(host):
    before = picture()
    put_back = run(want(uplink="nic1"))[1]
    assert picture() != before
    put_back()
    assert picture() == before


def test_a_nic_with_addresses_is_refused_and_nothing_changed(host):
    before = picture()
    with pytest.raises(LauncherError, match=r"the addresses and routes of nic0 \(192.0.2.5/24, .*\) stop working") as refused:
        run(want())
    assert refused.value.option == "uplink" and "uplink_move_addresses" in refused.value.remedy
    assert picture() == before


def test_the_nic_of_the_connection_is_refused_even_without_addresses(host, monkeypatch):
    ip("address", "flush", "dev", "nic0")
    ip("link", "set", "nic1", "up")
    monkeypatch.setattr(uplink, "_client", lambda _pid: "fe80::77%nic0")
    with pytest.raises(LauncherError, match="nic0 carries the SSH connection of this run"):
        run(want())
    run(want(uplink="nic1"))  # the other one may


def test_the_address_of_the_client_is_that_of_the_nearest_sshd():
    command = ["sh", "-c", "env -i sleep 60; true"]  # as sudo does it, a shell under sshd starts something without its environment
    session = subprocess.Popen(command, env={**os.environ, "SSH_CONNECTION": "192.0.2.99 40000 192.0.2.5 22"}, start_new_session=True)
    try:
        assert wait_until(lambda: children(session.pid) and environment(children(session.pid)[0]) == b"")
        assert uplink._client(children(session.pid)[0]) == "192.0.2.99"
    finally:
        os.killpg(session.pid, signal.SIGKILL)
        session.wait()


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children") as file:
        return [int(word) for word in file.read().split()]


def environment(pid):
    with open(f"/proc/{pid}/environ", "rb") as file:
        return file.read()


def test_addresses_and_routes_move_and_wait_for_the_confirmation(host):
    before = picture()
    assert planned(move()) == [("uplink", "live"), ("uplink_move_addresses", "live")]
    found, put_back = run(move())
    confirm = uplink.result(move(), found, False)["confirm"]
    assert put_back is None  # the watchdog has it
    with open(confirm["path"]) as file:
        assert file.read() == f"{confirm['token']}\n"
    os.unlink(confirm["path"])
    assert wait_until(lambda: not os.path.exists("/run/coracle"))
    links, masters, addresses, routes, macs = picture()
    assert masters == ["nic0"] and [line.split()[0] for line in addresses] == ["br0", "br0", "lo", "lo"]
    assert len(routes) == len(before[3]) and all("nic0" not in line for line in routes)
    assert "link/ether 02:00:00:00:00:01" in ip("link", "show", "br0")  # the neighbours have nothing to learn
    assert planned(move()) == []
    # and back
    asked = move(state="absent")
    assert planned(asked) == [("uplink", "remove"), ("uplink_move_addresses", "live")]
    found = run(asked)[0]
    os.unlink(uplink.result(asked, found, False)["confirm"]["path"])
    assert "br0" in str(picture()[0])  # until it is confirmed
    assert planned(asked) == []
    run(asked)
    assert picture() == before


def test_without_confirmation_the_host_puts_everything_back(host):
    before = picture()
    assert run_unconfirmed(move(), picture) != before
    assert picture() == before


def test_without_confirmation_a_return_is_put_back_too(host):
    found = run(move())[0]
    os.unlink(found.waiting["path"])
    assert wait_until(lambda: not os.path.exists("/run/coracle"))
    before = picture()
    assert run_unconfirmed(move(state="absent"), picture) != before
    assert picture() == before


def test_a_bridge_of_somebody_else_keeps_its_address_and_all_it_has(host):
    for line in ("link add br0 address 02:00:00:00:00:77 type bridge", "address add 198.51.100.1/24 dev br0", "link set br0 up"):
        ip(*line.split())
    before = picture()
    seen = run_unconfirmed(move(), lambda: ip("address", "show", "br0"))
    assert all(word in seen for word in ("link/ether 02:00:00:00:00:77", "198.51.100.1/24", "192.0.2.5/24"))
    assert picture() == before


@each("when", ["before the move", "after the move"])
def test_a_module_that_is_killed_leaves_the_host_as_it_was(host, when):
    before = picture()
    child = os.fork()
    if child == 0:
        def die(_self):
            if when == "after the move":
                join(_self)
            os.kill(os.getpid(), signal.SIGKILL)

        join, moves.Ends.join = moves.Ends.join, die
        run(move())
        os._exit(1)
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL
    assert wait_until(lambda: not os.path.exists("/run/coracle"))
    assert picture() == before


def test_what_the_kernel_refuses_is_put_back(host):
    ip("link", "add", "link", "nic0", "name", "mac0", "type", "macvlan")  # takes all that nic0 receives, so that no bridge can
    before = picture()
    with pytest.raises(LauncherError, match="the kernel refused it"):
        run(move())
    assert picture() == before and not os.path.exists("/run/coracle")


@each("options, says", [
    ({"uplink": "nothing"}, "there is no such interface"),
    ({"uplink": "lo"}, "is the loopback interface"),
    ({"uplink": "br1"}, "is a bridge itself"),
    ({"uplink": "port1"}, "is a part of br1 already"),
    ({"uplink": "ours0"}, "is the end of a pair that this collection made"),
    ({"uplink": "--all"}, "is not the name of a network interface"),
    ({"uplink": "nic0", "uplink_move_addresses": True, "netns": "web"}, "is a task of its own"),
    ({"uplink": "nic0", "uplink_move_addresses": True, "interfaces": [{}]}, "is a task of its own"),
    ({"uplink": "leased0", "uplink_move_addresses": True}, "leased0 has 203.0.113.9/24 from DHCP"),
])
def test_what_cannot_be_an_uplink(host, options, says):
    for name in ("port1", "ours0", "leased0"):
        if f"{name}@" not in ip("link", "show"):
            ip("link", "add", name, "type", "veth", "peer", "name", f"{name}x")
    if "br1:" not in ip("link", "show"):
        ip("link", "add", "br1", "type", "bridge")
        ip("link", "set", "port1", "master", "br1")
        ip("link", "set", "ours0", "alias", "coracle:web:eth0")
        ip("link", "set", "leased0", "up")
        ip("address", "add", "203.0.113.9/24", "dev", "leased0", "valid_lft", "600", "preferred_lft", "600")
    before = picture()
    with pytest.raises(LauncherError, match=says):
        run(want(**options))
    assert picture() == before
