# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from hypothesis import example, given, settings, strategies

from ansible_collections.coracle.launcher.plugins.module_utils._coracle.base.errors import LauncherError, SettingsError
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.model import settings as model

MANY = settings(max_examples=500, deadline=None, derandomize=True)

# The article's own file, in both of its spellings of the colon.
ARTICLE = b"""user: 99
group: 98
memlimit: 4194304
cpupercent:5
process: /bin/bash
arg1: -i
bridge: br0
ip:10.0.0.5/24
gw: 10.0.0.1
"""


def test_the_articles_file():
    assert model.parse(ARTICLE) == {
        "user": "99", "group": "98", "memory": 4194304, "cpu_percent": 5, "command": ["/bin/bash", "-i"],
        "networks": [{"bridge": "br0", "addresses": ["10.0.0.5/24"], "gateway": "10.0.0.1"}]}


def test_everything_at_once_there_and_back():
    spec = model.normalise({
        "image": "sha256:" + "a1" * 32, "rootfs": "/srv//web/./root", "user": 99, "group": "www-data", "memory": "4M", "cpu_percent": "5", "cpu_shares": 51,
        "cpus": 0.5, "pids_limit": 64, "working_dir": "/srv/", "hostname": "web-1.example", "interactive": "yes", "stop_signal": "SIGQUIT",
        "stop_timeout": 3, "restart_policy": "on-failure", "restart_retries": "5", "log_max_size": "1MiB",
        "command": ["/bin/sh", "-c", 'echo "a\tb\\n" # no comment\n', "", " x "],
        "env": {"A": "1", "EMPTY": "", "SPACE": " x ", "NL": "a\nb"}, "labels": {"role": "web=1"},
        "networks": [{"bridge": "br0", "addresses": ["10.0.0.5/24", "fd00::5/64"], "gateway": "10.0.0.1"},
                     {"bridge": "br1", "ip": "ignored", "interface_name": "lan0", "mac_address": "02:00:00:00:00:01", "mtu": "1400"}]})
    assert spec["rootfs"] == "/srv/web/root" and spec["memory"] == 4194304 and spec["cpus"] == "0.5" and spec["interactive"] is True
    assert spec["stop_signal"] == "QUIT" and spec["networks"][1]["mtu"] == 1400 and spec["user"] == "99" and spec["log_max_size"] == 1 << 20
    assert model.parse(model.render(spec)) == spec
    assert model.normalise(spec) == spec
    assert list(spec) == [row.option for row in model.KEYS if row.option in spec]


def test_rendered_file_is_the_articles_grammar():
    spec = model.normalise({"user": 99, "command": ["/bin/sh", "-i"], "env": {"A": "1"},
                            "networks": [{"bridge": "br0"}, {"bridge": "br1", "addresses": ["1.2.3.4/8"]}]})
    assert model.render(spec) == (b"user: 99\nprocess: /bin/sh\narg1: -i\nenv1: A=1\nbridge: br0\nbridge2: br1\nip2: 1.2.3.4/8\n")


