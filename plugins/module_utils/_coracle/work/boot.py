# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The start and the end of the host: `coracle boot` and `coracle shutdown`. A shutdown is nobody's wish that a container does not run."""

from __future__ import annotations

import os

from ..base.errors import LauncherError
from ..model import restart
from ..model import spec as specs
from . import client, container, fleet, marks, records
from .inspect import Host


def boot() -> list[tuple[str, str]]:
    """Start all containers that should run and do not, as a task would, with one request to the supervisor.

    Returns (name, why) of those that did not come up. Those whose policy asks for it are started again by the supervisor. LauncherError:
    nothing could be done at all.
    """
    host, jobs, problems, is_left_alone = Host(), [], [], False
    for name in records.names():
        path = records.known_path(name)
        try:
            if records.is_running(records.read_state(name)):
                is_left_alone = True
            elif _should_run(path):
                jobs.append(_job(name, path, host))
        except (LauncherError, OSError) as error:
            problems.append((name, str(error)))
    work = fleet.Fleet(jobs, host, several=True)
    fleet.plan(work)
    fleet.apply(work)
    if is_left_alone:
        client.adopt()  # who waits for it may have been killed
    return problems + [(job.want.name, str(job.error)) for job in jobs if job.error is not None]


def _should_run(path):
    if not os.path.exists(f"{path}/settings") and path in marks.links().values():
        raise LauncherError(f"{path} is not there", remedy="Mount it, or remove its link in /var/lib/coracle/boot")
    return restart.is_started_at_boot(records.read_settings(path), marks.is_stopped(path))


def _job(name, path, host):
    want, have = container.read({"name": name, "path": path, "state": specs.STARTED}, host)
    want.unattended = True
    return container.Job(want, have)


def shutdown(timeout: float | None) -> list[tuple[str, str]]:
    """Stop all containers that run or wait for a restart, so that the next boot() starts them again. `timeout`: seconds until SIGKILL,
    None for each container's own. Returns (name, why) of those that could not be stopped."""
    names = [name for name in records.names() if records.is_active(records.read_state(name))]
    outcomes = client.stop([(name, None, timeout) for name in names])
    return [(name, outcomes[name].problem) for name in names if not outcomes[name].ok]
