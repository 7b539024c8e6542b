# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One container: what must be true before anything is done, the changes from have to want, and each step of making them.

The order of the steps, and what is asked of the supervisor, is in fleet.py: one container is a list of one.
"""

from __future__ import annotations

import os
import stat

from ..base import beneath, files, text
from ..base.errors import LauncherError
from ..kernel import mountinfo, oom
from ..kernel.net import links
from ..model import restart, settings
from ..model import spec as specs
from ..model import state as states
from ..model.change import CREATE, LIVE, RECREATE, REMOVE, RESTART, Change
from ..model.spec import Want
from . import inspect, marks, records
from .inspect import Have, Host
from .network import container as network
from .rootfs import stamp


def read(options: dict, host: Host) -> tuple[Want, Have]:
    """Return (want, have) of one container's options, everything checked that can be without an effect. LauncherError."""
    want = specs.read_options(options)
    want.name, want.path = inspect.locate(want.name, want.path)
    if want.env_file is not None and want.state != specs.ABSENT:
        want.spec = _with_env_file(want)
    have = look(want, host)
    if want.state == specs.ABSENT:
        return want, have
    if have.problem is not None:
        raise have.problem
    if want.archive is not None and not want.checked:
        want.spec["image"] = host.digest_of(want.archive)
    check(want, have, host)
    return want, have


def _with_env_file(want):
    """What the file says is as good as given in `env`, which has the last word. Its content is compared, not its name."""
    from ..model import env_file

    try:
        content = files.read_limited(want.env_file, env_file.LIMIT)
    except OSError as error:
        raise LauncherError(f"cannot be read: {error.strerror}", option="env_file", value=want.env_file,
                            remedy="Give a file of the host") from None
    env = {**env_file.parse(content, want.env_file), **want.spec.get("env", {})}
    return specs.merge(want.spec, settings.normalise({"env": env}))


def look(want: Want, host: Host) -> Have:
    """Return what the host has now of a container whose want was read before."""
    have = inspect.read(want.name, want.path, host)
    if have.running and want.state not in (specs.ABSENT, specs.STOPPED):
        have.kept = host.cgroup(want.name).kept(_limits(want.spec))
        if "networks" in want.spec:
            have.networks = network.container_have(want.name, want.name, want.spec["networks"])
    return have


def _limits(spec):
    return {option: spec[option] for option in specs.LIMITS if option in spec}


def spec_after(want: Want, have: Have) -> dict:
    """The spec of the settings when all is done."""
    return specs.new(want.spec) if have.spec is None else specs.merge(have.spec, want.spec)


# --- checks, before the first effect


def check(want: Want, have: Have, host: Host) -> None:
    """Raise LauncherError for what cannot become a container. Nothing is changed."""
    spec = spec_after(want, have)
    _check_path(want)
    _check_root(want, have, spec)
    if not spec.get("command"):
        raise LauncherError(f"is not given, and {want.path} has no settings that name one" if have.spec is None else "is not in the settings",
                            option="command", remedy="Give command, or process and args")
    if any(spec.get(option) and (option in want.spec or not have.running) for option in ("mounts", "tmpfs")):
        from . import volumes

        volumes.check(spec)
    if spec.get("devices") and ("devices" in want.spec or not have.running):
        from . import nodes

        host.cgroup(want.name).check({"devices": nodes.rules(nodes.find(spec))})
    if _limits(want.spec):
        host.cgroup(want.name).check(_limits(want.spec))
    if want.state == specs.STARTED and not have.running:
        host.layout()
        network.refuse_foreign(want.name)
        if spec.get("networks"):
            links.require()
            network.container_plan(want.name, spec["networks"], network.container_have(want.name, want.name, spec["networks"]))
    elif want.spec.get("networks") and have.networks is None:
        network.validate(want.spec["networks"])


def _check_path(want):
    if inspect.is_own(want.path, want.name):
        return
    try:
        mode = os.lstat(want.path).st_mode
    except OSError as error:
        raise LauncherError(f"cannot be read: {error.strerror}", option="path", value=want.path,
                            remedy="Make the directory first, or give name alone to have one made") from None
    if not stat.S_ISDIR(mode):
        raise LauncherError("is no directory", option="path", value=want.path, remedy="Give the directory that holds settings and chroot")


def _check_root(want, have, spec):
    """The root file system: one of an image, a directory of the host, and PATH/chroot."""
    if "image" in spec:
        if not have.running or spec["image"] != have.spec.get("image"):
            _check_image(want, have, spec["image"])
        return
    root = spec.get("rootfs") or f"{want.path}/chroot"
    option = "rootfs" if "rootfs" in spec else "image"
    if option == "image" and not os.path.lexists(root):
        raise LauncherError(f"is not given, and {want.path} has no chroot", option="image", remedy="Give image or rootfs, or extract one to chroot")
    try:
        good = stat.S_ISDIR(os.lstat(root).st_mode) and os.path.realpath(root) != "/"
    except OSError as error:
        raise LauncherError(f"cannot be read: {error.strerror}", option="rootfs", value=root, remedy="Extract an image there first") from None
    if not good:
        raise LauncherError("is no directory that can be a root (a link, a file, or / itself)", option="rootfs", value=root,
                            remedy="Give the directory that holds the container's files")


