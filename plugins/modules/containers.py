#!/usr/bin/python
# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: containers
short_description: Run all containers of a plain Linux host in one call
version_added: 0.1.0
author:
  - The coracle contributors (@coracle)
description:
  - Does for a list what M(coracle.launcher.container) does for one, in one task for each host, however long the list is.
    Containers are started and stopped side by side.
  - When one fails the others are still converged. Each has its own result, and the task fails in the end.
  - With an empty list it brings the launcher to the host, and does nothing else.
extends_documentation_fragment:
  - coracle.launcher._attributes
  - coracle.launcher._attributes.exact
  - coracle.launcher._containers
attributes:
  async:
    support: none
    details: An archive of the controller may have to be sent in the middle of the task.
  idempotent:
    support: partial
    details: Except for O(containers[].restart=true) and O(containers[].recreate=true).
options:
  purge:
    description:
      - Whether to remove the containers in C(/var/lib/coracle/containers) that are not in the list.
        Containers elsewhere (O(containers[].path)) are never removed by this.
    type: bool
    default: false
seealso:
  - module: coracle.launcher.container
  - module: coracle.launcher.container_info
"""

EXAMPLES = r"""
- name: The containers of this host, and no others
  coracle.launcher.containers:
    purge: true
    containers:
      - name: web1
        image: /srv/images/initrd.img
        command: [/bin/busybox, httpd, -f, -p, "80", -h, /srv/www]
        memory: 64M
        bridge: br0
        ip: 10.88.0.2/24
      - name: web2
        image: /srv/images/initrd.img
        command: [/bin/busybox, httpd, -f, -p, "80", -h, /srv/www]
        memory: 64M
        bridge: br0
        ip: 10.88.0.3/24
      - name: old
        state: absent

- name: Bring the launcher to the host, and nothing else
  coracle.launcher.containers:
    containers: []
"""

RETURN = r"""
containers:
  description: One entry for each container of the list, in its order, then one for each that was purged. Also returned when some failed.
  returned: when the options were correct
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
      description:
        - V(absent), V(created) (never started since the host booted), V(running), V(exited), or V(restarting) (it has ended, and its
          O(containers[].restart_policy) starts it again after a while). In check mode, as it was found.
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
    started_at:
      description: Time of its last start, UTC. Null when it was not started since the host booted.
      type: str
      returned: always
      sample: "2026-11-24T07:55:00Z"
    restarts:
      description: How often its O(containers[].restart_policy) has started it again, since somebody started it.
      type: int
      returned: always
      sample: 0
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
      sample: [{bridge: br0, addresses: [10.88.0.2/24], interface_name: eth0}]
    restart_required:
      description: Whether it runs with another value of an option than its settings have, until it is restarted.
      type: bool
      returned: always
      sample: false
    changed:
      description: Whether it was changed, or would be.
      type: bool
      returned: always
      sample: true
    failed:
      description: Whether something that it needed failed.
      type: bool
      returned: always
      sample: false
    msg:
      description: What failed, for a person.
      type: str
      returned: when RV(containers[].failed) is true
      sample: "did not start: /bin/httpd: No such file or directory"
changes:
  description: What was changed, or would be, one entry for each option of each container. Without an entry there is no change.
  returned: when the options were correct
  type: list
  elements: dict
  contains:
    option:
      description: Name of the container and of the option, or V(launcher) when the launcher's code was brought to the host.
      type: str
      returned: always
      sample: web1.memory
    before:
      description: Value that was found, null when there was none.
      type: raw
      returned: always
      sample: 4194304
    after:
      description: Value that it has now.
      type: raw
      returned: always
      sample: 8388608
    action:
      description: What it cost, V(create), V(live) (the process goes on), V(restart), V(recreate) or V(remove).
      type: str
      returned: always
      sample: live
    why:
      description: The reason, when it is not simply that the settings had another value.
      type: str
      returned: always
      sample: ""
"""

from ansible_collections.coracle.launcher.plugins.module_utils._ansible import bytecode, lifecycle  # noqa: F401  pylint: disable=unused-import
from ansible_collections.coracle.launcher.plugins.module_utils._ansible.argspec import containers_spec
from ansible_collections.coracle.launcher.plugins.module_utils._ansible.run import run_module


def main() -> None:
    run_module(containers_spec(), lifecycle.read_all, lifecycle.plan, lifecycle.apply, lifecycle.result_of_all)


if __name__ == "__main__":
    main()
