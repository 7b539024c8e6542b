# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Resource limits of a process as text, 'nofile:1024:4096' (soft, hard), in the names of limits.conf(5). Pure; a lean start loads this."""

from __future__ import annotations

from ..base import text
from ..base.errors import LauncherError

# <asm-generic/resource.h>, as on x86 and arm.
NUMBERS = {"cpu": 0, "fsize": 1, "data": 2, "stack": 3, "core": 4, "rss": 5, "nproc": 6, "nofile": 7, "memlock": 8, "as": 9, "locks": 10,
           "sigpending": 11, "msgqueue": 12, "nice": 13, "rtprio": 14, "rttime": 15}
UNLIMITED = -1  # RLIM_INFINITY, as resource.setrlimit() takes it
_MAX = (1 << 63) - 1


def normalise(value, option: str) -> list[str]:
    """Return limits in their one spelling, sorted by name. LauncherError also for a name that is there twice."""
    if not isinstance(value, list):
        raise LauncherError("is no list", option=option, value=value, remedy="Give e.g. ['nofile:1024:4096']")
    found: dict[str, str] = {}
    for word in value:
        name, soft, hard = parse(word, option)
        if name in found:
            raise LauncherError("limits the same twice", option=option, value=word, remedy=f"Give {name} once")
        found[name] = f"{name}:{soft}:{hard}"
    return [found[name] for name in sorted(found)]


def parse(word, option: str = "ulimits") -> tuple[str, int, int]:
    """Return (name, soft limit, hard limit) of 'NAME:SOFT:HARD' or 'NAME:BOTH'; UNLIMITED for no limit. LauncherError."""
    parts = word.split(":") if isinstance(word, str) else []
    if len(parts) not in (2, 3) or parts[0] not in NUMBERS:
        raise LauncherError("is no limit of a process", option=option, value=word,
                            remedy=f"Write NAME:SOFT:HARD, or NAME:BOTH; names are {' '.join(sorted(NUMBERS))}")
    soft, hard = _number(parts[1], word, option), _number(parts[-1], word, option)
    if hard != UNLIMITED and (soft == UNLIMITED or soft > hard):
        raise LauncherError("has a soft limit above its hard one", option=option, value=word, remedy="Write the soft limit first")
    return parts[0], soft, hard


def _number(shown, word, option):
    if shown in ("-1", "unlimited"):
        return UNLIMITED
    if not text.is_digits(shown) or len(shown) > 19 or int(shown) > _MAX:
        raise LauncherError("has a limit that is no number", option=option, value=word, remedy="Give whole numbers; -1 is no limit")
    return int(shown)
