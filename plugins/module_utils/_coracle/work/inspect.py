# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the host has of a container, and how that is told to people. Reads only: no supervisor, no pyroute2, no lock."""

from __future__ import annotations

import os
import time

from ..base import files, places
from ..base.errors import LauncherError
from ..kernel import oom, procs
from ..kernel.cgroup import detect
from ..kernel.net import netns
from ..model import settings
from ..model import spec as specs
from . import records
from .limits import Cgroup
from .network import nics

ABSENT, CREATED, RUNNING, EXITED, RESTARTING = "absent", "created", "running", "exited", "restarting"

# What the launcher makes in the directory of a container that somebody else made. `chroot` is ours only as the place of an overlay.
OURS = ("log", "upper", "work")


class Host:
    """What all containers of one run share, read when the first one needs it."""

    __slots__ = ("_layout", "_digests")

    def __init__(self):
        self._layout = None
        self._digests = {}

    def digest_of(self, archive: str) -> str:
        """The digest of an archive; many containers name the same one. LauncherError."""
        if archive not in self._digests:
            from . import sources

            self._digests[archive] = sources.resolve(archive, option="image").digest
        return self._digests[archive]

    def layout(self) -> detect.Layout:
        """The host's cgroup hierarchies. LauncherError when none is mounted."""
        if self._layout is None:
            self._layout = detect.find()
        return self._layout

    def cgroup(self, name: str) -> Cgroup:
        """The cgroup of a container."""
        return Cgroup(self.layout(), f"{places.CGROUP_PARENT}/{name}")


class Have:
    """One container as the host has it.

    `spec`: of its settings, None when there are none; `problem`: the error of settings that cannot be read; `state`: its last run since
    boot, or None; `started`: the spec that the running process was started with; `limits`: {option: value} of the kernel, empty unless
    it runs; `oom_score_adj`: of its init, None unless it runs; `kept`: the limits that a task asks as the kernel would keep them; `networks`:
    what work/network/nics.py reads of it, None when
    nobody asked; `remains`: whether there is anything that `state: absent` would remove.
    """

    __slots__ = ("name", "path", "spec", "problem", "state", "running", "started", "limits", "oom_score_adj", "kept", "networks", "remains")

    def __init__(self, name, path):
        self.name = name
        self.path = path
        self.spec = None
        self.problem = None
        self.state = None
        self.running = False
        self.started = {}
        self.limits = {}
        self.oom_score_adj = None
        self.kept = {}
        self.networks = None
        self.remains = False

    @property
    def status(self) -> str:
        """The word for its state."""
        if self.running:
            return RUNNING
        if records.is_restarting(self.state):
            return RESTARTING
        if self.spec is None and self.problem is None:
            return ABSENT
        return CREATED if self.state is None else EXITED


def is_own(path: str, name: str) -> bool:
    """True for a directory that the collection makes and removes as a whole."""
    return path == records.path_of(name)


def locate(name: str | None, path: str | None) -> tuple[str, str]:
    """Return (name, path) of a container given by one of them or both. One that was started from elsewhere is found by its name alone.

    LauncherError: bad names, and a name that runs from another directory.
    """
    asked = path
    name, path = records.identify(name, path)
    state = records.read_state(name)
    if state is None and asked is None:
        return name, records.known_path(name)
    if state is None or state.path == path:
        return name, path
    running = records.is_running(state)
    if asked is None and (running or not os.path.isdir(path)) and os.path.exists(f"{state.path}/settings"):
        return name, state.path
    if running:
        raise LauncherError(f"already runs from {state.path}", option="name", value=name, remedy="Stop that one, or choose another name")
    return name, path


def read(name: str, path: str, host: Host) -> Have:
    """Return what the host has of one container. Settings that cannot be read are `problem`, not an error."""
    have = Have(name, path)
    have.spec, have.problem, content = _read_settings(path)
    state = records.read_state(name)
    have.state = state if state is not None and state.path == path else None
    have.running = records.is_running(have.state)
    if have.running:
        have.started = _read_started(name, have.spec, content)
        have.limits = read_limits(host.cgroup(name))
        have.oom_score_adj = oom.read(have.state.pid)
    have.remains = have.running or _remains(have)
    return have


def _read_settings(path):
    # A directory without settings is what a creation that was killed leaves: no container yet.
    if not os.path.lexists(f"{path}/settings"):
        return None, None, b""
    try:
        content = files.read_limited(f"{path}/settings", settings.LIMIT)
        return settings.parse(content, f"{path}/settings"), None, content
    except LauncherError as error:
        return None, error, b""


