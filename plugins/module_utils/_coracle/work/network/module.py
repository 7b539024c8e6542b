# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module veth_bridge: bridges, and pairs that connect namespaces to them. All that a task asks is made, or nothing of it."""

from __future__ import annotations

import os

from ...kernel.net import netlink, netns, openvswitch
from ...model.change import CREATE, LIVE, Change
from . import asked as tasks
from . import bridges, container, planning, removal, results, switch, wire
from .observed import Host, look


def read(want: dict) -> Host:
    """Check the task's options and read what there is of what they name. LauncherError."""
    host = Host(tasks.read_options(want))
    present = want["state"] == "present"
    if want["rootfs"] is not None:
        from . import resolver

        host.names_wanted = resolver.want(*(want[option] for option in tasks.DNS))
        host.names = resolver.read(want["rootfs"])
    if present:
        container.refuse_host_addresses([nic for _group, nic in host.asked.order])
    with netlink.Socket() as route:
        view = bridges.View(route)
        look(host, view, must_exist=present)
        if want["uplink"] is not None:
            from . import uplink

            bridge = host.bridges[want["bridge"]]
            host.uplink = uplink.read(want, view, bridge, switch.kind_of(bridge, host.asked.bridges[want["bridge"]][0]))
        if not present:
            host.unused = removal.unused(want, host, view)
    return host


# --- plan


def plan(want: dict, host: Host) -> list[Change]:
    """Return what differs. LauncherError when what is there is not ours to change."""
    if want["state"] == "absent":
        return removal.plan(want, host)
    changes = []
    if _is_about_bridge(want, host):
        changes += _plan_bridge(want["bridge"], host)
    if host.uplink is not None:
        from . import uplink

        changes += uplink.plan(want, host.uplink)
    for space in host.spaces:
        if not space.is_there:
            changes.append(Change(f"{space.group.where}netns", None, space.group.name, CREATE))
        changes += planning.plan(space.group.nics, space.have, want["exclusive"])
    return changes + _plan_names(host)


def _is_about_bridge(want: dict, host: Host) -> bool:
    """True when the task wants a bridge whatever is connected to it."""
    return want["bridge"] is not None and (host.uplink is not None or not host.spaces)


def _plan_bridge(name: str, host: Host) -> list[Change]:
    found = host.bridges[name]
    if found is not None and not found.idle:
        return []
    if switch.kind_of(found, host.asked.bridges[name][0]) == bridges.OPENVSWITCH:
        openvswitch.refuse_stopped()
    if found is None:
        return [Change("bridge", None, name, CREATE, "there is no such bridge")]
    return [Change("bridge", f"{name} (down)", name, LIVE)]


def _plan_names(host: Host) -> list[Change]:
    if host.names is None:
        return []
    from . import resolver

    return resolver.plan(host.names_wanted, host.names)


# --- apply


def apply(want: dict, host: Host, _changes: list[Change]) -> None:
    """Make what plan() said. LauncherError with everything as before."""
    if want["state"] == "absent":
        removal.remove(want, host)
        return
    opened: list[int] = []
    try:
        with wire.Transaction(want["exclusive"], want["duplicate_address_detection"]) as work:
            _bridge(work, want, host)
            _connect(work, host, opened)
            _names(work, want, host)
    finally:
        for namespace in opened:
            os.close(namespace)


def _bridge(work: wire.Transaction, want: dict, host: Host) -> None:
    if not _is_about_bridge(want, host):
        return
    name = want["bridge"]
    found = host.bridges[name]

    def make() -> None:
        work.bridge(name, host.asked.bridges[name][0], found, "bridge")

    step = make if _plan_bridge(name, host) else None
    if host.uplink is not None:
        from . import uplink

        put_back = uplink.apply(want, host.uplink, step)
        if put_back is not None:
            work.undo.add(put_back)
    elif step is not None:
        step()


def _connect(work: wire.Transaction, host: Host, opened: list[int]) -> None:
    groups = []
    for space in host.spaces:
        if not space.is_there:
            netns.create(space.group.name, netns.MODULE)
            work.undo.add(netns.delete, space.group.name)
        with tasks.errors_of(space.group.where):
            opened.append(netns.open_namespace(space.group.netns))
        groups.append((space.group.nics, space.have, opened[-1]))
    if groups:
        work.connect(groups)


def _names(work: wire.Transaction, want: dict, host: Host) -> None:
    if _plan_names(host):
        from . import resolver

        work.undo.add(resolver.write(want["rootfs"], host.names_wanted, host.names))


# --- result


def result(want: dict, host: Host, changes: list[Change], checking: bool) -> dict:
    """The module's return values, read after the changes, in check mode as things are now."""
    found = host
    if changes and not checking:
        found = Host(host.asked)
        with netlink.Socket() as route:
            look(found, bridges.View(route), must_exist=False)
    have = {id(space.group): space.have for space in found.spaces}
    interfaces = results.interfaces([(group.netns, nic, have[id(group)]) for group, nic in host.asked.order])
    told = results.bridges(list(host.asked.bridges))
    values = {"interface": interfaces[0] if interfaces else None, "interfaces": interfaces, "bridge": told[0] if told else None, "bridges": told}
    warnings = results.warnings(interfaces)
    if warnings:
        values["warnings"] = warnings
    if host.uplink is not None:
        from . import uplink

        values.update(uplink.result(want, host.uplink, checking))
    return values
