# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of one network interface: of veth_bridge, of the items of its `interfaces`, and of those of a container's `networks`.

After a change here: plugins/doc_fragments/_interface.py, then tests/tools/generate_doc_fragments.py.
"""

from __future__ import annotations

import typing as t

Options = dict[str, dict[str, t.Any]]


def nic_options() -> Options:
    """The options, in the order of the documentation."""
    return {
        "bridge": {"type": "str"},
        "bridge_type": {"type": "str", "choices": ["auto", "linux", "openvswitch"]},
        "interface_name": {"type": "str"},
        "host_interface": {"type": "str"},
        "addresses": {"type": "list", "elements": "str", "aliases": ["ip"]},
        "gateway": {"type": "str", "aliases": ["gw"]},
        "gateway_onlink": {"type": "bool"},
        "metric": {"type": "int"},
        "routes": {"type": "list", "elements": "dict", "options": {
            "dest": {"type": "str", "required": True},
            "gateway": {"type": "str"},
            "metric": {"type": "int"},
            "onlink": {"type": "bool"},
        }},
        "mac_address": {"type": "str"},
        "mtu": {"type": "int"},
        "vlan": {"type": "int"},
        "trunks": {"type": "list", "elements": "str"},
        "isolated": {"type": "bool"},
        "ingress_rate": {"type": "str"},
        "egress_rate": {"type": "str"},
        "up": {"type": "bool"},
    }
