# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the database of Open vSwitch says of bridges and ports, read by one call of ovs-vsctl. Tables: ovs-vswitchd.conf.db(5)."""

from __future__ import annotations

from ...base.errors import LauncherError
from . import openvswitch

_COMMANDS = (
    "--format=json",
    "--", "--columns=name,ports,datapath_type,external_ids", "list", "Bridge",
    "--", "list", "Port",  # all columns, since old versions have no `protected`
    "--", "--columns=_uuid,error,ifindex", "list", "Interface",
)


class Port:
    """One port. `bridge`: the name of the bridge that it is in. `tag`: 0 to 4095, or None. `trunks`: sorted numbers of VLANs.

    `vlan_mode`: '' when not said. `mark`: ours, from its external_ids, or ''. `error`: why the switch cannot use its interface, or ''.
    `ifindex`: index of the link that the switch uses, 0 for none or not known yet.
    `is_fake_bridge`: a VLAN of another bridge under a name of its own.
    """

    __slots__ = ("name", "bridge", "tag", "trunks", "vlan_mode", "protected", "mark", "error", "ifindex", "is_fake_bridge")

    def __init__(self, name: str):
        self.name = name
        self.bridge = ""
        self.tag: int | None = None
        self.trunks: list[int] = []
        self.vlan_mode = ""
        self.protected = False
        self.mark = ""
        self.error = ""
        self.ifindex = 0
        self.is_fake_bridge = False


class Bridge:
    """One bridge. `datapath`: 'system' (the kernel's) or 'netdev' (in user space). `ports`: names, without that of the bridge itself."""

    __slots__ = ("name", "datapath", "mark", "ports")

    def __init__(self, name: str, datapath: str, mark: str):
        self.name = name
        self.datapath = datapath
        self.mark = mark
        self.ports: list[str] = []


class Database:
    """All bridges and ports, by name."""

    __slots__ = ("bridges", "ports")

    def __init__(self):
        self.bridges: dict[str, Bridge] = {}
        self.ports: dict[str, Port] = {}


def read() -> Database:
    """Return all bridges and ports. LauncherError: Open vSwitch is not installed, or its database does not answer."""
    import json

    tables = [_rows(json.loads(line)) for line in openvswitch.ask(*_COMMANDS).splitlines()]
    if len(tables) != 3:
        raise LauncherError("ovs-vsctl does not tell what bridges there are", option="bridge", remedy="Look at what it says: ovs-vsctl show")
    return parse(*tables)


def parse(bridges: list[dict], ports: list[dict], interfaces: list[dict]) -> Database:
    """Return what the rows of the three tables say: {column: number, str, bool, list or dict}."""
    found = Database()
    by_uuid = {}
    by_interface = {row["_uuid"]: row for row in interfaces}
    for row in ports:
        by_uuid[row["_uuid"]] = port = _port(row)
        found.ports[port.name] = port
        for interface in (by_interface[uuid] for uuid in _listed(row["interfaces"]) if uuid in by_interface):  # a bond has several
            port.error = port.error or "".join(_listed(interface["error"]))
            port.ifindex = port.ifindex or sum(_listed(interface["ifindex"]))
    for row in bridges:
        bridge = Bridge(row["name"], row["datapath_type"] or "system", row["external_ids"].get(openvswitch.KEY, ""))
        found.bridges[bridge.name] = bridge
        for uuid in _listed(row["ports"]):
            by_uuid[uuid].bridge = bridge.name
        bridge.ports = sorted(by_uuid[uuid].name for uuid in _listed(row["ports"]) if by_uuid[uuid].name != bridge.name)
    return found


def _port(row: dict) -> Port:
    port = Port(row["name"])
    port.tag = next(iter(_listed(row["tag"])), None)
    port.trunks = sorted(_listed(row["trunks"]))
    port.vlan_mode = "".join(_listed(row["vlan_mode"]))
    port.protected = bool(row.get("protected", False))
    port.mark = row["external_ids"].get(openvswitch.KEY, "")
    port.is_fake_bridge = bool(row["fake_bridge"])
    return port


def _rows(table: dict) -> list[dict]:
    return [{heading: _value(cell) for heading, cell in zip(table["headings"], row)} for row in table["data"]]


def _value(cell):
    """A value of RFC 7047, 5.1, as Python has it: a set is a list, a map a dict, a UUID its digits."""
    if not isinstance(cell, list):
        return cell
    kind, content = cell
    if kind == "map":
        return {_value(key): _value(value) for key, value in content}
    return [_value(item) for item in content] if kind == "set" else content


def _listed(value) -> list:
    """The members of a set; one of a single member is told as this member."""
    return value if isinstance(value, list) else [value]
