# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rate limit of a link: a token bucket filter, tc-tbf(8), as its root queueing discipline. No pyroute2.

It limits what leaves through the link. So what comes to a namespace is limited on the host end of its pair, what it sends on
the inner end; nothing is policed, and nothing but the kernel's sch_tbf is needed.
"""

from __future__ import annotations

from . import netlink

# <linux/rtnetlink.h>, <linux/pkt_sched.h>
_RTM_NEWQDISC = 36
_RTM_DELQDISC = 37
_RTM_GETQDISC = 38
_TC_H_ROOT = 0xFFFFFFFF
_TCA_KIND = 1
_TCA_OPTIONS = 2
_TCA_TBF_PARMS = 1
_TCA_TBF_RATE64 = 4
_TCA_TBF_BURST = 6
_TC_LINKLAYER_ETHERNET = 1
_LARGEST_U32 = 0xFFFFFFFF

DEFAULTS = frozenset(("", "noqueue", "noop"))  # IFLA_QDISC of a veth or bridge that nobody has limited
HANDLE = 0x63 << 16  # '63:' as tc shows it: the mark of those that we made

# A packet that is larger than the bucket is cut into its segments first, which costs most of the throughput. The largest that
# TCP hands over has 64 KiB, and the kernel counts the headers of each of its segments, too (qdisc_pkt_len_init).
_SMALLEST_BURST = 80 << 10  # bytes
_TICK = 100  # in 1/s: without high resolution timers the bucket is refilled so often (CONFIG_HZ=100, the lowest in use)
_LATENCY = 20  # in 1/s: the queue holds what passes in 50 ms, and one full bucket
_LARGEST_BURST = 1 << 30


class Shaper:
    """A root queueing discipline that somebody gave a link. `rate`: bytes a second if `kind` is 'tbf', else 0. `ours`: by its handle."""

    __slots__ = ("kind", "ours", "rate")

    def __init__(self, kind: str, ours: bool, rate: int):
        self.kind = kind
        self.ours = ours
        self.rate = rate


def read(route: netlink.Socket) -> dict[int, Shaper]:
    """Return {link index: its shaper} of all links of the socket's namespace; the kernel's own default is none. OSError."""
    found = {}
    for body in route.dump(_RTM_GETQDISC, bytes(20)):
        if netlink.unpack(body[12:16]) == _TC_H_ROOT and netlink.unpack(body[8:12]):
            found[netlink.unpack(body[4:8])] = _parse(body)
    return found


def _parse(body: bytes) -> Shaper:
    told = netlink.attributes(body[20:])
    kind = told.get(_TCA_KIND, b"").rstrip(b"\0").decode("ascii", "replace")
    rate = 0
    if kind == "tbf":
        options = netlink.attributes(told.get(_TCA_OPTIONS, b""))
        # struct tc_tbf_qopt begins with a struct tc_ratespec, which ends with the rate; what is more than 32 bits has its own attribute.
        rate = netlink.unpack(options.get(_TCA_TBF_RATE64) or options.get(_TCA_TBF_PARMS, b"")[8:12])
    return Shaper(kind, netlink.unpack(body[8:12]) == HANDLE, rate)


def limit(route: netlink.Socket, index: int, rate: int) -> None:
    """Limit what leaves through the link to `rate` bytes a second (1 to 2^64-1); a limit that is ours is changed and keeps its queue.

    OSError: ENOENT the kernel has no sch_tbf, ENODEV, EPERM. Replaces whatever other shaper the link has.
    """
    burst = min(max(_SMALLEST_BURST, rate // _TICK), _LARGEST_BURST)
    queue = burst + min(rate // _LATENCY, _LARGEST_BURST)
    spec = bytes((0, _TC_LINKLAYER_ETHERNET)) + bytes(6) + netlink.pack(min(rate, _LARGEST_U32), 4)
    parameters = spec + bytes(12) + netlink.pack(queue, 4) + bytes(8)  # no peak rate; the burst is told in bytes, not in ticks
    options = netlink.attribute(_TCA_TBF_PARMS, parameters) + netlink.attribute(_TCA_TBF_BURST, netlink.pack(burst, 4))
    if rate > _LARGEST_U32:
        options += netlink.attribute(_TCA_TBF_RATE64, netlink.pack(rate, 8))
    body = _root(index, HANDLE) + netlink.attribute(_TCA_KIND, b"tbf\0") + netlink.attribute(_TCA_OPTIONS, options)
    route.change(_RTM_NEWQDISC, body, netlink.CREATE | netlink.REPLACE)


def unlimit(route: netlink.Socket, index: int) -> None:
    """Give the link the kernel's default again. OSError: ENOENT it has no shaper, ENODEV, EPERM."""
    route.change(_RTM_DELQDISC, _root(index, 0))


def _root(index: int, handle: int) -> bytes:
    """struct tcmsg"""
    return bytes(4) + netlink.pack(index, 4) + netlink.pack(handle, 4) + netlink.pack(_TC_H_ROOT, 4) + bytes(4)
