# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest

from ansible_collections.coracle.launcher.plugins.module_utils._coracle.base.errors import LauncherError
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.kernel.cgroup import detect

SLACKWARE = """\
25 30 0:22 / /sys rw,relatime - sysfs sysfs rw
31 25 0:28 / /sys/fs/cgroup rw,relatime shared:4 - tmpfs cgroup_root rw,size=8192k,mode=755
32 31 0:29 / /sys/fs/cgroup/cpuset rw,relatime shared:5 - cgroup cpuset rw,cpuset
33 31 0:30 / /sys/fs/cgroup/cpu rw,relatime - cgroup cpu rw,cpu
34 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup memory rw,memory
35 31 0:36 / /sys/fs/cgroup/pids rw,relatime - cgroup pids rw,pids
36 31 0:37 / /sys/fs/cgroup/elogind rw,nosuid - cgroup cgroup rw,xattr,release_agent=/lib/elogind/elogind-cgroups-agent,name=elogind
"""
SYSTEMD_V1 = """\
24 18 0:22 / /sys/fs/cgroup/systemd rw shared:9 - cgroup cgroup rw,xattr,name=systemd
25 18 0:23 / /sys/fs/cgroup/cpu,cpuacct rw shared:10 - cgroup cgroup rw,cpu,cpuacct
26 18 0:24 / /dev/cg\\040roups/memory rw - cgroup none rw,memory,clone_children
"""


def unified(tmp_path, controllers, name="unified"):
    """A mountinfo line of a v2 hierarchy whose root offers `controllers`."""
    mount = tmp_path / name
    mount.mkdir()
    (mount / "cgroup.controllers").write_text(controllers + "\n")
    return str(mount), f"40 25 0:38 / {mount} rw,nosuid shared:11 - cgroup2 cgroup2 rw,nsdelegate,memory_recursiveprot\n"


def test_v1_is_one_mount_for_each_controller_and_elogind_is_none():
    layout = detect.find(SLACKWARE)
    assert (layout.mode, layout.unified) == (detect.V1, None)
    assert layout.mounts == {name: f"/sys/fs/cgroup/{name}" for name in ("cpuset", "cpu", "memory", "pids")}


def test_v1_controllers_may_share_a_mount_anywhere():
    layout = detect.find(SYSTEMD_V1)
    assert layout.mounts == {"cpu": "/sys/fs/cgroup/cpu,cpuacct", "cpuacct": "/sys/fs/cgroup/cpu,cpuacct", "memory": "/dev/cg roups/memory"}


def test_hybrid_has_limits_in_v1_only(tmp_path):
    mount, line = unified(tmp_path, "")
    layout = detect.find(SLACKWARE + line)
    assert (layout.mode, layout.unified) == (detect.HYBRID, mount)
    assert "unified" not in layout.mounts and layout.mounts["memory"] == "/sys/fs/cgroup/memory"


def test_v2_offers_its_controllers_at_one_mount(tmp_path):
    mount, line = unified(tmp_path, "cpuset cpu io memory hugetlb pids")
    layout = detect.find(line)
    assert (layout.mode, layout.unified) == (detect.V2, mount)
    assert layout.mounts == dict.fromkeys(("cpuset", "cpu", "io", "memory", "hugetlb", "pids"), mount)


def test_a_lone_v1_mount_beside_v2_does_not_make_it_hybrid(tmp_path):
    mount, line = unified(tmp_path, "cpu memory pids")
    layout = detect.find(line + "50 25 0:50 / /opt/vpn/net_cls rw - cgroup net_cls rw,net_cls\n")
    assert layout.mode == detect.V2 and layout.mounts["memory"] == mount


def test_v2_without_any_controller_is_still_v2(tmp_path):
    mount, line = unified(tmp_path, "")
    layout = detect.find(line)
    assert (layout.mode, layout.mounts, layout.unified) == (detect.V2, {}, mount)


@pytest.mark.parametrize("order", [1, -1])
def test_the_whole_hierarchy_goes_before_a_mount_of_a_part(order):
    lines = ["60 1 0:32 /machine /srv/part rw - cgroup memory rw,memory", "61 1 0:32 / /sys/fs/cgroup/memory rw - cgroup memory rw,memory"]
    assert detect.find("\n".join(lines[::order])).mounts == {"memory": "/sys/fs/cgroup/memory"}


def test_a_part_serves_where_there_is_nothing_else():
    assert detect.find("60 1 0:32 /docker/1 /sys/fs/cgroup/memory ro - cgroup memory rw,memory").mounts == {"memory": "/sys/fs/cgroup/memory"}


@pytest.mark.parametrize("mountinfo", ["", "25 30 0:22 / /sys rw - sysfs sysfs rw\n", SLACKWARE.partition("32 31")[0], "garbage - cgroup\n"])
def test_no_cgroup_is_an_error_with_a_remedy(mountinfo):
    with pytest.raises(LauncherError) as caught:
        detect.find(mountinfo)
    assert "mount -t cgroup2" in caught.value.remedy


@pytest.mark.parametrize(("booted", "home"), [("run/systemd/system", "machine.slice/coracle.service"), ("run/systemd", "coracle")])
def test_only_below_systemd_v2_has_its_home_in_a_unit(tmp_path, booted, home):
    (tmp_path / booted).mkdir(parents=True)
    systemd = str(tmp_path / "run/systemd/system")
    layout = detect.find(unified(tmp_path, "cpu memory pids")[1], systemd)
    assert (layout.home, layout.is_delegated) == (home, home != "coracle")
    assert detect.find(SYSTEMD_V1, systemd).home == "coracle"


@pytest.mark.parametrize(("name", "there"), [
    ("coracle", "machine.slice/coracle.service"),
    ("coracle/web", "machine.slice/coracle.service/web"),
    ("coracle/.supervisor", "machine.slice/coracle.service/.supervisor"),
    ("coracles/web", "coracles/web"),
    ("system.slice/coracle", "system.slice/coracle"),
    ("", ""),
])
def test_what_people_name_coracle_is_at_home(name, there):
    assert detect.Layout(detect.V2, {}, "/c", "machine.slice/coracle.service").path(name) == there
    assert detect.Layout(detect.V1, {}, None).path(name) == name


def test_membership_of_v1_ignores_named_hierarchies():
    layout = detect.Layout(detect.HYBRID, {"cpu": "/c/cpu", "cpuacct": "/c/cpu", "memory": "/c/memory"}, "/c/unified")
    content = "9:name=systemd:/user\n4:memory:/a:b/c\n2:cpu,cpuacct:/\n0::/x"
    assert detect.membership(layout, content) == ["/c/memory/a:b/c", "/c/cpu"]


def test_membership_of_v2():
    layout = detect.Layout(detect.V2, {"memory": "/c"}, "/c")
    assert detect.membership(layout, "1:net_cls:/vpn\n0::/system.slice/a.service") == ["/c/system.slice/a.service"]
