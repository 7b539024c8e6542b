#!/usr/bin/python
# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: veth_bridge
short_description: Connect a network namespace to a bridge with a veth pair
version_added: 0.1.0
description:
  - Makes a Linux bridge when it is missing, and a veth pair. One end is a port of the bridge, the other an interface in a network namespace
    with MAC address, MTU, addresses and default route. A namespace given by name is made too.
  - Every difference is removed on the live pair, also a move to another bridge. No other port is touched, and no process notices.
  - What the module makes carries a mark, the alias that C(ip link) shows. Interfaces without it are never changed or removed; one that is
    in the way is an error.
  - When a step fails, everything that the run did is undone.
  - Only what is given is compared and changed, except that both ends and the bridge are put up.
  - A run that finds nothing to change does not load the library pyroute2, and neither does a removal.
author:
  - The coracle contributors (@coracle)
requirements:
  - pyroute2 >= 0.7.2, on the managed host
extends_documentation_fragment:
  - coracle.launcher._attributes
  - coracle.launcher._attributes.exact
options:
  bridge:
    description:
      - The bridge, at most 15 characters. Made when there is no interface of this name, without spanning tree and forwarding at once.
      - A bridge that exists is used, and put up when it is down. Nothing else of it is changed.
    type: str
    required: true
  bridge_type:
    description:
      - V(auto) takes the bridge as it is and makes a Linux bridge where there is none.
      - V(openvswitch) is refused by this version, which can only use Linux bridges.
    type: str
    choices:
      - auto
      - linux
      - openvswitch
    default: auto
  netns:
    description:
      - The network namespace, as a name that C(ip netns) knows, as the pid of a process in it, or as an absolute path such as
        C(/proc/4711/ns/net).
      - A name that does not exist is made, with C(lo) up. A pid or a path must exist.
      - Digits alone are a pid. A name has at most 63 of the characters A-Z a-z 0-9 _ . and -.
      - Without it only the bridge is made or removed.
    type: str
  interface_name:
    description:
      - The interface inside the namespace.
    type: str
    default: eth0
  host_interface:
    description:
      - The other end, the port of the bridge, at most 15 characters.
      - By default derived from the name of the namespace and O(interface_name), always the same. Required when O(netns) is a pid or a path.
    type: str
  addresses:
    description:
      - All IPv4 and IPv6 addresses of the interface, each with its prefix length. Others are removed, except the link-local address that
        the kernel makes.
      - An empty list removes all.
    type: list
    elements: str
    aliases:
      - ip
  gateway:
    description:
      - The default router, an address in a network of the interface. For IPv6 it may be link-local.
      - A namespace has one for IPv4 and one for IPv6. It is an error when another interface has it.
    type: str
    aliases:
      - gw
  mac_address:
    description:
      - The MAC address of the interface in the namespace. By default the kernel chooses one when the pair is made.
    type: str
  mtu:
    description:
      - The MTU of both ends in bytes, from 68 to 65535; at least 1280 with IPv6 addresses.
      - By default a new pair has the MTU of the bridge. The kernel lowers the MTU of a bridge to that of its smallest port.
    type: int
  state:
    description:
      - V(present) makes the pair what it should be.
      - V(absent) removes the pair, then the namespace if this module made it and no other interface is in it, then the bridge if this
        module made it and it has no other port.
    type: str
    choices:
      - present
      - absent
    default: present
notes:
  - Links, bridges and named namespaces do not survive a reboot. Run the task again at boot.
  - IPv6 addresses are usable at once, without duplicate address detection, and router advertisements are ignored on the interface and on a
    bridge that the module makes. A machine on the network can therefore not give it other addresses or routes.
  - The host end has no IPv6 address of its own. Its MAC address begins with C(fe), so that a bridge does not take it as its own.
seealso:
  - module: coracle.launcher.container
  - name: ip-netns
    description: Named network namespaces.
    link: https://man7.org/linux/man-pages/man8/ip-netns.8.html
  - name: veth
    description: Virtual Ethernet pairs.
    link: https://man7.org/linux/man-pages/man4/veth.4.html
