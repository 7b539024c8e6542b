# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import errno
import importlib.util
import json
import os
import subprocess
import sys

import pytest

from ansible_collections.coracle.launcher.plugins.module_utils._coracle.base.errors import LauncherError
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.kernel.net import netlink, netns, pyroute
from ansible_collections.coracle.launcher.tests.unit.each import each

# Not by importing it: other tests ask whether anybody has.
pytestmark = pytest.mark.skipif(importlib.util.find_spec("pyroute2") is None, reason="needs pyroute2")
TOP = pyroute.__file__.partition("/ansible_collections/")[0]
HEAVY = ("asyncio", "ssl", "unittest.mock", "pyroute2.iproute", "pyroute2.ndb")


def alone(code):
    """What `code` prints in a Python of its own, in which nobody has imported the library yet. `pyroute` is there."""
    start = f"import sys; sys.path.insert(0, {TOP!r}); from {pyroute.__name__.rpartition('.')[0]} import pyroute\n"
    done = subprocess.run([sys.executable, "-B", "-c", start + code], check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_the_rest_of_the_library_is_not_imported():
    found = alone("pyroute.Route().close(); print(*sys.modules)")
    assert "pyroute2.netlink.rtnl.ifinfmsg" in found
    assert [name for name in HEAVY if name in found] == []
    assert [name for name in HEAVY if name in alone("import pyroute2; print(*sys.modules)")] != []  # the control


def test_no_program_is_run_by_the_import():
    code = ("import os, subprocess\n"
            "def refuse(*arguments, **_named): raise SystemExit(arguments)\n"
            "subprocess.Popen = os.posix_spawn = os.fork = refuse\n"
            "pyroute.Route().close(); import platform; print(platform.architecture.__module__)")
    assert alone(code) == ["platform"]


@each("code", [
    "import pyroute2; print(pyroute2.IPRoute.__name__)", "from pyroute2 import IPRoute; print(IPRoute.__name__)",
    "from pyroute2.iproute import IPRoute; print(IPRoute.__name__)", "from pyroute2 import iproute; print(iproute.IPRoute.__name__)",
])
def test_who_wants_the_whole_library_later_gets_it(code):
    assert alone("pyroute.Route().close(); " + code) == ["IPRoute"]


def test_a_library_that_is_loaded_already_is_taken_as_it_is():
    assert alone("import pyroute2; before = pyroute2.IPRoute; pyroute.Route().close(); print(pyroute2.IPRoute is before)") == ["True"]


def test_a_missing_library_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyroute2", None)
    monkeypatch.setattr(pyroute, "_ifinfmsg", None)
    for call in (pyroute.require, pyroute.Route):
        with pytest.raises(LauncherError, match="pyroute2 is missing.*python3-pyroute2"):
            call()


def test_to_require_it_does_not_import_it():
    assert [name for name in alone("pyroute.require(); print(*sys.modules)") if name.startswith("pyroute2")] == []


def test_the_library_knows_the_names_that_we_use():
    """It leaves out what it does not know, without a word."""
    pyroute._load()
    known = [entry[-2] for entry in pyroute._ifinfmsg.nla_map]
    used = "IFLA_IFNAME IFLA_ADDRESS IFLA_MTU IFLA_MASTER IFLA_IFALIAS IFLA_NET_NS_FD IFLA_LINKINFO"
    assert [name for name in used.split() if name not in known] == []


def ip(*words):
    subprocess.run(["ip", *words], check=True, timeout=30)


def shown(*words):
    done = subprocess.run(["ip", "-d", "-N", "-j", *words], check=True, capture_output=True, text=True, timeout=30)
    return json.loads(done.stdout or "[]")


@pytest.fixture
def route(own_network):
    route = pyroute.Route()
    yield route
    route.close()


def index(name):
    return shown("link", "show", name)[0]["ifindex"]


def add_bridge_and_pair(route):
    netns.create("web")
    fd = os.open(netns.path("web"), os.O_RDONLY)
    try:
        route.link("add", ifname="br0", kind="bridge", address="02:63:00:00:00:01", br_forward_delay=0, br_stp_state=0)
        peer = {"ifname": "eth0", "net_ns_fd": fd, "address": "02:00:00:00:00:05", "mtu": 1400}
        route.link("add", ifname="va", kind="veth", mtu=1400, peer=peer)
    finally:
        os.close(fd)


def test_links_are_made_changed_and_removed(route):
    add_bridge_and_pair(route)
    route.link("set", index=index("va"), master=index("br0"), ifalias="coracle:web:eth0", state="up")
    port, bridge, inner = shown("link", "show", "va")[0], shown("link", "show", "br0")[0], shown("-n", "web", "link", "show", "eth0")[0]
    assert (port["master"], port["ifalias"], port["mtu"], "UP" in port["flags"]) == ("br0", "coracle:web:eth0", 1400, True)
    assert (inner["address"], inner["mtu"]) == ("02:00:00:00:00:05", 1400)
    assert (bridge["address"], bridge["linkinfo"]["info_kind"], bridge["linkinfo"]["info_data"]["forward_delay"]) == (
        "02:63:00:00:00:01", "bridge", 0)
    route.link("set", index=index("va"), master=0, state="down")
    assert "master" not in shown("link", "show", "va")[0]
    route.link("del", index=index("va"))
    assert [link for link in shown("-n", "web", "link") if link.get("ifname") == "eth0"] == []


@each("call, number", [
    (lambda route: route.link("del", index=99), errno.ENODEV),
    (lambda route: route.link("add", ifname="lo", kind="bridge"), errno.EEXIST),
    (lambda route: route.link("add", ifname="x" * 16, kind="bridge"), errno.ERANGE),
    (lambda route: route.link("set", index=1, master=1), errno.EOPNOTSUPP),
])
def test_a_refusal_of_the_kernel_is_an_oserror(route, call, number):
    with pytest.raises(OSError) as caught:
        call(route)
    assert caught.value.errno == number


def test_a_message_is_what_the_kernel_documents(own_network):
    """One golden message: struct ifinfomsg and its attributes."""
    sent = []
    route = pyroute.Route()
    route.close()
    route._socket = type("Recorder", (), {"change": lambda _self, *words: sent.append(words)})()
    route.link("set", index=3, master=7, ifalias="x", mtu=1400, state="up")
    attributes = netlink.attribute(10, netlink.pack(7, 4)) + netlink.attribute(20, b"x\0") + netlink.attribute(4, netlink.pack(1400, 4))
    assert sent == [(netlink.RTM_NEWLINK, bytes(4) + netlink.pack(3, 4) + netlink.pack(1, 4) * 2 + attributes, 0)]
