# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Many containers, or one: read all, check all, plan all, then each step for all, with one request to stop and one to start.

A failure of one is kept with it (`Job.error`), and the others go on.
"""

from __future__ import annotations

import contextlib
import os
import resource

from ..base import places
from ..base.errors import LauncherError
from ..model import spec as specs
from ..model.change import Change
from ..model.spec import Want
from . import client, container, inspect, marks, records
from .container import Job
from .inspect import Host


class Fleet:
    """What one task is about. `several`: whether its changes and errors must name the container."""

    __slots__ = ("jobs", "host", "several")

    def __init__(self, jobs: list[Job], host: Host, several: bool):
        self.jobs = jobs
        self.host = host
        self.several = several


def read_one(options: dict) -> Fleet:
    """Return the Fleet of one container's options. LauncherError for what cannot be, before any effect."""
    host = Host()
    return Fleet([Job(*container.read(options, host))], host, several=False)


def read(items: list[dict], purge: bool) -> Fleet:
    """Return the Fleet of a list of containers' options, with those to be purged. LauncherError names all items that cannot be."""
    host = Host()
    jobs, errors, missing = [], [], []
    for index, options in enumerate(items):
        try:
            jobs.append(Job(*container.read(options, host)))
        except LauncherError as error:
            missing += getattr(error, "needs_image", [])
            errors.append(_placed(error, index, options))
    if errors:
        raise _together(errors, missing)
    _check_duplicates(jobs)
    return Fleet(jobs + (_purged(jobs, host) if purge else []), host, several=True)


def _together(errors, missing):
    """One error for all. When nothing but images is missing, it asks for all of them at once."""
    if len(errors) == 1:
        return errors[0]
    if len(missing) >= len(errors):
        from .store import MissingImages

        return MissingImages(sorted(set(missing)))
    return LauncherError(f"{len(errors)} containers cannot be as asked: {'; '.join(map(str, errors))}")


def _placed(error, index, options):
    name = options.get("name") or options.get("path")
    error.place = f"containers[{index}] ({name})" + (f": {error.place}" if error.place else "")
    return error


def _check_duplicates(jobs):
    """Two entries of a list that would take something from each other, found before anything is done."""
    owners = {}
    for index, job in enumerate(jobs):
        claims = [("name", job.want.name), ("path", job.want.path)]
        if job.want.state != specs.ABSENT:
            claims += [(f"networks.{kind}", f"{value} on {network['bridge']}{_vlan(network)}") for network in job.want.spec.get("networks", [])
                       for kind, value in _claimed(network)]
        for option, value in claims:
            first = owners.setdefault((option, value), index)
            if first != index:
                raise LauncherError(f"containers[{first}] ({jobs[first].want.name}) has it as well", option=option, value=value,
                                    place=f"containers[{index}] ({job.want.name})", remedy="Each container needs its own")


def _vlan(network):
    """Who is in different VLANs of one bridge does not meet."""
    return f" in VLAN {network['vlan']}" if network.get("vlan") else ""


def _claimed(network):
    yield from (("addresses", address.partition("/")[0]) for address in network.get("addresses", []))
    if "mac_address" in network:
        yield "mac_address", network["mac_address"].lower()


def _purged(jobs, host):
    """Jobs that remove what lies in the collection's own directory and is not listed."""
    listed = {job.want.name for job in jobs if inspect.is_own(job.want.path, job.want.name)}
    try:
        present = sorted(name for name in os.listdir(places.CONTAINERS) if not name.startswith("."))
    except FileNotFoundError:
        return []
    found = []
    for name in present:
        if name not in listed:
            want = Want(name, records.path_of(name), specs.ABSENT)
            found.append(Job(want, container.look(want, host)))
    return found


def plan(fleet: Fleet) -> list[Change]:
    """Fill in each job's changes and return all of them. Pure. LauncherError: a restart is needed, and the task forbids it."""
    for index, job in enumerate(fleet.jobs):
        try:
            job.changes = _plan(job)
        except LauncherError as error:
            if fleet.several:
                _placed(error, index, {"name": job.want.name})
            raise
    return changes(fleet)


def _plan(job):
    return container.plan(job.want, job.have, marks.is_stopped(job.want.path))


def changes(fleet: Fleet) -> list[Change]:
    """All changes, in the order of the containers; with several, each option has the container's name before it."""
    if not fleet.several:
        return [change for job in fleet.jobs for change in job.changes]
    return [Change(f"{job.want.name}.{change.option}", change.before, change.after, change.action, change.why)
            for job in fleet.jobs for change in job.changes]


def needs_launcher(fleet: Fleet) -> bool:
    """True when the supervisor will be asked for something; with an empty list too, which is how its code is brought to a host."""
    return not fleet.jobs or any(job.stops or job.starts or container.is_supervised(job) for job in fleet.jobs if job.changes)


