# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The order of a start, a list of calls: validate, cgroup, network namespace, fork, join, go. Used by the supervisor and by `coracle run`.

What happens in the child is inside.py. Nothing here waits: `spawn` returns as soon as the child may go on.
"""

from __future__ import annotations

import errno
import os
import stat

from ..base import clone, files, libc, places
from ..base.errors import HOST_FAILED, LauncherError
from ..kernel import caps, devices, oom, procs, seccomp
from ..kernel.cgroup import detect
from ..kernel.net import netlink, netns, read
from ..model import mounting, privileges, resolving, settings, sysctls, ulimits
from ..model.state import EXITED, State
from . import inside, nodes, records, volumes
from .limits import Cgroup
from .network import leaving
from .rootfs import above, stamp

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
LIMITS = ("memory", "cpu_shares", "cpu_percent", "cpus", "pids_limit")


class Spawned:
    """A child that has been let go: `pid` in the host's namespace, `pidfd`, `report` the read end of its error pipe, `started` ticks."""

    __slots__ = ("pid", "pidfd", "report", "started")

    def __init__(self, pid, pidfd, report, started):
        self.pid, self.pidfd, self.report, self.started = pid, pidfd, report, started


class Failure:
    """What a child said before it ended: the step, errno (0: none), exit code for `coracle run`, a text for a person."""

    __slots__ = ("step", "number", "code", "text")

    def __init__(self, step, number, code, text):
        self.step, self.number, self.code, self.text = step, number, code, text


def check(path: str, spec: dict) -> None:
    """Validate what a start needs and the file system can tell, without any effect. LauncherError names the option."""
    if not spec.get("command"):
        raise LauncherError("is missing", option="process", place=f"{path}/settings", remedy="Name the program to run in the rootfs")
    volumes.check(spec)
    if "image" in spec:
        tree = image_tree(spec["image"])
        if any(character in path + tree for character in ":,\\"):
            raise LauncherError("has a character that overlayfs cannot take", option="path", value=path, remedy="Choose a path without : , and \\")
        return
    root = root_of(path, spec)
    try:
        info = os.lstat(root)
    except OSError as error:
        raise LauncherError(f"cannot be read: {error.strerror}", option="rootfs", value=root,
                            remedy="Extract an image there, or name one with image") from None
    if not stat.S_ISDIR(info.st_mode) or os.path.realpath(root) == "/":
        raise LauncherError("is no directory that can be a root (a link, a file, or / itself)", option="rootfs", value=root,
                            remedy="Give the directory that holds the container's files")
    if f"{os.path.realpath(path)}/".startswith(f"{os.path.realpath(root)}/"):
        raise LauncherError("holds the container's own settings and log, which must be out of its reach", option="rootfs", value=root,
                            remedy="Put the root file system into a directory below, as chroot")
    made = stamp.unmounted(root)
    if made is not None:
        image_tree(made.digest)


def root_of(path: str, spec: dict) -> str:
    """The directory that becomes /, or over which the overlay is mounted."""
    return spec.get("rootfs") or f"{path}/chroot"


def image_tree(digest: str) -> str:
    """The extracted tree of an image of the store. LauncherError when the host does not have it."""
    tree = f"{places.IMAGES}/{digest.partition(':')[2]}/tree"
    if not os.path.isdir(tree):
        raise LauncherError("is not in this host's image store", option="image", value=digest, remedy="Deploy it again with the archive")
    return tree


