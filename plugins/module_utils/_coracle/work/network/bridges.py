# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is said of bridges and their ports, whatever makes them: shared words of linux.py, openvswitch.py and whoever calls them."""

from __future__ import annotations

from ...base.errors import LauncherError
from ...kernel.net import netlink, read

LINUX, OPENVSWITCH = "linux", "openvswitch"


class Bridge:
    """One bridge. `kind`: LINUX or OPENVSWITCH. `link`: its own interface, None when it has none yet. `managed`: we made it.

    `filters`: VLANs of its ports have an effect (Linux: vlan_filtering is on; Open vSwitch: always). `can_filter`: they can be made to.
    `native`: VLAN of ports about which nobody said anything, 0 for none (Linux: vlan_default_pvid while it filters).
    `datapath`: '' on Linux, 'system' or 'netdev' of Open vSwitch.
    """

    __slots__ = ("name", "kind", "link", "managed", "filters", "can_filter", "native", "datapath")

    def __init__(self, name: str, kind: str, link: read.Link | None, managed: bool):
        self.name = name
        self.kind = kind
        self.link = link
        self.managed = managed
        self.filters = kind == OPENVSWITCH
        self.can_filter = True
        self.native = 0
        self.datapath = ""

    @property
    def up(self) -> bool:
        """Set up by an administrator."""
        return self.link is not None and self.link.up

    @property
    def idle(self) -> bool:
        """It is down, and that matters: one of Open vSwitch forwards all the same, and those of others are not ours to set up."""
        return not self.up and (self.kind == LINUX or self.managed)

    @property
    def mtu(self) -> int:
        """In bytes; 0 when it has no interface."""
        return 0 if self.link is None else self.link.mtu

    @property
    def mac(self) -> str:
        """'' when it has no interface."""
        return "" if self.link is None else self.link.mac


class Port:
    """What a bridge knows of one port.

    `kind`: of its bridge. `bridge`: a name. `vlan`: untagged VLAN, 0 for none, -1 for what no option can ask for.
    `trunks`: tagged ones, [(first, last), ...] sorted and merged.
    `isolated`: it does not speak with other isolated ports. `mark`: ours in Open vSwitch's external_ids; on Linux always ''.
    """

    __slots__ = ("kind", "bridge", "vlan", "trunks", "isolated", "mark")

    def __init__(self, kind: str, bridge: str, vlan: int = 0, trunks=(), isolated: bool = False, mark: str = ""):
        self.kind = kind
        self.bridge = bridge
        self.vlan = vlan
        self.trunks: list[tuple[int, int]] = list(trunks)
        self.isolated = isolated
        self.mark = mark


class Joining:
    """A port on its way into `bridge`, or to what it shall be in it.

    `link`: the host end, which is there and down or up. `before`: the port it is now, in this or in another bridge of either kind, or None.
    `vlans`: (vlan, trunks), `isolated`: bool; None of them: not asked, left as it is. `mark`: of the pair. `where`: begins the names of
    its options in messages, as 'networks[0].'.
    """

    __slots__ = ("where", "bridge", "link", "before", "vlans", "isolated", "mark")

    def __init__(self, where: str, bridge: Bridge, link: read.Link, before: Port | None, mark: str):
        self.where = where
        self.bridge = bridge
        self.link = link
        self.before = before
        self.vlans: tuple[int, list[tuple[int, int]]] | None = None
        self.isolated: bool | None = None
        self.mark = mark


class View:
    """One look at the host, each thing read at most once. `route`: a socket in the host's namespace, open as long as the view is used.

    `bridges`: {name: Bridge or None}; `limits`: {link index: shaping.Shaper}, None as long as nobody asked. `linux`, `openvswitch`: what
    these rooms keep for later questions, nobody else's business.
    """

    __slots__ = ("route", "bridges", "limits", "linux", "openvswitch")

    def __init__(self, route: netlink.Socket):
        self.route = route
        self.bridges: dict[str, Bridge | None] = {}
        self.limits: dict | None = None
        self.linux = None
        self.openvswitch = None


class Undo:
    """What reverts the steps that were made."""

    __slots__ = ("_steps",)

    def __init__(self):
        self._steps: list[tuple] = []

    def add(self, call, *words, **values) -> None:
        """Remember what reverts the step just made: call(*words, **values), which may raise OSError or LauncherError."""
        self._steps.append((call, words, values))

    def roll_back(self) -> None:
        """Revert all steps, the last one first; what cannot be reverted is gone already."""
        while self._steps:
            call, words, values = self._steps.pop()
            try:
                call(*words, **values)
            except (OSError, LauncherError):
                continue
