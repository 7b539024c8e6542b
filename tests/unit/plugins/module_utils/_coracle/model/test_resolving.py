# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from ansible_collections.coracle.launcher.plugins.module_utils._coracle.model import resolving, settings


def test_without_an_option_there_is_no_file():
    assert resolving.resolv_conf({}) is None and resolving.hosts({}, "web") is None


def test_resolv_conf():
    spec = settings.normalise({"dns_servers": ["192.0.2.53", "fd00::53"], "dns_search_domains": ["b.example", "a.example"], "dns_opts": ["ndots:2", "rotate"]})
    assert resolving.resolv_conf(spec) == "search b.example a.example\nnameserver 192.0.2.53\nnameserver fd00::53\noptions ndots:2 rotate\n"
    assert resolving.resolv_conf({"dns_opts": ["rotate"]}) == "options rotate\n"


def test_hosts():
    spec = settings.normalise({"etc_hosts": {"db": "192.0.2.7", "a": "fd00::7"}, "networks": [{"bridge": "br0", "addresses": ["192.0.2.5/24", "fd00::5/64"]}]})
    local = "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n"
    assert resolving.hosts(spec, "web") == local + "192.0.2.5 web\nfd00::5 web\nfd00::7 a\n192.0.2.7 db\n"
    assert resolving.hosts({"etc_hosts": {"db": "192.0.2.7"}}, "web") == local + "127.0.1.1 web\n192.0.2.7 db\n"
