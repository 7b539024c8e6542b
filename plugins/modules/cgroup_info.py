#!/usr/bin/python
# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: cgroup_info
short_description: Tell limits, usage and processes of control groups, on cgroup v1, hybrid and v2
version_added: 0.1.0
author:
  - The coracle contributors (@coracle)
description:
  - Returns of each control group (cgroup) its limits, what its processes have used, how often they hit a limit, and which they are.
  - The keys are the same on cgroup v1, on a hybrid host and on v2. What a kernel does not count is null, never zero.
  - It reads the kernel's files and changes nothing.
extends_documentation_fragment:
  - coracle.launcher._attributes
  - coracle.launcher._attributes.info
options:
  name:
    description:
      - Paths of cgroups below O(parent), with the wildcards of a shell, which do not match a slash, as in V(web*) or V(batch/*).
      - Those that do not exist are left out of the result. The default is all that are directly in O(parent).
    type: list
    elements: str
    default: []
  parent:
    description:
      - Path of the cgroup below which they are, from the root of each hierarchy. An empty string is the root itself.
    type: str
    default: coracle
  recurse:
    description: Return also all cgroups below those that are found.
    type: bool
    default: false
notes:
  - Needs root.
seealso:
  - module: coracle.launcher.cgroup
  - module: coracle.launcher.container_info
"""

EXAMPLES = r"""
- name: What do the containers of this host use?
  coracle.launcher.cgroup_info:
  register: here

- name: Show it
  ansible.builtin.debug:
    msg: "{{ item.path }}: {{ item.usage.memory_usage }} of {{ item.limits.memory }} bytes, {{ item.usage.oom_kills }} killed for want of memory"
  loop: "{{ here.cgroups }}"

- name: Which cgroup of our own was throttled?
  coracle.launcher.cgroup_info:
    name:
      - batch
      - batch/*
  register: batch

- name: Say so
  ansible.builtin.debug:
    msg: "{{ batch.cgroups | selectattr('usage.cpu_throttled_periods', 'gt', 0) | map(attribute='path') }}"

- name: All cgroups of the host, systemd's and those of others too
  coracle.launcher.cgroup_info:
    parent: ""
    recurse: true
"""

RETURN = r"""
cgroups:
  description: The cgroups found, by path.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Its path below O(parent).
      type: str
      returned: always
      sample: batch
    path:
      description: Its path below the root of each hierarchy.
      type: str
      returned: always
      sample: coracle/batch
    mode:
      description: Version of cgroups on this host, V(v1), V(hybrid) or V(v2).
      type: str
      returned: always
      sample: v2
    state:
      description: V(present), or V(frozen) when it was frozen itself.
      type: str
      returned: always
      sample: present
    paths:
      description: Its directory for each controller that it is in. On cgroup v2 also C(unified).
      type: dict
      returned: always
      sample: {unified: /sys/fs/cgroup/coracle/batch, memory: /sys/fs/cgroup/coracle/batch}
    limits:
      description:
        - Its limits by the options of M(coracle.launcher.cgroup), as that module returns them. Null where this kernel has no such file.
      type: dict
      returned: always
      sample: {memory: 67108864, cpu_shares: 1024, cpu_percent: 100, cpus: "0.5", pids_limit: 100}
    usage:
      description:
        - What its processes have used since the cgroup was made, those of the cgroups below included. Null is what this kernel does not count.
      type: dict
      returned: always
      contains:
        memory_usage:
          description: Bytes of memory in use, the page cache included.
          type: int
          returned: always
          sample: 1048576
        memory_limit:
          description: The limit of its memory in bytes, V(-1) for none.
          type: int
          returned: always
          sample: 67108864
        memory_peak:
          description: The most bytes of memory that were ever in use. On cgroup v2 from Linux 5.19 on.
          type: int
          returned: always
          sample: 2097152
        memory_swap_usage:
          description: Bytes in swap. Null without swap accounting.
          type: int
          returned: always
          sample: 0
        memory_anon:
          description: Bytes of memory that no file is behind.
          type: int
          returned: always
          sample: 524288
        memory_file:
          description: Bytes of page cache, RV(cgroups[].usage.memory_shmem) included.
          type: int
          returned: always
          sample: 393216
        memory_inactive_file:
          description: Bytes of page cache that the kernel would give up first. RV(cgroups[].usage.memory_usage) without them is the working set.
          type: int
          returned: always
          sample: 131072
        memory_shmem:
          description: Bytes of shared memory and of files in tmpfs.
          type: int
          returned: always
          sample: 0
        memory_kernel:
          description: Bytes that the kernel holds for the processes. On cgroup v2 from Linux 5.18 on.
          type: int
          returned: always
          sample: 131072
        page_faults:
          description: How often a page had to be mapped.
          type: int
          returned: always
          sample: 1500
        major_page_faults:
          description: How often that had to wait for a disk.
          type: int
          returned: always
          sample: 12
        memory_high_hits:
          description: How often processes were slowed down at C(memory.high). Null on cgroup v1.
          type: int
          returned: always
          sample: 0
        memory_max_hits:
          description: How often the limit of memory was hit, also when memory could then be reclaimed. On cgroup v1 this is C(memory.failcnt).
          type: int
          returned: always
          sample: 3
        oom_kills:
          description: How many processes were killed for want of memory. On cgroup v1 those in the cgroup itself, from Linux 4.13 on.
          type: int
          returned: always
          sample: 0
        cpu_usage_ns:
          description: Nanoseconds of processor time.
          type: int
          returned: always
          sample: 51000000
        cpu_user_ns:
          description: Nanoseconds of it in the processes' own code. On cgroup v1 in steps of 10 milliseconds.
          type: int
          returned: always
          sample: 40000000
        cpu_system_ns:
          description: Nanoseconds of it in the kernel. On cgroup v1 in steps of 10 milliseconds.
          type: int
          returned: always
          sample: 10000000
        cpu_periods:
          description: How many periods of a limit of processor time (C(cpus)) have passed in which it had something to run.
          type: int
          returned: always
          sample: 20
        cpu_throttled_periods:
          description: In how many of them it used up its time and had to wait.
          type: int
          returned: always
          sample: 4
        cpu_throttled_ns:
          description: For how many nanoseconds its processes had to wait, of all processors together.
          type: int
          returned: always
          sample: 250000000
        pids:
          description: Number of processes and threads.
          type: int
          returned: always
          sample: 1
        pids_peak:
          description: The most processes and threads that there ever were, from newer kernels.
          type: int
          returned: always
          sample: 3
        pids_max_hits:
          description: How often a new process or thread was refused because of the limit.
          type: int
          returned: always
          sample: 0
        io_read_bytes:
          description:
            - Bytes read from devices. The numbers of all devices are added up, so that what goes to a volume over another disk may count twice.
            - On cgroup v1 the kernel counts what processes read and write directly, not what it writes back later out of the page cache, and
              mostly only what is throttled or goes to a device with the scheduler bfq. So a zero there is null.
          type: int
          returned: always
          sample: 1459200
        io_write_bytes:
          description: Bytes written to devices, in the same way.
          type: int
          returned: always
          sample: 314773504
        io_read_operations:
          description: Number of reads from devices.
          type: int
          returned: always
          sample: 192
        io_write_operations:
          description: Number of writes to devices.
          type: int
          returned: always
          sample: 353
        io_devices:
          description: The same for each device that was used, named by its numbers. Null where no device is counted.
          type: list
          elements: dict
          returned: always
          sample: [{device: "254:0", read_bytes: 1459200, write_bytes: 314773504, read_operations: 192, write_operations: 353}]
        hugepages_usage:
          description: Bytes of huge pages in use, for each size that this kernel has.
          type: dict
          returned: always
          sample: {2M: 0, 1G: 0}
        pressure:
          description:
            - For C(cpu), C(memory) and C(io) how much time was lost waiting for it, of C(some) or at once of all (C(full)) processes.
              C(avg10), C(avg60) and C(avg300) are percent of the last seconds, C(total_ns) nanoseconds since the cgroup was made.
            - The keys are always there, the values are null on cgroup v1, and where the kernel does not measure pressure (C(psi=1)).
          type: dict
          returned: always
          sample: {memory: {some: {avg10: 1.5, avg60: 0.2, avg300: 0.0, total_ns: 36000}, full: {avg10: 0.0, avg60: 0.0, avg300: 0.0, total_ns: 0}}}
    processes:
      description: All processes inside and below, by their process IDs on the host.
      type: list
      elements: int
      returned: always
      sample: [4711]
"""

from ansible_collections.coracle.launcher.plugins.module_utils._ansible import bytecode  # noqa: F401  pylint: disable=unused-import
from ansible_collections.coracle.launcher.plugins.module_utils._ansible.run import run_module
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.work import cgroup_info


def main() -> None:
    run_module(
        {
            "argument_spec": {
                "name": {"type": "list", "elements": "str", "default": []},
                "parent": {"type": "str", "default": "coracle"},
                "recurse": {"type": "bool", "default": False},
            },
        },
        read=cgroup_info.read,
        plan=cgroup_info.plan,
        apply=cgroup_info.apply,
        result=cgroup_info.result,
    )


if __name__ == "__main__":
    main()
