# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A NIC joins a bridge or leaves it, and addresses and routes go with it: in one direction the change, in the other its undoing.

With a Linux bridge all of it goes to the kernel at once. Open vSwitch is asked first, and the kernel then. Nothing is imported later,
since this also runs in a process that has outlived its files.
"""

from __future__ import annotations

import os

from ...base import files
from ...base.errors import LauncherError
from ...kernel.net import bridging, moving, netlink, openvswitch, read
from ...model import network as model
from . import switch
from .bridges import LINUX, OPENVSWITCH, Bridge, View

MARK = f"{model.MARK}:uplink"  # of the port in Open vSwitch's database
_LAST_VLAN = 4094


class Ends:
    """A NIC and a bridge of `kind`, as they were before. `bridge`: None when this run makes it. `held`: what moves. `joined`: already."""

    __slots__ = ("_nic", "_name", "_kind", "_bridge", "_held", "_changes_mac", "_without_ipv6")

    def __init__(self, nic: read.Link, name: str, kind: str, bridge: Bridge | None, held: moving.Held, joined: bool):
        self._nic = nic
        self._name = name
        self._kind = kind
        self._bridge = bridge
        self._held = held
        # The same address at the same wire: nobody out there has anything to learn. Other people's bridges keep theirs.
        self._changes_mac = bool(held) and (bridge is None or bridge.managed)
        # What leave() will set for the NIC on its own; '' leaves it. A port has what we once gave it.
        self._without_ipv6 = _without_ipv6("default" if joined else nic.name)
        if kind == OPENVSWITCH:
            from . import openvswitch as _loaded  # noqa: F401  switch needs it, when files may be gone

    def join(self, strict: bool = True) -> None:
        """Make the NIC a port, and let the bridge have what is held. LauncherError; without `strict` as much as possible is done."""
        with netlink.Socket() as route:
            bridge = read.link(route, self._name)
            if bridge is None:
                raise LauncherError("disappeared while we worked", option="bridge", value=self._name, remedy="Run it again")
            between = [_set(bridge.index, mac=self._nic.mac)] if self._changes_mac else []
            if self._kind == OPENVSWITCH:
                self._join_switch()
                between.append(_set(self._nic.index, up=True))
            else:
                between.append(_set(self._nic.index, master=bridge.index, up=True))
            _send(route, moving.transfer(self._held, self._nic.index, bridge.index, self._name, between), strict)
            _set_without_ipv6(self._nic.name, "1")
            if self._kind == LINUX:
                _carry_all_vlans(route, self._nic.index, bridge)

    def _join_switch(self) -> None:
        nic, mark = self._nic.name, openvswitch.quoted(MARK)
        commands = [("--may-exist", "add-port", self._name, nic), ("set", "Port", nic, f"external_ids:{openvswitch.KEY}={mark}")]
        if self._changes_mac:
            commands.append(self._keep_mac(self._nic.mac))
        openvswitch.change(*commands)

    def _keep_mac(self, mac: str) -> tuple[str, str, str, str]:
        return "set", "Bridge", self._name, f"other_config:hwaddr={openvswitch.quoted(mac)}"

    def leave(self, strict: bool = True) -> None:
        """Let the NIC be on its own again, with what is held. LauncherError; without `strict` as much as possible is done."""
        with netlink.Socket() as route:
            bridge = read.link(route, self._name)
            _set_without_ipv6(self._nic.name, self._without_ipv6)
            between = [] if self._kind == OPENVSWITCH else [_set(self._nic.index, master=0)]
            index = bridge.index if bridge is not None else 0
            try:
                if self._kind == OPENVSWITCH:
                    change = openvswitch.change if strict else openvswitch.change_soon
                    change(("--if-exists", "del-port", self._name, self._nic.name))
            finally:
                _send(route, moving.transfer(self._held, index, self._nic.index, self._nic.name, between), strict)

    def undo_join(self) -> None:
        """Put back what join() did, and the bridge. Twice does no harm. OSError, LauncherError."""
        self.leave(strict=False)
        was = self._bridge.link if self._bridge is not None else None
        down = [_set(link.index, up=False) for link in (self._nic, was) if link is not None and not link.up]
        mac = [_set(was.index, mac=was.mac)] if was is not None and self._changes_mac else []
        with netlink.Socket() as route:
            route.batch([*mac, *down])
        if self._kind == OPENVSWITCH and mac:
            openvswitch.change_soon(self._keep_mac(was.mac))
        if self._bridge is None:
            self._remove_bridge()

    def _remove_bridge(self) -> None:
        with netlink.Socket() as route:
            view = View(route)
            made = switch.find(view, self._name, self._kind)
            if made is not None:
                switch.remove(switch.unused(view, [made], ()))

    def undo_leave(self) -> None:
        """Put back what leave() did. OSError, LauncherError."""
        self.join(strict=False)


def _send(route: netlink.Socket, messages: list, strict: bool) -> None:
    for (kind, _flags, _body), number in zip(messages, route.batch(messages)):
        if strict and moving.is_failure(kind, number):
            option = "uplink" if kind == netlink.RTM_SETLINK else "uplink_move_addresses"
            raise LauncherError(f"the kernel refused it: {os.strerror(number)}", option=option,
                                remedy="Look at what the interface and the bridge have: ip address, ip route")


def _set(index: int, **values) -> tuple:
    return netlink.RTM_SETLINK, 0, netlink.link_message(index=index, **values)


def _carry_all_vlans(route: netlink.Socket, index: int, bridge: read.Link) -> None:
    """Let a port of a Linux bridge carry every VLAN with its tag, but the bridge's own one without, as a port of Open vSwitch does.

    Said whether the bridge filters or not, since it may begin to.
    """
    native = bridging.default_vlan(bridge)
    if native is None:
        return  # this kernel knows no VLANs
    ranges = [(first, last) for first, last in ((1, native - 1), (native + 1, _LAST_VLAN)) if first <= last]
    route.batch([(netlink.RTM_SETLINK, 0, bridging.vlan_message(index, ranges))])


def _without_ipv6(name: str) -> str:
    """The sysctl disable_ipv6 of a link or of new ones; '' without IPv6."""
    try:
        return files.read_text(f"/proc/sys/net/ipv6/conf/{name}/disable_ipv6")
    except OSError:
        return ""


def _set_without_ipv6(name: str, value: str) -> None:
    try:
        if value:
            files.write_text(f"/proc/sys/net/ipv6/conf/{name}/disable_ipv6", value)
    except OSError:
        pass  # a /proc/sys that may not be written: a port of a bridge with an address of its own does no harm
