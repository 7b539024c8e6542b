# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The event loop of a supervisor: functions that are called when a descriptor is ready, or when a time has come."""

from __future__ import annotations

import select
import time


class Loop:
    """One epoll and a list of timers; everything runs in one thread, one function after the other."""

    __slots__ = ("_epoll", "_handlers", "_timers")

    def __init__(self):
        self._epoll = select.epoll()
        self._handlers = {}  # fd -> function(events)
        self._timers = []  # [deadline, function]

    def turn(self) -> None:
        """Wait until something happens, and call what waits for it."""
        timeout = max(0.0, min(timer[0] for timer in self._timers) - time.monotonic()) if self._timers else -1
        ready = [(fd, events, self._handlers.get(fd)) for fd, events in self._epoll.poll(timeout)]
        for fd, events, handler in ready:
            if handler is not None and self._handlers.get(fd) is handler:  # else the number has got another meaning in this turn
                handler(events)
        now = time.monotonic()
        for timer in [timer for timer in self._timers if timer[0] <= now]:
            if timer in self._timers:
                self._timers.remove(timer)
                timer[1]()

    def watch(self, fd: int, handler, events: int = select.EPOLLIN) -> None:
        """Call `handler(events)` whenever `fd` is ready, until unwatch()."""
        self._handlers[fd] = handler
        self._epoll.register(fd, events)

    def modify(self, fd: int, events: int) -> None:
        """Wait for other events of a watched descriptor. 0 leaves EPOLLHUP and EPOLLERR, which the kernel always tells."""
        self._epoll.modify(fd, events)

    def unwatch(self, fd: int) -> None:
        """Not watched is fine. Must come before the descriptor is closed."""
        if self._handlers.pop(fd, None) is not None:
            self._epoll.unregister(fd)

    def after(self, seconds: float, function) -> list:
        """Call `function()` once, in `seconds`; returns what cancel() takes."""
        timer = [time.monotonic() + seconds, function]
        self._timers.append(timer)
        return timer

    def cancel(self, timer: list | None) -> None:
        """None, and one that was called already, are fine."""
        if timer in self._timers:
            self._timers.remove(timer)
