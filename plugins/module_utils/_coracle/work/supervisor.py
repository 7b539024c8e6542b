# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The supervisor of a host: an event loop over pidfds, pipes and timers that starts containers, waits for them, and cleans up after them.

One a host, made by the first request and gone with the last container. Killed at any moment, the containers go on and the next one adopts
them from /run/coracle/NAME/state. The requests are in protocol.py, the order of a start in start.py, the output in logs.py.
"""

from __future__ import annotations

import _signal
import _socket
import errno
import fcntl
import gc
import os
import select
import sys
import time

from ..base import files, libc, places, text
from ..base.errors import LauncherError
from ..kernel import procs
from ..kernel.cgroup import detect
from ..kernel.net import read
from ..model import settings
from ..model.state import EXITED, RUNNING, State
from . import logs, protocol, records, start
from .limits import Cgroup

LOCK = f"{places.RUN}/supervisor.lock"
_LOG_WAIT = 1.0  # seconds that the end of a container waits for the log reader
_READER_WAIT = 3.0  # seconds that the log reader may take to leave
_REAP_WAIT = 2.0  # seconds that an adopted container's exit status may take to appear (its parent must reap it)
_ACCEPT_WAIT = 0.1  # seconds without accepting after it has failed
_VANISH_WAIT = 5.0  # seconds that the kernel may take to remove a network namespace's interfaces
_STARTING, _GRACE, _UP, _ENDING = "starting", "grace", "up", "ending"


class _Container:
    """One container that runs, starts or ends under this supervisor."""

    __slots__ = ("name", "path", "spec", "state", "pidfd", "group", "report", "said", "phase", "problem", "grace", "starters", "stoppers",
                 "child", "status", "log_open", "timer", "deadline", "next_starts", "output")

    def __init__(self, name, path, spec):
        self.name, self.path, self.spec = name, path, spec
        self.state = State(name, path)
        self.pidfd, self.report, self.group, self.said = -1, -1, None, b""
        self.phase, self.problem, self.grace = _STARTING, "", 0.0
        self.starters, self.stoppers, self.next_starts = [], [], []
        self.child, self.status, self.log_open, self.output = True, None, False, []
        self.timer, self.deadline = None, None  # of its phase; of a stop, that SIGKILL follows

    def release_output(self) -> None:
        """Leave its output to the container and the log reader."""
        while self.output:
            os.close(self.output.pop())


class Supervisor:
    """See the module. `digest` names the code that this process runs; `lock` is held, and says that there is no other."""

    def __init__(self, digest: str, lock: files.Lock):
        self.digest, self.lock = digest, lock
        self.epoll = select.epoll()
        self.handlers = {}  # fd -> function(events)
        self.timers = []  # [deadline, function]
        self.containers = {}
        self.connections = set()
        self.listener: _socket.socket = None  # until it listens
        self.log = _LogReader(self)
        self.successor = None
        self.layout = None  # of the cgroups; found once, the mounts of a host do not move

    # --- life of the supervisor

    def serve(self, ready: int) -> None:
        """Listen, close `ready` to tell the client that started us, and work until nothing is left to do."""
        self._leave_callers_cgroup()
        self._adopt_all()
        self._listen()
        gc.collect()
        gc.freeze()  # what is here now is shared by all children; do not let the collector touch it
        if ready >= 0:
            os.close(ready)
        while self.containers or self.connections or not self._leave():
            self._turn()
            if self.successor and not self._busy():
                self._hand_over()

    def _turn(self):
        timeout = max(0.0, min(timer[0] for timer in self.timers) - time.monotonic()) if self.timers else -1
        for fd, events in self.epoll.poll(timeout):
            handler = self.handlers.get(fd)
            if handler is not None:
                handler(events)
        now = time.monotonic()
        for timer in [timer for timer in self.timers if timer[0] <= now]:
            if timer in self.timers:
                self.timers.remove(timer)
                timer[1]()

    def watch(self, fd, handler, events=select.EPOLLIN):
        self.handlers[fd] = handler
        self.epoll.register(fd, events)

    def unwatch(self, fd):
        if self.handlers.pop(fd, None) is not None:
            self.epoll.unregister(fd)

    def after(self, seconds, function):
        timer = [time.monotonic() + seconds, function]
        self.timers.append(timer)
        return timer

    def cancel(self, timer):
        if timer in self.timers:
            self.timers.remove(timer)

    def _leave_callers_cgroup(self):
        # Else we, and with us the supervision, would end with whoever happened to make the first request.
        try:
            self.layout = detect.find()
            group = Cgroup(self.layout, places.SUPERVISOR_CGROUP)
            group.create()
            group.attach(os.getpid())
        except (LauncherError, OSError) as error:
            _complain(f"no cgroup of its own: {error}")
        try:
            files.write_text("/proc/self/oom_score_adj", "-500")
        except OSError:
            pass  # needs CAP_SYS_RESOURCE

    def _listen(self):
        temporary = f"{places.SOCKET}.new"
        try:
            os.unlink(temporary)
        except FileNotFoundError:
            pass
        listener = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM | _socket.SOCK_CLOEXEC | _socket.SOCK_NONBLOCK)
        listener.bind(temporary)
        os.chmod(temporary, 0o600)
        listener.listen(128)
        os.rename(temporary, places.SOCKET)  # a stale socket of a killed supervisor disappears; nobody ever sees none
        self.listener = listener
        self.watch(listener.fileno(), lambda _events: self._accept())

    def _accept(self):
        while True:
            try:
                fd, _address = self.listener._accept()  # type: ignore[attr-defined]  # the C half of socket.accept()
            except BlockingIOError:
                return False
            except OSError as error:  # no descriptor or no memory left: later, and the clients wait in the queue
                _complain(f"cannot accept a request: {error}")
                self.unwatch(self.listener.fileno())
                self.after(_ACCEPT_WAIT, lambda: self.watch(self.listener.fileno(), lambda _events: self._accept()))
                return True
            connection = protocol.Connection(fd)
            if connection.peer_uid() != 0:
                connection.close()
                continue
            self.connections.add(connection)
            self.watch(fd, lambda _events, connection=connection: self._read(connection))
            return True

    def _leave(self):
        """Nothing left to do: stop listening, unless a request has come in between. True when this process may end."""
        try:
            os.unlink(places.SOCKET)
        except FileNotFoundError:
            pass  # somebody has cleaned up /run
        if self._accept():
            self.unwatch(self.listener.fileno())
            self.listener.close()
            self._listen()
            return False
        self.log.close()
        self._remove_own_cgroup()
        records.tidy(places.RUN, ("supervisor.lock", "supervisor.log"))
        return True

    def _remove_own_cgroup(self):
        try:
            layout = self.layout or detect.find()
            Cgroup(layout, "").attach(os.getpid())
            Cgroup(layout, places.SUPERVISOR_CGROUP).remove()
        except (LauncherError, OSError) as error:
            _complain(f"its cgroup stays: {error}")

    def _busy(self):
        return any(container.phase != _UP or container.stoppers for container in self.containers.values())

    def _hand_over(self):
        """Become the newer code by exec in place: our children stay our children, and the new code adopts them from their state."""
        tree = f"{places.LIBRARY}/{self.successor}"
        if not os.path.exists(f"{tree}/__main__.py"):  # a still newer one has replaced it; the next request tells which
            self.successor = None
            return
        self.log.close()
        os.execve(sys.executable, [sys.executable, "-I", "-S", f"{tree}/__main__.py", "supervisor", f"lock={self.lock.hand_on()}"], {})

    # --- requests

    def _read(self, connection):
        connection.flush()
        requests = connection.receive()
        if requests is None:
            self._drop(connection)
            return
        connection.pending += sum(request.verb != "code" for request in requests)  # all of them, before the first can be answered
        for request in requests:
            self._handle(connection, request)
        self._finish(connection)

    def _handle(self, connection, request):
        if request.verb == "code":
            if request.name != self.digest and all(c in "0123456789abcdef" for c in request.name) \
                    and os.path.exists(f"{places.LIBRARY}/{request.name}/__main__.py"):
                self.successor = request.name
            return
        try:
            if request.verb == "start":
                self._start(connection, request)
            elif request.verb == "stop":
                self._stop(connection, request)
            else:
                self._refresh(connection, request)
        except (LauncherError, OSError) as error:
            self._answer(connection, protocol.Outcome(request.name, problem=_told(error)))

    def _finish(self, connection):
        if not connection.complete or connection.pending or connection not in self.connections:
            return
        if connection.unsent:
            self.epoll.modify(connection.fd, select.EPOLLIN | select.EPOLLOUT)
        else:
            self._drop(connection)

    def _answer(self, connection, outcome):
        connection.pending -= 1
        connection.send(outcome)
        self._finish(connection)

    def _drop(self, connection):
        if connection in self.connections:
            self.connections.discard(connection)
            self.unwatch(connection.fd)
            connection.close()

    def _answer_all(self, waiting, outcome):
        for connection in waiting:
            self._answer(connection, outcome)
        waiting.clear()

    # --- start

    def _start(self, connection, request):
        container = self.containers.get(request.name)
        if container is None:
            self._begin(connection, request)
        elif container.phase == _ENDING:
            container.next_starts.append((connection, request))
        elif container.phase == _UP:
            if records.read_state(request.name) is None:
                records.write_state(container.state)  # somebody has removed it; we still know
            self._answer(connection, protocol.Outcome(request.name, ok=True, pid=container.state.pid))
        else:
            container.starters.append(connection)

    def _begin(self, connection, request):
        previous = records.read_state(request.name)
        if records.is_running(previous):
            raise LauncherError(f"already runs in the foreground, as pid {previous.pid}", option="name", value=request.name,
                                remedy="End that coracle run first")
        container = _Container(request.name, request.path, {})
        container.grace = request.grace
        container.state.digest = self.digest
        container.state.host_interfaces = request.host_interfaces
        opened = []
        try:
            spawned = self._spawn(container, opened)
        except BaseException:
            container.release_output()
            start.clean(request.name, container.group)
            raise
        finally:
            for fd in opened:
                os.close(fd)
        container.pidfd, container.report = spawned.pidfd, spawned.report
        os.set_blocking(container.report, False)
        container.starters.append(connection)
        self.containers[request.name] = container
        self.watch(container.report, lambda _events: self._hear(container))
        self.watch(container.pidfd, lambda events: self._ended(container, events))

    def _spawn(self, container, opened):
        container.spec = records.read_settings(container.path)
        entry = start.prepare(container.name, container.path, container.spec)
        missing = [name for name in container.state.host_interfaces if not read.exists(name)]
        if missing:
            raise LauncherError(f"its network interface {missing[0]} has gone since it was attached", option="networks", remedy="Start it again")
        container.group = start.make_cgroup(container.name, container.spec, self.layout)
        entry.netns = start.open_netns(container.name)
        opened.append(entry.netns)
        self._make_run_directory(container)
        opened.append(self._open_stdio(container, entry))
        self.log.add(container)
        return start.spawn(entry, container.group, lambda pid, started: self._record_start(container, pid, started))

    def _make_run_directory(self, container):
        directory = records.run_directory(container.name)
        files.make_directories(directory)
        for stream in logs.STREAMS:
            try:
                os.unlink(f"{directory}/{stream}")
            except FileNotFoundError:
                pass
            os.mkfifo(f"{directory}/{stream}", 0o600)
        descriptor = files.open_directory(directory)
        try:
            files.write_whole(descriptor, "settings", settings.render(container.spec), durable=False)
        finally:
            os.close(descriptor)

    def _open_stdio(self, container, entry):
        """The container holds each FIFO open at both ends itself: without a reader it waits, it never gets SIGPIPE. So do we until the log
        reader has opened them. Returns the descriptor of its standard input."""
        directory = records.run_directory(container.name)
        container.output = [os.open(f"{directory}/{stream}", os.O_RDWR | os.O_CLOEXEC) for stream in logs.STREAMS]
        if container.spec.get("interactive"):
            reader, writer = os.pipe()
            source = os.open(f"/proc/self/fd/{reader}", os.O_RDWR | os.O_CLOEXEC)  # never at its end: a shell waits instead of leaving
            os.close(reader)
            os.close(writer)
        else:
            source = os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC)
        entry.stdio = (source, *container.output)
        return source

    def _record_start(self, container, pid, started):
        state = container.state
        state.pid, state.starttime, state.boot_id, state.started_at = pid, started, procs.boot_id(), time.time()
        records.write_state(state)

    def _hear(self, container):
        """The error pipe: its end without a word is the execve."""
        try:
            data = os.read(container.report, 4096)
        except BlockingIOError:
            return
        if data:
            container.said += data
            return
        self.unwatch(container.report)
        os.close(container.report)
        container.report = -1
        failure = start.read_failure(container.said)
        if failure is not None:
            container.problem = str(start.explain(failure, container.spec))
            container.status = failure.code << 8
        elif container.phase == _STARTING:
            container.phase = _GRACE
            container.timer = self.after(container.grace, lambda: self._survived(container))

    def _survived(self, container):
        if container.phase == _GRACE:
            container.phase = _UP
            self._answer_all(container.starters, protocol.Outcome(container.name, ok=True, pid=container.state.pid))

    # --- stop

    def _stop(self, connection, request):
        container = self.containers.get(request.name)
        if container is None:
            self._stop_other(connection, request)
            return
        if container.phase == _ENDING:
            container.stoppers.append(connection)
            return
        number, timeout = start.end_settings(container.spec)
        number = request.signal if request.signal is not None else number
        timeout = request.timeout if request.timeout is not None else timeout
        procs.send(container.pidfd, number)
        container.stoppers.append(connection)
        self.cancel(container.timer)
        self.cancel(container.deadline)
        if number != _signal.SIGKILL:
            container.deadline = self.after(timeout, lambda: procs.send(container.pidfd, _signal.SIGKILL))

    def _stop_other(self, connection, request):
        """Not ours: not running (then nothing is to be done but cleaning), or `coracle run` in somebody's foreground."""
        state = records.read_state(request.name)
        try:
            container = self._follow(state) if records.is_running(state) else None
        except (LauncherError, ProcessLookupError):  # it has just ended by itself
            container = None
        if container is not None:
            self.containers[container.name] = container
            self._stop(connection, request)
            return
        if state is not None and state.status == RUNNING:
            start.bury(state, self.layout)
        else:
            start.clean(request.name, start.cgroup_of(request.name, self.layout))
        outcome = protocol.Outcome(request.name, ok=True, exit_code=state.exit_code if state else None)
        self._when_gone(state.host_interfaces if state else [], time.monotonic() + _VANISH_WAIT, lambda: self._answer(connection, outcome))

    # --- the end of a container

    def _ended(self, container, events):
        if container.phase == _ENDING:
            return
        if not self._learn_status(container, events):
            return
        if container.report >= 0:
            self._hear(container)
            if container.report >= 0:
                self._hear(container)
        lived = container.phase
        container.phase = _ENDING
        self.cancel(container.timer)
        self.cancel(container.deadline)
        self.unwatch(container.pidfd)
        state = container.state
        state.status, state.finished_at = EXITED, time.time()
        state.exit_code = None if container.status is None else procs.exit_code_of(container.status)
        state.oom = bool(container.group.usage().get("oom_kills")) and state.exit_code == 128 + _signal.SIGKILL
        if container.status is None:
            state.reason = "nobody saw the end: it was adopted, and this kernel does not tell"
        if lived in (_STARTING, _GRACE) and not container.problem:
            container.problem = _why_ended(state)
        state.reason = state.reason or container.problem
        if container.log_open:
            container.timer = self.after(_LOG_WAIT, lambda: self._clean(container))
        else:
            self._clean(container)

    def _learn_status(self, container, events):
        """True when the end is certain and its status known, or known to be lost."""
        if container.child:
            try:
                pid, status = os.waitpid(container.state.pid, os.WNOHANG)
            except ChildProcessError:
                container.child = False
            else:
                if pid:
                    container.status = status if not container.problem else container.status
                return bool(pid)
        code = procs.exit_code_of_reaped(container.pidfd)
        if code is None and not events & select.EPOLLHUP and container.status is None and events:
            # The parent has not reaped it yet; a level-triggered EPOLLIN would spin. EPOLLHUP comes with the reaping.
            self.epoll.modify(container.pidfd, 0)
            self.after(_REAP_WAIT, lambda: self._ended(container, 0))
            return False
        container.status = None if code is None else code << 8
        return True

    def log_opened(self, name):
        container = self.containers.get(name)
        if container is not None:
            container.release_output()

    def log_ended(self, name):
        container = self.containers.get(name)
        if container is not None and not container.output:  # else it is the end of an earlier one of this name
            container.log_open = False
            if container.phase == _ENDING and container.pidfd >= 0:
                self.cancel(container.timer)
                self._clean(container)

    def _clean(self, container):
        if container.pidfd < 0:
            return
        os.close(container.pidfd)
        container.pidfd = -1
        container.release_output()
        try:
            start.clean(container.name, container.group)
        except (LauncherError, OSError) as error:
            container.state.reason = f"{container.state.reason}; not all could be removed: {error}".lstrip("; ")
        _write_end(container.state)
        self._when_gone(container.state.host_interfaces, time.monotonic() + _VANISH_WAIT, lambda: self._forget(container))

    def _when_gone(self, interfaces, deadline, function):
        """Call `function` when the kernel has removed the interfaces of a namespace that is gone: it does so some milliseconds later."""
        if time.monotonic() < deadline and any(read.exists(name) for name in interfaces):
            self.after(0.004, lambda: self._when_gone(interfaces, deadline, function))
        else:
            function()

    def _forget(self, container):
        del self.containers[container.name]
        state = container.state
        failed = protocol.Outcome(container.name, pid=state.pid, exit_code=state.exit_code, problem=container.problem or _why_ended(state))
        self._answer_all(container.starters, failed)
        self._answer_all(container.stoppers, protocol.Outcome(container.name, ok=True, exit_code=state.exit_code))
        for connection, request in container.next_starts:
            try:
                self._start(connection, request)
            except (LauncherError, OSError) as error:
                self._answer(connection, protocol.Outcome(request.name, problem=_told(error)))

    # --- adoption

    def _adopt_all(self):
        for name in records.names():
            state = records.read_state(name)
            if state is None or state.status != RUNNING:
                continue
            try:
                if not records.is_running(state):
                    start.bury(state, self.layout)
                elif not state.foreground:
                    self.containers[name] = self._follow(state)
            except (LauncherError, OSError) as error:  # one of them must not keep the others from being adopted
                _complain(f"cannot adopt {name}: {error}")

    def _follow(self, state):
        """A container that somebody else started: watch it by its pidfd."""
        pidfd = os.pidfd_open(state.pid)
        if not records.is_running(state):  # looked again with the pidfd in hand: it names the very process or nothing
            os.close(pidfd)
            raise LauncherError("has just ended", option="name", value=state.name)
        container = _Container(state.name, state.path, records.read_started(state.name) or {})
        container.state, container.pidfd, container.phase = state, pidfd, _UP
        container.group = start.cgroup_of(state.name, self.layout)
        if not state.foreground:
            self.log.add(container)
        self.watch(pidfd, lambda events: self._ended(container, events))
        return container

    def _refresh(self, connection, request):
        """Settings that cost nothing to change: stop signal and timeout, size of the log."""
        container = self.containers.get(request.name)
        if container is not None:
            fresh = records.read_settings(container.path)
            for option in ("stop_signal", "stop_timeout", "log_max_size"):
                container.spec.pop(option, None)
                if option in fresh:
                    container.spec[option] = fresh[option]
            self.log.limit(container)
        self._answer(connection, protocol.Outcome(request.name, ok=True))