def prepare(name: str, path: str, spec: dict) -> inside.Entry:
    """Return the Entry of a start, with `stdio`, `terminal` and `announce` still to be set. Makes an overlay's directories."""
    check(path, spec)
    entry = inside.Entry()
    entry.rootfs = root_of(path, spec)
    if "image" in spec:
        entry.lower = image_tree(spec["image"])
        entry.upper, entry.work = f"{path}/upper", f"{path}/work"
        for directory, mode in ((entry.rootfs, 0o755), (entry.upper, 0o755), (entry.work, 0o700)):
            files.make_directories(directory, mode)
    else:
        _adopt(entry)
    entry.argv = [os.fsencode(word) for word in spec["command"]]
    entry.env = environment(spec)
    entry.user, entry.group = spec.get("user", "0"), spec.get("group")
    entry.groups = spec.get("groups", [])
    entry.cwd = spec.get("working_dir", "/")
    entry.mounts, entry.read_only = mounting.plan(spec), spec.get("read_only", False)
    _write_etc(name, entry, spec)
    entry.devices, entry.init = nodes.find(spec), spec.get("init", False)
    entry.shm_size = spec.get("shm_size", devices.SHM_SIZE)
    entry.sysctls = [(name, sysctls.path(name), value) for name, value in spec.get("sysctls", {}).items()]
    entry.oom_score_adj = spec.get("oom_score_adj")
    entry.hostname = spec.get("hostname", name)
    confine(entry, spec)
    return entry


def _write_etc(name: str, entry: inside.Entry, spec: dict) -> None:
    """The container's own resolv.conf and hosts: files of ours in /run, mounted over those of its root file system."""
    for target, content in resolving.files(spec, spec.get("hostname", name)).items():
        directory, file = records.run_directory(name), os.path.basename(target)
        files.make_directories(directory)
        descriptor = files.open_directory(directory)
        try:
            files.write_whole(descriptor, file, content.encode(), 0o644, durable=False)
        finally:
            os.close(descriptor)
        entry.mounts.append(mounting.Plan(target, f"{directory}/{file}", read_only=True, recursive=False))
    entry.mounts.sort(key=mounting.depth)


def _adopt(entry: inside.Entry) -> None:
    """A tree of the module container_rootfs whose mount is gone, as after a reboot, is mounted in the container's own namespace alone.

    Until it is, the child holds the lock of that module, and looks again whether nobody else has mounted it.
    """
    made = stamp.unmounted(entry.rootfs)
    if made is None:
        return
    entry.rootfs = stamp.real(entry.rootfs)
    parent, name = os.path.split(entry.rootfs)
    why = above.unsafe(f"{parent}/{stamp.layers_of(name)}" if made.kind == stamp.OVERLAY else parent)
    if why:
        raise LauncherError(f"cannot be mounted again: {why}", option="rootfs", value=entry.rootfs,
                            remedy="Make a copy of it with container_rootfs, or move it below directories of root's alone")
    entry.lower, entry.place = image_tree(made.digest), (parent, name, made.inode, made.generation)
    if made.kind == stamp.OVERLAY:
        entry.upper, entry.work = stamp.upper_and_work(parent, name, made.layer)


def confine(entry: inside.Entry, spec: dict) -> None:
    """Set the system call filter, the capabilities that uid 0 and others keep, and the resource limits."""
    entry.ulimits = [ulimits.parse(limit) for limit in spec.get("ulimits", [])]
    entry.filter = seccomp.program()
    default = caps.DEFAULT_ROOT
    if spec.get("networks") and entry.filter is not None:
        default += caps.PING
    entry.capabilities = caps.mask(privileges.kept(default, spec))
    entry.ambient = caps.mask(privileges.given(spec))


def environment(spec: dict) -> dict[bytes, bytes]:
    """The whole environment of the payload but HOME: nothing of the caller's."""
    env = {b"PATH": _PATH.encode(), b"container": b"coracle"}
    env.update((os.fsencode(key), os.fsencode(value)) for key, value in spec.get("env", {}).items())
    return env


def cgroup_of(name: str, layout: detect.Layout | None = None) -> Cgroup:
    """The cgroup coracle/NAME. `layout`: of this host, None to find out. LauncherError when no cgroup is mounted."""
    return Cgroup(layout or detect.find(), f"{places.CGROUP_PARENT}/{name}")


