#!/usr/bin/python
# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: fleet_table
short_description: Print one table of the containers of all hosts
version_added: 0.1.0
author:
  - The coracle contributors (@coracle)
description:
  - Prints a table of what M(coracle.launcher.container_info) returned on all hosts of the play, a row for each container, and below it who
    could not be asked and why, and the sums.
  - It is meant for people, and printed in one piece. Control characters that come from hosts and containers are shown as C(\xNN).
  - It runs on the controller and asks nothing of the hosts. Use C(run_once).
extends_documentation_fragment:
  - ansible.builtin.action_common_attributes
  - coracle.launcher._attributes
attributes:
  check_mode:
    support: full
    details: It only reads.
  diff_mode:
    support: N/A
    details: It changes nothing.
  idempotent:
    support: full
  platform:
    support: full
    platforms: all
  action_group:
    support: full
    membership:
      - coracle.launcher.launcher
options:
  results:
    description: Name of the variable in which the hosts registered the result of M(coracle.launcher.container_info).
    type: str
    required: true
  hosts:
    description:
      - Hosts to show, in this order.
      - The default is all hosts of the play, those that failed or were unreachable too.
    type: list
    elements: str
seealso:
  - module: coracle.launcher.container_info
"""

EXAMPLES = r"""
- name: Ask the hosts
  coracle.launcher.container_info:
    log_lines: 0
  register: here

- name: Show what they said
  coracle.launcher.fleet_table:
    results: here
  run_once: true
"""

RETURN = r"""
table:
  description: The lines that were printed.
  returned: always
  type: list
  elements: str
  sample: ["HOST   NAME  STATE    PID", "alpha  web1  running  9337"]
hosts:
  description: Number of hosts.
  returned: always
  type: int
  sample: 3
containers:
  description: Number of containers.
  returned: always
  type: int
  sample: 12
silent:
  description: Hosts that could not be asked.
  returned: always
  type: list
  elements: str
  sample: [gamma]
"""