@pytest.mark.parametrize("content, spec", [
    (b"", {}),
    (b"\n \t\n# a comment\n  # another\n", {}),
    (b"\xef\xbb\xbfuser: 0\r\n", {"user": "0"}),
    (b"user: 0", {"user": "0"}),
    (b"\tuser \t:\t0  \n", {"user": "0"}),
    (b"process: /bin/x\narg10: ten\narg2: two\narg1: one\n", {"command": ["/bin/x", "one", "two", "ten"]}),
    (b"process: /bin/x\narg1: # no comment\narg2: a: b\n", {"command": ["/bin/x", "# no comment", "a: b"]}),
    (b'process: /bin/x\narg1: "\\x41\\u00e9\\n\\"\\\\"\n', {"command": ["/bin/x", 'A\u00e9\n"\\']}),
    (b'process: /bin/x\narg1: say "hi"\narg2:\narg3: ""\n', {"command": ["/bin/x", 'say "hi"', "", ""]}),
    (b"env2: B=2\nenv1: A=a=b\n", {"env": {"A": "a=b", "B": "2"}}),
    (b"bridge: br0\nip: 10.0.0.1/8, 10.0.0.2/8\nbridge3: br3\n",
     {"networks": [{"bridge": "br0", "addresses": ["10.0.0.1/8", "10.0.0.2/8"]}, {"bridge": "br3"}]}),
    (b"memlimit: unlimited\n", {"memory": -1}),
    (b"bridge: br0\nroutes: 10.0.0.0/8 via 192.0.2.1 metric 50, 198.51.100.0/24, default via fe80::1 onlink\n",
     {"networks": [{"bridge": "br0", "routes": [{"dest": "10.0.0.0/8", "gateway": "192.0.2.1", "metric": 50}, {"dest": "198.51.100.0/24"},
                                                {"dest": "default", "gateway": "fe80::1", "onlink": True}]}]}),
    (b"bridge: br0\nbridgetype: openvswitch\nvlan: 10\ntrunks: 30, 20-29 7\nisolated: yes\nup: no\nhostinterface: port0\n",
     {"networks": [{"bridge": "br0", "bridge_type": "openvswitch", "host_interface": "port0", "vlan": 10, "trunks": ["7", "20-30"],
                    "isolated": True, "up": False}]}),
    (b"bridge: br0\ngw: 192.0.2.1\ngwonlink: yes\nmetric: 0\ningressrate: 1.5Mbit\negressrate: 100kbps\n",
     {"networks": [{"bridge": "br0", "gateway": "192.0.2.1", "gateway_onlink": True, "metric": 0, "ingress_rate": "1500kbit",
                    "egress_rate": "800kbit"}]}),
    (b"groups: 27, www-data  027\noomscoreadj: -1000\n", {"groups": ["27", "www-data"], "oom_score_adj": -1000}),
    (b"ulimit2: core:0\nulimit7: as:unlimited\nulimit1: nofile:64:-1\n", {"ulimits": ["as:-1:-1", "core:0:0", "nofile:64:-1"]}),
    (b"readonly: yes\nshmsize: 1M\nsysctl1: net.core.somaxconn=5\nsysctl2: kernel.sem=1 2  3 4\n",
     {"read_only": True, "shm_size": 1 << 20, "sysctls": {"kernel.sem": "1 2 3 4", "net.core.somaxconn": "5"}}),
    (b"mount2: src=/srv//a/,dst=/a,ro\nmount1: type=tmpfs,target=/b,tmpfs-size=1M\ntmpfs1: /run:rw,mode=0755,size=1M,nosuid\n",
     {"mounts": ["type=bind,source=/srv/a,target=/a,readonly", "type=tmpfs,target=/b,tmpfs-size=1048576"], "tmpfs": ["/run:mode=755,size=1048576"]}),
    (b"init: yes\ncapabilities: cap_net_raw NET_ADMIN\ncapdrop: chown, all\ndevice1: /dev/net/tun:rw\n",
     {"init": True, "capabilities": ["NET_ADMIN", "NET_RAW"], "cap_drop": ["ALL"], "devices": ["/dev/net/tun:/dev/net/tun:rw"]}),
    (b"dnsservers: 192.0.2.53, fe80::1%eth0\ndnssearch: b.example, a.example.\ndnsopts: ndots:2 rotate\nhost2: db=192.0.2.7\n",
     {"dns_servers": ["192.0.2.53", "fe80::1%eth0"], "dns_search_domains": ["b.example", "a.example."], "dns_opts": ["ndots:2", "rotate"],
      "etc_hosts": {"db": "192.0.2.7"}}),
    (b"restartpolicy: no\nrestartretries: 3\n", {"restart_policy": "no", "restart_retries": 3}),
])
def test_A64_what_a_file_may_say(content, spec):
    assert model.parse(content) == spec


