# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The guests as Ansible sees them: one ordinary inventory, and playbooks that run on all of them at once."""

from __future__ import annotations

import concurrent.futures
import functools
import json
import re
import time
from collections.abc import Callable
from pathlib import Path

import checks
import steps
from guest import Guest, GuestError

ANY = "[0-9]+"


class Fleet:
    """Guests that run, for playbooks of `collection` by the Ansible in `venv`; inventory and Ansible's own files in `folder`."""

    def __init__(self, guests: list[Guest], collection: Path, venv: Path, folder: Path, report: steps.Report) -> None:
        self.guests, self.collection, self.venv, self.folder, self.report = guests, collection, venv, folder, report
        self.inventory = folder / "hosts.json"
        self.inventory.write_text(json.dumps({"all": {"hosts": {guest.kind: variables(guest) for guest in guests}}}, indent=1))
        self.logins = 0
        self.forget_logins()

    def forget_logins(self) -> None:
        """Connections of before a reboot may hang instead of end: the next playbook makes new ones."""
        self.logins += 1
        (self.folder / f"cp{self.logins}").mkdir(mode=0o700)

    def play(self, name: str, playbook: str, *arguments: str, changed: str = ANY, seconds: int = 600) -> None:
        """Run a playbook. It passes once for each guest on which all went well and the number of changed tasks matches `changed`."""
        command = ["ansible-playbook", "-i", str(self.inventory), *arguments, playbook]
        verdict = functools.partial(count_guests, [guest.kind for guest in self.guests], changed)
        environment = {
            "ANSIBLE_CONFIG": str(self.collection / "ansible.cfg"), "ANSIBLE_COLLECTIONS_PATH": str(self.collection.parents[2]),
            "ANSIBLE_HOME": str(self.folder / "ansible"), "ANSIBLE_TIMEOUT": "60", "ANSIBLE_SSH_CONTROL_PATH_DIR": str(self.folder / f"cp{self.logins}"),
            "ANSIBLE_SSH_ARGS": "-o ControlMaster=auto -o ControlPersist=300s",
        }  # fmt: skip
        steps.run(checks.Check(name, self.collection, self.venv, [command], verdict, environment, seconds), self.report)

    def each(self, name: str, action: Callable[[Guest], object]) -> None:
        """Do the same on every guest, side by side. It passes once for each that raises no GuestError."""
        started = time.monotonic()
        log = steps.LOG / f"{name}.log"
        with concurrent.futures.ThreadPoolExecutor(len(self.guests)) as pool:
            problems = [text for text in pool.map(functools.partial(attempt, action), self.guests) if text]
        log.write_text("\n".join(problems))
        self.report.add(name, checks.Result(len(self.guests) - len(problems), len(problems), []), time.monotonic() - started, log)


def attempt(action: Callable[[Guest], object], guest: Guest) -> str:
    """What went wrong, or nothing."""
    try:
        action(guest)
    except GuestError as error:
        return f"{guest.kind}: {error}"
    return ""


def variables(guest: Guest) -> dict[str, str | int]:
    return {
        "ansible_host": "127.0.0.1", "ansible_port": guest.port, "ansible_user": "root", "ansible_python_interpreter": "/usr/bin/python3",
        "ansible_ssh_private_key_file": str(guest.home / "id_ed25519"), "ansible_ssh_common_args": " ".join(guest.ssh_options()),
    }  # fmt: skip


def count_guests(kinds: list[str], changed: str, text: str, _code: int) -> checks.Result:
    """Reads the recap: a guest that is not in it, or on which a task failed, is a failure."""
    notes = []
    for kind in kinds:
        found = re.search(rf"^{kind} +: ok=(\d+) +changed=(\d+) +unreachable=(\d+) +failed=(\d+)", text, re.MULTILINE)
        if found is None or found.group(1) == "0":
            notes.append(f"{kind}: nothing ran")
        elif found.group(3) != "0" or found.group(4) != "0":
            notes.append(f"{kind}: failed")
        elif not re.fullmatch(changed, found.group(2)):
            notes.append(f"{kind}: changed={found.group(2)}")
    return checks.Result(len(kinds) - len(notes), len(notes), notes)
