# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Does another machine on the wire have one of our addresses? IPv4: probes of RFC 5227. IPv6: the kernel's own duplicate address
detection (RFC 4862), listened to, since it does not tell whose the other address is.

A bridge that speaks the spanning tree protocol forwards nothing for a port's first seconds: then nobody can hear a probe.
"""

from __future__ import annotations

import _socket
import select
import time

from ...base.errors import LauncherError
from . import netlink

_ETH_P_ARP = 0x0806
_ETH_P_IPV6 = 0x86DD
_BROADCAST = b"\xff" * 6
_ARP_REQUEST = 1
_ETHERNET_IPV4 = bytes.fromhex("0001080006 04")  # hardware and protocol type, and the lengths of their addresses
_ICMPV6 = 58
_SOLICITATION, _ADVERTISEMENT = 135, 136
# RFC 5227, 1.1. Its random wait before the first probe is for machines that are switched on by the same switch.
PROBE_NUM, PROBE_MIN, ANNOUNCE_WAIT = 3, 1.0, 2.0
_DAD_ENDS_WITHIN = 10.0  # seconds; with the kernel's defaults it needs at most 2, and never ends without a carrier
# <linux/if_addr.h>
_IFA_ADDRESS = 1
_IFA_FLAGS = 8
_IFA_F_DADFAILED = 0x08
_IFA_F_TENTATIVE = 0x40

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


class Conflict:
    """`address` is in use on the link of `prober` by another machine, whose MAC address is `mac`; None: it was not heard."""

    __slots__ = ("prober", "address", "mac")

    def __init__(self, prober: Prober, address: str, mac: str | None):
        self.prober = prober
        self.address = address
        self.mac = mac


class Prober:
    """Listens on one link of the calling thread's namespace for others that have our addresses. A context manager.

    The link must be up and have none of the IPv4 addresses yet; its IPv6 addresses are to be added when this is there, and
    without IFA_F_NODAD. OSError when the link is gone.
    """

    __slots__ = ("name", "_index", "_mac", "_ipv4", "_ipv6", "_arp", "_ndp", "_route")

    def __init__(self, name: str, mac: str, addresses: list[str]):
        """`addresses`: with or without a prefix. `mac`: of the link itself."""
        self.name = name
        self._index = _socket.if_nametoindex(name)
        self._mac = bytes.fromhex(mac.replace(":", ""))
        plain = [address.partition("/")[0] for address in addresses]
        self._ipv4 = {_socket.inet_aton(address): address for address in plain if ":" not in address}
        self._ipv6 = {_socket.inet_pton(_socket.AF_INET6, address): address for address in plain if ":" in address}
        self._route = netlink.Socket()
        self._arp = _listen(name, _ETH_P_ARP)
        self._ndp = _listen(name, _ETH_P_IPV6)

    def __enter__(self) -> Prober:
        return self

    def __exit__(self, *_exception) -> None:
        self.close()

    def close(self) -> None:
        """Close its sockets; twice is fine."""
        for socket in (self._arp, self._ndp, self._route):
            socket.close()

    def sockets(self) -> list[_socket.socket]:
        """What to wait for."""
        return [self._arp, self._ndp]

    def ask(self) -> None:
        """Send a probe for each IPv4 address: a request that itself claims nothing. OSError ENETDOWN: the link is down."""
        for address in self._ipv4:
            self._send(bytes(4), address)

    def announce(self) -> None:
        """Tell everybody that the IPv4 addresses are ours now (RFC 5227, 2.3), so that nobody goes on using an older neighbour."""
        for address in self._ipv4:
            self._send(address, address)

    def _send(self, sender: bytes, target: bytes) -> None:
        body = _ETHERNET_IPV4 + _ARP_REQUEST.to_bytes(2, "big") + self._mac + sender + bytes(6) + target
        self._arp.sendto(body, (self.name, _ETH_P_ARP, 0, 0, _BROADCAST))

    def hear(self) -> Conflict | None:
        """Return the first conflict among the packets that have arrived. OSError ENETDOWN: the link went down."""
        for body, _sender in _arrived(self._arp):
            address = self._ipv4.get(claimed_by_arp(body))
            if address is not None and body[8:14] != self._mac:
                return Conflict(self, address, body[8:14].hex(":"))
        for body, sender in _arrived(self._ndp):
            address = self._ipv6.get(claimed_by_ndp(body))
            if address is not None and sender != self._mac:
                return Conflict(self, address, sender.hex(":"))
        return None

    def asks(self) -> bool:
        """True when there are addresses for which the probes are ours to send."""
        return bool(self._ipv4)

    def detected(self) -> tuple[str | None, bool]:
        """What the kernel says of the IPv6 addresses: one that is a duplicate, and whether it is still looking."""
        looking = False
        for body in self._route.dump(netlink.RTM_GETADDR, bytes((_socket.AF_INET6,)) + bytes(7)):
            told = netlink.attributes(body[8:])
            address = self._ipv6.get(told.get(_IFA_ADDRESS, b""))
            if address is None or netlink.unpack(body[4:8]) != self._index:
                continue
            flags = netlink.unpack(told.get(_IFA_FLAGS, body[2:3]))
            if flags & _IFA_F_DADFAILED:
                return address, False
            looking = looking or bool(flags & _IFA_F_TENTATIVE)
        return None, looking


def _listen(name: str, protocol: int) -> _socket.socket:
    socket = _socket.socket(_socket.AF_PACKET, _socket.SOCK_DGRAM | _socket.SOCK_NONBLOCK | _socket.SOCK_CLOEXEC, 0)
    socket.bind((name, protocol))
    return socket


def _arrived(socket: _socket.socket) -> Iterator[tuple[bytes, bytes]]:
    """Yield (content, sender's MAC address) of the packets that are waiting."""
    while True:
        try:
            body, place = socket.recvfrom(2048)
        except BlockingIOError:
            return
        yield body, place[4]


def claimed_by_arp(body: bytes) -> bytes:
    """Return the IPv4 address that the sender of an ARP packet has, or in a probe wants to have; b'' for anything else."""
    if len(body) < 28 or body[:6] != _ETHERNET_IPV4:
        return b""
    sender, target = body[14:18], body[24:28]
    is_request = int.from_bytes(body[6:8], "big") == _ARP_REQUEST
    return sender if any(sender) else target if is_request else b""


def claimed_by_ndp(body: bytes) -> bytes:
    """Return the IPv6 address that the sender of a neighbour advertisement has, or while it detects duplicates wants to have; else b''."""
    if len(body) < 64 or body[6] != _ICMPV6 or body[7] != 255:
        return b""
    wants = body[40] == _SOLICITATION and not any(body[8:24])
    return body[48:64] if wants or body[40] == _ADVERTISEMENT else b""


def conflict(probers: list[Prober], interval: float = PROBE_MIN, wait: float = ANNOUNCE_WAIT) -> Conflict | None:
    """Probe on all links at once and return the first conflict, None when all addresses are free: after 4 seconds, with IPv6 alone 2.

    LauncherError: the kernel's detection does not end. OSError: a link is down.
    """
    poll = select.poll()
    for prober in probers:
        for socket in prober.sockets():
            poll.register(socket.fileno(), select.POLLIN)
    asking = [prober for prober in probers if prober.asks()]
    for number in range(PROBE_NUM if asking else 0):
        for prober in asking:
            prober.ask()
        found = _listened(poll, probers, wait if number == PROBE_NUM - 1 else interval)
        if found is not None:
            return found
    return _detection(poll, probers)


def _listened(poll: select.poll, probers: list[Prober], seconds: float) -> Conflict | None:
    until = time.monotonic() + seconds
    while True:
        left = until - time.monotonic()
        poll.poll(max(left, 0) * 1000)
        for prober in probers:
            found = prober.hear()
            if found is not None:
                return found
        if left <= 0:
            return None


def _detection(poll: select.poll, probers: list[Prober]) -> Conflict | None:
    until = time.monotonic() + _DAD_ENDS_WITHIN
    while True:
        looking = None
        for prober in probers:
            duplicate, goes_on = prober.detected()
            if duplicate is not None:
                heard = prober.hear()
                return heard if heard is not None else Conflict(prober, duplicate, None)
            looking = prober if goes_on else looking
        if looking is None:
            return None
        if time.monotonic() > until:
            raise LauncherError(f"the kernel does not end its duplicate address detection on {looking.name}",
                                option="duplicate_address_detection", remedy="Look whether that link and its bridge have a carrier")
        found = _listened(poll, probers, 0.05)
        if found is not None:
            return found