@pytest.mark.parametrize("content, line, key, words", [
    (b"user 99\n", 1, None, "no colon"),
    (b"user: 0\nuser: 0\n", 2, "user", "twice, first in line 1"),
    (b"\nusr: 0\n", 2, "usr", "Did you mean user?"),
    (b"my key: 0\n", 1, "my key", "not a known key"),
    (b": 0\n", 1, "", "not a known key"),
    (b"user:\n", 1, "user", "neither a number nor a name"),
    (b"memlimit:\n", 1, "memlimit", "not a size"),
    (b"memlimit: 4X\n", 1, "memlimit", "not a size"),
    (b"cpupercent: 0\n", 1, "cpupercent", "out of range"),
    (b"cpupercent: 5%\n", 1, "cpupercent", "not a whole number"),
    (b"process: bin/sh\n", 1, "process", "no absolute path"),
    (b"process:\n", 1, "process", "no absolute path"),
    (b"user: 0\0\n", 1, "user", "control character"),
    (b"us\0er: 0\n", 1, "us\\x00er", "control character"),
    (b"user: a\tb\n", 1, "user", "control character"),
    (b"user: \x1b[2J\n", 1, "user", "control character"),
    (b"user: 0\n\xff\n", 2, None, "not UTF-8"),
    (b"arg0: x\nprocess: /x\n", 1, "arg0", "not a known key"),
    (b"arg01: x\nprocess: /x\n", 1, "arg01", "not a known key"),
    (b"arg: x\nprocess: /x\n", 1, "arg", "not a known key"),
    (b"arg1234567: x\nprocess: /x\n", 1, "arg1234567", "not a known key"),
    (b"bridge1: br0\n", 1, "bridge1", "not a known key"),
    (b"memlimit2: 4M\n", 1, "memlimit2", "not a known key"),
    ("arg\u0663: x\nprocess: /x\n".encode(), 1, "arg\u0663", "not a known key"),
    (b"env1: A\n", 1, "env1", "no '='"),
    (b"env1: =x\n", 1, "env1", "not a name"),
    (b"env1: A=1\nenv2: A=2\n", 2, "env2", "A a second time"),
    (b"ip: 10.0.0.1/8\n", 1, "ip", "no bridge beside it"),
    (b"bridge: br0\nip2: 10.0.0.1/8\n", 2, "ip2", "no bridge beside it"),
    (b"bridge:\n", 1, "bridge", "no value"),
    (b"bridge: br0\nmtu:\n", 2, "mtu", "no value"),
    (b"bridge: br0 -- del-br br0\n", 1, "bridge", "not the name of a network interface"),
    (b"bridge: br0\nmtu: 67\n", 2, "mtu", "out of range"),
    (b"bridge: br0\nbridgetype: ovs\n", 2, "bridgetype", "is no type of bridge"),
    (b"bridge: br0\nvlan: 4095\n", 2, "vlan", "out of range"),
    (b"bridge: br0\ntrunks: 20-\n", 2, "trunks", "is no VLAN"),
    (b"bridge: br0\ntrunks: 30-20\n", 2, "trunks", "is no range of VLANs"),
    (b"bridge: br0\nmetric: -1\n", 2, "metric", "out of range"),
    (b"bridge: br0\nisolated: maybe\n", 2, "isolated", "neither yes nor no"),
    (b"bridge: br0\ningressrate: 10 Mbit\n", 2, "ingressrate", "is not a rate"),
    (b"bridge: br0\nroutes: 10.0.0.0/8 via\n", 2, "routes", "has via where it means nothing"),
    (b"bridge: br0\nroutes: 10.0.0.0/8 dev eth0\n", 2, "routes", "has dev where it means nothing"),
    (b"bridge: br0\nroutes: 10.0.0.0/8 via 192.0.2.1 via 192.0.2.2\n", 2, "routes", "has via where it means nothing"),
    (b"bridge: br0\nroutes: 10.0.0.0/8,, 172.16.0.0/12\n", 2, "routes", "empty route"),
    (b"bridge: br0\nroutes: 10.0.0.0/8 metric 4294967296\n", 2, "routes", "out of range"),
    (b"sysctl1: kernel.core_pattern=x\n", 1, "sysctl1", "no kernel parameter that a container has of its own"),
    (b"mount1: /srv:/data\n", 1, "mount1", "means nothing here"),
    (b"mount1: source=/srv,target=/data\nmount2: source=/srv,target=/proc/x\n", 2, "mount2", "nothing can be mounted"),
    (b"tmpfs1: /run:uid=-1\n", 1, "tmpfs1", "out of range"),
    (b"shmsize: -1\n", 1, "shmsize", "is no size"),
    (b"capabilities: SYS_ADMIN\n", 1, "capabilities", "no capability that a container can have"),
    (b"dnsservers: 192.0.2.300\n", 1, "dnsservers", "not an IP address"),
    (b"host1: db=1\n", 1, "host1", "not an IP address"),
    (b"device1: /dev/null\n", 1, "device1", "needs itself"),
    (b"groups:\n", 1, "groups", "has no value"),
    (b"groups: 27, -1\n", 1, "groups", "neither a number nor a name"),
    (b"oomscoreadj: 1001\n", 1, "oomscoreadj", "out of range"),
    (b"ulimit: core:0\n", 1, "ulimit", "not a known key"),
    (b"ulimit1: core:0\nulimit2: nofile\n", 2, "ulimit2", "is no limit of a process"),
    (b"ulimit1: core:0\n\nulimit2: core:1\n", 3, "ulimit2", "limits the same twice"),
    (b'process: "/bin/x\n', 1, "process", "no closing quote"),
    (b'process: "/bin/x" y\n', 1, "process", "after its closing quote"),
    (b'process: "/bin/\\q"\n', 1, "process", "unknown escape"),
    (b'process: "/bin/\\x4"\n', 1, "process", "unknown escape"),
    (b'process: "/bin/\\x00"\n', 1, "process", "no character"),
    (b'process: "/bin/\\ud800"\n', 1, "process", "no character"),
    (b'process: "/bin/\\', 1, "process", "unknown escape"),
    (b"image: sha256:abc\n", 1, "image", "not the digest"),
    (b"hostname: -x\n", 1, "hostname", "not a host name"),
    (b"interactive: maybe\n", 1, "interactive", "neither yes nor no"),
    (b"stopsignal: TREM\n", 1, "stopsignal", "not a signal"),
    (b"restartpolicy: onfailure\n", 1, "restartpolicy", "no restart policy"),
    (b"restartretries: -1\n", 1, "restartretries", "out of range"),
    (b"rootfs: /a/../b\n", 1, "rootfs", "without '..'"),
    (b"workdir: a\n", 1, "workdir", "no absolute path"),
])
def test_A64_what_a_file_may_not_say_is_named_with_file_line_and_key(content, line, key, words):
    with pytest.raises(SettingsError) as caught:
        model.parse(content, "web/settings")
    error = caught.value
    assert error.place == f"web/settings:{line}" and error.option == key and words in str(error) and error.remedy
    assert not any(ord(character) < 32 for character in str(error))


