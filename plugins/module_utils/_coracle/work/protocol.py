# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The words between a client and the host's supervisor on /run/coracle/supervisor.sock: lines, fields divided by tabs.

A client writes `code DIGEST`, one line for each container, and `end`; the supervisor answers one line for each container, in the order in
which they are done, and closes. A connection that closes before its last answer is to be tried again: requests are idempotent by name.
"""

from __future__ import annotations

import _socket
import os
import sys

from ..base.errors import LauncherError

_LINE_LIMIT = 1 << 20
_STARTS = ("start", "boot")


class Outcome:
    """The answer for one container. `ok`: it is as asked; `pid` of a running init or 0; `exit_code` when it has ended and is known;
    `problem`: why not, for a person; `log_tail`: filled in by the client, which reads the log itself."""

    __slots__ = ("name", "ok", "pid", "exit_code", "problem", "log_tail")

    def __init__(self, name, ok=False, pid=0, exit_code=None, problem=""):
        self.name, self.ok, self.pid, self.exit_code, self.problem, self.log_tail = name, ok, pid, exit_code, problem, []

    def render(self) -> bytes:
        code = "-" if self.exit_code is None else str(self.exit_code)
        problem = self.problem.replace("\\", "\\\\").replace("\n", "\\n").replace("\t", "\\t")
        return f"{self.name}\t{'ok' if self.ok else 'failed'}\t{self.pid}\t{code}\t{problem}\n".encode("utf-8", "surrogateescape")


def parse_outcome(line: str) -> Outcome:
    """The Outcome of an answered line; ValueError for anything else."""
    name, verdict, pid, code, problem = line.split("\t")
    text = problem.replace("\\\\", "\0").replace("\\n", "\n").replace("\\t", "\t").replace("\0", "\\")
    return Outcome(name, verdict == "ok", int(pid), None if code == "-" else int(code), text)


class Request:
    """One line of a client. `verb`: start, boot (a start that nobody waits for, so that the restart policy holds from the beginning),
    stop, refresh, code. `grace` in seconds; `signal` and `timeout` None for the container's own."""

    __slots__ = ("verb", "name", "path", "grace", "host_interfaces", "signal", "timeout")

    def __init__(self, verb, name="", path="", grace=0.0, host_interfaces=(), signal=None, timeout=None):
        self.verb, self.name, self.path, self.grace = verb, name, path, grace
        self.host_interfaces, self.signal, self.timeout = list(host_interfaces), signal, timeout

    def render(self) -> bytes:
        if self.verb in _STARTS:
            fields = [self.verb, self.name, f"{self.grace:.3f}", " ".join(self.host_interfaces), self.path]
        elif self.verb == "stop":
            fields = [self.verb, self.name] + ["-" if value is None else str(value) for value in (self.signal, self.timeout)]
        else:
            fields = [self.verb, self.name]
        return ("\t".join(fields) + "\n").encode("utf-8", "surrogateescape")


def parse_request(line: str) -> Request:
    """The Request of a line; LauncherError for anything else."""
    fields = line.split("\t")
    try:
        if fields[0] in _STARTS:
            _verb, name, grace, interfaces, path = fields
            return Request(fields[0], name, path, float(grace), interfaces.split())
        if fields[0] == "stop":
            _verb, name, signal, timeout = fields
            return Request("stop", name, signal=None if signal == "-" else int(signal), timeout=None if timeout == "-" else float(timeout))
        if fields[0] in ("refresh", "code"):
            _verb, name = fields
            return Request(fields[0], name)
    except ValueError:
        pass
    raise LauncherError(f"{fields[0]!r} is no request that this supervisor knows")


class Connection:
    """The supervisor's end of one client. A client that leaves early loses its answers, and nothing else happens; for one that is slow
    to read they are kept in `unsent` until flush()."""

    __slots__ = ("fd", "complete", "pending", "unsent", "_socket", "_rest")

    def __init__(self, fd):
        self.fd = fd
        self.complete, self.pending, self.unsent = False, 0, b""
        self._socket, self._rest = _socket.socket(fileno=fd), b""
        self._socket.setblocking(False)

    def peer_uid(self) -> int:
        """uid of the client: SO_PEERCRED, struct ucred (unix(7))."""
        credentials = self._socket.getsockopt(_socket.SOL_SOCKET, _socket.SO_PEERCRED, 12)
        return int.from_bytes(credentials[4:8], sys.byteorder)

    def receive(self) -> list[Request] | None:
        """Requests that are whole; None when the client is gone, or speaks another language."""
        try:
            data = self._socket.recv(65536)
        except BlockingIOError:
            return []
        except OSError:
            return None
        if not data or self.complete or len(self._rest) > _LINE_LIMIT:
            return None
        lines = (self._rest + data).split(b"\n")
        self._rest = lines.pop()
        requests = []
        for line in lines:
            if line == b"end":
                self.complete = True
                break
            try:
                requests.append(parse_request(line.decode("utf-8", "surrogateescape")))
            except LauncherError:
                return None
        return requests

    def send(self, outcome: Outcome) -> None:
        self.unsent += outcome.render()
        self.flush()

    def flush(self) -> None:
        try:
            while self.unsent:
                self.unsent = self.unsent[self._socket.send(self.unsent):]
        except BlockingIOError:
            pass
        except OSError:
            self.unsent = b""

    def close(self) -> None:
        if self.fd >= 0:
            self._socket.close()
            self.fd = -1


def lock_down(path: str) -> None:
    """Refuse a runtime directory that others could have made: it must be root's and closed to the rest. One of root's that is empty is closed."""
    try:
        info = os.stat(path, follow_symlinks=False)
    except FileNotFoundError:  # a supervisor that leaves has just removed it
        return
    if info.st_uid == 0 and not info.st_mode & 0o022 and info.st_mode & 0o077 and not os.listdir(path):
        os.chmod(path, 0o700)  # nobody else could put anything there
    elif info.st_uid != 0 or info.st_mode & 0o077:
        raise LauncherError(f"{path} is open to others than root", remedy=f"Look what is in it, then remove it: rm -r {path}")
