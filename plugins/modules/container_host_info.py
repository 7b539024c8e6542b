#!/usr/bin/python
# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: container_host_info
short_description: Tell what a host has and lacks for running containers
version_added: 0.1.0
author:
  - The coracle contributors (@coracle)
description:
  - Returns what matters on a host for running containers, and lists of gaps, each with what to do about it.
  - What could not be read is null in the result. It is no gap then, but nothing says that it is all right either.
  - It never fails because of a gap, it changes nothing, loads no module of the kernel, and works without root.
extends_documentation_fragment:
  - coracle.launcher._attributes
  - coracle.launcher._attributes.info
options:
  networks:
    description: Whether containers will have networks, so that a missing C(pyroute2) or kinds of links that the kernel lacks are gaps.
    type: bool
    default: true
seealso:
  - module: coracle.launcher.container_info
"""

EXAMPLES = r"""
- name: Look at the host
  coracle.launcher.container_host_info:
  register: here

- name: Say what is missing
  ansible.builtin.debug:
    msg: "{{ item.problem }}. {{ item.remedy }}"
  loop: "{{ here.gaps }}"

- name: Install what unpacks all kinds of images
  ansible.builtin.package:
    name: "{{ here.optional | selectattr('need', 'eq', 'compression') | map(attribute='package') | reject('eq', '') }}"

- name: Stop where limits of swap would not hold
  ansible.builtin.assert:
    that: here.host.cgroup.swap_accounting is true
    fail_msg: "{{ here.optional | selectattr('need', 'eq', 'swap_accounting') | map(attribute='remedy') | first | default('It cannot be told') }}"
"""

RETURN = r"""
host:
  description: What matters on the host.
  returned: success
  type: dict
  contains:
    kernel:
      description: Release of the kernel.
      type: str
      returned: always
      sample: 5.15.193
    kernel_config:
      description: The file that the kernel's configuration was read from, null when there is none that can be read.
      type: str
      returned: always
      sample: /boot/config-5.15.193
    kernel_options:
      description:
        - Those options of the kernel's configuration that matter here, V(y), V(m) for a module, or V(n).
        - Null when there is no configuration to read, or when it does not mention the option, which this version may not have.
      type: dict
      returned: always
      sample: {CONFIG_CFS_BANDWIDTH: y, CONFIG_VETH: m, CONFIG_CGROUP_HUGETLB: n, CONFIG_MEMCG_V1: null}
    booted_at:
      description: Time of boot, UTC.
      type: str
      returned: always
      sample: "2026-11-24T07:55:00Z"
    init:
      description:
        - What starts services here, V(systemd), V(slackware) (BSD style scripts in C(/etc/rc.d)), V(openrc) or V(sysvinit).
        - Null when it is none of these.
      type: str
      returned: always
      sample: slackware
    python:
      description: The Python that modules run with.
      type: dict
      returned: always
      contains:
        version:
          description: Its version.
          type: str
          returned: always
          sample: 3.9.10
        executable:
          description: Its path.
          type: str
          returned: always
          sample: /usr/bin/python3
    root:
      description: Whether modules run as root.
      type: bool
      returned: always
    pyroute2:
      description: Whether this Python finds the library C(pyroute2). It is not loaded to find out.
      type: bool
      returned: always
    pyroute2_version:
      description: Its version, null when it is not there or does not say.
      type: str
      returned: always
      sample: 0.7.2
    cgroup:
      description: The mounted cgroup hierarchies.
      type: dict
      returned: always
      contains:
        mode:
          description: V(v1), V(hybrid), V(v2) or V(none).
          type: str
          returned: always
          sample: v1
        controllers:
          description: Controllers that a container can be put into.
          type: list
          elements: str
          returned: always
          sample: [cpu, memory, pids]
        writable:
          description: Whether the hierarchies are mounted read-write.
          type: bool
          returned: always
        parent:
          description: Path of the cgroup in which containers are, from the root of each hierarchy.
          type: str
          returned: always
          sample: coracle
        delegated:
          description:
            - The controllers that systemd passes on to the unit of that cgroup.
            - Null where no systemd owns the hierarchy, and while the unit is not active.
          type: list
          elements: str
          returned: always
          sample: null
        swap_accounting:
          description: Whether the kernel counts swap, so that it can be limited. Null when that does not show.
          type: bool
          returned: always
          sample: true
    namespaces:
      description: For each kind of namespace what the kernel says about it.
      type: dict
      returned: always
      sample:
        mnt: {available: true, limit: 96364}
        pid: {available: true, limit: 96364}
        user: {available: true, limit: 96364, unprivileged: true}
      contains:
        user:
          description: User namespaces. Containers of this collection have none. The other kinds, C(mnt), C(pid), C(uts), C(ipc), C(net) and
            C(cgroup), have the same keys except RV(host.namespaces.user.unprivileged).
          type: dict
          returned: always
          contains:
            available:
              description: Whether the kernel has this kind.
              type: bool
              returned: always
            limit:
              description: How many there may be, the sysctl C(user.max_*_namespaces). Null before Linux 4.9.
              type: int
              returned: always
              sample: 96364
            unprivileged:
              description: Whether users without privileges may make some.
              type: bool
              returned: always
    seccomp:
      description: Filters of system calls.
      type: dict
      returned: always
      contains:
        filter:
          description: Whether the kernel has them.
          type: bool
          returned: always
        actions:
          description: What a filter can do, from Linux 4.14 on, else null.
          type: list
          elements: str
          returned: always
          sample: [kill_process, errno, allow]
        architecture:
          description: Whether this collection has a filter for this kind of processor.
          type: bool
          returned: always
    lsm:
      description: Security modules of the kernel that are active, null when that cannot be read.
      type: list
      elements: str
      returned: always
      sample: [capability, landlock, apparmor]
    network:
      description: What networks of containers are made of.
      type: dict
      returned: always
      contains:
        veth:
          description: Whether the kernel has pairs of links, or can load them.
          type: bool
          returned: always
        bridge:
          description: The same of bridges.
          type: bool
          returned: always
        vlan:
          description: The same of 802.1Q.
          type: bool
          returned: always
        openvswitch:
          description: Open vSwitch.
          type: dict
          returned: always
          contains:
            kernel:
              description: Whether the kernel has its data path, or can load it. Without it Open vSwitch has one of its own.
              type: bool
              returned: always
            command:
              description: Path of C(ovs-vsctl), null when it is not installed.
              type: str
              returned: always
              sample: /usr/bin/ovs-vsctl
            running:
              description: Whether its database answers.
              type: bool
              returned: always
    images:
      description: What images can be on this host.
      type: dict
      returned: always
      contains:
        compressions:
          description: Compressions of archives, and what unpacks each here.
          type: list
          elements: dict
          returned: always
          contains:
            name:
              description: Name of the compression.
              type: str
              returned: always
              sample: zstd
            by:
              description: A library of Python or a program of the host, null when there is none.
              type: str
              returned: always
              sample: tool zstd
            remedy:
              description: What to do when there is none, else null.
              type: str
              returned: always
              sample: null
        overlay:
          description: Whether the kernel has overlayfs, or can load it.
          type: bool
          returned: always
        landlock:
          description: The kernel's ABI of Landlock, V(0) when it has none. Archives are unpacked behind it from V(2) on.
          type: int
          returned: always
          sample: 4
