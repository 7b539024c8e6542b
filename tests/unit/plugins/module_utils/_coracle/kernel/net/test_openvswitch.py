# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is given to ovs-vsctl, and what the real one does with it."""

from __future__ import annotations

import os
import signal
import stat
import subprocess

import pytest

from ansible_collections.coracle.launcher.plugins.module_utils._coracle.base.errors import LauncherError
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.kernel.net import openvswitch, ovs_tables
from ansible_collections.coracle.launcher.tests.unit import switch_daemons
from ansible_collections.coracle.launcher.tests.unit.each import each


@pytest.fixture
def own_switch(own_network):
    with switch_daemons.running_switch() as switch:
        yield switch


def make_script(path, content):
    path.write_text(f"#!/bin/sh\n{content}\n")
    path.chmod(0o755)


@pytest.fixture
def recorder(tmp_path, monkeypatch):
    """An ovs-vsctl that writes down its arguments and environment, where the system's own is looked for."""
    bin_directory, run_directory = tmp_path / "bin", tmp_path / "run"
    bin_directory.mkdir()
    run_directory.mkdir()
    (run_directory / "db.sock").touch()
    make_script(bin_directory / "ovs-vsctl", f"printf '%s\\n' \"$@\" >{tmp_path}/argv; env >{tmp_path}/env; head -c0 && exec cat {tmp_path}/said")
    (tmp_path / "said").touch()
    monkeypatch.setattr(openvswitch, "_DIRECTORIES", (str(bin_directory),))
    monkeypatch.setattr(openvswitch, "refuse_stopped", lambda: None)
    monkeypatch.setenv("OVS_RUNDIR", str(run_directory))
    return tmp_path


# --- A60: nothing of a name becomes an option or a command


def test_a60_arguments_of_a_change(recorder):
    openvswitch.change(("--may-exist", "add-port", "br0", "vh0"), ("set", "Port", "vh0", "tag=5"))
    assert (recorder / "argv").read_text().splitlines() == [
        f"--db=unix:{recorder}/run/db.sock", "--timeout=10",
        "--", "--may-exist", "add-port", "br0", "vh0", "--", "set", "Port", "vh0", "tag=5"]


def test_a60_arguments_of_a_change_that_is_not_waited_for(recorder):
    openvswitch.change_soon(("--if-exists", "del-port", "br0", "vh0"), timeout=2)
    assert (recorder / "argv").read_text().splitlines() == [
        f"--db=unix:{recorder}/run/db.sock", "--timeout=2", "--no-wait", "--", "--if-exists", "del-port", "br0", "vh0"]


def test_a60_no_shell_reads_the_words(recorder):
    words = ("set", "Port", "$(touch /tmp/x);`id`", "a b\tc*")
    openvswitch.change(words)
    assert tuple((recorder / "argv").read_text().splitlines()[3:]) == words


@each("value, written", [("coracle:web:eth0", '"coracle:web:eth0"'), ('a"b', '"a\\"b"'), ("a\\b", '"a\\\\b"'), ("a,b={}", '"a,b={}"')])
def test_strings_are_quoted(value, written):
    assert openvswitch.quoted(value) == written


def test_strings_arrive_as_they_are(own_switch):
    value = "coracle:@x-1.2_3:eth0, a=b {} [] \\ \" '"
    openvswitch.change_soon(("set", "Open_vSwitch", ".", f"external_ids:coracle={openvswitch.quoted(value)}"))
    table = own_switch.vsctl("--data=json", "get", "Open_vSwitch", ".", "external_ids:coracle")
    assert table == openvswitch.quoted(value)


# --- C11: whose program is run, and what it is told


def test_c11_a_program_of_the_users_path_is_not_run(tmp_path, monkeypatch):
    make_script(tmp_path / "ovs-vsctl", f"touch {tmp_path}/was-run")
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("OVS_RUNDIR", str(tmp_path))
    (tmp_path / "db.sock").touch()
    with pytest.raises(LauncherError):
        ovs_tables.read()  # the system's own cannot connect to a plain file, and where there is none that is said
    assert not (tmp_path / "was-run").exists()
    subprocess.run(["ovs-vsctl"], check=True)  # the control: who asks PATH runs it
    assert (tmp_path / "was-run").exists()


def test_c11_only_the_places_of_open_vswitch_are_passed_on(recorder, monkeypatch):
    monkeypatch.setenv("OVS_DBDIR", "/some/where")
    for name, value in (("LD_PRELOAD", "/tmp/evil.so"), ("OVS_EVIL", "1"), ("HOME", "/root"), ("LANG", "de_DE.UTF-8")):
        monkeypatch.setenv(name, value)
    openvswitch.change(("init",))
    told = dict(line.split("=", 1) for line in (recorder / "env").read_text().splitlines())
    assert {name: told[name] for name in told if name not in ("PWD", "_", "SHLVL", "OLDPWD")} == {
        "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C", "OVS_DBDIR": "/some/where", "OVS_RUNDIR": f"{recorder}/run"}


def test_a_signal_that_we_block_does_not_outlive_the_timeout(recorder):
    make_script(recorder / "bin" / "ovs-vsctl", "kill -ALRM $$; sleep 20")
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM})
    try:
        with pytest.raises(openvswitch.NotCarriedOut, match="did not answer within 10 seconds"):
            openvswitch.change(("init",))
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def test_not_installed(recorder, monkeypatch):
    monkeypatch.setattr(openvswitch, "_DIRECTORIES", ("/nonexistent",))
    with pytest.raises(LauncherError, match="is not installed"):
        openvswitch.change(("init",))


