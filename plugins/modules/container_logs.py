#!/usr/bin/python
# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: container_logs
short_description: Return what a container has written to its standard output and standard error
version_added: 0.1.0
author:
  - The coracle contributors (@coracle)
description:
  - Returns the output of a container so far, whether it runs or has ended, of all of its runs that are still in its log.
  - It reads files. Nothing is started for it, and the container does not notice.
extends_documentation_fragment:
  - coracle.launcher._attributes
  - coracle.launcher._attributes.info
options:
  name:
    description: Name of the container.
    type: str
    required: true
  tail:
    description: How many lines to return at most, the last ones, from V(0) to V(1000000).
    type: int
    default: 1000
  since:
    description:
      - Return only what came at this time or later.
      - A duration before now, as V(42m) or V(1h30m), with the units V(s), V(m), V(h) and V(d), or a time as V(2026-11-24), V(2026-11-24T05:59) or
        V(2026-11-24T05:59:44.5+01:00). Without an offset it is UTC.
    type: str
  until:
    description: Return only what came at this time or before it, written as for O(since).
    type: str
  stream:
    description: Which of its outputs to return. With V(all) the lines of both come in the order in which they were read.
    type: str
    choices: [all, stdout, stderr]
    default: all
  timestamps:
    description: Whether to begin every line with its time, in UTC with nanoseconds, and a space.
    type: bool
    default: false
notes:
  - Needs root.
  - How much there is depends on O(coracle.launcher.container#module:log_max_size).
seealso:
  - module: coracle.launcher.container
  - module: coracle.launcher.container_info
  - module: coracle.launcher.container_exec
"""

EXAMPLES = r"""
- name: The last errors
  coracle.launcher.container_logs:
    name: web1
    stream: stderr
    tail: 20
  register: errors

- name: Show them
  ansible.builtin.debug:
    var: errors.lines

- name: Wait until it says that it is ready
  coracle.launcher.container_logs:
    name: web1
    since: 5m
  register: web1
  until: web1.lines is search('ready')
  retries: 30
  delay: 1

- name: One quarter of an hour, with times
  coracle.launcher.container_logs:
    name: web1
    since: "2026-11-24T05:45:00+01:00"
    until: "2026-11-24T06:00:00+01:00"
    timestamps: true
    tail: 100000
"""

RETURN = r"""
lines:
  description:
    - The lines, oldest first. Unprintable characters and bytes that are no UTF-8 are written as C(\\xNN), so that they cannot drive a terminal.
    - A line that has not ended yet comes last, as far as the container's output has come in pieces of 16 KiB.
  returned: success
  type: list
  elements: str
  sample: [listening on port 80]
omitted:
  description: How many lines there are before them that O(tail) has left out.
  returned: success
  type: int
  sample: 0
"""

from ansible_collections.coracle.launcher.plugins.module_utils._ansible import bytecode, log_lines  # noqa: F401  pylint: disable=unused-import
from ansible_collections.coracle.launcher.plugins.module_utils._ansible.run import run_module


def main() -> None:
    run_module(log_lines.spec(), log_lines.read, log_lines.plan, log_lines.apply, log_lines.result)


if __name__ == "__main__":
    main()
