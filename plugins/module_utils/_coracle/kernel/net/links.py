# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Making and changing links, addresses and routes, through pyroute2 (0.7.2 of Debian 12 to 0.9). The only file that imports it.

Importing it costs 130 to 170 ms of CPU, a socket 0.1 (0.7) to 0.5 ms (0.9): so it is imported once, when the first change is
made, and one socket in the host's namespace serves all containers of the process. A socket in another namespace is opened by
going there and back on the same thread; pyroute2's own NetNS() starts a process for it, 13 ms.
"""

from __future__ import annotations

import os
import sys

from ...base import files
from ...base.errors import LauncherError
from . import netns

AF_INET, AF_INET6 = 2, 10
_IFA_F_NODAD = 0x02

_class = None
_has_site = False
_host: tuple | None = None  # (namespace, Links)


def host() -> Links:
    """The socket in the calling thread's namespace, opened by the first call."""
    global _host
    here = netns.own_identity()
    if _host is None or _host[0] != here:
        if _host is not None:
            _host[1].close()
        _host = (here, Links())
    return _host[1]


def inside(fd: int) -> Links:
    """A socket in the namespace behind `fd`. The caller closes it."""
    _load()
    with netns.inside(fd):
        return Links()


def _load() -> None:
    global _class
    if _class is not None:
        return
    _bring_site()
    try:
        from pyroute2 import IPRoute
    except ImportError as error:
        raise _missing(str(error)) from error
    _class = IPRoute


def require() -> None:
    """LauncherError when pyroute2 is not there, found without importing it: for checks before the first effect."""
    if _class is not None:
        return
    _bring_site()
    from importlib.util import find_spec

    if find_spec("pyroute2") is None:
        raise _missing("no module of that name")


def _bring_site() -> None:
    """The launcher runs with -S, and pyroute2 is in site-packages."""
    global _has_site
    if sys.flags.no_site and not _has_site:
        import site

        site.main()
        _has_site = True


def _missing(problem: str) -> LauncherError:
    return LauncherError(f"the Python library pyroute2 is missing for {sys.executable}: {problem}", option="networks",
                         remedy="Run the role coracle.launcher.container_host, or install python3-pyroute2")


def _mac(first: int) -> str:
    """A random MAC address, locally administered, whose two first bytes tell that we made it."""
    return ":".join(f"{byte:02x}" for byte in (first, MAC_MARK, *os.urandom(4)))


# The first byte of a veth's host end: larger than those of real cards, since a bridge takes the lowest address of its ports as
# its own, and must not change it because of us. A bridge of ours has an address given, so that it never changes.
PORT_MAC = 0xFE
BRIDGE_MAC = 0x02
MAC_MARK = 0x63


class Links:
    """One open socket. Every method: OSError with the kernel's errno."""

    __slots__ = ("_route",)

    def __init__(self):
        _load()
        self._route = _class()

    def close(self) -> None:
        """Close the socket."""
        self._route.close()

    def _call(self, method: str, *words, **values):
        from pyroute2 import NetlinkError

        try:
            return getattr(self._route, method)(*words, **values)
        except NetlinkError as error:
            raise OSError(error.code, os.strerror(error.code)) from error

    def add_bridge(self, name: str) -> None:
        """Make a bridge that forwards at once (no spanning tree, no delay) and keeps its own MAC address."""
        self._call("link", "add", ifname=name, kind="bridge", address=_mac(BRIDGE_MAC), br_forward_delay=0, br_stp_state=0)

    def add_veth(self, name: str, peer_name: str, peer_namespace: int, peer_mac: str | None, mtu: int | None) -> None:
        """Make a pair: `name` here, `peer_name` born inside the namespace behind the descriptor. Both are down."""
        peer: dict[str, object] = {"ifname": peer_name, "net_ns_fd": peer_namespace}
        host_end: dict[str, object] = {"ifname": name, "kind": "veth", "address": _mac(PORT_MAC)}
        if peer_mac is not None:
            peer["address"] = peer_mac
        if mtu is not None:
            peer["mtu"] = host_end["mtu"] = mtu
        self._call("link", "add", peer=peer, **host_end)

    def set_link(self, index: int, **values) -> None:
        """Change `master` (an index, 0 for none), `mtu`, `address`, `ifalias` or `state` ('up') of a link, all in one message."""
        self._call("link", "set", index=index, **values)

    def delete_link(self, index: int) -> None:
        """Remove a link; a veth's other end goes with it."""
        self._call("link", "del", index=index)

    def add_address(self, index: int, address: str) -> None:
        """Add 'address/prefix', usable at once: IPv6 would first wait a second for an answer that another machine has it."""
        host, _slash, prefix = address.partition("/")
        values: dict[str, object] = {"flags": _IFA_F_NODAD, "family": AF_INET6} if ":" in host else {"family": AF_INET}
        if ":" not in host and int(prefix) < 31:
            values["broadcast"] = _broadcast(host, int(prefix))
        self._call("addr", "add", index=index, address=host, prefixlen=int(prefix), **values)

    def remove_address(self, index: int, address: str) -> None:
        """Remove 'address/prefix'."""
        host, _slash, prefix = address.partition("/")
        family = AF_INET6 if ":" in host else AF_INET
        self._call("addr", "del", index=index, address=host, prefixlen=int(prefix), family=family)

    def replace_default(self, index: int, gateway: str) -> None:
        """Let the default route of the gateway's family lead over it."""
        self._call("route", "replace", dst="default", gateway=gateway, oif=index, family=AF_INET6 if ":" in gateway else AF_INET)

    def remove_default(self, index: int, gateway: str) -> None:
        """Remove one default route."""
        self._call("route", "del", dst="default", gateway=gateway, oif=index, family=AF_INET6 if ":" in gateway else AF_INET)


def _broadcast(host: str, prefix: int) -> str:
    from ipaddress import ip_interface

    return str(ip_interface(f"{host}/{prefix}").network.broadcast_address)


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
