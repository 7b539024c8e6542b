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
  - Makes one control group (cgroup) in every hierarchy that it needs, sets its limits, moves processes into it, freezes, empties or removes
    it.
  - The same task means the same on cgroup v1, on a hybrid host and on v2. Where the hierarchies are mounted is read from the kernel's
    list of mounts, so it also works where there is no systemd and every controller has a mount of its own.
  - Limits change at once, for the processes that are inside, and only those that are given are compared and written. Each is read back.
  - When something fails, the limits that this task has written are written back, processes are moved back and new directories removed.
  - On a host with systemd and cgroup v2, the hierarchy belongs to systemd. There the default O(parent) is the cgroup of the unit
    C(coracle.service),
    which is started when it is needed. Give any other O(parent) a unit that has C(Delegate=yes).
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
      - V(coracle) is removed with the last cgroup in it, unless systemd made it. Any other parent stays.
    type: str
    default: coracle
  state:
    description:
      - V(present) makes the cgroup, sets its limits, and lets its processes run when they were frozen.
      - V(frozen) is the same, but all processes inside are stopped, also those that come later. No process sees a signal.
      - V(killed) ends every process inside and below with SIGKILL, and leaves the cgroup. One that does not exist is not made.
      - V(absent) removes the cgroup and all below it. It fails when a process is inside, and names it. It never ends one.
      - The limits, O(controllers) and O(pids) count only with V(present) and V(frozen).
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
  memory_swap:
    description:
      - The most memory and swap together, so never less than O(memory). The same number as O(memory) is no swap, V(-1) is as much swap as
        there is.
      - It needs a limit of memory, from this task or an earlier one. On cgroup v2 the kernel keeps the difference, as C(memory.swap.max).
      - Fails where the kernel does not count swap. Kernels before Linux 5.8 do with C(swapaccount=1).
    type: str
  memory_reservation:
    description:
      - What the processes inside should keep when the host is short of memory, V(-1) for all. It is C(memory.soft_limit_in_bytes) on cgroup
        v1, and on
        v2, as with docker and runc, C(memory.low).
    type: str
  memory_swappiness:
    description:
      - How readily their pages are swapped out, from 0 to 100. For cgroup v1 only, v2 has no such thing.
    type: int
  oom_group:
    description:
      - Whether all processes inside are killed together when one has to be killed for want of memory. For cgroup v2 only.
    type: bool
  cpu_shares:
    description:
      - Weight when processors are scarce, from 2 to 262144. A cgroup without one has 1024.
      - On cgroup v2 the weight is O(cpu_shares) * 100 / 1024, rounded, from 1 to 10000; see O(cpu_weight_conversion).
    type: int
  cpu_percent:
    description:
      - The same weight in percent of the default. V(5) is 51 shares on cgroup v1 and weight 5 on v2. It is no upper limit, see O(cpus).
    type: int
    aliases:
      - cpupercent
  cpu_weight_conversion:
    description:
      - How O(cpu_shares) and O(cpu_percent) become a weight of cgroup v2, whose default is 100.
      - With V(proportional), a share of the default is the same share of the default weight, so the task means the same on v1 and v2.
      - V(runc) is the curve of runc 1.3.2 and crun 1.23 and later, which also makes the largest number of shares the largest weight. 51
        shares are weight 11.
      - On cgroup v1 it makes no difference. It must be given in each task that gives O(cpu_shares) or O(cpu_percent).
    type: str
    choices:
      - proportional
      - runc
    default: proportional
  cpus:
    description:
      - The most processor time, in processors, as V(0.5) or V(2), with at most three decimals. V(-1) is no limit.
      - It is kept as a quota in a period of 100 milliseconds. Not together with O(cpu_period) or O(cpu_quota).
    type: float
  cpu_period:
    description:
      - The period of O(cpu_quota) in microseconds, from 1000 to 1000000. The kernel's default is 100000.
    type: int
  cpu_quota:
    description:
      - The most processor time in each period, in microseconds, at least 1000. V(-1) is no limit.
    type: int
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
  blkio_weight:
    description:
      - Weight when a disk is busy, from 10 to 1000. A cgroup without one has 100.
      - It is written as it is to C(blkio.bfq.weight) or C(blkio.weight) on cgroup v1, to C(io.bfq.weight) and C(io.weight) on v2, whichever
        there are.
        Where there is none, no scheduler of the kernel knows weights, and the task fails. It has an effect on disks whose scheduler is bfq,
        or which
        have C(io.cost.qos) enabled.
    type: int
  device_read_bps:
    description:
      - The most bytes that may be read from disks in a second. Disks that are not listed keep what they have.
    type: list
    elements: dict
    suboptions:
      path:
        description:
          - The disk, as V(/dev/sda). Partitions have no limit of their own.
        type: str
        required: true
      rate:
        description:
          - Bytes in a second, with a suffix as in O(memory), or V(-1) for no limit.
        type: str
        required: true
  device_write_bps:
    description:
      - The most bytes that may be written to disks in a second. On cgroup v1 the kernel holds it for direct and synchronous writes only.
    type: list
    elements: dict
    suboptions:
      path:
        description:
          - The disk, as V(/dev/sda). Partitions have no limit of their own.
        type: str
        required: true
      rate:
        description:
          - Bytes in a second, with a suffix as in O(memory), or V(-1) for no limit.
        type: str
        required: true
  device_read_iops:
    description:
      - The most reads from disks in a second.
    type: list
    elements: dict
    suboptions:
      path:
        description:
          - The disk, as V(/dev/sda). Partitions have no limit of their own.
        type: str
        required: true
      rate:
        description:
          - Operations in a second, or V(-1) for no limit.
        type: int
        required: true
  device_write_iops:
    description:
      - The most writes to disks in a second.
    type: list
    elements: dict
    suboptions:
      path:
        description:
          - The disk, as V(/dev/sda). Partitions have no limit of their own.
        type: str
        required: true
      rate:
        description:
          - Operations in a second, or V(-1) for no limit.
        type: int
        required: true
  hugepages:
    description:
      - The most memory in huge pages, for each size of page, as V({"2M":"64M"}). V(-1) is no limit, V(0) none at all. Rounded down to whole
        pages.
    type: dict
  devices:
    description:
      - The devices that may be used, and no others, as the kernel and OCI write them. V(c 1:3 rwm) is reading, writing and making the
        character
        device 1:3, V(b 8:* r) reading every block device with major number 8, V(a *:* rwm) everything.
      - An empty list is no device at all. A cgroup without this option is not restricted.
      - On cgroup v2 a BPF program does it.
    type: list
    elements: str
  cgroup_conf:
    description:
      - Any other files of a controller and what to write there, as V({"memory.high":"10M"}). The names are the kernel's and differ between
        cgroup v1 and v2.
      - A file that has a line for each device, as C(blkio.throttle.read_bps_device), is compared by the line of that device.
      - Files that cannot be read back, as C(devices.deny), and files named C(cgroup.*) are refused.
    type: dict
  controllers:
    description:
      - The controllers in whose hierarchies the cgroup is made (cgroup v1), or which are enabled for it (v2), and no others. Without it,
        all that a
        container uses and this host has, and those that other options need.
      - V(io) and V(blkio) are the same, and V(freezer) and V(devices) need nothing on v2. One that this host does not have fails the task.
      - In hierarchies that are not named, a cgroup of this name stays as it is.
    type: list
    elements: str
  pids:
    description:
      - Processes to move into the cgroup, with all their threads. What is inside besides stays.
      - All must exist and be no threads, or nothing is done.
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

