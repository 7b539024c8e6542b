# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""VLANs of the ports of the kernel's bridge in the words of the options, and what makes some of others. Pure."""

from __future__ import annotations

from ...kernel.net import bridging, netlink
from ...model.trunks import render_trunks
from .bridges import Port

UNSAID = -1  # as a Port's VLAN: what no option asks for, as when one that enters untagged leaves tagged


def words(vlans: bridging.Vlans) -> tuple[int, list[tuple[int, int]]]:
    """Return a port's vlan and trunks."""
    native = [(vlans.native, vlans.native)] if vlans.native else []
    return (vlans.native if vlans.untagged == native else UNSAID), _merged(vlans.tagged)


def _merged(ranges: list[tuple[int, int]]) -> list[tuple[int, int]]:
    return _ranges({number for first, last in ranges for number in range(first, last + 1)})


def _ranges(numbers) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for number in sorted(numbers):
        if merged and number == merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], number)
        else:
            merged.append((number, number))
    return merged


def said(index: int, present: Port, wanted: Port, where: str) -> list[tuple]:
    """Return what makes `wanted` of a port that is `present`: (message, option, value)."""
    messages: list[tuple] = []
    if present.isolated != wanted.isolated:
        message = bridging.isolation_message(index, wanted.isolated)
        messages.append(((netlink.RTM_SETLINK, 0, message), f"{where}isolated", wanted.isolated))
    if (present.vlan, present.trunks) == (wanted.vlan, wanted.trunks):
        return messages
    there, then = _numbers(present), _numbers(wanted)
    if wanted.vlan and wanted.vlan != present.vlan:
        message = bridging.vlan_message(index, [(wanted.vlan, wanted.vlan)], native=True)
        messages.append(((netlink.RTM_SETLINK, 0, message), f"{where}vlan", wanted.vlan))
    is_tagged = there - {present.vlan} if present.vlan != UNSAID else set()
    tagged = then - {wanted.vlan} - is_tagged
    for kind, option, numbers in ((netlink.RTM_SETLINK, "trunks", tagged), (netlink.RTM_DELLINK, "vlan", there - then)):
        if numbers:
            ranges = _ranges(numbers)
            messages.append(((kind, 0, bridging.vlan_message(index, ranges)), f"{where}{option}", render_trunks(ranges)))
    return messages


def _numbers(port_: Port) -> set[int]:
    if port_.vlan == UNSAID:
        return set(range(1, 4095))  # taking one that it does not have is no error
    native = {port_.vlan} if port_.vlan else set()
    return native | {number for first, last in port_.trunks for number in range(first, last + 1)}
