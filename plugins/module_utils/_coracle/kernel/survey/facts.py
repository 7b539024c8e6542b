# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every part of the survey of a host reads with, and says: files that may not be there, and gaps. Unknown is None."""

from __future__ import annotations

from ...base import files


def gap(need: str, problem: str, remedy: str, package: str = "") -> dict[str, str]:
    """One thing that the host lacks. `package`: the one of Debian that brings it, '' when there is none."""
    return {"need": need, "problem": problem, "remedy": remedy, "package": package}


def text(path: str) -> str | None:
    """The content of a small text file, None when it cannot be read."""
    try:
        return files.read_text(path)
    except OSError:
        return None


def number(path: str) -> int | None:
    """The number in a file, None when it cannot be read or holds none."""
    content = (text(path) or "").strip()
    return int(content) if content.isdecimal() else None
