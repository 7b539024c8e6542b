# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One cgroup in every hierarchy that it needs: make, limit, fill, watch, freeze, kill, remove. The same words on v1, hybrid and v2."""

from __future__ import annotations

import _signal
import errno
import os
import time

from ..base import files, places
from ..base.errors import LauncherError
from ..kernel.cgroup import detect, tree, usage, v1, v2
from ..kernel.cgroup import limits as table

_GONE = (errno.ENOENT, errno.ENODEV, errno.EOPNOTSUPP)
_MEMSW = "memory.memsw.limit_in_bytes"


class Cgroup:
    """`path` below the root of each hierarchy of `layout` (kernel/cgroup/detect.py), as 'coracle/web1'; it need not exist.

    The empty path is the root itself: a process can be moved there, nothing else.
    """

    __slots__ = ("layout", "path", "_unified")

    def __init__(self, layout: detect.Layout, path: str):
        self.layout = layout
        self.path = tree.check_path(path) if path else ""
        self._unified = layout.mode == detect.V2

    # --- directories

    def paths(self) -> dict[str, str]:
        """{controller: directory} of those that exist; on v2 also 'unified', and of the controllers those that are enabled here."""
        if self._unified:
            directory = f"{self.layout.unified}/{self.path}"
            return {"unified": directory, **dict.fromkeys(v2.enabled(directory), directory)} if os.path.isdir(directory) else {}
        found = {controller: f"{mount}/{self.path}" for controller, mount in self.layout.mounts.items()}
        return {controller: directory for controller, directory in found.items() if os.path.isdir(directory)}

    def exists(self) -> bool:
        """True when it is there in one hierarchy at least."""
        return any(os.path.isdir(directory) for directory in self._directories())

    def missing(self, controllers: list[str] | None = None) -> list[str]:
        """Those of `controllers` (None: all that create() uses) in whose hierarchy it is not there or not ready for a process."""
        if self._unified:
            return [] if self.exists() else ["unified"]
        return [controller for mount, names in self._mounts(controllers).items() for controller in names
                if not os.path.isdir(f"{mount}/{self.path}") or not v1.is_ready(f"{mount}/{self.path}", [controller])]

    def create(self, controllers: list[str] | None = None) -> list[str]:
        """Make it with its parents in the hierarchies of `controllers` (None: all mounted ones of detect.CONTROLLERS).

        Returns the directories made, for undo_create(). LauncherError names directory and errno; then nothing new is left.
        """
        made: list[str] = []
        for mount, names in self._mounts(controllers).items():
            try:
                made += self._make(mount, names)
            except OSError as error:
                tree.undo_directories(made)
                raise _refused(error, f"cannot make the cgroup {self.path} in {mount}", remedy=_remedy(error)) from error
        return made

    def undo_create(self, made: list[str]) -> None:
        """Remove what create() has made and nobody else uses."""
        tree.undo_directories(made)

    def remove(self) -> None:
        """rmdir it and all below in every hierarchy, then the parent `coracle` when that was its last child. Kills nothing.

        Waits about half a second for processes that are just ending. LauncherError names those that are inside.
        """
        left = self._directories() if self.path else []
        for wait in (0, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.256):
            time.sleep(wait)
            try:
                left = [directory for directory in left if not tree.remove_once(directory)]
            except OSError as error:
                raise _refused(error, f"cannot remove the cgroup {self.path}", remedy=_remedy(error)) from error
            if not left:
                break
        else:
            inside = self.processes()
            raise LauncherError(f"cgroup {self.path} is busy ({left[0]}): holds " + (tree.named(inside) or "a process that has not ended yet"),
                                remedy="End these processes first")
        if self.path.startswith(f"{places.CGROUP_PARENT}/"):
            tree.undo_directories([f"{mount}/{places.CGROUP_PARENT}" for mount in self._roots()])

    def _roots(self):
        return [self.layout.unified] if self._unified else list(dict.fromkeys(self.layout.mounts.values()))

    def _directories(self):
        return [f"{mount}/{self.path}" for mount in self._roots()]

    def _mounts(self, controllers):
        """{mount point: controllers} to be used; several v1 controllers may share one mount."""
        if self._unified:
            wanted = controllers or [*detect.CONTROLLERS, "io"]
            return {self.layout.unified: [name for name in wanted if name in self.layout.mounts]}
        mounts: dict[str, list[str]] = {}
        for name in controllers or detect.CONTROLLERS:
            if name in self.layout.mounts:
                mounts.setdefault(self.layout.mounts[name], []).append(name)
        return mounts

    def _make(self, mount, names):
        make = self._version().make
        for _attempt in range(10):
            try:
                return make(mount, self.path, names)
            except FileNotFoundError:  # the end of the last other container has just removed our parent
                continue
        return make(mount, self.path, names)

    # --- limits

    def check(self, limits: dict) -> None:
        """LauncherError for limits that cannot be set on this host: bad value, controller not mounted, two of them for one file."""
        owners: dict[str, str] = {}
        for row, value in self._rows(limits):
            self._mount_of(row.controller, row.option, value)
            row.kept(value, self._unified)
            for name in row.files(self._unified).names:
                if name in owners:
                    raise LauncherError(f"sets the same file as {owners[name]}, {name}", option=row.option, value=value, remedy="Give one of them")
                owners[name] = row.option
        for key, value in (limits.get(table.CONF) or {}).items():
            table.raw_text(value)
            self._mount_of(table.raw_controller(key), table.CONF, key)
            if key in owners:
                raise LauncherError(f"sets the same file as {owners[key]}", option=table.CONF, value=key, remedy="Give one of them")

    def kept(self, limits: dict) -> dict:
        """Return `limits` as the kernel keeps them: rounded, clamped, in the spelling of get()."""
        values = {row.option: row.kept(value, self._unified) for row, value in self._rows(limits)}
        if limits.get(table.CONF):
            values[table.CONF] = {key: table.raw_text(value) for key, value in limits[table.CONF].items()}
        return values

    def get(self, options: tuple = table.OPTIONS, conf: tuple = ()) -> dict:
        """Return {option: value} as the kernel has them now; None where it has no such file. memory and pids_limit -1, cpus '-1': no limit.

        `cgroup_conf` is {key: text} of the keys in `conf`, without those that are not there.
        """
        found = {}
        for row in table.ROWS:
            if row.option in options:
                place = row.files(self._unified)
                texts = [self._read(row.controller, name) for name in place.names]
                found[row.option] = None if None in texts else place.parse(texts)
        if table.CONF in options:
            raw = {key: self._read(table.raw_controller(key), key) for key in conf}
            found[table.CONF] = {key: content for key, content in raw.items() if content is not None}
        return found

    def set(self, limits: dict) -> list[tuple[str, str]]:
        """Write `limits` ({option: normalised value}; None is not asked), each read back. What is as asked already is not written.

        Returns what undo_set() needs. LauncherError names option, value, controller, file and errno; then all is as it was before.
        """
        self.check(limits)
        journal: list[tuple[str, str]] = []
        try:
            for option, value, controller, pairs, same in self._writes(limits):
                self._put(option, value, controller, pairs, same, journal)
        except LauncherError:
            self.undo_set(journal)
            raise
        return journal

    def undo_set(self, journal: list[tuple[str, str]]) -> None:
        """Write back what set() found, the last file first."""
        for path, content in reversed(journal):
            try:
                files.write_text(path, content or "\n")
            except OSError:
                continue  # the cgroup is gone, or in use in a way that its old value forbids; the first error is the one to report

    def _rows(self, limits):
        return [(row, limits[row.option]) for row in table.ROWS if limits.get(row.option) is not None]

    def _mount_of(self, controller, option, value):
        mount = self.layout.mounts.get(controller)
        if mount is None:
            how = (f"The kernel does not offer it: see cgroup_disable= in /proc/cmdline and {self.layout.unified}/cgroup.controllers" if self._unified
                   else f"Run the role coracle.launcher.container_host, or mount it: mount -t cgroup -o {controller} {controller} DIRECTORY")
            raise LauncherError(f"needs the controller {controller}, which is not mounted here (cgroup {self.layout.mode})", option=option,
                                value=value, remedy=how)
        return mount

    def _read(self, controller, name):
        mount = self.layout.mounts.get(controller)
        try:
            return None if mount is None else files.read_text(f"{mount}/{self.path}/{name}")
        except OSError as error:
            if error.errno in _GONE:
                return None
            raise

    def _writes(self, limits):
        """(option, value, controller, [(file, text)], same(texts)) in the order that the kernel needs."""
        writes = []
        for row, value in self._rows(limits):
            place = row.files(self._unified)
            kept = row.kept(value, self._unified)
            writes.append((row.option, value, row.controller, list(zip(place.names, place.render(value))),
                           lambda texts, place=place, kept=kept: place.parse(texts) == kept))
        for key, value in (limits.get(table.CONF) or {}).items():
            shown = table.raw_text(value)
            write = (table.CONF, {key: value}, table.raw_controller(key), [(key, shown)],
                     lambda texts, key=key, shown=shown: table.raw_same(key, shown, texts[0]))
            # v1 refuses memory + swap below the memory limit, and a memory limit above it: which of the two goes first depends on the direction.
            if key == _MEMSW and self._grows_above_memsw(limits.get("memory")):
                writes.insert(0, write)
            else:
                writes.append(write)
        return writes

    def _grows_above_memsw(self, memory):
        both = self._read("memory", _MEMSW)
        top = table.parse_bytes(both) if both is not None else -1
        return memory is not None and top != -1 and (memory == -1 or memory > top)

    def _put(self, option, value, controller, pairs, same, journal):
        directory = f"{self._mount_of(controller, option, value)}/{self.path}"
        where = directory
        try:
            if self._unified:
                v2.enable_down(self.layout.unified, self.path, controller)
            before = [files.read_text(f"{directory}/{name}") for name, _text in pairs]
            if same(before):
                return
            if self._unified and option == "memory":
                v2.make_room(directory, value)
            for (name, shown), old in zip(pairs, before):
                where = f"{directory}/{name}"
                if shown != old:
                    files.write_text(where, shown or "\n")
                    journal.append((where, table.raw_undo(shown, old) if option == table.CONF else old))
            after = [files.read_text(f"{directory}/{name}") for name, _text in pairs]
        except OSError as error:
            raise _refused(error, f"controller {controller}: the kernel refused {pairs[-1][1]!r} in {error.filename or where}", option=option,
                           value=value, remedy=self._limit_remedy(error, option, directory)) from error
        if not same(after):
            raise LauncherError(f"controller {controller}: {where} reads {after[-1]!r} after {pairs[-1][1]!r} was written", option=option,
                                value=value, remedy="Give the value that the kernel keeps")

    def _limit_remedy(self, error, option, directory):
        if error.errno == errno.EBUSY and option == "memory":
            used = self.usage()["memory_usage"]
            return f"{used} bytes are in use and cannot be reclaimed: give more, or end processes in {self.path} first"
        if option.startswith("cpuset_") and error.errno in (errno.EACCES, errno.ERANGE, errno.EINVAL):
            above = self._read("cpuset", f"../cpuset.{option[7:]}") or self._read("cpuset", f"../cpuset.{option[7:]}.effective")
            return f"The cgroup above {directory} has {above}: give a part of it"
        return _remedy(error)

    # --- processes

    def processes(self) -> list[int]:
        """Pids of all processes in it and below it, in any hierarchy, sorted."""
        return sorted({pid for directory in self._directories() for deeper in tree.below(directory) for pid in tree.processes(deeper)})

    def holds(self, pid: int) -> bool:
        """True when `pid` is in this very cgroup in every hierarchy where it exists."""
        existing = [directory for directory in self._directories() if os.path.isdir(directory)]
        return bool(existing) and all(pid in tree.processes(directory) for directory in existing)

    def attach(self, pid: int) -> None:
        """Move a process, with all its threads, into it in every hierarchy where it exists. LauncherError names directory and errno."""
        for directory in self._directories():
            if not os.path.isdir(directory):
                continue
            try:
                tree.attach(directory, pid)
            except OSError as error:
                raise _refused(error, f"process {pid} cannot enter {directory}", remedy=_ATTACH.get(error.errno, _remedy(error))) from error

    def join(self) -> None:
        """Move the calling process, which must have a single thread, into it in every hierarchy where it exists. LauncherError.

        For a child that has just been forked this is the quick way: a v1 thread that moves itself through `tasks` needs no lock
        (cgroup_procs_write_start in kernel/cgroup/cgroup.c), moving another process waits for an RCU grace period, 5 to 14 ms.
        """
        for directory in self._directories():
            try:
                files.write_text(f"{directory}/{'cgroup.procs' if self._unified else 'tasks'}", "0")
            except FileNotFoundError:
                continue
            except OSError as error:
                raise _refused(error, f"cannot enter {directory}", remedy=_ATTACH.get(error.errno, _remedy(error))) from error

    def is_frozen(self) -> bool | None:
        """None where nothing can freeze it: no freezer mounted, v2 before Linux 5.2, no such cgroup."""
        try:
            return self._version().is_frozen(self._freezer())
        except OSError as error:
            if error.errno in _GONE:
                return None
            raise

    def freeze(self) -> None:
        """Stop every process in it, forks included. LauncherError when one does not stop within a second; then all run again."""
        if self.is_frozen() is None:
            raise LauncherError(f"nothing can freeze the cgroup {self.path}", option="state", value="frozen",
                                remedy="Mount the controller freezer (cgroup v1), or use Linux 5.2 or later (v2)")
        if not self._version().freeze(self._freezer()):
            raise LauncherError(f"cgroup {self.path} does not freeze: {tree.named(self.processes())}",
                                remedy="A process in it waits for a device or file server (state D in ps); try again when that answers")

    def thaw(self) -> None:
        """Let them run again."""
        self._version().thaw(self._freezer())

    def _version(self):
        return v2 if self._unified else v1

    def _freezer(self):
        """The directory that freezes; one without these files where nothing can, for an ENOENT in the right place."""
        return f"{self.layout.unified if self._unified else self.layout.mounts.get('freezer', '/proc/self')}/{self.path}"

    def kill(self, seconds: float = 1.0) -> bool:
        """SIGKILL to every process in it and below, and thaw. Never to one outside, never to the caller (LauncherError).

        Returns True when it is empty, False when a process has not ended within `seconds`. The caller reaps its own children.
        """
        if os.getpid() in self.processes():
            raise LauncherError(f"cgroup {self.path} holds the very process that should kill it", remedy="Run this from outside")
        try:
            return self._kill_until(time.monotonic() + seconds)
        except FileNotFoundError:
            return True  # somebody else has ended them and removed it meanwhile

    def _kill_until(self, deadline):
        wait = 0.0005
        while self.processes():
            if not self._unified or not v2.kill(f"{self.layout.unified}/{self.path}"):
                self._kill_each()
            if time.monotonic() > deadline:
                return False
            time.sleep(wait)
            wait = min(wait * 2, 0.05)
        if self.is_frozen():
            self.thaw()
        return True

    def _kill_each(self):
        """Without cgroup.kill: freeze, so that nobody forks away, signal each, thaw, so that they end."""
        freezable = self.is_frozen() is not None
        if freezable:
            self._version().freeze(self._freezer(), 0.1)
        try:
            held = []
            for pid in self.processes():
                try:
                    held.append((pid, os.pidfd_open(pid)))
                except ProcessLookupError:
                    continue
            inside = set(self.processes())  # again: a pid may have gone to another process between the list and its pidfd
            for pid, pidfd in held:
                if pid in inside:
                    _kill(pidfd)
                os.close(pidfd)
        finally:
            if freezable:
                self.thaw()

    def usage(self) -> dict:
        """What it has used (kernel/cgroup/usage.py), and memory_limit in bytes, -1 for none."""
        return {**usage.usage(self._read, self._unified), "memory_limit": self.get(("memory",))["memory"]}


