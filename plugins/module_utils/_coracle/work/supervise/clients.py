# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The clients of a supervisor: its socket, the connections on it, and the answers that they wait for."""

from __future__ import annotations

import _socket
import os
import select

from ...base import places
from .. import protocol
from .words import complain

_ACCEPT_PAUSE = 0.1  # seconds without accepting after it has failed


class Clients:
    """`handle(connection, request)` is called for each request that waits for an answer, `on_code(digest)` for the version that a client has."""

    __slots__ = ("connections", "_loop", "_handle", "_on_code", "_listener")

    def __init__(self, loop, handle, on_code):
        self.connections = set()
        self._loop, self._handle, self._on_code = loop, handle, on_code
        self._listener: _socket.socket = None  # until it listens

    def listen(self) -> None:
        """Make the socket. A stale one of a killed supervisor disappears; nobody ever sees none. OSError."""
        temporary = f"{places.SOCKET}.new"
        try:
            os.unlink(temporary)
        except FileNotFoundError:
            pass
        self._listener = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM | _socket.SOCK_CLOEXEC | _socket.SOCK_NONBLOCK)
        self._listener.bind(temporary)
        os.chmod(temporary, 0o600)
        self._listener.listen(128)
        os.rename(temporary, places.SOCKET)
        self._loop.watch(self._listener.fileno(), lambda _events: self._accept())

    def close(self) -> bool:
        """Stop listening, unless a request has come in between; True when nobody waits."""
        try:
            os.unlink(places.SOCKET)
        except FileNotFoundError:
            pass  # somebody has cleaned up /run
        if not self._accept():
            return True
        self._loop.unwatch(self._listener.fileno())
        self._listener.close()
        self.listen()
        return False

    def _accept(self):
        while True:
            try:
                fd, _address = self._listener._accept()  # type: ignore[attr-defined]  # the C half of socket.accept()
            except BlockingIOError:
                return False
            except OSError as error:  # no descriptor or no memory left: later, and the clients wait in the queue
                complain(f"cannot accept a request: {error}")
                self._loop.unwatch(self._listener.fileno())
                self._loop.after(_ACCEPT_PAUSE, lambda: self._loop.watch(self._listener.fileno(), lambda _events: self._accept()))
                return True
            connection = protocol.Connection(fd)
            if connection.peer_uid() != 0:
                connection.close()
                continue
            self.connections.add(connection)
            self._loop.watch(fd, lambda _events, connection=connection: self._read(connection))
            return True

    def _read(self, connection):
        connection.flush()
        requests = connection.receive()
        if requests is None:
            self._drop(connection)
            return
        connection.pending += sum(request.verb != "code" for request in requests)  # all of them, before the first can be answered
        for request in requests:
            if request.verb == "code":
                self._on_code(request.name)
            else:
                self._handle(connection, request)
        self._finish(connection)

    def _finish(self, connection):
        if not connection.complete or connection.pending or connection not in self.connections:
            return
        if connection.unsent:
            self._loop.modify(connection.fd, select.EPOLLIN | select.EPOLLOUT)
        else:
            self._drop(connection)

    def _drop(self, connection):
        if connection in self.connections:
            self.connections.discard(connection)
            self._loop.unwatch(connection.fd)
            connection.close()

    def answer(self, connection: protocol.Connection, outcome: protocol.Outcome) -> None:
        """Answer one request; the connection closes with its last answer."""
        connection.pending -= 1
        connection.send(outcome)
        self._finish(connection)

    def answer_all(self, waiting: list, outcome: protocol.Outcome) -> None:
        """Answer all connections in a list, which is empty afterwards."""
        for connection in waiting:
            self.answer(connection, outcome)
        waiting.clear()
