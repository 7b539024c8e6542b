# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A process that puts back what may have cut this machine off, unless somebody from outside says in time that it has not.

It is forked before the first effect and needs nobody: not the module, which may be killed, nor the files that the module came in. While the
module works its end is the signal to put back. After that a file /run/coracle/uplink-NIC with a token waits to be removed: whoever removes
it, the controller or at the end of the time this process, has decided. Confirming is therefore one shell command, and never too late unnoticed.
"""

from __future__ import annotations

import fcntl
import os
import select
import signal
import time

from ...base import files, places
from ...base.errors import LauncherError

_LOOK = 0.1  # seconds between two looks at the file
_ATTEMPTS = 5  # to put back, a second apart: something may be busy


class Watchdog:
    """One that watches over a change of the interface `name`, from now on for `seconds`. `put_back` must import nothing any more."""

    def __init__(self, name: str, seconds: int, put_back):
        self.path = f"{places.RUN}/uplink-{name}"
        self.token = os.urandom(16).hex()
        self.seconds = seconds
        self._lock = _claim(self.path, name)
        self._alive, self._working = os.pipe()  # what the module has to say, by its end or by a byte
        self._done, ended = os.pipe()  # and what the watchdog has: its end
        child = os.fork()
        if child == 0:
            _detach((self._lock, self._alive, ended), lambda: self._watch(put_back))
        os.waitpid(child, 0)
        for fd in (self._alive, ended):
            os.close(fd)

    def wait_for_confirmation(self) -> None:
        """Everything is done: from now on the file counts. LauncherError when the time is over, and all was put back."""
        os.write(self._lock, f"{self.token}\n".encode())
        try:
            os.write(self._working, b"d")
        except BrokenPipeError:
            os.read(self._done, 1)
            raise LauncherError(f"took longer than {self.seconds} seconds, and was put back", option="confirm_timeout", value=self.seconds,
                                remedy="Give more time") from None
        self._close()

    def put_back(self) -> None:
        """Something failed: let everything be put back now, and wait for that."""
        os.close(self._working)
        self._working = -1
        os.read(self._done, 1)
        self._close()

    def _close(self) -> None:
        for fd in (self._working, self._done, self._lock):
            if fd >= 0:
                os.close(fd)

    def _watch(self, put_back) -> None:
        deadline = time.monotonic() + self.seconds
        heard = select.select([self._alive], [], [], self.seconds)[0]
        if heard and os.read(self._alive, 1):
            while os.path.exists(self.path):
                if time.monotonic() > deadline:
                    break
                time.sleep(_LOOK)
        os.close(self._alive)  # a module that comes now is told so
        if _remove(self.path):
            _try(put_back)
        _remove_directory()


def _try(put_back) -> None:
    for _attempt in range(_ATTEMPTS):
        try:
            put_back()
            return
        except (OSError, LauncherError):
            time.sleep(1)


def _claim(path: str, name: str) -> int:
    """Make the file, and hold it: one watchdog for each interface. What one left that was killed is taken over. LauncherError."""
    files.make_directories(places.RUN)
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        raise LauncherError("an earlier change of it waits for its confirmation", option="uplink", value=name,
                            remedy="Try again when its confirm_timeout is over") from None
    os.ftruncate(fd, 0)
    return fd


def _remove(path: str) -> bool:
    """True when the file was still there: then nobody has confirmed."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        return False
    return True


def _remove_directory() -> None:
    try:
        os.rmdir(places.RUN)
    except OSError:
        pass  # it has other files


def _detach(needed: tuple, work) -> None:
    """In the child: fork once more, so that the process belongs to nobody and to no session, and do the work there. Never returns."""
    try:
        os.setsid()
        if os.fork() == 0:
            # Those of a session that ends, as a cut connection does it.
            for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGINT, signal.SIGPIPE):
                signal.signal(number, signal.SIG_IGN)
            os.chdir("/")
            _close_others(needed)
            work()
    finally:
        os._exit(0)


def _close_others(needed: tuple) -> None:
    """Standard files lead nowhere, so that a connection that waits for their end does not wait for us; all others are closed."""
    null = os.open("/dev/null", os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(null, number)
    for number in [int(word) for word in os.listdir("/proc/self/fd")]:
        if number > 2 and number not in needed:
            try:
                os.close(number)
            except OSError:
                continue  # that of the list itself
