# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The checks of this collection: their commands, and how the tests in their output are counted.

Tools end with 0 when they skip what they were asked for (an absent Python, a target marked destructive, no test collected), so each count
here also knows how many tests there must be.
"""

from __future__ import annotations

import ast
import functools
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

SANITY_MINIMUM = 25  # runs of ansible-test sanity on one version of ansible-core; 33 with two Pythons in November 2026
HOST_PYTHON = "3.11@/usr/bin/python3"  # the distribution's own: it has the bindings to apt and netlink that a host has


class Result(NamedTuple):
    passed: int
    failed: int
    notes: list[str]


class Check(NamedTuple):
    """One line of the report. `commands` run in `cwd` with the programs of `venv`; `verdict(log text, exit code)` counts."""

    name: str
    cwd: Path
    venv: Path
    commands: list[list[str]]
    verdict: Callable[[str, int], Result]
    env: dict[str, str]
    seconds: int = 300  # then it hangs, and is ended


# ---- lint


def by_exit_code(text: str, code: int) -> Result:
    return Result(int(code == 0), int(code != 0), [])


def without_warning(text: str, code: int) -> Result:
    """For tools whose warnings do not reach their exit code."""
    found = [line for line in text.splitlines() if re.search(r"\b(WARNING|ERROR|CRITICAL)\b", line)]
    return Result(0, 1, found[:5]) if code or found else Result(1, 0, [])


def lint(collection: Path, venv: Path, cache: Path) -> list[Check]:
    """The tools that read the collection. In this order: some leave files in the tree that others would take for the collection's."""
    tree = collection.parents[2]
    work = tree / "lint"
    env = {"ANSIBLE_COLLECTIONS_PATH": str(tree)}

    def check(name: str, *commands: list[str], cwd: Path = collection, verdict: Callable[[str, int], Result] = by_exit_code) -> Check:
        return Check(name, cwd, venv, list(commands), verdict, env)

    mypy = ["mypy", "--cache-dir", str(cache / "mypy"), "--config-file", f"{collection}/.mypy.ini"]
    build = ["ansible-galaxy", "collection", "build", "--force", "--output-path", str(work)]
    tarball = str(work / f"coracle-launcher-{version(collection)}.tar.gz")
    return [
        check("reuse", ["reuse", "lint"]),
        check("ruff", ["ruff", "check", "--no-cache", "."]),
        check("yamllint", ["yamllint", "--strict", "."]),
        check("changelog", ["antsibull-changelog", "lint"]),
        check("build-and-install", build, ["ansible-galaxy", "collection", "install", tarball, "-p", str(work / "installed")]),
        check("galaxy-importer", ["python", "-m", "galaxy_importer.main", tarball], cwd=tree, verdict=without_warning),
        check("collection-docs", ["antsibull-docs", "lint-collection-docs", "--plugin-docs", "--validate-collection-refs", "all", "."]),
        check("mypy", [*mypy, "ansible_collections/coracle/launcher/plugins"], cwd=tree),
        check("mypy-tools", [*mypy, "."], cwd=collection / "tests" / "tools"),
        check("ansible-lint", ["ansible-lint", "--offline", "--strict", "--profile", "production"]),
    ]


def version(collection: Path) -> str:
    found = re.search(r"^version: (\S+)$", (collection / "galaxy.yml").read_text(), re.MULTILINE)
    if found is None:
        raise SystemExit("galaxy.yml has no version")
    return found.group(1)


# ---- ansible-test sanity


def sanity(collection: Path, venv: Path, test: str | None) -> Check:
    command = ["ansible-test", "sanity", "--color", "no", *(["--test", test] if test else [])]
    name = venv.name.rpartition("-")[0].replace("core-", "sanity-")
    return Check(name, collection, venv, [command], functools.partial(count_sanity, 1 if test else SANITY_MINIMUM), {}, seconds=600)


def count_sanity(minimum: int, text: str, code: int) -> Result:
    """Counts test runs. An absent Python may be skipped, nothing else."""
    runs = len(re.findall(r"^Running sanity test ", text, re.MULTILINE))
    summary = re.search(r"The (\d+) sanity test\(s\) listed below", text)
    failed = int(summary.group(1)) if summary else int(code != 0)
    skipped = re.findall(r"^WARNING: (Skipping .*)$", text, re.MULTILINE)
    absent = [line for line in skipped if re.search(r"on Python 3\.\d+ .*(could not be found|not available|missing)", line)]
    problems = [line for line in skipped if line not in absent]
    if runs < minimum and not failed:
        problems.append(f"only {runs} sanity tests ran, of at least {minimum}")
    versions = sorted({found for line in absent for found in re.findall(r"Python (3\.\d+)", line)})
    notes = [f"not on Python {', '.join(versions)}: not on this machine"] if versions else []
    return Result(max(0, runs - failed), failed + len(problems), notes + problems)


# ---- ansible-test units


def units(collection: Path, venv: Path) -> list[Check]:
    """On the controller's Python all, on the oldest of a host what runs on hosts."""
    unit = collection / "tests" / "unit"
    everything = number_of_tests(unit)
    on_hosts = number_of_tests(unit / "plugins" / "modules") + number_of_tests(unit / "plugins" / "module_utils")
    found = []
    for python, minimum in (("3.11", everything), ("3.9", on_hosts)):
        if shutil.which(f"python{python}") is None:
            print(f"      units do not run on Python {python}: not on this machine", flush=True)
            continue
        command = ["ansible-test", "units", "--color", "no", "--venv", "--python", python, "--num-workers", "2"]
        found.append(Check(f"units-{python}", collection, venv, [command], functools.partial(count_units, minimum), {}, seconds=600))
    return found