@pytest.mark.parametrize("content, words", [
    (b"#" * 65537, "larger than 65536 bytes"),
    (b"arg1: x\n", "process: is missing"),
])
def test_A64_errors_of_a_whole_file(content, words):
    with pytest.raises(SettingsError, match=words) as caught:
        model.parse(content, "web/settings")
    assert caught.value.place == "web/settings"


@pytest.mark.parametrize("value", [-1, "-1", 4294967295, "4294967295", 2**32, "4294967296", "99999999999", "00000000099", "٣", "1_000", " 99", "99 ", "+99", "",
                                   "root\n", 99.0, True, False, "0x0", "९९", "a b", "a:b", "-a", "+a", ".a", "9a", "é", "a\0", "a" * 33, [], b"0"])
@pytest.mark.parametrize("option", ["user", "group"])
def test_A41_what_is_no_user_is_refused(option, value):
    with pytest.raises(LauncherError) as caught:
        model.normalise({option: value})
    assert caught.value.option == option and caught.value.remedy


@pytest.mark.parametrize("value, expected", [(0, "0"), ("0", "0"), ("0099", "99"), (4294967294, "4294967294"), (2**31, "2147483648"), ("root", "root"),
                                             ("_apt", "_apt"), ("www-data", "www-data"), ("a.b$", "a.b$")])
def test_A41_what_is_a_user(value, expected):
    assert model.normalise({"user": value}) == {"user": expected}