def _kill(pidfd):
    try:
        _signal.pidfd_send_signal(pidfd, 9)
    except ProcessLookupError:
        return


_ATTACH = {
    errno.ESRCH: "It does not exist or has ended",
    errno.ENOSPC: "Give it cpuset_cpus and cpuset_mems first",
    errno.EBUSY: "It has cgroups with controllers below it: on cgroup v2 processes live in the innermost ones only",
    errno.EINVAL: "Threads of the kernel cannot be moved",
}


def _remedy(error):
    return {
        errno.EROFS: "cgroups are mounted read-only here: this is no host, or a container without its own cgroup namespace",
        errno.EACCES: "Run it as root, outside of any container",
        errno.EPERM: "Run it as root, outside of any container",
        errno.ENOENT: "This kernel has no such file: see what the directory holds",
        errno.EBUSY: "On cgroup v2 a cgroup that holds processes cannot pass controllers on: move them into a cgroup of their own",
        errno.ENOSPC: "The limit of cgroups is reached: see cgroup.max.descendants above it, or /proc/cgroups",
    }.get(error.errno)


def _refused(error, problem, option=None, value=None, remedy=None):
    code = errno.errorcode.get(error.errno, str(error.errno))
    return LauncherError(f"{problem}: {os.strerror(error.errno)} ({code})", option=option, value=value, remedy=remedy)
