#!/usr/bin/python
# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: container
short_description: Run one container on a plain Linux host
version_added: 0.1.0
author:
  - The coracle contributors (@coracle)
description:
  - Declares one container, a confined process in a root file system of its own, with limits and network interfaces, and runs it.
  - It needs nothing on the host but Python and the kernel. There is no engine and no registry.
  - What the task asks is compared with the stored settings and with the values that the kernel itself reports, so a limit that somebody
    changed by hand is put right.
  - Use M(coracle.launcher.containers) for all containers of a host in one call.
extends_documentation_fragment:
  - coracle.launcher._attributes
  - coracle.launcher._attributes.exact
  - coracle.launcher._container
  - coracle.launcher._networks
attributes:
  async:
    support: none
    details: An archive of the controller may have to be sent in the middle of the task.
  idempotent:
    support: partial
    details: Except for O(restart=true) and O(recreate=true).
seealso:
  - module: coracle.launcher.containers
  - module: coracle.launcher.container_info
  - module: coracle.launcher.container_rootfs
"""

EXAMPLES = r"""
- name: A web server from an initrd that lies on the controller
  coracle.launcher.container:
    name: web1
    image: /srv/images/initrd.img
    command: [/bin/busybox, httpd, -f, -p, "80", -h, /srv/www]
    user: nobody
    memory: 64M
    cpus: 0.5
    pids_limit: 20
    networks:
      - bridge: br0
        addresses: [192.168.1.228/24]
        gateway: 192.168.1.1

- name: The article's container, made by hand, with another memory limit
  coracle.launcher.container:
    path: /tmp/slackware
    memlimit: 8388608

- name: The same in the article's words
  coracle.launcher.container:
    name: shell
    rootfs: /srv/slackware
    user: "99"
    group: "98"
    memlimit: 4194304
    cpupercent: 5
    process: /bin/bash
    args: [-i]
    interactive: true
    bridge: br0
    ip: 192.168.1.229/24
    gw: 192.168.1.1

- name: From a tar archive that the host fetches, once for all of its containers
  coracle.launcher.container:
    name: web2
    image: https://images.example.org/alpine-minirootfs-3.22.1-x86_64.tar.gz
    checksum: sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
    command: [/usr/sbin/httpd, -f, -p, "80"]

- name: Change the user at the next maintenance only
  coracle.launcher.container:
    name: web1
    user: "1000"
    on_restart_required: notify
  register: web1

- name: Say so
  ansible.builtin.debug:
    msg: web1 waits for a restart
  when: web1.restart_required

- name: Whatever happens, it runs, also after the host was started again
  coracle.launcher.container:
    name: web1
    restart_policy: unless-stopped

- name: A job that may fail five times in a row
  coracle.launcher.container:
    name: import
    rootfs: /srv/import
    command: [/usr/bin/import, --once]
    restart_policy: on-failure
    restart_retries: 5

- name: Stop it and keep it
  coracle.launcher.container:
    name: web1
    state: stopped

- name: Remove it with all that belongs to it
  coracle.launcher.container:
    name: web1
    state: absent
"""

RETURN = r"""
container:
  description: The container as it is now. In check mode, as it was found.
  returned: success
  type: dict
  contains:
    name:
      description: Its name.
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
          O(restart_policy) starts it again after a while).
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
      description: How often its O(restart_policy) has started it again, since somebody started it.
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
      sample: [{bridge: br0, addresses: [192.168.1.228/24], gateway: 192.168.1.1, interface_name: eth0}]
restart_required:
  description: Whether the container runs with another value of an option than its settings have, until it is restarted.
  returned: success
  type: bool
  sample: false
changes:
  description: What was changed, or would be, one entry for each option. Without an entry there is no change.
  returned: success
  type: list
  elements: dict
  contains:
    option:
      description: Name of the option, or V(launcher) when the launcher's code was brought to the host.
      type: str
      returned: always
      sample: memory
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
from ansible_collections.coracle.launcher.plugins.module_utils._ansible.argspec import container_spec
from ansible_collections.coracle.launcher.plugins.module_utils._ansible.run import run_module


def main() -> None:
    run_module(container_spec(), lifecycle.read_one, lifecycle.plan, lifecycle.apply, lifecycle.result_of_one)


if __name__ == "__main__":
    main()
