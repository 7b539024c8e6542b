# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`coracle exec`: one more process in a running container, in all its namespaces and its cgroup, with the privileges of the container."""

from __future__ import annotations

import _signal
import os

from ..base import libc
from ..base.errors import HOST_FAILED, LauncherError
from ..kernel import oom, procs
from . import foreground, inside, records, relay, start

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..model.state import State
    from .deadline import Deadline


def execute(name: str, command: list[str], *, user: str | None = None, cwd: str | None = None, env: dict[str, str] | None = None,
            terminal: bool = False, stdin: bool = False, limit: Deadline | None = None) -> int:
    """Run `command` (its first word an absolute path inside, or a name looked up in PATH) and return its exit status.

    `user`: USER or USER:GROUP, else the container's own. `limit`: how long it may take; who asks for one looks at its `expired`.
    LauncherError with `code` 125, 126 or 127 when it could not be run.
    """
    state, pidfd = find(name)
    spec = spec_of(state)
    entry = _entry(spec, command, user, cwd, env or {}, pidfd)
    entry.oom_score_adj = oom.read(state.pid)
    group = start.cgroup_of(name)
    if group.is_frozen():
        raise LauncherError("is frozen: nothing that enters it would run", option="name", value=name, remedy="Thaw it first")
    screen = relay.Terminal() if terminal else None
    pipes = None if terminal else relay.Pipes()
    if screen is not None:
        entry.terminal = screen.child_end()
        entry.env.setdefault(b"TERM", os.environb.get(b"TERM", b"linux"))
    else:
        entry.stdio = pipes.child
    try:
        spawned = _spawn(entry, group if limit is None else limit.group(), state)
        if limit is not None:
            limit.begin(spawned.pid)
        try:
            foreground.connect(spawned.pidfd, screen, pipes, forward=(_signal.SIGTERM, _signal.SIGHUP, _signal.SIGINT), stdin=stdin)
        finally:
            if screen is not None:
                screen.restore()
            procs.send(spawned.pidfd, _signal.SIGKILL)
            os.waitid(os.P_PID, spawned.pid, os.WEXITED | os.WNOWAIT)  # not reaped: the deadline may still signal its process group
    finally:
        if limit is not None:
            limit.end()
    _pid, status = os.waitpid(spawned.pid, 0)
    failure = start.read_failure(os.read(spawned.report, 4096))
    if failure is not None:
        raise start.explain(failure, {"command": command, "working_dir": entry.cwd})
    return procs.exit_code_of(status)


def find(name: str) -> tuple[State, int]:
    """The state of a running container and a pidfd of its init, which is that very process. LauncherError when it does not run."""
    state = records.read_state(name)
    if not records.is_running(state):
        raise LauncherError("is not running", option="name", value=name, remedy=f"Start it with coracle start {name}", code=HOST_FAILED)
    try:
        pidfd = os.pidfd_open(state.pid)
    except ProcessLookupError:
        pidfd = -1
    if pidfd < 0 or not records.is_running(state):
        raise LauncherError("has just ended", option="name", value=name, code=HOST_FAILED)
    return state, pidfd


def spec_of(state: State) -> dict:
    """The spec that a running container was started with. LauncherError when its settings cannot be read any more."""
    return records.read_started(state.name) or records.read_settings(state.path)  # the latter: `coracle run` keeps no copy


def _spawn(entry, group, state):
    try:
        libc.setns(entry.pidfd, libc.CLONE_NEWPID)  # of our children: the next fork is born inside
        return start.fork_into(entry, group, lambda _pid, _started: None)
    except OSError:
        if not records.is_running(state):  # nothing can be forked into a pid namespace whose init has ended
            raise LauncherError("has just ended", option="name", value=state.name, code=HOST_FAILED) from None
        raise


def _entry(spec, command, user, cwd, env, pidfd):
    entry = inside.Entry()
    entry.pidfd = pidfd
    entry.argv = [os.fsencode(word) for word in command]
    entry.env = start.environment(spec)
    entry.env.update((os.fsencode(key), os.fsencode(value)) for key, value in env.items())
    entry.user, entry.group = spec.get("user", "0"), spec.get("group")
    if user is not None:
        entry.user, _colon, group = user.partition(":")
        entry.group = group or None
    else:
        entry.groups = spec.get("groups", [])
    entry.cwd = cwd or spec.get("working_dir", "/")
    start.confine(entry, spec)
    entry.die_with_parent = True
    return entry
