# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a limit is: the files where each version of cgroups keeps it, and the way from a value to their text and back.

Compared is always `kept(want)` with `read()`: both as the kernel keeps them, rounded and clamped.
"""

from __future__ import annotations

import errno

from ....base import files, text
from ....base.errors import LauncherError
from .. import detect, refusals

_GONE = (errno.ENOENT, errno.ENODEV, errno.EOPNOTSUPP)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Journal = list[tuple[Callable, str, object]]


class Place:
    """One cgroup as its limits see it: `path` below the root of each hierarchy of `layout`, which need not exist yet.

    `asked`: all limits of the task, normalised: some are kept in a way that depends on others.
    """

    __slots__ = ("layout", "path", "unified", "asked")

    def __init__(self, layout: detect.Layout, path: str, asked: dict | None = None):
        self.layout = layout
        self.path = path
        self.unified = layout.mode == detect.V2
        self.asked = asked or {}

    def directory(self, controller: str | None) -> str | None:
        """Where `controller` has this cgroup, None when it is not mounted. None for v2 itself, which is there without any controller."""
        mount = self.layout.unified if controller is None else self.layout.mounts.get(controller)
        return None if mount is None else f"{mount}/{self.path}"

    def read(self, controller: str | None, name: str) -> str | None:
        """Text of a file; None when there is no such file, cgroup or controller."""
        directory = self.directory(controller)
        try:
            return None if directory is None else files.read_text(f"{directory}/{name}")
        except OSError as error:
            if error.errno in _GONE:
                return None
            raise

    def require(self, controller: str | None, option: str, value) -> None:
        """LauncherError when `controller` is not mounted, or not offered by the root of v2."""
        if self.directory(controller) is not None:
            return
        offered = f"{self.layout.unified}/cgroup.controllers"
        how = (f"The kernel does not offer it: see cgroup_disable= in /proc/cmdline and {offered}" if self.unified
               else f"Run the role coracle.launcher.container_host, or mount it: mount -t cgroup -o {controller} {controller} DIRECTORY")
        raise LauncherError(f"needs the controller {controller}, which is not mounted here (cgroup {self.layout.mode})", option=option,
                            value=value, remedy=how)


class Files:
    """Where one version keeps a limit. `names`: files of `controller` in the order of writing. `render(value, place)` -> a text for each,
    `parse(texts, place)` -> value."""

    __slots__ = ("controller", "names", "render", "parse")

    def __init__(self, controller: str, names: tuple[str, ...], render, parse):
        self.controller = controller
        self.names = names
        self.render = render
        self.parse = parse


class Lacking:
    """Why one version cannot keep a limit, and what to do instead."""

    __slots__ = ("problem", "remedy")

    def __init__(self, problem: str, remedy: str):
        self.problem = problem
        self.remedy = remedy


class Row:
    """One limit: `option` as users know it, its Files in `v1` and `v2`, or Lacking. `normalise(value)` -> what all methods here take."""

    def __init__(self, option: str, v1: Files | Lacking, v2: Files | Lacking, normalise=lambda value: value):
        self.option = option
        self.v1 = v1
        self.v2 = v2
        self.normalise = normalise

    def files(self, place: Place) -> Files:
        """The Files of this host's version. LauncherError when it has none."""
        found = self.v2 if place.unified else self.v1
        if isinstance(found, Lacking):
            raise LauncherError(found.problem, option=self.option, remedy=found.remedy)
        return found

    def controller(self, place: Place) -> str | None:
        """The controller that it needs on this version, None for none."""
        return self.files(place).controller

    def check(self, value, place: Place) -> None:
        """LauncherError when `value` cannot be set here."""
        place.require(self.controller(place), self.option, value)
        self.kept(value, place)

    def claims(self, value, place: Place) -> list[tuple[str, str]]:
        """(file, part of it) that is written; the part is '' for the whole."""
        return [(name, "") for name in dict(self.writes(value, place))]

    def writes(self, value, place: Place) -> list[tuple[str, str]]:
        """(file, text) in the order of writing."""
        kept = self.files(place)
        return list(zip(kept.names, kept.render(value, place)))

    def kept(self, value, place: Place):
        """Return `value` as the kernel will keep it and as it will be read back. LauncherError when it cannot be a value of this limit."""
        kept = self.files(place)
        return kept.parse(kept.render(value, place), place)

    def read(self, place: Place, asked=None):
        """Return the value in the kernel; None where it has no such file. `asked`: the value that is wanted, of which nothing is taken but
        whose device or size is meant, where a limit has several."""
        kept = self.v2 if place.unified else self.v1
        if isinstance(kept, Lacking):
            return None
        texts = [place.read(kept.controller, name) for name in kept.names]
        return None if None in texts else kept.parse(texts, place)

    def goes_first(self, value, place: Place) -> bool:
        """True when it must be written before all others."""
        return False

    def prepare(self, value, place: Place) -> None:
        """What has to be done before the kernel takes `value`. OSError with a path, or LauncherError, when it would not hold."""

    def undo(self, name: str, written: str, before: str, place: Place) -> str:
        """Return what to write to take `written` back in the file `name` that read `before`."""
        return before

    def remedy(self, error: OSError, place: Place) -> str | None:
        """What to do about an error of the kernel, when this limit knows more than its number says."""
        return None

    def shown(self, value):
        """`value` as an error shows it."""
        return value

    def put(self, value, place: Place, journal: Journal) -> None:
        """Write `value` where it is not there yet, and note in `journal` (function, path, argument) how to undo it. LauncherError."""
        if self.read(place, value) == self.kept(value, place):
            return
        controller = self.controller(place)
        directory = place.directory(controller)
        where, word = directory, value
        try:
            self.prepare(value, place)
            for name, word in self.writes(value, place):
                where = f"{directory}/{name}"
                before = files.read_text(where)
                if word != before:
                    files.write_text(where, word or "\n")
                    journal.append((files.write_text, where, self.undo(name, word, before, place) or "\n"))
        except OSError as error:
            problem = f"controller {controller}: the kernel refused {word!r} in {error.filename or where}"
            raise refusals.refused(error, problem, self.option, self.shown(value), self.remedy(error, place)) from error

    def verify(self, value, place: Place) -> None:
        """Read it back. LauncherError when the kernel has something else."""
        if self.read(place, value) == self.kept(value, place):
            return
        controller = self.controller(place)
        have = [f"{place.directory(controller)}/{name} reads {place.read(controller, name)!r} after {word!r} was written"
                for name, word in self.writes(value, place)]
        raise LauncherError(f"controller {controller}: {', '.join(have)}", option=self.option, value=self.shown(value),
                            remedy="Give the value that the kernel keeps")


def integer(option: str, minimum: int, maximum: int):
    """normalise() of a limit that is a whole number."""
    def normalise(value):
        return text.parse_integer(value, option, minimum, maximum)
    return normalise
