# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who deploys what: the same containers of one inventory, by our playbook and module, and by the ways that podman offers."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

from measure import Failed, Sample, measure, tail

NEW, AGAIN, REMOVE = "new", "again", "remove"
PHASES = (NEW, AGAIN, REMOVE)
COMMAND = ["/bin/sleep", "100000"]
MEMORY = "16m"
CORACLE = "/usr/local/sbin/coracle"


class Bench:
    """What all contestants share: the inventory of `count` containers, Ansible, the logs."""

    def __init__(self, scratch: Path, venv: Path, rootfs: Path, count: int, name: str = "deploy"):
        self.folder = scratch / name
        self.folder.mkdir()
        self.collection = scratch / "tree" / "ansible_collections" / "coracle" / "launcher"
        self.playbook = venv / "bin" / "ansible-playbook"
        self.rootfs, self.count = rootfs, count
        self.names = [f"bench{number:03}" for number in range(count)]
        self.inventory = self._write("inventory.json", {"all": {"hosts": {"bench": self._variables()}}})
        os.environ["ANSIBLE_CONFIG"] = str(self.folder / "ansible.cfg")
        (self.folder / "ansible.cfg").write_text(
            f"[defaults]\ncollections_path = {scratch}/tree\nnocolor = true\nlocalhost_warning = false\n[connection]\npipelining = true\n")

    def _variables(self) -> dict[str, object]:
        containers = [
            {"name": name, "rootfs": str(self.rootfs), "command": COMMAND, "memory": MEMORY, "stop_signal": "KILL",
             "bridge": "corbench0", "ip": f"10.99.{number // 250}.{number % 250 + 2}/16", "gw": "10.99.255.254"}
            for number, name in enumerate(self.names)
        ]  # fmt: skip
        return {"ansible_connection": "local", "ansible_python_interpreter": "/usr/bin/python3", "containers_list": containers}

    def _write(self, name: str, content: object) -> Path:
        path = self.folder / name
        path.write_text(json.dumps(content, indent=1))
        return path

    def play(self, name: str, *tasks: dict[str, object]) -> Path:
        """A playbook of one play with these tasks; JSON is YAML."""
        return self._write(f"{name}.json", [{"name": name, "hosts": "all", "gather_facts": False, "tasks": list(tasks)}])

    def ansible(self, playbook: Path, state: str = "started") -> tuple[Sample, int]:
        """Run a playbook; its times, and how much it changed."""
        command = [str(self.playbook), "-i", str(self.inventory), str(playbook), "-e", f"bench_state={state}"]
        sample, text = measure(command, self.folder / "log", self.folder)
        recap = re.search(r"^bench\s*:.*\bchanged=(\d+).*\bfailed=0\b", text, re.MULTILINE)
        if recap is None and "PLAY RECAP" not in text:
            raise Failed(f"{playbook.name} has no recap:\n{tail(text)}")
        return sample, int(recap.group(1)) if recap else 0


class Contestant:
    """`run(phase)` does one phase and returns its times; Failed when the host is not as it should be then. `phases`: those it can do."""

    label, phases = "", PHASES

    def __init__(self, bench: Bench):
        self.bench = bench

    def run(self, phase: str) -> Sample:
        before = self.processes() if phase == AGAIN else None
        sample, changed = self.do(phase)
        running = self.processes()
        if len(running) != (0 if phase == REMOVE else self.bench.count):
            raise Failed(f"{self.label}, {phase}: {len(running)} containers run")
        if phase == AGAIN and (changed or running != before):
            raise Failed(f"{self.label}: the same again reports changed={changed}")
        return sample

    def do(self, phase: str) -> tuple[Sample, int]:
        """Times, and how much Ansible says was changed."""
        raise NotImplementedError

    def processes(self) -> set[tuple[str, int]]:
        """(name, process ID) of each container that runs."""
        raise NotImplementedError


class Ours(Contestant):
    def processes(self) -> set[tuple[str, int]]:
        if not os.path.exists(CORACLE):
            return set()
        listed = json.loads(output(CORACLE, "list", "--json"))
        return {(container["name"], container["pid"]) for container in listed if container["pid"]}


