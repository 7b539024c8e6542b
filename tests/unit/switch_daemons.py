# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Open vSwitch with its datapath in user space, for tests that have a network and a /run of their own (fixture own_network)."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time

import pytest

_SCHEMA = "/usr/share/openvswitch/vswitch.ovsschema"
_PLACE = "/run/openvswitch"


class Switch:
    """Both daemons. `place`: their directory, where every program of Open vSwitch looks for them."""

    def __init__(self):
        self.place = _PLACE
        self._environment = {**os.environ, **{f"OVS_{name}": _PLACE for name in ("RUNDIR", "LOGDIR", "DBDIR", "SYSCONFDIR")}}
        self._daemons = {}
        os.makedirs(_PLACE)
        self._run("ovsdb-tool", "create", f"{_PLACE}/conf.db", _SCHEMA)
        self.start("ovsdb-server", f"{_PLACE}/conf.db", f"--remote=punix:{_PLACE}/db.sock")
        self._run("ovs-vsctl", "--no-wait", "init")
        self.start("ovs-vswitchd", f"unix:{_PLACE}/db.sock")

    def _run(self, *command):
        return subprocess.run(command, check=True, env=self._environment, capture_output=True, text=True, timeout=20).stdout

    def start(self, name, *arguments):
        """Start one of the daemons and return when it listens."""
        control = f"{self.place}/{name}.ctl"
        command = [name, *arguments, f"--pidfile={self.place}/{name}.pid", f"--unixctl={control}", f"--log-file={self.place}/{name}.log"]
        self._daemons[name] = subprocess.Popen(command, env=self._environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 20
        while not os.path.exists(control) or not os.path.exists(f"{self.place}/{name}.pid"):
            assert time.monotonic() < deadline and self._daemons[name].poll() is None, f"{name} does not start"
            time.sleep(0.01)

    def send(self, name, number):
        """Send a signal to one of the daemons; SIGKILL is waited for."""
        self._daemons[name].send_signal(number)
        if number == signal.SIGKILL:
            self._daemons[name].wait()

    def vsctl(self, *words):
        """Run ovs-vsctl as an administrator would, and return what it prints."""
        return self._run("ovs-vsctl", "--timeout=10", *words).strip()

    def stop(self):
        """End what still runs."""
        for daemon in reversed(list(self._daemons.values())):
            if daemon.poll() is None:
                daemon.send_signal(signal.SIGCONT)
                daemon.terminate()
            daemon.wait(20)


@contextlib.contextmanager
def running_switch():
    """Context manager: a Switch with nothing in it."""
    if not shutil.which("ovs-vswitchd", path="/usr/sbin:/usr/bin:/sbin:/bin") or not os.path.exists(_SCHEMA):
        pytest.skip("Open vSwitch is not installed")
    switch = Switch()
    try:
        yield switch
    finally:
        switch.stop()
