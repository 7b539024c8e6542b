# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest

from ansible_collections.coracle.launcher.plugins.module_utils._coracle.base.errors import LauncherError
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.model import mounting, settings
from ansible_collections.coracle.launcher.tests.unit.each import each


def _planned(**options):
    return [(one.target, one.source, one.read_only, one.recursive, one.noexec, one.data) for one in mounting.plan(settings.normalise(options))]


def test_what_others_lie_in_comes_first():
    assert [one[0] for one in _planned(mounts=[{"source": "/s", "target": "/a/b/c"}, {"source": "/s", "target": "/z"}], tmpfs=["/a/b", "/a"])] == [
        "/z", "/a", "/a/b", "/a/b/c"]


@each("word, plan", [
    ("/run", ("/run", None, False, True, True, f"size={64 << 20},mode=1777")),
    ("/run:exec,ro,size=1M,mode=0700,uid=5", ("/run", None, True, True, False, f"mode=700,size={1 << 20},uid=5")),
])
def test_a_tmpfs(word, plan):
    assert _planned(tmpfs=[word]) == [plan]


@each("mount, plan", [
    ({"source": "/s", "target": "/t", "type": "bind"}, ("/t", "/s", False, True, False, "")),
    ({"source": "/s", "target": "/t", "read_only": True, "non_recursive": True}, ("/t", "/s", True, False, False, "")),
    ({"type": "tmpfs", "target": "/t"}, ("/t", None, False, True, True, f"size={64 << 20},mode=1777")),
    ({"type": "tmpfs", "target": "/t", "tmpfs_size": "1M", "tmpfs_mode": "0755", "read_only": False},
     ("/t", None, False, True, True, f"size={1 << 20},mode=755")),
])
def test_a_mount(mount, plan):
    assert _planned(mounts=[mount]) == [plan]


def test_two_on_one_directory_are_refused():
    spec = settings.normalise({"mounts": [{"source": "/s", "target": "/t"}], "tmpfs": ["/t/"]})
    with pytest.raises(LauncherError, match="mounted on twice"):
        mounting.check_together(spec)
    mounting.check_together(settings.normalise({"mounts": [{"source": "/s", "target": "/t"}], "tmpfs": ["/t2"]}))


def test_the_order_of_a_task_means_nothing():
    one, other = {"source": "/a", "target": "/a"}, {"source": "/b", "target": "/b"}
    assert settings.normalise({"mounts": [one, other]}) == settings.normalise({"mounts": [other, one]})
