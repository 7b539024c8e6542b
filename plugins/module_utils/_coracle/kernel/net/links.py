# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Making links, through the message classes of pyroute2 (pyroute.py), which are imported by the first that is made.

One socket in the host's namespace serves all containers of the process. What many interfaces need at once goes through
netlink.Socket.batch() instead: addresses and routes (addressing.py), VLANs (bridging.py), names, MTU and state of links.
"""

from __future__ import annotations

import os

from ...base import files
from . import netns

# The first byte of a veth's host end: larger than those of real cards, since a bridge takes the lowest address of its ports as
# its own, and must not change it because of us. A bridge of ours has an address given, so that it never changes.
PORT_MAC = 0xFE
BRIDGE_MAC = 0x02
MAC_MARK = 0x63

_host: tuple | None = None  # (namespace, Links)


def require() -> None:
    """LauncherError when pyroute2 is not there, found without importing it: for checks before the first effect."""
    from . import pyroute

    pyroute.require()


def host() -> Links:
    """The socket in the calling thread's namespace, opened by the first call."""
    global _host
    here = netns.own_identity()
    if _host is None or _host[0] != here:
        if _host is not None:
            _host[1].close()
        _host = (here, Links())
    return _host[1]


def new_mac(first: int) -> str:
    """A random MAC address, locally administered, whose two first bytes tell that we made it."""
    return ":".join(f"{byte:02x}" for byte in (first, MAC_MARK, *os.urandom(4)))


class Links:
    """One open socket. Every method: OSError with the kernel's errno."""

    __slots__ = ("_route",)

    def __init__(self):
        from . import pyroute

        self._route = pyroute.Route()

    def close(self) -> None:
        """Close the socket."""
        self._route.close()

    def add_bridge(self, name: str) -> None:
        """Make a bridge that forwards at once (no spanning tree, no delay) and keeps its own MAC address."""
        self._route.link("add", ifname=name, kind="bridge", address=new_mac(BRIDGE_MAC), br_forward_delay=0, br_stp_state=0)

    def add_veth(self, name: str, peer_name: str, peer_namespace: int, peer_mac: str, mtu: int | None) -> None:
        """Make a pair: `name` here, `peer_name` born inside the namespace behind the descriptor. Both are down."""
        both: dict = {} if mtu is None else {"mtu": mtu}
        peer = {"ifname": peer_name, "net_ns_fd": peer_namespace, "address": peer_mac, **both}
        self._route.link("add", ifname=name, kind="veth", address=new_mac(PORT_MAC), peer=peer, **both)


def ignore_router_advertisements(name: str) -> None:
    """Let no machine on the wire give the link `name` of this thread's namespace addresses or routes (CVE-2020-10749)."""
    _set_sysctl(f"ipv6/conf/{name}/accept_ra", "0")


def without_ipv6(name: str) -> None:
    """A port of a bridge is no end of its own: it needs no link-local address and asks nothing of its neighbours."""
    _set_sysctl(f"ipv6/conf/{name}/disable_ipv6", "1")


def keep_secondary_addresses(name: str) -> None:
    """Removing the first address of a network must not take the others along (promote_secondaries of the kernel's ip-sysctl)."""
    _set_sysctl(f"ipv4/conf/{name}/promote_secondaries", "1")


def _set_sysctl(name: str, value: str) -> None:
    try:
        files.write_text(f"/proc/sys/net/{name}", value)
    except OSError:
        pass  # no IPv6 in this kernel, or a /proc/sys that we may not write: then it is as the host's administrator has set it