def _check_image(want, have, digest):
    if (have.spec is None or "image" not in have.spec) and _has_files(f"{want.path}/chroot"):
        raise LauncherError(f"cannot be used, because {want.path}/chroot holds a root file system already", option="image", value=digest,
                            remedy="Leave image away, or remove chroot")
    from . import sources, store

    if store.find(digest) is not None:
        return
    if want.archive is None:
        raise store.MissingImages([digest])
    sources.check(want.archive, "image")


def _has_files(directory):
    try:
        return bool(os.listdir(directory))
    except OSError:
        return False


# --- plan


def plan(want: Want, have: Have, is_marked: bool = True) -> list[Change]:
    """Return the changes from `have` to `want` in the order of the table, the state last. Pure.

    `is_marked`: the host's start knows that it is stopped (marks.py).

    LauncherError when a restart is needed and the task forbids it.
    """
    if want.state == specs.ABSENT:
        return [Change("state", have.status, specs.ABSENT, REMOVE)] if have.remains else []
    if have.spec is None:
        return specs.creation(want.spec) + [Change("state", inspect.ABSENT, want.state, CREATE)]
    goes_on = have.running and want.state != specs.STOPPED
    found = specs.changes(want.spec, have.spec, goes_on)
    if goes_on:
        found += _drift(want, have, found)
        found = _in_order(found)
        if not (want.restart or want.recreate):
            found = _within_policy(want, found)
    return found + _asked_restarts(want, have, goes_on) + _state_changes(want, have, is_marked)


def _drift(want, have, found):
    """What the settings have right, but the kernel or the running process has not."""
    known = {change.option for change in found}
    drifted = []
    for option, value in want.spec.items():
        if option in known:
            continue
        if option in have.limits:
            if have.kept[option] != have.limits[option]:
                drifted.append(Change(option, have.limits[option], value, LIVE, "the kernel has another value than the settings"))
        elif option == "oom_score_adj" and have.oom_score_adj not in (None, value):
            drifted.append(Change(option, have.oom_score_adj, value, LIVE, "the process has another value than the settings"))
        elif option in specs.pending(have.spec, have.started):
            drifted.append(Change(option, have.started.get(option), value, specs.cost(option),
                                  "the container runs with the value that it was started with"))
    if have.networks is not None and "networks" not in known:
        drifted += [Change(change.option, change.before, change.after, LIVE, change.why or "the kernel has another value than the settings")
                    for change in network.container_plan(want.name, want.spec["networks"], have.networks)]
    return drifted


def _in_order(found):
    order = specs.order()
    return sorted(found, key=lambda change: order.get(change.option.partition("[")[0], len(order)))


def _within_policy(want, found):
    """The changes that on_restart_required lets happen."""
    costly = [change for change in found if change.action in (RESTART, RECREATE)]
    if not costly or want.on_restart_required == "restart":
        return found
    if want.on_restart_required == "fail":
        raise LauncherError("needs a restart of the running container, and on_restart_required is fail", option=costly[0].option,
                            value=costly[0].after, remedy="Set on_restart_required: restart, or leave the option as it is")
    kept = []
    for change in found:
        if change not in costly:
            kept.append(change)
        elif not change.why:  # one with a reason is written already, and waits
            kept.append(Change(change.option, change.before, change.after, LIVE, "written; takes effect with the next restart"))
    return kept


def _asked_restarts(want, have, goes_on):
    if want.recreate and (goes_on or "image" in have.spec):
        return [Change("recreate", False, True, RECREATE, "asked for")]
    if want.restart and goes_on:
        return [Change("restart", False, True, RESTART, "asked for")]
    return []


def _state_changes(want, have, is_marked):
    before = "restarting" if is_restarting(have) else have.status
    if want.state == specs.STARTED and not have.running:
        return [Change("state", before, specs.STARTED, LIVE)]
    if want.state == specs.STOPPED and (have.running or is_restarting(have)):
        return [Change("state", before, specs.STOPPED, LIVE)]
    if want.state == specs.STOPPED and not is_marked and restart.minds_stop(specs.merge(have.spec, want.spec)):
        return [Change("state", before, specs.STOPPED, LIVE, "it would be started with the host")]
    return []


# --- steps, each under the container's lock