def _read_started(name, spec, content):
    """The spec that the running process was started with. Mostly the file is the same, and need not be parsed a second time."""
    try:
        started = files.read_limited(f"{records.run_directory(name)}/settings", settings.LIMIT)
        return spec if spec is not None and started == content else settings.parse(started)
    except (FileNotFoundError, LauncherError):
        return spec or {}


def _remains(have):
    if os.path.lexists(records.run_directory(have.name)) and (have.state is not None or is_own(have.path, have.name)):
        return True
    if is_own(have.path, have.name):
        return os.path.lexists(have.path)
    return any(os.path.lexists(f"{have.path}/{entry}") for entry in OURS)


def read_limits(group: Cgroup) -> dict:
    """The kernel's limits of one cgroup, of the options that containers have; {} when it has just gone."""
    found = group.get(specs.LIMITS)
    return {option: found[option] for option in specs.LIMITS if found.get(option) is not None}


# --- for people


def describe(have: Have) -> dict:
    """Return the container as modules return it."""
    spec = have.spec or {}
    state = have.state
    return {
        "name": have.name,
        "path": have.path,
        "state": have.status,
        "pid": state.pid if have.running else None,
        "exit_code": None if state is None or have.running else state.exit_code,
        "started_at": _utc(state.started_at) if state is not None else None,
        "restarts": state.restarts if state is not None else 0,
        "limits": have.limits or {option: spec[option] for option in specs.LIMITS if option in spec},
        "networks": _networks(spec),
    }


def _networks(spec):
    return [{**network, "interface_name": network.get("interface_name", f"eth{index}")} for index, network in enumerate(spec.get("networks", []))]


def _utc(seconds):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds)) if seconds else None


def restart_required(have: Have) -> bool:
    """True when the container runs with another value of an option than its settings have."""
    return have.running and have.spec is not None and bool(specs.pending(have.spec, have.started))


def drift(have: Have, host: Host) -> list[dict]:
    """Return [{option, settings, actual}] where the kernel, or the running process, has another value than the settings."""
    if not have.running or have.spec is None:
        return []
    kept = host.cgroup(have.name).kept({option: have.spec[option] for option in specs.LIMITS if option in have.spec})
    found = [{"option": option, "settings": have.spec[option], "actual": have.limits[option]}
             for option, value in kept.items() if option in have.limits and have.limits[option] != value]
    if have.oom_score_adj not in (None, have.spec.get("oom_score_adj", have.oom_score_adj)):
        found.append({"option": "oom_score_adj", "settings": have.spec["oom_score_adj"], "actual": have.oom_score_adj})
    return found + [{"option": option, "settings": have.spec.get(option), "actual": have.started.get(option)}
                    for option in specs.pending(have.spec, have.started)]


# --- the module container_info


def find(options: dict) -> list[Have]:
    """Return the containers that container_info's options name, sorted by name."""
    from fnmatch import fnmatchcase

    if not 0 <= options["log_lines"] <= 1000:
        raise LauncherError("is out of range", option="log_lines", value=options["log_lines"], remedy="Give 0 to 1000")
    labels = {name: str(value) for name, value in options["labels"].items()}
    host = Host()
    found = []
    for name in records.names():
        if options["name"] and not any(fnmatchcase(name, pattern) for pattern in options["name"]):
            continue
        have = read(*_locate_known(name), host)
        if labels.items() <= (have.spec or {}).get("labels", {}).items():
            found.append(have)
    return found


def _locate_known(name: str) -> tuple[str, str]:
    return name, records.known_path(name)


def report(options: dict, haves: list[Have]) -> dict:
    """Return container_info's result."""
    host = Host()
    return {"containers": [details(have, host, options["log_lines"]) for have in haves]}


def details(have: Have, host: Host, log_lines: int) -> dict:
    """Return all there is to tell about one container. It may end at any moment while it is read."""
    from . import log_files

    group = host.cgroup(have.name) if have.running else None
    return {
        **describe(have),
        "reason": have.state.reason if have.state is not None else "",
        "uptime": round(procs.uptime(have.state.starttime), 3) if have.running else None,
        "restart_required": restart_required(have),
        "settings": have.spec,
        "problem": str(have.problem) if have.problem is not None else "",
        "labels": (have.spec or {}).get("labels", {}),
        "addresses": _addresses(have.state.pid) if have.running else [],
        "processes": group.processes() if group else [],
        "usage": group.usage() if group else {},
        "drift": drift(have, host),
        "log_tail": log_files.tail(have.path, log_lines),
    }


def _addresses(pid):
    try:
        namespace = netns.open_namespace(str(pid))
    except LauncherError:  # it has just ended
        return []
    try:
        inside = nics.look_inside(namespace)
    finally:
        os.close(namespace)
    return [address for name, link in inside.links.items() if name != "lo" for address in inside.addresses.get(link.index, [])]
