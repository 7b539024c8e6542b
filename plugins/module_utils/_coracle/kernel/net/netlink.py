# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A route netlink socket without a library, for what must be cheap: reading, and removing a link. Layout: rtnetlink(7).

Whatever makes or changes links goes through pyroute2 (links.py), whose import alone costs more than 100 ms; a run that finds
nothing to change, and the supervisor, never pay that. A socket belongs to the network namespace in which it was opened.
"""

from __future__ import annotations

import _socket
import errno
import os
import sys

# <linux/rtnetlink.h>
RTM_DELLINK = 17
RTM_GETLINK = 18
RTM_SETLINK = 19
RTM_GETADDR = 22
RTM_GETROUTE = 26

# <linux/if_link.h>
IFLA_ADDRESS = 1
IFLA_IFNAME = 3
IFLA_MTU = 4
IFLA_LINK = 5
IFLA_MASTER = 10
IFLA_LINKINFO = 18
IFLA_IFALIAS = 20
IFLA_INFO_KIND = 1
_IFF_UP = 1

# <linux/netlink.h>
_NETLINK_ROUTE = 0
_NLMSG_ERROR = 2
_NLMSG_DONE = 3
_NLM_F_REQUEST = 1
_NLM_F_ACK = 4
_NLM_F_DUMP_INTR = 0x10
_NLM_F_DUMP = 0x300
_HEADER = 16
_LARGEST = 65536  # bytes; the kernel fills at most 32 KiB for one recv(2) of a dump

TYPE_CHECKING = False  # type checkers take it as true; importing typing is not lean
if TYPE_CHECKING:
    from collections.abc import Iterator


def pack(number: int, size: int) -> bytes:
    """`number` in `size` bytes, in the order of this machine."""
    return number.to_bytes(size, sys.byteorder)


def unpack(data: bytes) -> int:
    """The unsigned number in `data`, in the order of this machine."""
    return int.from_bytes(data, sys.byteorder)


def attribute(kind: int, data: bytes) -> bytes:
    """One attribute, padded to 4 bytes."""
    return pack(4 + len(data), 2) + pack(kind, 2) + data + bytes(-len(data) % 4)


def attributes(data: bytes) -> dict[int, bytes]:
    """Return {type: content} of the attributes in `data`. A length that cannot be right ends them."""
    found = {}
    numbers = memoryview(data[:len(data) & ~1]).cast("H")  # a link has some 50 of them, and an unchanged run reads thousands
    start, end = 0, len(data) - 4
    while start <= end:
        length = numbers[start >> 1]
        if length < 4:
            break
        found[numbers[(start >> 1) + 1] & 0x3FFF] = data[start + 4:start + length]
        start += length + 3 & ~3
    return found


def link_message(index: int = 0, name: str | None = None, alias: str | None = None, up: bool = False) -> bytes:
    """struct ifinfomsg for the link of this index or name, and its attributes. `up`: set it up; without, its state is left alone."""
    flag = pack(_IFF_UP if up else 0, 4)
    body = bytes(4) + pack(index, 4) + flag + flag
    if name is not None:
        body += attribute(IFLA_IFNAME, name.encode() + b"\0")
    if alias is not None:
        body += attribute(IFLA_IFALIAS, alias.encode())
    return body


class Socket:
    """A socket in the network namespace of the thread that makes it. A context manager."""

    __slots__ = ("_socket", "_sequence")

    def __init__(self):
        self._socket = _socket.socket(_socket.AF_NETLINK, _socket.SOCK_RAW, _NETLINK_ROUTE)
        self._sequence = 0

    def __enter__(self) -> Socket:
        return self

    def __exit__(self, *_exception) -> None:
        self.close()

    def close(self) -> None:
        """Close it; twice is fine."""
        self._socket.close()

    def dump(self, kind: int, body: bytes) -> list[bytes]:
        """Return the bodies of all objects of one kind. Asked again, a bounded number of times, when they changed meanwhile. OSError."""
        for _attempt in range(8):
            self._send(kind, _NLM_F_DUMP, body)
            found, whole = self._receive()
            if whole:
                break
        return found

    def get(self, kind: int, body: bytes) -> bytes | None:
        """Return the body of one object. OSError ENODEV when there is none."""
        self._send(kind, _NLM_F_ACK, body)
        found, _whole = self._receive()
        return found[0] if found else None

    def change(self, kind: int, body: bytes) -> None:
        """Ask for a change and wait until it is done. OSError with the kernel's errno."""
        self._send(kind, _NLM_F_ACK, body)
        self._receive()

    def _send(self, kind: int, flags: int, body: bytes) -> None:
        self._sequence += 1
        header = pack(_HEADER + len(body), 4) + pack(kind, 2) + pack(flags | _NLM_F_REQUEST, 2) + pack(self._sequence, 4) + bytes(4)
        self._socket.send(header + body)

    def _receive(self) -> tuple[list[bytes], bool]:
        """Return the bodies up to the end of the answer, and whether they are one consistent picture."""
        found: list[bytes] = []
        whole = True
        while True:
            for kind, flags, sequence, body in _messages(self._socket.recv(_LARGEST)):
                if sequence != self._sequence:
                    continue
                whole = whole and not flags & _NLM_F_DUMP_INTR
                if kind == _NLMSG_DONE:
                    return found, whole
                if kind != _NLMSG_ERROR:
                    found.append(body)
                    continue
                number = -int.from_bytes(body[:4], sys.byteorder, signed=True)
                if number:
                    raise OSError(number, os.strerror(number))
                return found, whole


def _messages(data: bytes) -> Iterator[tuple[int, int, int, bytes]]:
    start = 0
    while start + _HEADER <= len(data):
        length = unpack(data[start:start + 4])
        if length < _HEADER:
            raise OSError(errno.EBADMSG, os.strerror(errno.EBADMSG))
        yield (unpack(data[start + 4:start + 6]), unpack(data[start + 6:start + 8]), unpack(data[start + 8:start + 12]),
               data[start + _HEADER:start + length])
        start += length + (-length % 4)
