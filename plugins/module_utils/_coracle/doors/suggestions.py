# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a misspelt word may have meant."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable


def nearest(word: str, known: Iterable[str], likeness: float = 0.6) -> str | None:
    """The most similar of `known`, one with the same letters before others; None when none is similar (1.0: the same)."""
    from difflib import get_close_matches  # only on the way to an error

    found = get_close_matches(word, known, 3, likeness)
    return next((near for near in found if sorted(near) == sorted(word)), found[0] if found else None)
