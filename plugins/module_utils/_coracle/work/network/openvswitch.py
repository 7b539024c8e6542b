# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bridges of Open vSwitch and their ports: the functions that switch.py lists. Loaded only where one of them is in use.

The database is read once for a View. All ports of one call are one transaction, which the switch has carried out when it returns. What was
asked is taken back when the switch could not do it.
"""

from __future__ import annotations

from ...base.errors import LauncherError
from ...kernel.net import links, netlink, openvswitch, ovs_tables, read
from ...model import network as model
from .bridges import OPENVSWITCH, Bridge, Joining, Port, Undo, View

MARK = f"{model.MARK}:bridge"
USERSPACE = "netdev"  # datapath_type

_OTHER_MODE = -1  # as a VLAN: what no option asks for, as with vlan_mode native-tagged
_BRIEFLY = 2  # seconds; for what must be done and need not be seen to be done


# --- what there is


def find(view: View, name: str, link: read.Link | None) -> Bridge | None:
    """Return the bridge of this name; None when it is none of Open vSwitch's. LauncherError: the name is of something in a bridge of its."""
    database = _database(view)
    row = database.bridges.get(name)
    if row is None:
        _refuse_port_as_bridge(name, database)
        return None
    bridge = Bridge(name, OPENVSWITCH, link, row.mark == MARK)
    bridge.datapath = row.datapath
    return bridge


def _database(view: View) -> ovs_tables.Database:
    if view.openvswitch is None:
        view.openvswitch = ovs_tables.read()
    return view.openvswitch


def _refuse_port_as_bridge(name: str, database: ovs_tables.Database) -> None:
    port = database.ports.get(name)
    if port is None:
        return
    if port.is_fake_bridge:
        raise LauncherError(f"is the VLAN {port.tag} of the Open vSwitch bridge {port.bridge}", option="bridge", value=name,
                            remedy=f"Name {port.bridge} and give vlan: {port.tag}")
    raise LauncherError(f"is a port of the Open vSwitch bridge {port.bridge}, not a bridge", option="bridge", value=name,
                        remedy="Name a bridge, or a name that is free")


def port(view: View, name: str, link: read.Link | None) -> Port | None:
    """Return what the database has of a port of this name, also of one whose interface is gone. None: nothing."""
    row = _database(view).ports.get(name)
    return None if row is None else _port(row)


def _port(row: ovs_tables.Port) -> Port:
    vlan, trunks = _vlans(row)
    return Port(OPENVSWITCH, row.bridge, vlan, trunks, row.protected, row.mark)


def _vlans(row: ovs_tables.Port) -> tuple[int, list[tuple[int, int]]]:
    """(VLAN of untagged frames, ranges of tagged ones)"""
    mode = row.vlan_mode or ("trunk" if row.tag is None else "access")
    if mode == "access":
        return row.tag or 0, []
    if mode == "trunk":
        return 0, _ranges(row.trunks)
    return (row.tag or 0 if mode == "native-untagged" else _OTHER_MODE), _ranges(row.trunks)


def _ranges(numbers: list[int]) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    for number in numbers:
        if found and number == found[-1][1] + 1:
            found[-1] = (found[-1][0], number)
        else:
            found.append((number, number))
    return found


def refuse(_bridge: Bridge, _joining: Joining) -> None:
    """LauncherError when the switch does not run."""
    openvswitch.refuse_stopped()


def needs_checksums(bridge: Bridge) -> bool:
    """True when those who send through its ports must compute their checksums themselves."""
    return bridge.datapath == USERSPACE


def port_names(view: View, bridge: Bridge) -> list[str]:
    """The names of its ports, sorted, without its own."""
    row = _database(view).bridges.get(bridge.name)
    return [] if row is None else row.ports


# --- bridges


def make(undo: Undo, name: str) -> None:
    """Make a bridge with a MAC address that it keeps, in the kernel, or in user space where the kernel has no datapath."""
    commands = [("add-br", name), ("set", "Bridge", name, _mark(MARK), f"other_config:hwaddr={openvswitch.quoted(links.new_mac(links.BRIDGE_MAC))}")]
    undo.add(_whether_or_not_it_runs, ("--if-exists", "del-br", name))
    try:
        openvswitch.change(*commands)
    except openvswitch.NoAnswer:
        raise
    except openvswitch.NotCarriedOut:
        # Made anew, since ovs-vsctl tells only of what the same transaction added whether the switch could do it.
        openvswitch.change(("del-br", name), *commands, ("set", "Bridge", name, f"datapath_type={USERSPACE}"))
    links.ignore_router_advertisements(name)
    _set_up(name)


def mend(undo: Undo, bridge: Bridge) -> None:
    """Set its interface up if it is ours; others' forward as well while their interface is down."""
    if bridge.managed and not bridge.up:
        _set_up(bridge.name)
        undo.add(_set_up, bridge.name, False)


def _set_up(name: str, up: bool = True) -> None:
    with netlink.Socket() as route:
        link = read.link(route, name)
        if link is None:
            raise LauncherError("Open vSwitch made no interface for it", option="bridge", value=name, remedy="See the log of ovs-vswitchd")
        route.change(netlink.RTM_SETLINK, netlink.link_message(index=link.index, up=up))


