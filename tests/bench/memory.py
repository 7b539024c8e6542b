# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Table 3: what stays in memory beside each running container."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from contestants import NEW, REMOVE, Bench, Module, Shell
from measure import Failed, table, verdict

COUNTS = (20, 50)
BUDGETS = {20: {"private dirty": 0.50}, 50: {"private dirty": 0.25, "PSS": 0.50}}
FIELDS = {"private dirty": "Private_Dirty", "PSS": "Pss"}


def bench(scratch: Path, venv: Path, rootfs: Path) -> None:
    rows = []
    for count in COUNTS:
        world = Bench(scratch, venv, rootfs, count, f"memory-{count}")
        ours = of(Module(world), is_supervisor, 2)
        theirs = of(Shell(world), is_conmon, count) if shutil.which("podman") else None
        for name in FIELDS:
            row = [f"{count} containers: {name}", f"{ours[name] / count:.0f}"]
            if theirs:
                share, budget = ours[name] / theirs[name], BUDGETS[count].get(name)
                row += [f"{theirs[name] / count:.0f}", verdict(share, budget) if budget else f"{share:.2f}           "]
            rows.append(row)
        print(f"memory: {count} containers", flush=True)
    head = ("", "supervisor and log reader / N", "conmon", "share and budget")
    table("Memory per running container, kB (smaps_rollup)", head[: len(rows[0])], rows)


def of(contestant: Module | Shell, belongs: Callable[[str, list[str]], bool], expected: int) -> dict[str, int]:
    """kB of the processes that `belongs` picks, summed up, while all containers run."""
    contestant.run(NEW)
    time.sleep(1)
    sums, found = dict.fromkeys(FIELDS, 0), 0
    for process in Path("/proc").iterdir():
        if not process.name.isdigit():
            continue
        try:
            words = (process / "cmdline").read_text().split("\0")
            if not belongs(os.path.basename(words[0]), words):
                continue
            rollup = dict(line.split(":", 1) for line in (process / "smaps_rollup").read_text().splitlines()[1:])
        except (FileNotFoundError, ProcessLookupError):
            continue
        found += 1
        for name, field in FIELDS.items():
            sums[name] += int(rollup[field].split()[0])
    contestant.run(REMOVE)
    if found != expected:
        raise Failed(f"{contestant.label}: {found} processes beside the containers, {expected} expected")
    return sums


def is_supervisor(_program: str, words: list[str]) -> bool:
    """The log reader is its fork, and has the same command line."""
    return "supervisor" in words and any("/lib/coracle/" in word for word in words)


def is_conmon(program: str, _words: list[str]) -> bool:
    return program == "conmon"