def is_unsupervised(fleet: Fleet) -> bool:
    """True when containers of ours run, or wait for a restart, and nobody waits for them: their supervisor was killed."""
    running = [job for job in fleet.jobs if container.is_restarting(job.have) or job.have.running and not job.have.state.foreground]
    return bool(running) and not client.is_there()


def apply(fleet: Fleet) -> None:
    """Make the planned changes. Errors of one container are kept in its job. Its changes are planned again under its lock, since somebody
    else may have been here after the first look."""
    jobs = [job for job in fleet.jobs if job.changes]
    with _locked(jobs):
        _each(jobs, lambda job: _plan_again(job, fleet.host))
        jobs = [job for job in jobs if job.changes]
        _each(jobs, container.bring_image)
        _stop(jobs)
        _each(_with_state(jobs, specs.ABSENT), lambda job: container.remove(job, fleet.host))
        kept = [job for job in jobs if job.want.state != specs.ABSENT]
        _each(kept, lambda job: container.write(job, fleet.host))
        _each([job for job in kept if container.is_supervised(job)], _refresh)
        _start(kept)
        for job in kept:
            if job.error is not None and not records.is_active(records.read_state(job.want.name)):
                _take_back(job)
    if any(job.gone for job in jobs):
        _tidy()


def _plan_again(job, host):
    job.have = container.look(job.want, host)
    job.changes = _plan(job)


def _with_state(jobs, state):
    return [job for job in jobs if job.want.state == state]


def _each(jobs, step):
    """Do one step for all that have not failed."""
    for job in jobs:
        if job.error is None:
            try:
                step(job)
            except LauncherError as error:
                job.error = error
            except OSError as error:
                where = f" ({error.filename})" if error.filename else ""
                job.error = LauncherError(f"the host refused: {error.strerror or error}{where}")


def _stop(jobs):
    stopping = [job for job in jobs if (job.stops or job.starts and container.is_unsettled(job)) and job.error is None]
    _each(stopping, container.mark_stop)
    outcomes = _ask(stopping, lambda: client.stop([(job.want.name, *container.asked_end(job.want)) for job in stopping]))
    for job, outcome in outcomes:
        if not outcome.ok:
            job.error = LauncherError(f"the container {job.want.name} could not be stopped: {outcome.problem}")


def _start(jobs):
    starting = [job for job in jobs if job.starts and job.error is None]
    items = [(job.want.name, job.want.path) for job in starting]
    # One answer for all: who asks for less grace than the longest waits for it anyway.
    grace = max((job.want.start_grace for job in starting), default=0.0)
    unattended = any(job.want.unattended for job in starting)
    outcomes = _ask(starting, lambda: client.start(items, grace, {job.want.name: job.interfaces for job in starting}, unattended))
    for job, outcome in outcomes:
        if not outcome.ok:
            job.error = container.failed_start(job, outcome.problem, outcome.log_tail)


def _ask(jobs, request):
    """Return [(job, outcome)] of one request for all jobs; when the supervisor cannot be asked, none, and each has failed."""
    if not jobs:
        return []
    try:
        outcomes = request()
    except (LauncherError, OSError) as error:
        for job in jobs:
            job.error = error if isinstance(error, LauncherError) else LauncherError(f"the supervisor cannot be asked: {error}")
        return []
    return [(job, outcomes[job.want.name]) for job in jobs]


def _refresh(job):
    outcome = client.refresh(job.want.name)
    if not outcome.ok:
        raise LauncherError(f"the supervisor could not take the new settings of {job.want.name}: {outcome.problem}")


def _take_back(job):
    try:
        container.take_back(job)
    except (LauncherError, OSError) as error:
        job.error.problem += f"; and not all could be removed again: {error}"


def look_again(fleet: Fleet) -> None:
    """Read what all containers are now, for the result."""
    for job in fleet.jobs:
        job.have = container.look(job.want, fleet.host)


@contextlib.contextmanager
def _locked(jobs):
    """Hold the locks of all `jobs`, taken in the order of their names so that two tasks cannot wait for each other."""
    _allow_descriptors(len(jobs) + 256)
    with contextlib.ExitStack() as stack:
        for job in sorted(jobs, key=lambda job: job.want.name):
            lock = records.lock(job.want.name)
            stack.enter_context(lock)
            stack.callback(_remove_if_gone, job, lock)
        yield


def _remove_if_gone(job, lock):
    if job.gone:
        lock.remove()


def _allow_descriptors(count):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < count:
        resource.setrlimit(resource.RLIMIT_NOFILE, (count if hard == resource.RLIM_INFINITY else min(count, hard), hard))


def _tidy():
    """Leave no empty directories of ours behind; those in use stay."""
    for directory in (f"{places.RUN}/.locks", places.RUN, places.CONTAINERS, places.DATA):
        with contextlib.suppress(OSError):
            os.rmdir(directory)
