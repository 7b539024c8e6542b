# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The collection on every kind of test host: the whole deploy, the cases, and the integration targets. The last line: N passed, N failed."""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import tempfile
import threading
import time
from pathlib import Path

import checks
import deploy
import loopback_host
import recipe
import steps
from fleet import Fleet
from guest import Guest
from lan import Lan

HERE = Path(__file__).resolve().parent
# Python and SSH are slow on a guest: nothing may be called unreachable because of that.
CONFIGURATION = "[defaults]\ntimeout = 60\n[ssh_connection]\nssh_args = -o ControlMaster=auto -o ControlPersist=300s\n"


def targets() -> dict[str, list[str]]:
    """Target -> kinds of targets.txt."""
    lines = [line.split() for line in (HERE / "targets.txt").read_text().splitlines() if line and not line.startswith("#")]
    return {words[0]: words[1:] for words in lines}


def take_in(guest: Guest) -> None:
    """Wait for a guest, see that it is what it should be, and let ansible-test's own key in."""
    guest.wait()
    guest.check()
    guest.ssh("cat >> .ssh/authorized_keys", text=loopback_host.public_key(Path(os.environ["HOME"])).read_text())


def target_lane(guest: Guest, names: list[str], collection: Path, report: steps.Report) -> None:
    """The targets of one guest, one after the other."""
    for name in names:
        steps.run(checks.ssh_target(collection, steps.VENV, name, guest.port, guest.kind, seconds=900), report)


def all_targets(guests: list[Guest], wanted: dict[str, list[str]], base: Path, report: steps.Report) -> None:
    """Side by side on all guests, each from a tree of its own."""
    lanes = []
    for guest in guests:
        names = [name for name, kinds in wanted.items() if guest.kind in kinds]
        collection = steps.copy_checkout(f"targets-{guest.kind}", base)
        (collection / "tests" / "integration" / "integration.cfg").write_text(CONFIGURATION)
        lanes.append(threading.Thread(target=target_lane, args=(guest, names, collection, report), daemon=True))
    for lane in lanes:
        lane.start()
    for lane in lanes:
        lane.join()


def run(options: argparse.Namespace, report: steps.Report, base: Path, guests: list[Guest]) -> None:
    for guest in guests:
        guest.start()
    fleet = Fleet(guests, steps.copy_checkout("fleet", base), steps.VENV, base, report)
    fleet.each("hosts", take_in)
    if report.failed:
        return
    if "deploy" in options.only:
        image = base / "demo.img"
        compose = ["python", "tests/tools/compose_image.py", "demo", str(image)]
        steps.run(checks.Check("image", fleet.collection, steps.VENV, [compose], checks.by_exit_code, {}), report)
        deploy.run(fleet, image)
    if "cases" in options.only:
        for case in sorted((HERE / "cases").glob("*.yml")):
            fleet.play(f"case-{case.stem}", str(case), seconds=900)
    if "targets" in options.only:
        wanted = targets()
        all_targets(guests, {options.target: wanted[options.target]} if options.target else wanted, base, report)


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("images", type=Path)
    parser.add_argument("--kind", default=",".join(recipe.KINDS))
    parser.add_argument("--only", default="deploy,cases,targets")
    parser.add_argument("--target", choices=list(targets()))
    options = parser.parse_args()
    kinds = options.kind.split(",")
    if set(kinds) - set(recipe.KINDS):
        parser.error(f"kinds of host are {', '.join(recipe.KINDS)}")
    if options.target:
        options.only = "targets"

    started = time.monotonic()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    (steps.CACHE / "trees").mkdir(exist_ok=True)
    base = Path(tempfile.mkdtemp(prefix="hosts-", dir=steps.CACHE / "trees"))
    lan = Lan(base / "lan")
    guests = [Guest(options.images, kind, base / kind, lan=lan) for kind in kinds]
    report = steps.Report()
    try:
        run(options, report, base, guests)
    except KeyboardInterrupt:
        print("interrupted", flush=True)
        return 130
    finally:
        for process in list(steps.RUNNING):
            steps.end_session(process)
        for guest in guests:
            guest.end()
        lan.close()
        shutil.rmtree(base, ignore_errors=True)
    minutes, seconds = divmod(round(time.monotonic() - started), 60)
    print(f"hosts {','.join(kinds)}: {minutes} min {seconds} s, logs in {steps.LOG.relative_to(steps.TOP)}")
    print(f"{report.passed} passed, {report.failed} failed", flush=True)
    return 1 if report.failed or not report.passed else 0


if __name__ == "__main__":
    raise SystemExit(main())
