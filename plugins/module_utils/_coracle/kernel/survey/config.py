# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The configuration that a kernel was built with, and what those of its options that are off take away."""

from __future__ import annotations

import zlib

from ...base import files
from ...base.errors import LauncherError
from .facts import gap

# Where kernels and distributions leave it. /proc/config.gz is the running kernel's own, the others are beside its modules and image.
PLACES = ("/proc/config.gz", "/boot/config-{release}", "/lib/modules/{release}/config", "/usr/lib/modules/{release}/config")
_LIMIT = 4 << 20  # bytes; they have 150 to 300 KiB

# (option, what a host without it cannot have, on which version of cgroups that counts: '' for both). Those without a purpose are told,
# but their absence shows elsewhere: a controller, a namespace or a module is not there.
OPTIONS = (
    ("CGROUPS", "", ""),
    ("MEMCG", "", ""),
    ("MEMCG_V1", "", ""),
    ("MEMCG_SWAP", "", ""),
    ("CPUSETS", "", ""),
    ("CPUSETS_V1", "", ""),
    ("FAIR_GROUP_SCHED", "cpu_shares and cpu_percent", ""),
    ("CFS_BANDWIDTH", "cpus, cpu_period and cpu_quota", ""),
    ("CGROUP_CPUACCT", "", ""),
    ("CGROUP_PIDS", "", ""),
    ("CGROUP_FREEZER", "", ""),
    ("CGROUP_DEVICE", "devices", "v1"),
    ("CGROUP_BPF", "devices", "v2"),
    ("CGROUP_HUGETLB", "hugepages", ""),
    ("BLK_CGROUP", "", ""),
    ("BLK_DEV_THROTTLING", "limits of device rates", ""),
    ("BLK_CGROUP_IOCOST", "", ""),
    ("BFQ_GROUP_IOSCHED", "blkio_weight", "v1"),
    ("PSI", "pressure", "v2"),
    ("PID_NS", "", ""),
    ("NET_NS", "", ""),
    ("UTS_NS", "", ""),
    ("IPC_NS", "", ""),
    ("USER_NS", "", ""),
    ("SECCOMP_FILTER", "", ""),
    ("SECURITY_LANDLOCK", "", ""),
    ("OVERLAY_FS", "", ""),
    ("VETH", "", ""),
    ("BRIDGE", "", ""),
    ("BRIDGE_VLAN_FILTERING", "VLANs on a bridge", ""),
    ("VLAN_8021Q", "", ""),
    ("OPENVSWITCH", "", ""),
)


class Config:
    """`path`: the file it was read from, None when there is none that can be read."""

    __slots__ = ("path", "_values")

    def __init__(self, path: str | None, values: dict[str, str]):
        self.path = path
        self._values = values

    def state(self, option: str) -> str | None:
        """'y', 'm' or 'n' of an option, named without CONFIG_; None when that is not known: no configuration, or no such option in it.

        An option that is not mentioned may be one that this version no longer has, or has not yet.
        """
        return self._values.get(option)

    def states(self) -> dict[str, str | None]:
        """{name with CONFIG_: state} of OPTIONS."""
        return {f"CONFIG_{option}": self.state(option) for option, _purpose, _version in OPTIONS}


def find(release: str, places: tuple[str, ...] = PLACES) -> Config:
    """Return the configuration of the kernel `release` (uname -r), from the first of `places` that can be read."""
    for place in places:
        path = place.format(release=release)
        try:
            content = files.read_limited(path, _LIMIT)
            if path.endswith(".gz"):
                content = zlib.decompress(content, 31)
        except (OSError, LauncherError, zlib.error):
            continue
        return Config(path, _parse(content.decode("utf-8", "replace")))
    return Config(None, {})


def _parse(content: str) -> dict[str, str]:
    """'CONFIG_VETH=m' and '# CONFIG_VETH is not set' -> {'VETH': 'm'}, {'VETH': 'n'}. Options with another value are left out."""
    found = {}
    for line in content.split("\n"):
        if line.startswith("# CONFIG_") and line.endswith(" is not set"):
            found[line[len("# CONFIG_"):-len(" is not set")]] = "n"
        elif line.startswith("CONFIG_") and line.endswith(("=y", "=m")):
            found[line[len("CONFIG_"):-2]] = line[-1]
    return found


def gaps(config: Config, mode: str) -> list[dict[str, str]]:
    """What options that are off take away on a host with cgroup `mode` (kernel/cgroup/detect.py)."""
    version = "v2" if mode == "v2" else "v1"
    return [gap("kernel", f"the kernel was built without CONFIG_{option}, needed for {purpose}", f"Use a kernel with CONFIG_{option}")
            for option, purpose, only in OPTIONS if purpose and only in ("", version) and config.state(option) == "n"]
