# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Table 1: deploying containers, the same again, removing them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from contestants import AGAIN, NEW, PHASES, Bench, Contestant, Loop, Module, Playbook, all_of
from measure import Sample, median, ratio, spread, table, verdict

# design: (phase, whose time it is a share of, at most, what it is)
BUDGETS = (
    (NEW, "podman_container, loop", 0.10, "budget"),
    (NEW, "podman_containers", 0.25, "budget"),
    (NEW, "podman run, shell loop", 0.50, "stretch"),
    (AGAIN, "podman_container, loop", 0.10, "budget"),
)
Times = dict[tuple[str, str], list[Sample]]


def bench(scratch: Path, venv: Path, rootfs: Path, count: int, rounds: int) -> None:
    warm_up(all_of(Bench(scratch, venv, rootfs, 1, "warm-up"), venv))
    contestants = all_of(Bench(scratch, venv, rootfs, count), venv)
    times: Times = {}
    for number in range(rounds):
        turn = number % len(contestants)
        for contestant in contestants[turn:] + contestants[:turn]:  # nobody always runs behind the same one
            for phase in contestant.phases:
                times.setdefault((contestant.label, phase), []).append(contestant.run(phase))
        print(f"deploy: round {number + 1} of {rounds}", flush=True)
    show_times(times, contestants, count)
    show_ratios(times, count)


def warm_up(contestants: Sequence[Contestant]) -> None:
    """Once with one container, not counted: everybody's files are read, and compiled where they are Python."""
    for contestant in contestants:
        for phase in contestant.phases:
            contestant.run(phase)


def show_times(times: Times, contestants: Sequence[Contestant], count: int) -> None:
    rows = []
    for phase in PHASES:
        for contestant in contestants:
            found = times.get((contestant.label, phase))
            if found:
                label = contestant.label if phase == NEW else f"  {contestant.label}"
                rows.append((f"{phase}: {label.strip()}", spread(s.wall for s in found), spread((s.cpu for s in found), 2),
                             f"{median(s.all_cpu for s in found):.2f}"))
    table(f"{count} containers with a memory limit and a NIC: seconds, min / median / max",
          ("", "wall", "CPU", "CPU with conmon, supervisor"), rows)


def show_ratios(times: Times, count: int) -> None:
    rows = []
    for phase, peer, budget, kind in BUDGETS:
        theirs = times.get((peer, phase))
        if theirs is None:
            continue
        for label in (Playbook.label, Module.label):
            ours = times[label, phase]
            rows.append((f"{phase}: {label}", peer, *(verdict(ratio([s[i] for s in ours], [s[i] for s in theirs]), budget) for i in range(3)), kind))
    for label in (Playbook.label, Module.label):
        if (Loop.label, "remove") in times:
            ours, theirs = times[label, "remove"], times[Loop.label, "remove"]
            rows.append((f"remove: {label}", Loop.label, *(f"{ratio([s[i] for s in ours], [s[i] for s in theirs]):.2f}" for i in range(3)), ""))
    if rows:
        table(f"{count} containers: share of podman's time (median of the rounds' ratios)", ("", "of", "wall", "CPU", "CPU with those that stay", ""), rows)
