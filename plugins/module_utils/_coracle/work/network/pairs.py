# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The pairs of one namespace, on their way to what they should be: made, marked, limited, set up. The caller joins their ports."""

from __future__ import annotations

import errno
import os

from ...base import files
from ...kernel.net import links, netlink, netns
from ...model import network as model
from . import nics, refusals, switch
from .bridges import LINUX, Bridge, Joining, Undo
from .inner import Inner
from .planning import is_joined, is_limit_wrong, port_differences
from .steps import Batch, found, step


class Pairs:
    """`wanted`, `have`: as for planning. `namespace`: a descriptor. `inner`: the ends in it, for the caller to close at the very end."""

    __slots__ = ("wanted", "have", "inner", "namespace", "_route", "_undo", "_new")

    def __init__(self, wanted: list[model.Nic], have: nics.Have, namespace: int, route: netlink.Socket, undo: Undo, exclusive: bool):
        self.wanted = wanted
        self.have = have
        self.inner = Inner(namespace, have, undo, exclusive)
        self.namespace = namespace
        self._route = route
        self._undo = undo
        self._new: list[model.Nic] = []

    def _seen(self, nic: model.Nic) -> nics.Seen:
        return self.have.seen[nic.interface_name]

    def _bridge(self, nic: model.Nic) -> Bridge:
        return self.have.bridge_of(nic)

    def make(self, known: dict[str, Bridge | None]) -> None:
        """Make those that are not there. `known`: the bridges that were there before."""
        identity = ""
        for nic in self.wanted:
            seen = self._seen(nic)
            if seen.paired:
                continue
            option, name = f"{nic.where}host_interface", nic.host_interface
            for stale in seen.stale:
                step(option, stale.name, self._route.change, netlink.RTM_DELLINK, netlink.link_message(index=stale.index))
            bridge = known[nic.bridge]
            mtu = nic.mtu or (bridge.mtu if bridge is not None else 0) or None  # a smaller port would make the whole bridge smaller
            identity = identity or host_identity()
            mac = nic.mac_address or model.stable_mac(identity, nic.label, nic.interface_name)
            step(option, name, links.host().add_veth, name, nic.interface_name, self.namespace, mac, mtu)
            outer = found(self._route, name, option)
            self._undo.add(self._route.change, netlink.RTM_DELLINK, netlink.link_message(index=outer.index))
            links.without_ipv6(name)
            before = seen.port
            seen = self.have.seen[nic.interface_name] = nics.Seen(outer, self.inner.look(nic.interface_name, f"{nic.where}interface_name"))
            seen.port = before
            self._new.append(nic)

    def mark(self, batch: Batch) -> None:
        """Mark the host ends as ours, and give them their MTU."""
        for nic in self.wanted:
            outer = self._seen(nic).outer
            values, before = {}, {}
            if outer.alias != nic.mark:
                values["alias"], before["alias"] = nic.mark, outer.alias
            if nic.mtu not in (None, outer.mtu):
                values["mtu"], before["mtu"] = nic.mtu, outer.mtu
            if values:
                option = "mtu" if "mtu" in values else "host_interface"
                batch.set_link(outer.index, f"{nic.where}{option}", getattr(nic, option), **values)
                self._revert(nic, **before)

    def _revert(self, nic: model.Nic, **before) -> None:
        if nic not in self._new:
            outer = self._seen(nic).outer
            self._undo.add(self._route.change, netlink.RTM_SETLINK, netlink.link_message(index=outer.index, **before))

    def joinings(self) -> list[Joining]:
        """Those whose port is not what it should be."""
        wrong = []
        for nic in self.wanted:
            seen, bridge = self._seen(nic), self._bridge(nic)
            joining = refusals.joining(nic, seen, bridge)
            if nic in self._new:
                if bridge.kind != LINUX:
                    joining.before = None  # what is left of another pair means nothing for this one
                wrong.append(joining)
            elif not is_joined(seen, bridge) or port_differences(nic, seen, bridge):
                wrong.append(joining)
        return wrong

    def set_up(self, batch: Batch) -> None:
        """Set the host ends up or down."""
        for nic in self.wanted:
            outer, wanted = self._seen(nic).outer, nic.up is not False
            if outer.up != wanted:
                batch.set_link(outer.index, f"{nic.where}{'interface_name' if nic.up is None else 'up'}", wanted, up=wanted)
                self._revert(nic, up=outer.up)

    def limit(self) -> None:
        """Limit what comes in on the host ends, and what goes out on the inner ends."""
        for nic in self.wanted:
            seen = self._seen(nic)
            ends = ((self._route, seen.outer.index), (self.inner.route, seen.inner.index))
            for option, limit, (route, index) in zip(("ingress_rate", "egress_rate"), seen.limits, ends):
                rate = getattr(nic, option)
                if rate is not None and is_limit_wrong(rate, limit):
                    before = limit.rate if limit is not None and limit.kind == "tbf" else 0
                    self._undo.add(_set_limit, route, index, before)
                    step(f"{nic.where}{option}", rate, _set_limit, route, index, rate // 8)

    def finish_checksums(self) -> None:
        """Let the inner ends compute their checksums where the bridge does not."""
        asked = [nic for nic in self.wanted if self._seen(nic).checksums or self._is_moved(nic)]
        asked = [nic for nic in asked if switch.needs_checksums(self._bridge(nic))]
        if not asked:
            return
        from ...kernel.net import offload

        with netns.inside(self.namespace):
            for nic in asked:
                step(f"{nic.where}bridge", nic.bridge, offload.switch, nic.interface_name, False)
                if nic not in self._new:
                    self._undo.add(self._offload, nic.interface_name)

    def _is_moved(self, nic: model.Nic) -> bool:
        return nic in self._new or not is_joined(self._seen(nic), self._bridge(nic))

    def _offload(self, name: str) -> None:
        from ...kernel.net import offload

        with netns.inside(self.namespace):
            offload.switch(name, True)

    def prepare(self) -> None:
        """Set up the inner ends."""
        self.inner.prepare(self.wanted, self._new)


def _set_limit(route: netlink.Socket, index: int, rate: int) -> None:
    """`rate` in bytes a second, 0 for none."""
    from ...kernel.net import shaping

    if rate:
        shaping.limit(route, index, rate)
        return
    try:
        shaping.unlimit(route, index)
    except OSError as error:
        if error.errno != errno.ENOENT:  # it had none
            raise


def host_identity() -> str:
    """What tells this host from others: machine-id(5) where there is one, and the name, since copies of a machine share the former."""
    try:
        machine = files.read_text("/etc/machine-id").strip()
    except OSError:
        machine = ""
    return f"{machine}\0{os.uname().nodename}"
