#!/usr/bin/python
# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: cgroup
short_description: Control groups with limits, on cgroup v1, hybrid and v2
version_added: 0.1.0
description:
  - Makes one control group (cgroup) in every hierarchy that it needs, sets its limits, moves processes into it, freezes, empties or removes it.
  - The same task means the same on cgroup v1, on a hybrid host and on v2. Where the hierarchies are mounted is read from the kernel's
    list of mounts, so it also works where there is no systemd and every controller has a mount of its own.
  - Limits change at once, for the processes that are inside, and only those that are given are compared and written. Each is read back.
  - When something fails, the limits that this task has written are written back, processes are moved back and new directories removed.
  - On a host with systemd and cgroup v2, the root of the hierarchy belongs to systemd. Give O(parent) a unit that has C(Delegate=yes) there.
author:
  - The coracle contributors (@coracle)
extends_documentation_fragment:
  - coracle.launcher._attributes
  - coracle.launcher._attributes.exact
options:
  name:
    description:
      - Path of the cgroup below O(parent), for example V(web) or V(batch/night). Cgroups on the way are made too.
      - Names of the kernel's own files, as V(tasks) or V(memory.max), and V(..) are refused.
    type: str
    required: true
  parent:
    description:
      - Path of the cgroup below which it is made, from the root of each hierarchy. An empty string is the root itself.
      - V(coracle) is removed with the last cgroup in it. Any other parent stays.
    type: str
    default: coracle
  state:
    description:
      - V(present) makes the cgroup, sets its limits, and lets its processes run when they were frozen.
      - V(frozen) is the same, but all processes inside are stopped, also those that come later. No process sees a signal.
      - V(killed) ends every process inside and below with SIGKILL, and leaves the cgroup. One that does not exist is not made.
      - V(absent) removes the cgroup and all below it. It fails when a process is inside, and names it. It never ends one.
      - The limits and O(pids) count only with V(present) and V(frozen).
    type: str
    choices:
      - present
      - absent
      - frozen
      - killed
    default: present
  memory:
    description:
      - The most memory that the processes inside can use together, in bytes or with a suffix K, M, G or T (powers of 1024), as V(4M).
      - V(-1) is no limit. The kernel rounds down to whole pages; that is not a difference.
      - A limit below what is in use and cannot be reclaimed fails, on cgroup v1 and on v2.
    type: str
    aliases:
      - memlimit
  cpu_shares:
    description:
      - Weight when processors are scarce, from 2 to 262144. A cgroup without one has 1024.
      - On cgroup v2 the weight is O(cpu_shares) * 100 / 1024, rounded, from 1 to 10000.
    type: int
  cpu_percent:
    description:
      - The same weight in percent of the default. V(5) is 51 shares on cgroup v1 and weight 5 on v2. It is no upper limit, see O(cpus).
    type: int
    aliases:
      - cpupercent
  cpus:
    description:
      - The most processor time, in processors, as V(0.5) or V(2), with at most three decimals. V(-1) is no limit.
      - It is kept as a quota in a period of 100 milliseconds.
    type: float
  pids_limit:
    description:
      - The most processes and threads, V(-1) for no limit.
    type: int
  cpuset_cpus:
    description:
      - The processors that may be used, as V(0-2,4). They must be among those of the parent.
    type: str
  cpuset_mems:
    description:
      - The memory nodes that may be used, as V(0).
    type: str
  cgroup_conf:
    description:
      - Any other files of a controller and what to write there, as V({"memory.swappiness":"10"}). The names are the kernel's and differ
        between cgroup v1 and v2.
      - A file that has a line for each device, as C(blkio.throttle.read_bps_device), is compared by the line of that device.
      - Files that cannot be read back, as C(devices.deny), and files named C(cgroup.*) are refused.
    type: dict
  pids:
    description:
      - Processes to move into the cgroup, with all their threads. What is inside besides stays.
      - All must exist, or nothing is done.
    type: list
    elements: int
notes:
  - Cgroups do not survive a reboot.
  - On a hybrid host only the v1 hierarchies are used, since those hold the controllers.
