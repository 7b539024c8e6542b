# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.coracle.launcher.plugins.module_utils._coracle.base.errors import LauncherError
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.model import change, settings, spec

DIGEST = "sha256:" + "a" * 64

# One good value of each option of the table and another one; a new row without one fails test_every_row_has_values.
VALUES = {
    "image": (DIGEST, "sha256:" + "b" * 64),
    "rootfs": ("/srv/one", "/srv/two"),
    "user": ("0", "nobody"),
    "group": ("0", "98"),
    "groups": (["27"], []),
    "init": (False, True),
    "capabilities": (["NET_ADMIN"], []),
    "cap_drop": ([], ["all"]),
    "dns_servers": (["192.0.2.53"], []),
    "dns_search_domains": (["example.org"], []),
    "dns_opts": (["ndots:2"], []),
    "etc_hosts": ({"db": "192.0.2.7"}, {}),
    "devices": (["/dev/fuse"], ["/dev/fuse:r"]),
    "read_only": (False, True),
    "shm_size": ("64M", "1M"),
    "mounts": ([{"source": "/srv", "target": "/data"}], []),
    "tmpfs": (["/run"], ["/run:size=1M"]),
    "sysctls": ({"net.core.somaxconn": 5}, {}),
    "memory": ("4M", "8M"),
    "cpu_percent": (5, 10),
    "cpu_shares": (51, 102),
    "cpus": (0.5, 1.0),
    "pids_limit": (20, -1),
    "oom_score_adj": (0, 500),
    "working_dir": ("/", "/srv"),
    "hostname": ("web1", "web2"),
    "interactive": (True, False),
    "stop_signal": ("TERM", "INT"),
    "stop_timeout": (10, 3),
    "restart_policy": ("no", "always"),
    "restart_retries": (0, 3),
    "log_max_size": ("10M", "1M"),
    "command": (["/bin/sleep", "1"], ["/bin/sleep", "2"]),
    "ulimits": (["nofile:64"], []),
    "env": ({"A": "1"}, {"A": "2"}),
    "labels": ({"stage": "test"}, {}),
    "networks": ([{"bridge": "br0", "addresses": ["10.0.0.2/24"]}], []),
}


def test_every_row_has_values():
    assert set(VALUES) == {row.option for row in settings.KEYS}


def test_the_articles_words_become_one_spec():
    want = spec.read_options({"name": "c", "process": "/bin/bash", "args": ["-i"], "memory": "4194304", "cpu_percent": 5, "user": "99", "group": "98",
                              "bridge": "br0", "ip": ["192.168.1.228/24"], "gw": "192.168.1.1"})
    assert want.spec == {"user": "99", "group": "98", "memory": 4194304, "cpu_percent": 5, "command": ["/bin/bash", "-i"],
                         "networks": [{"bridge": "br0", "addresses": ["192.168.1.228/24"], "gateway": "192.168.1.1"}]}
    assert (want.state, want.start_grace, want.on_restart_required) == ("started", 0.25, "restart")


@pytest.mark.parametrize("entrypoint, command, words", [(["/bin/a", "-x"], ["y"], ["/bin/a", "-x", "y"]), (["/bin/a"], None, ["/bin/a"]),
                                                        (["/bin/a"], [], ["/bin/a"]), ([], ["/bin/b"], ["/bin/b"])])
def test_an_entrypoint_is_the_first_words_of_the_command(entrypoint, command, words):
    assert spec.read_options({"name": "c", "entrypoint": entrypoint, "command": command}).spec == {"command": words}


def test_what_is_not_given_is_not_asked():
    assert spec.read_options({"name": "c", "memory": None, "networks": None}).spec == {}


