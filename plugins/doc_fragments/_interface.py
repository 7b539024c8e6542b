# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of one network interface. After a change run tests/tools/generate_doc_fragments.py, which writes from this file the lists
`interfaces` of veth_bridge and `networks` of containers."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  bridge:
    description:
      - The bridge, at most 15 characters. Made when there is none of this name, without spanning tree and forwarding at once; removed with
        its last port if it was made so.
      - A bridge of others is used, and put up when it is down. Nothing else of it is changed.
    type: str
  bridge_type:
    description:
      - V(auto), the default, takes the bridge as it is. Where there is none, it makes an Open vSwitch bridge if the host's database knows
        one of this name, else a Linux bridge.
      - With V(linux) or V(openvswitch) a bridge of the other type is an error, and one that is missing is made of this type.
    type: str
    choices: [auto, linux, openvswitch]
  interface_name:
    description:
      - The interface inside the namespace. By default V(eth0); in a list V(eth0) for the first one of a namespace, V(eth1) for the second.
    type: str
  host_interface:
    description:
      - The other end, the port of the bridge, at most 15 characters.
      - By default derived from the name of the namespace and O(interface_name), always the same. Required when the
        namespace has no name.
    type: str
  addresses:
    description:
      - All IPv4 and IPv6 addresses of the interface, each with its prefix length, such as V(192.168.1.228/24). Those that were given before
        and are not any more are removed, V([]) removes all.
      - The link-local address of IPv6 comes from the kernel and is never listed.
    type: list
    elements: str
    aliases: [ip]
  gateway:
    description:
      - The default router, an address in a network of O(addresses), unless O(gateway_onlink) says
        otherwise. For IPv6 it may be link-local.
      - A namespace has one for IPv4 and one for IPv6, or several with a different O(metric).
        It is an error when another interface has one of the same metric.
    type: str
    aliases: [gw]
  gateway_onlink:
    description:
      - Whether O(gateway) is reached directly although it is in no network of O(addresses),
        as hosting providers have it with V(/32) addresses. The route gets the kernel's flag C(onlink).
    type: bool
  metric:
    description:
      - Metric of the default route, from V(0) to V(4294967295). The smaller one is used first.
    type: int
  routes:
    description:
      - Further routes over the interface, all of them. V([]) removes those that were given before.
    type: list
    elements: dict
    suboptions:
      dest:
        description: The network, such as V(10.0.0.0/8).
        type: str
        required: true
      gateway:
        description: The router. Without it the network is reached directly over the interface.
        type: str
      metric:
        description: Metric of the route.
        type: int
      onlink:
        description: Whether the router is reached directly although it is in no network of the interface.
        type: bool
  mac_address:
    description:
      - The MAC address of the interface in the namespace.
      - When a pair is made without it, it gets one that begins with C(02) and is always the same for this host, namespace and interface. That
        of a pair that exists is left as it is.
    type: str
  mtu:
    description:
      - The MTU of both ends in bytes, from V(68) to V(65535); at least V(1280) with IPv6 addresses.
      - By default a new pair has the MTU of the bridge. The kernel lowers the MTU of a bridge to that of its smallest port.
    type: int
  vlan:
    description:
      - The VLAN that the port belongs to, from V(1) to V(4094), as an access port; V(0) is none. The interface sees untagged frames.
      - Together with O(trunks) it is the native VLAN, whose frames are not tagged.
      - A Linux bridge needs VLAN filtering, which is switched on if the collection made the bridge, and an error otherwise.
    type: int
  trunks:
    description:
      - VLANs whose frames reach the interface with their tags, as V(10) or V(20-29). V([]) is none.
    type: list
    elements: str
  isolated:
    description:
      - Whether the port reaches only ports of the bridge that are not isolated. Two isolated ones do not see each other.
    type: bool
  ingress_rate:
    description:
      - Most bits a second that the interface receives, in the units of C(tc), such as V(10Mbit). V(0) is no limit. What is more is queued for
        up to 50 milliseconds at the port of the bridge, and then dropped.
    type: str
  egress_rate:
    description:
      - The same for what the interface sends, queued inside the namespace.
    type: str
  up:
    description:
      - Whether the pair is up. V(false) sets the host end down, as if a cable were pulled, and addresses and routes stay. When not given,
        it is put up.
    type: bool
"""
