# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Making the interfaces what they should be: bridges, pairs, ports, addresses, routes. Undone step by step when one of them fails.

Order: bridges; new pairs, both ends down; host ends are marked, and join their bridges before they go up; then the inner ends go up and get
their addresses and routes. A run that is killed in between leaves what the next one recognises.
"""

from __future__ import annotations

import fcntl
import os

from ...kernel.net import netlink, netns, read
from ...model import network as model
from . import nics, steps, switch
from .bridges import LINUX, Bridge, Undo, View

Vanished = steps.Vanished

TYPE_CHECKING = False
if TYPE_CHECKING:
    from . import inner, pairs

    Group = tuple[list[model.Nic], nics.Have, int]


class OnlyOne:
    """Context manager: one run at a time changes the links of this network namespace. A flock of the namespace itself leaves no file."""

    __slots__ = ("_fd",)

    def __init__(self):
        self._fd = -1

    def __enter__(self) -> None:
        self.take()

    def __exit__(self, *_exception) -> None:
        self.release()

    def take(self) -> None:
        """Wait until no other run has it."""
        self._fd = netns.open_own()
        fcntl.flock(self._fd, fcntl.LOCK_EX)

    def release(self) -> None:
        """Let the next run have it."""
        fcntl.flock(self._fd, fcntl.LOCK_UN)  # closing alone would leave it to a child that was forked meanwhile
        os.close(self._fd)


class Transaction:
    """Context manager: left by an exception, everything is as before. `undo`: takes what further steps of the caller need to be reverted.

    `exclusive`: what others added to our interfaces goes. `detect_duplicates`: new addresses that another machine has are an error.
    """

    __slots__ = ("undo", "_exclusive", "_detects", "_lock", "_route", "_inners", "_leaving", "_made")

    def __init__(self, exclusive: bool = False, detect_duplicates: bool = False):
        self.undo = Undo()
        self._exclusive = exclusive
        self._detects = detect_duplicates
        self._lock = OnlyOne()
        self._inners: list[inner.Inner] = []
        self._leaving: list[read.Link] = []  # host ends of pairs that nobody asks for
        self._made: dict[str, Bridge] = {}

    def __enter__(self) -> Transaction:
        self._lock.take()
        self._route = netlink.Socket()
        return self

    def __exit__(self, kind, *_exception) -> None:
        try:
            if kind is not None:
                self.undo.roll_back()
            else:
                self._remove_leaving()
        finally:
            for one in self._inners:
                one.close()
            self._route.close()
            self._lock.release()

    def _remove_leaving(self) -> None:
        """Last: nothing brings a removed pair back."""
        view = View(self._route)
        for outer in self._leaving:
            self._route.change(netlink.RTM_DELLINK, netlink.link_message(index=outer.index))
            switch.forget(view, [outer], outer.alias)

    def bridge(self, name: str, bridge_type: str, found: Bridge | None, option: str = "bridge") -> Bridge:
        """Return the bridge, made, marked and up."""
        if name in self._made:
            return self._made[name]
        found = found or switch.find(View(self._route), name, bridge_type, option)
        with steps.about(option):
            if found is None:
                switch.make(self.undo, name, switch.kind_of(None, bridge_type))
            elif found.idle or (found.kind == LINUX and found.managed and not found.link.alias):
                switch.mend(self.undo, found)
        if found is None or found.idle:
            found = switch.find(View(self._route), name, bridge_type, option)
            if found is None:
                raise Vanished("disappeared while we worked", option=option, value=name, remedy="Run it again")
        self._made[name] = found
        return found

    def connect(self, groups: list[Group]) -> None:
        """Make all interfaces what they should be. A group: those wanted, what there is, their namespace. LauncherError, OSError."""
        from . import pairs

        works = []
        for wanted, have, namespace in groups:
            works.append(pairs.Pairs(wanted, have, namespace, self._route, self.undo, self._exclusive))
            self._inners.append(works[-1].inner)
            self._leaving += have.extra.values()
        for work in works:
            known = dict(work.have.bridges)
            for nic in work.wanted:
                work.have.bridges[nic.bridge] = self.bridge(nic.bridge, nic.bridge_type, known[nic.bridge], f"{nic.where}bridge")
            work.make(known)
        self._batch(works, pairs.Pairs.mark)
        switch.join(self.undo, [joining for work in works for joining in work.joinings()])
        for work in works:
            work.finish_checksums()
            work.limit()
        self._batch(works, pairs.Pairs.set_up)
        for work in works:
            work.prepare()
        if self._detects:
            from . import detection

            detection.configure(works)
            return
        for work in works:
            work.inner.configure(work.wanted)

    def _batch(self, works: list[pairs.Pairs], add) -> None:
        batch = steps.Batch()
        for work in works:
            add(work, batch)
        batch.send(self._route)


def remove_unused_bridges(names: list[str]) -> list[str]:
    """Remove those of the bridges that we made and that have no port left. Return the names of the removed ones. LauncherError, OSError."""
    with OnlyOne(), netlink.Socket() as route:
        view = View(route)
        unused = unused_bridges(view, names)
        switch.remove(unused)
    return [bridge.name for bridge in unused]


def unused_bridges(view: View, names: list[str], without=()) -> list[Bridge]:
    """Return those of the bridges that we made and that have no port but those named in `without`."""
    found = [switch.known(view, name) for name in dict.fromkeys(names)]
    return switch.unused(view, [bridge for bridge in found if bridge is not None and bridge.managed], without)
