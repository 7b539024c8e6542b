# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A route netlink socket without a library, for what must be cheap: reading, and what is sent many at once. Layout: rtnetlink(7).

Whatever makes links goes through pyroute2 (links.py), whose import alone costs more than 100 ms; a run that finds nothing to
change, and the supervisor, never pay that. A socket belongs to the network namespace in which it was opened.
"""

from __future__ import annotations

import _socket
import errno
import os
import sys

# <linux/rtnetlink.h>
RTM_NEWLINK = 16
RTM_DELLINK = 17
RTM_GETLINK = 18
RTM_SETLINK = 19
RTM_NEWADDR = 20
RTM_DELADDR = 21
RTM_GETADDR = 22
RTM_NEWROUTE = 24
RTM_DELROUTE = 25
RTM_GETROUTE = 26

# <linux/if_link.h>
IFLA_ADDRESS = 1
IFLA_IFNAME = 3
IFLA_MTU = 4
IFLA_LINK = 5
IFLA_QDISC = 6
IFLA_MASTER = 10
IFLA_LINKINFO = 18
IFLA_IFALIAS = 20
IFLA_INFO_KIND = 1
IFLA_INFO_DATA = 2
IFLA_INFO_SLAVE_DATA = 5
_IFF_UP = 1

# <linux/netlink.h>
_NETLINK_ROUTE = 0
_NLMSG_ERROR = 2
_NLMSG_DONE = 3
_NLM_F_REQUEST = 1
_NLM_F_ACK = 4
_NLM_F_DUMP_INTR = 0x10
_NLM_F_DUMP = 0x300
REPLACE, EXCLUSIVE, CREATE, APPEND = 0x100, 0x200, 0x400, 0x800  # NLM_F_* of a new object
_HEADER = 16
_LARGEST = 65536  # bytes; the kernel fills at most 32 KiB for one recv(2) of a dump
_AT_ONCE = 200  # messages; the kernel counts 768 bytes for its answer to each, and the socket has room for 208 KiB by default

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
    return dict(attribute_list(data))


def attribute_list(data: bytes) -> list[tuple[int, bytes]]:
    """Return (type, content) of each of them, where one type may come several times."""
    found = []
    numbers = memoryview(data[:len(data) & ~1]).cast("H")  # a link has some 50 of them, and an unchanged run reads thousands
    start, end = 0, len(data) - 4
    while start <= end:
        length = numbers[start >> 1]
        if length < 4:
            break
        found.append((numbers[(start >> 1) + 1] & 0x3FFF, data[start + 4:start + length]))
        start += length + 3 & ~3
    return found


def link_message(index: int = 0, name: str | None = None, alias: str | None = None, up: bool | None = None, master: int | None = None,
                 mtu: int | None = None, mac: str | None = None) -> bytes:
    """struct ifinfomsg for the link of this index or name, and what of it is to change: None is left alone. `master`: 0 for none."""
    body = bytes(4) + pack(index, 4) + pack(_IFF_UP if up else 0, 4) + pack(0 if up is None else _IFF_UP, 4)
    if name is not None:
        body += attribute(IFLA_IFNAME, name.encode() + b"\0")
    if alias is not None:
        body += attribute(IFLA_IFALIAS, alias.encode())
    if master is not None:
        body += attribute(IFLA_MASTER, pack(master, 4))
    if mtu is not None:
        body += attribute(IFLA_MTU, pack(mtu, 4))
    if mac is not None:
        body += attribute(IFLA_ADDRESS, bytes.fromhex(mac.replace(":", "")))
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

    def change(self, kind: int, body: bytes, flags: int = 0) -> None:
        """Ask for a change and wait until it is done. OSError with the kernel's errno."""
        self._send(kind, _NLM_F_ACK | flags, body)
        self._receive()

    def batch(self, messages: list[tuple[int, int, bytes]]) -> list[int]:
        """Ask for changes (kind, flags, body), up to 200 in one send(2): the kernel goes through them even when the sender is killed.

        Return the errno of each, 0 for done; one that fails does not stop the next. OSError of the socket itself.
        """
        results: list[int] = []
        for start in range(0, len(messages), _AT_ONCE):
            results += self._at_once(messages[start:start + _AT_ONCE])
        return results

    def _at_once(self, messages: list[tuple[int, int, bytes]]) -> list[int]:
        first = self._sequence + 1
        self._socket.send(b"".join(self._message(kind, _NLM_F_ACK | flags, body) for kind, flags, body in messages))
        answers: dict[int, int] = {}
        while len(answers) < len(messages):
            for kind, _flags, sequence, body in _messages(self._socket.recv(_LARGEST)):
                if kind == _NLMSG_ERROR and sequence >= first:
                    answers[sequence] = -int.from_bytes(body[:4], sys.byteorder, signed=True)
        return [answers[first + number] for number in range(len(messages))]

    def _send(self, kind: int, flags: int, body: bytes) -> None:
        self._socket.send(self._message(kind, flags, body))

    def _message(self, kind: int, flags: int, body: bytes) -> bytes:
        self._sequence += 1
        header = pack(_HEADER + len(body), 4) + pack(kind, 2) + pack(flags | _NLM_F_REQUEST, 2) + pack(self._sequence, 4) + bytes(4)
        return header + body + bytes(-len(body) % 4)

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
