# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os

import pytest

from ansible_collections.coracle.launcher.plugins.module_utils._coracle.base.errors import LauncherError
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.model import settings
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.work import nodes, volumes
from ansible_collections.coracle.launcher.tests.unit.each import each


def test_a_node_is_what_the_host_has():
    (node,) = nodes.find(settings.normalise({"devices": ["/dev/null:/dev/a/b:r"]}))
    info = os.stat("/dev/null")
    assert (node.path, node.mode, node.device, node.access) == ("a/b", info.st_mode, info.st_rdev, "r")


def test_rules_are_those_of_every_container_and_its_own():
    usual = nodes.rules([])
    assert "c 1:3 rw" in usual and "c 136:* rw" in usual and not any("10:229" in rule for rule in usual)
    (node,) = nodes.find(settings.normalise({"devices": ["/dev/null:/dev/x:rw"]}))
    node.device = os.makedev(10, 229)
    assert set(nodes.rules([node])) == {*usual, "c 10:229 rw"}


@each("device, words", [("/dev/no-such", "not there"), ("/dev/shm:/dev/x", "no device"), ("/dev/fd:/dev/x", "no device")])
def test_what_is_no_device(device, words):
    with pytest.raises(LauncherError, match=words) as caught:
        nodes.find(settings.normalise({"devices": [device]}))
    assert caught.value.option == "devices" and caught.value.remedy


@each("source, words", [("/run/coracle/x", "launcher itself"), ("/var/lib", "launcher itself"), ("/usr/local/lib/coracle", "launcher itself"),
                        ("/proc/self/cwd", "links"), ("/no-such", "No such file"), ("/dev/null", "is a device")])
def test_what_is_no_source(source, words):
    with pytest.raises(LauncherError, match=words) as caught:
        volumes.check(settings.normalise({"mounts": [{"source": source, "target": "/a"}]}))
    assert caught.value.option == "mounts.source" and caught.value.remedy


def test_a_source_that_is_there(tmp_path):
    volumes.check(settings.normalise({"mounts": [{"source": str(tmp_path), "target": "/a"}]}))


@each("options", [{"dns_servers": ["192.0.2.1"], "mounts": [{"source": "/etc", "target": "/etc/resolv.conf"}]},
                  {"etc_hosts": {"a": "192.0.2.1"}, "tmpfs": ["/etc/hosts"]}])
def test_a_mount_in_the_place_of_a_file_of_the_launcher(options):
    with pytest.raises(LauncherError, match="mounted on twice"):
        volumes.check(settings.normalise(options))
