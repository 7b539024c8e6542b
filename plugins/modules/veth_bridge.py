#!/usr/bin/python
# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: veth_bridge
short_description: Connect network namespaces to bridges with veth pairs
version_added: 0.1.0
description:
  - Makes a bridge when it is missing, of Linux or of Open vSwitch, and veth pairs. One end of a pair is a port of the bridge, the other an
    interface in a network namespace with MAC address, MTU, addresses and routes. A namespace given by name is made too.
  - Every difference is removed on the live pair, also a move to another bridge. No other port is touched, and no process notices.
  - What the module makes carries a mark, the alias that C(ip link) shows, and C(external_ids) in the database of Open vSwitch. What has
    none is never changed or removed; when it is in the way, that is an error.
  - When a step fails, everything that the run did is undone.
  - Only what is given is compared and changed, except that both ends and the bridge are put up.
  - Addresses and routes that somebody else has added to the interface are returned as RV(interface.unexpected), with a warning. See
    O(exclusive).
  - A run that finds nothing to change does not load the library pyroute2, and neither does a removal.
  - The guide C(docs/networks.md) shows the options at work.
author:
  - The coracle contributors (@coracle)
requirements:
  - pyroute2 >= 0.7.2, on the managed host
  - C(ovs-vsctl), for bridges of Open vSwitch
extends_documentation_fragment:
  - coracle.launcher._attributes
  - coracle.launcher._attributes.exact
  - coracle.launcher._interface
  - coracle.launcher._interfaces
options:
  netns:
    description:
      - The network namespace, as a name that C(ip netns) knows, as the pid of a process in it, or as an absolute path such as
        C(/proc/4711/ns/net). That of a container has the container's name.
      - A name that does not exist is made, with C(lo) up. A pid or a path must exist.
      - Digits alone are a pid. A name has at most 63 of the characters A-Z a-z 0-9 _ . and -.
      - Without it only the bridge is made or removed.
    type: str
  exclusive:
    description:
      - Whether addresses and routes that somebody else has added to the interface are removed. By default they are only reported.
      - They are known by the protocol number that the kernel keeps, 99 for ours. Before Linux 5.18 it keeps none for addresses, and all of
        them are taken for ours.
    type: bool
    default: false
  duplicate_address_detection:
    description:
      - Whether to ask on the network, before an address is used, if another machine has it, for IPv4 by ARP probes (RFC 5227), for IPv6 by the
        kernel's own detection. If so, the task fails, names the MAC address of the other, and undoes what it did.
      - Takes up to some seconds for all new addresses together. Addresses that the interface already has are not asked for.
    type: bool
    default: false
  rootfs:
    description:
      - Root file system in whose C(/etc/resolv.conf) to write the options O(dns_servers), O(dns_search_domains) and O(dns_opts). Absolute
        path of a directory. No symbolic link in it leads out of it.
    type: path
  dns_servers:
    description:
      - Addresses of name servers, all of them. Needs O(rootfs).
    type: list
    elements: str
  dns_search_domains:
    description:
      - Domains in which names without a dot are looked up, all of them. Needs O(rootfs).
    type: list
    elements: str
  dns_opts:
    description:
      - Options of the resolver, such as V(ndots:2), all of them. Needs O(rootfs).
    type: list
    elements: str
  uplink:
    description:
      - An interface of the host that becomes a port of O(bridge), so that the bridge is connected to its network.
      - One that has addresses is refused unless O(uplink_move_addresses=true), since they do not work any more on a port.
    type: str
  uplink_move_addresses:
    description:
      - Whether the addresses and routes of O(uplink) move to the bridge, in one step. The host keeps them.
      - When the controller cannot reach the host afterwards over a new connection within O(confirm_timeout), the host takes everything
        back by itself.
    type: bool
    default: false
  confirm_timeout:
    description:
      - Seconds within which the controller must have confirmed a move of O(uplink), from V(5) to V(600).
    type: int
    default: 30
  state:
    description:
      - V(present) makes the pairs what they should be.
      - V(absent) removes the pairs, then each namespace if this module made it and no other interface is in it, then each bridge if this
        module made it and it has no other port. An O(uplink) that is named is taken out of the bridge first.
    type: str
    choices:
      - present
      - absent
    default: present
notes:
  - Links, bridges and named namespaces do not survive a reboot. Run the task again at boot.
  - IPv6 addresses are usable at once, without duplicate address detection unless O(duplicate_address_detection=true), and router
    advertisements are ignored on the interface and on a bridge that the module makes. A machine on the network can therefore not give it
    other addresses or routes.
  - The host end has no IPv6 address of its own. Its MAC address begins with C(fe), so that a bridge does not take it as its own.
  - Where a bridge of Open vSwitch uses the userspace datapath, the interface in the namespace has its transmit checksum offload switched off.
    Its checksums would otherwise never be computed, and TCP would not work although C(ping) does.
seealso:
  - module: coracle.launcher.container
  - name: ip-netns
    description: Named network namespaces.
    link: https://man7.org/linux/man-pages/man8/ip-netns.8.html
  - name: veth
    description: Virtual Ethernet pairs.
    link: https://man7.org/linux/man-pages/man4/veth.4.html
  - name: ovs-vsctl
    description: The database of Open vSwitch.
    link: https://docs.openvswitch.org/en/latest/ref/ovs-vsctl.8/
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

