# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The start of one container by a supervisor: its directory in /run, its FIFOs, and the order of work/start.py. Nothing here waits."""

from __future__ import annotations

import os
import time

from ...base import files
from ...base.errors import LauncherError
from ...kernel import procs
from ...kernel.net import read
from ...model import settings
from .. import logs, records, start


def spawn(container, layout, log) -> None:
    """Start `container` with its spec; afterwards it has `pidfd`, `report` and `group`, and its state is written.

    `layout`: of the cgroups, or None; `log`: the LogReader. LauncherError, OSError: the caller cleans up.
    """
    opened = []
    try:
        entry = start.prepare(container.name, container.path, container.spec)
        missing = missing_interfaces(container)
        if missing:
            raise LauncherError(f"its network interface {missing[0]} has gone since it was attached", option="networks", remedy="Start it again")
        container.group = start.make_cgroup(container.name, container.spec, layout)
        entry.netns = start.open_netns(container.name)
        opened.append(entry.netns)
        _make_run_directory(container)
        opened.append(_open_stdio(container, entry))
        log.add(container)
        spawned = start.spawn(entry, container.group, lambda pid, started: _record(container, pid, started))
    finally:
        for fd in opened:
            os.close(fd)
    container.pidfd, container.report = spawned.pidfd, spawned.report
    os.set_blocking(container.report, False)


def missing_interfaces(container) -> list[str]:
    """The host ends of its veth pairs that should be there and are not."""
    return [name for name in container.state.host_interfaces if not read.exists(name)]


def _make_run_directory(container):
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


def _open_stdio(container, entry):
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


def _record(container, pid, started):
    state = container.state
    state.pid, state.starttime, state.boot_id, state.started_at = pid, started, procs.boot_id(), time.time()
    records.write_state(state)
