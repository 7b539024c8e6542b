#!/usr/bin/env python
# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the checks that tests/run prepared, counts their tests, and ends with one line: N passed, N failed.

What a check is, and how its tests are counted, is in checks.py. Here: their order, their trees, the output.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import checks
from loopback_host import LoopbackHost

TOP = Path(__file__).resolve().parents[2]
LOG = TOP / ".build" / "log"
CACHE = Path(os.environ["CORACLE_TEST_CACHE"])
VENV = Path(os.environ["CORACLE_TEST_VENV"])
NEWEST = os.environ["CORACLE_TEST_VENV_NEWEST"]
GROUPS = ("lint", "sanity", "units", "system", "integration")
SLOW = ("archives",)  # by name only
# One run at a time changes the host.
KERNEL_LOCK = Path("/run/lock/coracle-integration") if os.access("/run/lock", os.W_OK) else CACHE / "lock-integration"
TAIL = 60  # lines of a failed check's log that are shown
RUNNING: set[subprocess.Popen[bytes]] = set()  # what an interrupted run has to end


class Report:
    """Prints each check as it ends, and sums up."""

    def __init__(self) -> None:
        self.passed = self.failed = 0
        self.lock = threading.Lock()

    def add(self, name: str, result: checks.Result, seconds: float, log: Path) -> None:
        with self.lock:
            self.passed += result.passed
            self.failed += result.failed
            word = "FAIL" if result.failed else "ok"
            print(f"{word:4}  {name:34} {seconds:6.1f} s  {result.passed} passed, {result.failed} failed", flush=True)
            for note in result.notes:
                print(f"      {note}", flush=True)
            if result.failed:
                lines = log.read_text(errors="replace").splitlines() if log.exists() else []
                print(f"      ---- {log.relative_to(TOP)}, the last {min(TAIL, len(lines))} of {len(lines)} lines", flush=True)
                print("\n".join(f"      {line}" for line in lines[-TAIL:]), flush=True)


def copy_checkout(name: str, base: Path) -> Path:
    """A tree with what git would commit, below the folder names that ansible-test insists on. Returns the collection's folder."""
    collection = base / name / "ansible_collections" / "coracle" / "launcher"
    collection.mkdir(parents=True)
    git = ["git", "-c", "safe.directory=*", "-C", str(TOP), "ls-files", "-z", "-co", "--exclude-standard"]
    files = subprocess.run(git, check=True, stdout=subprocess.PIPE).stdout
    existing = [file for file in files.split(b"\0") if file and os.path.lexists(os.path.join(os.fsencode(TOP), file))]
    pack = subprocess.run(["tar", "-C", str(TOP), "-c", "--null", "-T", "-"], input=b"\0".join(existing), check=True, stdout=subprocess.PIPE)
    subprocess.run(["tar", "-C", str(collection), "-x"], input=pack.stdout, check=True)
    return collection


