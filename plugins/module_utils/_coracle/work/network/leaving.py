# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What does not go with a namespace by itself: Open vSwitch keeps a port whose interface is gone. Lean, since a supervisor uses it."""

from __future__ import annotations

from ...base.errors import LauncherError
from ...kernel.net import netlink, netns, openvswitch, read


def forget_ports(mark: str, namespace: int) -> None:
    """Take the ports whose mark begins with `mark`, and whose other ends are in the namespace, out of the database of Open vSwitch.

    To be called before the namespace goes. Starts no program on a host without Open vSwitch, or when all ports are those of Linux bridges.
    A database that does not answer keeps its ports: they are replaced when the interface is made again.
    """
    if not openvswitch.is_running():
        return
    names = _host_ends(namespace)
    if not names:
        return
    from . import openvswitch as room

    try:
        room.forget(names, mark)
    except LauncherError:
        return


def _host_ends(namespace: int) -> list[str]:
    """The names of the links here whose other ends are in the namespace, without ports of Linux bridges."""
    with netns.inside(namespace):
        inside = netlink.Socket()
    with inside, netlink.Socket() as route:
        ends = [read.link(route, index=link.peer) for link in read.links(inside) if link.kind == "veth" and link.peer]
        return [end.name for end in ends if end is not None and not _is_on_linux_bridge(route, end)]


def _is_on_linux_bridge(route: netlink.Socket, link: read.Link) -> bool:
    master = read.link(route, index=link.master) if link.master else None
    return master is not None and master.kind == "bridge"