def limits_of(spec: dict) -> dict:
    """What the cgroup of a new container gets; the devices only when some are asked for: without, no node but ours can be opened anyhow."""
    limits = {option: spec[option] for option in LIMITS if option in spec}
    return {**limits, "devices": nodes.rules(nodes.find(spec))} if spec.get("devices") else limits


def make_cgroup(name: str, spec: dict, layout: detect.Layout | None = None) -> Cgroup:
    """Create coracle/NAME in every hierarchy and set the limits of `spec`; on an error it is removed again."""
    group = cgroup_of(name, layout)
    if group.exists():
        _refuse_strangers(name, group)
        group.remove()  # left empty by a launcher that was killed
    group.create()
    try:
        group.set(limits_of(spec))
    except BaseException:
        group.remove()
        raise
    return group


def _refuse_strangers(name, group):
    """Whoever is in the cgroup of a container that does not run, says its state, may be the container itself: never start a second one."""
    inside_it = group.processes()
    if inside_it:
        raise LauncherError(f"its cgroup holds processes that no state tells of (pid {inside_it[0]}): it may run already", option="name", value=name,
                            remedy=f"Look at them, then end them: coracle stop {name}")


def open_netns(name: str) -> int:
    """The descriptor of the container's named network namespace; made when no network was attached before. LauncherError: not ours."""
    is_new = not netns.exists(name)
    netns.create(name)
    descriptor = netns.open_namespace(netns.path(name))
    if not is_new and not _is_ours(descriptor):
        os.close(descriptor)
        raise LauncherError("a network namespace of this name exists already and is not ours", option="name", value=name,
                            remedy="Choose another name, or remove that one: ip netns delete")
    return descriptor


def _is_ours(descriptor):
    with netns.inside(descriptor), netlink.Socket() as route:
        loopback = read.link(route, "lo")
    return loopback is not None and loopback.alias == netns.CONTAINER


def _delete_netns(name):
    try:
        descriptor = netns.open_namespace(netns.path(name))
    except LauncherError:
        return
    try:
        ours = _is_ours(descriptor)
        if ours:
            leaving.forget_ports(f"coracle:{name}:", descriptor)
    finally:
        os.close(descriptor)
    if ours:
        netns.delete(name)


def spawn(entry: inside.Entry, group: Cgroup, record) -> Spawned:
    """Fork the child as PID 1 of a new pid namespace, call `record(pid, started)`, and let it go.

    The first thing that the child does is to enter `group`, so nothing of it is ever outside; then it waits for a byte. When anything
    fails here, it ends without a trace.
    """
    own = os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
    try:
        libc.unshare(libc.CLONE_NEWPID)  # of our children, not of ourselves
        try:
            return fork_into(entry, group, record)
        finally:
            libc.setns(own, libc.CLONE_NEWPID)
    finally:
        os.close(own)


def fork_into(entry: inside.Entry, group: Cgroup, record) -> Spawned:
    """The part of `spawn` that starts and execs share: fork, the child enters the cgroup, go."""
    pipes = []
    try:
        pipes += os.pipe()
        pipes += os.pipe()
        pid, pidfd, join = _fork(group)
    except OSError:
        for descriptor in pipes:
            os.close(descriptor)
        raise
    wait, go, report, error = pipes
    if pid == 0:
        os.close(go)
        os.close(report)
        inside.run(entry, join, wait, error)
    os.close(wait)
    os.close(error)
    try:
        pidfd = os.pidfd_open(pid) if pidfd < 0 else pidfd
        try:
            started = procs.starttime(pid)
            record(pid, started)
            _let_go(go)
        except BaseException:
            os.close(pidfd)
            raise
    except BaseException:
        os.close(report)
        os.close(go)  # the child reads the end of the file and leaves
        os.waitpid(pid, 0)
        raise
    os.close(go)
    return Spawned(pid, pidfd, report, started)


