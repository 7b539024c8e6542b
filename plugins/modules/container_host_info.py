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
  - Returns what matters on a host for running containers, and a list of gaps, each with what to do about it.
  - It never fails because of a gap, and it works without root.
extends_documentation_fragment:
  - coracle.launcher._attributes
  - coracle.launcher._attributes.info
options:
  networks:
    description: Whether containers will have networks, so that a missing C(pyroute2) is a gap.
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
    name: "{{ here.optional | map(attribute='package') | reject('eq', '') }}"
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
          description: Whether the kernel has overlayfs, or a module of it.
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
      description: What is needed, V(root), V(python), V(cgroup) or V(pyroute2).
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
  description: What the host lacks and only some images need, as in RV(gaps).
  returned: success
  type: list
  elements: dict
  contains:
    need:
      description: What is needed, V(compression), V(overlay) or V(landlock).
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