class Playbook(Ours):
    """playbooks/deploy.yml and remove.yml: both roles. remove takes the launcher away as well, new brings it."""

    label = "playbooks/deploy.yml"

    def do(self, phase: str) -> tuple[Sample, int]:
        name = "remove.yml" if phase == REMOVE else "deploy.yml"
        return self.bench.ansible(self.bench.collection / "playbooks" / name)


class Module(Ours):
    """A play with nothing but the module. new brings the launcher when it is not there."""

    label = "one task: containers"

    def do(self, phase: str) -> tuple[Sample, int]:
        containers = "{{ containers_list | map('combine', {'state': bench_state}) }}"
        task: dict[str, object] = {"name": "Run them", "coracle.launcher.containers": {"containers": containers}}
        return self.bench.ansible(self.bench.play("module", task), "absent" if phase == REMOVE else "started")


class Podman(Contestant):
    def processes(self) -> set[tuple[str, int]]:
        listed = json.loads(output("podman", "ps", "--format", "json") or "[]")
        return {(container["Names"][0], container["Pid"]) for container in listed}


class Loop(Podman):
    """One task with a loop, as podman's users write it."""

    label = "podman_container, loop"

    def do(self, phase: str) -> tuple[Sample, int]:
        options = {"name": "{{ item.name }}", **podman_options()}
        task: dict[str, object] = {
            "name": "Run them", "containers.podman.podman_container": options, "loop": "{{ containers_list }}",
            "loop_control": {"label": "{{ item.name }}"},
        }  # fmt: skip
        return self.bench.ansible(self.bench.play("loop", task), "absent" if phase == REMOVE else "started")


class Batch(Podman):
    """The batch module, one task for all."""

    label = "podman_containers"

    def do(self, phase: str) -> tuple[Sample, int]:
        options = {key: value for key, value in podman_options().items() if key != "state"}
        containers = [{"name": name, **options, "image": str(self.bench.rootfs), "command": COMMAND, "memory": MEMORY,
                       "state": "{{ bench_state }}"} for name in self.bench.names]  # fmt: skip
        task: dict[str, object] = {"name": "Run them", "containers.podman.podman_containers": {"containers": containers}}
        return self.bench.ansible(self.bench.play("batch", task), "absent" if phase == REMOVE else "started")

    @staticmethod
    def exists(venv: Path) -> bool:
        return any(venv.glob("lib/python3*/site-packages/ansible_collections/containers/podman/plugins/modules/podman_containers.py"))


class Shell(Podman):
    """No Ansible: podman in a shell loop."""

    label, phases = "podman run, shell loop", (NEW, REMOVE)

    def do(self, phase: str) -> tuple[Sample, int]:
        if phase == REMOVE:
            command = ["podman", "rm", "--force", "--time", "0", *self.bench.names]
        else:
            run = f"podman run -d --name $name --memory {MEMORY} --stop-signal 9 --rootfs {self.bench.rootfs} {' '.join(COMMAND)}"
            command = ["sh", "-ec", f"for name in {' '.join(self.bench.names)}; do {run}; done"]
        return measure(command, self.bench.folder / "log")[0], 1


class Empty(Ours):
    """Ansible's own share: a play without a task."""

    label, phases = "a play without a task", (NEW,)

    def run(self, phase: str) -> Sample:
        return self.do(phase)[0]

    def do(self, phase: str) -> tuple[Sample, int]:
        return self.bench.ansible(self.bench.play("empty"))


def podman_options() -> dict[str, object]:
    return {"image": "{{ item.rootfs }}", "rootfs": True, "command": "{{ item.command }}", "memory": "{{ item.memory }}", "stop_signal": 9,
            "state": "{{ bench_state }}"}


def output(*command: str) -> str:
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Failed(f"{' '.join(command)}: {done.stderr}")
    return done.stdout


def all_of(bench: Bench, venv: Path) -> list[Contestant]:
    found: list[Contestant] = [Playbook(bench), Module(bench)]
    if shutil.which("podman"):
        found += [Loop(bench), *([Batch(bench)] if Batch.exists(venv) else []), Shell(bench)]
    return [*found, Empty(bench)]
