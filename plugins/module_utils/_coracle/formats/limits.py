# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How much an archive may unpack to. A file of its own, as tasks that read no archive need it as well."""

from __future__ import annotations

from ..base.errors import ArchiveError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .entries import Member


class Limits:
    """How much an archive may unpack to: bytes of all files together, entries, and directories above a file."""

    __slots__ = ("max_bytes", "max_entries", "max_depth")

    def __init__(self, max_bytes: int = 4 << 30, max_entries: int = 500_000, max_depth: int = 100):
        self.max_bytes = max_bytes
        self.max_entries = max_entries
        self.max_depth = max_depth

    def check(self, size: int, entries: int, depth: int, member: Member | None = None) -> None:
        """ArchiveError, naming the option, when one of the three is above its limit."""
        for option, value, limit in (("max_bytes", size, self.max_bytes), ("max_entries", entries, self.max_entries),
                                     ("max_depth", depth, self.max_depth)):
            if value > limit:
                where = f", at {member}" if member else ""
                raise ArchiveError(f"the archive needs {value} or more{where}", option=option, value=limit,
                                   remedy=f"If you trust the archive, give {option} a larger value")