@pytest.mark.parametrize("value, expected", [(0.5, "0.5"), ("0.50", "0.5"), ("2", "2"), (2, "2"), (2.0, "2"), ("02", "2"), ("0.010", "0.01"),
                                             (0.333333, "0.333"), (-1, "-1"), (-1.0, "-1"), ("-1", "-1")])
def test_cpus_has_one_spelling(value, expected):
    assert model.normalise({"cpus": value}) == {"cpus": expected}


@pytest.mark.parametrize("value", ["0", "0.009", "-2", "-0.5", "1,5", "", "nan", float("nan"), float("inf"), True, "0.0005", "1e3", "12345", "٣", ".5"])
def test_what_is_no_number_of_processors(value):
    with pytest.raises(LauncherError):
        model.normalise({"cpus": value})


@pytest.mark.parametrize("value, number", [("TERM", 15), ("SIGTERM", 15), ("term", 15), (15, 15), ("15", 15), ("HUP", 1), ("KILL", 9), (64, 64)])
def test_signal_number(value, number):
    assert model.signal_number(value) == number
    assert model.signal_number(model.normalise({"stop_signal": value})["stop_signal"]) == number


@pytest.mark.parametrize("value", ["", "0", 0, 65, "-15", "SIG15", "SIGSIGTERM", "TERM ", "٣", "015", True])
def test_what_is_no_signal(value):
    with pytest.raises(LauncherError):
        model.signal_number(value)