gaps:
  description: What the host lacks. Empty when containers can run.
  returned: success
  type: list
  elements: dict
  contains:
    need:
      description: What is needed, V(root), V(python), V(cgroup), V(namespaces), V(seccomp), V(network) or V(pyroute2).
      type: str
      returned: always
      sample: pyroute2
    problem:
      description: What is wrong.
      type: str
      returned: always
      sample: /usr/bin/python3 has no pyroute2, which networks need
    remedy:
      description: What to do.
      type: str
      returned: always
      sample: apt-get install python3-pyroute2
    package:
      description: Debian package that closes the gap, empty when there is none.
      type: str
      returned: always
      sample: python3-pyroute2
optional:
  description: What the host lacks and only some images or options need, as in RV(gaps).
  returned: success
  type: list
  elements: dict
  contains:
    need:
      description:
        - What is needed, V(compression), V(overlay), V(swap_accounting), V(seccomp), V(landlock), V(vlan), V(openvswitch), or V(kernel) for an
          option of its configuration.
      type: str
      returned: always
      sample: compression
    problem:
      description: What is wrong.
      type: str
      returned: always
      sample: nothing here unpacks lzop
    remedy:
      description: What to do.
      type: str
      returned: always
      sample: Install the package lzop
    package:
      description: Debian package that closes the gap, empty when there is none.
      type: str
      returned: always
      sample: lzop
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.coracle.launcher.plugins.module_utils._ansible import host


def main() -> None:
    module = AnsibleModule(argument_spec={"networks": {"type": "bool", "default": True}}, supports_check_mode=True)
    module.exit_json(changed=False, **host.survey(module.params["networks"]))


if __name__ == "__main__":
    main()