def _fork(group):
    """Return (pid or 0 in the child, pidfd or -1, what is left for the child to do to be in `group`)."""
    if group.layout.mode == detect.V2:
        try:
            return *clone.into_cgroup(f"{group.layout.unified}/{group.path}"), _stay
        except OSError:
            pass  # this kernel or this cgroup does not allow it: the child finds out which, and says so
    return os.fork(), -1, group.join


def _stay():
    """For a child that began in its cgroup."""


def _let_go(go):
    try:
        os.write(go, b"g")
    except BrokenPipeError:
        pass  # it could not enter its cgroup, has said so through the error pipe, and left


def read_failure(data: bytes) -> Failure | None:
    """What a child wrote into its error pipe; None for nothing: execve has succeeded."""
    if not data:
        return None
    step, number, code, text = (data.decode("utf-8", "replace").split("\n", 3) + ["", "0", str(HOST_FAILED), ""])[:4]
    return Failure(step, int(number), int(code), text)


def explain(failure: Failure, spec: dict) -> LauncherError:
    """The message for a person, with the option that caused it where a step belongs to one."""
    if failure.step == "execve":
        process = spec["command"][0]
        problem, remedy = f"cannot be executed: {failure.text}", "Look at it in the rootfs"
        if failure.number == errno.ENOENT:
            problem = "is not in the rootfs, or the interpreter or loader that it names is not"
            remedy = "Give the path as the rootfs sees it"
        elif failure.number == errno.EACCES:
            problem, remedy = "may not be executed by this user", "Check its mode, and that of the directories above it"
        return LauncherError(problem, option="process", value=process, remedy=remedy, code=failure.code)
    if failure.step == "working_dir":
        return LauncherError(f"cannot be entered: {failure.text}", option="working_dir", value=spec.get("working_dir", "/"),
                             remedy="Give a directory of the rootfs that the user may enter")
    if failure.step in ("ulimits", "oom_score_adj"):
        return LauncherError(f"cannot be set: {failure.text}", option=failure.step, value=spec.get(failure.step),
                             remedy=oom.NEEDS_RESOURCE if failure.number in (errno.EPERM, errno.EACCES) else None)
    if failure.step in ("mounts", "sysctls"):
        return LauncherError(f"cannot be {'made' if failure.step == 'mounts' else 'set'}: {failure.text}", option=failure.step)
    if failure.step in ("/proc", "/sys", "/dev"):
        return LauncherError(f"{failure.step} cannot be mounted in the rootfs: {failure.text}",
                             remedy=f"{failure.step} of the rootfs must be missing or a real directory")
    if failure.step in ("user", "cgroup") or not failure.number:
        return LauncherError(failure.text)
    return LauncherError(f"the host could not do the step {failure.step}: {failure.text}")


def clean(name: str, group: Cgroup | None) -> None:
    """Remove what a start made and an ended container does not need: its network namespace (the veth pairs go with it), its FIFOs, and
    `group` with whoever is in it. None leaves the cgroup alone: the start failed before it was ours."""
    if group is not None and group.exists():
        if group.processes():
            group.kill()
        group.remove()
    _delete_netns(name)
    for fifo in ("stdout", "stderr"):
        try:
            os.unlink(f"{records.run_directory(name)}/{fifo}")
        except FileNotFoundError:
            pass


def bury(state: State, layout: detect.Layout | None = None) -> None:
    """Clean up after a container that ended while nobody was there to see it, and write that down."""
    state.status, state.exit_code, state.reason = EXITED, None, "it ended while no supervisor was there to see it"
    try:
        clean(state.name, cgroup_of(state.name, layout))
    except (LauncherError, OSError) as error:
        state.reason = f"{state.reason}; not all could be removed: {error}"
    records.write_state(state)


def end_settings(spec: dict) -> tuple[int, int]:
    """(number of the stop signal, seconds until SIGKILL) of a spec."""
    return (settings.signal_number(spec.get("stop_signal", settings.DEFAULTS["stop_signal"])),
            spec.get("stop_timeout", settings.DEFAULTS["stop_timeout"]))
