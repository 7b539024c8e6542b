# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rows to a table of text for a terminal. Pure: what it is given may come from hostile containers and hosts, what it returns is harmless."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping, Sequence

from ..module_utils._coracle.base import text

COLUMNS = ("HOST", "NAME", "STATE", "PID", "UPTIME", "MEMORY", "CPU", "ADDRESS", "RESTARTS")
_NOTHING = "-"
_GAP = "  "
_LONGEST_MESSAGE = 200


class Answer:
    """What one host said. `containers`: as container_info returns them, None when it could not be asked; then `problem` says why."""

    __slots__ = ("containers", "host", "problem")

    def __init__(self, host: str, containers: Sequence[Mapping[str, t.Any]] | None, problem: str = ""):
        self.host = host
        self.containers = containers
        self.problem = problem


def fleet(answers: Sequence[Answer]) -> list[str]:
    """Return the lines of the table of all hosts: a row for each container, then who could not be asked and why, then the sums."""
    rows = [COLUMNS]
    for answer in answers:
        rows.extend(_rows(answer))
    lines = align(rows)
    silent = [answer for answer in answers if answer.containers is None]
    if silent:
        lines.append("")
        lines.extend(f"{text.printable(answer.host)}: {_one_line(answer.problem)}" for answer in silent)
    return [*lines, "", summary(answers)]


def align(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return a line for each row, with every column as wide as its widest cell."""
    clean = [[text.printable(cell).replace("\t", " ") for cell in row] for row in rows]
    widths = [max(len(row[index]) for row in clean if index < len(row)) for index in range(max(len(row) for row in clean))]
    return [_GAP.join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in clean]


def summary(answers: Sequence[Answer]) -> str:
    """Return the last line: how many hosts and containers, by state."""
    states: dict[str, int] = {}
    for answer in answers:
        for container in answer.containers or ():
            word = text.printable(str(container.get("state")))
            states[word] = states.get(word, 0) + 1
    total = sum(states.values())
    line = f"{_count(len(answers), 'host')}, {_count(total, 'container')}"
    if states:
        line += ": " + ", ".join(f"{states[word]} {word}" for word in sorted(states, key=lambda word: (word != "running", word)))
    silent = sum(answer.containers is None for answer in answers)
    return line + (f"; {_count(silent, 'host')} could not be asked" if silent else "")


def uptime(seconds: float | None) -> str:
    """Return seconds for a person: 42s, 5m07s, 3h05m, 12d04h."""
    if seconds is None:
        return _NOTHING
    whole = int(seconds)
    for unit, smaller, size in (("d", "h", 86400), ("h", "m", 3600), ("m", "s", 60)):
        if whole >= size:
            return f"{whole // size}{unit}{whole % size * (24 if unit == 'd' else 60) // size:02d}{smaller}"
    return f"{whole}s"


def memory(used: int | None, limit: int | None) -> str:
    """Return bytes as 1.4M / 4.0M (35%); without a limit only what is used."""
    if used is None:
        return _NOTHING
    if limit is None or limit <= 0:
        return text.render_size(used)
    return f"{text.render_size(used)} / {text.render_size(limit)} ({used * 100 // limit}%)"


def processor(used_ns: int | None, seconds: float | None) -> str:
    """Return the share of one processor since the start, in percent."""
    if used_ns is None or not seconds:
        return _NOTHING
    return f"{used_ns / seconds / 1e7:.1f}%"


def _rows(answer: Answer) -> list[list[str]]:
    if answer.containers is None:
        return [[answer.host, _NOTHING, "not asked"]]
    if not answer.containers:
        return [[answer.host, _NOTHING, "no containers"]]
    return [[answer.host, *_cells(container)] for container in answer.containers]


def _cells(container: Mapping[str, t.Any]) -> list[str]:
    usage, limits, seconds = container.get("usage") or {}, container.get("limits") or {}, container.get("uptime")
    addresses = container.get("addresses") or [address for network in container.get("networks") or () for address in network.get("addresses") or ()]
    return [
        str(container.get("name")),
        _state(container),
        str(container["pid"]) if container.get("pid") else _NOTHING,
        uptime(seconds),
        memory(usage.get("memory_usage"), limits.get("memory")),
        processor(usage.get("cpu_usage_ns"), seconds),
        " ".join(addresses) or _NOTHING,
        str(container.get("restarts") or 0),
    ]


def _state(container: Mapping[str, t.Any]) -> str:
    word = str(container.get("state"))
    details = []
    if container.get("exit_code") is not None:
        details.append(str(container["exit_code"]))
    if container.get("restart_required"):
        details.append("restart required")
    if container.get("drift"):
        details.append("drift")
    return f"{word} ({', '.join(details)})" if details else word


def _one_line(message: str) -> str:
    line = text.printable(" ".join(message.split()))
    return line if len(line) <= _LONGEST_MESSAGE else line[:_LONGEST_MESSAGE - 3] + "..."


def _count(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"
