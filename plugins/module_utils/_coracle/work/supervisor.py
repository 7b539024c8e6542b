# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The supervisor of a host: starts containers, waits for them, starts them again as their restart policy says, and cleans up after them.

One a host, made by the first request and gone with the last container. Killed at any moment, the containers go on and the next one adopts
them from /run/coracle/NAME/state. The requests are in protocol.py, the order of a start in start.py, the output in logs.py, and the
rooms of this process in supervise/.
"""

from __future__ import annotations

import gc
import os
import sys

from ..base import files, places
from ..base.errors import LauncherError
from ..kernel.cgroup import detect
from ..model.state import RUNNING
from . import protocol, records, start
from .limits import Cgroup
from .supervise import adoption
from .supervise.clients import Clients
from .supervise.lives import Lives
from .supervise.loop import Loop
from .supervise.words import complain, told

LOCK = f"{places.RUN}/supervisor.lock"
_FIRST_REQUEST = 5.0  # seconds that the client which has started a supervisor may take to connect


class Supervisor:
    """See the module. `digest` names the code that this process runs; `lock` is held, and says that there is no other."""

    def __init__(self, digest: str, lock: files.Lock):
        self.digest, self.lock = digest, lock
        self.loop = Loop()
        self.clients = Clients(self.loop, self._handle, self._learn_code)
        self.lives = Lives(self.loop, self.clients, digest)
        self.successor = None

    def serve(self, ready: int) -> None:
        """Listen, close `ready` to tell the client that started us, and work until nothing is left to do."""
        self._leave_callers_cgroup()
        adoption.adopt_all(self.loop, self.lives)
        self.clients.listen()
        gc.collect()
        gc.freeze()  # what is here now is shared by all children; do not let the collector touch it
        if ready >= 0:
            os.close(ready)
            patience = self.loop.after(_FIRST_REQUEST, lambda: None)
            self.loop.turn()  # whoever started us is about to ask; with nothing to do yet we would be gone before
            self.loop.cancel(patience)
        while self.lives.containers or self.clients.connections or not self._leave():
            self.loop.turn()
            if self.successor and not self.lives.is_busy():
                self._hand_over()

    def _leave_callers_cgroup(self):
        # Else we, and with us the supervision, would end with whoever happened to make the first request.
        try:
            self.lives.layout = detect.find()  # once: the mounts of a host do not move
            group = Cgroup(self.lives.layout, places.SUPERVISOR_CGROUP)
            group.create()
            group.attach(os.getpid())
        except (LauncherError, OSError) as error:
            complain(f"no cgroup of its own: {error}")
        try:
            files.write_text("/proc/self/oom_score_adj", "-500")
        except OSError:
            pass  # needs CAP_SYS_RESOURCE

    def _leave(self):
        """Nothing left to do: True when this process may end."""
        if not self.clients.close():
            return False
        self.lives.log.close()
        self._remove_own_cgroup()
        records.tidy(places.RUN, ("supervisor.lock", "supervisor.log"))
        return True

    def _remove_own_cgroup(self):
        try:
            layout = self.lives.layout or detect.find()
            Cgroup(layout, "").attach(os.getpid())
            Cgroup(layout, places.SUPERVISOR_CGROUP).remove()
        except (LauncherError, OSError) as error:
            complain(f"its cgroup stays: {error}")

    def _learn_code(self, digest):
        if digest != self.digest and all(c in "0123456789abcdef" for c in digest) and os.path.exists(f"{places.LIBRARY}/{digest}/__main__.py"):
            self.successor = digest

    def _hand_over(self):
        """Become the newer code by exec in place: our children stay our children, and the new code adopts them from their state."""
        tree = f"{places.LIBRARY}/{self.successor}"
        if not os.path.exists(f"{tree}/__main__.py"):  # a still newer one has replaced it; the next request tells which
            self.successor = None
            return
        self.lives.log.close()
        os.execve(sys.executable, [sys.executable, "-I", "-S", f"{tree}/__main__.py", "supervisor", f"lock={self.lock.hand_on()}"], {})

    # --- requests

    def _handle(self, connection, request):
        try:
            if request.verb in ("start", "boot"):
                self.lives.start(connection, request)
            elif request.verb == "stop":
                self._stop(connection, request)
            else:
                self.lives.refresh(request.name)
                self.clients.answer(connection, protocol.Outcome(request.name, ok=True))
        except (LauncherError, OSError) as error:
            self.clients.answer(connection, protocol.Outcome(request.name, problem=told(error)))

    def _stop(self, connection, request):
        if request.name in self.lives.containers:
            self.lives.stop(connection, request)
            return
        state = records.read_state(request.name)
        if records.is_running(state):
            try:
                self.lives.containers[request.name] = adoption.follow(self.loop, self.lives, state)
            except (LauncherError, ProcessLookupError):  # it has just ended by itself
                pass
            else:
                self.lives.stop(connection, request)
                return
        self._clean_up(connection, request.name, state)

    def _clean_up(self, connection, name, state):
        """It does not run: nothing is to be done but cleaning."""
        if state is not None and state.status == RUNNING:
            start.bury(state, self.lives.layout)
        else:
            start.clean(name, start.cgroup_of(name, self.lives.layout))
            if records.is_restarting(state):  # and could not be adopted
                state.restart_at = None
                records.write_state(state)
        outcome = protocol.Outcome(name, ok=True, exit_code=state.exit_code if state else None)
        self.lives.when_gone(state.host_interfaces if state else [], lambda: self.clients.answer(connection, outcome))
