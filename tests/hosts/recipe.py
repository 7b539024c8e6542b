# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the test hosts are, and the key that changes with it: images of another key are built again."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

HERE = Path(__file__).resolve().parent

# kind -> (tree, arguments for its kernel, what a guest of this kind must be)
KINDS = {
    "debian": ("debian", [], {"init": "systemd", "cgroup": "cgroup2fs"}),
    "slackware": ("slackware", [], {"init": "init", "cgroup": "tmpfs"}),
    "v2": ("slackware", ["cgroups_version=2"], {"init": "init", "cgroup": "cgroup2fs"}),
}
SUITE = "bookworm"
KERNEL = "linux-image-cloud-amd64"
BASE = ("ca-certificates", "openssh-server", "python3", "python3-pyroute2", "iproute2", "kmod", "procps", "iputils-ping", "ethtool", "openvswitch-switch")
TREES = {"debian": ("systemd-sysv", "udev"), "slackware": ("sysvinit-core",)}
# What the first process loads, before what they need themselves.
MODULES = ("virtio_ring", "virtio", "virtio_pci_modern_dev", "virtio_pci_legacy_dev", "virtio_pci", "virtio_blk", "failover", "net_failover",
           "virtio_net", "rng-core", "virtio-rng")
# Units that cost a boot under emulation seconds and that no case needs; Open vSwitch is started by the case that wants it.
MASKED = ("e2scrub_reap.service", "getty-static.service", "serial-getty@ttyS0.service", "getty@tty1.service", "ovsdb-server.service",
          "ovs-vswitchd.service", "ovs-record-hostname.service", "systemd-binfmt.service", "systemd-pstore.service", "modprobe@efi_pstore.service",
          "modprobe@dm_mod.service", "modprobe@drm.service", "modprobe@fuse.service", "systemd-timesyncd.service", "apt-daily.timer",
          "apt-daily-upgrade.timer", "e2scrub_all.timer", "fstrim.timer", "dpkg-db-backup.timer", "systemd-update-utmp.service")
IMAGE_SIZE = "1200M"
_BUILDERS = ("recipe.py", "build.py", "machine.py", "init")


def output(*command: str) -> str:
    """Return what a command prints; CalledProcessError when it fails."""
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def key() -> str:
    """Return the digest of the files here, of the kernel that the archive has, and of the emulator and processor that saved states need."""
    digest = hashlib.sha256()
    for path in sorted([HERE / name for name in _BUILDERS] + [path for path in (HERE / "trees").rglob("*") if path.is_file()]):
        digest.update(f"{path.relative_to(HERE)} {path.stat().st_mode:o}\n".encode() + path.read_bytes())
    digest.update(output("apt-cache", "policy", KERNEL, "systemd-sysv", "openssh-server").encode())
    digest.update(output("qemu-system-x86_64", "--version").encode())
    digest.update(next(line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("flags")).encode())
    return digest.hexdigest()[:12]
