# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a forked child does until it is the container's process. Runs as the host's root among hostile files, so from the first line on:
nothing is imported, no name service is asked, no path of the image is followed; what it needs lies in its Entry.

The order is that of docs/architecture.md. Each step has a name; when one fails, the name, the errno and a text go to the parent through
the error pipe, and the child ends.
"""

from __future__ import annotations

import _signal
import _socket
import errno
import fcntl
import os
import resource
import select
import stat
import sys

from ..base import files, libc
from ..base.errors import CANNOT_EXECUTE, HOST_FAILED, NOT_FOUND, LauncherError
from ..kernel import caps, devices, ids, masks, mountinfo, mounts, oom, volumes
from ..model import ulimits
from . import reaper
from .rootfs import locks, stamp

_PASSWD_LIMIT = 1 << 20
_REPORT = 3  # where the error pipe lies when everything from 4 on is closed


class Entry:
    """All that the child needs, prepared before the fork.

    `argv`: bytes; `env`: {bytes: bytes} without HOME; `user`, `group`: text; `groups`: the other groups, as text; `cwd`: absolute path
    inside; `stdio`: three descriptors, or None for a terminal whose master goes through the socket `terminal`; `filter`: seccomp program
    or None; `capabilities`: mask for uid 0, `ambient`: for any other; `ulimits`: (name, soft, hard) of ulimits.py; `oom_score_adj`: None
    is not asked; `announce`: write the article's last two messages; `die_with_parent`: SIGKILL when the launcher ends. For a start:
    `rootfs` a directory, or `lower`, `upper`, `work` of an overlay on it (`lower` alone: the image itself, read-only), `place` its
    (parent, name, inode, generation) if the host may mount that as well, `hostname`, `mounts`: of mounting.plan(), `read_only`: the root,
    `shm_size`: bytes, `devices`: nodes.Node, `init`: a reaper as PID 1, `sysctls`: (name, path below /proc/sys, value), `netns`
    descriptor of the network namespace. For an exec: `pidfd` of the container's init.
    """

    __slots__ = ("argv", "env", "user", "group", "groups", "cwd", "stdio", "terminal", "filter", "capabilities", "ambient", "ulimits",
                 "oom_score_adj", "announce", "die_with_parent", "rootfs", "lower", "upper", "work", "place", "hostname", "mounts",
                 "read_only", "shm_size", "devices", "init", "sysctls", "netns", "pidfd")

    def __init__(self):
        self.argv, self.env, self.user, self.group, self.cwd = [], {}, "0", None, "/"
        self.groups, self.ulimits, self.oom_score_adj = [], [], None
        self.stdio = self.terminal = self.filter = None
        self.ambient, self.devices, self.init = 0, [], False
        self.capabilities, self.announce, self.die_with_parent = 0, False, False
        self.rootfs, self.lower, self.upper, self.work, self.place = "", None, None, None, None
        self.hostname, self.netns, self.pidfd = "", None, None
        self.mounts, self.read_only, self.shm_size, self.sysctls = [], False, devices.SHM_SIZE, []


class StepFailed(Exception):
    """A step that failed, with what to tell the parent."""

    def __init__(self, step, number, text, code=HOST_FAILED):
        super().__init__(step)
        self.step, self.number, self.text, self.code = step, number, text, code


def run(entry: Entry, join, go: int, report: int) -> None:
    """Enter the cgroup with `join()`, wait for one byte on `go` (the parent has written down who we are), then become the container's
    process. Never returns."""
    code = HOST_FAILED
    try:
        _cut_imports()
        with _Step("cgroup"):
            join()
        if os.read(go, 1) != b"g":
            os._exit(HOST_FAILED)  # the parent gave up or died: nothing was entered
        os.close(go)
        _become(entry, report)
    except StepFailed as failed:
        code = failed.code
        _report(report, failed.step, failed.number, failed.text, code)
    except OSError as error:
        _report(report, "start", error.errno or 0, error.strerror or "", code)
    except LauncherError as error:
        _report(report, "start", 0, str(error), code)
    finally:
        os._exit(code)


def _report(report, step, number, text, code):
    try:
        os.write(report, f"{step}\n{number}\n{code}\n{text}".encode("utf-8", "backslashreplace")[:4096])
    except OSError:
        pass  # the parent is gone; the exit status is all that is left to say


def _cut_imports():
    # After the pivot `import` would read the image's files as the host's root; a lazy import in the standard library did (os.execvp).
    sys.path[:] = []
    sys.meta_path[:] = []
    sys.path_hooks[:] = []


class _Step:
    """Names a step: an OSError inside becomes StepFailed with that name."""

    __slots__ = ("name",)

    def __init__(self, name):
        self.name = name

    def __enter__(self):
        return self

    def __exit__(self, kind, error, _traceback):
        if isinstance(error, LauncherError):
            raise StepFailed(self.name, 0, str(error)) from None
        if isinstance(error, OSError):
            where = f" ({error.filename})" if isinstance(error.filename, str) else ""
            raise StepFailed(self.name, error.errno or 0, f"{error.strerror or error}{where}") from None
        return False


def _become(entry, report):
    with _Step("session"):
        os.setsid()
        libc.keyctl_join_session()
        libc.prctl(libc.PR_SET_DUMPABLE, 0)
        _neutral_scheduling()
    with _Step("oom_score_adj"):
        _set_oom_score(entry.oom_score_adj)
    if entry.pidfd is None:
        root = _new_root(entry)
    else:
        root = _join(entry)
    with _Step("user"):
        group_file = _read_inside(root, "etc/group")
        uid, gid, home = ids.resolve(entry.user, entry.group, _read_inside(root, "etc/passwd"), group_file)
        groups = [ids.lookup_group(group_file, name) for name in entry.groups]
    with _Step("stdio"):
        _attach_stdio(entry, root, uid, gid)
    if entry.pidfd is None:
        with _Step("pivot_root"):
            mounts.pivot(root)
    os.close(root)
    _reset_process_state()
    _announce(entry, f"Dropping privileges to {uid}:{gid}\n")
    with _Step("ulimits"):  # late, as a process with few of anything is no place to work in, but raising a hard limit needs privileges
        for name, soft, hard in entry.ulimits:
            _set_limit(name, soft, hard)
    with _Step("privileges"):
        _drop_privileges(entry, uid, gid, groups, report)
    with _Step("working_dir"):  # as the user that it is for: where that one may not go, it does not start
        _change_directory(entry.cwd)
    _announce(entry, "Starting " + " ".join(os.fsdecode(word) for word in entry.argv) + "\n")
    env = dict(entry.env)
    env.setdefault(b"HOME", os.fsencode(home))
    _execute(entry, env, report)


def _new_root(entry):
    """New namespaces and a root of its own; returns the root's descriptor. The pid namespace is new already: we are its first process."""
    if entry.place is not None:
        with _Step("rootfs"):  # the lock of the module container_rootfs, until the execve: what the host has mounted goes into our copy
            parent = files.open_directory(entry.place[0])
            locks.take(parent, entry.rootfs)
            os.close(parent)
    with _Step("namespaces"):
        libc.unshare(libc.CLONE_NEWNS | libc.CLONE_NEWUTS | libc.CLONE_NEWIPC | libc.CLONE_NEWCGROUP)
        libc.setns(entry.netns, libc.CLONE_NEWNET)
        os.close(entry.netns)
        libc.sethostname(entry.hostname)
    with _Step("sysctls"):
        for name, path, value in entry.sysctls:
            _set_parameter(name, path, value)
    os.umask(0)
    with _Step("rootfs"):
        mounts.make_private()
        root = _mount_root(entry)
        null = mounts.host_null()
    with _Step("/proc"):
        masks.mount_proc(root, null)
    with _Step("/sys"):
        masks.mount_sys(root, null)
    with _Step("/dev"):
        devices.populate(root, entry.shm_size, entry.devices)
    with _Step("mounts"):
        for one in entry.mounts:
            _mount(root, one)
    if entry.read_only:
        with _Step("read_only"):
            mounts.make_read_only(root)
    os.close(null)
    return root


