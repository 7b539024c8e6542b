# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A NIC of the host as a port of a bridge: joined when a task says so, released when it says `absent`.

A NIC with addresses or with the connection that this run came over is refused, unless the task says that they move along. Then a watchdog
puts back everything when the controller does not confirm through a connection of its own.
"""

from __future__ import annotations

import os

from ...base import files, text
from ...base.errors import LauncherError
from ...kernel.net import moving, netlink
from ...kernel.net import read as kernel
from ...model import network as model
from ...model.change import LIVE, REMOVE, Change
from . import switch
from .bridges import Bridge, View

_SESSION = b"SSH_CONNECTION="  # "client port server port", in the environment of what sshd starts
# A bridge of ours takes no advertisements, since any container could send them (CVE-2020-10749); and nobody renews a lease for it.
_LAST = "Set its sysctl accept_ra to 0, and keep nothing or what lasts in its place; or let the host's own network configuration make the bridge"
_MOVE = "Set uplink_move_addresses: true, so that they move along"


class Uplink:
    """What there is. `nic`: None when the host has none of that name. `bridge`: None when there is none. `kind`: what it is or will be.

    `joined`: the NIC is its port. `held`: what the NIC has or, when it is to leave, the bridge. `session`: this run's SSH connection is over
    that link. `waiting`: what apply() has left to be confirmed.
    """

    __slots__ = ("nic", "bridge", "kind", "joined", "held", "session", "waiting")

    def __init__(self, nic: kernel.Link | None, bridge: Bridge | None, kind: str):
        self.nic = nic
        self.bridge = bridge
        self.kind = kind
        self.joined = False
        self.held = moving.Held(0, [], [])
        self.session = False
        self.waiting: dict | None = None


def read(want: dict, view: View, bridge: Bridge | None, kind: str) -> Uplink:
    """Check the options and read what there is. `kind`: what the bridge is or will be. LauncherError."""
    name = text.check_interface(want["uplink"], "uplink")
    found = Uplink(kernel.link(view.route, name), bridge, kind)
    present = want["state"] == "present"
    if found.nic is None:
        if not present:
            return found
        raise LauncherError("there is no such interface", option="uplink", value=name, remedy="Name a NIC of this host: ip link")
    port = switch.port(view, name, found.nic, kind)
    found.joined = port is not None and port.bridge == want["bridge"]
    if present:
        _refuse_nic(want, found, port.bridge if port is not None else _master(view.route, found.nic))
    elif not found.joined:
        return found
    source = found.nic if present else bridge.link if bridge is not None else None
    if source is not None:
        found.held = moving.look(view.route, source.index, source.mac)
        found.session = _session_link(view.route) == source.index
    return found


def _master(route: netlink.Socket, nic: kernel.Link) -> str | None:
    """What the NIC is a part of, be it a bond or a VRF."""
    master = kernel.link(route, index=nic.master) if nic.master else None
    return None if master is None else master.name


def _refuse_nic(want: dict, found: Uplink, part_of: str | None) -> None:
    problem, nic = "", found.nic
    if nic.name == "lo":
        problem = "is the loopback interface"
    elif nic.kind in ("bridge", "openvswitch") or nic.name == want["bridge"]:
        problem = "is a bridge itself"
    elif nic.alias.startswith(f"{model.MARK}:"):
        problem = "is the end of a pair that this collection made"
    elif part_of is not None and not found.joined:
        problem = f"is a part of {part_of} already"
    elif os.path.exists(f"/sys/class/net/{nic.name}/phy80211"):
        problem = "is a wireless interface, which cannot carry other machines' addresses"
    if problem:
        raise LauncherError(problem, option="uplink", value=nic.name, remedy="Name a NIC that is connected to the network and nothing else")


def _session_link(route: netlink.Socket) -> int:
    """The index of the link that leads to the client of the SSH connection in which this process runs; 0 outside of one."""
    client = _client(os.getpid())
    host, _percent, zone = client.partition("%")
    if zone:
        link = kernel.link(route, zone)
        return link.index if link is not None else 0
    return moving.link_to(route, host) if host else 0


def _client(pid: int) -> str:
    """The address that sshd told the nearest of a process' parents; '' without one. Another user's environment is lost on the way to root."""
    while pid > 1:
        try:
            with open(f"/proc/{pid}/environ", "rb") as environment:
                told = [word for word in environment.read().split(b"\0") if word.startswith(_SESSION)]
            pid = int(files.read_text(f"/proc/{pid}/stat").rpartition(")")[2].split()[1])
        except (OSError, ValueError):
            return ""
        if told:
            return told[0][len(_SESSION):].split(b" ")[0].decode("ascii", "replace")
    return ""


# --- plan


def plan(want: dict, found: Uplink) -> list[Change]:
    """Return what differs. LauncherError when it would cut the host off."""
    if want["state"] == "absent":
        return _plan_leaving(want, found)
    changes = []
    if not found.joined:
        _refuse_cut(want, found, found.nic.name, "stop working when it becomes a port")
        changes.append(Change("uplink", None, found.nic.name, LIVE))
    elif not found.nic.up:
        changes.append(Change("uplink", f"{found.nic.name} (down)", found.nic.name, LIVE))
    return changes + _plan_move(want, found, found.nic.name, want["bridge"])


def _plan_leaving(want: dict, found: Uplink) -> list[Change]:
    if not found.joined:
        return []
    _refuse_cut(want, found, want["bridge"], f"have no connection without {found.nic.name}")
    return [Change("uplink", found.nic.name, None, REMOVE), *_plan_move(want, found, want["bridge"], found.nic.name)]


def _plan_move(want: dict, found: Uplink, source: str, target: str) -> list[Change]:
    if not want["uplink_move_addresses"] or not found.held:
        return []
    if want.get("netns") is not None or want.get("interfaces"):
        raise LauncherError("is a task of its own, so that all of it can be put back", option="uplink_move_addresses",
                            remedy="Connect namespaces in another task")
    for address in found.held.addresses:
        if not address.lasting:
            raise LauncherError(f"{source} has {address.text} from DHCP or a router's advertisements, and it would run out", remedy=_LAST,
                                option="uplink_move_addresses")
    for way in found.held.routes:
        if way.problem:
            raise LauncherError(f"the route {way.text} of {source} {way.problem}", option="uplink_move_addresses", remedy=_LAST)
    moved = found.held.texts()
    return [Change("uplink_move_addresses", {source: moved}, {target: moved}, LIVE)]


def _refuse_cut(want: dict, found: Uplink, holder: str, fate: str) -> None:
    """LauncherError unless what the link has moves along."""
    if want["uplink_move_addresses"]:
        return
    if found.session:
        raise LauncherError(f"{holder} carries the SSH connection of this run", option="uplink", value=found.nic.name, remedy=_MOVE)
    if found.held:
        shown = ", ".join(found.held.texts())
        raise LauncherError(f"the addresses and routes of {holder} ({shown}) {fate}", option="uplink", value=found.nic.name, remedy=_MOVE)


def leaving(want: dict, found: Uplink) -> list[str]:
    """The NIC by name, when it is to leave the bridge."""
    return [found.nic.name] if want["state"] == "absent" and found.joined else []


# --- apply


def apply(want: dict, found: Uplink, step):
    """Make what plan() said. `step`: without arguments, makes the bridge, or removes it with state absent; None when that is not to be done.

    Return what puts everything back, without arguments; None when nothing was changed, or a watchdog decides about it now. LauncherError
    with everything as before. After a move the bridge stays until it is confirmed; another run then removes it.
    """
    if not plan(want, found):
        _run(step)
        return None
    ends = _ends(want, found)
    if want["state"] == "absent":
        change, put_back, first, last = ends.leave, ends.undo_leave, None, step
    else:
        change, put_back, first, last = ends.join, ends.undo_join, step, None
    if want["uplink_move_addresses"] and (found.held or found.session):
        _watched(want, found, put_back, (first, change))
        return None
    try:
        _run(first, change)
    except BaseException:
        put_back()
        raise
    _run(last)
    return put_back


def _ends(want: dict, found: Uplink):
    from . import moves  # which a run that changes nothing does not need

    return moves.Ends(found.nic, want["bridge"], found.kind, found.bridge, found.held, found.joined)


def _watched(want: dict, found: Uplink, put_back, steps) -> None:
    from . import watchdog

    guard = watchdog.Watchdog(found.nic.name, want["confirm_timeout"], put_back)
    try:
        _run(*steps)
    except BaseException:
        guard.put_back()
        raise
    guard.wait_for_confirmation()
    found.waiting = {"path": guard.path, "token": guard.token, "seconds": guard.seconds}


def _run(*steps) -> None:
    for step in steps:
        if step is not None:
            step()


def result(want: dict, found: Uplink, checking: bool) -> dict:
    """The module's return values: `uplink` and, while a move waits for it, `confirm`, which the action plugin takes out."""
    if found.nic is None:
        return {"uplink": None}
    joined = found.joined if checking else want["state"] == "present"
    values: dict = {"uplink": {"name": found.nic.name, "bridge": want["bridge"] if joined else None}}
    if found.waiting is not None:
        values["confirm"] = found.waiting
    return values
