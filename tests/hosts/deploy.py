# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A person's way through the collection on every kind of host: deploy, once more, reboot, remove; and the host is as before."""

from __future__ import annotations

import functools
import json
import time
from pathlib import Path

from fleet import Fleet
from guest import Guest, GuestError

HERE = Path(__file__).resolve().parent
SNAPSHOT = HERE.parent / "tools" / "snapshot.py"
LIMITS = HERE / "on_guest" / "limits.py"
SAVED = "/root/before.snapshot"
MEMORY = {"article": 4194304, "client": 16 << 20, "resting": 16 << 20, "web": 16 << 20}  # bytes, as fleet.yml declares
# The host's own, which a reboot makes anew; and systemd's slice of the unit, which stays when it is empty.
IGNORED = ("process ", "mount /proc/sys/fs/binfmt_misc ", "cgroup /sys/fs/cgroup/machine.slice cgroup.")
# Without systemd the controllers that our cgroups enabled in the root stay enabled (docs/cgroups.md): here they are from the start.
ENABLE = "cd /sys/fs/cgroup && [ -e /run/systemd/system -o ! -e cgroup.subtree_control ] || echo +cpuset +cpu +io +memory +pids > cgroup.subtree_control"
HOME = "/sys/fs/cgroup/machine.slice/coracle.service"
# Every limit below our unit, who is in the cgroups that hold nobody, and the first process of each container.
LOOK = (
    f"cd {HOME} && grep -r --include='*.max*' --include=cpu.weight . * | grep -v keeper | sort -u; cat held/cgroup.procs held/below/cgroup.procs;"
    " coracle list --json | grep -o '\"pid\": *[0-9]*'"
)
SOME = "[1-9][0-9]*"


def run(fleet: Fleet, image: Path) -> None:
    """`image`: an archive of the controller, which has to get to the guests."""
    arguments = ["-i", str(HERE / "fleet.yml"), "-e", f"fleet_image={image}"]
    every = functools.partial(check_running, frozenset(MEMORY))
    fleet.each("deploy-host-before", save_host)
    fleet.play("deploy", "playbooks/deploy.yml", *arguments, changed=SOME)
    if fleet.report.failed:
        return  # nothing that follows would tell anything
    fleet.each("deploy-runs", every)
    fleet.play("deploy-again", "playbooks/deploy.yml", *arguments, changed="0")
    fleet.each("deploy-units", shake_units)
    fleet.each("deploy-reboot", stop_one_and_reboot)
    fleet.forget_logins()
    # A policy says so of web and of client; resting was stopped, and article has none.
    fleet.each("deploy-runs-after-reboot", functools.partial(check_running, frozenset({"client", "web"})))
    fleet.play("deploy-after-reboot", "playbooks/deploy.yml", *arguments, changed=SOME)
    fleet.each("deploy-runs-again", every)
    fleet.play("deploy-remove", "playbooks/remove.yml", *arguments, changed=SOME)
    fleet.each("deploy-host-as-before", compare_host)


def save_host(guest: Guest) -> None:
    guest.ssh(ENABLE)
    guest.ssh(f"python3 - save {SAVED}", text=SNAPSHOT.read_text())


def compare_host(guest: Guest) -> None:
    ignored = " ".join(f"--ignore '{prefix}'" for prefix in IGNORED)
    guest.ssh(f"python3 - compare {SAVED} {ignored} && rm {SAVED}", text=SNAPSHOT.read_text())
    left = guest.ssh("pgrep -af '[c]oracle' || true; ls -d /var/cache/[c]oracle 2>/dev/null || true")
    if left:
        raise GuestError(f"left are: {left}")


def shake_units(guest: Guest) -> None:
    """What an administrator does to systemd takes no limit away, from a container or from a cgroup without processes, and ends no process."""
    if guest.kind != "debian":
        return
    guest.ssh(f"mkdir {HOME}/held {HOME}/held/below && echo 77 > {HOME}/held/pids.max && echo 7 > {HOME}/held/below/cgroup.max.depth")
    before = guest.ssh(LOOK)
    for shake in ("daemon-reload", "daemon-reexec", "restart systemd-journald.service", "restart coracle.service"):
        guest.ssh(f"systemctl {shake}")
        after = guest.ssh(LOOK)
        if after != before:
            raise GuestError(f"systemctl {shake}: before\n{before}\nafter\n{after}")
    guest.ssh(f"rmdir {HOME}/held/below {HOME}/held && systemctl is-active coracle.service")


def stop_one_and_reboot(guest: Guest) -> None:
    guest.ssh("coracle stop resting")
    guest.reboot()


def check_running(names: frozenset[str], guest: Guest) -> None:
    """These of the four run, with their limits, and client reads from web: GuestError says what is not so within a minute."""
    deadline = time.monotonic() + 60
    while problem := what_is_wrong(names, guest):
        if time.monotonic() > deadline:
            raise GuestError(problem)
        time.sleep(1)


def what_is_wrong(names: frozenset[str], guest: Guest) -> str:
    # In one login, since each takes a second.
    listed, log, limits = guest.ssh(
        "coracle list --json | tr -d '\\n'; echo; coracle logs --tail 3 client | tr '\\n' ' '; echo; python3 -", text=LIMITS.read_text()
    ).splitlines()
    states = {one["name"]: one["state"] for one in json.loads(listed)}
    running = {name for name, state in states.items() if state == "running"}
    if running != names or set(states) != set(MEMORY):
        return f"running should be {sorted(names)}: {states}"
    wanted = {name: MEMORY[name] for name in names}
    if json.loads(limits) != wanted:
        return f"the kernel's memory limits are {limits}, not {wanted}"
    return "" if "Hello from web" in log else f"client does not read from web: {log}"
