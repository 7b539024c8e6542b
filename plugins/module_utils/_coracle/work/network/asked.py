# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a task of veth_bridge asks: its interfaces, sorted by the namespaces they are in, all checked before anything is looked at."""

from __future__ import annotations

import os

from ...base import places, text
from ...base.errors import LauncherError
from ...kernel.net import netns
from ...model import network as model

INHERITED = ("bridge", "bridge_type", "netns")
OF_ONE = ("interface_name", "host_interface", "addresses", "gateway", "gateway_onlink", "metric", "routes", "mac_address", "mtu", "vlan",
          "trunks", "isolated", "ingress_rate", "egress_rate", "up")
DNS = ("dns_servers", "dns_search_domains", "dns_opts")


class Group:
    """The interfaces of one namespace. `netns`: as the task names it; `place`: its path; `name`: None when it has no name of its own;
    `where`: begins the option names of the item that names it first."""

    __slots__ = ("netns", "place", "name", "where", "nics")

    def __init__(self, asked_netns: str, place: str, where: str):
        directory, base = os.path.split(place)
        self.netns = asked_netns
        self.place = place
        self.name = base if directory in (places.NETNS, f"/var{places.NETNS}") else None
        self.where = where
        self.nics: list[model.Nic] = []


class Asked:
    """`groups`: one for each namespace; `order`: (group, nic) as the task lists them; `bridges`: {name: (type, where it is named)}, that of
    the task first."""

    __slots__ = ("groups", "order", "bridges")

    def __init__(self):
        self.groups: list[Group] = []
        self.order: list[tuple[Group, model.Nic]] = []
        self.bridges: dict[str, tuple[str, str]] = {}


def read_options(want: dict) -> Asked:
    """Return what the task means. LauncherError names the first option that cannot be."""
    _check_task(want)
    asked = Asked()
    items = _items(want)
    if want["bridge"] is not None and (want["uplink"] is not None or not items or any(item["bridge"] == want["bridge"] for _where, item in items)):
        _add_bridge(asked, want["bridge"], want["bridge_type"], "")
    groups: dict[str, tuple[Group, list[tuple[str, dict]]]] = {}
    for where, item in items:
        place = located(item["netns"], where)
        group, members = groups.setdefault(place, (Group(item["netns"], place, where), []))
        if group.name is None and item["host_interface"] is None:
            raise LauncherError("is needed when netns is a pid or a path, since nothing else tells this interface from others",
                                option=f"{where}host_interface", remedy="Give a name of at most 15 characters")
        members.append((where, item))
    for group, members in groups.values():
        group.nics = _nics(group, members)
        asked.groups.append(group)
    by_where = {nic.where: (group, nic) for group in asked.groups for nic in group.nics}
    asked.order = [by_where[where] for where, _item in items]
    for where, item in items:
        _add_bridge(asked, item["bridge"], item["bridge_type"], where)
    _check_together(asked)
    return asked


def _check_task(want: dict) -> None:
    if want["interfaces"] is not None:
        for option in OF_ONE:
            if want[option] is not None:
                raise LauncherError("cannot be together with interfaces", option=option, value=want[option], remedy="Move it into the items")
    elif want["netns"] is None:
        for option in OF_ONE:
            if want[option] is not None:
                raise LauncherError("has no meaning without a namespace", option=option, value=want[option], remedy="Add netns")
    given = [option for option in DNS if want[option] is not None]
    if given and want["rootfs"] is None:
        raise LauncherError("needs rootfs beside it", option=given[0], value=want[given[0]], remedy="Add rootfs, the path of the container's tree")
    if want["rootfs"] is not None and not given:
        raise LauncherError("has no meaning without name servers", option="rootfs", value=want["rootfs"], remedy=f"Add one of {', '.join(DNS)}")
    if want["state"] == "absent" and want["rootfs"] is not None:
        raise LauncherError("has no meaning with state absent", option="rootfs", value=want["rootfs"], remedy="Remove it and the name servers")
    if want["uplink_move_addresses"] and want["uplink"] is None:
        raise LauncherError("needs uplink beside it", option="uplink_move_addresses", value=True, remedy="Add uplink")
    text.parse_integer(want["confirm_timeout"], "confirm_timeout", 5, 600)


def _items(want: dict) -> list[tuple[str, dict]]:
    """Return (beginning of its option names, options) of each interface, with what it takes from the task."""
    if want["interfaces"] is None:
        return [] if want["netns"] is None else [("", want)]
    items = []
    for position, given in enumerate(want["interfaces"]):
        item = {**given, **{option: want[option] for option in INHERITED if given[option] is None}}
        where = f"interfaces[{position}]."
        for option in ("bridge", "netns"):
            if item[option] is None:
                raise LauncherError(f"names no {option}", option=f"{where}{option}", remedy=f"Add {option} to the item or to the task")
        items.append((where, item))
    return items


def _add_bridge(asked: Asked, name: str, asked_kind: str | None, where: str) -> None:
    text.check_interface(name, f"{where}bridge")
    kind = asked_kind or "auto"
    known, first = asked.bridges.get(name, ("auto", where))
    if "auto" not in (kind, known) and kind != known:
        raise LauncherError(f"is {known} elsewhere in this task", option=f"{where}bridge_type", value=kind, remedy=f"Say one type for {name}")
    asked.bridges[name] = (kind if known == "auto" else known, first)


def located(asked_netns: str, where: str) -> str:
    """Return the path of a namespace; errors name the option of the item."""
    with errors_of(where):
        return netns.locate(asked_netns)


class errors_of:  # noqa: N801  used as a function
    """Context manager: errors about an option of a namespace name that of the item, as interfaces[3].netns."""

    __slots__ = ("_where",)

    def __init__(self, where: str):
        self._where = where

    def __enter__(self) -> None:
        return

    def __exit__(self, _kind, error, _traceback) -> None:
        if isinstance(error, LauncherError) and error.option is not None and not error.option.startswith(self._where or "\0"):
            error.option = f"{self._where}{error.option}"


def _nics(group: Group, members: list[tuple[str, dict]]) -> list[model.Nic]:
    found = model.nics(group.name or "", [item for _where, item in members], [where for where, _item in members])
    if group.name is None:
        for nic in found:  # only the host end tells it from others
            nic.label = f"@{nic.host_interface}"
            nic.mark = model.mark(nic.label, nic.interface_name)
    return found


def _check_together(asked: Asked) -> None:
    """What interfaces of different namespaces must not share; model.nics() has seen to those of one."""
    ends: dict[str, str] = {}
    addresses: dict[tuple, str] = {}
    for _group, nic in asked.order:
        if nic.host_interface in asked.bridges:
            raise LauncherError("is a bridge", option=f"{nic.where}host_interface", value=nic.host_interface, remedy="Give another name")
        _once(ends, nic.host_interface, f"{nic.where}host_interface", nic.host_interface)
        for word in nic.addresses or []:
            _once(addresses, (word.partition("/")[0], nic.bridge, nic.vlan or 0), f"{nic.where}addresses", word)
        if nic.mac_address is not None:
            _once(addresses, (nic.mac_address, nic.bridge, nic.vlan or 0), f"{nic.where}mac_address", nic.mac_address)


def _once(seen: dict, key, option: str, value: str) -> None:
    if key in seen:
        raise LauncherError(f"is there twice, also in {seen[key]}", option=option, value=value, remedy="Give each interface its own")
    seen[key] = option
