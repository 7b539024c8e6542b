# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tables of tests/bench/run, which prepares what this needs: process 1 of new namespaces, packages, an environment with Ansible."""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import time
from pathlib import Path

import deploy
import measure
import memory
import once
import world

PARTS = ("deploy", "run", "memory")


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--scratch", type=Path, required=True)
    parser.add_argument("--venv", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--count", type=int, default=20)
    parser.add_argument("--runs", type=int, default=30)
    parser.add_argument("--only", default=",".join(PARTS))
    options = parser.parse_args()
    parts = options.only.split(",")
    if set(parts) - set(PARTS) or min(options.rounds, options.count, options.runs) < 1:
        parser.error(f"--only takes {', '.join(PARTS)}; numbers begin at 1")
    return world.live_in(options.scratch, lambda: run(options, parts))


def run(options: argparse.Namespace, parts: list[str]) -> int:
    started = time.monotonic()
    rootfs = options.scratch / "rootfs"
    world.make_rootfs(rootfs)
    describe(options.venv)
    try:
        if "deploy" in parts:
            deploy.bench(options.scratch, options.venv, rootfs, options.count, options.rounds)
        if "run" in parts:
            once.bench(options.scratch, options.venv, rootfs, options.runs)
        if "memory" in parts:
            memory.bench(options.scratch, options.venv, rootfs)
    except measure.Failed as error:
        print(f"bench: {error}")
        return 1
    print(f"\n{time.monotonic() - started:.0f} s; load at the end {os.getloadavg()[0]:.1f}")
    return 0


def describe(venv: Path) -> None:
    found = [f"Linux {platform.release()}", f"{os.cpu_count()} processors", f"load {os.getloadavg()[0]:.1f}"]
    found.append(world.run(str(venv / "bin" / "ansible"), "--version").splitlines()[0].strip("[]").replace("[core ", "").strip())
    for name in ("podman", "conmon", "crun", "runc"):
        if shutil.which(name):
            found.append(" ".join(world.run(name, "--version").splitlines()[0].replace(" version", "").split()[:2]))
    print(", ".join(found), flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
