# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The containers of a supervisor, each from its start to its end, and to the next start that its restart policy asks for."""

from __future__ import annotations

import _signal
import os
import time

from ...base.errors import HOST_FAILED, LauncherError
from ...kernel import procs
from ...kernel.net import read
from ...model import restart
from ...model.state import EXITED
from .. import marks, protocol, records, start
from . import endings, spawning
from .container import ATTACHING, ENDING, GRACE, STARTING, UP, WAITING, Container
from .reader import LogReader
from .restarts import Restarts
from .words import complain, told

_LOG_WAIT = 1.0  # seconds that the end of a container waits for the log reader
_VANISH_WAIT = 5.0  # seconds that the kernel may take to remove a network namespace's interfaces


class Lives:
    """`containers`: {name: Container}, of its present run. `clients` answers; `digest`: of the code that starts them; `layout`: of the
    cgroups, None until somebody knows it."""

    __slots__ = ("containers", "layout", "log", "restarts", "_loop", "_clients", "_digest")

    def __init__(self, loop, clients, digest):
        self.containers = {}
        self.layout = None
        self.log = LogReader(loop, self.containers, self._log_ended)
        self.restarts = Restarts(loop, self._start_again, self.settle)
        self._loop, self._clients, self._digest = loop, clients, digest

    def is_busy(self) -> bool:
        """Whether something goes on that another process could not take over from the states."""
        return any(container.phase not in (UP, WAITING) or container.stoppers for container in self.containers.values())

    # --- start

    def start(self, connection: protocol.Connection, request: protocol.Request) -> None:
        """A request to start one. LauncherError, OSError: it has failed, and nothing is left of it."""
        container = self.containers.get(request.name)
        if container is None:
            self._begin(connection, request)
        elif container.phase in (ENDING, WAITING, ATTACHING):
            container.next_starts.append((connection, request))
            if container.phase != ENDING:
                self.restarts.cancel(container)
                self._leave(container)
        elif container.phase == UP:
            if records.read_state(request.name) is None:
                records.write_state(container.state)  # somebody has removed it; we still know
            self._clients.answer(connection, protocol.Outcome(request.name, ok=True, pid=container.state.pid))
        else:
            container.starters.append(connection)

    def _begin(self, connection, request):
        previous = records.read_state(request.name)
        if records.is_running(previous):
            raise LauncherError(f"already runs in the foreground, as pid {previous.pid}", option="name", value=request.name,
                                remedy="End that coracle run first")
        container = Container(request.name, request.path)
        container.grace, container.unattended = request.grace, request.verb == "boot"
        container.state.digest, container.state.host_interfaces = self._digest, request.host_interfaces
        try:
            container.spec = records.read_settings(request.path)
            self._spawn(container)
        except BaseException as error:
            container.release_output()
            if container.unattended and isinstance(error, (LauncherError, OSError)):
                container.starters.append(connection)
                self._not_spawned(container, error)
                return
            start.clean(request.name, container.group)
            raise
        container.starters.append(connection)

    def _spawn(self, container):
        spawning.spawn(container, self.layout, self.log)
        self.containers[container.name] = container
        self._loop.watch(container.report, lambda _events: self._hear(container))
        self._loop.watch(container.pidfd, lambda events: self.ended(container, events))

    def _not_spawned(self, container, error):
        """A start that nobody asked for has failed: that counts like an end of its process."""
        self.containers[container.name] = container
        container.problem = container.state.reason = told(error)
        container.state.boot_id, container.state.exit_code = procs.boot_id(), HOST_FAILED
        container.state.status, container.state.finished_at = EXITED, time.time()
        container.phase = ENDING
        self.settle(container)

    def _hear(self, container):
        """The error pipe: its end without a word is the execve."""
        try:
            data = os.read(container.report, 4096)
        except BlockingIOError:
            return
        if data:
            container.said += data
            return
        self._loop.unwatch(container.report)
        os.close(container.report)
        container.report = -1
        failure = start.read_failure(container.said)
        if failure is not None:
            container.problem = str(start.explain(failure, container.spec))
            container.status = failure.code << 8
        elif container.phase == STARTING:
            container.phase = GRACE
            container.timer = self._loop.after(container.grace, lambda: self._survived(container))

    def _survived(self, container):
        if container.phase == GRACE:
            container.phase = UP
            self._clients.answer_all(container.starters, protocol.Outcome(container.name, ok=True, pid=container.state.pid))

    # --- stop

    def stop(self, connection: protocol.Connection, request: protocol.Request) -> None:
        """A request to stop one of `containers`: it ends for good."""
        container = self.containers[request.name]
        container.stoppers.append(connection)
        container.state.stopping = True
        if container.phase in (WAITING, ATTACHING):
            self.restarts.cancel(container)
            self._leave(container)
        elif container.phase != ENDING:
            _write(container.state)  # should we be killed now, nobody starts it again
            self._signal_end(container, request)

    def _signal_end(self, container, request):
        number, timeout = start.end_settings(container.spec)
        number = request.signal if request.signal is not None else number
        timeout = request.timeout if request.timeout is not None else timeout
        procs.send(container.pidfd, number)
        self._loop.cancel(container.timer)
        self._loop.cancel(container.deadline)
        if number != _signal.SIGKILL:
            container.deadline = self._loop.after(timeout, lambda: procs.send(container.pidfd, _signal.SIGKILL))

    def refresh(self, name: str) -> None:
        """Read again what costs nothing to change. LauncherError, OSError: the settings cannot be read."""
        container = self.containers.get(name)
        if container is None:
            return
        container.refresh()
        self.log.limit(container)
        if container.phase in (WAITING, ATTACHING) and self._refusal(container) is not None:
            self.restarts.cancel(container)
            self.settle(container)

    # --- the end of a run

    def ended(self, container: Container, events: int) -> None:
        """The pidfd of a container has become readable, or it is time to ask for its status again."""
        if container.phase not in (STARTING, GRACE, UP) or not endings.learn(self._loop, container, events, lambda: self.ended(container, 0)):
            return
        if container.report >= 0:
            self._hear(container)
            if container.report >= 0:
                self._hear(container)
        lived, container.phase = container.phase, ENDING
        self._loop.cancel(container.timer)
        self._loop.cancel(container.deadline)
        self._loop.unwatch(container.pidfd)
        self._record_end(container, lived)
        if container.log_open:
            container.timer = self._loop.after(_LOG_WAIT, lambda: self._close(container))
        else:
            self._close(container)

    def _record_end(self, container, lived):
        state = container.state
        state.status, state.finished_at = EXITED, time.time()
        state.exit_code = None if container.status is None else procs.exit_code_of(container.status)
        state.oom = endings.was_out_of_memory(container)
        if lived in (STARTING, GRACE) and not container.problem:
            container.problem = endings.told(state, at_once=True)
        state.reason = container.problem
        if container.status is None:
            state.reason = endings.UNTOLD
        if procs.uptime(state.starttime) >= restart.GOOD_LIFE:
            state.row = 0
        container.unattended = container.unattended or lived == UP

    def _log_ended(self, container):
        if container.phase == ENDING and container.pidfd >= 0:
            self._loop.cancel(container.timer)
            self._close(container)

    def _close(self, container):
        if container.pidfd < 0:
            return
        os.close(container.pidfd)
        container.pidfd = -1
        self.settle(container)

    def _refusal(self, container):
        """Why it is not started again; None when it is."""
        if container.state.foreground or container.state.stopping or container.next_starts or not container.unattended:
            return ""
        return restart.refusal(container.spec, container.state.exit_code, container.state.row)

    def settle(self, container: Container) -> None:
        """What becomes of a run that has ended: the container waits for its next start, or is left alone."""
        state = container.state
        refusal = self._refusal(container)
        if refusal is None:
            try:
                self.wait(container, restart.delay(state.row))
                self._tell(container, "; it is started again")
                return
            except (LauncherError, OSError) as error:
                refusal = f"not started again: {told(error)}"
        if refusal:
            state.reason = f"{state.reason or endings.told(state)}; {refusal}"
        if container.unattended and restart.minds_stop(container.spec) and not state.stopping and not container.next_starts:
            _mark(container)  # before the state says that it has ended: who starts it now removes the mark
        self._leave(container)

    def _leave(self, container):
        """Remove what is left of it in the kernel, write how it ended, and forget it."""
        state = container.state
        state.restart_at, container.phase = None, ENDING
        container.release_output()
        try:
            start.clean(container.name, container.group)
        except (LauncherError, OSError) as error:
            state.reason = f"{state.reason}; not all could be removed: {error}".lstrip("; ")
        _write(state)
        self.when_gone(state.host_interfaces, lambda: self._forget(container))

    def when_gone(self, interfaces: list[str], function, deadline: float | None = None) -> None:
        """Call `function()` when the kernel has removed the interfaces of a namespace that is gone: it does so some milliseconds later."""
        deadline = deadline or time.monotonic() + _VANISH_WAIT
        if time.monotonic() < deadline and any(read.exists(name) for name in interfaces):
            self._loop.after(0.004, lambda: self.when_gone(interfaces, function, deadline))
        else:
            function()

    def _forget(self, container):
        del self.containers[container.name]
        self._tell(container)
        for connection, request in container.next_starts:
            try:
                self.start(connection, request)
            except (LauncherError, OSError) as error:
                self._clients.answer(connection, protocol.Outcome(request.name, problem=told(error)))

    def _tell(self, container, more=""):
        """Answer everybody who waits for this run."""
        state = container.state
        problem = container.problem or endings.told(state, at_once=True)
        self._clients.answer_all(container.starters, protocol.Outcome(container.name, pid=state.pid, exit_code=state.exit_code, problem=problem + more))
        self._clients.answer_all(container.stoppers, protocol.Outcome(container.name, ok=True, exit_code=state.exit_code))

    # --- restart

    def wait(self, container: Container, seconds: float) -> None:
        """Let a container that has ended wait for its next start. Its network and its cgroup stay. LauncherError, OSError."""
        if container.group is not None and container.group.processes():
            container.group.kill()
        container.release_output()
        state = container.state
        state.reason = state.reason or endings.told(state)
        state.restart_at = time.monotonic() + seconds
        _write(state)
        self.containers[container.name] = container
        self.restarts.wait(container, seconds)

    def _start_again(self, container):
        try:
            self._spawn(container)
        except (LauncherError, OSError) as error:
            container.release_output()
            self._not_spawned(container, error)


def _mark(container):
    try:
        marks.stop(container.path, durable=False)
    except OSError as error:
        complain(f"that {container.name} has ended for good is not kept: {error}")


def _write(state):
    """A full /run must not end the supervision of the others: that this one has ended, its pid tells."""
    try:
        records.write_state(state)
    except OSError as error:
        complain(f"the state of {state.name} is not kept: {error}")