class Job:
    """One container on its way. `error`: what made it fail, None so far; `interfaces`: host ends of its veth pairs, once attached;
    `gone`: nothing of it is on the host any more."""

    __slots__ = ("want", "have", "changes", "error", "interfaces", "gone")

    def __init__(self, want: Want, have: Have):
        self.want = want
        self.have = have
        self.changes = []
        self.error = None
        self.interfaces = []
        self.gone = False

    def has(self, *actions: str) -> bool:
        """True when a change has one of these actions."""
        return any(change.action in actions for change in self.changes)

    @property
    def creates(self) -> bool:
        """Whether the container does not exist before."""
        return self.has(CREATE)

    @property
    def stops(self) -> bool:
        """Whether the container is stopped, for good or for a restart."""
        if is_restarting(self.have):
            return self.want.state != specs.PRESENT or self.has(RECREATE)
        return self.have.running and (self.want.state in (specs.ABSENT, specs.STOPPED) or self.has(RESTART, RECREATE))

    @property
    def starts(self) -> bool:
        """Whether it is started, again or for the first time."""
        if self.want.state == specs.STARTED:
            return not self.have.running or self.stops
        return self.want.state == specs.PRESENT and self.stops


def is_restarting(have: Have) -> bool:
    """Whether it has ended, and the supervisor starts it again when its time has come."""
    return not have.running and records.is_restarting(have.state)


def is_unsettled(job: Job) -> bool:
    """Whether its init is dead and nobody has cleaned up yet. That must be over before a network is attached: the clean-up takes the
    namespace away."""
    state = job.have.state
    return state is not None and state.status == states.RUNNING and not job.have.running


def mark_stop(job: Job) -> None:
    """Remember for the start of the host that the container is stopped, before it is."""
    if job.want.state == specs.STOPPED:
        marks.stop(job.want.path, restart.minds_stop(spec_after(job.want, job.have)))


def bring_image(job: Job) -> None:
    """Extract the image of the archive, unless the host has it."""
    if job.want.archive is not None and job.want.state != specs.ABSENT:
        from . import sources

        kind = sources.kind_of(job.want.archive, "image")
        source = sources.Source(job.want.archive, kind, job.want.spec["image"])
        sources.bring(source, option="image")
        sources.remember(source)


def asked_end(want: Want) -> tuple[int | None, int | None]:
    """(number of the signal, seconds until SIGKILL) that the task itself asks for; None: as the container's settings say."""
    signal = want.spec.get("stop_signal")
    return None if signal is None else settings.signal_number(signal), want.spec.get("stop_timeout")


def write(job: Job, host: Host) -> None:
    """Everything between the stops and the starts: limits and networks of a running container, its settings, its layer, its network."""
    want, have = job.want, job.have
    if have.running and not job.stops:
        _change_live(job, host)
    spec = spec_after(want, have)
    if have.spec is None and inspect.is_own(want.path, want.name):
        _make_directory(want.path)
    if job.has(RECREATE):
        for layer in ("upper", "work"):
            beneath.remove_tree(f"{want.path}/{layer}")
    if spec != have.spec:
        records.write_settings(want.path, spec)
        _record_use(want, spec)
    _prepare_boot(job, spec)
    if job.starts and spec.get("networks"):
        job.interfaces = network.attach(want.name, spec["networks"])


def _prepare_boot(job, spec):
    """What `coracle boot` goes by: whether somebody wants the container not to run, and where it is."""
    want = job.want
    if job.starts:
        marks.start(want.path)
    elif want.state == specs.STOPPED or job.creates:
        marks.stop(want.path, restart.minds_stop(spec))
    if not inspect.is_own(want.path, want.name):
        if restart.policy_of(spec) == restart.NO:
            marks.unlink(want.name)
        else:
            marks.link(want.name, want.path)


def _record_use(want, spec):
    """Let the image store know of a container that is not where all others are."""
    if "image" in spec and not inspect.is_own(want.path, want.name):
        from . import uses

        uses.add(want.path, [spec["image"]])


def _make_directory(path):
    for _attempt in range(10):
        try:
            return files.make_directories(path)
        except FileNotFoundError:
            continue  # another task has removed its last container, and the empty directories above with it
    return files.make_directories(path)


def _change_live(job, host):
    changed = {change.option.partition("[")[0] for change in job.changes}
    limits = {option: value for option, value in _limits(job.want.spec).items() if option in changed}
    group = host.cgroup(job.want.name)
    written = group.set(limits) if limits else []
    try:
        if "oom_score_adj" in changed:
            _set_oom_score(group, job.want.spec["oom_score_adj"])
        if "networks" in changed:
            network.attach(job.want.name, job.want.spec["networks"])
    except (LauncherError, OSError):
        _restore_oom_score(group, job)
        group.undo_set(written)
        raise
    if "networks" in changed:
        network.remove_unused_bridges(sorted(set(_bridges(job.have.spec)) - set(_bridges(job.want.spec))))


