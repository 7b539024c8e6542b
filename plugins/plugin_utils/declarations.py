# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an inventory declares: the union of a host's variables `containers_list*`, and what is wrong with it. Pure: nothing is looked up.

One host has several such variables, since Ansible overrides a list of a group with that of another and we want both. Values are
checked by the argument spec and the settings table that the modules use on the host, so both say the same.
"""

from __future__ import annotations

import ipaddress
import os
import typing as t
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ..module_utils._ansible import argspec
from ..module_utils._coracle.base import text
from ..module_utils._coracle.base.errors import LauncherError
from ..module_utils._coracle.model import spec

PREFIX = "containers_list"
DEFAULTS = "containers_defaults"
PRIVATE_BRIDGES = "containers_private_bridges"

# What takes the place of what, when a container says it and the defaults say the other.
_REPLACES = {
    "command": ("process", "args"), "process": ("command", "args"), "args": ("command",),
    "image": ("rootfs", "checksum"), "rootfs": ("image", "checksum"),
    "networks": ("bridge", "ip", "gw"), "bridge": ("networks",), "ip": ("networks",), "gw": ("networks",),
    "cpu_percent": ("cpu_shares",), "cpu_shares": ("cpu_percent",),
}
_MERGED = ("env", "labels")
_SHOWN_HOSTS = 4
_KINDS = ((str, "a text"), (bool, "true or false"), (int, "a number"), (float, "a number"), (Mapping, "a mapping"), (list, "a list"))

Options = dict[str, t.Any]

_SPEC = argspec.container_spec()
_OPTIONS = _SPEC.pop("argument_spec")
_ALIASES = {alias: option for option, row in _OPTIONS.items() for alias in row.get("aliases", ())}
_VALIDATOR = ArgumentSpecValidator(_OPTIONS, **_SPEC)


class Item:
    """One entry of a list. `place`: as 'containers_list_web[2]'. `options`: defaults filled in. `want`: None when it is malformed."""

    __slots__ = ("name", "options", "place", "want")

    def __init__(self, place: str, options: Options, name: str, want: spec.Want | None):
        self.place = place
        self.options = options
        self.name = name
        self.want = want


def read(
    variables: Mapping[str, t.Any], defaults: Mapping[str, t.Any] | None, known: dict[str, t.Any] | None = None,
) -> tuple[list[Item], list[str]]:
    """Return the containers of one host, in the order of the variables' names, and what is wrong with them, a sentence each.

    `variables`: those named containers_list*, others are ignored. Identical containers are one.
    `known`: what earlier calls found of equal containers, for speed.
    """
    known = {} if known is None else known
    items: dict[str, Item] = {}
    problems: list[str] = []
    if defaults is not None and not isinstance(defaults, Mapping):
        return [], [f"{DEFAULTS} is {_kind(defaults)}: write options of containers below it"]
    for place, entry in _entries(variables, problems):
        item, problem = _item(place, entry, defaults or {}, known)
        if problem:
            problems.append(problem)
        if item is None:
            continue
        first = items.setdefault(item.name, item)
        if first is not item:
            problems.extend(_compare(first, item))
    return list(items.values()), problems


def named(variables: Mapping[str, t.Any]) -> tuple[list[Options], list[str]]:
    """Return what identifies the containers of one host (name, path), whatever else is wrong with them, and what has neither."""
    found: dict[str, Options] = {}
    problems: list[str] = []
    for place, entry in _entries(variables, problems):
        name = _name(entry)
        if name is None:
            problems.append(f"{place} has neither name nor path")
        else:
            found.setdefault(name, {key: str(entry[key]) for key in ("name", "path") if entry.get(key) is not None})
    return list(found.values()), problems


def fleet_problems(hosts: Iterable[tuple[str, Mapping[str, t.Any]]]) -> list[str]:
    """Return what is wrong on any of `hosts`, (name, its variables), and between them: an address, IP or MAC, that two interfaces have.

    The same sentence about several hosts, as for a list of their group, is there once and names them.
    """
    found: dict[str, list[str]] = {}
    owners: dict[tuple[t.Any, ...], list[str]] = {}
    bridges: dict[tuple[t.Any, ...], str] = {}
    known: dict[str, t.Any] = {}
    for host, variables in hosts:
        items, problems = read(variables, variables.get(DEFAULTS), known)
        private, problem = _private(variables.get(PRIVATE_BRIDGES))
        for sentence in (*problems, *problem):
            found.setdefault(sentence, []).append(host)
        for item in items:
            for what, vlan, bridge in _addresses(item):
                key = (what, vlan, bridge, host) if bridge in private else (what, vlan)
                bridges[key] = bridge
                owners.setdefault(key, []).append(f"{item.name} on {host}")
    sentences = [f"{sentence} ({_some(names)})" for sentence, names in found.items()]
    return sentences + [_shared(key, bridges[key], names) for key, names in owners.items() if len(names) > 1]


def plain(value: t.Any) -> t.Any:
    """Return `value` with dict and list in place of the mappings and sequences that Ansible resolves when they are read."""
    if isinstance(value, Mapping):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(inner) for inner in value]
    return value


def _entries(variables: Mapping[str, t.Any], problems: list[str]) -> Iterator[tuple[str, Options]]:
    for variable in sorted(name for name in variables if name.startswith(PREFIX)):
        entries = variables[variable]
        if not isinstance(entries, (list, tuple)):
            problems.append(f"{variable} is {_kind(entries)}: it must be a list of containers")
            continue
        for index, entry in enumerate(entries):
            if isinstance(entry, Mapping):
                yield f"{variable}[{index}]", dict(entry)
            else:
                problems.append(f"{variable}[{index}] is {_kind(entry)}: write name: and the container's other options")


def _item(place: str, entry: Options, defaults: Mapping[str, t.Any], known: dict[str, t.Any]) -> tuple[Item | None, str]:
    name = _name(entry)
    if name is None:
        return None, f"{place} has neither name nor path: give it a name"
    options = _with_defaults(entry, defaults)
    key = repr(options)
    if key not in known:
        known[key] = _validate(options)
    want, problem = known[key]
    return Item(place, options, name, want), f"{place} ({name}): {problem}" if problem else ""


def _name(entry: Mapping[str, t.Any]) -> str | None:
    if entry.get("name") is not None:
        return str(entry["name"])
    return os.path.basename(os.path.normpath(str(entry["path"]))) if entry.get("path") is not None else None


def _with_defaults(entry: Mapping[str, t.Any], defaults: Mapping[str, t.Any]) -> Options:
    mine = {_ALIASES.get(key, key): value for key, value in entry.items()}
    merged = {_ALIASES.get(key, key): value for key, value in defaults.items()}
    for option in mine:
        for replaced in _REPLACES.get(option, ()):
            merged.pop(replaced, None)
    for option in _MERGED:
        if isinstance(mine.get(option), Mapping) and isinstance(merged.get(option), Mapping):
            mine[option] = {**merged[option], **mine[option]}
    merged.update(mine)
    return {**merged, **entry} if len(mine) != len(entry) else merged  # an option beside its alias: the check below names them


def _validate(options: Options) -> tuple[spec.Want | None, str]:
    """Return the options as the module will read them, or what it would say."""
    problem = _unknown(options)
    if problem:
        return None, problem
    result = _VALIDATOR.validate(options)
    if result.error_messages:
        return None, "; ".join(result.error_messages)
    values = result.validated_parameters
    image = values.get("image")
    if image is not None and not image.startswith(("/", "sha256:")):
        values = {**values, "image": f"/{image}"}  # relative to the play: the action plugin of the module finds it
    try:
        text.check_name(_name(values))
        return spec.read_options(values), ""
    except LauncherError as error:
        return None, str(error)


def _unknown(options: Options) -> str:
    for option in options:
        if _ALIASES.get(option) in options:
            return f"{option} and {_ALIASES[option]} are one option: remove one"
        if option not in _OPTIONS and option not in _ALIASES:
            near = get_close_matches(option, [*_OPTIONS, *_ALIASES], 1, 0.6)
            return f"{option} is not an option of a container" + (f": did you mean {near[0]}?" if near else "")
    return ""


def _compare(first: Item, second: Item) -> list[str]:
    one, other = _meaning(first), _meaning(second)
    differing = sorted(option for option in one.keys() | other.keys() if one.get(option) != other.get(option))
    if not differing:
        return []
    different = ", ".join(differing)
    return [f"{first.name} is declared twice, in {first.place} and in {second.place}, with different {different}: keep one of them"]


def _meaning(item: Item) -> Options:
    want = item.want
    if want is None:
        return item.options
    return {**want.spec, "archive": want.archive, "path": want.path, "state": want.state, "start_grace": want.start_grace,
            "restart": want.restart, "recreate": want.recreate, "on_restart_required": want.on_restart_required}


def _addresses(item: Item) -> Iterator[tuple[str, int, str]]:
    """('address A' or 'MAC address A' in its one spelling, VLAN, bridge) of all interfaces. What is in two VLANs does not meet."""
    if item.want is None or item.want.state == spec.ABSENT:
        return
    for network in item.want.spec.get("networks", []):
        vlan, bridge = network.get("vlan", 0), network["bridge"]
        for address in network.get("addresses", []):
            try:
                yield f"address {ipaddress.ip_interface(address).ip}", vlan, bridge
            except ValueError:
                continue  # the module names it, with the remedy; two of them would be no conflict
        if "mac_address" in network:
            yield f"MAC address {network['mac_address'].lower()}", vlan, bridge


def _private(value: t.Any) -> tuple[list[str], list[str]]:
    if value is None:
        return [], []
    if not isinstance(value, (list, tuple)):
        return [], [f"{PRIVATE_BRIDGES} is {_kind(value)}: it must be a list of names of bridges"]
    return [str(name) for name in value], []


def _shared(key: tuple[t.Any, ...], bridge: str, owners: list[str]) -> str:
    hosts = {owner.rpartition(" on ")[2] for owner in owners}
    remedy = "give each its own"
    if len(hosts) > 1:
        remedy += f", or name {bridge} in {PRIVATE_BRIDGES} if it connects nothing beyond its host"
    return f"{key[0]} is given to {_some(owners)}: {remedy}"


def _some(names: list[str]) -> str:
    shown = names[:_SHOWN_HOSTS]
    rest = len(names) - len(shown)
    return ", ".join(shown) + (f" and {rest} more" if rest else "")


def _kind(value: t.Any) -> str:
    if value is None:
        return "empty"
    for kind, words in _KINDS:
        if isinstance(value, kind):
            return words
    return f"a {type(value).__name__}"
