# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import errno
import os
import sys

import pytest

from ansible_collections.coracle.launcher.plugins.module_utils._coracle.base.errors import LauncherError
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.kernel.net import addressing, links, netlink, netns, pyroute, read
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.model.change import CREATE, LIVE, RECREATE, REMOVE, Change
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.work.network import container as network
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.work.network import nics, wire

WEB = [{"bridge": "br0", "addresses": ["192.0.2.5/24", "fd00::5/64"], "gateway": "192.0.2.1"}]
HOST_END = network.host_interface("web", "eth0")


@pytest.fixture
def host(own_network):
    pytest.importorskip("pyroute2")
    with netlink.Socket() as socket:
        yield socket


def plan(networks, container="web"):
    return network.container_plan(container, networks, network.container_have(container, container, networks))


def options(changes):
    return [(change.option, change.action) for change in changes]


def inside(container="web"):
    fd = netns.open_namespace(netns.path(container))
    try:
        return nics.look_inside(fd)
    finally:
        os.close(fd)


def change_inside(*messages, container="web"):
    """Send messages in the namespace, as somebody else would."""
    fd = netns.open_namespace(netns.path(container))
    with netns.inside(fd):
        socket = netlink.Socket()
    os.close(fd)
    with socket:
        assert not any(socket.batch(messages))


def eth0():
    return inside().links["eth0"].index


def set_link(index, **values):
    return netlink.RTM_SETLINK, 0, netlink.link_message(index=index, **values)


def shown(found):
    """Addresses or routes as sorted tuples."""
    return sorted(tuple(getattr(one, name) for name in one.__slots__) for one in found)


def picture():
    """Everything that the host has, in a form that can be compared."""
    with netlink.Socket() as socket:
        found = [(link.name, link.kind, link.up, link.mtu, link.mac, link.master, link.peer, link.alias) for link in read.links(socket)]
        told = [shown(read.addresses(socket)), shown(read.routes(socket))]
    spaces = {}
    for name in netns.names():
        view = inside(name)
        spaces[name] = ([(link.name, link.up, link.mtu, link.mac) for link in view.links.values()],
                        view.owners, shown(view.routes), {index: (limit.kind, limit.rate) for index, limit in view.limits.items()})
    return sorted(found), told, spaces


def test_a_container_is_connected_and_disconnected_and_leaves_no_trace(host):
    before = picture()
    assert network.attach("web", WEB) == [HOST_END]
    bridge, outer, view = read.link(host, "br0"), read.link(host, HOST_END), inside()
    inner = view.links["eth0"]
    assert (bridge.kind, bridge.up, bridge.alias) == ("bridge", True, "coracle:bridge")
    assert (outer.kind, outer.up, outer.alias, outer.master) == ("veth", True, "coracle:web:eth0", bridge.index)
    assert outer.mac.startswith("fe:")  # never the lowest of the bridge's ports
    assert nics.is_pair(outer, inner) and inner.up
    assert view.addresses[inner.index] == WEB[0]["addresses"]
    assert shown(view.routes) == [(inner.index, "0.0.0.0/0", "192.0.2.1", 0, False, 67)]
    network.detach("web", [HOST_END])
    assert read.link(host, HOST_END) is None
    assert network.remove_unused_bridges(["br0", "nosuch", "lo"]) == ["br0"]
    assert picture() == before


def status_of(function):
    """Run `function` in a child process and return its exit code: 0, 1 for an exception, or what it called os._exit with."""
    pid = os.fork()
    if pid == 0:
        try:
            function()
            os._exit(0)
        finally:
            os._exit(1)
    return os.WEXITSTATUS(os.waitpid(pid, 0)[1])


def test_the_second_time_nothing_is_changed_and_pyroute2_not_imported(host):
    network.attach("web", WEB)
    before = picture()

    def again():  # in a process that never had a reason to import it
        for name in [name for name in sys.modules if name.partition(".")[0] == "pyroute2"]:
            del sys.modules[name]
        links._host = pyroute._ifinfmsg = None
        network.attach("web", WEB)
        os._exit(7 if "pyroute2" in sys.modules else 0)

    assert status_of(again) == 0
    assert picture() == before
    network.attach("web", [])
    assert status_of(again) == 7  # the control: making a pair does import it


def test_disconnecting_does_not_import_pyroute2(host):
    network.attach("web", WEB)

    def disconnect():
        for name in [name for name in sys.modules if name.partition(".")[0] == "pyroute2"]:
            del sys.modules[name]
        network.detach("web", [HOST_END])
        network.remove_unused_bridges(["br0"])
        os._exit(7 if "pyroute2" in sys.modules else 0)

    assert status_of(disconnect) == 0
    assert read.link(host, "br0") is None


