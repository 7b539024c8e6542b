# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Table 2: /bin/true in a new container, from the command to its end."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from contestants import CORACLE, Bench, Module
from measure import quick, ratio, spread, table, verdict

LIMIT = 16 * 1024 * 1024
BUDGETS = {"runc run": (1.0, "budget"), "crun run": (1.5, "stretch")}
NOTHING = "nothing (/bin/true of the host)"


def bench(scratch: Path, venv: Path, rootfs: Path, runs: int) -> None:
    launcher = Module(Bench(scratch, venv, rootfs, 0, "launcher"))
    launcher.run("new")  # an empty list brings the launcher
    folder = scratch / "true"
    folder.mkdir()
    (folder / "settings").write_text(f"process: /bin/true\nmemlimit: {LIMIT}\nrootfs: {rootfs}\n")
    commands: dict[str, Callable[[int], list[str]]] = {
        NOTHING: lambda _: ["/bin/true"],
        "coracle run": lambda _: [CORACLE, "run", str(folder)],
    }
    for name in ("crun", "runc"):
        path = shutil.which(name)
        if path:
            commands[f"{name} run"] = other(path, bundle(path, folder, rootfs))
    times: dict[str, list[tuple[float, float]]] = {label: [] for label in commands}
    for number in range(-1, runs):  # -1: to warm up
        for label, command in commands.items():
            sample = quick(command(number))
            if number >= 0:
                times[label].append(sample)
    show(times, runs)


def bundle(runtime: str, folder: Path, rootfs: Path) -> Path:
    """The runtime's own default, with the same limit, no terminal, and a cgroup of ours. Without its mount of the cgroups, which fails
    where a v1 hierarchy is mounted elsewhere (world.occupy_controllers)."""
    path = folder / os.path.basename(runtime)
    path.mkdir()
    subprocess.run([runtime, "spec"], cwd=path, check=True)
    config = json.loads((path / "config.json").read_text())
    config["process"].update(terminal=False, args=["/bin/true"])
    config["root"] = {"path": str(rootfs)}
    config["mounts"] = [mount for mount in config["mounts"] if mount["destination"] != "/sys/fs/cgroup"]
    config["linux"].setdefault("resources", {})["memory"] = {"limit": LIMIT}
    config["linux"]["cgroupsPath"] = f"/coracle-bench/{path.name}"
    (path / "config.json").write_text(json.dumps(config))
    return path


def other(runtime: str, path: Path) -> Callable[[int], list[str]]:
    return lambda number: [runtime, "run", "--bundle", str(path), f"bench{number + 1}"]


def show(times: dict[str, list[tuple[float, float]]], runs: int) -> None:
    rows = [(label, *(spread(values, 1, 1000) for values in zip(*found))) for label, found in times.items()]
    table(f"/bin/true once, {runs} runs in turn: ms, min / median / max", ("", "wall", "CPU"), rows)
    rows = []
    for label, (budget, kind) in BUDGETS.items():
        if label in times:
            shares = [ratio(one, other) for one, other in zip(zip(*times["coracle run"]), zip(*times[label]))]
            rows.append(("coracle run", label, *(verdict(share, budget) for share in shares), kind))
    if rows:
        table("/bin/true: share of their time, median of the pairs' ratios", ("", "of", "wall", "CPU", ""), rows)
