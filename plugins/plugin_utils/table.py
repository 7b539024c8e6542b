# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of a fleet. Its cells are those of `coracle list`. What comes from hosts may be hostile, what it returns is harmless."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping, Sequence

from ..module_utils._coracle.base import text
from ..module_utils._coracle.doors import tables

COLUMNS = ("HOST", *tables.COLUMNS)
_LONGEST_MESSAGE = 200
_UNKNOWN: dict[str, t.Any] = {"name": "?", "state": "?", "pid": None, "uptime": None, "exit_code": None, "restarts": 0,
                              "limits": {}, "usage": {}, "networks": []}


class Answer:
    """What one host said. `containers`: as container_info returns them, None when it could not be asked; then `problem` says why."""

    __slots__ = ("containers", "host", "problem")

    def __init__(self, host: str, containers: Sequence[Mapping[str, t.Any]] | None, problem: str = ""):
        self.host = host
        self.containers = containers
        self.problem = problem


def fleet(answers: Sequence[Answer]) -> list[str]:
    """Return the lines of the table of all hosts: a row for each container, then who could not be asked and why, then the sums."""
    rows = [row for answer in answers for row in _rows(answer)]
    lines = tables.render(COLUMNS, rows, colour=False).splitlines()
    silent = [answer for answer in answers if answer.containers is None]
    if silent:
        lines.append("")
        lines.extend(f"{_cell(answer.host)}: {_one_line(answer.problem)}" for answer in silent)
    return [*lines, "", summary(answers)]


def summary(answers: Sequence[Answer]) -> str:
    """Return the last line: how many hosts and containers, by state."""
    states: dict[str, int] = {}
    for answer in answers:
        for container in answer.containers or ():
            word = _cell(str(container.get("state")))
            states[word] = states.get(word, 0) + 1
    line = f"{_count(len(answers), 'host')}, {_count(sum(states.values()), 'container')}"
    if states:
        line += ": " + ", ".join(f"{states[word]} {word}" for word in sorted(states, key=lambda word: (word != "running", word)))
    silent = sum(answer.containers is None for answer in answers)
    return line + (f"; {_count(silent, 'host')} could not be asked" if silent else "")


def _rows(answer: Answer) -> list[list[str]]:
    if answer.containers:
        return [[_cell(answer.host), *_cells(container)] for container in answer.containers]
    words = "not asked" if answer.containers is None else "no containers"
    return [[_cell(answer.host), "-", words, *[""] * (len(COLUMNS) - 3)]]


def _cells(container: Mapping[str, t.Any]) -> list[str]:
    cells = tables.row({**_UNKNOWN, **container})
    if container.get("restart_required"):
        cells[1] += " (restart required)"
    elif container.get("drift"):
        cells[1] += " (drift)"
    return [_cell(cell) for cell in cells]


def _cell(words: str) -> str:
    return text.printable(words).replace("\t", " ")  # a tab is harmless, but shifts the columns


def _one_line(message: str) -> str:
    line = text.printable(" ".join(message.split()))
    return line if len(line) <= _LONGEST_MESSAGE else line[:_LONGEST_MESSAGE - 3] + "..."


def _count(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"
