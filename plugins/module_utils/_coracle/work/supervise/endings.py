# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a container has ended: its exit status, as far as the kernel tells it, and the words for a person."""

from __future__ import annotations

import _signal
import os
import select

from ...kernel import procs

UNSEEN = "it ended while no supervisor was there to see it"
UNTOLD = "nobody saw the end: it was adopted, and this kernel does not tell"

_REAP_WAIT = 2.0  # seconds that an adopted container's exit status may take to appear (its parent must reap it)


def learn(loop, container, events: int, again) -> bool:
    """True when the end is certain and `container.status` known, or known to be lost (None). `again()` is called when it is to be asked
    once more without an event."""
    if container.child:
        try:
            pid, status = os.waitpid(container.state.pid, os.WNOHANG)
        except ChildProcessError:
            container.child = False
        else:
            if pid:
                container.status = status if not container.problem else container.status
            return bool(pid)
    code = procs.exit_code_of_reaped(container.pidfd)
    if code is None and not events & select.EPOLLHUP and container.status is None and events:
        # The parent has not reaped it yet; a level-triggered EPOLLIN would spin. EPOLLHUP comes with the reaping.
        loop.modify(container.pidfd, 0)
        loop.after(_REAP_WAIT, again)
        return False
    container.status = None if code is None else code << 8
    return True


def told(state, at_once: bool = False) -> str:
    """How it ended, for a person. `at_once`: before it counted as started."""
    if state.oom:
        return "was killed by the kernel: it needs more memory than its limit"
    if state.exit_code is None:
        return "has ended, and nobody saw how"
    when = "ended at once" if at_once else "ended"
    if state.exit_code > 128:
        return f"{when} by signal {state.exit_code - 128} (exit code {state.exit_code})"
    return f"{when} with exit code {state.exit_code}"


def was_out_of_memory(container) -> bool:
    """True when the kernel has killed it for its memory limit: its cgroup counts such kills."""
    return container.state.exit_code == 128 + _signal.SIGKILL and bool(container.group.oom_kills())
