# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tables of tests/bench/run-network, which prepares what this needs: namespaces of its own, packages, an environment with Ansible."""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from measure import Failed, Sample, measure, ratio, spread, table, tail, verdict

PARTS = ("throughput", "interfaces", "import")
OURS, BY_HAND = "veth_bridge", "ip"
NICS = r"""
set -e
ip netns add "$1"
ip link add "$2" type veth peer name eth0 netns "$1"
ip link set "$2" master "$3" up
ip -n "$1" link set lo up
ip -n "$1" addr add "$4" dev eth0
ip -n "$1" link set eth0 up
ip -n "$1" route add default via "$5"
"""
WHOLE, OWN = "from pyroute2 import IPRoute", "what the collection imports"
ROOM = "ansible_collections.coracle.launcher.plugins.module_utils._coracle.kernel.net"
IMPORTS = {WHOLE: WHOLE, OWN: f"from {ROOM} import pyroute; pyroute._load()"}
# What comes before the start a module's process has loaded already.
IMPORT = f"import ansible.module_utils.basic, time, {ROOM}.netlink\nstart = time.process_time()\n"
ELAPSED = "\nprint((time.process_time() - start) * 1000)"


class World:
    """Where playbooks are written and run."""

    def __init__(self, options: argparse.Namespace):
        self.folder = options.scratch / "network"
        self.folder.mkdir()
        self.tree, self.venv, self.python = options.scratch / "tree", options.venv, options.python
        self.script = self.folder / "nic.sh"
        self.script.write_text(NICS)
        inventory = {"all": {"hosts": {"bench": {"ansible_connection": "local", "ansible_python_interpreter": str(self.python)}}}}
        (self.folder / "inventory.json").write_text(json.dumps(inventory))
        (self.folder / "ansible.cfg").write_text(
            f"[defaults]\ncollections_path = {self.tree}\nnocolor = true\nlocalhost_warning = false\n[connection]\npipelining = true\n")
        os.environ["ANSIBLE_CONFIG"] = str(self.folder / "ansible.cfg")

    def play(self, name: str, *tasks: Mapping[str, object]) -> tuple[Sample, int]:
        """Run a playbook of these tasks; its times, and how much it changed."""
        file = self.folder / f"{name}.json"
        file.write_text(json.dumps([{"name": name, "hosts": "all", "gather_facts": False, "tasks": list(tasks)}]))
        command = [str(self.venv / "bin" / "ansible-playbook"), "-i", str(self.folder / "inventory.json"), str(file)]
        sample, text = measure(command, self.folder / "log", self.folder)
        recap = re.search(r"^bench\s*:.*\bchanged=(\d+).*\bfailed=0\b", text, re.MULTILINE)
        if recap is None and tasks:
            raise Failed(f"{name}:\n{tail(text)}")
        return sample, int(recap.group(1)) if recap else 0

    def ours(self, name: str, interfaces: Sequence[Mapping[str, object]], state: str = "present") -> tuple[Sample, int]:
        """One task of veth_bridge for all interfaces."""
        task = {"name": "Connect them", "coracle.launcher.veth_bridge": {"bridge": "ours0", "interfaces": interfaces, "state": state}}
        return self.play(name, task)


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--scratch", type=Path, required=True)
    parser.add_argument("--venv", type=Path, required=True)
    parser.add_argument("--python", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--count", type=int, default=20)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--only", default=",".join(PARTS))
    options = parser.parse_args()
    parts = options.only.split(",")
    if set(parts) - set(PARTS) or not 1 <= options.count <= 200 or min(options.rounds, options.seconds) < 1:
        parser.error(f"--only takes {', '.join(PARTS)}; numbers begin at 1")
    started = time.monotonic()
    world = World(options)
    describe(options.venv)
    try:
        if "throughput" in parts:
            throughput(world, options.rounds, options.seconds)
        if "interfaces" in parts:
            many(world, options.rounds, options.count)
        if "import" in parts:
            imports(world, options.rounds)
    except Failed as error:
        print(f"bench: {error}")
        return 1
    print(f"\n{time.monotonic() - started:.0f} s; load at the end {os.getloadavg()[0]:.1f}")
    return 0


