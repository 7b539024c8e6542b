#!/usr/bin/env python
# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Does a client reach a server? reach.py SERVER_NAMESPACE ADDRESS CLIENT_NAMESPACE; - is the host. Prints e.g. "icmp tcp udp"."""

from __future__ import annotations

import ctypes
import os
import socket
import sys

CLONE_NEWNET = 0x40000000
SECONDS = 2
ECHO = {socket.AF_INET: (8, socket.IPPROTO_ICMP), socket.AF_INET6: (128, socket.IPPROTO_ICMPV6)}

libc = ctypes.CDLL(None, use_errno=True)


def socket_in(namespace: str, *kind: int) -> socket.socket:
    """A socket belongs to the namespace in which it is opened."""
    own = os.open("/proc/self/ns/net", os.O_RDONLY)
    if namespace != "-":
        there = os.open(f"/run/netns/{namespace}", os.O_RDONLY)
        if libc.setns(there, CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), namespace)
        os.close(there)
    opened = socket.socket(*kind)
    opened.settimeout(SECONDS)
    libc.setns(own, CLONE_NEWNET)
    os.close(own)
    return opened


def tcp(server_namespace: str, address: str, client_namespace: str, family: int) -> bool:
    stream = socket.SOCK_STREAM
    with socket_in(server_namespace, family, stream) as server, socket_in(client_namespace, family, stream) as client:
        server.bind((address, 0))
        server.listen()
        client.connect(server.getsockname())
        accepted, _peer = server.accept()
        with accepted:
            client.sendall(b"tcp" * 20000)
            client.shutdown(socket.SHUT_WR)
            received = b"".join(iter(lambda: accepted.recv(65536), b""))
        return received == b"tcp" * 20000


def udp(server_namespace: str, address: str, client_namespace: str, family: int) -> bool:
    with socket_in(server_namespace, family, socket.SOCK_DGRAM) as server, socket_in(client_namespace, family, socket.SOCK_DGRAM) as client:
        server.bind((address, 0))
        client.sendto(b"udp", server.getsockname())
        data, peer = server.recvfrom(100)
        server.sendto(data, peer)
        return client.recv(100) == b"udp"


def icmp(_server_namespace: str, address: str, client_namespace: str, family: int) -> bool:
    """As ping does; in a namespace without CAP_NET_RAW, which ping_group_range must allow."""
    number, protocol = ECHO[family]
    with socket_in(client_namespace, family, socket.SOCK_RAW if client_namespace == "-" else socket.SOCK_DGRAM, protocol) as client:
        # A raw socket of IPv4 sends what it is given: checksum of type 8, code 0, all else zero. The kernel does it for the others.
        client.sendto(bytes([number, 0, 0xF7, 0xFF, 0, 0, 0, 0]), (address, 0))
        return bool(client.recv(100))


def works(way, *words) -> bool:
    try:
        return way(*words)
    except OSError:
        return False


def main() -> None:
    server_namespace, address, client_namespace = sys.argv[1:]
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    print(*[way.__name__ for way in (icmp, tcp, udp) if works(way, server_namespace, address, client_namespace, family)])


if __name__ == "__main__":
    main()
