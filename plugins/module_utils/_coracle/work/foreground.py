# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`coracle run`: the article's ./a.out, a container in the foreground on the caller's terminal. No supervisor: this process waits itself."""

from __future__ import annotations

import _signal
import os
import time

from ..base import places
from ..base.errors import LauncherError
from ..kernel import procs
from ..kernel.cgroup.limits.cpu import percent_to_shares
from ..kernel.net import read
from ..model.state import RUNNING, State
from . import client, records, relay, start

_FORWARDED = (_signal.SIGTERM, _signal.SIGHUP, _signal.SIGINT, _signal.SIGQUIT, _signal.SIGUSR1, _signal.SIGUSR2)


def run(path: str, say) -> int:
    """Run the container at `path` until its process ends; return its exit status (128+n after signal n).

    `say(text)` shows one of the article's messages. LauncherError when it could not be started, with `code` for the caller's status.
    """
    name, path = records.identify(None, os.path.abspath(path))
    with records.lock(name) as lock:
        if records.is_running(records.read_state(name)):
            raise LauncherError("runs already", option="name", value=name, remedy=f"Look with coracle list, stop it with coracle stop {name}")
        spec = records.read_settings(path)
        start.check(path, spec)
        _settle(name)
        interfaces, group = _attach(name, spec), None
        try:
            entry = start.prepare(name, path, spec)
            group = start.make_cgroup(name, spec)
            _show_limits(spec, say)
            return _run(name, path, spec, entry, group, interfaces, say, lock)
        finally:
            if not records.is_running(records.read_state(name)):  # else a play has stopped ours and started another
                start.clean(name, group)
                _vanish(interfaces)
                records.forget(name)
                lock.remove()
                records.tidy(f"{places.RUN}/.locks", ())
                records.tidy(places.RUN, ())


def _settle(name):
    """Let the clean-up of an earlier run that was killed come before what this one makes."""
    state = records.read_state(name)
    if state is None or state.status != RUNNING:
        return
    if client.is_there():
        client.stop([(name, None, None)])
    else:
        start.bury(state)
    _vanish(state.host_interfaces)


def _attach(name, spec):
    if not spec.get("networks"):
        return []
    from .network import container as network  # brings pyroute2 in, a quarter of a second: only for a container that has networks

    network.validate(spec["networks"])
    return network.attach(name, spec["networks"])


def _vanish(interfaces):
    """The kernel removes the veth pair some milliseconds after its namespace."""
    deadline = time.monotonic() + 5
    while any(read.exists(interface) for interface in interfaces) and time.monotonic() < deadline:
        time.sleep(0.002)


def _run(name, path, spec, entry, group, interfaces, say, lock):
    entry.announce = entry.die_with_parent = True
    entry.netns = start.open_netns(name)
    terminal = relay.Terminal() if os.isatty(0) and os.isatty(1) else None
    pipes = None
    if terminal is not None:
        entry.terminal = terminal.child_end()
        entry.env.setdefault(b"TERM", os.environb.get(b"TERM", b"linux"))
    else:
        pipes = relay.Pipes()
        entry.stdio = pipes.child

    def record(pid, started):
        state = State(name, path)
        state.pid, state.starttime, state.boot_id, state.started_at = pid, started, procs.boot_id(), time.time()
        state.foreground, state.host_interfaces = True, interfaces
        records.write_state(state)
        say(f"Added PID {pid} in cgroup")

    spawned = start.spawn(entry, group, record)
    lock.release()  # while it runs, its state keeps others from starting it, and a play must be able to stop it
    try:
        connect(spawned.pidfd, terminal, pipes, forward=_FORWARDED)
    finally:
        if terminal is not None:
            terminal.restore()
        procs.send(spawned.pidfd, _signal.SIGKILL)
        _pid, status = os.waitpid(spawned.pid, 0)
        lock.take()
    failure = start.read_failure(os.read(spawned.report, 4096))
    if failure is not None:
        raise start.explain(failure, spec)
    say("Exiting container")
    return procs.exit_code_of(status)


def _show_limits(spec, say):
    memory = spec.get("memory")
    if memory is not None and memory >= 0:
        say(f"Mem limit: {memory} bytes")
    percent, shares = spec.get("cpu_percent"), spec.get("cpu_shares")
    if percent is not None:
        say(f"CPU shares: {percent_to_shares(percent)} ({percent}%)")
    elif shares is not None:
        say(f"CPU shares: {shares} ({shares * 100 // 1024}%)")


def connect(pidfd: int, terminal: relay.Terminal | None, pipes: relay.Pipes | None, forward=(), stdin: bool = True) -> None:
    """Copy between the caller and the container until its process has ended. `forward`: signals that are passed on to it."""
    loop = relay.Loop(pidfd)
    for number in forward:
        loop.on_signal(number, lambda received: procs.send(pidfd, received))
    if terminal is not None:
        master = terminal.connect()
        if master is None:
            outputs = ()
        else:
            outputs = (master,)
            loop.copy(master, 1, None)
            loop.copy(0, master, None, into=True)
            loop.on_signal(_signal.SIGWINCH, lambda _number: terminal.resized())
    else:
        pipes.close_child_ends()
        outputs = (pipes.stdout, pipes.stderr)
        loop.copy(pipes.stdout, 1, None)
        loop.copy(pipes.stderr, 2, None)
        if stdin:
            loop.copy(0, pipes.stdin, lambda: os.close(pipes.stdin), into=True)
        else:
            os.close(pipes.stdin)
    loop.run(outputs)
