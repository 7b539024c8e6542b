# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The limit of processes and threads, which every container may have."""

from __future__ import annotations

from ....base import text
from .row import Files, Row

_FILES = Files("pids", ("pids.max",), lambda value, _place: ("max" if value == text.UNLIMITED else str(value),),
               lambda texts, _place: text.UNLIMITED if texts[0] == "max" else int(texts[0]))

ROWS = (Row("pids_limit", _FILES, _FILES),)
