# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is sent is given to a table that behaves as net/bridge/br_vlan.c does; a kernel with VLANs is that of the test hosts."""

from __future__ import annotations

import itertools

from ansible_collections.coracle.launcher.plugins.module_utils._coracle.kernel.net import bridging, netlink
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.work.network import bridges, vlans
from ansible_collections.coracle.launcher.tests.unit.each import each


class Table:
    """The VLANs of one port: {number: leaves untagged}, and which of them is native."""

    def __init__(self, vlan, trunks):
        self.native = vlan
        self.untagged = {number: False for first, last in trunks for number in range(first, last + 1)}
        if vlan:
            self.untagged[vlan] = True

    def carry_out(self, kind, body):
        found = bridging.parse_vlans(netlink.attributes(body[16:])[26])
        for untagged, ranges in ((True, found.untagged), (False, found.tagged)):
            for number in [number for first, last in ranges for number in range(first, last + 1)]:
                if kind == netlink.RTM_DELLINK:
                    self.untagged.pop(number, None)
                    self.native = 0 if self.native == number else self.native
                    continue
                self.untagged[number] = untagged
                if found.native == number:
                    self.native = number
                elif self.native == number:
                    self.native = 0

    def told(self):
        return self.native, self.untagged


PORTS = [(0, []), (1, []), (10, []), (20, []), (0, [(20, 29), (40, 40)]), (10, [(20, 25), (41, 41)]), (20, [(10, 10)]), (10, [(20, 20)]),
         (1, [(2, 4094)]), (4094, [(1, 4093)]), (0, [(1, 1)])]


@each("before, after", list(itertools.product(PORTS, PORTS)))
def test_from_any_vlans_to_any_others_nothing_is_sent_in_vain(before, after):
    table = Table(*before)
    said = vlans.said(7, bridges.Port("linux", "br0", *before), bridges.Port("linux", "br0", *after), "networks[0].")
    for (kind, _flags, body), option, _value in said:
        assert option in ("networks[0].vlan", "networks[0].trunks")
        earlier = table.told()[0], dict(table.told()[1])
        table.carry_out(kind, body)
        assert table.told() != earlier
    assert table.told() == Table(*after).told()
    assert (said == []) is (before == after)


@each("after", PORTS)
def test_vlans_that_no_option_can_ask_for_are_replaced_whole(after):
    table = Table(5, [(20, 22)])
    table.untagged[21] = True  # a second one that leaves untagged
    unsaid = bridges.Port("linux", "br0", vlans.UNSAID, [(20, 20), (22, 22)])
    for (kind, _flags, body), _option, _value in vlans.said(7, unsaid, bridges.Port("linux", "br0", *after), ""):
        table.carry_out(kind, body)
    assert table.told() == Table(*after).told()


@each("native, untagged, tagged, expected", [
    (0, [], [], (0, [])), (10, [(10, 10)], [], (10, [])), (0, [], [(20, 29), (30, 30)], (0, [(20, 30)])),
    (10, [], [(10, 10)], (-1, [(10, 10)])), (10, [(10, 11)], [], (-1, [])), (0, [(10, 10)], [], (-1, [])),
])
def test_vlans_are_told_in_the_words_of_the_options(native, untagged, tagged, expected):
    found = bridging.Vlans()
    found.native, found.untagged, found.tagged = native, untagged, tagged
    assert vlans.words(found) == expected
