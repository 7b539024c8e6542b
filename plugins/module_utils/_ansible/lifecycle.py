# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules container and containers as run.py wants them: read, plan, apply, result. The work is in fleet.py of the core; here the
launcher's code is brought to the host when it is needed."""

from __future__ import annotations

import typing as t

from .._coracle.model.change import LIVE, Change
from .._coracle.work import client, container, fleet, inspect
from . import launcher

Options = dict[str, t.Any]


def read_one(options: Options) -> fleet.Fleet:
    """What `container` is about."""
    return fleet.read_one(options)


def read_all(options: Options) -> fleet.Fleet:
    """What `containers` is about."""
    return fleet.read(options["containers"], options["purge"])


def plan(_options: Options, have: fleet.Fleet) -> list[Change]:
    """All changes, those of the launcher first."""
    changes = fleet.plan(have)
    if fleet.needs_launcher(have):
        return launcher.plan_install() + changes
    if fleet.is_unsupervised(have):
        return [Change("supervisor", None, "running", LIVE, "it was killed; a new one adopts the containers that go on running"), *changes]
    return changes


def apply(_options: Options, have: fleet.Fleet, changes: list[Change]) -> None:
    """Make the changes. `changes` becomes what was done in the end: somebody else may have made some of them meanwhile."""
    from .._coracle.work import sources  # what only a run that changes something needs
    from . import download

    sources.use_fetcher(download.Fetcher())
    ours = [change for change in changes if change.option in ("launcher", "supervisor")]
    if any(change.option == "launcher" for change in ours):
        launcher.ensure_installed()
    fleet.apply(have)
    if any(change.option == "supervisor" for change in ours):
        client.adopt()
    changes[:] = ours + fleet.changes(have)
    if not have.several and have.jobs[0].error is not None:
        raise have.jobs[0].error


def result_of_one(_options: Options, have: fleet.Fleet, changes: list[Change], checking: bool) -> dict[str, t.Any]:
    """The return values of `container`."""
    if changes and not checking:
        fleet.look_again(have)
    found = have.jobs[0].have
    return {"container": inspect.describe(found), "restart_required": inspect.restart_required(found)}


def result_of_all(_options: Options, have: fleet.Fleet, changes: list[Change], checking: bool) -> dict[str, t.Any]:
    """The return values of `containers`; with `failed` and `msg` when a container failed."""
    if changes and not checking:
        fleet.look_again(have)
    values: dict[str, t.Any] = {"containers": [_entry(job) for job in have.jobs]}
    failed = [entry for entry in values["containers"] if entry["failed"]]
    if failed:
        values["failed"] = True
        values["msg"] = f"{len(failed)} of {len(have.jobs)} containers failed: " + "; ".join(f"{entry['name']}: {entry['msg']}" for entry in failed)
    return values


def _entry(job: container.Job) -> dict[str, t.Any]:
    entry = {**inspect.describe(job.have), "restart_required": inspect.restart_required(job.have), "changed": bool(job.changes),
             "failed": job.error is not None}
    if job.error is not None:
        entry["msg"] = str(job.error)
    return entry
