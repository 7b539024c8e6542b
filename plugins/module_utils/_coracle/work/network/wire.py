# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Making the interfaces what they should be: bridges, pairs, addresses, routes. Undone step by step when one of them fails.

Order within a new pair: both ends are made down; the host end is marked, joins the bridge and goes up in one message; then the
inner end gets its addresses, goes up and gets its gateway. A run that is killed in between leaves what the next one recognises.
"""

from __future__ import annotations

import errno
import fcntl
import os

from ...base.errors import LauncherError
from ...kernel.net import links, netlink, netns, read
from ...model import network as model
from . import nics, refusals


class Vanished(LauncherError):
    """What was there when we looked is gone: the kernel removes the interfaces of a dead namespace some milliseconds after it."""


_REMEDIES = {
    errno.EEXIST: "It appeared while we worked: run it again",
    errno.ENODEV: "It disappeared while we worked: run it again",
    errno.EOPNOTSUPP: "This kernel has no veth, no bridge or no IPv6: load the module, or do without",
    errno.EACCES: "IPv6 is switched off there: set its sysctl disable_ipv6 to 0, or give no IPv6 address",
    errno.EPERM: "The task needs root with CAP_NET_ADMIN",
    errno.ELOOP: "An interface of this bridge is a bridge itself",
}


class OnlyOne:
    """Context manager: one run at a time changes the links of this network namespace. A flock of the namespace itself leaves no file."""

    __slots__ = ("_fd",)

    def __init__(self):
        self._fd = -1

    def __enter__(self) -> None:
        self._fd = netns.open_own()
        fcntl.flock(self._fd, fcntl.LOCK_EX)

    def __exit__(self, *_exception) -> None:
        fcntl.flock(self._fd, fcntl.LOCK_UN)  # closing alone would leave it to a child that was forked meanwhile
        os.close(self._fd)


class Wiring:
    """One attempt, in one namespace or, with None, with a bridge alone. Each step that changed something leaves behind what undoes it."""

    def __init__(self, namespace: int | None):
        self._host = links.host()
        self._namespace = namespace
        self._inner = None if namespace is None else links.inside(namespace)
        self._undo: list[tuple] = []

    def close(self) -> None:
        """Close what only this attempt needed."""
        if self._inner is not None:
            self._inner.close()

    def undo_with(self, call, *words, **values) -> None:
        """Remember what reverts the step just made."""
        self._undo.append((call, words, values))

    def roll_back(self) -> None:
        """Revert all steps, the last one first; what cannot be reverted is gone already."""
        while self._undo:
            call, words, values = self._undo.pop()
            try:
                call(*words, **values)
            except OSError:
                continue

    def remove(self, outer: read.Link) -> None:
        """Remove a pair of ours for good."""
        self._host.delete_link(outer.index)

    def bridge(self, name: str, found: read.Link | None, option: str) -> read.Link:
        """Return the bridge, made, marked and up."""
        found = found or _look(name)
        refusals.refuse_bridge(name, found, option)
        if found is None:
            _step(option, name, self._host.add_bridge, name)
            found = _find(name, option)
            self.undo_with(self._host.delete_link, found.index)
        if not found.alias and nics.is_our_bridge(found):
            links.ignore_router_advertisements(name)
            _step(option, name, self._host.set_link, found.index, ifalias=nics.BRIDGE_MARK, state="up")
        elif not found.up:
            _step(option, name, self._host.set_link, found.index, state="up")
            self.undo_with(self._host.set_link, found.index, state="down")
        return _find(name, option)

    def nic(self, nic: model.Nic, have: nics.Have) -> None:
        """Make one interface what it should be. Brings `have` up to date."""
        seen = have.seen[nic.interface_name]
        known = have.bridges[nic.bridge]
        bridge = have.bridges[nic.bridge] = self.bridge(nic.bridge, known, f"{nic.where}bridge")
        if not seen.paired:
            mtu = nic.mtu or (known.mtu if known is not None else None)  # a smaller port would make the whole bridge smaller
            self._make_pair(nic, seen, mtu)
            have.inside = nics.look_inside(self._namespace)
            outer = _find(nic.host_interface, f"{nic.where}host_interface")
            seen = have.seen[nic.interface_name] = nics.Seen(outer, have.inside.links.get(nic.interface_name))
        self._outer_end(nic, seen.outer, bridge)
        self._inner_end(nic, seen.inner)
        if nic.addresses is not None:
            self._addresses(nic, nic.addresses, seen.inner.index, nics.addresses_of(nic, have))
        if nic.gateway is not None:
            self._gateway(nic, nic.gateway, seen.inner.index)

    def _make_pair(self, nic: model.Nic, seen: nics.Seen, mtu: int | None) -> None:
        option, name = f"{nic.where}host_interface", nic.host_interface
        for stale in seen.stale:
            _step(option, stale.name, self._host.delete_link, stale.index)
        _step(option, name, self._host.add_veth, name, nic.interface_name, self._namespace, nic.mac_address, mtu)
        self.undo_with(self._host.delete_link, _find(name, option).index)
        links.without_ipv6(name)

    def _outer_end(self, nic: model.Nic, outer: read.Link, bridge: read.Link) -> None:
        values, before = {}, {}
        if outer.alias != nic.mark:
            values["ifalias"], before["ifalias"] = nic.mark, outer.alias
        if outer.master != bridge.index:
            values["master"], before["master"] = bridge.index, outer.master
        if nic.mtu and outer.mtu != nic.mtu:
            values["mtu"], before["mtu"] = nic.mtu, outer.mtu
        if not outer.up:
            values["state"], before["state"] = "up", "down"
        if values:
            option = next((name for key, name in (("master", "bridge"), ("mtu", "mtu")) if key in values), "host_interface")
            _step(f"{nic.where}{option}", getattr(nic, option), self._host.set_link, outer.index, **values)
            self.undo_with(self._host.set_link, outer.index, **before)

    def _inner_end(self, nic: model.Nic, found: read.Link) -> None:
        with netns.inside(self._namespace):
            links.ignore_router_advertisements(nic.interface_name)
            links.keep_secondary_addresses(nic.interface_name)
        for option, key, current, want in (("mac_address", "address", found.mac, nic.mac_address), ("mtu", "mtu", found.mtu, nic.mtu)):
            if want is not None and want != current:
                _step(f"{nic.where}{option}", want, self._inner.set_link, found.index, **{key: want})
                self.undo_with(self._inner.set_link, found.index, **{key: current})
        if not found.up:
            _step(f"{nic.where}interface_name", nic.interface_name, self._inner.set_link, found.index, state="up")
            self.undo_with(self._inner.set_link, found.index, state="down")

    def _addresses(self, nic: model.Nic, wanted: list[str], index: int, before: list[str]) -> None:
        option = f"{nic.where}addresses"
        for address in wanted:
            if address not in before:
                _step(option, address, self._inner.add_address, index, address)
                self.undo_with(self._inner.remove_address, index, address)
        unwanted = [address for address in before if address not in wanted]
        for address in unwanted:
            _step(option, address, self._inner.remove_address, index, address)
            self.undo_with(self._inner.add_address, index, address)
        # Where promote_secondaries could not be set, the kernel took along what was second in the same network.
        left = nics.look_inside(self._namespace).addresses.get(index, []) if unwanted else wanted
        for address in wanted:
            if address not in left:
                _step(option, address, self._inner.add_address, index, address)

    def _gateway(self, nic: model.Nic, wanted: str, index: int) -> None:
        before = self._gateways(index, wanted)  # read now: the kernel drops routes along with addresses
        if before == [wanted]:
            return
        option = f"{nic.where}gateway"
        _step(option, wanted, self._inner.replace_default, index, wanted)
        self.undo_with(self._inner.remove_default, index, wanted)
        for gateway in before:
            self.undo_with(self._inner.replace_default, index, gateway)
        for gateway in self._gateways(index, wanted):
            if gateway != wanted:
                _step(option, wanted, self._inner.remove_default, index, gateway)

    def _gateways(self, index: int, family_of: str) -> list[str]:
        found = nics.look_inside(self._namespace).defaults
        return [gateway for on, gateway in found if on == index and nics.is_same_family(gateway, family_of)]


def _step(option: str, value, call, *words, **values) -> None:
    """Make one step; a refusal of the kernel becomes a message about the option that asked for it."""
    try:
        call(*words, **values)
    except OSError as error:
        kind = Vanished if error.errno == errno.ENODEV else LauncherError
        raise kind(f"the kernel refused it: {error.strerror}", option=option, value=value, remedy=_REMEDIES.get(error.errno)) from error


def _look(name: str) -> read.Link | None:
    with netlink.Socket() as route:
        return read.link(route, name)


def _find(name: str, option: str) -> read.Link:
    found = _look(name)
    if found is None:
        raise Vanished("disappeared while we worked", option=option, value=name, remedy="Run it again")
    return found


def wire(wanted: list[model.Nic], have: nics.Have, namespace: int) -> None:
    """Make all interfaces what they should be and remove those that nobody asks for; on any failure leave the host as before."""
    work = Wiring(namespace)
    try:
        with OnlyOne():
            _all_or_nothing(work, wanted, have)
            for outer in have.extra.values():  # last: nothing brings a removed pair back
                work.remove(outer)
    finally:
        work.close()


def _all_or_nothing(work: Wiring, wanted: list[model.Nic], have: nics.Have) -> None:
    try:
        for nic in wanted:
            work.nic(nic, have)
    except BaseException:
        work.roll_back()
        raise


def bridge_only(name: str, found: read.Link | None) -> None:
    """Make the bridge, or put it up; nothing else."""
    work = Wiring(None)
    with OnlyOne():
        try:
            work.bridge(name, found, "bridge")
        except BaseException:
            work.roll_back()
            raise


def remove_unused_bridges(names: list[str]) -> list[str]:
    """Remove those of the bridges that we made and that have no port left. Returns the names of the removed ones. OSError."""
    with OnlyOne(), netlink.Socket() as route:
        unused = unused_bridges(route, names)
        for bridge in unused:
            route.change(netlink.RTM_DELLINK, netlink.link_message(index=bridge.index))
    return [bridge.name for bridge in unused]


def unused_bridges(route: netlink.Socket, names: list[str], without: int = 0) -> list[read.Link]:
    """Return those of the bridges that we made and whose only port is the link of index `without`, or that have none."""
    found = [bridge for bridge in (read.link(route, name) for name in dict.fromkeys(names)) if bridge is not None]
    ours = [bridge for bridge in found if nics.is_our_bridge(bridge)]
    if not ours:
        return []
    used = {link.master for link in read.links(route) if link.index != without}
    return [bridge for bridge in ours if bridge.index not in used]
