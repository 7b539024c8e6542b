# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Table 1: deploying containers, the same again, removing them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from contestants import AGAIN, NEW, PHASES, REMOVE, Bench, Contestant, Module, Playbook, all_of
from measure import Sample, median, ratio, spread, table, verdict

# (phase, whose time it is a share of, at most, what that is); 0 where nothing is promised
BUDGETS = (
    (NEW, "podman_container, loop", 0.10, "budget"),
    (NEW, "podman_containers", 0.25, "budget"),
    (NEW, "podman run, shell loop", 0.50, "stretch"),
    (AGAIN, "podman_container, loop", 0.10, "budget"),
    (AGAIN, "podman_containers", 0, ""),
    (REMOVE, "podman_container, loop", 0, ""),
    (REMOVE, "podman_containers", 0, ""),
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
        for label in (contestant.label for contestant in contestants):
            found = times.get((label, phase))
            if found:
                walls, cpus, everything = zip(*found)
                rows.append((f"{phase}: {label}", spread(walls), spread(cpus, 2), f"{median(everything):.2f}"))
    table(f"{count} containers with a memory limit and a NIC: seconds, min / median / max", ("", "wall", "CPU", "CPU of all"), rows)
    print("CPU: of the command and what it waits for. CPU of all: with what stays or is left behind (conmon, the supervisor), median.")


def show_ratios(times: Times, count: int) -> None:
    rows = []
    for phase, peer, budget, kind in BUDGETS:
        for label in (Playbook.label, Module.label):
            if (peer, phase) in times:
                shares = shares_of(times[label, phase], times[peer, phase])
                cells = [verdict(share, budget) if budget else f"{share:.2f}           " for share in shares]
                rows.append((f"{phase}: {label}", peer, *cells, kind))
    if rows:
        head = ("", "of", "wall", "CPU", "CPU of all", "")
        table(f"{count} containers: share of podman's time, median of the rounds' ratios", head, rows)


def shares_of(ours: list[Sample], theirs: list[Sample]) -> list[float]:
    """Of wall time, CPU and CPU of all."""
    return [ratio(one, other) for one, other in zip(zip(*ours), zip(*theirs))]
