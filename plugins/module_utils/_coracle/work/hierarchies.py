# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One cgroup in every hierarchy that it needs: its directories, and the processes in them. The same words on v1, hybrid and v2."""

from __future__ import annotations

import os

from ..base import files
from ..kernel.cgroup import detect, refusals, tree, v1, v2

# A controller by the name of the other version, for one list that serves both. On v2 freezer and devices are there without any controller.
_V1_NAMES = {"io": "blkio"}
_V2_NAMES = {"blkio": "io", "cpuacct": "cpu"}
_ALWAYS_ON_V2 = frozenset(("freezer", "devices"))


class Hierarchies:
    """What people call `name`, as 'coracle/web1', below the root of each hierarchy of `layout` (kernel/cgroup/detect.py); it need not
    exist. `path`: where it is there. The empty path is the root itself: a process can be moved there, nothing else."""

    __slots__ = ("layout", "path", "unified")

    def __init__(self, layout: detect.Layout, name: str):
        self.layout = layout
        self.path = layout.path(tree.check_path(name)) if name else ""
        self.unified = layout.mode == detect.V2

    # --- directories

    def paths(self) -> dict[str, str]:
        """{controller: directory} of those that exist; on v2 also 'unified', and of the controllers those that are enabled here."""
        if self.unified:
            directory = f"{self.layout.unified}/{self.path}"
            return {"unified": directory, **dict.fromkeys(v2.enabled(directory), directory)} if os.path.isdir(directory) else {}
        found = {controller: f"{mount}/{self.path}" for controller, mount in self.layout.mounts.items()}
        return {controller: directory for controller, directory in found.items() if os.path.isdir(directory)}

    def exists(self) -> bool:
        """True when it is there in one hierarchy at least."""
        return any(os.path.isdir(directory) for directory in self.directories())

    def missing(self, controllers: list[str] | None = None, strict: bool = False) -> list[str]:
        """Those of `controllers` (None: all that create() uses) in whose hierarchy it is not there or not ready for a process.

        On v2 'unified' when it is not there; with `strict` also the controllers that are not enabled.
        """
        if self.unified:
            if not self.exists():
                return ["unified"]
            wanted = self.named(controllers or ()) if strict else ()
            active = v2.enabled(f"{self.layout.unified}/{self.path}")
            return [name for name in wanted if name not in active]
        return [controller for mount, names in self._mounts(controllers).items() for controller in names
                if not os.path.isdir(f"{mount}/{self.path}") or not v1.is_ready(f"{mount}/{self.path}", [controller])]

    def create(self, controllers: list[str] | None = None, strict: bool = False) -> list:
        """Make it with its parents in the hierarchies of `controllers` (None: all mounted ones of detect.CONTROLLERS).

        On v2 a controller that cannot be enabled is left out; with `strict` it is an error. Returns what was done, for undo_create().
        LauncherError names directory and errno; then nothing new is left.
        """
        if self.layout.is_delegated and f"{self.path}/".startswith(f"{self.layout.home}/"):
            from . import delegation

            delegation.ensure(self.layout)
        done: list = []
        where = f"{self.layout.unified}/{self.path}"
        try:
            for mount, names in self._mounts(controllers).items():
                where = f"{mount}/{self.path}"
                done += self._make(mount, names)
            if strict and self.unified:
                for name in self.named(controllers or ()):
                    done += v2.enable_down(self.layout.unified, self.path, name)
        except OSError as error:
            self.undo_create(done)
            raise refusals.refused(error, f"cannot make the cgroup {where}: the kernel refused {error.filename or where}") from error
        return done

    def undo_create(self, done: list) -> None:
        """Take back what create() did and nobody else uses."""
        v2.undo(done)

    def directories(self) -> list[str]:
        """Its directory in each hierarchy, there or not."""
        return [f"{mount}/{self.path}" for mount in self.roots()]

    def roots(self) -> list[str]:
        """The mount point of each hierarchy."""
        return [self.layout.unified] if self.unified else list(dict.fromkeys(self.layout.mounts.values()))

    def named(self, controllers) -> list[str]:
        """`controllers` by the names of this version, without those that v2 does not need."""
        names = (_V2_NAMES if self.unified else _V1_NAMES)
        found = dict.fromkeys(names.get(name, name) for name in controllers)
        return [name for name in found if not (self.unified and name in _ALWAYS_ON_V2)]

    def _mounts(self, controllers):
        """{mount point: controllers} to be used; several v1 controllers may share one mount."""
        wanted = self.named(controllers or detect.CONTROLLERS)
        if self.unified:
            return {self.layout.unified: [name for name in wanted if name in self.layout.mounts]}
        mounts: dict[str, list[str]] = {}
        for name in wanted:
            if name in self.layout.mounts:
                mounts.setdefault(self.layout.mounts[name], []).append(name)
        return mounts

    def _make(self, mount, names):
        make = (v2 if self.unified else v1).make
        for _attempt in range(10):
            try:
                return make(mount, self.path, names)
            except FileNotFoundError:  # the end of the last other container has just removed our parent
                continue
        return make(mount, self.path, names)

    # --- processes

    def processes(self) -> list[int]:
        """Pids of all processes in it and below it, in any hierarchy, sorted."""
        return sorted({pid for directory in self.directories() for deeper in tree.below(directory) for pid in tree.processes(deeper)})

    def holds(self, pid: int) -> bool:
        """True when `pid` is in this very cgroup in every hierarchy where it exists."""
        existing = [directory for directory in self.directories() if os.path.isdir(directory)]
        return bool(existing) and all(pid in tree.processes(directory) for directory in existing)

    def attach(self, pid: int) -> None:
        """Move a process, with all its threads, into it in every hierarchy where it exists. LauncherError names directory and errno."""
        for directory in self.directories():
            if not os.path.isdir(directory):
                continue
            try:
                tree.attach(directory, pid)
            except OSError as error:
                raise refusals.cannot_enter(error, f"process {pid} cannot enter {directory}/cgroup.procs") from error

    def join(self) -> None:
        """Move the calling process, which must have a single thread, into it in every hierarchy where it exists. LauncherError.

        For a child that has just been forked this is the quick way: a v1 thread that moves itself through `tasks` needs no lock
        (cgroup_procs_write_start in kernel/cgroup/cgroup.c), moving another process waits for an RCU grace period, 5 to 14 ms.
        """
        for directory in self.directories():
            try:
                files.write_text(f"{directory}/{'cgroup.procs' if self.unified else 'tasks'}", "0")
            except FileNotFoundError:
                continue
            except OSError as error:
                raise refusals.cannot_enter(error, f"cannot enter {directory}") from error
