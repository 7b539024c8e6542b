# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A world of its own for both sides: /run, /var/lib, /usr/local, /dev/shm, network and processes are private, and end with this process.

Cgroup hierarchies are the only thing that namespaces do not hide. What both sides leave there is removed at the end.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")
OURS = ("coracle", "coracle-bench", "libpod_parent")  # top directories that the contestants make

CONTAINERS_CONF = """\
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]
log_driver = "k8s-file"
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "crun"
[network]
network_backend = "netavark"
network_config_dir = "{scratch}/podman/networks"
"""
STORAGE_CONF = """\
[storage]
driver = "overlay"
graphroot = "{scratch}/podman/storage"
runroot = "/run/podman-bench"
"""


def run(*command: str) -> str:
    """Its output; SystemExit with the output when it fails."""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"bench: {' '.join(command)} failed:\n{done.stdout}")
    return done.stdout


def live_in(scratch: Path, work: Callable[[], int]) -> int:
    """As process 1 of new mount, network and PID namespaces: furnish them, do `work` in a child, clear up, return its exit status."""
    if os.getpid() != 1:
        raise SystemExit("bench: not process 1; start it by tests/bench/run")
    furnish(scratch)
    before = {directory for directory in top_directories() if directory.exists()}
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: None)  # the child hears of it by itself, or runs on
    child = os.fork()
    if child == 0:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        os._exit(guarded(work))
    status = reap_until(child)
    end_all()
    for directory in top_directories():
        if directory not in before:
            remove_cgroup(directory)
    return os.waitstatus_to_exitcode(status)


def guarded(work: Callable[[], int]) -> int:
    try:
        return work()
    except KeyboardInterrupt:
        print("interrupted")
        return 130
    except SystemExit as error:
        print(error)
        return 1
    finally:
        sys.stdout.flush()


def reap_until(child: int) -> int:
    """Wait for the child, and for what others leave to process 1: conmon and the supervisor expect that somebody does."""
    while True:
        pid, status = os.wait()
        if pid == child:
            return status


def end_all() -> None:
    """End what is left in our PID namespace, by number: nothing in it is anybody else's."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        left = [int(name) for name in os.listdir("/proc") if name.isdigit() and name != "1"]
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        if not left:
            return
        time.sleep(0.02)


def furnish(scratch: Path) -> None:
    run("mount", "-t", "proc", "proc", "/proc")
    run("ip", "link", "set", "lo", "up")
    show_own_links(scratch)
    run("mount", "-t", "tmpfs", "-o", "mode=0755", "tmpfs", "/run")
    run("mount", "-t", "tmpfs", "-o", "mode=1777", "tmpfs", "/dev/shm")  # podman's locks
    for name in ("/run/lock", "/run/netns", "/run/podman-bench"):
        os.mkdir(name)
    # A directory of the disk that scratch lies on, as podman's: overlayfs would not do, the launcher may need it itself.
    private = scratch / "var-lib"
    for name in ("dpkg", "apt"):
        (private / name).mkdir(parents=True)
        if os.path.isdir(f"/var/lib/{name}"):
            run("mount", "--bind", f"/var/lib/{name}", str(private / name))
    run("mount", "--bind", str(private), "/var/lib")
    layer = scratch / "usr-local"
    layer.mkdir()
    run("mount", "-t", "tmpfs", "tmpfs", str(layer))
    (layer / "upper").mkdir()
    (layer / "work").mkdir()
    run("mount", "-t", "overlay", "-o", f"lowerdir=/usr/local,upperdir={layer}/upper,workdir={layer}/work", "overlay", "/usr/local")
    occupy_controllers(scratch)
    settle_podman(scratch)


def show_own_links(scratch: Path) -> None:
    """/sys/class/net belongs to the network namespace in which sysfs was mounted: mount it anew, and bring the cgroups along."""
    aside = scratch / "cgroup"
    aside.mkdir()
    run("mount", "--rbind", str(CGROUPS), str(aside))
    run("umount", "--lazy", "/sys")
    run("mount", "-t", "sysfs", "sysfs", "/sys")
    run("mount", "--rbind", str(aside), str(CGROUPS))
    run("umount", "--lazy", "--recursive", str(aside))


def occupy_controllers(scratch: Path) -> None:
    """crun refuses hybrid mode as long as v2 has a controller. As a v1 hierarchy of ours it is out of the way until we end."""
    offered = CGROUPS / "unified" / "cgroup.controllers"
    if not offered.exists():
        return
    for name in offered.read_text().split():
        point = scratch / f"cgroup-{name}"
        point.mkdir()
        run("mount", "-t", "cgroup", "-o", name, "none", str(point))


def settle_podman(scratch: Path) -> None:
    (scratch / "podman" / "networks").mkdir(parents=True)
    for name, content in (("containers.conf", CONTAINERS_CONF), ("storage.conf", STORAGE_CONF)):
        (scratch / "podman" / name).write_text(content.format(scratch=scratch))
    os.environ["CONTAINERS_CONF"] = str(scratch / "podman" / "containers.conf")
    os.environ["CONTAINERS_STORAGE_CONF"] = str(scratch / "podman" / "storage.conf")


def top_directories() -> list[Path]:
    points = [Path(line.split()[4]) for line in Path("/proc/self/mountinfo").read_text().splitlines() if " - cgroup" in line]
    return [point / name for point in points for name in OURS]


def remove_cgroup(directory: Path) -> None:
    for folder, _below, _files in os.walk(directory, topdown=False):
        for _try in range(50):
            try:
                os.rmdir(folder)
            except FileNotFoundError:
                break
            except OSError:
                time.sleep(0.02)  # its last process is just leaving
            else:
                break


def make_rootfs(path: Path) -> None:
    """BusyBox and nothing else, the same directory for both sides."""
    busybox = next(name for name in ("/bin/busybox", "/usr/bin/busybox") if os.path.exists(name))
    for name in ("bin", "dev", "etc", "proc", "run", "sys", "tmp"):
        (path / name).mkdir(parents=True)
    run("cp", busybox, str(path / "bin" / "busybox"))
    for name in ("sh", "sleep", "true"):
        os.link(path / "bin" / "busybox", path / "bin" / name)
