# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PID 1 of a container that asks for one: passes signals on to its only child, reaps everybody, and ends as that child does.

It has the child's user, privileges, filter and cgroup, is not dumpable, has no descriptor but the child's three, and reads no file: what
inside.py says about a process among hostile files holds for it as long as it lives.
"""

from __future__ import annotations

import _signal
import os

# To stop a process group in the background, or by its terminal: PID 1 is in another one.
_NOT_PASSED_ON = (_signal.SIGTSTP, _signal.SIGTTIN, _signal.SIGTTOU)


def block_signals() -> None:
    """Before the fork: none may come between it and watch(). The child unblocks them."""
    _signal.pthread_sigmask(_signal.SIG_SETMASK, _signal.valid_signals())


def watch(child: int) -> int:
    """Return the exit status of `child`, 128+n after signal n. All signals are blocked."""
    signals = _signal.valid_signals()
    while True:
        number = _signal.sigwaitinfo(signals).si_signo
        if number == _signal.SIGCHLD:
            status = _reap(child)
            if status is not None:
                return os.WEXITSTATUS(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status)
        elif number not in _NOT_PASSED_ON:
            try:
                os.kill(child, number)
            except (ProcessLookupError, PermissionError):
                continue  # it has ended, or has become somebody whom this user may not signal


def _reap(child):
    """The status of `child` when it has ended; everybody else who has is only taken away."""
    while True:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == child:
            return status
        if pid == 0:
            return None