- name: Twenty VLAN ports in one call, all of them or none
  coracle.launcher.veth_bridge:
    bridge: br0
    bridge_type: openvswitch
    interfaces:
      - {netns: web, vlan: 10, addresses: [10.10.0.2/24], gateway: 10.10.0.1}
      - {netns: mail, vlan: 20, addresses: [10.20.0.2/24], gateway: 10.20.0.1}
      - {netns: router, trunks: ["10", "20-29"]}

- name: At most 10 Mbit a second to it and 2 from it, and no way to other isolated ports
  coracle.launcher.veth_bridge:
    bridge: br0
    netns: guest
    addresses: [192.168.1.230/24]
    ingress_rate: 10Mbit
    egress_rate: 2Mbit
    isolated: true

- name: A router outside the own network, and two further routes
  coracle.launcher.veth_bridge:
    bridge: br0
    netns: web
    addresses: [203.0.113.7/32]
    gateway: 198.51.100.1
    gateway_onlink: true
    routes:
      - {dest: 10.0.0.0/8, gateway: 198.51.100.1, onlink: true, metric: 50}
      - {dest: 172.16.0.0/12}

- name: Name servers of a container
  coracle.launcher.veth_bridge:
    bridge: br0
    netns: web
    rootfs: /var/lib/coracle/containers/web/chroot
    dns_servers: [192.168.1.1]
    dns_search_domains: [example.com]

- name: Connect the bridge to the network of eth1
  coracle.launcher.veth_bridge:
    bridge: br0
    uplink: eth1

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
  description: The first interface as the kernel has it after the run, in check mode as it is now. V(none) when there is none.
  returned: success
  type: dict
  contains: &interface
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
    routes:
      description: Its other routes, without those that the kernel makes for the addresses. What is the kernel's default is left out.
      type: list
      elements: dict
      sample: [{dest: 10.0.0.0/8, gateway: 192.168.1.1, metric: 50}]
    vlan:
      description: The VLAN of its port, V(0) when there is none.
      type: int
      sample: 10
    trunks:
      description: The VLANs that reach it with tags.
      type: list
      elements: str
      sample: ["20-29"]
    isolated:
      description: Whether its port is isolated.
      type: bool
      sample: false
    ingress_rate:
      description: The limit of what it receives, V(0) when there is none.
      type: str
      sample: 10Mbit
    egress_rate:
      description: The limit of what it sends.
      type: str
      sample: "0"
    unexpected:
      description: What somebody else has added to it.
      type: dict
      contains:
        addresses:
          description: Addresses with prefix length.
          type: list
          elements: str
        routes:
          description: Routes, as in O(routes).
          type: list
          elements: dict
interfaces:
  description: All interfaces of the task in their order, each as RV(interface), without those that do not exist.
  returned: success
  type: list
  elements: dict
  contains: *interface
bridge:
  description: The bridge of the task, or of its first interface, as the kernel has it after the run, in check mode as it is now.
    V(none) when there is none.
  returned: success
  type: dict
  contains: &bridge
    name:
      description: Its name.
      type: str
      sample: br0
    type:
      description: What it is, V(linux) or V(openvswitch).
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
bridges:
  description: All bridges of the task, each as RV(bridge), without those that do not exist.
  returned: success
  type: list
  elements: dict
  contains: *bridge
uplink:
  description: The interface that O(uplink) names. V(none) when the host has none of this name.
  returned: when O(uplink) is given
  type: dict
  contains:
    name:
      description: Its name.
      type: str
      sample: eth1
    bridge:
      description: The bridge that it is a port of. V(none) when it is not a port of O(bridge).
      type: str
      sample: br0
"""

from ansible_collections.coracle.launcher.plugins.module_utils._ansible import bytecode  # noqa: F401  pylint: disable=unused-import
from ansible_collections.coracle.launcher.plugins.module_utils._ansible.nic_spec import nic_options
from ansible_collections.coracle.launcher.plugins.module_utils._ansible.run import run_module
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.work.network import module as veth


def main() -> None:
    netns = {"netns": {"type": "str"}}
    run_module(
        {
            "argument_spec": {
                **nic_options(),
                **netns,
                "interfaces": {"type": "list", "elements": "dict", "options": {**nic_options(), **netns}},
                "exclusive": {"type": "bool", "default": False},
                "duplicate_address_detection": {"type": "bool", "default": False},
                "rootfs": {"type": "path"},
                "dns_servers": {"type": "list", "elements": "str"},
                "dns_search_domains": {"type": "list", "elements": "str"},
                "dns_opts": {"type": "list", "elements": "str"},
                "uplink": {"type": "str"},
                "uplink_move_addresses": {"type": "bool", "default": False},
                "confirm_timeout": {"type": "int", "default": 30},
                "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            },
            "required_one_of": [("bridge", "interfaces")],
            "required_by": {"uplink": ("bridge",)},
        },
        read=veth.read,
        plan=veth.plan,
        apply=veth.apply,
        result=veth.result,
    )


if __name__ == "__main__":
    main()