def describe(venv: Path) -> None:
    found = [f"Linux {platform.release()}", f"{os.cpu_count()} processors", f"load {os.getloadavg()[0]:.1f}"]
    for command in ([str(venv / "bin" / "ansible"), "--version"], ["ip", "-V"], ["iperf3", "--version"]):
        found.append(run(*command).splitlines()[0])
    print(", ".join(found), flush=True)


def run(*command: str) -> str:
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Failed(f"{' '.join(command)}: {done.stderr or done.stdout}")
    return done.stdout


# --- throughput of a pair


def throughput(world: World, rounds: int, seconds: int) -> None:
    """Two namespaces on a bridge by veth_bridge, two on one by ip; turn by turn, so that what happens to the machine happens to both."""
    ends = {OURS: ("ours-a", "ours-b"), BY_HAND: ("hand-a", "hand-b")}
    world.ours("pair", [{"netns": name, "addresses": [f"10.98.0.{number}/24"]} for number, name in enumerate(ends[OURS], 1)])
    make_bridge("hand0")
    for number, name in enumerate(ends[BY_HAND], 1):
        run("sh", str(world.script), name, f"h{number}", "hand0", f"10.98.0.{number}/24", "10.98.0.254")
    rates: dict[str, list[float]] = {OURS: [], BY_HAND: []}
    for number in range(rounds):
        for maker in (OURS, BY_HAND) if number % 2 else (BY_HAND, OURS):
            rates[maker].append(iperf(*ends[maker], seconds))
    rows = [(maker, spread(rates[maker], 2)) for maker in rates]
    table("TCP between two namespaces on a Linux bridge: Gbit/s, min / median / max", ("", "iperf3"), rows)
    print(f"ip / veth_bridge, median of the rounds' ratios: {verdict(ratio(rates[BY_HAND], rates[OURS]), 1.05)}", flush=True)
    world.ours("pair-away", [{"netns": name} for name in ends[OURS]], "absent")
    remove_by_hand(ends[BY_HAND])


def iperf(client: str, server: str, seconds: int) -> float:
    """Gbit/s that arrive."""
    listening = subprocess.Popen(["ip", "netns", "exec", server, "iperf3", "--server", "--one-off"], stdout=subprocess.DEVNULL)
    try:
        wait_for_listener(server)
        told = json.loads(run("ip", "netns", "exec", client, "iperf3", "--client", "10.98.0.2", "--time", str(seconds), "--json"))
        if listening.wait(timeout=30):
            raise Failed("iperf3 --server failed")
    finally:
        if listening.poll() is None:
            listening.kill()
            listening.wait()
    return told["end"]["sum_received"]["bits_per_second"] / 1e9


def wait_for_listener(netns: str) -> None:
    deadline = time.monotonic() + 10
    while ":5201" not in run("ip", "netns", "exec", netns, "ss", "--tcp", "--listening", "--numeric"):
        if time.monotonic() > deadline:
            raise Failed("iperf3 does not listen")
        time.sleep(0.02)


def make_bridge(name: str) -> None:
    run("ip", "link", "add", name, "type", "bridge", "forward_delay", "0")
    run("ip", "link", "set", name, "up")


def remove_by_hand(names: Sequence[str]) -> None:
    for name in names:
        run("ip", "netns", "delete", name)
    run("ip", "link", "delete", "hand0")


# --- many interfaces