def number_of_tests(folder: Path) -> int:
    """Test functions below `folder`: each makes one test or more."""
    trees = [ast.parse(path.read_text()) for path in sorted(folder.rglob("test_*.py"))]
    return sum(isinstance(node, ast.FunctionDef) and node.name.startswith("test_") for tree in trees for node in ast.walk(tree))


def count_units(minimum: int, text: str, code: int) -> Result:
    """Adds up pytest's closing lines (one for each part of the tests). Skipped tests are told, and count as neither."""
    closing = re.findall(r"^=+ (.*\b(?:passed|failed|error|errors|skipped)\b.*) in [\d.]+s.*=+$", text, re.MULTILINE)
    words: dict[str, int] = {}
    for line in closing:
        for number, word in re.findall(r"(\d+) (passed|failed|error|skipped)", line):
            words[word] = words.get(word, 0) + int(number)
    passed, skipped = words.get("passed", 0), words.get("skipped", 0)
    failed = words.get("failed", 0) + words.get("error", 0)
    notes = [f"{skipped} skipped"] if skipped else []
    if code and not failed:
        failed = 1
    if passed + failed + skipped < minimum:
        notes.append(f"only {passed + skipped} tests ran, and {minimum} test functions are there")
        failed += 1
    return Result(passed, failed, notes)


# ---- the real kernel


def system(collection: Path, venv: Path) -> Check:
    """Attacks and faults by name, in a mount namespace of their own."""
    folder = collection / "tests" / "system"
    archives_folder = folder / "archives"
    least = number_of_tests(folder) - number_of_tests(archives_folder)
    return _pytest("system", collection, venv, [str(folder), f"--ignore={archives_folder}"], least)


def archives(collection: Path, venv: Path) -> Check:
    """Hostile and damaged archives, faults and kills, each through the whole module."""
    folder = collection / "tests" / "system" / "archives"
    return _pytest("archives", collection, venv, [str(folder)], number_of_tests(folder))


def _pytest(name: str, collection: Path, venv: Path, arguments: list[str], least: int) -> Check:
    command = ["python", "-m", "pytest", "-p", "no:cacheprovider", "--import-mode=importlib", "--color=no", *arguments]
    env = {"PYTHONPATH": str(collection.parents[2])}
    return Check(name, collection, venv, [command], functools.partial(count_units, least), env, seconds=900)


# ---- ansible-test integration


def targets(collection: Path) -> list[str]:
    """Folders that have `aliases`; the others are helpers of these."""
    folder = collection / "tests" / "integration" / "targets"
    return sorted(path.parent.name for path in folder.glob("*/aliases"))


def slow_targets(collection: Path) -> list[str]:
    """Those that run by name only, with the alias `slow`: make images runs them."""
    folder = collection / "tests" / "integration" / "targets"
    return [target for target in targets(collection) if "slow" in (folder / target / "aliases").read_text().split()]


def shadowed(collection: Path) -> list[str]:
    """Targets that a role of the collection has the name of: ansible-test would run that role, and call it passed."""
    return sorted({path.name for path in (collection / "roles").iterdir()} & set(targets(collection)))


def ssh_targets(collection: Path) -> list[str]:
    lines = (collection / "tests" / "integration" / "ssh-targets.txt").read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def local_target(collection: Path, venv: Path, target: str) -> Check:
    hosts = ["--controller", f"origin:python={python_of(venv)}", "--target", f"controller:python={HOST_PYTHON}"]
    return _target(f"integration-{target}", collection, venv, target, hosts)


def ssh_target(collection: Path, venv: Path, target: str, port: int, host: str = "ssh", seconds: int = 600) -> Check:
    """On the host behind a port of 127.0.0.1, which `host` names in the report."""
    hosts = ["--controller", f"origin:python={python_of(venv)}", "--target", f"ssh:root@127.0.0.1:{port},python={HOST_PYTHON}"]
    return _target(f"{host}-{target}", collection, venv, target, hosts, seconds)


def _target(name: str, collection: Path, venv: Path, target: str, hosts: list[str], seconds: int = 600) -> Check:
    command = ["ansible-test", "integration", "--color", "no", "--allow-destructive", *hosts, target]
    return Check(name, collection, venv, [command], functools.partial(count_target, target), {}, seconds)


def count_target(target: str, text: str, code: int) -> Result:
    ran = re.findall(r"Running (\S+) integration test (?:role|script)", text)
    if code:
        return Result(0, 1, [])
    return Result(1, 0, []) if ran == [target] else Result(0, 1, [f"it did not run: {ran}"])


def python_of(venv: Path) -> str:
    return next(path.name.removeprefix("python") for path in sorted((venv / "lib").iterdir()))


def snapshot(collection: Path, venv: Path, verb: str, file: Path) -> Check:
    """The host before and after all targets. What stays is what later runs use again: the launcher, and the store of images."""
    command = ["/usr/bin/python3", f"{collection}/tests/tools/snapshot.py", verb, str(file)]
    if verb == "save":
        return Check("host-before", collection, venv, [command], by_exit_code, {})
    folders = [f"file /var/lib/coracle{name} d" for name in ("", "/containers")]
    for kept in ("file /usr/local/lib/coracle", "file /usr/local/sbin/coracle", "file /var/lib/coracle/images", *folders):
        command += ["--ignore", kept]
    return Check("host-as-before", collection, venv, [command], by_exit_code, {})