def _set_parameter(name, path, value):
    """Through the host's /proc, in which every namespace that we have just entered shows its own parameters."""
    descriptor = os.open(f"/proc/sys/{path}", os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        os.write(descriptor, value.encode("ascii"))
    except OSError as error:
        raise OSError(error.errno, error.strerror, name) from None
    finally:
        os.close(descriptor)


def _mount(root, one):
    try:
        if one.source is None:
            volumes.tmpfs(root, one.target, one.data, one.read_only, one.noexec)
        else:
            volumes.bind(root, one.source, one.target, one.read_only, one.recursive)
    except OSError as error:
        raise OSError(error.errno, error.strerror, one.target) from None


def _mount_root(entry):
    if entry.lower is None or entry.place is not None and not stamp.is_bare(*entry.place):
        return mounts.bind_root(entry.rootfs, entry.read_only)
    if entry.place is None:
        return mounts.overlay_root(entry.rootfs, entry.lower, entry.upper, entry.work)
    parent = files.open_directory(entry.place[0])
    try:
        return _adopt(entry, parent)
    finally:
        os.close(parent)


def _adopt(entry, parent):
    """Mount what the host has not: the image itself or an overlay, in the open `parent`."""
    if entry.upper is None:
        return mounts.image_root(parent, entry.place[1], entry.lower)
    for pid, _mount in mountinfo.with_upper(entry.upper):  # two mounts of one upper directory: what each sees is undefined
        raise LauncherError(f"is the root of process {pid} already", option="rootfs", value=entry.rootfs,
                            remedy="Mount it for both: run the task of container_rootfs again, while none of them runs")
    return mounts.overlay_root(entry.rootfs, entry.lower, entry.upper, entry.work, mounts.noexec_of(parent))


def _join(entry):
    """Enter the namespaces of a running container; returns the descriptor of its root. The pid namespace was set before the fork."""
    with _Step("namespaces"):
        flags = libc.CLONE_NEWUTS | libc.CLONE_NEWIPC | libc.CLONE_NEWNET | libc.CLONE_NEWCGROUP | libc.CLONE_NEWNS
        libc.setns(entry.pidfd, flags)
        os.close(entry.pidfd)
        return os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)


