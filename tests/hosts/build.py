# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images of the test hosts out of Debian's packages: one base tree, two trees of it, a disk of each, and a saved state of each kind.

    HOME/HOSTS-KEY/  kernel, initrd, id_ed25519, TREE.ext4, KIND.qcow2, KIND.state
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import guest
import recipe

NO_SERVICES = "#!/bin/sh\nexit 101\n"
UNNEEDED = ("usr/share/doc", "usr/share/man", "usr/share/locale", "usr/share/info", "var/lib/apt/lists", "var/cache/apt")


def built(cache: Path) -> Path:
    """Return the folder of images for this recipe, made unless it is there; those of other recipes go."""
    home = cache / f"hosts-{recipe.key()}"
    with open(cache / "lock-hosts", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not home.exists():
            unfinished = cache / "unfinished-hosts"
            shutil.rmtree(unfinished, ignore_errors=True)
            unfinished.mkdir()
            build(unfinished)
            for old in cache.glob("hosts-*"):
                shutil.rmtree(old)
            unfinished.rename(home)
    return home


def build(home: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="trees-", dir=home) as scratch:
        work = Path(scratch)
        say("base tree")
        base = make_base(work)
        release = add_kernel(work, home)
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "tests", "-f", str(home / "id_ed25519"))
        for name in recipe.TREES:
            say(f"tree {name}")
            tree = work / name
            run("cp", "-a", str(base), str(tree))
            {"debian": make_debian, "slackware": make_slackware}[name](tree, work)
            finish_tree(tree, name, home, work / "kernel", release)
            run("mke2fs", "-q", "-t", "ext4", "-m", "0", "-E", "root_owner=0:0", "-d", str(tree), str(home / f"{name}.ext4"), recipe.IMAGE_SIZE)
            shutil.rmtree(tree)
    for kind in recipe.KINDS:
        say(f"state {kind}")
        save_state(home, kind)


def say(what: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} hosts: {what}", file=sys.stderr, flush=True)


def run(*command: str, **options) -> None:
    """Run a command; its output is shown only when it fails."""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, **options)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}\n{done.stdout[-4000:]}\nended with {done.returncode}")


def make_base(work: Path) -> Path:
    base = work / "base"
    # debootstrap mounts in the tree; in a mount namespace of its own nothing of that can stay.
    run("unshare", "-m", "--propagation", "private", "debootstrap", "--variant=minbase", f"--include={','.join(recipe.BASE)}", recipe.SUITE, str(base))
    (base / "usr/sbin/policy-rc.d").write_text(NO_SERVICES)
    (base / "usr/sbin/policy-rc.d").chmod(0o755)
    return base


def download(work: Path, package: str) -> Path:
    """Return the file of a package as apt-get fetches it."""
    folder = work / "debs"
    folder.mkdir(exist_ok=True)
    before = set(folder.iterdir())
    run("apt-get", "download", "-o", "APT::Sandbox::User=root", package, cwd=folder)
    return (set(folder.iterdir()) - before).pop()


def add_kernel(work: Path, home: Path) -> str:
    """Unpack the kernel that the meta package names; return its release."""
    depends = recipe.output("apt-cache", "depends", "--important", recipe.KERNEL)
    package = next(word for word in depends.split() if word.startswith("linux-image-") and word != recipe.KERNEL)
    run("dpkg", "-x", str(download(work, package)), str(work / "kernel"))
    release = package.partition("linux-image-")[2]
    shutil.copy(work / f"kernel/boot/vmlinuz-{release}", home / "kernel")
    run("depmod", "-b", str(work / "kernel"), release)
    make_initrd(work, home, release)
    return release


def make_initrd(work: Path, home: Path, release: str) -> None:
    tree = work / "initrd"
    for name in ("bin", "modules", "proc", "dev", "root"):
        (tree / name).mkdir(parents=True)
    shutil.copy("/bin/busybox", tree / "bin/busybox")
    (tree / "init").write_text("#!/bin/busybox sh\n" + (recipe.HERE / "init").read_text())
    (tree / "init").chmod(0o755)
    order = []
    for module in recipe.MODULES:
        listed = subprocess.run(("modprobe", "-d", str(work / "kernel"), "-S", release, "-D", module), stdout=subprocess.PIPE,
                                stderr=subprocess.DEVNULL, text=True, check=False).stdout
        for line in listed.splitlines():
            path = line.partition("insmod ")[2].strip()
            if path and os.path.basename(path) not in order:
                order.append(os.path.basename(path))
                shutil.copy(path, tree / "modules")
    (tree / "modules/order").write_text("".join(f"{name}\n" for name in order))
    run("sh", "-c", f"cd {tree} && find . | cpio -o -H newc --quiet > {home}/initrd")


