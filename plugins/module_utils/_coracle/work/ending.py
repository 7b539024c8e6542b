# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a cgroup ends: freeze, thaw, kill, remove. Without cgroup.kill (v1, and v2 before Linux 5.14) through the freezer."""

from __future__ import annotations

import _signal
import errno
import os
import time

from ..base.errors import LauncherError
from ..kernel.cgroup import refusals, tree, v1, v2
from .hierarchies import Hierarchies

_GONE = (errno.ENOENT, errno.ENODEV, errno.EOPNOTSUPP)


class Ending(Hierarchies):
    """One cgroup that can be stopped and taken away."""

    __slots__ = ()

    def is_frozen(self) -> bool | None:
        """None where nothing can freeze it: no freezer mounted, v2 before Linux 5.2, no such cgroup."""
        try:
            return self._version().is_frozen(self._freezer())
        except OSError as error:
            if error.errno in _GONE:
                return None
            raise

    def freeze(self) -> None:
        """Stop every process in it, forks included. LauncherError when one does not stop within ten seconds; then all run again.

        One with a hard cap of processor time stops only when it gets some again.
        """
        if self.is_frozen() is None:
            raise LauncherError(f"nothing can freeze the cgroup {self.path}", option="state", value="frozen",
                                remedy="Mount the controller freezer (cgroup v1), or use Linux 5.2 or later (v2)")
        if not self._version().freeze(self._freezer()):
            raise LauncherError(f"cgroup {self.path} does not freeze: {tree.named(self.processes())}",
                                remedy="A process in it waits for a device or file server (state D in ps), or has hardly any processor time: try again later")

    def thaw(self) -> None:
        """Let them run again."""
        self._version().thaw(self._freezer())

    def _version(self):
        return v2 if self.unified else v1

    def _freezer(self):
        """The directory that freezes; one without these files where nothing can, for an ENOENT in the right place."""
        return f"{self.layout.unified if self.unified else self.layout.mounts.get('freezer', '/proc/self')}/{self.path}"

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
            if not self.unified or not v2.kill(f"{self.layout.unified}/{self.path}"):
                self._kill_each()
            if time.monotonic() > deadline:
                return False
            time.sleep(wait)
            wait = min(wait * 2, 0.05)
        if self.is_frozen():
            self.thaw()
        return True

    def _kill_each(self):
        """Without cgroup.kill: freeze, so that nobody forks away, signal each, thaw."""
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
                self._thaw_all()

    def _thaw_all(self):
        """Also what was frozen by itself below: a v1 process that was killed while frozen ends only when nothing freezes it any more."""
        for directory in tree.below(self._freezer()):
            self._version().thaw(directory)

    def remove(self) -> None:
        """rmdir it and all below in every hierarchy, then the parent `coracle` when that was its last child. Kills nothing.

        Waits about half a second for processes that are just ending. LauncherError names those that are inside.
        """
        left = self.directories() if self.path else []
        for wait in (0, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.256):
            time.sleep(wait)
            try:
                left = [directory for directory in left if not tree.remove_once(directory)]
            except OSError as error:
                raise refusals.refused(error, f"cannot remove the cgroup {self.path}: the kernel refused {error.filename}") from error
            if not left:
                break
        else:
            inside = self.processes()
            raise LauncherError(f"cgroup {self.path} is busy ({left[0]}, EBUSY): holds " + (tree.named(inside) or _NOBODY_SEEN),
                                remedy="End these processes first")
        if self.path.startswith(f"{self.layout.home}/") and not self.layout.is_delegated:
            tree.undo_directories([f"{mount}/{self.layout.home}" for mount in self.roots()])


_NOBODY_SEEN = "a process that has not ended yet, or one of another pid namespace that is not seen from here"


def _kill(pidfd):
    try:
        _signal.pidfd_send_signal(pidfd, 9)
    except ProcessLookupError:
        return