@pytest.mark.parametrize("image, checksum, archive, asked", [
    ("/srv/initrd.img", None, "/srv/initrd.img", None),
    ("/srv/initrd.img", DIGEST, "/srv/initrd.img", DIGEST),
    (DIGEST, None, None, DIGEST),
    (DIGEST, DIGEST, None, DIGEST),
    ("https://images.example.org/root.img", DIGEST, "https://images.example.org/root.img", DIGEST),
    ("http://10.0.0.1/root.img", DIGEST, "http://10.0.0.1/root.img", DIGEST),
])
def test_an_image_is_an_archive_or_a_digest(image, checksum, archive, asked):
    want = spec.read_options({"name": "c", "image": image, "checksum": checksum})
    assert (want.archive, want.spec.get("image")) == (archive, asked)


@pytest.mark.parametrize("image, checksum, says", [
    ("https://images.example.org/root.img", None, "needs checksum"),
    ("https://images.example.org/root\n.img", DIGEST, "is neither the absolute path"),
    ("ftp://images.example.org/root.img", DIGEST, "is neither the absolute path"),
    ("file:///srv/root.img", DIGEST, "is neither the absolute path"),
    ("root.img", None, "is neither the absolute path"),
])
def test_an_image_that_cannot_be(image, checksum, says):
    with pytest.raises(LauncherError, match=says) as caught:
        spec.read_options({"name": "c", "image": image, "checksum": checksum})
    assert caught.value.option == "image"


@pytest.mark.parametrize("options, option", [
    ({}, "name"),
    ({"command": ["/bin/a"], "process": "/bin/a"}, "process"),
    ({"command": ["/bin/a"], "args": ["x"]}, "args"),
    ({"entrypoint": ["/bin/a"], "process": "/bin/a"}, "process"),
    ({"entrypoint": ["a"], "command": ["/bin/a"]}, "process"),
    ({"env_file": "relative"}, "env_file"),
    ({"args": ["x"]}, "args"),
    ({"networks": [], "bridge": "br0"}, "bridge"),
    ({"ip": ["10.0.0.2/24"]}, "ip"),
    ({"gw": "10.0.0.1"}, "gw"),
    ({"image": DIGEST, "rootfs": "/srv"}, "rootfs"),
    ({"cpu_percent": 5, "cpu_shares": 51}, "cpu_shares"),
    ({"image": "relative.img"}, "image"),
    ({"image": "sha256:12"}, "image"),
    ({"image": DIGEST, "checksum": "sha256:" + "b" * 64}, "checksum"),
    ({"checksum": DIGEST}, "checksum"),
    ({"image": "/a.img", "checksum": "md5:1"}, "image"),
    ({"start_grace": -1.0}, "start_grace"),
    ({"start_grace": 61.0}, "start_grace"),
    ({"memory": "4X"}, "memory"),
    ({"memory": ""}, "memory"),
    ({"user": ""}, "user"),
    ({"command": []}, "command"),
    ({"command": ["sleep"]}, "process"),
    ({"networks": [{"addresses": ["10.0.0.2/24"]}]}, "networks[0]"),
])
def test_what_cannot_be_names_its_option(options, option):
    with pytest.raises(LauncherError) as caught:
        spec.read_options({"name": "c", **options} if options else {})
    assert caught.value.option == option
    assert caught.value.remedy


@pytest.mark.parametrize("option", VALUES)
def test_the_same_value_is_no_change_and_another_costs_what_the_table_says(option):
    one, other = (settings.normalise({option: value}) for value in VALUES[option])
    assert spec.changes(one, one, running=True) == []
    found = spec.changes(other, one, running=True)
    assert [(item.option, item.before, item.after, item.action) for item in found] == [(option, one[option], other[option], spec.cost(option))]


def test_a_container_that_does_not_run_needs_no_restart():
    (found,) = spec.changes({"user": "1"}, {"user": "2"}, running=False)
    assert found.action == change.LIVE


@pytest.mark.parametrize("option, value", [("memory", -1), ("cpus", "-1"), ("pids_limit", -1), ("env", {}), ("labels", {}), ("networks", []), ("user", "0"),
                                           ("interactive", False), ("stop_signal", "TERM"), ("stop_timeout", 10)])
