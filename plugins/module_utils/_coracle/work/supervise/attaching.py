# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The network of a container that is started again, made by a child: a supervisor never loads pyroute2.

Mostly there is nothing to be made, since the namespace and its interfaces outlive the process. `needed()` tells.
"""

from __future__ import annotations

import _signal
import fcntl
import os

from ...base import libc
from ...base.errors import LauncherError
from ...kernel.net import netns
from . import spawning
from .words import told


def needed(container, before: dict) -> bool:
    """Whether the host has not what the spec of `container` asks; `before`: the spec of its last run, which it had then."""
    networks = container.spec.get("networks", [])
    if networks != before.get("networks", []):
        return True
    return bool(networks) and (not netns.exists(container.name) or bool(spawning.missing_interfaces(container)))


class Attachment:
    """A child at work. `done(interfaces, problem)` is called when it has ended: names of the host ends, or words for a person."""

    __slots__ = ("_loop", "_done", "_reader", "_pid", "_said")

    def __init__(self, loop, container, done):
        self._loop, self._done, self._said = loop, done, b""
        self._reader, writer = os.pipe()
        self._pid = os.fork()
        if self._pid == 0:
            _child(container.name, container.spec.get("networks", []), writer)
        os.close(writer)
        loop.watch(self._reader, lambda _events: self._hear())

    def _hear(self):
        data = os.read(self._reader, 4096)
        if data:
            self._said += data
            return
        self._bury()
        said = self._said.decode("utf-8", "replace")
        if said.startswith("+"):
            self._done(said[1:].split(), "")
        else:
            self._done([], said[1:] or "its network could not be made")

    def cancel(self) -> None:
        """End the child; `done` is not called."""
        os.kill(self._pid, _signal.SIGKILL)
        self._bury()

    def _bury(self):
        self._loop.unwatch(self._reader)
        os.close(self._reader)
        os.waitpid(self._pid, 0)


def _child(name, networks, writer):
    try:
        high = fcntl.fcntl(writer, fcntl.F_DUPFD_CLOEXEC, 10)
        os.dup2(high, 3, inheritable=False)
        libc.close_range(4)  # neither the lock nor the socket
        from ..network import container as network

        try:
            answer = "+" + " ".join(network.attach(name, networks))
        except (LauncherError, OSError) as error:
            answer = f"-{told(error)}"
        os.write(3, answer.encode("utf-8", "surrogateescape"))
    finally:
        os._exit(0)