def _neutral_scheduling():
    """What a container would otherwise inherit from whoever started the supervisor: nice, policy, affinity, limits, OOM score, ASLR off."""
    libc.personality(0)
    libc.prctl(libc.PR_SET_TIMERSLACK, 50000)  # nanoseconds, the kernel's default
    os.setpriority(os.PRIO_PROCESS, 0, 0)
    os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    try:
        os.sched_setaffinity(0, range(os.cpu_count() or 1))
    except OSError as error:
        if error.errno != errno.EINVAL:  # a cpuset allows fewer; the kernel has narrowed it already
            raise
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 524288
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (1024, wanted))
    except (ValueError, OSError):  # raising the hard limit needs CAP_SYS_RESOURCE, which root need not have
        limit = hard if hard != resource.RLIM_INFINITY and hard < wanted else wanted
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(1024, limit), limit))


def _set_oom_score(value):
    try:
        oom.set_own(value or 0)
    except PermissionError:
        if value is not None:
            raise
        # Lowering it needs CAP_SYS_RESOURCE: the host wants everything of this caller killed first, and so be it.


def _set_limit(name, soft, hard):
    try:
        resource.setrlimit(ulimits.NUMBERS[name], (soft, hard))
    except ValueError:  # what Python makes of EPERM and EINVAL
        raise PermissionError(errno.EPERM, "the hard limit cannot be raised", name) from None


def _read_inside(root, path):
    """Read a small file of the image, resolving its links inside the image. Missing, odd or large ones count as empty."""
    resolve = libc.RESOLVE_IN_ROOT | libc.RESOLVE_NO_MAGICLINKS
    try:
        descriptor = libc.openat2(root, path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY, 0, resolve)
    except OSError:
        return b""
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return b""
        data = b""
        while len(data) < _PASSWD_LIMIT:
            piece = os.read(descriptor, 65536)
            if not piece:
                break
            data += piece
        return data[:_PASSWD_LIMIT]
    finally:
        os.close(descriptor)


def _attach_stdio(entry, root, uid, gid):
    if entry.terminal is not None:
        master, slave = devices.open_terminal(root)
        os.fchown(slave, uid, -1)
        _socket.socket(fileno=entry.terminal).sendmsg([b"t"], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, master.to_bytes(4, sys.byteorder))])
        os.close(master)
        fcntl.ioctl(slave, devices.TIOCSCTTY, 0)
        stdio = (slave, slave, slave)
    else:
        stdio = entry.stdio
        for descriptor in stdio[1:]:
            if stat.S_ISFIFO(os.fstat(descriptor).st_mode):
                os.fchown(descriptor, uid, gid)  # else open("/dev/stdout") is refused to everyone but root
    # First out of the way of 0, 1 and 2, then into place: a source may itself be one of the three.
    high = [fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 10) for descriptor in stdio]
    for number, descriptor in enumerate(high):
        os.dup2(descriptor, number, inheritable=True)


