# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How modules and the command talk to the host's supervisor: one request for a whole list; it is started when there is none."""

from __future__ import annotations

import _signal
import _socket
import errno
import fcntl
import os
import select
import sys
import time

from ..base import files, libc, places
from ..base.errors import LauncherError
from ..kernel import procs
from . import log_files, logs, protocol
from .protocol import Outcome, Request

_CONNECT_WAIT = 20.0
_PATIENCE = 10.0  # seconds without an answer after which we ask whether anybody is there
_TAIL = 10


def start(items: list[tuple[str, str]], grace: float, host_interfaces: dict[str, list[str]] | None = None,
          unattended: bool = False) -> dict[str, Outcome]:
    """Start containers (name, path), whose networks are attached already; answer when each has lived for `grace` seconds or has ended.

    A failed one is clean again: no cgroup, no veth, no namespace; but when `unattended`, and its restart policy says so, it keeps them and
    is started again. Its Outcome has `problem` and the last lines of its log.
    """
    interfaces = host_interfaces or {}
    begun = logs.timestamp().decode()
    verb = "boot" if unattended else "start"
    outcomes = _ask([Request(verb, name, path, grace, interfaces.get(name, ())) for name, path in items])
    for name, path in items:
        if not outcomes[name].ok:
            outcomes[name].log_tail = log_files.tail(path, _TAIL, begun)
    return outcomes


def stop(items: list[tuple[str, int | None, float | None]]) -> dict[str, Outcome]:
    """Stop containers (name, signal or None, seconds until SIGKILL or None); answer when all of each is gone. One that does not run is ok."""
    return _ask([Request("stop", name, signal=signal, timeout=timeout) for name, signal, timeout in items])


def refresh(name: str) -> Outcome:
    """Let the supervisor read again what costs nothing to change: stop signal and timeout, restart policy, size of the log."""
    return _ask([Request("refresh", name)])[name]


def is_there() -> bool:
    """True when a supervisor listens."""
    try:
        _connect().close()
    except OSError:
        return False
    return True


def adopt() -> None:
    """Start a supervisor if there is none: it adopts the containers that a killed one has left running."""
    if not is_there():
        _launch()


def _ask(requests):
    if not requests:
        return {}
    digest = os.path.basename(os.path.realpath(f"{places.LIBRARY}/current"))
    data = Request("code", digest).render() + b"".join(request.render() for request in requests) + b"end\n"
    deadline = time.monotonic() + _CONNECT_WAIT
    while True:
        answers = _exchange(data)
        outcomes = {}
        for line in answers.split(b"\n")[:-1]:
            outcome = protocol.parse_outcome(line.decode("utf-8", "surrogateescape"))
            outcomes[outcome.name] = outcome
        if outcomes.keys() >= {request.name for request in requests}:
            return outcomes
        # It ended or handed over to a newer version while we asked: ask its successor, the requests are idempotent.
        if time.monotonic() > deadline:
            raise LauncherError("the supervisor does not answer", remedy=f"Look at {places.RUN}/supervisor.log")
        time.sleep(0.02)


def _exchange(data):
    """Send a request, return all that is answered until the supervisor closes; b"" when it went away."""
    deadline = time.monotonic() + _CONNECT_WAIT
    while True:
        try:
            connection = _connect()
            break
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.ECONNREFUSED, errno.ECONNRESET):
                raise
        if time.monotonic() > deadline:
            raise LauncherError("the supervisor could not be started", remedy=f"Look at {places.RUN}/supervisor.log")
        _launch()
    try:
        view = memoryview(data)
        while view:
            view = view[connection.send(view):]
        answers = b""
        while True:
            while not _is_readable(connection, _PATIENCE):
                _check_alive(connection)
            piece = connection.recv(65536)
            if not piece:
                return answers
            answers += piece
    except (BrokenPipeError, ConnectionResetError):
        return b""
    finally:
        connection.close()


def _is_readable(connection, seconds):
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    return bool(poll.poll(int(seconds * 1000)))


def _check_alive(connection):
    """A long stop takes its time, but a supervisor that lives ends an empty conversation at once. LauncherError names one that does not."""
    probe = _connect()
    try:
        probe.send(b"end\n")
        if _is_readable(probe, _PATIENCE):
            return
    finally:
        probe.close()
    credentials = connection.getsockopt(_socket.SOL_SOCKET, _socket.SO_PEERCRED, 12)
    pid = int.from_bytes(credentials[:4], sys.byteorder)
    fields = procs.stat_fields(pid) or ["gone"]
    raise LauncherError(f"the supervisor (pid {pid}, state {fields[0]}) does not answer", remedy=f"Look at {places.RUN}/supervisor.log; "
                        f"if it is stuck, end it with kill -9 {pid}: the containers go on, and the next request makes a new one")


def _connect():
    connection = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM | _socket.SOCK_CLOEXEC)
    try:
        connection.connect(places.SOCKET)
    except OSError:
        connection.close()
        raise
    return connection


def _launch():
    """Start a supervisor that belongs to nobody: another session, parent PID 1, no descriptor of ours. Returns when it listens or has
    left because another one was there first."""
    files.make_directories(places.RUN)
    protocol.lock_down(places.RUN)
    tree = f"{places.LIBRARY}/current"
    if not os.path.exists(f"{tree}/__main__.py"):
        raise LauncherError("the launcher's code is not on this host", remedy="Run a play with the module coracle.launcher.containers")
    ready, done = os.pipe()
    pid = os.fork()
    if pid == 0:
        _child(done, tree)
    os.close(done)
    os.waitpid(pid, 0)
    poll = select.poll()
    poll.register(ready, select.POLLIN | select.POLLHUP)
    poll.poll(int(_CONNECT_WAIT * 1000))
    os.close(ready)


def _child(done, tree):
    try:
        os.setsid()
        if os.fork():
            os._exit(0)
        os.chdir("/")
        os.umask(0o077)
        _signal.pthread_sigmask(_signal.SIG_SETMASK, [])
        log = os.open(f"{places.RUN}/supervisor.log", os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        null = os.open("/dev/null", os.O_RDWR)
        # First out of the way of 0 to 3, any of which the caller may have closed, then into place.
        high = [fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 10) for descriptor in (null, null, log, done)]
        for number, descriptor in enumerate(high):
            os.dup2(descriptor, number)
        libc.close_range(len(high))
        interpreter = os.readlink(f"{tree}/python")
        words = [interpreter, "-I", "-S", f"{os.path.realpath(tree)}/__main__.py", "supervisor", "ready=3"]
        os.execve(interpreter, words, {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"})
    finally:
        os._exit(1)
