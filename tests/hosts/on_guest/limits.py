# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Prints the memory limit (bytes) of each container that runs, out of the kernel's own files, as JSON: the oracle of deploy.py."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

FILES = {"cgroup": "memory.limit_in_bytes", "cgroup2": "memory.max"}


def hierarchies():
    """(type, mount point, options) of what is mounted."""
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        left, right = line.split(" - ", 1)
        kind, _source, options = right.split(" ", 2)
        if kind in FILES:
            yield kind, left.split()[4], options.split(",")


def memory_limit(pid):
    paths = dict(line.split(":", 2)[1:] for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines())
    for kind, point, options in hierarchies():
        wanted = "memory" if kind == "cgroup" else ""
        if wanted in paths and (not wanted or wanted in options):
            file = Path(f"{point}{paths[wanted]}/{FILES[kind]}")
            if file.exists():
                return int(file.read_text())
    return None


listed = json.loads(subprocess.run(["coracle", "list", "--json"], check=True, stdout=subprocess.PIPE).stdout)
print(json.dumps({one["name"]: memory_limit(one["pid"]) for one in listed if one["pid"]}))