@pytest.mark.parametrize("options, option", [
    ({"command": ["/bin/x", "\udcff"]}, "command"),
    ({"command": ["/bin/\0x"]}, "command"),
    ({"command": []}, "command"),
    ({"command": "/bin/x"}, "command"),
    ({"command": ["x"]}, "process"),
    ({"command": ["/x", 5]}, "command"),
    ({"env": {"A": "\udcff"}}, "env"),
    ({"env": {"A\udcff": ""}}, "env"),
    ({"env": {"A=B": ""}}, "env"),
    ({"env": {"": ""}}, "env"),
    ({"env": {" A": ""}}, "env"),
    ({"env": {"A\n": ""}}, "env"),
    ({"env": {"A": "\0"}}, "env"),
    ({"env": ["A=1"]}, "env"),
    ({"rootfs": "/a\nb"}, "rootfs"),
    ({"rootfs": "/\udcff"}, "rootfs"),
    ({"rootfs": "a"}, "rootfs"),
    ({"working_dir": "/" + "a" * 4096}, "working_dir"),
    ({"hostname": "a_b"}, "hostname"),
    ({"hostname": "a" * 65}, "hostname"),
    ({"networks": [{}]}, "networks[0]"),
    ({"networks": [{"bridge": "br0"}, {"addresses": ["1.2.3.4/8"]}]}, "networks[1]"),
    ({"networks": [{"bridge": "br0", "addresses": ["1.2.3.4/8 5.6.7.8/8"]}]}, "networks[0].addresses"),
    ({"networks": [{"bridge": "br0", "addresses": ["1.2.3.4/8,5.6.7.8/8"]}]}, "networks[0].addresses"),
    ({"networks": [{"bridge": "br0", "gateway": "a\u3000b"}]}, "networks[0].gateway"),
    ({"networks": [{"bridge": "br0", "mtu": 65536}]}, "networks[0].mtu"),
    ({"networks": [{"bridge": "br0", "vlan": -1}]}, "networks[0].vlan"),
    ({"networks": [{"bridge": "br0", "trunks": ["0"]}]}, "networks[0].trunks"),
    ({"networks": [{"bridge": "br0", "egress_rate": "fast"}]}, "networks[0].egress_rate"),
    ({"networks": [{"bridge": "br0", "host_interface": "sixteen-bytes-xx"}]}, "networks[0].host_interface"),
    ({"networks": [{"bridge": "br0", "routes": [{"gateway": "192.0.2.1"}]}]}, "networks[0].routes[0]"),
    ({"networks": [{"bridge": "br0", "routes": [{"dest": "a b"}]}]}, "networks[0].routes[0].dest"),
    ({"networks": [{"bridge": "br0", "routes": [{"dest": "10.0.0.0/8", "metric": -1}]}]}, "networks[0].routes[0].metric"),
    ({"groups": "a b c/d"}, "groups"),
    ({"capabilities": ["SYS_PTRACE"]}, "capabilities"),
    ({"capabilities": ["CAP_CAP_CHOWN"]}, "capabilities"),
    ({"capabilities": [21]}, "capabilities"),
    ({"cap_drop": ["SYS_ADMIN"]}, "cap_drop"),
    ({"devices": "/dev/fuse"}, "devices"),
    ({"devices": ["/etc/passwd"]}, "devices"),
    ({"devices": ["/dev/../etc/passwd"]}, "devices"),
    ({"devices": ["/dev"]}, "devices"),
    ({"devices": ["/dev/a:/dev/pts/9"]}, "devices"),
    ({"devices": ["/dev/a:/b"]}, "devices"),
    ({"devices": ["/dev/a:rwx"]}, "devices"),
    ({"devices": ["/dev/a:"]}, "devices"),
    ({"devices": ["/dev/a:/dev/c", "/dev/b:/dev/c"]}, "devices"),
    ({"dns_servers": ["1.1.1.1", "1.1.1.2", "1.1.1.3", "1.1.1.4"]}, "dns_servers"),
    ({"dns_servers": ["example.org"]}, "dns_servers"),
    ({"dns_servers": ["1.1.1.1", "1.1.1.1"]}, "dns_servers"),
    ({"dns_search_domains": ["a b"]}, "dns_search_domains"),
    ({"dns_search_domains": ["a\nnameserver 6.6.6.6"]}, "dns_search_domains"),
    ({"dns_opts": ["a\n"]}, "dns_opts"),
    ({"etc_hosts": {"a b": "192.0.2.1"}}, "etc_hosts"),
    ({"etc_hosts": {"a": "192.0.2.1 evil"}}, "etc_hosts"),
    ({"etc_hosts": ["a"]}, "etc_hosts"),
    ({"sysctls": ["net.x=1"]}, "sysctls"),
    ({"sysctls": {"net": "1"}}, "sysctls"),
    ({"sysctls": {"net.": "1"}}, "sysctls"),
    ({"sysctls": {"net...kernel.core_pattern": "1"}}, "sysctls"),
    ({"sysctls": {"net/../kernel/core_pattern": "1"}}, "sysctls"),
    ({"sysctls": {"kernel.hostname": "x"}}, "sysctls"),
    ({"sysctls": {"net.x": ""}}, "sysctls"),
    ({"sysctls": {"net.x": True}}, "sysctls"),
    ({"mounts": {"source": "/a"}}, "mounts"),
    ({"mounts": [{"source": "/a"}]}, "mounts.target"),
    ({"mounts": [{"target": "/a"}]}, "mounts.source"),
    ({"mounts": [{"source": "/a/../b", "target": "/a"}]}, "mounts.source"),
    ({"mounts": [{"source": "/a,target=/b", "target": "/a"}]}, "mounts.source"),
    ({"mounts": [{"source": "/a", "target": "/"}]}, "mounts.target"),
    ({"mounts": [{"source": "/a", "target": "//./"}]}, "mounts.target"),
    ({"mounts": [{"source": "/a", "target": "/./sys/x"}]}, "mounts.target"),
    ({"mounts": [{"source": "/a", "target": "/dev"}]}, "mounts.target"),
    ({"mounts": [{"source": "/a", "target": "/a", "type": "volume"}]}, "mounts.type"),
    ({"mounts": [{"source": "/a", "target": "/a", "type": "tmpfs"}]}, "mounts.source"),
    ({"mounts": [{"source": "/a", "target": "/a", "tmpfs_size": "1M"}]}, "mounts.tmpfs_size"),
    ({"mounts": [{"type": "tmpfs", "target": "/a", "tmpfs_mode": 1777}]}, "mounts.tmpfs_mode"),
    ({"mounts": [{"type": "tmpfs", "target": "/a", "tmpfs_mode": "4755"}]}, "mounts.tmpfs_mode"),
    ({"mounts": [{"type": "tmpfs", "target": "/a", "tmpfs_size": "0"}]}, "mounts.tmpfs_size"),
    ({"tmpfs": "/run"}, "tmpfs"),
    ({"tmpfs": ["run"]}, "tmpfs"),
    ({"tmpfs": ["/run:suid"]}, "tmpfs"),
    ({"tmpfs": ["/dev/shm"]}, "tmpfs"),
    ({"groups": {"a": 1}}, "groups"),
    ({"groups": [4294967295]}, "groups"),
    ({"oom_score_adj": -1001}, "oom_score_adj"),
    ({"ulimits": "nofile:1"}, "ulimits"),
    ({"ulimits": ["nofile:2:1"]}, "ulimits"),
    ({"ulimits": ["nofile:-1:1"]}, "ulimits"),
    ({"ulimits": ["nofile:-2"]}, "ulimits"),
    ({"ulimits": ["nofile:9223372036854775808"]}, "ulimits"),
    ({"ulimits": ["files:1"]}, "ulimits"),
    ({"ulimits": [{"nofile": 1}]}, "ulimits"),
    ({"image": "sha256:" + "A" * 64}, "image"),
    ({"interactive": "maybe"}, "interactive"),
    ({"stop_timeout": -1}, "stop_timeout"),
    ({"pids_limit": -2}, "pids_limit"),
    ({"cpu_shares": 1}, "cpu_shares"),
])
def test_options_are_refused_by_name(options, option):
    with pytest.raises(LauncherError) as caught:
        model.normalise(options)
    assert caught.value.option == option and caught.value.remedy
    str(caught.value).encode("utf-8")


