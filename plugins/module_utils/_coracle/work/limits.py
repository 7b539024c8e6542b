# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The limits of one cgroup, in the same words on v1, hybrid and v2; with all that hierarchies.py and ending.py know about it."""

from __future__ import annotations

import errno

from ..base.errors import LauncherError
from ..kernel.cgroup import refusals, usage, v2
from ..kernel.cgroup.limits import table
from ..kernel.cgroup.limits.row import Place
from .ending import Ending


class Cgroup(Ending):
    """One cgroup, see Hierarchies. Limits are {option: normalised value} (kernel/cgroup/limits/table.py), None is not asked."""

    __slots__ = ()

    def check(self, limits: dict) -> None:
        """LauncherError for limits that cannot be set on this host: bad value, controller not mounted, two of them for one file."""
        table.check(limits, self._place(limits))

    def controllers_of(self, limits: dict) -> list[str | None]:
        """The controllers that `limits` need on this host; None for a limit that needs none."""
        place = self._place(limits)
        return [row.controller(place) for row, _value in table.rows(limits)]

    def kept(self, limits: dict) -> dict:
        """Return `limits` as the kernel keeps them: rounded, clamped, in the spelling of get()."""
        place = self._place(limits)
        values: dict = {}
        for row, value in table.rows(limits):
            _note(values, row, row.kept(value, place))
        return values

    def get(self, options: tuple = table.COMMON, asked: dict | None = None) -> dict:
        """Return {option: value} as the kernel has them now; None where it has no such file. memory and pids_limit -1, cpus '-1': no limit.

        Of `asked` ({option: normalised value}) each is read too, of those with several devices or sizes what is asked; else all of them.
        `cgroup_conf` is {key: text of the kernel} of the keys in it, without those that are not there.
        """
        asked = asked or {}
        place = self._place(asked)
        values = {option: table.row(option).read(place) for option in options if option not in asked}
        for row, value in table.rows(asked):
            _note_there(values, row, row.read(place, None if row.option == table.CONF else value))
        return values

    def read(self, asked: dict) -> dict:
        """Return what the kernel has of `asked`, to be compared with kept(asked): a raw key that holds it in other words is equal."""
        place = self._place(asked)
        values: dict = {}
        for row, value in table.rows(asked):
            _note_there(values, row, row.read(place, value))
        return values

    def set(self, limits: dict) -> list:
        """Write `limits`, in the order that the kernel needs, and read them back. What is as asked already is not written.

        Returns what undo_set() needs. LauncherError names option, value, controller, file and errno; then all is as it was before.
        """
        self.check(limits)
        place = self._place(limits)
        rows = sorted(table.rows(limits), key=lambda pair: not pair[0].goes_first(pair[1], place))
        journal: list = []
        done = False
        try:
            for row, value in rows:
                self._enable(row, value, place, journal)
                row.put(value, place, journal)
            for row, value in rows:
                row.verify(value, place)
            done = True
        finally:
            if not done:
                self.undo_set(journal)
        return journal

    def undo_set(self, journal: list) -> None:
        """Write back what set() found, the last first."""
        for write, where, before in reversed(journal):
            try:
                write(where, before)
            except (OSError, LauncherError):
                continue  # the cgroup is gone, or in use in a way that its old value forbids; the first error is the one to report

    def usage(self) -> dict:
        """What it has used (kernel/cgroup/usage.py), and memory_limit in bytes, -1 for none."""
        return {**usage.usage(self._place().read, self.unified), "memory_limit": self.get(("memory",))["memory"]}

    def oom_kills(self) -> int | None:
        """How many processes of it were killed for want of memory; None where nobody counts."""
        return usage.oom_kills(self._place().read, self.unified)

    def _place(self, asked=None):
        return Place(self.layout, self.path, asked)

    def _enable(self, row, value, place, journal):
        controller = row.controller(place)
        if not self.unified or controller is None:
            return
        try:
            journal += [(v2.disable_unused, *each) for each in v2.enable_down(self.layout.unified, self.path, controller)]
        except OSError as error:
            problem = f"controller {controller}: the kernel does not pass it on to {self.path}, it refused {error.filename}"
            raise refusals.refused(error, problem, row.option, row.shown(value), _NOT_DELEGATED.get(error.errno)) from error


_NOT_DELEGATED = {errno.ENOENT: "It is not delegated: whoever made the cgroup above must enable it in cgroup.subtree_control there"}


def _note(values, row, value):
    """Raw keys are told together."""
    if row.option == table.CONF:
        values.setdefault(table.CONF, {})[row.key] = value
    else:
        values[row.option] = value


def _note_there(values, row, value):
    """A raw key that this kernel does not have is left out, an option is None."""
    if value is not None or row.option != table.CONF:
        _note(values, row, value)
