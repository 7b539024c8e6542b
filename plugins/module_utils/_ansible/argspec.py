# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Argument specs of the modules about containers. The options of a container are the rows of the settings table, and how it is run.

A row without a type fails at import: add it to _TYPES, then to plugins/doc_fragments/_container.py; one of a network to nic_spec.py.
"""

from __future__ import annotations

import typing as t

from .._coracle.model import mounting, restart, settings, spec
from .nic_spec import nic_options

_STR = {"type": "str"}
_INT = {"type": "int"}

_TYPES: dict[str, dict[str, t.Any]] = {
    "image": {"type": "path"},
    "rootfs": {"type": "path"},
    "read_only": {"type": "bool"},
    "user": _STR,
    "group": _STR,
    "groups": {"type": "list", "elements": "str", "aliases": ["group_add"]},
    "memory": {"type": "str", "aliases": ["memlimit"]},
    "cpu_percent": {"type": "int", "aliases": ["cpupercent"]},
    "cpu_shares": _INT,
    "cpus": {"type": "float"},
    "pids_limit": _INT,
    "oom_score_adj": _INT,
    "command": {"type": "list", "elements": "str"},
    "working_dir": _STR,
    "hostname": _STR,
    "interactive": {"type": "bool"},
    "init": {"type": "bool"},
    "capabilities": {"type": "list", "elements": "str", "aliases": ["cap_add"]},
    "cap_drop": {"type": "list", "elements": "str"},
    "dns_servers": {"type": "list", "elements": "str"},
    "dns_search_domains": {"type": "list", "elements": "str"},
    "dns_opts": {"type": "list", "elements": "str"},
    "devices": {"type": "list", "elements": "str"},
    "etc_hosts": {"type": "dict"},
    "shm_size": _STR,
    "stop_signal": _STR,
    "stop_timeout": _INT,
    "restart_policy": {"type": "str", "choices": list(restart.POLICIES)},
    "restart_retries": _INT,
    "log_max_size": _STR,
    "mounts": {"type": "list", "elements": "dict", "options": {
        "type": {"type": "str", "choices": list(mounting.TYPES), "default": mounting.BIND},
        "source": {"type": "path"},
        "target": {"type": "str", "required": True},
        "read_only": {"type": "bool"},
        "non_recursive": {"type": "bool"},
        "tmpfs_size": _STR,
        "tmpfs_mode": _STR,
    }},
    "tmpfs": {"type": "list", "elements": "str"},
    "sysctls": {"type": "dict"},
    "ulimits": {"type": "list", "elements": "str"},
    "env": {"type": "dict"},
    "labels": {"type": "dict"},
}


def _table() -> dict[str, dict[str, t.Any]]:
    """The rows of the settings table as options."""
    nic = {**nic_options(), "bridge": {"type": "str", "required": True}}
    network = {row.option: nic[row.option] for row in settings.NETWORK}
    types = {**_TYPES, "networks": {"type": "list", "elements": "dict", "options": network}}
    return {row.option: types[row.option] for row in settings.KEYS}


def _options() -> dict[str, dict[str, t.Any]]:
    """All options of one container."""
    return {
        "name": _STR,
        "path": {"type": "path"},
        **_table(),
        "remote_src": {"type": "bool", "default": False},
        "checksum": _STR,
        "entrypoint": {"type": "list", "elements": "str"},
        "env_file": {"type": "path"},
        "process": _STR,
        "args": {"type": "list", "elements": "str"},
        "bridge": _STR,
        "ip": {"type": "list", "elements": "str"},
        "gw": _STR,
        "state": {"type": "str", "choices": list(spec.STATES), "default": spec.STARTED},
        "start_grace": {"type": "float", "default": 0.25},
        "restart": {"type": "bool", "default": False},
        "recreate": {"type": "bool", "default": False},
        "on_restart_required": {"type": "str", "choices": list(spec.ON_RESTART_REQUIRED), "default": "restart"},
    }


# model/spec.py checks the same for the command and for tests; here they are for ansible-doc, and for Ansible's own wording.
_TOGETHER: dict[str, t.Any] = {
    "mutually_exclusive": [
        ("command", "process"), ("command", "args"), ("entrypoint", "process"), ("entrypoint", "args"),
        ("networks", "bridge"), ("networks", "ip"), ("networks", "gw"),
        ("image", "rootfs"), ("cpu_percent", "cpu_shares"),
    ],
    "required_one_of": [("name", "path")],
    "required_by": {"args": ("process",), "ip": ("bridge",), "gw": ("bridge",), "checksum": ("image",)},
}


def container_spec() -> dict[str, t.Any]:
    """Keyword arguments of AnsibleModule for `container`."""
    return {"argument_spec": _options(), **_TOGETHER}


def containers_spec() -> dict[str, t.Any]:
    """Keyword arguments of AnsibleModule for `containers`."""
    return {"argument_spec": {
        "containers": {"type": "list", "elements": "dict", "required": True, "options": _options(), **_TOGETHER},
        "purge": {"type": "bool", "default": False},
    }}


def container_info_spec() -> dict[str, t.Any]:
    """Keyword arguments of AnsibleModule for `container_info`."""
    return {"argument_spec": {
        "name": {"type": "list", "elements": "str", "default": []},
        "labels": {"type": "dict", "default": {}},
        "log_lines": {"type": "int", "default": 10},
    }}