"""

EXAMPLES = r"""
- name: Connect the namespace web to the bridge br0, which is made if need be
  coracle.launcher.veth_bridge:
    bridge: br0
    netns: web
    addresses:
      - 192.168.1.228/24
      - fd00::228/64
    gateway: 192.168.1.1

- name: A second interface in the same namespace
  coracle.launcher.veth_bridge:
    bridge: storage
    netns: web
    interface_name: eth1
    ip: 10.20.0.5/24
    mtu: 9000

- name: Move the first one to another bridge while it is in use
  coracle.launcher.veth_bridge:
    bridge: br1
    netns: web

- name: Connect a running process that has a namespace of its own
  coracle.launcher.veth_bridge:
    bridge: br0
    netns: "4711"
    host_interface: job-4711
    addresses: 192.168.1.229/24

- name: A bridge and nothing else
  coracle.launcher.veth_bridge:
    bridge: br0

- name: Remove the interface, the namespace with it, and the bridge if it was the last port
  coracle.launcher.veth_bridge:
    bridge: br1
    netns: web
    state: absent
"""

RETURN = r"""
changes:
  description: What differed and was changed, in check mode what would be changed.
  returned: success
  type: list
  elements: dict
  contains:
    option:
      description: The option.
      type: str
    before:
      description: What was there, V(none) when nothing was.
      type: raw
    after:
      description: What is there now, V(none) when it was removed.
      type: raw
    action:
      description: V(create), V(live) for a change of the pair in use, V(recreate) or V(remove).
      type: str
    why:
      description: More about it, often empty.
      type: str
  sample:
    - {option: addresses, before: [192.168.1.7/24], after: [192.168.1.228/24], action: live, why: ""}
interface:
  description: The interface in the namespace as the kernel has it after the run, in check mode as it is now. V(none) when there is none.
  returned: success
  type: dict
  contains:
    name:
      description: Its name.
      type: str
      sample: eth0
    netns:
      description: The namespace, as the task names it.
      type: str
      sample: web
    host_interface:
      description: The other end.
      type: str
      sample: web_gejw7ca
    bridge:
      description: The bridge that the other end is a port of.
      type: str
      sample: br0
    mac_address:
      description: Its MAC address.
      type: str
      sample: 02:00:00:00:00:05
    mtu:
      description: Its MTU in bytes.
      type: int
      sample: 1500
    up:
      description: Whether both ends are up.
      type: bool
      sample: true
    addresses:
      description: Its addresses with prefix length, without link-local ones of IPv6.
      type: list
      elements: str
      sample: [192.168.1.228/24]
    gateways:
      description: The default routers over it, at most one for each of IPv4 and IPv6.
      type: list
      elements: str
      sample: [192.168.1.1]
bridge:
  description: The bridge as the kernel has it after the run, in check mode as it is now. V(none) when there is none.
  returned: success
  type: dict
  contains:
    name:
      description: Its name.
      type: str
      sample: br0
    type:
      description: What it is, V(linux).
      type: str
      sample: linux
    mac_address:
      description: Its MAC address.
      type: str
      sample: 02:63:1f:0a:c4:5e
    mtu:
      description: Its MTU in bytes.
      type: int
      sample: 1500
    up:
      description: Whether it is up.
      type: bool
      sample: true
    managed:
      description: Whether this collection made it.
      type: bool
      sample: true
    ports:
      description: The names of all its ports.
      type: list
      elements: str
      sample: [web_gejw7ca]
"""

from ansible_collections.coracle.launcher.plugins.module_utils._ansible.run import run_module
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.work.network import module as veth


def main() -> None:
    run_module(
        {
            "argument_spec": {
                "bridge": {"type": "str", "required": True},
                "bridge_type": {"type": "str", "choices": ["auto", "linux", "openvswitch"], "default": "auto"},
                "netns": {"type": "str"},
                "interface_name": {"type": "str", "default": "eth0"},
                "host_interface": {"type": "str"},
                "addresses": {"type": "list", "elements": "str", "aliases": ["ip"]},
                "gateway": {"type": "str", "aliases": ["gw"]},
                "mac_address": {"type": "str"},
                "mtu": {"type": "int"},
                "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            },
        },
        read=veth.read,
        plan=veth.plan,
        apply=veth.apply,
        result=veth.result,
    )


if __name__ == "__main__":
    main()