def test_a_file_that_does_not_name_an_option_means_its_default(option, value):
    assert spec.changes({option: value}, {}, running=True) == []


@pytest.mark.parametrize("one, other, expected", [
    ([{"bridge": "br0"}], [{"bridge": "br0", "interface_name": "eth0"}], True),
    ([{"bridge": "br0", "addresses": ["10.0.0.2/24", "10.0.0.3/24"]}], [{"bridge": "br0", "addresses": ["10.0.0.3/24", "10.0.0.2/24"]}], True),
    ([{"bridge": "br0", "mac_address": "02:00:00:00:00:AA"}], [{"bridge": "br0", "mac_address": "02:00:00:00:00:aa"}], True),
    ([{"bridge": "br0"}], [{"bridge": "br0", **settings.NETWORK_DEFAULTS}], True),
    ([{"bridge": "br0", "routes": [{"dest": "a"}, {"dest": "b", "metric": 1}]}],
     [{"bridge": "br0", "routes": [{"dest": "b", "metric": 1}, {"dest": "a"}]}], True),
    ([{"bridge": "br0", "routes": [{"dest": "a"}]}], [{"bridge": "br0"}], False),
    ([{"bridge": "br0", "vlan": 7}], [{"bridge": "br0"}], False),
    ([{"bridge": "br0", "up": False}], [{"bridge": "br0"}], False),
    ([{"bridge": "br0", "ingress_rate": "1Mbit"}], [{"bridge": "br0", "ingress_rate": "0"}], False),
    ([{"bridge": "br0"}], [{"bridge": "br1"}], False),
    ([{"bridge": "br0"}], [{"bridge": "br0"}, {"bridge": "br1"}], False),
])
def test_networks_compare_by_meaning(one, other, expected):
    assert spec.same("networks", {"networks": one}, {"networks": other}) is expected


@pytest.mark.parametrize("stored, asked", [("cpu_percent", "cpu_shares"), ("cpu_shares", "cpu_percent"), ("image", "rootfs"), ("rootfs", "image")])
def test_a_rival_takes_the_place_of_what_was_stored(stored, asked):
    before = settings.normalise({stored: VALUES[stored][0]})
    wanted = settings.normalise({asked: VALUES[asked][0]})
    assert spec.merge(before, wanted) == wanted
    found = {item.option: (item.before, item.after) for item in spec.changes(wanted, before, running=True)}
    assert found == {stored: (before[stored], None), asked: (None, wanted[asked])}


def test_merged_settings_are_read_back_as_they_were_written():
    stored = settings.normalise({option: values[0] for option, values in VALUES.items() if option not in ("image", "cpu_shares")})
    asked = settings.normalise({option: values[1] for option, values in VALUES.items() if option not in ("rootfs", "cpu_percent")})
    merged = spec.merge(stored, asked)
    again = settings.parse(settings.render(merged))
    assert all(spec.same(row.option, merged, again) for row in settings.KEYS)
    assert spec.changes(asked, again, running=True) == []


def test_a_new_container_has_its_defaults_written_down():
    made = spec.new({"user": "5", "command": ["/bin/a"]})
    assert made == {"user": "5", "interactive": False, "stop_signal": "TERM", "stop_timeout": 10, "restart_policy": "no", "log_max_size": 10 << 20,
                    "command": ["/bin/a"]}
    assert [(item.option, item.before, item.action) for item in spec.creation({"user": "5"})][0] == ("user", None, change.CREATE)


def test_only_what_needs_a_restart_is_pending():
    assert spec.pending({"user": "1", "memory": 5}, {"user": "2", "memory": 6}) == ["user"]


def test_a_url_in_a_message_has_no_password():
    with pytest.raises(LauncherError, match="image='ftp://example.org/a': is neither") as caught:
        spec.read_options({"name": "c", "image": "ftp://u:secret@example.org/a?token=hidden", "checksum": DIGEST})
    assert "secret" not in str(caught.value) and "hidden" not in str(caught.value)
