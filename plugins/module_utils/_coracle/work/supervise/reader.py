# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The supervisor's side of the log reader: forked when the first container starts, forked again when it dies."""

from __future__ import annotations

import _signal
import errno
import fcntl
import os

from ...base import libc, places, text
from ...kernel import procs
from ...model import settings
from .. import logs

_PATIENCE = 3.0  # seconds that the log reader may take to leave


class LogReader:
    """`loop`: of the supervisor; `containers`: {name: Container} of it, shared; `on_end(container)` is called when all that a container
    has written is on the disk."""

    __slots__ = ("_loop", "_containers", "_on_end", "_control", "_ended", "_pid", "_rest")

    def __init__(self, loop, containers, on_end):
        self._loop, self._containers, self._on_end = loop, containers, on_end
        self._control, self._ended, self._pid, self._rest = -1, -1, 0, b""

    def add(self, container) -> None:
        """Read what a container writes, whose FIFOs are there."""
        if self._control < 0:
            self._fork()
        container.log_open = True
        self._order(f"add\t{container.name}\t{_limit(container)}\t{logs.directory_of(container.path)}")

    def limit(self, container) -> None:
        """Its limit may be another now."""
        if self._control >= 0:
            self._order(f"limit\t{container.name}\t{_limit(container)}")

    def _order(self, line):
        try:
            os.write(self._control, line.encode("utf-8", "surrogateescape") + b"\n")
        except OSError as error:
            if error.errno != errno.EPIPE:  # dead: _hear notices it and tells a new one everything
                raise

    def _fork(self):
        orders, self._control = os.pipe()
        self._ended, reports = os.pipe()
        pid = os.fork()
        if pid == 0:
            self._child(orders, reports)
        os.close(orders)
        os.close(reports)
        self._pid, self._rest = pid, b""
        self._loop.watch(self._ended, lambda _events: self._hear())

    def _child(self, orders, reports):
        code = 1
        try:
            high = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 10) for fd in (orders, reports)]
            os.dup2(high[0], 3, inheritable=False)
            os.dup2(high[1], 4, inheritable=False)
            libc.close_range(5)  # neither the lock nor the socket
            logs.read_forever(3, 4, places.RUN)
            code = 0
        finally:
            os._exit(code)

    def _hear(self):
        data = os.read(self._ended, 4096)
        if not data:
            self._bury()
            return
        reports = (self._rest + data).split(b"\n")
        self._rest = reports.pop()
        for report in reports:
            container = self._containers.get(report[1:].decode())
            if container is None:
                continue
            if report.startswith(b"+"):
                container.release_output()
            elif not container.output:  # else it is the end of an earlier one of this name
                container.log_open = False
                self._on_end(container)

    def _bury(self):
        """The reader died. Another one goes on where it was: what it had read and not written is lost, the pipes are not."""
        self._loop.unwatch(self._ended)
        os.close(self._ended)
        os.close(self._control)
        os.waitpid(self._pid, 0)
        self._control = self._ended = -1
        for container in list(self._containers.values()):
            if container.log_open:
                self.add(container)

    def close(self) -> None:
        """Let it write what lies in the pipes, and wait until it has left; one that hangs must not keep us."""
        if self._control < 0:
            return
        self._loop.unwatch(self._ended)
        os.close(self._control)
        pidfd = os.pidfd_open(self._pid)
        if not procs.wait_end(pidfd, _PATIENCE):
            procs.send(pidfd, _signal.SIGKILL)
        os.close(pidfd)
        os.waitpid(self._pid, os.WNOHANG)
        os.close(self._ended)
        self._control = self._ended = -1


def _limit(container):
    limit = container.spec.get("log_max_size", settings.DEFAULTS["log_max_size"])
    return limit if limit != text.UNLIMITED else 0
