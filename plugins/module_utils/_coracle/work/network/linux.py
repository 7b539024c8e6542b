# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kernel's own bridges and their ports: the functions that switch.py lists. A bridge of ours is known by its alias."""

from __future__ import annotations

from ...base.errors import LauncherError
from ...kernel.net import bridging, links, netlink, read
from ...model import network as model
from ...model.trunks import render_trunks
from . import vlans
from .bridges import LINUX, Bridge, Joining, Port, Undo, View
from .steps import Batch, found, refusal, step

MARK = f"{model.MARK}:bridge"


class _Seen:
    """What was read for one View. `vlans`: of all ports, None as long as nobody asked; `masters`: {index: Link}; `links`: all, or None."""

    __slots__ = ("vlans", "masters", "links")

    def __init__(self):
        self.vlans: dict[int, bridging.Vlans] | None = None
        self.masters: dict[int, read.Link | None] = {}
        self.links: list[read.Link] | None = None


def _seen(view: View) -> _Seen:
    if view.linux is None:
        view.linux = _Seen()
    return view.linux


# --- what there is


def find(view: View, name: str, link: read.Link | None) -> Bridge | None:
    """Return the bridge whose interface is `link`."""
    if link is None or link.kind != "bridge":
        return None
    _seen(view).masters[link.index] = link
    bridge = Bridge(name, LINUX, link, is_ours(link))
    default = bridging.default_vlan(link)
    bridge.filters = bridging.filters(link)
    bridge.can_filter = default is not None
    bridge.native = default or 0 if bridge.filters else 0
    return bridge


def is_ours(link: read.Link) -> bool:
    """True for a bridge with our mark, or one that lost its maker between the calls that make and mark it."""
    unmarked = not link.alias and not link.up and link.mac.startswith(f"{links.BRIDGE_MAC:02x}:{links.MAC_MARK:02x}:")
    return link.kind == "bridge" and (link.alias == MARK or unmarked)


def master(view: View, link: read.Link) -> read.Link | None:
    """Return what `link` is a port of."""
    masters = _seen(view).masters
    if link.master not in masters:
        masters[link.master] = read.link(view.route, index=link.master)
    return masters[link.master]


def port(view: View, _name: str, link: read.Link | None) -> Port | None:
    """Return what the kernel says of a port."""
    if link is None or not link.master:
        return None
    bridge = master(view, link)
    if bridge is None or bridge.kind != "bridge":
        return None
    told = Port(LINUX, bridge.name, isolated=bridging.is_isolated(link))
    if bridging.filters(bridge):
        told.vlan, told.trunks = vlans.words(_vlans_of(view, link.index))
    return told


def _vlans_of(view: View, index: int) -> bridging.Vlans:
    seen = _seen(view)
    if seen.vlans is None:
        seen.vlans = bridging.vlans(view.route)
    return seen.vlans.get(index) or bridging.Vlans()


def refuse(bridge: Bridge, joining: Joining) -> None:
    """LauncherError when VLANs are asked of a bridge that does not know them, and that is not ours to change."""
    if joining.vlans in (None, (0, [])) or bridge.filters:
        return
    vlan, trunks = joining.vlans
    option, value = (f"{joining.where}vlan", vlan) if vlan else (f"{joining.where}trunks", render_trunks(trunks))
    if bridge.link is None:
        bridge.can_filter = _kernel_filters(option, value)
    if not bridge.can_filter:
        raise LauncherError("this kernel's bridges do not know VLANs (CONFIG_BRIDGE_VLAN_FILTERING)", option=option, value=value,
                            remedy="Use a bridge of Open vSwitch, or a bridge for each VLAN")
    if not bridge.managed:
        raise LauncherError(f"the bridge {bridge.name} does not filter VLANs and is not ours to change", option=option, value=value,
                            remedy=f"Switch it on: ip link set {bridge.name} type bridge vlan_filtering 1")


def _kernel_filters(option: str, value) -> bool:
    try:
        return bridging.kernel_filters()
    except OSError as error:
        raise refusal(error, option, value) from error


def port_names(view: View, bridge: Bridge) -> list[str]:
    """The names of its ports, sorted."""
    seen = _seen(view)
    if seen.links is None:
        seen.links = read.links(view.route)
    return sorted(link.name for link in seen.links if bridge.link is not None and link.master == bridge.link.index)


def unused(view: View, bridges: list[Bridge], without) -> list[Bridge]:
    """Return those of the bridges that are ours and have no port but those named in `without`."""
    return [bridge for bridge in bridges if bridge.managed and all(name in without for name in port_names(view, bridge))]


# --- bridges


def make(undo: Undo, name: str) -> None:
    """Make a bridge, marked and up."""
    step("bridge", name, links.host().add_bridge, name)
    with netlink.Socket() as route:
        bridge = found(route, name, "bridge")
        undo.add(_change, netlink.RTM_DELLINK, bridge.index)
        _set_up(route, bridge, MARK)