@pytest.mark.parametrize("given, expected", [
    ({"addresses": ["192.0.2.6/24", "fd00::5/64"]}, [("networks[0].addresses", LIVE)]),
    ({"addresses": ["192.0.2.5/25", "fd00::5/64"]}, [("networks[0].addresses", LIVE)]),
    ({"addresses": ["192.0.2.5/24", "fd00::5/64", "192.0.2.77/24"]}, [("networks[0].addresses", LIVE)]),
    ({"addresses": [], "gateway": None}, [("networks[0].addresses", LIVE)]),
    ({"gateway": "192.0.2.2"}, [("networks[0].gateway", LIVE)]),
    ({"gateway": "fd00::1"}, [("networks[0].gateway", LIVE)]),
    ({"mtu": 1400}, [("networks[0].mtu", LIVE)]),
    ({"mtu": 9000}, [("networks[0].mtu", LIVE)]),
    ({"mac_address": "02:00:00:00:00:05"}, [("networks[0].mac_address", LIVE)]),
    ({"bridge": "br1"}, [("networks[0].bridge", CREATE)]),
])
def test_each_option_changes_on_the_live_pair(host, given, expected):
    network.attach("web", WEB)
    network.attach("other", [{"bridge": "br0", "addresses": ["192.0.2.9/24"], "gateway": "192.0.2.1"}])
    index, other = read.link(host, HOST_END).index, picture()[2]["other"]
    wanted = [{**WEB[0], **given}]
    assert options(plan(wanted)) == expected
    network.attach("web", wanted)
    assert plan(wanted) == []
    assert read.link(host, HOST_END).index == index
    assert picture()[2]["other"] == other
    network.attach("web", WEB)
    assert plan(WEB) == []


def test_what_is_not_given_stays(host):
    network.attach("web", [{**WEB[0], "gateway": None, "mtu": 1400, "mac_address": "02:00:00:00:00:05"}])
    before = picture()
    network.attach("web", [{"bridge": "br0"}])
    assert picture() == before


def test_interfaces_come_and_go_one_by_one(host):
    network.attach("web", WEB)
    first = read.link(host, HOST_END).index
    both = [*WEB, {"bridge": "br1", "addresses": ["198.51.100.5/24"]}]
    names = network.attach("web", both)
    assert names == [HOST_END, network.host_interface("web", "eth1")]
    assert sorted(inside().links) == ["eth0", "eth1", "lo"]
    assert plan(WEB) == [Change("networks", "eth1", None, REMOVE, "it is no longer asked for")]
    network.attach("web", WEB)
    assert sorted(inside().links) == ["eth0", "lo"]
    assert read.link(host, HOST_END).index == first


def test_two_interfaces_exchange_addresses_and_gateway(host):
    one, two = {"bridge": "br0", "addresses": ["192.0.2.5/24"], "gateway": "192.0.2.1"}, {"bridge": "br1", "addresses": ["198.51.100.5/24"]}
    network.attach("web", [one, two])
    wanted = [{**two, "bridge": "br0"}, {**one, "bridge": "br1"}]
    network.attach("web", wanted)
    assert plan(wanted) == []


@pytest.mark.parametrize("damage, expected", [
    (lambda host: host.change(netlink.RTM_DELLINK, netlink.link_message(name=HOST_END)), CREATE),
    (lambda host: change_inside((netlink.RTM_DELLINK, 0, netlink.link_message(index=eth0()))), CREATE),
    (lambda host: host.change(netlink.RTM_DELLINK, netlink.link_message(name="br0")), CREATE),
    (lambda host: host.batch([set_link(read.link(host, "br0").index, up=False)]), LIVE),
    (lambda host: host.batch([set_link(read.link(host, HOST_END).index, up=False)]), LIVE),
    (lambda host: host.batch([set_link(read.link(host, HOST_END).index, master=0)]), LIVE),
    (lambda host: host.batch([set_link(read.link(host, HOST_END).index, mtu=1300)]), LIVE),
    (lambda host: change_inside(set_link(eth0(), mtu=1300)), LIVE),
    (lambda host: change_inside(set_link(eth0(), up=False)), LIVE),
    (lambda host: change_inside(addressing.add_address(eth0(), "192.0.2.66/24")), LIVE),
    (lambda host: change_inside(addressing.remove_address(eth0(), "192.0.2.5/24")), LIVE),
    (lambda host: change_inside(addressing.remove_route(eth0(), "0.0.0.0/0", "192.0.2.1", 0)), LIVE),
    (lambda host: change_inside(set_link(eth0(), up=False), set_link(eth0(), name="lan")), RECREATE),
    (lambda host: netns.delete("web"), None),
])
def test_F15_one_run_repairs_what_was_done_by_hand(host, damage, expected):
    wanted = [{**WEB[0], "mtu": 1500}]
    network.attach("web", wanted)
    damage(host)
    found = plan(wanted)
    assert found and (expected is None or found[-1].action == expected or expected in [change.action for change in found])
    network.attach("web", wanted)
    assert plan(wanted) == []
    view = inside()
    assert set(view.addresses[eth0()]) == set(WEB[0]["addresses"])


