# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a supervisor writes to /run/coracle/supervisor.log, and how it words an error for a person."""

from __future__ import annotations

import os

from ...base.errors import LauncherError


def told(error: LauncherError | OSError) -> str:
    """The words for a person."""
    if isinstance(error, LauncherError):
        return str(error)
    return f"the host refused: {error.strerror or error}" + (f" ({error.filename})" if error.filename else "")


def complain(problem: str) -> None:
    """One line for supervisor.log, while there is room for it."""
    try:
        os.write(2, f"supervisor: {problem}\n".encode("utf-8", "backslashreplace"))
    except OSError:
        pass