def test_a_file_that_cannot_be_executed(recorder):
    (recorder / "bin" / "ovs-vsctl").write_bytes(b"\x7fELF no program")
    os.chmod(recorder / "bin" / "ovs-vsctl", stat.S_IRWXU)
    with pytest.raises(LauncherError, match="cannot be run"):
        openvswitch.change(("init",))


def test_no_database(tmp_path, monkeypatch):
    monkeypatch.setenv("OVS_RUNDIR", str(tmp_path))
    assert openvswitch.run_directory() is None
    assert not openvswitch.is_running()
    with pytest.raises(LauncherError, match="is not running here"):
        openvswitch.change(("init",))


def test_an_answer_that_is_none(recorder):
    with pytest.raises(LauncherError, match="does not tell what bridges"):
        ovs_tables.read()


# --- the real one


def test_where_the_daemons_are(own_switch, monkeypatch):
    monkeypatch.delenv("OVS_RUNDIR", raising=False)
    assert openvswitch.run_directory() == own_switch.place
    assert openvswitch.is_running()
    own_switch.send("ovsdb-server", signal.SIGKILL)
    assert openvswitch.run_directory() == own_switch.place  # it leaves its socket behind
    assert not openvswitch.is_running()
    with pytest.raises(LauncherError, match="Connection refused"):
        ovs_tables.read()


def make_ports(own_switch):
    for number in range(3):
        subprocess.run(["ip", "link", "add", f"vh{number}", "type", "veth", "peer", "name", f"vi{number}"], check=True)
    openvswitch.change(
        ("add-br", "br0"), ("set", "Bridge", "br0", "datapath_type=netdev", "external_ids:coracle=mine"),
        ("add-br", "br1"), ("set", "Bridge", "br1", "datapath_type=netdev"),
        ("add-port", "br0", "vh0"), ("add-port", "br0", "vh1"), ("add-port", "br1", "vh2"),
        ("set", "Port", "vh1", "tag=5", "trunks=20,21,10", "vlan_mode=native-untagged", "protected=true", "external_ids:coracle=its"))


def test_bridges_and_ports(own_switch):
    assert ovs_tables.read().bridges == {}
    make_ports(own_switch)
    own_switch.vsctl("add-br", "br0v9", "br0", "9")
    found = ovs_tables.read()
    assert {name: (one.datapath, one.mark, one.ports) for name, one in found.bridges.items()} == {
        "br0": ("netdev", "mine", ["br0v9", "vh0", "vh1"]), "br1": ("netdev", "", ["vh2"])}
    one = found.ports["vh1"]
    assert (one.bridge, one.tag, one.trunks, one.vlan_mode, one.protected, one.mark, one.error) == (
        "br0", 5, [10, 20, 21], "native-untagged", True, "its", "")
    other = found.ports["vh2"]
    assert (other.bridge, other.tag, other.trunks, other.vlan_mode, other.protected, other.mark) == ("br1", None, [], "", False, "")
    assert [name for name, port in found.ports.items() if port.is_fake_bridge] == ["br0v9"]


def test_a_change_is_one_transaction(own_switch):
    make_ports(own_switch)
    with pytest.raises(LauncherError, match="already exists on bridge br0") as caught:
        openvswitch.change(("set", "Port", "vh2", "tag=7"), ("add-port", "br1", "vh0"))
    assert not isinstance(caught.value, openvswitch.NotCarriedOut)
    assert ovs_tables.read().ports["vh2"].tag is None


def test_what_the_switch_cannot_do_is_told_and_can_be_taken_back(own_switch):
    make_ports(own_switch)
    with pytest.raises(openvswitch.NotCarriedOut, match=r"could not open network device gone \(No such device\)\. See the log"):
        openvswitch.change(("add-port", "br0", "gone"))
    assert ovs_tables.read().ports["gone"].error
    openvswitch.change_soon(("--if-exists", "del-port", "br0", "gone"))
    assert "gone" not in ovs_tables.read().ports


def test_a_port_whose_interface_vanished_is_told(own_switch):
    make_ports(own_switch)
    subprocess.run(["ip", "link", "delete", "vh1"], check=True)
    openvswitch.change(("set", "Bridge", "br1", "external_ids:seen=1"))  # the switch has then seen it
    found = ovs_tables.read().ports
    assert found["vh1"].bridge == "br0"
    assert not found["vh2"].error


def test_without_the_switch_itself_a_change_fails_at_once(own_switch):
    make_ports(own_switch)
    own_switch.send("ovs-vswitchd", signal.SIGKILL)
    with pytest.raises(LauncherError, match="ovs-vswitchd of Open vSwitch is not running"):
        openvswitch.change(("set", "Port", "vh2", "tag=7"))
    assert ovs_tables.read().ports["vh2"].tag is None  # reading needs only the database
    openvswitch.change_soon(("set", "Port", "vh2", "tag=7"))
    assert ovs_tables.read().ports["vh2"].tag == 7


def test_a_switch_that_does_not_answer_is_not_waited_for_longer(own_switch, monkeypatch):
    make_ports(own_switch)
    monkeypatch.setattr(openvswitch.change, "__kwdefaults__", {"timeout": 1})
    own_switch.send("ovs-vswitchd", signal.SIGSTOP)
    with pytest.raises(openvswitch.NotCarriedOut, match="did not answer within 1 seconds"):
        openvswitch.change(("set", "Port", "vh2", "tag=7"))
    openvswitch.change_soon(("clear", "Port", "vh2", "tag"))
    assert ovs_tables.read().ports["vh2"].tag is None


def test_it_leaves_no_descriptor_open(own_switch):
    ovs_tables.read()
    before = len(os.listdir("/proc/self/fd"))
    ovs_tables.read()
    openvswitch.is_running()
    with pytest.raises(LauncherError):
        openvswitch.change(("add-port", "br9", "nosuch"))
    assert len(os.listdir("/proc/self/fd")) == before