def test_not_asked_is_not_there():
    assert model.normalise({}) == model.normalise({"user": None, "networks": None, "unknown": 1}) == {}
    assert model.normalise({"networks": [{"bridge": "br0", "gateway": None, "mac_address": "", "addresses": []}]}) == {"networks": [{"bridge": "br0"}]}


# --- properties

words = strategies.text(strategies.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
names = strategies.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,8}", fullmatch=True)
single = strategies.from_regex(r"[0-9a-f.:/]{1,12}", fullmatch=True)
metrics = strategies.integers(0, 2**32 - 1)
routes = strategies.fixed_dictionaries({"dest": single | strategies.sampled_from(["via", "default", "onlink"])},
                                       optional={"gateway": single, "metric": metrics, "onlink": strategies.booleans()})
networks = strategies.fixed_dictionaries(
    {"bridge": strategies.from_regex(r"[a-z0-9_][a-z0-9.-]{0,14}", fullmatch=True)},
    optional={"addresses": strategies.lists(single, max_size=3), "gateway": single, "interface_name": strategies.just("eth7"), "mac_address": single,
              "mtu": strategies.integers(68, 65535), "bridge_type": strategies.sampled_from(["auto", "linux", "openvswitch"]),
              "gateway_onlink": strategies.booleans(), "metric": metrics, "routes": strategies.lists(routes, max_size=3),
              "host_interface": strategies.just("port7"), "vlan": strategies.integers(0, 4094), "isolated": strategies.booleans(),
              "trunks": strategies.lists(strategies.integers(1, 4094).map(str) | strategies.just("20-29"), max_size=4),
              "ingress_rate": strategies.integers(8, 2**40).map(str), "egress_rate": strategies.just("0"), "up": strategies.booleans()})
paths = strategies.lists(strategies.text(strategies.characters(exclude_categories=["Cs", "Cc"], exclude_characters="/"), min_size=1, max_size=8)
                         .filter(lambda part: part != ".."), max_size=4).map(lambda parts: "/" + "/".join(parts))
