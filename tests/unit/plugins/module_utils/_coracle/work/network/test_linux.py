# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bridges that know VLANs, without a kernel that has them; with one: the test hosts (tests/hosts/cases/vlan.yml)."""

from __future__ import annotations

import pytest

from ansible_collections.coracle.launcher.plugins.module_utils._coracle.kernel.net import netlink, read
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.model import network as model
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.work.network import bridges, linux, nics, planning
from ansible_collections.coracle.launcher.tests.unit.each import each


def link(name="web_x", kind="veth", master=3, details=b"", up=True):
    found = read.Link(7, up)
    found.name, found.kind, found.master, found.details = name, kind, master, details
    return found


def bridge_link(filters, native):
    told = netlink.attribute(7, bytes([filters])) + (b"" if native is None else netlink.attribute(39, netlink.pack(native, 2)))
    found = link("br0", "bridge", 0, told)
    found.index, found.alias = 3, linux.MARK
    return found


@each("filters, native, expected", [(0, None, (False, False, 0)), (0, 1, (False, True, 0)), (1, 1, (True, True, 1)), (1, 0, (True, True, 0))])
def test_a_bridge_tells_what_it_does_with_vlans(filters, native, expected):
    found = linux.find(bridges.View(None), "br0", bridge_link(filters, native))
    assert (found.filters, found.can_filter, found.native) == expected
    assert (found.managed, found.up, found.datapath) == (True, True, "")


def wanted(**given):
    return model.nics("web", [{"bridge": "br0", **given}])[0]


def seen_in(bridge, vlan, trunks):
    seen = nics.Seen(link(), link("eth0"))
    seen.port = bridges.Port("linux", bridge, vlan, trunks)
    return seen


@each("filters, have, given, expected", [
    (1, (1, []), {}, []),
    (1, (1, []), {"vlan": 0, "trunks": []}, []),  # none is what the bridge does with any port
    (1, (1, []), {"vlan": 1}, []),
    (1, (10, []), {"vlan": 10}, []),
    (1, (10, [(20, 20)]), {"vlan": 10}, [("trunks", ["20"], [])]),
    (1, (10, []), {"vlan": 0}, [("vlan", 10, 1)]),
    (1, (1, []), {"trunks": ["20-29"]}, [("vlan", 1, 0), ("trunks", [], ["20-29"])]),
    (1, (-1, []), {"vlan": 10}, [("vlan", None, 10)]),
    (0, (0, []), {"vlan": 0, "trunks": []}, []),  # as containers say it, on a bridge that knows no VLANs
    (0, (0, []), {"vlan": 10}, [("vlan", 0, 10)]),
])
def test_vlans_are_compared_as_the_bridge_means_them(filters, have, given, expected):
    bridge = linux.find(bridges.View(None), "br0", bridge_link(filters, 1))
    assert planning.port_differences(wanted(**given), seen_in("br0", *have), bridge) == expected


def test_a_port_on_its_way_into_a_bridge_is_compared_with_a_new_one():
    bridge = linux.find(bridges.View(None), "br0", bridge_link(1, 1))
    assert planning.port_differences(wanted(vlan=10), seen_in("br1", 10, []), bridge) == [("vlan", 1, 10)]
    assert planning.port_differences(wanted(vlan=10), seen_in("br1", 10, []), None) == [("vlan", 0, 10)]


class Kernel:
    """In place of a socket: remembers what it is sent."""

    def __init__(self, sent):
        self.sent = sent

    def __enter__(self):
        return self

    def __exit__(self, *_exception):
        return

    def batch(self, messages):
        self.sent += messages
        return [0] * len(messages)


@pytest.mark.parametrize("up", [True, False])
def test_nothing_passes_before_a_moved_port_has_its_vlans(monkeypatch, up):
    sent = []
    monkeypatch.setattr(netlink, "Socket", lambda: Kernel(sent))
    bridge = linux.find(bridges.View(None), "br0", bridge_link(1, 1))
    joining = bridges.Joining("", bridge, link(master=9, up=up), bridges.Port("linux", "br1"), "coracle:web:eth0")
    joining.vlans, joining.isolated = (10, []), True
    linux.join(bridges.Undo(), [joining])
    kinds = [(kind, body[0]) for kind, _flags, body in sent]
    said = [(netlink.RTM_SETLINK, 7), (netlink.RTM_SETLINK, 7), (netlink.RTM_DELLINK, 7)]  # isolated, VLAN 10, no longer VLAN 1
    moved, states = (netlink.RTM_SETLINK, 0), [body[8:16] for _kind, _flags, body in sent if body[0] == 0]
    assert kinds == [moved, *said, *([moved] if up else [])]
    down, set_up, untouched = netlink.pack(0, 4) + netlink.pack(1, 4), netlink.pack(1, 4) * 2, bytes(8)
    assert states == ([down, set_up] if up else [untouched])
