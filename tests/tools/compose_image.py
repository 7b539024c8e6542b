#!/usr/bin/env python
# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compose an image for tests and the demo out of Debian's busybox-static and bash-static: compose_image.py KIND OUT.

demo        gzip; busybox as hard links in /bin, bash, users root and nobody (99:98): the smallest image that runs the article
slackware   xz --check=crc32; shaped like isolinux/initrd.img: './' names, absolute symbolic links, 200 device nodes, bash as /bin/sh
microcode   an early segment that is not compressed, zeros, then the demo: what an initrd with CPU microcode looks like

The same input makes the same bytes. The writer of cpio archives here knows nothing of the reader that it is used to test.
"""

from __future__ import annotations

import gzip
import lzma
import os
import sys

TIME = 1467331200  # the summer of Slackware 14.2
BUSYBOX = ("busybox-static", ("/bin/busybox", "/usr/bin/busybox"))
BASH = ("bash-static", ("/bin/bash-static", "/usr/bin/bash-static"))

APPLETS = """[ ash awk basename cat chgrp chmod chown clear cp cut date dd df dirname dmesg du echo env expr false find free grep groups head
hostname httpd id ifconfig ip kill killall less ln logger ls md5sum mkdir mkfifo mktemp more mount mv nc netstat nslookup od
pidof ping ping6 printf ps pwd readlink realpath rm rmdir route sed seq sh sha256sum sleep sort stat stty sync tail tar tee test
time timeout top touch tr traceroute true tty umount uname uniq unlink uptime usleep vi watch wc wget which whoami xargs yes""".split()

PASSWD = """root:x:0:0::/root:/bin/bash
nobody:x:99:99:nobody:/:/bin/false
"""
GROUP = """root:x:0:root
tty:x:5:
nobody:x:98:nobody
nogroup:x:99:
"""
BASHRC = r"PS1='[\t \u@\h:\w]\$ '" + "\nPATH=/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin\n"


class Cpio:
    """A cpio archive of format newc in the making. `prefix` goes before each name, as find prints it."""

    def __init__(self, prefix=""):
        self.prefix = prefix
        self.inode = 0
        self.parts = []

    def header(self, name, mode, data=b"", links=1, inode=None, device=(0, 0), mtime=TIME):
        """Append one entry."""
        if inode is None:
            self.inode += 1
            inode = self.inode
        raw = name.encode() + b"\0"
        fields = (inode, mode, 0, 0, links, mtime, len(data), 8, 1, device[0], device[1], len(raw), 0)
        head = b"070701" + b"".join(b"%08X" % field for field in fields) + raw
        self.parts += [head, b"\0" * (-len(head) % 4), data, b"\0" * (-len(data) % 4)]

    def directory(self, name, mode=0o755):
        self.header(self.prefix + name if name != "." else ".", 0o040000 | mode, links=2)

    def file(self, name, data, mode=0o644):
        self.header(self.prefix + name, 0o100000 | mode, data)

    def symlink(self, name, target):
        self.header(self.prefix + name, 0o120777, target.encode())

    def device(self, name, kind, major, minor, mode):
        self.header(self.prefix + name, {"c": 0o020000, "b": 0o060000}[kind] | mode, device=(major, minor))

    def links(self, names, data, mode=0o755):
        """One file with several names; the data is with the last, as GNU cpio does it."""
        self.inode += 1
        for name in names:
            self.header(self.prefix + name, 0o100000 | mode, data if name == names[-1] else b"", len(names), self.inode)

    def finish(self):
        """Return the archive, padded to blocks of 512 as cpio -o does."""
        self.header("TRAILER!!!", 0, inode=0, mtime=0)
        whole = b"".join(self.parts)
        return whole + b"\0" * (-len(whole) % 512)


def binary(source):
    """Return the content of the first path that is there, or end with the package to install."""
    package, paths = source
    for path in paths:
        if os.path.isfile(path):
            with open(path, "rb") as file:
                return file.read()
    raise SystemExit(f"compose_image.py: {paths[0]} is not there. Install it: apt-get install {package}")


def common(archive):
    """Append the directories and files that every image has."""
    for name, mode in (("bin", 0o755), ("dev", 0o755), ("etc", 0o755), ("home", 0o755), ("mnt", 0o755), ("proc", 0o755), ("root", 0o700),
                       ("run", 0o755), ("sbin", 0o755), ("sys", 0o755), ("tmp", 0o1777), ("usr", 0o755), ("usr/bin", 0o755),
                       ("usr/sbin", 0o755), ("var", 0o755), ("var/log", 0o755), ("var/www", 0o755)):
        archive.directory(name, mode)
    for name, text in (("etc/passwd", PASSWD), ("etc/group", GROUP), ("etc/bash.bashrc", BASHRC), ("etc/profile", BASHRC),
                       ("root/.bashrc", BASHRC), ("etc/hosts", "127.0.0.1 localhost\n::1 localhost\n"),
                       ("var/www/index.html", "<h1>coracle</h1>\n")):
        archive.file(name, text.encode())


def demo():
    archive = Cpio()
    archive.directory(".")
    common(archive)
    archive.links(["bin/busybox"] + [f"bin/{name}" for name in APPLETS], binary(BUSYBOX))
    archive.file("bin/bash", binary(BASH), 0o755)
    archive.symlink("init", "bin/sh")
    archive.device("dev/console", "c", 5, 1, 0o600)
    archive.device("dev/null", "c", 1, 3, 0o666)
    return gzip.compress(archive.finish(), 9, mtime=0)


def slackware():
    archive = Cpio("./")
    archive.directory(".")
    common(archive)
    for name in ("cdrom.d", "floppy", "lib", "lib64", "lost+found", "scripts", "tag", "var/log/setup", "var/log/mount"):
        archive.directory(name)
    for name, target in (("boot", "/mnt/boot"), ("cdrom", "/var/log/mount"), ("nfs", "/var/log/mount"), ("etc/mtab", "/proc/mounts"),
                         ("bin/compress", "/usr/bin/compress"), ("root/README", "/etc/motd"), ("var/log/packages", "/mnt/var/log/packages"),
                         ("var/log/scripts", "/mnt/var/log/scripts"), ("var/log/setup/tmp", "/tmp"), ("init", "sbin/init"),
                         ("bin/sh", "bash"), ("sbin/init", "/bin/busybox")):
        archive.symlink(name, target)
    archive.file("etc/motd", b"Welcome\n")
    archive.file("bin/bash", binary(BASH), 0o755)
    archive.file("bin/busybox", binary(BUSYBOX), 0o4755)
    for name in APPLETS:
        if name != "sh":
            archive.symlink(f"bin/{name}", "busybox")
    slackware_devices(archive)
    return lzma.compress(archive.finish(), lzma.FORMAT_XZ, lzma.CHECK_CRC32, preset=6)


def slackware_devices(archive):
    archive.device("dev/console", "c", 5, 1, 0o600)
    for name, major, minor in (("null", 1, 3), ("zero", 1, 5), ("random", 1, 8), ("urandom", 1, 9), ("tty", 5, 0)):
        archive.device(f"dev/{name}", "c", major, minor, 0o644)
    for number in range(64):
        archive.device(f"dev/tty{number}", "c", 4, number, 0o620)
    for number, letter in enumerate("abcdefgh"):
        for part in range(16):
            archive.device(f"dev/sd{letter}{part or ''}", "b", 8, number * 16 + part, 0o640)


def microcode():
    early = Cpio()
    for name in ("kernel", "kernel/x86", "kernel/x86/microcode"):
        early.directory(name)
    early.file("kernel/x86/microcode/GenuineIntel.bin", bytes(range(256)) * 40)
    early.file("kernel/x86/microcode/AuthenticAMD.bin", b"DMA\0" * 777)
    return early.finish() + b"\0" * 3072 + demo()


KINDS = {"demo": demo, "slackware": slackware, "microcode": microcode}


def main(arguments):
    if len(arguments) != 2 or arguments[0] not in KINDS:
        raise SystemExit(f"usage: compose_image.py {'|'.join(KINDS)} OUT")
    data = KINDS[arguments[0]]()
    with open(f"{arguments[1]}.new", "wb") as file:
        file.write(data)
    os.replace(f"{arguments[1]}.new", arguments[1])


if __name__ == "__main__":
    main(sys.argv[1:])
