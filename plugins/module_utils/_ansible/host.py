# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host has and lacks for running containers: kernel/survey/, and what modules run with. Reads only, and imports nothing of what it
looks for."""

from __future__ import annotations

import os
import sys
import typing as t
from importlib import metadata
from importlib.util import find_spec

from .._coracle.formats.compression import codecs
from .._coracle.kernel.survey import boot, cgroups, config, fences, modules, networks
from .._coracle.kernel.survey.facts import gap

PYTHON_NEEDED = (3, 9)
PYROUTE2_NEEDED = (0, 7, 2)  # of Debian 12, and what kernel/net/links.py is tested with
_APT = "/usr/bin/apt-get"
_DEBIAN_PACKAGE = "python3-pyroute2"
_PACKAGES = {"zstd": "zstd", "lz4": "lz4", "lzop": "lzop"}  # of Debian, by compression

Facts = dict[str, t.Any]
Gaps = list[dict[str, str]]


def survey(with_networks: bool) -> Facts:
    """Return {'host': facts, 'gaps': [{'need', 'problem', 'remedy', 'package'}], 'optional': the same of what only some containers need}.

    `with_networks`: whether containers will have any.
    """
    release = os.uname().release
    built = config.find(release)
    loadable = modules.find(built, release)
    host: Facts = {
        "kernel": release,
        "kernel_config": built.path,
        "kernel_options": built.states(),
        "booted_at": boot.booted_at(),
        "init": boot.init(),
        "root": os.geteuid() == 0,
        **_python(),
    }
    host["cgroup"], cgroup_gaps, cgroup_optional = cgroups.survey(built)
    fenced, fence_gaps, fence_optional = fences.survey(built)
    host["network"], network_gaps, network_optional = networks.survey(loadable)
    overlay = modules.has_filesystem("overlay", loadable, "OVERLAY_FS")
    host["images"] = {"compressions": codecs.available(), "overlay": overlay, "landlock": fenced.pop("landlock")}
    host.update(fenced)
    gaps = _root_gaps(host) + _python_gaps(host) + cgroup_gaps + fence_gaps
    if with_networks:
        gaps += network_gaps + _pyroute2_gaps(host)
    optional = _image_gaps(host["images"]) + cgroup_optional + fence_optional + network_optional
    optional += config.gaps(built, host["cgroup"]["mode"])
    return {"host": host, "gaps": gaps, "optional": optional}


def _python() -> Facts:
    has = find_spec("pyroute2") is not None
    return {
        "python": {"version": ".".join(str(number) for number in sys.version_info[:3]), "executable": sys.executable},
        "pyroute2": has,
        "pyroute2_version": _version("pyroute2") if has else None,
    }


def _version(distribution: str) -> str | None:
    """The version of an installed distribution, None when it was installed without saying so."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def _root_gaps(host: Facts) -> Gaps:
    if host["root"]:
        return []
    return [gap("root", f"the modules run as uid {os.geteuid()}", "Add become: true to the play, or ansible_become: true to the inventory")]


def _python_gaps(host: Facts) -> Gaps:
    if sys.version_info[:2] >= PYTHON_NEEDED:
        return []
    return [gap("python", f"{host['python']['executable']} is Python {host['python']['version']}, older than 3.9",
                "Install a newer one and name it in ansible_python_interpreter")]


def _pyroute2_gaps(host: Facts) -> Gaps:
    python, version = host["python"]["executable"], host["pyroute2_version"]
    if not host["pyroute2"]:
        problem = f"{python} has no pyroute2, which networks need"
        # Debian's package serves Debian's own interpreter, and neither a virtual environment nor one from elsewhere.
        if os.path.exists(_APT) and sys.prefix == "/usr":
            return [gap("pyroute2", problem, f"apt-get install {_DEBIAN_PACKAGE}", _DEBIAN_PACKAGE)]
        return [gap("pyroute2", problem, f"On the host: {python} -m pip install pyroute2")]
    if version is not None and _numbers(version) < PYROUTE2_NEEDED:
        least = ".".join(str(number) for number in PYROUTE2_NEEDED)
        problem = f"{python} has pyroute2 {version}, older than {least}"
        return [gap("pyroute2", problem, f"On the host: {python} -m pip install 'pyroute2>={least}'")]
    return []


def _numbers(version: str) -> tuple[int, ...]:
    """'0.7.2.post1' -> (0, 7, 2): the leading numbers of a version."""
    found: list[int] = []
    for word in version.split("."):
        if not word.isdecimal():
            break
        found.append(int(word))
    return tuple(found)


def _image_gaps(images: Facts) -> Gaps:
    """What images can do without, or most of them."""
    gaps = [gap("compression", f"nothing here unpacks {found['name']}", found["remedy"], _PACKAGES.get(found["name"], ""))
            for found in images["compressions"] if found["by"] is None]
    if images["overlay"] is False:
        gaps.append(gap("overlay", "the kernel has no overlayfs, which containers with an image need",
                        "Use a kernel with CONFIG_OVERLAY_FS, or container_rootfs with backing_store: copy"))
    return gaps
