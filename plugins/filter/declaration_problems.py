# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter: what is wrong with the containers that an inventory declares, for all hosts of a play at once."""

from __future__ import annotations

DOCUMENTATION = r"""
name: declaration_problems
author:
  - The coracle contributors (@coracle)
short_description: Tell what is wrong with the containers that an inventory declares
version_added: 0.1.0
description:
  - Reads the variables whose names begin with C(containers_list) of all given hosts, and returns a sentence for each problem.
  - Problems are malformed containers, a container that is declared twice with different content, and an address that two containers
    have, on one host or on two.
  - Nothing is asked of the hosts.
positional: hosts, here
options:
  _input:
    description: The variable C(hostvars).
    type: dict
    required: true
  hosts:
    description: Names of the hosts, such as C(ansible_play_hosts_all).
    type: list
    elements: str
    required: true
  here:
    description:
      - Variables that C(hostvars) does not have, such as those of the play and defaults of the role. A host that has a variable of the same
        name keeps its own.
    type: dict
    default: {}
seealso:
  - plugin: coracle.launcher.declared_containers
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Stop before anything is done when the inventory contradicts itself
  ansible.builtin.assert:
    that: problems | length == 0
    fail_msg: "{{ problems | join('\n') }}"
  run_once: true
  vars:
    problems: "{{ hostvars | coracle.launcher.declaration_problems(ansible_play_hosts_all) }}"
"""

RETURN = r"""
_value:
  description: A sentence for each problem. Empty when there is none.
  type: list
  elements: str
"""

import typing as t
from collections.abc import Callable, Iterator, Mapping, Sequence

from ansible.errors import AnsibleError
from jinja2.exceptions import UndefinedError

from ..plugin_utils import declarations

_OTHERS = (declarations.DEFAULTS, declarations.PRIVATE_BRIDGES)


def declaration_problems(hostvars: Mapping[str, t.Any], hosts: Sequence[str], here: Mapping[str, t.Any] | None = None) -> list[str]:
    """Return what is wrong with what `hosts` declare."""
    unreadable: list[str] = []
    problems = declarations.fleet_problems(_views(hostvars, hosts, here or {}, unreadable))
    return unreadable + problems


def _views(
    hostvars: Mapping[str, t.Any], hosts: Sequence[str], here: Mapping[str, t.Any], unreadable: list[str],
) -> Iterator[tuple[str, dict[str, t.Any]]]:
    for host in hosts:
        own = hostvars[host]
        names = {name for name in own if name.startswith(declarations.PREFIX) or name in _OTHERS}
        values = {name: declarations.plain(here[name]) for name in here if name not in names}
        for name in sorted(names):
            try:
                values[name] = declarations.plain(own[name])
            except (AnsibleError, UndefinedError) as error:
                unreadable.append(f"{name} cannot be read: {error} ({host})")
        yield str(host), values


class FilterModule:
    """Ansible loads filters from here."""

    def filters(self) -> dict[str, Callable[..., t.Any]]:
        return {"declaration_problems": declaration_problems}