def mend(undo: Undo, bridge: Bridge) -> None:
    """Set it up, and mark it when it is ours."""
    link = bridge.link
    if link is None:
        return
    with netlink.Socket() as route:
        if bridge.managed and not link.alias:
            _set_up(route, link, MARK)
        elif not link.up:
            _set_up(route, link, None)
            undo.add(_change, netlink.RTM_SETLINK, link.index, up=False)


def _set_up(route: netlink.Socket, link: read.Link, alias: str | None) -> None:
    if alias is not None:
        links.ignore_router_advertisements(link.name)
    batch = Batch()
    batch.set_link(link.index, "bridge", link.name, alias=alias, up=True)
    batch.send(route)


def _change(kind: int, index: int, **values) -> None:
    with netlink.Socket() as route:
        route.change(kind, netlink.link_message(index=index, **values))


def remove(bridges: list[Bridge]) -> None:
    """Remove them for good. OSError."""
    for bridge in bridges:
        if bridge.link is not None:
            _change(netlink.RTM_DELLINK, bridge.link.index)


# --- ports


def join(undo: Undo, joinings: list[Joining]) -> None:
    """Make all of them ports with what is asked; what differs is changed, nothing else. LauncherError."""
    with netlink.Socket() as route:
        if _filter(route, undo, joinings):
            _look_again(route, joinings)
        batch = Batch()
        for joining in joinings:
            _join(batch, undo, joining)
        batch.send(route)


def _filter(route: netlink.Socket, undo: Undo, joinings: list[Joining]) -> bool:
    """Switch VLAN filtering on, on those bridges where somebody asks for VLANs. True when it was done anywhere."""
    batch, switched = Batch(), False
    for joining in joinings:
        bridge = joining.bridge
        if joining.vlans not in (None, (0, [])) and not bridge.filters:
            message = bridging.filtering_message(bridge.link.index, True)
            batch.add((netlink.RTM_NEWLINK, 0, message), f"{joining.where}vlan", joining.vlans[0])
            undo.add(_switch_filtering_off, bridge.link.index)
            bridge.filters = switched = True
            bridge.native = bridging.default_vlan(bridge.link) or 0
    batch.send(route)
    return switched


def _look_again(route: netlink.Socket, joinings: list[Joining]) -> None:
    """Read the VLANs that ports had all the time and that have an effect now."""
    view = View(route)
    for joining in joinings:
        if joining.link.master == joining.bridge.link.index:
            joining.before = port(view, joining.link.name, joining.link)


def _switch_filtering_off(index: int) -> None:
    with netlink.Socket() as route:
        route.change(netlink.RTM_NEWLINK, bridging.filtering_message(index, False))


def _join(batch: Batch, undo: Undo, joining: Joining) -> None:
    link, bridge, before, where = joining.link, joining.bridge, joining.before, joining.where
    stays = link.master == bridge.link.index
    present = before if stays and before is not None else _new_port(bridge)
    said = vlans.said(link.index, present, _wanted(joining, present), where)
    if not stays or said:
        undo.add(_put_back, link.index, link.master, link.up, before)
    pauses = not stays and link.up and bool(said)  # nothing passes before all is said
    if not stays:
        batch.set_link(link.index, f"{where}bridge", bridge.name, master=bridge.link.index, **({"up": False} if pauses else {}))
    for message in said:
        batch.add(*message)
    if pauses:
        batch.set_link(link.index, f"{where}bridge", bridge.name, up=True)


def _new_port(bridge: Bridge) -> Port:
    """What the kernel makes of one of which nobody says anything."""
    return Port(LINUX, bridge.name, bridging.default_vlan(bridge.link) or 0)


def _wanted(joining: Joining, present: Port) -> Port:
    wanted = Port(LINUX, joining.bridge.name, present.vlan, present.trunks, present.isolated)
    if joining.isolated is not None:
        wanted.isolated = joining.isolated
    if joining.vlans is not None and joining.bridge.filters:
        wanted.vlan, wanted.trunks = joining.vlans if joining.vlans != (0, []) else (joining.bridge.native, [])
    return wanted


def _put_back(index: int, old_master: int, up: bool, before: Port | None) -> None:
    """Give a port back to the bridge that it was in, as it was there."""
    with netlink.Socket() as route:
        link = read.link(route, index=index)
        if link is None:
            return
        batch = Batch()
        if link.master != old_master:
            batch.set_link(index, "bridge", None, master=old_master)
            batch.send(route)
            link = read.link(route, index=index)
        present = None if link is None else port(View(route), link.name, link)
        if present is not None and before is not None and before.kind == LINUX and before.vlan != vlans.UNSAID:
            for message in vlans.said(index, present, before, ""):
                batch.add(*message)
        if link is not None and link.up != up:
            batch.set_link(index, "bridge", None, up=up)
        batch.send(route)


def leave(undo: Undo, names: list[str]) -> None:
    """Make them ports of no bridge; those that are none already are left alone. LauncherError."""
    with netlink.Socket() as route:
        view, batch = View(route), Batch()
        for name in names:
            link = read.link(route, name)
            before = port(view, name, link)
            if link is not None and before is not None:
                undo.add(_put_back, link.index, link.master, link.up, before)
                batch.set_link(link.index, "bridge", before.bridge, master=0)
        batch.send(route)