- name: Little weight, one processor, slow writes, no devices but those that everybody needs, and no swap
  coracle.launcher.cgroup:
    name: indexer
    cpu_percent: 5
    cpuset_cpus: "0"
    memory: 256M
    memory_swap: 256M
    device_write_bps:
      - path: /dev/sda
        rate: 4M
    devices:
      - c 1:3 rwm
      - c 1:5 rwm
      - c 1:8 rwm
      - c 1:9 rwm

- name: A file of cgroup v2 that has no option of its own
  coracle.launcher.cgroup:
    name: indexer
    cgroup_conf:
      memory.high: 200M

- name: A cgroup in two hierarchies only
  coracle.launcher.cgroup:
    name: counted
    controllers:
      - memory
      - pids
    pids_limit: 20

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
        - Those that few cgroups have are told when the task gave them, as are the keys of C(cgroup_conf).
      type: dict
      sample: {memory: 67108864, cpu_shares: 1024, cpu_percent: 100, cpus: "0.5", pids_limit: 100, cpuset_cpus: 0-3, cpuset_mems: "0"}
    pids:
      description: All processes inside and below.
      type: list
      elements: int
      sample: [4711]
"""

from ansible_collections.coracle.launcher.plugins.module_utils._ansible import bytecode  # noqa: F401  pylint: disable=unused-import
from ansible_collections.coracle.launcher.plugins.module_utils._ansible.run import run_module
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.work import cgroup


def rates(unit: str) -> dict:
    """Argument spec of a list of disks with a rate each, of the type `unit`."""
    options = {"path": {"type": "str", "required": True}, "rate": {"type": unit, "required": True}}
    return {"type": "list", "elements": "dict", "options": options}


def main() -> None:
    run_module(
        {
            "argument_spec": {
                "name": {"type": "str", "required": True},
                "parent": {"type": "str", "default": "coracle"},
                "state": {"type": "str", "choices": ["present", "absent", "frozen", "killed"], "default": "present"},
                "memory": {"type": "str", "aliases": ["memlimit"]},
                "memory_swap": {"type": "str"},
                "memory_reservation": {"type": "str"},
                "memory_swappiness": {"type": "int"},
                "oom_group": {"type": "bool"},
                "cpu_shares": {"type": "int"},
                "cpu_percent": {"type": "int", "aliases": ["cpupercent"]},
                "cpu_weight_conversion": {"type": "str", "choices": ["proportional", "runc"], "default": "proportional"},
                "cpus": {"type": "float"},
                "cpu_period": {"type": "int"},
                "cpu_quota": {"type": "int"},
                "pids_limit": {"type": "int"},
                "cpuset_cpus": {"type": "str"},
                "cpuset_mems": {"type": "str"},
                "blkio_weight": {"type": "int"},
                "device_read_bps": rates("str"),
                "device_write_bps": rates("str"),
                "device_read_iops": rates("int"),
                "device_write_iops": rates("int"),
                "hugepages": {"type": "dict"},
                "devices": {"type": "list", "elements": "str"},
                "cgroup_conf": {"type": "dict"},
                "controllers": {"type": "list", "elements": "str"},
                "pids": {"type": "list", "elements": "int"},
            },
            "mutually_exclusive": [("cpu_shares", "cpu_percent"), ("cpus", "cpu_period"), ("cpus", "cpu_quota")],
        },
        read=cgroup.read,
        plan=cgroup.plan,
        apply=cgroup.apply,
        result=cgroup.result,
    )


if __name__ == "__main__":
    main()
