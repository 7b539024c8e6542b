# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Restart policies: what they say after the end of a container, and at the start of the host. Pure: no I/O, no clock.

The words and the times are those of docker (restartmanager.go of moby), but that retries are counted in a row.
"""

from __future__ import annotations

NO = "no"
ON_FAILURE = "on-failure"
ALWAYS = "always"
UNLESS_STOPPED = "unless-stopped"
POLICIES = (NO, ON_FAILURE, ALWAYS, UNLESS_STOPPED)

FIRST_DELAY = 0.1  # seconds before the first restart in a row; each further one waits twice as long
LONGEST_DELAY = 60.0
GOOD_LIFE = 10.0  # seconds of life after which a row has ended


def policy_of(spec: dict) -> str:
    """The policy of a spec."""
    return spec.get("restart_policy", NO)


def delay(row: int) -> float:
    """Seconds until the next start, after `row` restarts of which none has lived for GOOD_LIFE."""
    return min(FIRST_DELAY * 2 ** min(row, 16), LONGEST_DELAY)


def refusal(spec: dict, exit_code: int | None, row: int) -> str | None:
    """Why a container that has ended by itself is not started again; None: it is. `exit_code` None: nobody knows it, which counts as a
    failure. An empty reason: nobody expects a restart."""
    policy = policy_of(spec)
    if policy == NO:
        return ""
    if policy != ON_FAILURE:
        return None
    retries = spec.get("restart_retries", 0)
    if exit_code == 0:
        return ""
    if retries and row >= retries:
        return f"not started again: restart_retries is {retries}"
    return None


def is_started_at_boot(spec: dict, is_stopped: bool) -> bool:
    """True when the host starts it. `is_stopped`: it has ended for good, or somebody has stopped it."""
    policy = policy_of(spec)
    return policy == ALWAYS or policy in (ON_FAILURE, UNLESS_STOPPED) and not is_stopped


def minds_stop(spec: dict) -> bool:
    """True when it matters at the start of the host that somebody has stopped it."""
    return policy_of(spec) in (ON_FAILURE, UNLESS_STOPPED)
