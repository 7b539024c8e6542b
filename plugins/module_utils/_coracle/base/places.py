# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where things are on a host (docs/architecture.md lists who writes what there)."""

from __future__ import annotations

DATA = "/var/lib/coracle"
CONTAINERS = "/var/lib/coracle/containers"
IMAGES = "/var/lib/coracle/images"
RUN = "/run/coracle"
SOCKET = "/run/coracle/supervisor.sock"
LIBRARY = "/usr/local/lib/coracle"
COMMAND = "/usr/local/sbin/coracle"
NETNS = "/run/netns"

SYSTEMD = "/run/systemd/system"  # only where it is process 1; elogind makes /run/systemd too
CGROUP_PARENT = "coracle"  # below the root of each hierarchy: coracle/NAME
CGROUP_UNIT = "machine.slice/coracle.service"  # instead of it where systemd manages cgroup v2
SUPERVISOR_CGROUP = "coracle/.supervisor"  # no container's name begins with a dot
