# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the four functions of the module container_rootfs as the bridge to Ansible does, on a place of its own."""

from __future__ import annotations

import os

from ansible_collections.coracle.launcher.plugins.module_utils._coracle.base import libc
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.kernel import mountinfo
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.work import images
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.work.rootfs import module as rootfs
from ansible_collections.coracle.launcher.tests.unit.archives import CHARACTER, Archive

KINDS = {"copy": {"backing_store": "copy"}, "overlay": {"backing_store": "overlay"}, "read_only": {"read_only": True}}
BESIDE = {"copy": [".root.coracle", "root"], "overlay": [".root.coracle", ".root.overlay", "root"], "read_only": [".root.coracle", "root"]}
ONE = Archive().directory(b".", 0o751).directory(b"etc").file(b"etc/release", b"one").directory(b"bin").file(b"bin/su", b"x", 0o4755).node(
    b"null", CHARACTER, rdev=(1, 3)).end()
TWO = Archive().directory(b".", 0o751).directory(b"etc").file(b"etc/release", b"two").end()


class Task:
    """A task with its options. `path`: a directory; `dest`: the tree, in `path`/`place`."""

    def __init__(self, path, place="place"):
        self.path = str(path)
        self.place = f"{path}/{place}"
        self.dest = f"{self.place}/root"
        self.one, self.two = self.source("one", ONE), self.source("two", TWO)
        self.options = {"src": self.one, "checksum": None, "dest": self.dest, "backing_store": "auto", "read_only": False, "prune": False,
                        "state": "present", "verify": False, "preserve_setuid": False, "devices": False,
                        "max_bytes": "4G", "max_entries": 1000, "max_depth": 100}
        self.result = {}

    def source(self, name, data):
        """Write an archive and return its path."""
        with open(f"{self.path}/{name}", "wb") as file:
            file.write(data)
        return f"{self.path}/{name}"

    def run(self, check=False, **options):
        """Return the changes; the module's own return values are in `result`."""
        want = dict(self.options, **options)
        have = rootfs.read(want)
        changes = rootfs.plan(want, have)
        if changes and not check:
            rootfs.apply(want, have, changes)
        self.result = rootfs.result(want, have, changes, check)
        return changes

    def four(self, **options):
        """Check, run, again, check again; return the changes, which are those of the check."""
        check = self.run(check=True, **options)
        told = self.result
        run = self.run(**options)
        assert check and check == run
        for name in ("backing_store", "previous", "pruned"):
            assert told.get(name) == self.result.get(name)
        assert self.run(**options) == [] and self.run(check=True, **options) == []
        return [(change.option, change.before, change.after, change.action) for change in run]

    def digest(self, name):
        return images.digest_of(f"{self.path}/{name}")

    def release(self):
        return self.read("etc/release")

    def read(self, name):
        with open(f"{self.dest}/{name}", encoding="utf-8") as file:
            return file.read()

    def write(self, name, content):
        with open(f"{self.dest}/{name}", "w", encoding="utf-8") as file:
            file.write(content)

    def mounts(self):
        """What is mounted in the place, from the first to the last."""
        return [mount for mount in mountinfo.parse(mountinfo.own()) if mount.point.startswith(f"{self.place}/")]

    def reboot(self):
        """Do to the mounts what a reboot does."""
        for mount in reversed(self.mounts()):
            libc.umount2(mount.point)

    def beside(self):
        """What is in the directory of the tree."""
        return sorted(os.listdir(self.place))

    def layers(self):
        """What is in the directory of layers."""
        home = f"{self.place}/.root.overlay"
        return sorted(os.listdir(home)) if os.path.isdir(home) else []

    def is_clean(self, kind):
        """Whether there is a tree of that kind, and beside it only what belongs to it."""
        return self.beside() == BESIDE[kind] and len(self.mounts()) == (kind != "copy") and len(self.layers()) == (kind == "overlay")
