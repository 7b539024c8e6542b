# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module container_info as run.py wants it. Nothing of the supervisor and of the launcher's code is loaded for it."""

from __future__ import annotations

import typing as t

from .._coracle.model.change import Change
from .._coracle.work import inspect

Options = dict[str, t.Any]


def read(options: Options) -> list[inspect.Have]:
    """The containers that are asked for."""
    return inspect.find(options)


def plan(_options: Options, _have: list[inspect.Have]) -> list[Change]:
    """It only reads."""
    return []


def apply(_options: Options, _have: list[inspect.Have], _changes: list[Change]) -> None:
    """Never called: there are no changes."""


def result(options: Options, have: list[inspect.Have], _changes: list[Change], _checking: bool) -> dict[str, t.Any]:
    """The return values."""
    return inspect.report(options, have)