@contextlib.contextmanager
def alone(path: Path) -> Iterator[None]:
    """Held by one run at a time: checks that share an environment or the host. The lock ends with this process."""
    with open(path, "w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"      waiting for another run ({path})", flush=True)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def run(check: checks.Check, report: Report) -> None:
    """One check: its commands into its log, then its count. A command that fails ends it."""
    log = LOG / f"{check.name}.log"
    started = time.monotonic()
    code = 0
    with open(log, "w") as output:
        for command in check.commands:
            output.write(f"$ {' '.join(command)}\n")
            output.flush()
            code = run_command(command, check, output, check.seconds - (time.monotonic() - started))
            if code:
                break
    text = log.read_text(errors="replace")
    report.add(check.name, check.verdict(text, code), time.monotonic() - started, log)


def run_command(command: list[str], check: checks.Check, output: IO[str], seconds: float) -> int:
    """Its exit code; 1 and a line in the log when it does not end in time. It has a session of its own, so all of it can be ended."""
    env = {**os.environ, "PATH": f"{check.venv}/bin:{os.environ['PATH']}", **check.env}
    with subprocess.Popen(
        command, cwd=check.cwd, env=env, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
    ) as process:
        RUNNING.add(process)
        try:
            return process.wait(seconds)
        except subprocess.TimeoutExpired:
            output.write(f"\nIt did not end in {check.seconds} s.\n")
            return 1
        finally:
            end_session(process)
            RUNNING.discard(process)


def end_session(process: subprocess.Popen[bytes]) -> None:
    """What a check started and did not wait for, ended as well."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            return
        deadline = time.monotonic() + 5
        while process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.1)


def run_all(todo: list[checks.Check], report: Report, lock: Path) -> None:
    with alone(lock):
        for check in todo:
            run(check, report)


def real_kernel(report: Report, base: Path, name: str) -> None:
    """`system` or `archives`: on the real kernel, without Ansible."""
    if os.geteuid() != 0:
        report.add(name, checks.Result(0, 1, ["it makes containers and mounts, and needs root"]), 0, LOG / "none")
        return
    check = {"system": checks.system, "archives": checks.archives}[name]
    with alone(KERNEL_LOCK):
        run(check(copy_checkout(name, base), VENV), report)


def integration(report: Report, base: Path, only: str | None) -> None:
    """Every target on this machine, then those of ssh-targets.txt over SSH, and nothing of them left at the end."""
    collection = copy_checkout("integration", base)
    # HOME is our own and not that of root in /etc/passwd; a job and those who wait for it would look in two places.
    (collection / "tests" / "integration" / "integration_config.yml").write_text(f"ansible_async_dir: {base}/jobs\n")
    targets = checks.targets(collection)
    over_ssh = checks.ssh_targets(collection)
    problem = integration_problem(collection, targets, over_ssh, only)
    if problem:
        report.add("integration", checks.Result(0, 1, [problem]), 0, LOG / "none")
        return
    wanted = only.split(",") if only else sorted(set(targets) - set(checks.slow_targets(collection)))
    targets, over_ssh = wanted, [target for target in over_ssh if target in wanted]
    run(checks.snapshot(collection, VENV, "save", base / "host.json"), report)
    shadowed = checks.shadowed(collection)
    for target in targets:
        if target in shadowed:
            report.add(f"integration-{target}", checks.Result(0, 1, ["a role has this name, and would run in its place"]), 0, LOG / "none")
        else:
            run(checks.local_target(collection, VENV, target), report)
    if over_ssh:
        integration_over_ssh(report, collection, over_ssh)
    run(checks.snapshot(collection, VENV, "compare", base / "host.json"), report)


def integration_over_ssh(report: Report, collection: Path, targets: list[str]) -> None:
    """With the newest ansible-core there is, so both have run something for real."""
    log = LOG / "sshd.log"
    try:
        with LoopbackHost(home=Path(os.environ["HOME"]), hidden=[TOP, CACHE], log=log) as host:
            for target in targets:
                run(checks.ssh_target(collection, Path(NEWEST) if NEWEST else VENV, target, host.port), report)
    except (OSError, RuntimeError, subprocess.CalledProcessError) as error:
        report.add("sshd", checks.Result(0, 1, [str(error)]), 0, log)


def integration_problem(collection: Path, targets: list[str], over_ssh: list[str], only: str | None) -> str | None:
    if os.geteuid() != 0:
        return "it makes cgroups, namespaces and bridges, and needs root"
    unknown = sorted({*(only.split(",") if only else ()), *over_ssh} - set(targets))
    if unknown:
        return f"no such target: {', '.join(unknown)}"
    return None


def lanes(groups: list[str], base: Path, test: str | None) -> list[tuple[str, list[checks.Check]]]:
    """What may run side by side: (name of the lock, checks in their order)."""
    reading: list[checks.Check] = []
    if "lint" in groups:
        reading += checks.lint(copy_checkout("lint", base), VENV, CACHE)
    if "sanity" in groups:
        for venv in [VENV, Path(NEWEST)] if NEWEST else [VENV]:
            reading.append(checks.sanity(copy_checkout(f"sanity-{venv.name}", base), venv, test))
    running = checks.units(copy_checkout("units", base), VENV) if "units" in groups else []
    return [(name, todo) for name, todo in (("sanity", reading), ("units", running)) if todo]


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", default=",".join(GROUPS))
    parser.add_argument("--target")
    parser.add_argument("--test")
    parser.add_argument("--keep", action="store_true", help="keep the copies of the checkout")
    options = parser.parse_args()
    groups = ["integration"] if options.target else ["sanity"] if options.test else options.only.split(",")
    unknown = set(groups) - {*GROUPS, *SLOW}
    if unknown:
        parser.error(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join((*GROUPS, *SLOW))}")

    LOG.mkdir(parents=True, exist_ok=True)
    (CACHE / "trees").mkdir(exist_ok=True)
    base = Path(tempfile.mkdtemp(dir=CACHE / "trees"))
    report = Report()
    started = time.monotonic()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        threads = {
            name: threading.Thread(target=run_all, args=(todo, report, CACHE / f"lock-{name}"), daemon=True)
            for name, todo in lanes(groups, base, options.test)
        }
        # The units and what runs in mount namespaces of its own side by side; then what compares the whole host before and after,
        # with only readers beside it.
        if "units" in threads:
            threads["units"].start()
        for name in ("system", "archives"):
            if name in groups:
                real_kernel(report, base, name)
        if "units" in threads:
            threads["units"].join()
        if "sanity" in threads:
            threads["sanity"].start()
        if "integration" in groups:
            with alone(KERNEL_LOCK):
                integration(report, base, options.target)
        if "sanity" in threads:
            threads["sanity"].join()
    except KeyboardInterrupt:
        print("interrupted", flush=True)
        return 130
    finally:
        for process in list(RUNNING):
            end_session(process)
        if not options.keep:
            shutil.rmtree(base, ignore_errors=True)
    minutes, seconds = divmod(round(time.monotonic() - started), 60)
    print(f"{','.join(groups)}: {minutes} min {seconds} s, logs in {LOG.relative_to(TOP)}")
    print(f"{report.passed} passed, {report.failed} failed", flush=True)
    return 1 if report.failed or not report.passed else 0


if __name__ == "__main__":
    raise SystemExit(main())
