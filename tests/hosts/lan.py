# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One Ethernet for all guests: a hub on a Unix socket, which qemu's netdev `stream` connects to. Frames leave this process on no other way."""

from __future__ import annotations

import selectors
import socket
import threading
from pathlib import Path

LENGTH = 4  # bytes before each frame, in network order
LARGEST = 1 << 17  # bytes of a frame; qemu's own limit is 68 KiB
ROOM = 4 << 20  # bytes that wait for a guest; what comes then is lost, as on any Ethernet


class Port:
    """The wire of one guest. `heard`: the beginning of a frame; `waiting`: whole frames that it has not taken yet."""

    def __init__(self, wire: socket.socket) -> None:
        self.wire = wire
        self.heard = b""
        self.waiting = b""


class Lan:
    """Runs until close()."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._server = socket.socket(socket.AF_UNIX)
        self._server.bind(str(path))
        self._server.listen()
        self._wake, self._stop = socket.socketpair()
        self._ports: dict[socket.socket, Port] = {}
        self._selector = selectors.DefaultSelector()
        for one in (self._server, self._wake):
            self._selector.register(one, selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._stop.close()
        self._thread.join()
        for one in (*self._ports, self._server, self._wake):
            one.close()
        self._selector.close()
        self.path.unlink()

    def _run(self) -> None:
        while True:
            for key, events in self._selector.select():
                wire = key.fileobj
                assert isinstance(wire, socket.socket)
                if wire is self._wake:
                    return
                if wire is self._server:
                    self._connect()
                elif wire in self._ports:
                    self._serve(self._ports[wire], events)

    def _connect(self) -> None:
        wire, _address = self._server.accept()
        wire.setblocking(False)
        self._ports[wire] = Port(wire)
        self._selector.register(wire, selectors.EVENT_READ)

    def _serve(self, port: Port, events: int) -> None:
        try:
            if events & selectors.EVENT_WRITE:
                self._flush(port)
            if events & selectors.EVENT_READ:
                self._hear(port)
        except BlockingIOError:
            pass
        except OSError:
            self._disconnect(port)

    def _hear(self, port: Port) -> None:
        piece = port.wire.recv(1 << 18)
        if not piece:
            self._disconnect(port)
            return
        port.heard += piece
        frames = whole_frames(port.heard)
        port.heard = port.heard[len(frames):]
        for other in [one for one in self._ports.values() if one is not port]:
            if len(other.waiting) + len(frames) <= ROOM:
                other.waiting += frames
                self._serve(other, selectors.EVENT_WRITE)

    def _flush(self, port: Port) -> None:
        try:
            port.waiting = port.waiting[port.wire.send(port.waiting) if port.waiting else 0:]
        finally:
            self._selector.modify(port.wire, selectors.EVENT_READ | (selectors.EVENT_WRITE if port.waiting else 0))

    def _disconnect(self, port: Port) -> None:
        self._selector.unregister(port.wire)
        del self._ports[port.wire]
        port.wire.close()


def whole_frames(data: bytes) -> bytes:
    """The part of `data` that ends with a frame, lengths included. OSError for a length that qemu never sends."""
    end = 0
    while len(data) - end >= LENGTH:
        size = int.from_bytes(data[end:end + LENGTH], "big")
        if size > LARGEST:
            raise OSError(f"a frame of {size} bytes")
        if end + LENGTH + size > len(data):
            break
        end += LENGTH + size
    return data[:end]