def add_foreign(name, kind="veth", **values):
    if kind == "veth":
        values["peer"] = {"ifname": f"p-{name}"[:15]}
    links.host()._route.link("add", ifname=name, kind=kind, **values)


def foreign_inside(name):
    netns.create("web")
    fd = netns.open_namespace(netns.path("web"))
    with netns.inside(fd):
        route = pyroute.Route()
    route.link("add", ifname=name, kind="veth", peer={"ifname": "peer"})
    route.close()
    os.close(fd)


@pytest.mark.parametrize("foreign, option", [
    (lambda: add_foreign(HOST_END), "networks[0].host_interface"),
    (lambda: add_foreign(HOST_END, kind="bridge"), "networks[0].host_interface"),
    (lambda: add_foreign("br0"), "networks[0].bridge"),
    (lambda: foreign_inside("eth0"), "networks[0].interface_name"),
])
def test_F15_what_is_not_ours_is_an_error_and_stays(host, foreign, option):
    foreign()
    before = picture()
    with pytest.raises(LauncherError) as caught:
        network.attach("web", WEB)
    assert caught.value.option == option
    assert picture() == before
    network.detach("web", [HOST_END])


def test_A62_an_interface_of_another_container_is_never_taken(host, monkeypatch):
    monkeypatch.setattr(network.model, "host_interface", lambda _container, _interface: "same_hash")
    network.attach("web", WEB)
    before = picture()
    with pytest.raises(LauncherError, match="belongs to coracle:web:eth0"):
        network.attach("db", [{"bridge": "br0"}])
    network.detach("db", ["same_hash"])
    assert picture() == before


def test_A63_the_hosts_own_address_is_refused(host):
    add_foreign("lan0")
    assert host.batch([addressing.add_address(read.link(host, "lan0").index, "192.0.2.5/16")]) == [0]
    before = picture()
    with pytest.raises(LauncherError, match="is the host's own address on lan0"):
        network.validate(WEB)
    with pytest.raises(LauncherError, match="is the host's own address on lan0"):
        network.attach("web", WEB)
    assert picture() == before
    network.validate([{**WEB[0], "addresses": ["192.0.2.6/24"]}])


def test_bridges_of_others_are_used_but_not_changed(host):
    add_foreign("br0", kind="bridge", mtu=1400)
    assert host.batch([set_link(read.link(host, "br0").index, up=True)]) == [0]
    before = picture()
    network.attach("web", WEB)
    assert inside().links["eth0"].mtu == 1400  # a larger port is dropped on, a smaller one would change the bridge
    bridge = read.link(host, "br0")
    assert (bridge.mtu, bridge.alias) == (1400, "")
    network.detach("web", [HOST_END])
    assert network.remove_unused_bridges(["br0"]) == []
    assert [entry[0] for entry in picture()[0]] == [entry[0] for entry in before[0]]


def test_a_bridge_with_ports_stays(host):
    network.attach("web", WEB)
    network.attach("db", [{"bridge": "br0"}])
    network.detach("web", [HOST_END])
    assert network.remove_unused_bridges(["br0"]) == []
    network.detach("db", [network.host_interface("db", "eth0")])
    assert network.remove_unused_bridges(["br0"]) == ["br0"]


def test_a_namespace_that_somebody_holds_open_loses_its_interface_all_the_same(host, monkeypatch):
    monkeypatch.setattr(network, "_GONE_WITHIN", 0.05)
    network.attach("web", WEB)
    fd = netns.open_namespace("web")
    network.detach("web", [HOST_END])
    assert read.link(host, HOST_END) is None
    os.close(fd)