ids = strategies.integers(0, 2**32 - 2).map(str) | strategies.sampled_from(["root", "www-data"])
options = strategies.fixed_dictionaries({}, optional={
    "image": strategies.just("sha256:" + "0" * 64), "rootfs": paths, "user": ids, "group": ids, "memory": strategies.integers(-1, 2**62),
    "cpu_percent": strategies.integers(1, 25600), "cpu_shares": strategies.integers(2, 262144),
    "cpus": strategies.integers(10, 9999999).map(lambda n: n / 1000),
    "groups": strategies.lists(ids, max_size=4), "oom_score_adj": strategies.integers(-1000, 1000),
    "read_only": strategies.booleans(), "shm_size": strategies.integers(1, 2**40),
    "sysctls": strategies.dictionaries(strategies.sampled_from(["net.a.b", "kernel.sem"]), strategies.integers(0, 9) | strategies.just("1 2")),
    "tmpfs": strategies.lists(strategies.sampled_from(["/run", "/a/b:size=1k,exec,mode=700", "/\u00e9"])),
    "mounts": strategies.lists(strategies.builds(lambda name, ro, deep: {"source": f"/srv/{name}", "target": "/a b", "read_only": ro, "non_recursive": deep},
                                                 names, strategies.booleans(), strategies.booleans())),
    "init": strategies.booleans(), "capabilities": strategies.lists(strategies.sampled_from(["net_raw", "CAP_KILL", "all"])),
    "cap_drop": strategies.lists(strategies.sampled_from(["CHOWN", "ALL"])), "etc_hosts": strategies.dictionaries(names, strategies.just("192.0.2.1")),
    "dns_servers": strategies.lists(strategies.sampled_from(["192.0.2.1", "fd00::1"]), unique=True),
    "dns_search_domains": strategies.lists(names, unique=True), "dns_opts": strategies.lists(strategies.sampled_from(["ndots:2", "rotate"]), unique=True),
    "devices": strategies.lists(strategies.sampled_from(["/dev/fuse", "/dev/a/b:/dev/c:r"])),
    "ulimits": strategies.lists(strategies.sampled_from(["core:0", "nofile:1:-1", "as:5:7"]), unique=True),
    "pids_limit": strategies.integers(-1, 4194304), "working_dir": paths, "hostname": strategies.from_regex(r"[a-zA-Z0-9][a-zA-Z0-9.-]{0,20}", fullmatch=True),
    "interactive": strategies.booleans(), "stop_signal": strategies.integers(1, 64), "stop_timeout": strategies.integers(0, 86400),
    "log_max_size": strategies.integers(-1, 2**40), "command": strategies.lists(words, max_size=12).map(lambda rest: ["/bin/x", *rest]),
    "env": strategies.dictionaries(names, words, min_size=1, max_size=4), "labels": strategies.dictionaries(names, words, min_size=1, max_size=4),
    "networks": strategies.lists(networks, min_size=1, max_size=3)})


@MANY
@given(options)
@example({"command": ["/bin/x", "\x85\u2028\u2029\ufeff\u3000", '"', "\\", "\r\n", "# x", ": "]})
def test_P6_a_rendered_spec_reads_as_itself(given_options):
    spec = model.normalise(given_options)
    content = model.render(spec)
    assert model.parse(content) == {option: value for option, value in spec.items() if value not in ([], {})}
    assert model.normalise(spec) == spec
    assert model.render(model.parse(content)) == content


pieces = strategies.sampled_from([b"user", b"memlimit", b"arg1", b"env1", b"bridge", b"ip2", b"process", b":", b": ", b"=", b'"', b"\\x", b"\n", b"\r\n",
                                  b"#", b" ",
                                  b"/bin/x", b"99", b"br0", b"\xff", b"\0", b"\xc3\xa9"]) | strategies.binary(max_size=4)


@MANY
@given(strategies.binary(max_size=200) | strategies.lists(pieces, max_size=30).map(b"".join))
def test_P6_any_bytes_are_a_spec_or_a_settings_error(content):
    try:
        spec = model.parse(content)
    except SettingsError as error:
        str(error).encode("utf-8")
        return
    assert model.parse(model.render(spec)) == spec


anything = strategies.recursive(strategies.none() | strategies.booleans() | strategies.integers() | strategies.floats() | strategies.text(max_size=8),
                                lambda inner: strategies.lists(inner, max_size=3) | strategies.dictionaries(strategies.text(max_size=5), inner, max_size=3),
                                max_leaves=6)


@MANY
@given(option=strategies.sampled_from([row.option for row in model.KEYS if row is not model.NETWORKS]), value=anything)
def test_any_value_of_an_option_is_taken_or_a_launcher_error(option, value):
    try:
        spec = model.normalise({option: value})
    except LauncherError:
        return
    if spec.get(option):
        assert model.parse(model.render(spec)) == spec
