# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ends inside one namespace: MAC address, MTU, addresses, routes. All interfaces of it at once, each kind of step in one batch."""

from __future__ import annotations

import errno

from ...kernel.net import addressing, links, netlink, netns, read
from ...model import network as model
from . import differences, nics, steps
from .bridges import Undo


class Inner:
    """One attempt in one namespace, with the one socket in it, `route`: what undoes steps needs it until the attempt is over."""

    __slots__ = ("route", "_namespace", "_have", "_undo", "_exclusive", "_addresses")

    def __init__(self, namespace: int, have: nics.Have, undo: Undo, exclusive: bool):
        self._namespace = namespace
        self._have = have
        self._undo = undo
        self._exclusive = exclusive
        self._addresses: dict[str, differences.Addresses] = {}
        with netns.inside(namespace):
            self.route = netlink.Socket()

    def close(self) -> None:
        """Close the socket."""
        self.route.close()

    def look(self, name: str, option: str) -> read.Link:
        """Read one end that must be there. steps.Vanished."""
        return steps.found(self.route, name, option)

    def _index(self, nic: model.Nic) -> int:
        return self._have.seen[nic.interface_name].inner.index

    def prepare(self, wanted: list[model.Nic], new: list[model.Nic]) -> None:
        """Set up the ends, with what they are to be on the link; `new` ones are of pairs made just now."""
        if new:
            with netns.inside(self._namespace):
                for nic in new:
                    links.ignore_router_advertisements(nic.interface_name)
                    links.keep_secondary_addresses(nic.interface_name)
        batch = steps.Batch()
        for nic in wanted:
            found = self._have.seen[nic.interface_name].inner
            before: dict[str, object] = {}
            for key, option, current, want in (("mac", "mac_address", found.mac, nic.mac_address), ("mtu", "mtu", found.mtu, nic.mtu),
                                               ("up", "interface_name", found.up, True)):
                if want not in (None, current):
                    batch.set_link(found.index, f"{nic.where}{option}", nic.interface_name if key == "up" else want, **{key: want})
                    before[key] = current
            if nic not in new:
                if before:
                    self._undo.add(self._set_link, found.index, before)
                self._remember(nic)
        batch.send(self.route)

    def _set_link(self, index: int, values: dict) -> None:
        self.route.change(netlink.RTM_SETLINK, netlink.link_message(index=index, **values))

    def _remember(self, nic: model.Nic) -> None:
        index = self._index(nic)
        addresses = {words: self._have.inside.owners[index, words] for words in nics.addresses_of(nic, self._have)}
        self._undo.add(self._restore, index, addresses, nics.routes_of(nic, self._have))

    def missing(self, nic: model.Nic) -> list[str]:
        """The addresses that are to be added."""
        return self._of(nic).missing

    def _of(self, nic: model.Nic) -> differences.Addresses:
        if nic.interface_name not in self._addresses:
            self._addresses[nic.interface_name] = differences.Addresses(nic, self._have, self._exclusive)
        return self._addresses[nic.interface_name]

    def add_detected(self, wanted: list[model.Nic]) -> None:
        """Add the IPv6 addresses of these, and let the kernel look whether another machine has them."""
        batch = steps.Batch()
        for nic in wanted:
            missing = self.missing(nic)
            for words in [words for words in missing if ":" in words]:
                batch.add(addressing.add_address(self._index(nic), words, detect=True), f"{nic.where}addresses", words)
                missing.remove(words)
        batch.send(self.route)

    def configure(self, wanted: list[model.Nic]) -> None:
        """Give the ends their addresses and routes."""
        found = {nic: self._of(nic) for nic in wanted}
        self._add(found)
        have = self._have
        if self._remove(found):  # the kernel drops routes along with addresses; without promote_secondaries, other addresses, too
            have = self._again()
            if self._add({nic: differences.Addresses(nic, have, self._exclusive) for nic in wanted}):
                have = self._again()
        self._routes(wanted, have)

    def _again(self) -> nics.Have:
        links_found = self._have.inside.links.values()
        have = nics.Have(nics.Inside(links_found, read.addresses(self.route), read.routes(self.route)))
        have.seen = self._have.seen
        return have

    def _add(self, found: dict[model.Nic, differences.Addresses]) -> bool:
        batch = steps.Batch()
        for nic, addresses in found.items():
            for words in addresses.missing:
                batch.add(addressing.add_address(self._index(nic), words), f"{nic.where}addresses", words)
        batch.send(self.route)
        return any(addresses.missing for addresses in found.values())

    def _remove(self, found: dict[model.Nic, differences.Addresses]) -> bool:
        batch = steps.Batch()
        for nic, addresses in found.items():
            for words in addresses.unwanted:
                # The kernel may have taken it along with the first one of its network.
                batch.add(addressing.remove_address(self._index(nic), words), f"{nic.where}addresses", words, errno.EADDRNOTAVAIL)
        batch.send(self.route)
        return any(addresses.unwanted for addresses in found.values())

    def _routes(self, wanted: list[model.Nic], have: nics.Have) -> None:
        batch, gone = steps.Batch(), steps.Batch()
        for nic in wanted:
            default = nic.default_route
            routes = differences.Routes(nic, have, self._exclusive)
            for route in routes.missing:
                is_default = default is not None and route.key == default.key
                message = addressing.add_route(self._index(nic), route.dest, route.gateway, route.metric, bool(route.onlink))
                option, value = ("gateway", route.gateway) if is_default else ("routes", differences.as_dict(route))
                batch.add(message, f"{nic.where}{option}", value)
            for old in routes.unwanted:
                message = addressing.remove_route(old.index, old.dest, old.gateway, old.metric)
                gone.add(message, f"{nic.where}routes", differences.as_dict(old), errno.ESRCH)  # one of another interface took its place
        batch.send(self.route)
        gone.send(self.route)

    def _restore(self, index: int, addresses: dict[str, int], routes: list[read.Route]) -> None:
        """Give a link back the addresses and routes that it had. What the kernel refuses is passed over."""
        there = [address.words for address in read.addresses(self.route) if address.index == index]
        messages = [addressing.add_address(index, words, protocol=owner) for words, owner in addresses.items() if words not in there]
        messages += [addressing.remove_address(index, words) for words in there if words not in addresses]
        self.route.batch(messages)
        kept = {_told(route) for route in routes}
        now = {_told(route): route for route in read.routes(self.route) if route.index == index}
        gone = [route for told, route in now.items() if told not in kept]
        messages = [addressing.remove_route(index, route.dest, route.gateway, route.metric) for route in gone]
        messages += [addressing.add_route(index, *_told(route)) for route in sorted(routes, key=lambda route: bool(route.gateway))
                     if _told(route) not in now]
        self.route.batch(messages)


def _told(route: read.Route) -> tuple:
    return route.dest, route.gateway, route.metric, route.onlink, route.protocol
