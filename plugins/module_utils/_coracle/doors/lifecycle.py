# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verbs that change what runs: (options, names) -> exit status. The work itself is in the layer below."""

from __future__ import annotations

import _signal
import os
import time

from ..base.errors import LauncherError
from ..model import settings
from ..work import records
from .arguments import Usage
from .naming import chosen, each, report
from .output import say


def start(values: dict, names: list[str]) -> int:
    return _converge(chosen(values, names, running=False), {"state": "started", "start_grace": _grace(values)})


def _grace(values):
    grace = values.get("grace", 0.25)
    if grace > 60:
        raise Usage("more than 60 seconds are not waited for", option="--grace")
    return grace


def restart(values: dict, names: list[str]) -> int:
    return _converge(chosen(values, names, running=True), {"state": "started", "restart": True})


def _converge(words, options):
    """What a task with the module `containers` would do. One that cannot be started does not keep the others from it."""
    from ..work import client, container, fleet, inspect

    host, jobs = inspect.Host(), []
    _done, status = each(words, lambda name, path: jobs.append(container.Job(*container.read({"name": name, "path": path, **options}, host))))
    wanted = fleet.Fleet(jobs, host, several=True)
    fleet.plan(wanted)
    fleet.apply(wanted)
    if any(records.is_running(records.read_state(job.want.name)) for job in jobs):
        client.adopt()  # one that runs already is as asked, but who waits for it may have been killed
    return max(status, report([(job.want.name, job.error) for job in jobs if job.error is not None]))


def stop(values: dict, names: list[str]) -> int:
    from ..work import client, marks

    number = _signal_of(values, None)
    # A person's wish, which the next `coracle boot` respects.
    found, status = each(chosen(values, names, running=True), lambda _name, path: marks.stop(path))
    stopping = [name for name, _path in found if _has_traces(name)]
    before = _signal.getsignal(_signal.SIGINT)
    if before != _signal.SIG_IGN:
        _signal.signal(_signal.SIGINT, _Impatience(stopping))
    try:
        outcomes = client.stop([(name, number, values.get("timeout")) for name in stopping])
    finally:
        _signal.signal(_signal.SIGINT, before)
    return max(status, report([(outcome.name, outcome.problem) for outcome in outcomes.values() if not outcome.ok]))


class _Impatience:
    """What Ctrl-C does while containers are being stopped: nothing would be won by leaving, but a second one is a SIGKILL for them."""

    __slots__ = ("_names", "_count")

    def __init__(self, names):
        self._names, self._count = names, 0

    def __call__(self, _number, _frame):
        from ..work import signals

        self._count += 1
        if self._count == 1:
            say("coracle: they are being stopped; Ctrl-C once more sends SIGKILL", 2)
            return
        for name in self._names:
            if records.is_running(records.read_state(name)):
                try:
                    signals.send(name, _signal.SIGKILL)
                except LauncherError:
                    continue  # it has just ended


def _signal_of(values, default):
    if "signal" not in values:
        return default
    try:
        return settings.signal_number(values["signal"], "--signal")
    except LauncherError as error:
        raise Usage(error.problem, option=error.option, value=error.value, remedy=error.remedy) from None


def _has_traces(name):
    """Whether it has run since boot, or may run though its state is lost."""
    from ..work import start as launch

    return records.read_state(name) is not None or launch.cgroup_of(name).exists()


def kill(values: dict, names: list[str]) -> int:
    from ..work import signals

    number = _signal_of(values, _signal.SIGKILL)
    _done, status = each(chosen(values, names, running=True), lambda name, _path: signals.send(name, number))
    return status


def boot(_values: dict, _names: list[str]) -> int:
    from ..work import boot as host

    return report(host.boot())


def shutdown(values: dict, _names: list[str]) -> int:
    from ..work import boot as host

    return report(host.shutdown(values.get("timeout")))


def wait(_values: dict, names: list[str]) -> int:
    def tell(name, _path):
        state = _wait_for_end(name)
        say("?" if state is None or state.exit_code is None else str(state.exit_code))

    _done, status = each(names, tell)
    return status


def _wait_for_end(name):
    """The last state of a container once it neither runs nor is going to be started again."""
    from ..kernel import procs
    from ..work import client

    state = records.read_state(name)
    while records.is_active(state) or (state is not None and state.status == "running"):
        if records.is_running(state):
            descriptor = os.pidfd_open(state.pid)
            procs.wait_end(descriptor, 3600)
            os.close(descriptor)
        else:
            time.sleep(0.02)  # it has ended; the supervisor writes how
            if not client.is_there():
                return records.read_state(name)  # written before it went, perhaps since we looked
        state = records.read_state(name)
    return state


VERBS = {"start": start, "stop": stop, "restart": restart, "kill": kill, "boot": boot, "shutdown": shutdown, "wait": wait}
