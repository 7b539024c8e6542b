# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module container_logs as run.py wants it."""

from __future__ import annotations

import typing as t

from .._coracle.model.change import Change
from .._coracle.work import log_lines

Options = dict[str, t.Any]
Found = tuple[list[t.Any], int]


def spec() -> dict[str, t.Any]:
    """Keyword arguments of AnsibleModule for `container_logs`."""
    return {"argument_spec": {
        "name": {"type": "str", "required": True},
        "tail": {"type": "int", "default": 1000},
        "since": {"type": "str"},
        "until": {"type": "str"},
        "stream": {"type": "str", "choices": ["all", "stdout", "stderr"], "default": "all"},
        "timestamps": {"type": "bool", "default": False},
    }}


def read(options: Options) -> Found:
    """The lines that are asked for."""
    return log_lines.read(options)


def plan(_options: Options, _have: Found) -> list[Change]:
    """It only reads."""
    return []


def apply(_options: Options, _have: Found, _changes: list[Change]) -> None:
    """Never called: there are no changes."""


def result(options: Options, have: Found, _changes: list[Change], _checking: bool) -> dict[str, t.Any]:
    """The return values."""
    return log_lines.report(options, have)
