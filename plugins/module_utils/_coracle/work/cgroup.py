# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the module cgroup does: read one cgroup, plan the way to what is asked, and go it, or leave everything as it was."""

from __future__ import annotations

from ..base import files
from ..base.errors import LauncherError
from ..kernel.cgroup import detect, tree
from ..kernel.cgroup.limits import table
from ..model import settings
from ..model.change import CREATE, LIVE, REMOVE, Change
from .limits import Cgroup

ABSENT = "absent"
PRESENT = "present"
FROZEN = "frozen"
KILLED = "killed"

_NORMALISE = {row.option: row.normalise for row in settings.SCALARS}


class Have:
    """`cgroup`; `limits`: the asked ones, normalised; `controllers`: whose hierarchies it needs, `strict` when the task names them;
    `missing`: those in which it is not; `values`: what the kernel has, as Cgroup.read(); `inside`: pids in it and below; `held`: those
    asked that are in it."""

    __slots__ = ("cgroup", "limits", "controllers", "strict", "state", "missing", "values", "inside", "held")

    def __init__(self, cgroup: Cgroup, limits: dict, controllers: list[str], strict: bool, pids: list[int]):
        self.cgroup = cgroup
        self.limits = limits
        self.controllers = controllers
        self.strict = strict
        self.state = _state(cgroup)
        self.missing = cgroup.missing(controllers, strict)
        self.values = cgroup.read(limits)
        self.inside = cgroup.processes()
        self.held = [pid for pid in pids if cgroup.holds(pid)]


def _state(cgroup):
    if not cgroup.exists():
        return ABSENT
    return FROZEN if cgroup.is_frozen() else PRESENT


def read(want: dict) -> Have:
    """Validate the options of the module and read what is there. LauncherError before any effect, also for a pid that cannot be moved."""
    path = tree.check_path(want["name"], "name")
    if want["parent"]:
        path = f"{tree.check_path(want['parent'], 'parent')}/{path}"
    wanted = want["state"] in (PRESENT, FROZEN)
    limits = _normalise(want) if wanted else {}
    pids = list(dict.fromkeys(want["pids"] or ())) if wanted else []
    cgroup = Cgroup(detect.find(), path)
    cgroup.check(limits)
    controllers = _controllers(want, cgroup, limits)
    for pid in pids:
        _check_pid(pid)
    return Have(cgroup, limits, controllers, want["controllers"] is not None, pids)


def _normalise(want):
    limits = {}
    for option in (*table.OPTIONS, table.CONF):
        value = want.get(option)
        if value is None or value in ({}, []) and option != "devices":
            continue
        if option in _NORMALISE:
            limits[option] = _NORMALISE[option](value, option)
        else:
            limits[option] = value if option == table.CONF else table.row(option).normalise(value)
    if want["cpu_weight_conversion"] != "proportional":
        limits[table.CONVERSION] = want["cpu_weight_conversion"]
    return limits


def _controllers(want, cgroup, limits):
    """Whose hierarchies it needs, by the names of this version. LauncherError when the task names one that is not here, or too few."""
    needed = [name for name in cgroup.controllers_of(limits) if name is not None]
    if want["controllers"] is None:
        return list(dict.fromkeys([*cgroup.named(detect.CONTROLLERS), *needed]))
    given = cgroup.named(want["controllers"])
    if not cgroup.unified and want["state"] == FROZEN:
        needed.append("freezer")
    for name in given:
        if name not in cgroup.layout.mounts:
            raise LauncherError(f"the controller {name} is not mounted here (cgroup {cgroup.layout.mode})", option="controllers",
                                value=want["controllers"], remedy="This host has " + ", ".join(sorted(cgroup.layout.mounts)))
    if not given and not cgroup.unified:
        raise LauncherError("names no controller", option="controllers", value=want["controllers"],
                            remedy="Name one at least, or leave it out")
    lacking = [name for name in needed if name not in given]
    if lacking:
        raise LauncherError(f"{lacking[0]} is not among them, but another option of this task needs it", option="controllers",
                            value=want["controllers"], remedy=f"Add {lacking[0]}, or leave out what needs it")
    return given


def _check_pid(pid):
    problem = tree.immovable(pid)
    if problem is not None:
        raise LauncherError(problem, option="pids", value=pid, remedy="Give pids of processes that run, as this host numbers them")


