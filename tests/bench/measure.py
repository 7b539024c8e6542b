# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One command measured, and many of them side by side as a table."""

from __future__ import annotations

import os
import statistics
import subprocess
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

TICK = os.sysconf("SC_CLK_TCK")


class Sample(NamedTuple):
    """Seconds. `cpu`: of the command and what it waited for. `all_cpu`: of every process here, so also of those that stay (conmon,
    the supervisor, and the containers themselves); in ticks of 10 ms per process, so only meaningful for long commands."""

    wall: float
    cpu: float
    all_cpu: float


class Failed(Exception):
    """A command that did not do what is measured."""


def measure(command: Sequence[str], log: Path, cwd: Path | None = None) -> tuple[Sample, str]:
    """Run it; its times and its output. Failed when its exit status is not 0."""
    with open(log, "wb") as output:
        everything, start = all_cpu(), time.perf_counter()
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, cwd=cwd)
        _pid, status, used = os.wait4(process.pid, 0)
        wall = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
    text = log.read_text(errors="replace")
    if process.returncode:
        raise Failed(f"{' '.join(command)} exited with {process.returncode}:\n{tail(text)}")
    return Sample(wall, used.ru_utime + used.ru_stime, all_cpu() - everything), text


def quick(command: list[str]) -> tuple[float, float]:
    """Wall and CPU seconds of a command that takes milliseconds: nothing of ours but fork and exec is in them."""
    start = time.perf_counter()
    pid = os.posix_spawn(command[0], command, os.environ, file_actions=NULL)
    _pid, status, used = os.wait4(pid, 0)
    wall = time.perf_counter() - start
    if status:
        raise Failed(f"{' '.join(command)} exited with {os.waitstatus_to_exitcode(status)}")
    return wall, used.ru_utime + used.ru_stime


NULL = [(os.POSIX_SPAWN_OPEN, number, "/dev/null", os.O_RDWR, 0) for number in (0, 1)]


def all_cpu() -> float:
    """CPU seconds of all living processes and of all dead ones that somebody waited for, process 1 at the latest."""
    ticks = 0
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                fields = Path(f"/proc/{name}/stat").read_text().rpartition(")")[2].split()
            except (FileNotFoundError, ProcessLookupError):
                continue
            ticks += sum(map(int, fields[11:15]))
    return ticks / TICK


def tail(text: str, lines: int = 25) -> str:
    return "\n".join(text.splitlines()[-lines:])


def spread(values: Iterable[float], digits: int = 1, scale: float = 1) -> str:
    """min / median / max."""
    found = [value * scale for value in values]
    return " / ".join(f"{value:.{digits}f}" for value in (min(found), statistics.median(found), max(found)))


def median(values: Iterable[float]) -> float:
    return statistics.median(values)


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """Median of the ratios of one round each: what happened to the machine in a round happened to both."""
    return statistics.median(one / other for one, other in zip(ours, theirs))


def verdict(value: float, budget: float) -> str:
    return f"{value:.2f} {'ok  ' if value <= budget else 'OVER'} <= {budget:.2f}"


def table(title: str, head: Sequence[str], rows: Sequence[Sequence[str]], show: Callable[[str], None] = print) -> None:
    """Columns as wide as they need; the first to the left, the others to the right."""
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]
    show(f"\n{title}")
    for row in [head, ["-" * width for width in widths], *rows]:
        cells = [cell.ljust(width) if column == 0 else cell.rjust(width) for column, (cell, width) in enumerate(zip(row, widths))]
        show("  ".join(cells).rstrip())