def calls_of(monkeypatch, networks, limit, ending):
    """Attach, with the change number limit ending badly; the messages of a batch count one by one. Returns False when there are not that many."""
    count, change, batch = [0], netlink.Socket.change, netlink.Socket.batch

    def counted_change(self, kind, body, *flags):
        if body[4:8] != netlink.pack(1, 4):  # lo of a namespace that is made, before anything else
            count[0] += 1
            if count[0] == limit:
                ending()
        return change(self, kind, body, *flags)

    def counted_batch(self, messages):
        before = count[0]
        count[0] += len(messages)
        if not before < limit <= count[0]:
            return batch(self, messages)
        done = batch(self, messages[:limit - before - 1])
        try:
            ending()
        except OSError as error:
            done.append(error.errno)
        return done + batch(self, messages[limit - before:])  # the kernel goes on with the next

    with monkeypatch.context() as patched:
        patched.setattr(netlink.Socket, "change", counted_change)
        patched.setattr(netlink.Socket, "batch", counted_batch)
        network.attach("web", networks)
    return count[0] >= limit


def refused():
    raise OSError(errno.EIO, os.strerror(errno.EIO))


CHANGED = [{"bridge": "br1", "addresses": ["192.0.2.6/24", "fd00::6/64"], "gateway": "192.0.2.2", "mtu": 1400,
            "mac_address": "02:00:00:00:00:07"},
           {"bridge": "br0", "addresses": ["198.51.100.5/24"]}]


@pytest.mark.parametrize("first", [None, WEB])
def test_a_failure_at_any_step_leaves_the_host_as_before(host, monkeypatch, first):
    if first is not None:
        network.attach("web", first)
    before, number, done = picture(), 0, False
    while not done:
        number += 1
        try:
            done = not calls_of(monkeypatch, CHANGED, number, refused)
        except LauncherError as error:
            assert "Input/output error" in str(error) and error.option.startswith("networks["), number
            assert picture() == before, number
    assert number > 8
    assert plan(CHANGED) == []


@pytest.mark.parametrize("first", [None, WEB])
def test_a_run_killed_at_any_step_is_completed_by_the_next(host, monkeypatch, first):
    links.host()
    number, status = 0, 1
    while status:
        number += 1
        if first is None:
            network.detach("web", network.attach("web", []))
            network.remove_unused_bridges(["br0", "br1"])
        else:
            network.attach("web", first)
        status = status_of(lambda number=number: calls_of(monkeypatch, CHANGED, number, lambda: os._exit(9)))
        assert status in (0, 9)
        network.attach("web", CHANGED)
        assert plan(CHANGED) == [], number
        network.detach("web", [network.host_interface("web", name) for name in ("eth0", "eth1")])
        assert set(network.remove_unused_bridges(["br0", "br1"])) == {"br0", "br1"}, number
    assert number > 8


def test_one_run_at_a_time_changes_links(host):
    with wire.OnlyOne():
        pid = os.fork()
        if pid == 0:
            try:
                with wire.OnlyOne():
                    os._exit(7)
            finally:
                os._exit(1)
        assert os.waitpid(pid, os.WNOHANG) == (0, 0)
    assert os.WEXITSTATUS(os.waitpid(pid, 0)[1]) == 7


def test_cycles_leak_nothing(host):
    network.attach("web", WEB)
    network.detach("web", [HOST_END])
    before, descriptors = picture(), len(os.listdir("/proc/self/fd"))
    for _cycle in range(10):
        network.attach("web", WEB)
        network.detach("web", [HOST_END])
    assert picture() == before
    assert len(os.listdir("/proc/self/fd")) == descriptors


def test_a_missing_library_is_named(own_network, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    for name in [name for name in sys.modules if name.partition(".")[0] == "pyroute2"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(pyroute, "_ifinfmsg", None)
    monkeypatch.setattr(links, "_host", None)
    before = picture()
    with pytest.raises(LauncherError, match="pyroute2 is missing.*python3-pyroute2"):
        network.attach("web", WEB)
    assert picture() == before


def test_F15_what_the_kernel_was_still_removing_is_looked_at_again(host, monkeypatch):
    looks = []
    observe = network.nics.observe

    def first_look_is_too_early(*words):
        looks.append(words)
        if len(looks) == 1:
            raise network.wire.Vanished("disappeared while we worked")
        return observe(*words)

    monkeypatch.setattr(network.nics, "observe", first_look_is_too_early)
    network.attach("web", WEB)
    assert len(looks) == 2
    monkeypatch.undo()
    assert plan(WEB) == []
    network.detach("web", [HOST_END])


def test_F15_what_keeps_vanishing_is_an_error(host, monkeypatch):
    def gone(*_words):
        raise network.wire.Vanished("disappeared while we worked")

    monkeypatch.setattr(network.nics, "observe", gone)
    monkeypatch.setattr(network, "_LOOK_AGAIN", (0, 0))
    with pytest.raises(LauncherError, match="disappeared"):
        network.attach("web", WEB)