def unused(view: View, bridges: list[Bridge], without) -> list[Bridge]:
    """Return those of the bridges that are ours and have no port but those named in `without`."""
    return [bridge for bridge in bridges if bridge.managed and all(name in without for name in port_names(view, bridge))]


def remove(bridges: list[Bridge]) -> None:
    """Remove them for good. LauncherError."""
    _whether_or_not_it_runs(*(("--if-exists", "del-br", bridge.name) for bridge in bridges))


# --- ports


def join(undo: Undo, joinings: list[Joining]) -> None:
    """Make all of them ports with what is asked, in one transaction; nothing where nothing differs. LauncherError."""
    rows = ovs_tables.read().ports
    stale: list[tuple[str, ...]] = []
    commands: list[tuple[str, ...]] = []
    back: list[tuple[str, ...]] = []
    for joining in joinings:
        row = rows.get(joining.link.name)
        if row is not None and _is_stale(joining, row):
            stale.append(("del-port", row.name))
            there = _join(joining, None)
        else:
            there = _join(joining, row)
        if there:
            commands += there
            back += _back_to(joining.link.name, row)
    if commands:
        undo.add(_whether_or_not_it_runs, *back)
        if stale:  # for itself: the switch would go on with the interface that is gone if a port of the name came in the same transaction
            openvswitch.change(*stale)
        openvswitch.change(*commands)


def _is_stale(joining: Joining, row: ovs_tables.Port) -> bool:
    """A row stays when its interface vanishes: what it says was asked for another one that had the name."""
    return joining.before is None or bool(row.error) or row.ifindex not in (0, joining.link.index)


def _join(joining: Joining, row: ovs_tables.Port | None) -> list[tuple[str, ...]]:
    """The commands for one port. What is not asked stays as it is, or is the default of a port that is new in its bridge."""
    name = joining.link.name
    if row is not None and row.bridge == joining.bridge.name:
        columns = _columns(joining, row)
        return [("set", "Port", name, *columns)] if columns else []
    leave_other = [] if row is None else [("del-port", name)]
    return [*leave_other, ("add-port", joining.bridge.name, name), ("set", "Port", name, *_columns(joining, ovs_tables.Port(name)))]


def _columns(joining: Joining, row: ovs_tables.Port) -> list[str]:
    found = []
    if joining.vlans is not None and joining.vlans != _vlans(row):
        found += _vlan_columns(*joining.vlans)
    if joining.isolated is not None and joining.isolated != row.protected:
        found.append(_protected(joining.isolated))
    if joining.mark != row.mark:
        found.append(_mark(joining.mark))
    return found


def _vlan_columns(vlan: int, trunks: list[tuple[int, int]]) -> list[str]:
    mode = ("native-untagged" if trunks else "access") if vlan else "trunk" if trunks else ""
    return _vlan_row(vlan or None, [number for first, last in trunks for number in range(first, last + 1)], mode)


def _vlan_row(tag: int | None, trunks: list[int], mode: str) -> list[str]:
    return [f"tag={'[]' if tag is None else tag}", f"trunks={','.join(map(str, trunks)) or '[]'}", f"vlan_mode={mode or '[]'}"]


def _protected(isolated: bool) -> str:
    return f"protected={'true' if isolated else 'false'}"


def _mark(mark: str) -> str:
    return f"external_ids:{openvswitch.KEY}={openvswitch.quoted(mark)}"


def leave(undo: Undo, names: list[str]) -> None:
    """Make them ports of no bridge; those that are none already are left alone. LauncherError."""
    rows = ovs_tables.read().ports
    leaving = [name for name in names if name in rows]
    if leaving:
        undo.add(_whether_or_not_it_runs, *(command for name in leaving for command in _back_to(name, rows[name])))
        _whether_or_not_it_runs(*(("--if-exists", "del-port", name) for name in leaving), timeout=openvswitch.TIMEOUT)


def forget(names: list[str], mark: str) -> None:
    """Take those of the ports out of the database whose mark begins with `mark`, without waiting for the switch. LauncherError.

    For interfaces that are going with their namespace. Does nothing on a host where Open vSwitch does not run.
    """
    if not names or not openvswitch.is_running():
        return
    rows = ovs_tables.read().ports
    ours = [name for name in names if name in rows and rows[name].mark.startswith(mark)]
    if ours:
        openvswitch.change_soon(*(("--if-exists", "del-port", name) for name in ours), timeout=_BRIEFLY)


def _back_to(name: str, row: ovs_tables.Port | None) -> list[tuple[str, ...]]:
    """The commands that give a port the row that it had."""
    back: list[tuple[str, ...]] = [("--if-exists", "del-port", name)]
    if row is not None:
        mark = [_mark(row.mark)] if row.mark else []
        columns = [*_vlan_row(row.tag, row.trunks, row.vlan_mode), *([_protected(True)] if row.protected else []), *mark]
        back += [("add-port", row.bridge, name), ("set", "Port", name, *columns)]
    return back


def _whether_or_not_it_runs(*commands: tuple[str, ...], timeout: int = _BRIEFLY) -> None:
    """Make changes that the switch carries out now, or when it runs again. LauncherError: the database does not take them."""
    try:
        openvswitch.refuse_stopped()
    except LauncherError:
        openvswitch.change_soon(*commands)
        return
    try:
        openvswitch.change(*commands, timeout=timeout)
    except openvswitch.NotCarriedOut:
        pass  # the database has them
