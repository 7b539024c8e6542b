#!/usr/bin/python
# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: container_info
short_description: Tell what the containers of a host are doing
version_added: 0.1.0
author:
  - The coracle contributors (@coracle)
description:
  - Returns state, limits, usage, addresses, the last lines of output, and where the kernel's values differ from the settings.
  - It reads files and asks the kernel. Nothing is started for it.
extends_documentation_fragment:
  - coracle.launcher._attributes
  - coracle.launcher._attributes.info
options:
  name:
    description:
      - Names of containers, with wildcards as in V(web*). A container of these names that was started from elsewhere is found as well.
      - The default is all.
    type: list
    elements: str
    default: []
  labels:
    description: Return only the containers that have these labels with these values. Write values in quotes.
    type: dict
    default: {}
  log_lines:
    description: How many of the last lines of output to return, from V(0) to V(1000).
    type: int
    default: 10
notes:
  - Needs root.
seealso:
  - module: coracle.launcher.container
  - module: coracle.launcher.containers
  - module: coracle.launcher.cgroup_info
"""

EXAMPLES = r"""
- name: What runs here?
  coracle.launcher.container_info:
  register: here

- name: Show it
  ansible.builtin.debug:
    msg: "{{ item.name }} {{ item.state }} uses {{ item.usage.memory_usage }} bytes"
  loop: "{{ here.containers }}"
  when: item.state == 'running'

- name: Web servers in production
  coracle.launcher.container_info:
    name: web*
    labels:
      stage: production
"""

RETURN = r"""
containers:
  description: The containers found, by name.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Name of the container.
      type: str
      returned: always
      sample: web1
    path:
      description: Its directory on the host.
      type: str
      returned: always
      sample: /var/lib/coracle/containers/web1
    state:
      description: V(created) (never started since the host booted), V(running), V(exited), or V(restarting) (it has ended, and waits to be started again).
      type: str
      returned: always
      sample: running
    pid:
      description: Process ID of its first process on the host, null unless it runs.
      type: int
      returned: always
      sample: 9337
    exit_code:
      description: Exit status of its last run, 128 and the number after a signal. Null while it runs, or when nobody saw the end.
      type: int
      returned: always
      sample: null
    reason:
      description: What is known about its end, beside the exit status.
      type: str
      returned: always
      sample: ""
    started_at:
      description: Time of its last start, UTC. Null when it was not started since the host booted.
      type: str
      returned: always
      sample: "2026-11-24T07:55:00Z"
    uptime:
      description: Seconds since its start, null unless it runs.
      type: float
      returned: always
      sample: 12.5
    restarts:
      description: How often it was started again without being asked.
      type: int
      returned: always
      sample: 0
    restart_required:
      description: Whether it runs with another value of an option than its settings have, until it is restarted.
      type: bool
      returned: always
      sample: false
    settings:
      description: Its settings, by option. Null when the file is missing or cannot be read, see RV(containers[].problem).
      type: dict
      returned: always
      sample: {user: "0", command: [/bin/busybox, httpd, -f], memory: 67108864}
    problem:
      description: What is wrong with its settings file, empty when nothing is.
      type: str
      returned: always
      sample: ""
    labels:
      description: Its labels.
      type: dict
      returned: always
      sample: {stage: production}
    limits:
      description:
        - Its limits by option, those of the kernel while it runs, else those of the settings. Memory in bytes, V(-1) is no limit.
      type: dict
      returned: always
      sample: {memory: 67108864, cpu_shares: 1024, cpus: "0.5", pids_limit: 20}
    networks:
      description: Its network interfaces, as in its settings.
      type: list
      elements: dict
      returned: always
      sample: [{bridge: br0, addresses: [192.168.1.228/24], gateway: 192.168.1.1}]
    addresses:
      description: Addresses with prefix length that its interfaces have now, the loopback left out.
      type: list
      elements: str
      returned: always
      sample: [192.168.1.228/24]
    processes:
      description: Its processes, by their process IDs on the host.
      type: list
      elements: int
      returned: always
      sample: [9337]
    usage:
      description:
        - What it uses, from the kernel, by the keys of RV(coracle.launcher.cgroup_info#module:cgroups[].usage), the same on cgroup v1 and v2.
        - What this kernel does not count is null. All of it is empty unless the container runs.
      type: dict
      returned: always
      sample:
        memory_usage: 1048576
        memory_limit: 67108864
        memory_peak: 2097152
        oom_kills: 0
        cpu_usage_ns: 51000000
        cpu_throttled_ns: 0
        pids: 1
        io_write_bytes: 314773504
        pressure: {memory: {some: {avg10: 1.5, avg60: 0.2, avg300: 0.0, total_ns: 36000}}}
    drift:
      description: Options whose value in the kernel, or in the running process, is not that of the settings.
      type: list
      elements: dict
      returned: always
      contains:
        option:
          description: Name of the option.
          type: str
          returned: always
          sample: memory
        settings:
          description: Its value in the settings.
          type: raw
          returned: always
          sample: 67108864
        actual:
          description: Its value in the kernel, or the one that the process was started with.
          type: raw
          returned: always
          sample: 33554432
      sample: []
    log_tail:
      description: Its last lines of output, unprintable characters written as C(\\xNN).
      type: list
      elements: str
      returned: always
      sample: [listening on port 80]
"""

from ansible_collections.coracle.launcher.plugins.module_utils._ansible import bytecode, information  # noqa: F401  pylint: disable=unused-import
from ansible_collections.coracle.launcher.plugins.module_utils._ansible.argspec import container_info_spec
from ansible_collections.coracle.launcher.plugins.module_utils._ansible.run import run_module


def main() -> None:
    run_module(container_info_spec(), information.read, information.plan, information.apply, information.result)


if __name__ == "__main__":
    main()