def plan(want: dict, have: Have) -> list[Change]:
    """Return what differs. LauncherError when processes are in a cgroup that is to be absent."""
    if want["state"] == ABSENT:
        return _plan_absent(have)
    if want["state"] == KILLED:
        return [Change("state", have.state, KILLED, LIVE, f"ends {tree.named(have.inside)}")] if have.inside else []
    changes = _plan_state(want["state"], have)
    action = CREATE if have.state == ABSENT else LIVE
    for option, after in have.cgroup.kept(have.limits).items():
        before = have.values.get(option)
        if option == table.CONF:
            before, after = _difference(before or {}, after)
        if before != after:
            changes.append(Change(option, before, after, action))
    pids = list(dict.fromkeys(want["pids"] or ()))
    if have.held != pids:
        changes.append(Change("pids", have.held, pids, action))
    return changes


def _difference(before, after):
    """The raw keys that differ, before and after."""
    differ = [key for key, value in after.items() if before.get(key) != value]
    return {key: before[key] for key in differ if key in before}, {key: after[key] for key in differ}


def _plan_absent(have):
    if have.state == ABSENT:
        return []
    if have.inside:
        raise LauncherError(f"the cgroup {have.cgroup.path} holds processes: {tree.named(have.inside)}", option="state", value=ABSENT,
                            remedy="End them or move them elsewhere first; state=killed ends everything that is in a cgroup")
    return [Change("state", have.state, ABSENT, REMOVE)]


def _plan_state(state, have):
    if have.state == ABSENT:
        return [Change("state", ABSENT, state, CREATE)]
    if have.missing:
        return [Change("state", "incomplete", state, CREATE, "not ready in " + ", ".join(have.missing))]
    return [] if have.state == state else [Change("state", have.state, state, LIVE)]


def apply(want: dict, have: Have, changes: list[Change]) -> None:
    """Make it so. LauncherError leaves the host as it was: new directories removed, limits written back, processes moved back."""
    if want["state"] == ABSENT:
        have.cgroup.remove()
    elif want["state"] == KILLED:
        if not have.cgroup.kill(seconds=5.0):
            raise LauncherError(f"processes in {have.cgroup.path} do not end: {tree.named(have.cgroup.processes())}", option="state",
                                value=KILLED, remedy="They wait for a device or file server (state D in ps); try again when that answers")
    else:
        _converge(want, have)


def _converge(want, have):
    cgroup = have.cgroup
    made, journal, moved, done = [], [], [], False
    try:
        if have.missing:
            made = cgroup.create(have.controllers, have.strict)
        journal = cgroup.set(have.limits)
        for pid in dict.fromkeys(want["pids"] or ()):
            if pid not in have.held:
                _move(cgroup, pid, moved)
        if want["state"] == FROZEN and not cgroup.is_frozen():
            cgroup.freeze()
        elif want["state"] == PRESENT and cgroup.is_frozen():
            cgroup.thaw()
        done = True
    finally:
        if not done:
            for pid, directories in reversed(moved):
                _move_back(pid, directories)
            cgroup.undo_set(journal)
            cgroup.undo_create(made)


def _move(cgroup, pid, moved):
    try:
        moved.append((pid, detect.membership(cgroup.layout, files.read_text(f"/proc/{pid}/cgroup"))))
        cgroup.attach(pid)
    except LauncherError as error:
        raise LauncherError(error.problem, option="pids", value=pid, remedy=error.remedy) from error
    except OSError as error:
        raise LauncherError("ended before it could be moved", option="pids", value=pid, remedy="Give pids of processes that run") from error


def _move_back(pid, directories):
    for directory in directories:
        try:
            tree.attach(directory, pid)
        except OSError:
            continue  # it has ended, or its old cgroup is gone


def result(want: dict, have: Have, changes: list[Change], checking: bool) -> dict:
    """Return the module's `cgroup`: as it is now, read from the kernel."""
    cgroup = have.cgroup
    state = _state(cgroup)
    limits = cgroup.get(asked=have.limits) if state != ABSENT else {}
    return {"cgroup": {"path": cgroup.path, "mode": cgroup.layout.mode, "state": state, "paths": cgroup.paths(), "limits": limits,
                       "pids": cgroup.processes()}}