def _told(error):
    if isinstance(error, LauncherError):
        return str(error)
    return f"the host refused: {error.strerror or error}" + (f" ({error.filename})" if error.filename else "")


def _complain(problem):
    """One line for supervisor.log, while there is room for it."""
    try:
        os.write(2, f"supervisor: {problem}\n".encode("utf-8", "backslashreplace"))
    except OSError:
        pass


def _write_end(state):
    """A full /run must not end the supervision of the others: that this one has ended, its pid tells."""
    try:
        records.write_state(state)
    except OSError as error:
        _complain(f"how {state.name} ended is not kept: {error}")


def _why_ended(state):
    if state.oom:
        return "was killed by the kernel: it needs more memory than its limit"
    if state.exit_code is None:
        return "has ended, and nobody saw how"
    if state.exit_code > 128:
        return f"ended at once by signal {state.exit_code - 128} (exit code {state.exit_code})"
    return f"ended at once with exit code {state.exit_code}"


class _LogReader:
    """The supervisor's side of the log reader: forked when the first container starts, forked again when it dies."""

    def __init__(self, supervisor):
        self.supervisor = supervisor
        self.control, self.ended, self.pid, self.rest = -1, -1, 0, b""

    def add(self, container):
        if self.control < 0:
            self._fork()
        container.log_open = True
        self._order(f"add\t{container.name}\t{_log_limit(container)}\t{logs.directory_of(container.path)}")

    def limit(self, container):
        self._order(f"limit\t{container.name}\t{_log_limit(container)}")

    def _order(self, line):
        try:
            os.write(self.control, line.encode("utf-8", "surrogateescape") + b"\n")
        except OSError as error:
            if error.errno != errno.EPIPE:  # dead: _hear notices it and tells a new one everything
                raise

    def _fork(self):
        orders, self.control = os.pipe()
        self.ended, reports = os.pipe()
        pid = os.fork()
        if pid == 0:
            self._child(orders, reports)
        os.close(orders)
        os.close(reports)
        self.pid, self.rest = pid, b""
        self.supervisor.watch(self.ended, lambda _events: self._hear())

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
        data = os.read(self.ended, 4096)
        if not data:
            self._bury()
            return
        reports = (self.rest + data).split(b"\n")
        self.rest = reports.pop()
        for report in reports:
            name = report[1:].decode()
            if report.startswith(b"+"):
                self.supervisor.log_opened(name)
            else:
                self.supervisor.log_ended(name)

    def _bury(self):
        """The reader died. Another one goes on where it was: what it had read and not written is lost, the pipes are not."""
        self.supervisor.unwatch(self.ended)
        os.close(self.ended)
        os.close(self.control)
        os.waitpid(self.pid, 0)
        self.control = self.ended = -1
        for container in list(self.supervisor.containers.values()):
            if container.log_open:
                self.add(container)

    def close(self):
        if self.control >= 0:
            self.supervisor.unwatch(self.ended)
            os.close(self.control)
            self._end()
            os.close(self.ended)
            self.control = self.ended = -1

    def _end(self):
        """It writes what lies in the pipes and leaves; one that hangs must not keep us."""
        pidfd = os.pidfd_open(self.pid)
        if not procs.wait_end(pidfd, _READER_WAIT):
            procs.send(pidfd, _signal.SIGKILL)
        os.close(pidfd)
        os.waitpid(self.pid, os.WNOHANG)


def _log_limit(container):
    limit = container.spec.get("log_max_size", settings.DEFAULTS["log_max_size"])
    return limit if limit != text.UNLIMITED else 0
