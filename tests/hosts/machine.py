# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The emulated machine: what a saved state was made on and is restored on must be equal in all of this."""

from __future__ import annotations

from pathlib import Path

MEMORY = "512"  # MiB
# Without what an emulated processor is slow at: nested virtualization, long page walks, string instructions byte by byte.
CPU = "max,-svm,la57=off,-erms,-fsrm"
KERNEL_ARGUMENTS = "root=/dev/vda rw console=ttyS0 net.ifnames=0 quiet mitigations=off nokaslr audit=0 apparmor=0"


def command(
    home: Path, kind: str, folder: Path, port: int, lan: Path | None, arguments: list[str], throw_away: bool, restore: bool
) -> list[str]:
    """qemu with the disk of `kind`; its sshd answers on `port` of 127.0.0.1, and nothing else of this machine or beyond can be reached from it.

    `lan`: the socket of a hub (lan.py) to which its second NIC is connected; None leaves it without a wire. `arguments` go to its kernel.
    `throw_away`: what is written on the disk goes with the process, though not with a reboot of the guest. `restore`: it goes on from its
    saved state, and boots otherwise.
    """
    wire = f"stream,id=n1,server=off,addr.type=unix,addr.path={lan}" if lan is not None else "hubport,id=n1,hubid=1"
    disk = f"if=none,id=d0,file={home}/{kind}.qcow2,format=qcow2,cache=unsafe" + (",snapshot=on" if throw_away else "")
    words = ["qemu-system-x86_64", "-M", "q35", "-accel", "tcg,thread=multi,tb-size=256", "-cpu", CPU, "-smp", "2",
             "-m", MEMORY, "-nodefaults", "-no-user-config", "-display", "none", "-serial", f"file:{folder}/console.log",
             "-monitor", f"unix:{folder}/monitor,server=on,wait=off", "-kernel", f"{home}/kernel", "-initrd", f"{home}/initrd",
             "-append", " ".join([KERNEL_ARGUMENTS, *arguments]), "-drive", disk, "-device", "virtio-blk-pci,drive=d0",
             "-netdev", f"user,id=n0,restrict=on,hostfwd=tcp:127.0.0.1:{port}-:22", "-device", "virtio-net-pci,netdev=n0,romfile=",
             "-netdev", wire, "-device", "virtio-net-pci,netdev=n1,romfile=,mac=52:54:00:12:34:57", "-device", "virtio-rng-pci"]  # fmt: skip
    return [*words, "-incoming", f"exec:cat {home}/{kind}.state"] if restore else words