seealso:
  - module: coracle.launcher.container
  - name: Control Group v2
    description: The kernel's documentation of the files of cgroup v2.
    link: https://docs.kernel.org/admin-guide/cgroup-v2.html
  - name: Control Groups version 1
    description: The kernel's documentation of the v1 controllers.
    link: https://docs.kernel.org/admin-guide/cgroup-v1/index.html
"""

EXAMPLES = r"""
- name: A cgroup with 64 MiB, half a processor and 100 processes
  coracle.launcher.cgroup:
    name: batch
    memory: 64M
    cpus: 0.5
    pids_limit: 100

- name: Move a running backup into it
  coracle.launcher.cgroup:
    name: batch
    pids:
      - "{{ backup_pid }}"

- name: Little weight, one processor, and a key of cgroup v1 that has no option of its own
  coracle.launcher.cgroup:
    name: indexer
    cpu_percent: 5
    cpuset_cpus: "0"
    cgroup_conf:
      memory.swappiness: 10

- name: Stop everything in it for the time of a snapshot
  coracle.launcher.cgroup:
    name: batch
    state: frozen

- name: And go on, without a memory limit
  coracle.launcher.cgroup:
    name: batch
    memory: -1

- name: End what is inside
  coracle.launcher.cgroup:
    name: batch
    state: killed

- name: Remove it
  coracle.launcher.cgroup:
    name: batch
    state: absent
"""

RETURN = r"""
changes:
  description: What differed, in the order in which it is set. In check mode what would be set.
  returned: success
  type: list
  elements: dict
  contains:
    option:
      description: The option.
      type: str
    before:
      description: Its value in the kernel before, V(none) when there was none.
      type: raw
    after:
      description: Its value as the kernel keeps it.
      type: raw
    action:
      description: V(create), V(live) for a change of a cgroup in use, or V(remove).
      type: str
    why:
      description: More about it, often empty.
      type: str
  sample:
    - {option: memory, before: -1, after: 67108864, action: live, why: ""}
cgroup:
  description: The cgroup as the kernel has it after the run. In check mode as it is now.
  returned: success
  type: dict
  contains:
    path:
      description: Its path below the root of each hierarchy.
      type: str
      sample: coracle/batch
    mode:
      description: Version of cgroups on this host, V(v1), V(hybrid) or V(v2).
      type: str
      sample: v2
    state:
      description: V(present), V(frozen) or V(absent).
      type: str
      sample: present
    paths:
      description: Its directory for each controller that it is in. On cgroup v2 also C(unified).
      type: dict
      sample: {memory: /sys/fs/cgroup/memory/coracle/batch}
    limits:
      description:
        - The limits read back, by the names of the options; empty when the cgroup is absent. V(none) where this kernel has no such file.
        - C(cgroup_conf) holds the keys that were given.
      type: dict
      sample: {memory: 67108864, cpu_shares: 1024, cpu_percent: 100, cpus: "0.5", pids_limit: 100, cpuset_cpus: 0-3, cpuset_mems: "0", cgroup_conf: {}}
    pids:
      description: All processes inside and below.
      type: list
      elements: int
      sample: [4711]
"""

from ansible_collections.coracle.launcher.plugins.module_utils._ansible.run import run_module
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.work import cgroup


def main() -> None:
    run_module(
        {
            "argument_spec": {
                "name": {"type": "str", "required": True},
                "parent": {"type": "str", "default": "coracle"},
                "state": {"type": "str", "choices": ["present", "absent", "frozen", "killed"], "default": "present"},
                "memory": {"type": "str", "aliases": ["memlimit"]},
                "cpu_shares": {"type": "int"},
                "cpu_percent": {"type": "int", "aliases": ["cpupercent"]},
                "cpus": {"type": "float"},
                "pids_limit": {"type": "int"},
                "cpuset_cpus": {"type": "str"},
                "cpuset_mems": {"type": "str"},
                "cgroup_conf": {"type": "dict"},
                "pids": {"type": "list", "elements": "int"},
            },
            "mutually_exclusive": [("cpu_shares", "cpu_percent")],
        },
        read=cgroup.read,
        plan=cgroup.plan,
        apply=cgroup.apply,
        result=cgroup.result,
    )


if __name__ == "__main__":
    main()