def many(world: World, rounds: int, count: int) -> None:
    ours = [{"netns": f"ours{number}", "addresses": [f"10.99.0.{number + 1}/24"], "gateway": "10.99.0.254"} for number in range(count)]
    hand = [f"hand{number}" for number in range(count)]
    task = {"name": "Connect them", "loop": hand, "loop_control": {"index_var": "number"}, "ansible.builtin.command": {
        "argv": ["sh", str(world.script), "{{ item }}", "h{{ number }}", "hand0", "10.99.0.{{ number + 1 }}/24", "10.99.0.254"]}}
    times: dict[str, list[Sample]] = {}

    def note(label: str, result: tuple[Sample, int], changed: int) -> None:
        if (result[1] > 0) != bool(changed):
            raise Failed(f"{label}: changed={result[1]}")
        times.setdefault(label, []).append(result[0])

    for number in range(rounds + 1):
        if number == 1:
            times.clear()  # the first round reads and compiles everybody's files
        note("a play without a task", world.play("empty"), 0)
        note("veth_bridge, new", world.ours("new", ours), 1)
        note("veth_bridge, the same again", world.ours("again", ours), 0)
        note("veth_bridge, removal", world.ours("away", ours, "absent"), 1)
        make_bridge("hand0")
        note("command: ip script, loop", world.play("hand", task), 1)
        remove_by_hand(hand)
    floor, scripts = times["a play without a task"], times["command: ip script, loop"]
    rows = []
    for label, found in times.items():
        walls, cpus, _everything = zip(*found)
        budget = 0.20 if label.startswith("veth_bridge") else 0
        rows.append((label, spread(walls, 2), spread(cpus, 2), *shares(found, scripts, floor, budget)))
    head = ("", "wall", "CPU", "share of wall", "of CPU", "of the task's wall", "of its CPU")
    table(f"{count} interfaces in {count} namespaces: seconds, min / median / max, and shares of the scripts' time", head, rows)


def shares(ours: list[Sample], scripts: list[Sample], floor: list[Sample], budget: float) -> list[str]:
    """Of the whole playbook's wall time and CPU; and of the task's alone, which is what is promised: a play without one taken off both."""
    cells = [f"{ratio([getattr(one, what) for one in ours], [getattr(one, what) for one in scripts]):.2f}" for what in ("wall", "cpu")]
    if not budget:
        return [*cells, "", ""]
    for what in ("wall", "cpu"):
        own, theirs = ([getattr(one, what) - getattr(least, what) for one, least in zip(found, floor)] for found in (ours, scripts))
        cells.append(verdict(ratio(own, theirs), budget))
    return cells


# --- pyroute2


def imports(world: World, rounds: int) -> None:
    """CPU of the import in a process that has loaded what a module always has."""
    library = world.folder / "library"
    library.mkdir()
    package = next(world.venv.glob("lib/python3*/site-packages/ansible"))
    (library / "ansible").symlink_to(package)
    rows = []
    for name, python in (("the host's Python", world.python), ("the newest, of PyPI", world.venv / "bin" / "python")):
        environment = {**os.environ, "PYTHONPATH": f"{library}:{world.tree}"}
        version = versions(python, environment)
        found = {label: [cost(python, code, environment) for _round in range(rounds * 2)] for label, code in IMPORTS.items()}
        whole = found[WHOLE]
        rows += [(f"{name}, {version}: {label}", spread(values), f"{ratio(values, whole):.2f}") for label, values in found.items()]
    table("Importing pyroute2, once per host and run, when something changes: ms of CPU, min / median / max", ("", "CPU", "share"), rows)


def cost(python: Path, code: str, environment: dict[str, str]) -> float:
    return float(in_python(python, IMPORT + code + ELAPSED, environment))


def versions(python: Path, environment: dict[str, str]) -> str:
    code = "import platform, importlib.metadata as m; print('Python', platform.python_version() + ', pyroute2', m.version('pyroute2'))"
    return in_python(python, code, environment).strip()


def in_python(python: Path, code: str, environment: dict[str, str]) -> str:
    done = subprocess.run([str(python), "-c", code], env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Failed(f"{python}: {done.stderr}")
    return done.stdout


if __name__ == "__main__":
    raise SystemExit(main())