def _set_oom_score(group, value):
    try:
        oom.set_all(value, group.processes)
    except OSError as error:
        raise LauncherError(f"cannot be set: {error.strerror}", option="oom_score_adj", value=value, remedy=oom.NEEDS_RESOURCE) from error


def _restore_oom_score(group, job):
    if job.have.oom_score_adj is None or "oom_score_adj" not in job.want.spec:
        return
    try:
        oom.set_all(job.have.oom_score_adj, group.processes)
    except OSError:
        pass  # lower than it may go, or the container has ended; the first error is the one to report


def is_supervised(job: Job) -> bool:
    """Whether the supervisor must be told that the settings of a running container have changed."""
    return (job.have.running or is_restarting(job.have)) and not job.stops and any(change.option in settings.SUPERVISED for change in job.changes)


def failed_start(job: Job, problem: str, log_tail: list[str]) -> LauncherError:
    """Return the error that says why a start failed, and what the container said last."""
    said = " Its last output: " + " | ".join(log_tail) if log_tail else ""
    return LauncherError(f"the container {job.want.name} did not start: {problem}.{said}".rstrip("."))


def take_back(job: Job) -> None:
    """After a failure: remove what was attached for a start, and what was made of a container that did not exist before."""
    want = job.want
    if job.starts:
        spec = spec_after(want, job.have)
        if spec.get("networks"):
            network.detach(want.name, _host_interfaces(want.name, spec))
            network.remove_unused_bridges(_bridges(spec))
    if job.creates:
        chroot = f"{want.path}/chroot"
        whole = inspect.is_own(want.path, want.name) and not _has_files(chroot) and not os.path.lexists(f"{want.path}/{stamp.file_of('chroot')}")
        _remove_files(want, spec_after(want, job.have), whole)
        if not whole:  # a root file system that was there before stays, and so does what else is in that directory
            beneath.remove_tree(f"{want.path}/settings")
        records.forget(want.name)
        job.changes, job.gone = [], True


def remove(job: Job, host: Host) -> None:
    """Remove a stopped container with all that is ours."""
    want, have = job.want, job.have
    _refuse_mounts(want, have.spec or {}, inspect.is_own(want.path, want.name))
    known = [spec for spec in (have.spec, have.started) if spec]
    bridges = sorted({bridge for spec in known for bridge in _bridges(spec)})
    if bridges:
        network.detach(want.name, [name for spec in known for name in _host_interfaces(want.name, spec)])
    group = host.cgroup(want.name)
    if group.exists():
        group.kill()
        group.remove()
    _remove_files(want, have.spec or {}, inspect.is_own(want.path, want.name))
    records.forget(want.name)
    network.remove_unused_bridges(bridges)
    job.gone = True


def _remove_files(want, spec, whole):
    """Remove the container's directory, or (not `whole`) only what the launcher makes in it. LauncherError before, for mounts in there."""
    _refuse_mounts(want, spec, whole)
    if not inspect.is_own(want.path, want.name) and marks.links().get(want.name) == want.path:
        marks.unlink(want.name)
    if whole:
        if os.path.lexists(f"{want.path}/{stamp.file_of('chroot')}"):
            from .rootfs import converge

            converge.remove(f"{want.path}/chroot")  # which may be mounted
        beneath.remove_tree(want.path)
        return
    for entry in (*inspect.OURS, marks.STOPPED):
        beneath.remove_tree(f"{want.path}/{entry}")
    if "image" in spec:
        from . import uses

        uses.remove(want.path)
        if not _has_files(f"{want.path}/chroot"):
            beneath.remove_tree(f"{want.path}/chroot")  # the empty place of the overlay


def _refuse_mounts(want, spec, whole):
    """LauncherError when somebody has mounted something in what goes: it may hold anything, and is not the container's."""
    path = os.path.realpath(want.path)
    entries = [path] if whole else [f"{path}/{entry}" for entry in (*inspect.OURS, *(["chroot"] if "image" in spec else []))]
    found = [mount.point for entry in entries for mount in mountinfo.below(entry)]
    chroot = f"{path}/chroot"
    if found and whole and os.path.lexists(f"{path}/{stamp.file_of('chroot')}"):
        from .rootfs import place

        foreign = [mount.point for mount in place.Found(place.Dest(chroot)).foreign]
        found = [point for point in found if point in foreign or not f"{point}/".startswith(f"{chroot}/")]
    if found:
        raise LauncherError(f"has something mounted in it, on {', '.join(map(text.visible, found))}", option="path", value=want.path,
                            remedy="Unmount it first")


def _bridges(spec):
    return sorted({item["bridge"] for item in spec.get("networks", [])})


def _host_interfaces(name, spec):
    return network.host_interfaces(name, spec.get("networks", []))
