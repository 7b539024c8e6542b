# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What networks of containers are made of: the kernel's links, and Open vSwitch."""

from __future__ import annotations

import os
import socket

from .facts import gap
from .modules import Modules

_DIRECTORIES = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")
_SOCKETS = ("/run/openvswitch/db.sock", "/var/run/openvswitch/db.sock", "/usr/local/var/run/openvswitch/db.sock")
# (key, module, what builds it without CONFIG_)
_MODULES = (("veth", "veth", "VETH"), ("bridge", "bridge", "BRIDGE"), ("vlan", "8021q", "VLAN_8021Q"))


def survey(modules: Modules) -> tuple[dict, list[dict], list[dict]]:
    """Return (facts, gaps that keep containers from having a network, gaps that only take something away)."""
    facts: dict = {key: modules.has(module, option) for key, module, option in _MODULES}
    kernel = modules.has("openvswitch", "OPENVSWITCH")
    facts["openvswitch"] = {"kernel": kernel, "command": _command("ovs-vsctl"), "running": _is_answering(_SOCKETS)}
    needed = [gap("network", f"the kernel has no {key} links", f"Use a kernel with CONFIG_{option}, and install its modules")
              for key, _module, option in _MODULES[:2] if facts[key] is False]
    return facts, needed, _optional(facts)


def _command(name: str) -> str | None:
    """Where a program is, None when it is in none of the usual places."""
    found = [f"{directory}/{name}" for directory in _DIRECTORIES if os.access(f"{directory}/{name}", os.X_OK)]
    return found[0] if found else None


def _is_answering(paths: tuple[str, ...]) -> bool | None:
    """Whether a server listens at one of these sockets, None when we may not ask."""
    for path in paths:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(1)
            try:
                connection.connect(path)
                return True
            except PermissionError:
                return None
            except OSError:
                continue
    return False


def _optional(facts):
    gaps = []
    if facts["vlan"] is False:
        gaps.append(gap("vlan", "the kernel has no 802.1Q, which interfaces in a VLAN need",
                        "Use a kernel with CONFIG_VLAN_8021Q, and install its modules"))
    switch = facts["openvswitch"]
    if switch["command"] is None:
        gaps.append(gap("openvswitch", "Open vSwitch is not installed, which bridges of that type need",
                        "Install Open vSwitch: openvswitch-switch on Debian, openvswitch-utils from SlackBuilds.org", "openvswitch-switch"))
    elif switch["running"] is False:
        gaps.append(gap("openvswitch", "Open vSwitch does not run, which bridges of that type need",
                        "Start it: systemctl start openvswitch-switch, or its script in /etc/rc.d or /etc/init.d"))
    return gaps