def _change_directory(path):
    os.chdir(path)
    if not os.getcwd().startswith("/"):  # the kernel writes "(unreachable)" for a directory outside the root (CVE-2024-21626)
        raise OSError(errno.EXDEV, "lies outside the rootfs", path)


def _reset_process_state():
    for number in range(1, 65):
        if number in (32, 33):  # glibc's own, for threads; a caller without libc may have ignored them
            libc.default_signal(number)
        elif number not in (_signal.SIGKILL, _signal.SIGSTOP):
            _signal.signal(number, _signal.SIG_DFL)
    _signal.pthread_sigmask(_signal.SIG_SETMASK, [])
    os.umask(0o022)


def _announce(entry, message):
    if entry.announce:
        data = message.encode("utf-8", "backslashreplace")
        while data:
            data = data[os.write(1, data):]


def _drop_privileges(entry, uid, gid, groups, report):
    kept = entry.capabilities if uid == 0 else entry.ambient
    caps.limit_bounding(kept)
    if uid != 0 and kept:
        libc.prctl(libc.PR_SET_KEEPCAPS, 1)  # until the execve
    os.setgroups(groups)
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)
    if os.getresuid() != (uid, uid, uid) or os.getresgid() != (gid, gid, gid) or set(os.getgroups()) != set(groups):
        raise OSError(errno.EPERM, "the kernel did not change the user")
    caps.apply(kept)
    if uid != 0 and kept:
        caps.apply_ambient(kept)
    libc.prctl(libc.PR_SET_DUMPABLE, 0)  # the change of credentials has set it to fs.suid_dumpable
    if entry.die_with_parent:
        libc.prctl(libc.PR_SET_PDEATHSIG, _signal.SIGKILL)  # after setresuid, which clears it
        _leave_without_parent(report)
    libc.prctl(libc.PR_SET_NO_NEW_PRIVS, 1)


def _leave_without_parent(report):
    """A parent that died before PR_SET_PDEATHSIG sends no signal, and getppid(2) is 0 in a new pid namespace: the pipe tells."""
    pipe = select.poll()
    pipe.register(report, 0)
    if pipe.poll(0):  # POLLERR: nobody can read it any more
        os._exit(HOST_FAILED)


def _execute(entry, env, report):
    # Only 0, 1, 2 and the error pipe may be open; the pipe closes itself when execve succeeds, and that is how the parent knows.
    if report != _REPORT:
        os.dup2(report, _REPORT, inheritable=False)
    libc.close_range(_REPORT + 1)
    if entry.filter is not None:
        libc.seccomp_filter(entry.filter)
    if entry.init:
        _leave_init(entry)
    number, text = errno.ENOENT, os.strerror(errno.ENOENT)
    for program in _candidates(entry.argv[0], env):
        try:
            os.execve(program, entry.argv, env)
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.ENOTDIR):
                number, text = error.errno or 0, error.strerror or ""
    code = NOT_FOUND if number == errno.ENOENT else CANNOT_EXECUTE
    _report(_REPORT, "execve", number, text, code)
    os._exit(code)


def _leave_init(entry):
    """Fork: the child goes on to the execve, in a process group of its own, in the foreground of its terminal. We stay PID 1."""
    reaper.block_signals()
    try:
        child = os.fork()
    except OSError as error:  # the limits of the container, or of its user
        _report(_REPORT, "init", error.errno or 0, error.strerror or "", HOST_FAILED)
        os._exit(HOST_FAILED)
    if child:
        os.close(_REPORT)
        os._exit(reaper.watch(child))
    os.setpgid(0, 0)
    if entry.terminal is not None:
        os.tcsetpgrp(0, os.getpid())
    _signal.pthread_sigmask(_signal.SIG_SETMASK, [])


def _candidates(program, env):
    """The paths to try: a word without a slash is looked up in the PATH that the payload gets, as execvp(3) does."""
    if b"/" in program or not program:
        return [program] if program else []
    return [directory + b"/" + program for directory in env.get(b"PATH", b"").split(b":") if directory.startswith(b"/")]
