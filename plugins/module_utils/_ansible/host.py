# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host has and lacks for running containers. Reads only, and imports nothing of what it looks for."""

from __future__ import annotations

import os
import sys
import typing as t
from importlib.util import find_spec

from .._coracle.base.errors import LauncherError
from .._coracle.formats.compression import codecs
from .._coracle.kernel import landlock
from .._coracle.kernel.cgroup import detect
from .._coracle.work.rootfs import kinds

PYTHON_NEEDED = (3, 9)
_APT = "/usr/bin/apt-get"
_DEBIAN_PACKAGE = "python3-pyroute2"
_PACKAGES = {"zstd": "zstd", "lz4": "lz4", "lzop": "lzop"}  # of Debian, by compression
_LANDLOCK_NEEDED = 2  # what kernel/landlock.py makes use of


def survey(networks: bool) -> dict[str, t.Any]:
    """Return {'host': facts, 'gaps': [{'need', 'problem', 'remedy', 'package'}], 'optional': the same of what only some images need}.

    `networks`: whether containers will have any.
    """
    host: dict[str, t.Any] = {
        "kernel": os.uname().release,
        "python": {"version": ".".join(str(number) for number in sys.version_info[:3]), "executable": sys.executable},
        "root": os.geteuid() == 0,
        "pyroute2": find_spec("pyroute2") is not None,
    }
    host["cgroup"], problem = _cgroup()
    gaps = [gap for gap in (_root(host), _python(host), problem, _pyroute2(host) if networks else None) if gap]
    host["images"] = {"compressions": codecs.available(), "overlay": kinds.kernel_has_overlay(), "landlock": landlock.abi()}
    return {"host": host, "gaps": gaps, "optional": _optional(host["images"])}


def _gap(need: str, problem: str, remedy: str, package: str = "") -> dict[str, str]:
    return {"need": need, "problem": problem, "remedy": remedy, "package": package}


def _root(host: dict[str, t.Any]) -> dict[str, str] | None:
    if host["root"]:
        return None
    return _gap("root", f"the modules run as uid {os.geteuid()}", "Add become: true to the play, or ansible_become: true to the inventory")


def _python(host: dict[str, t.Any]) -> dict[str, str] | None:
    if sys.version_info[:2] >= PYTHON_NEEDED:
        return None
    return _gap("python", f"{host['python']['executable']} is Python {host['python']['version']}, older than 3.9",
                "Install a newer one and name it in ansible_python_interpreter")


def _cgroup() -> tuple[dict[str, t.Any], dict[str, str] | None]:
    try:
        layout = detect.find()
    except LauncherError as error:
        remedy = "Mount one at boot: mount -t cgroup2 cgroup2 /sys/fs/cgroup (Slackware's rc.S does it where the kernel has cgroups)"
        return {"mode": "none", "controllers": []}, _gap("cgroup", error.problem, remedy)
    controllers = sorted(layout.mounts)
    lacking = [name for name in ("cpu", "memory", "pids") if name not in controllers]
    gap = _gap("cgroup", f"the kernel offers no cgroup controller {', '.join(lacking)}",
               "Remove cgroup_disable from the kernel's command line, or use a kernel that has them") if lacking else None
    return {"mode": layout.mode, "controllers": controllers}, gap


def _pyroute2(host: dict[str, t.Any]) -> dict[str, str] | None:
    if host["pyroute2"]:
        return None
    python = host["python"]["executable"]
    # Debian's package serves Debian's own interpreter, and neither a virtual environment nor one from elsewhere.
    if os.path.exists(_APT) and sys.prefix == "/usr":
        return _gap("pyroute2", f"{python} has no pyroute2, which networks need", f"apt-get install {_DEBIAN_PACKAGE}", _DEBIAN_PACKAGE)
    return _gap("pyroute2", f"{python} has no pyroute2, which networks need", f"On the host: {python} -m pip install pyroute2")


def _optional(images: dict[str, t.Any]) -> list[dict[str, str]]:
    """What images can do without, or most of them."""
    gaps = [_gap("compression", f"nothing here unpacks {found['name']}", found["remedy"], _PACKAGES.get(found["name"], ""))
            for found in images["compressions"] if found["by"] is None]
    if not images["overlay"]:
        gaps.append(_gap("overlay", "the kernel has no overlayfs, which containers with an image need",
                         "Use a kernel with CONFIG_OVERLAY_FS, or container_rootfs with backing_store: copy"))
    if images["landlock"] < _LANDLOCK_NEEDED:
        gaps.append(_gap("landlock", "the kernel has no Landlock of use, so archives are unpacked behind one fence less",
                         "Use Linux 5.19 or newer, with landlock in lsm= of its command line"))
    return gaps
