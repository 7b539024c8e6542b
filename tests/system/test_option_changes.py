# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module container with the options of a process and its mounts: the check says what the run does, the second run does nothing, and a
change costs what the table says."""

from __future__ import annotations

import json
import os
import sys

import pytest

from ansible_collections.coracle.launcher.plugins.module_utils._coracle.kernel import oom
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.model import settings

from . import boxes

MODULE = """
import json, sys
from ansible.module_utils import basic
from ansible_collections.coracle.launcher.plugins.modules import container
basic._ANSIBLE_ARGS, basic._ANSIBLE_PROFILE = sys.stdin.buffer.read(), "legacy"
container.main()
"""
LIVE = {"oom_score_adj": 200}
ONE = {"read_only": True, "groups": ["27"], "init": True, "capabilities": ["net_admin"], "cap_drop": ["KILL"], "dns_servers": ["192.0.2.53"],
       "dns_search_domains": ["example.org"], "dns_opts": ["ndots:2"], "shm_size": "1M", "tmpfs": ["/run", "/tmp:size=1M"],
       "devices": ["/dev/fuse:rw"], "ulimits": ["nofile:64"], "env": {"A": "1"}, "etc_hosts": {"db": "192.0.2.7"},
       "sysctls": {"net.core.somaxconn": "77"}}
OTHER = {"read_only": False, "groups": [], "init": False, "capabilities": [], "cap_drop": ["all"], "dns_servers": ["192.0.2.54"],
         "dns_search_domains": [], "dns_opts": [], "shm_size": "2M", "tmpfs": ["/run:exec"], "devices": [], "ulimits": ["nofile:64:65"],
         "env": {}, "etc_hosts": {}, "sysctls": {}, "mounts": []}


def _run(check=False, **options):
    """What the module returns."""
    given = {"_ansible_check_mode": check, "_ansible_diff": True, "_ansible_remote_tmp": "/tmp", **options}
    done = boxes.run([sys.executable, "-B", "-c", MODULE], stdin=None, input=json.dumps({"ANSIBLE_MODULE_ARGS": given}), timeout=60,
                     env={**os.environ, "PYTHONPATH": oom.__file__.partition("/ansible_collections/")[0]})
    assert done.out.lstrip().startswith("{"), done
    return json.loads(done.out)


def _four(box, **options):
    """Check, run, again, check again; returns the result of the run."""
    before = _run(True, path=box.path, **options)
    result = _run(path=box.path, **options)
    again, after = _run(path=box.path, **options), _run(True, path=box.path, **options)
    assert not result.get("failed"), result
    assert before["changes"] == result["changes"] and before["diff"] == result["diff"]
    assert not again["changed"] and not after["changed"] and again["changes"] == after["changes"] == [], (again, after)
    assert again["container"]["pid"] == result["container"]["pid"]
    return result


@pytest.fixture
def begun(box, tmp_path):
    """A container that the module has started."""
    boxes.end_supervisor()
    made = _run(path=box.path, command=["/bin/sleep", "60"], stop_timeout=0)
    assert made["container"]["state"] == "running", made
    yield box
    assert _run(path=box.path, state="absent")["changed"]


def test_changes_cost_what_the_table_says(begun, tmp_path):
    mounts = [{"source": str(tmp_path), "target": "/data", "read_only": True}]
    first = begun.pid()
    live = _four(begun, **LIVE)
    assert [(item["option"], item["before"], item["after"], item["action"]) for item in live["changes"]] == [("oom_score_adj", None, 200, "live")]
    assert begun.pid() == first and oom.read(first) == 200

    found = _four(begun, mounts=mounts, **ONE)
    assert {item["option"]: item["action"] for item in found["changes"]} == dict.fromkeys((*ONE, "mounts"), "restart")
    second = begun.pid()
    assert second != first and oom.read(second) == 200
    inside = boxes.run([boxes.COMMAND, "exec", begun.name, "/bin/sh", "-c", "ls /data /dev/fuse; cat /etc/resolv.conf; ulimit -n; id -G"]).out
    assert all(word in inside for word in (os.path.basename(begun.path), "/dev/fuse", "192.0.2.53", "64", "27")), inside

    found = _four(begun, **OTHER)
    assert {item["option"] for item in found["changes"]} == {*ONE, "mounts"}
    assert begun.pid() != second
    with open(f"{begun.path}/settings", "rb") as file:
        assert settings.parse(file.read())["ulimits"] == ["nofile:64:65"]


def test_a_score_that_was_changed_by_hand_is_put_right(begun):
    _four(begun, oom_score_adj=300)
    oom.set_all(100 + 300, lambda: [begun.pid()])
    (change,) = _four(begun, oom_score_adj=300)["changes"]
    assert (change["before"], change["after"], change["action"]) == (400, 300, "live") and oom.read(begun.pid()) == 300


def test_an_environment_file_is_compared_by_its_content(begun, tmp_path):
    file = tmp_path / "env"
    file.write_text("A=1\n")
    assert [item["option"] for item in _four(begun, env_file=str(file))["changes"]] == ["env"]
    file.write_text("A=2\n")
    (change,) = _four(begun, env_file=str(file))["changes"]
    assert (change["option"], change["before"], change["after"]) == ("env", {"A": "1"}, {"A": "2"})


def test_what_cannot_be_fails_before_anything_is_done(begun, tmp_path):
    pid = begun.pid()
    for options, option in (({"mounts": [{"source": "/none", "target": "/a"}]}, "mounts.source"), ({"devices": ["/dev/none"]}, "devices"),
                            ({"capabilities": ["SYS_ADMIN"]}, "capabilities"),
                            ({"tmpfs": ["/a"], "mounts": [{"source": str(tmp_path), "target": "/a"}]}, "mounts"),
                            ({"env_file": "/none"}, "env_file")):
        failed = _run(path=begun.path, memory="64M", **options)
        assert failed.get("failed") and failed["option"] == option and "Traceback" not in str(failed), failed
    assert begun.pid() == pid and begun.traces()