def install(tree: Path, *packages: str) -> None:
    shutil.copy("/etc/resolv.conf", tree / "etc/resolv.conf")
    for name in Path("/etc/apt/apt.conf.d").iterdir():  # proxies and certificates of this machine
        shutil.copy(name, tree / "etc/apt/apt.conf.d")
    environment = {"DEBIAN_FRONTEND": "noninteractive", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"}
    run("chroot", str(tree), "apt-get", "-qq", "-o", "Dpkg::Options::=--force-unsafe-io", "install", "-y", "--no-install-recommends", *packages,
        env=environment)


def make_debian(tree: Path, _work: Path) -> None:
    install(tree, *recipe.TREES["debian"])
    units = tree / "etc/systemd/system"
    for unit in recipe.MASKED:
        (units / unit).unlink(missing_ok=True)
        (units / unit).symlink_to("/dev/null")
    run("chroot", str(tree), "systemctl", "enable", "systemd-networkd", "ssh")


def make_slackware(tree: Path, work: Path) -> None:
    """Debian's programs under Slackware's init: none of Debian's boot scripts, no apt, no dpkg, no systemd."""
    for package in recipe.TREES["slackware"]:
        run("dpkg", "-x", str(download(work, package)), str(work / "sysvinit"))
    run("cp", "-a", f"{work}/sysvinit/sbin/.", str(tree / "sbin"))
    for name in ("etc/init.d", "etc/systemd", "lib/systemd/system", "etc/apt", "var/lib/dpkg", *(f"etc/rc{level}.d" for level in "0123456S")):
        shutil.rmtree(tree / name, ignore_errors=True)
    (tree / "etc/debian_version").unlink(missing_ok=True)
    (tree / "etc/os-release").unlink()
    for program in [*(tree / "usr/bin").glob("apt*"), *(tree / "usr/bin").glob("dpkg*")]:
        program.unlink()
    (tree / "etc/rc.d/init.d").mkdir(parents=True)
    (tree / "etc/init.d").symlink_to("rc.d/init.d")


def finish_tree(tree: Path, name: str, home: Path, kernel: Path, release: str) -> None:
    for source in ("common", name):
        run("cp", "-a", "--no-preserve=ownership", f"{recipe.HERE}/trees/{source}/.", str(tree))
    (tree / "usr/lib/modules").mkdir(exist_ok=True)
    run("cp", "-a", f"{kernel}/lib/modules/{release}", str(tree / "usr/lib/modules"))
    for leftover in (tree / "etc/ssh").glob("ssh_host_*"):
        leftover.unlink()
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tree / "etc/ssh/ssh_host_ed25519_key"))
    (tree / "root/.ssh").mkdir(mode=0o700, exist_ok=True)
    (tree / "root/.ssh/authorized_keys").write_text((home / "id_ed25519.pub").read_text())
    (tree / "root/.ssh/authorized_keys").chmod(0o600)
    (tree / "usr/sbin/policy-rc.d").unlink(missing_ok=True)
    (tree / "etc/hostname").write_text(f"{name}\n")
    (tree / "etc/hosts").write_text(f"127.0.0.1 localhost {name}\n::1 localhost\n")
    (tree / "etc/resolv.conf").unlink(missing_ok=True)
    (tree / "etc/machine-id").write_text("")
    for folder in UNNEEDED:
        shutil.rmtree(tree / folder, ignore_errors=True)


def save_state(home: Path, kind: str) -> None:
    """Boot a kind once, warm it up, and save it while it runs: saved after `stop`, it would be restored stopped."""
    run("qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", f"{recipe.KINDS[kind][0]}.ext4", str(home / f"{kind}.qcow2"))
    with tempfile.TemporaryDirectory(prefix="boot-", dir=home) as folder:
        booted = guest.Guest(home, kind, Path(folder), throw_away=False, restore=False)
        booted.start()
        try:
            booted.wait(180)
            booted.ssh("python3 -c 'import json, subprocess' && sync && echo 1 > /proc/sys/vm/drop_caches")
            booted.save(home / f"{kind}.state.new")
        finally:
            booted.end()
    os.rename(home / f"{kind}.state.new", home / f"{kind}.state")


if __name__ == "__main__":
    print(built(Path(sys.argv[1])))
