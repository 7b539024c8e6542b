# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter: the containers that one host shall have, from its variables `containers_list*`."""

from __future__ import annotations

DOCUMENTATION = r"""
name: declared_containers
author:
  - The coracle contributors (@coracle)
short_description: Merge the lists of containers that a host is given by its groups and itself
version_added: 0.1.0
description:
  - Ansible overrides a list of one group with that of another. This filter takes several lists, each under a variable's name, and
    returns the list for the option O(coracle.launcher.containers#module:containers) of M(coracle.launcher.containers).
  - Lists are joined in the order of the variables' names. A container that is in several of them, each time the same, is there once.
  - It fails when a container is malformed, or declared twice with different content, and then names both variables.
positional: defaults
options:
  _input:
    description: Lists of containers by the name of the variable they come from. Names that do not begin with C(containers_list) are ignored.
    type: dict
    required: true
  defaults:
    description:
      - Options of all containers, below their own. Of C(env) and C(labels) single entries are overridden, of all others the whole value.
      - An option that a container gives in other words, such as C(rootfs) in place of C(image), takes the default's place too.
    type: dict
    default: {}
  state:
    description:
      - V(present) returns the containers as declared.
      - V(absent) returns only what identifies them, with C(state=absent), and does not look at the rest.
    type: str
    choices: [present, absent]
    default: present
seealso:
  - plugin: coracle.launcher.declaration_problems
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Converge what all groups declare
  coracle.launcher.containers:
    containers: "{{ dict(names | zip(query('ansible.builtin.vars', *names))) | coracle.launcher.declared_containers({'user': 99}) }}"
  vars:
    names: "{{ query('ansible.builtin.varnames', '^containers_list') | sort }}"
"""

RETURN = r"""
_value:
  description: The containers, with the defaults filled in.
  type: list
  elements: dict
"""

import typing as t
from collections.abc import Callable, Mapping

from ansible.errors import AnsibleFilterError

from ..plugin_utils import declarations


def declared_containers(
    variables: Mapping[str, t.Any], defaults: Mapping[str, t.Any] | None = None, state: str = "present",
) -> list[dict[str, t.Any]]:
    """Return the containers that `variables` declare. AnsibleFilterError names everything that is wrong with them."""
    if not isinstance(variables, Mapping):
        raise AnsibleFilterError(f"declared_containers needs lists by the name of their variable, not {type(variables).__name__}")
    if state not in ("present", "absent"):
        raise AnsibleFilterError(f"declared_containers: state={state!r} is neither present nor absent")
    given = declarations.plain(variables)
    if state == "absent":
        containers, problems = declarations.named(given)
        containers = [{**container, "state": "absent"} for container in containers]
    else:
        items, problems = declarations.read(given, declarations.plain(defaults))
        containers = [item.options for item in items]
    if problems:
        raise AnsibleFilterError("; ".join(problems))
    return containers


class FilterModule:
    """Ansible loads filters from here."""

    def filters(self) -> dict[str, Callable[..., t.Any]]:
        return {"declared_containers": declared_containers}
