# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
from pathlib import Path

import pytest

from ansible_collections.coracle.launcher.plugins.module_utils._coracle.base import places
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.base.errors import LauncherError
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.kernel.cgroup import detect
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.work import delegation

ROLE = Path(__file__).parents[6] / "roles/container_host/files/coracle.service"


@pytest.fixture
def host(tmp_path, monkeypatch):
    """A systemd that makes the cgroup when `complaint` is empty, and remembers what it was asked. `layout` of this host."""

    class Host:
        layout = detect.Layout(detect.V2, {}, str(tmp_path), places.CGROUP_UNIT)
        home = tmp_path / places.CGROUP_UNIT
        units = tmp_path / "units"
        complaint = ""
        asked: list = []

        def systemctl(self, *words):
            self.asked.append(words)
            if not self.complaint:
                self.home.mkdir(parents=True)
            return self.complaint

    found = Host()
    found.asked = []
    found.units.mkdir()
    monkeypatch.setattr(places, "SYSTEMD", str(found.units))
    monkeypatch.setattr(delegation, "_DIRECTORIES", (str(found.units),))
    monkeypatch.setattr(delegation, "_systemctl", found.systemctl)
    return found


def test_a_host_without_the_role_gets_a_unit_until_it_goes_down(host):
    delegation.ensure(host.layout)
    assert os.listdir(host.units) == [delegation.UNIT] and "Delegate=yes" in (host.units / delegation.UNIT).read_text()
    assert host.asked == [("restart", "--no-block", delegation.UNIT)]
    delegation.ensure(host.layout)
    assert len(host.asked) == 1


def test_the_unit_of_the_role_is_started_and_never_replaced(host):
    (host.units / delegation.UNIT).write_text("the role's\n")
    delegation.ensure(host.layout)
    assert (host.units / delegation.UNIT).read_text() == "the role's\n" and len(host.asked) == 1


def test_elsewhere_nothing_is_asked_of_systemd(host):
    delegation.ensure(detect.Layout(detect.V2, {}, str(host.units)))
    delegation.ensure(detect.Layout(detect.V1, {}, None))
    assert host.asked == [] and not os.listdir(host.units)


def test_what_systemd_says_is_in_the_error(host):
    host.complaint = "Unit coracle.service is masked."
    with pytest.raises(LauncherError) as caught:
        delegation.ensure(host.layout)
    assert "is masked" in str(caught.value) and "systemctl status coracle.service" in caught.value.remedy


def test_a_program_that_is_not_there_or_fails_is_a_complaint(tmp_path, monkeypatch):
    monkeypatch.setattr(
        os, "posix_spawnp", lambda _name, words, env, **options: os.posix_spawn("/bin/sh", ["sh", "-c", words[2]], env, **options)
    )
    assert delegation._systemctl("exit 0") == ""
    assert delegation._systemctl("echo no >&2; exit 1") == "no"
    assert delegation._systemctl("exit 1") == "systemctl failed"


def test_the_units_of_role_and_module_have_the_same_cgroup():
    def said(text):
        return {line for line in text.split("\n") if line and line[0] not in "#[" and not line.startswith("ExecStartPost=-")}

    role, module = said(ROLE.read_text()), said(delegation._CONTENT)
    assert role - module == {"RequiresMountsFor=/usr/local /var/lib/coracle", "WantedBy=multi-user.target"} and not module - role
