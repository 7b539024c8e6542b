# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The network of a container: its named namespace and the interfaces in it. What a supervisor calls (detach) imports no pyroute2."""

from __future__ import annotations

import errno
import os
import time

from ...base.errors import LauncherError
from ...kernel.net import netlink, netns, read
from ...model import network as model
from ...model import settings
from ...model.change import Change
from . import leaving, nics, planning, wire

_LOOK_AGAIN = (0.02, 0.1, 0.3)  # seconds before another look when something vanished between the first one and the change
_GONE_WITHIN = 3.0  # seconds; the kernel takes down a namespace and its links some ten milliseconds after its last user

host_interface = model.host_interface

# A container's networks are all that it has: what one does not say, it has not. Without this, a route or a limit that was taken out of
# the settings would stay.
_UNSAID = {**settings.NETWORK_DEFAULTS, "gateway": ""}


def host_interfaces(container: str, networks: list[dict]) -> list[str]:
    """Return the names of the host ends of the container's interfaces."""
    return [network.get("host_interface") or model.host_interface(container, network.get("interface_name", f"eth{index}"))
            for index, network in enumerate(networks)]


def _wanted(container: str, networks: list[dict], option: str = "networks") -> list[model.Nic]:
    return model.nics(container, [{**_UNSAID, **network} for network in networks], option)


def validate(networks: list[dict], option: str = "networks") -> None:
    """LauncherError for the first name, address or gateway that cannot be. Reads the host's own addresses, changes nothing."""
    _checked("container", networks, option)


def _checked(container: str, networks: list[dict], option: str = "networks") -> list[model.Nic]:
    wanted = _wanted(container, networks, option)
    if any(nic.addresses for nic in wanted):
        refuse_host_addresses(wanted)
    return wanted


def refuse_host_addresses(wanted: list[model.Nic]) -> None:
    """LauncherError when one of the addresses belongs to the host itself."""
    with netlink.Socket() as route:
        taken = {address.words.partition("/")[0]: address.index for address in read.addresses(route)}
        for nic in wanted:
            for word in nic.addresses or []:
                index = taken.get(word.partition("/")[0])
                if index is None:
                    continue
                owner = read.link(route, index=index)
                raise LauncherError(f"is the host's own address on {owner.name if owner else 'another interface'}",
                                    option=f"{nic.where}addresses", value=word, remedy="Give an address that no other machine has")


def is_ours(container: str) -> bool:
    """True when the namespace of this name was made for a container; False for somebody else's, and when there is none."""
    if not netns.exists(container):
        return False
    namespace = netns.open_namespace(netns.path(container))
    try:
        with netns.inside(namespace):
            route = netlink.Socket()
        with route:
            loopback = read.link(route, "lo")
    finally:
        os.close(namespace)
    return loopback is not None and loopback.alias == netns.CONTAINER


def refuse_foreign(container: str) -> None:
    """LauncherError when somebody else's namespace has the container's name."""
    if netns.exists(container) and not is_ours(container):
        raise LauncherError("a network namespace of this name exists already and is not ours", option="name", value=container,
                            remedy="Choose another name, or remove that one: ip netns delete")


def container_have(netns_name: str, container: str, networks: list[dict]) -> nics.Have:
    """Read what the host has of a container's interfaces; a namespace that does not exist has none. LauncherError as validate()."""
    wanted = _checked(container, networks)
    if not netns.exists(netns_name):
        return nics.observe(wanted, None, container)
    namespace = netns.open_namespace(netns.path(netns_name))
    try:
        return nics.observe(wanted, namespace, container)
    finally:
        os.close(namespace)


def container_plan(container: str, networks: list[dict], have: nics.Have) -> list[Change]:
    """Return what differs; options are named networks[0].addresses and so on. LauncherError when it may not be changed."""
    return planning.plan(_wanted(container, networks), have)


def attach(container: str, networks: list[dict]) -> list[str]:
    """Make the container's namespace and interfaces what they should be, and return the names of the host ends.

    Where nothing differs, nothing is changed and pyroute2 not imported. On failure (LauncherError) the host is as before.
    """
    for pause in _LOOK_AGAIN:
        try:
            return _attach(container, networks)
        except wire.Vanished:
            time.sleep(pause)
    return _attach(container, networks)


def _attach(container: str, networks: list[dict]) -> list[str]:
    refuse_foreign(container)
    have = container_have(container, container, networks)
    wanted = _wanted(container, networks)
    changes = planning.plan(wanted, have)
    is_new = not netns.exists(container)
    netns.create(container)
    if changes:
        _connect(container, wanted, have, is_new)
    return [nic.host_interface for nic in wanted]


def _connect(container: str, wanted: list[model.Nic], have: nics.Have, is_new: bool) -> None:
    namespace = netns.open_namespace(netns.path(container))
    try:
        with wire.Transaction() as work:
            if is_new:
                work.undo.add(netns.delete, container)
            work.connect([(wanted, have, namespace)])
    finally:
        os.close(namespace)


def detach(container: str, host_interfaces: list[str], wait: bool = True) -> None:
    """Remove the container's namespace, never somebody else's of that name, and with it its interfaces; with `wait` return when they are
    gone, else see is_detached().

    Its processes must have ended. What the kernel has not removed after 3 seconds, since somebody holds the namespace open, is
    removed by name. Only interfaces with the container's mark are waited for and removed. Twice is fine. OSError.
    """
    ends = _of_container(container, host_interfaces) if wait else []
    if is_ours(container):
        _forget_ports(container)
        netns.delete(container)
    pause, deadline = 0.001, time.monotonic() + _GONE_WITHIN
    while not is_detached(ends):
        if time.monotonic() > deadline:
            remove_host_ends(container, ends)
            return
        time.sleep(pause)
        pause = min(pause * 2, 0.02)


def _forget_ports(container: str) -> None:
    namespace = netns.open_namespace(netns.path(container))
    try:
        leaving.forget_ports(f"{model.MARK}:{container}:", namespace)
    finally:
        os.close(namespace)


def is_detached(host_interfaces: list[str]) -> bool:
    """True when none of these interfaces exists."""
    return not any(read.exists(name) for name in host_interfaces)


def remove_host_ends(container: str, host_interfaces: list[str]) -> None:
    """Remove those of these interfaces that carry the mark of the container. OSError."""
    with netlink.Socket() as route:
        for name in _of_container(container, host_interfaces):
            try:
                route.change(netlink.RTM_DELLINK, netlink.link_message(name=name))
            except OSError as error:
                if error.errno != errno.ENODEV:  # the kernel was faster
                    raise


def _of_container(container: str, host_interfaces: list[str]) -> list[str]:
    with netlink.Socket() as route:
        found = [read.link(route, name) for name in host_interfaces]
    return [link.name for link in found if link is not None and link.alias.startswith(f"{model.MARK}:{container}:")]


def remove_unused_bridges(names: list[str]) -> list[str]:
    """Remove those of the bridges that we made and that have no port left. Returns the names of the removed ones. OSError."""
    return wire.remove_unused_bridges(names)
