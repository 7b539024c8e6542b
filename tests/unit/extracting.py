# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Extracts archives for tests into a world with canaries around the tree, which must stay as they are whatever the archive says."""

from __future__ import annotations

import os
import stat

from ansible_collections.coracle.launcher.plugins.module_utils._coracle.formats import archive
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.formats.compression.source import Source
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.formats.compression.stream import Stream
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.formats.entries import OPAQUE, WHITEOUT, Summary
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.formats.limits import Limits
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.work import extract as extracting
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.work.manifest import Manifest


def snapshot(*roots):
    """Return everything of the trees that a hostile archive could have changed."""
    found = {}
    for root in map(os.fsencode, roots):
        paths = [root] + [os.path.join(directory, name) for directory, names, others in os.walk(root) for name in names + others]
        for path in paths:
            info = os.lstat(path)
            content = b""
            if stat.S_ISREG(info.st_mode):
                with open(path, "rb") as file:
                    content = file.read()
            elif stat.S_ISLNK(info.st_mode):
                content = os.readlink(path)
            found[path] = (info.st_mode, info.st_uid, info.st_gid, info.st_nlink, info.st_size, info.st_mtime_ns, content)
    return found


def read(*parts):
    """Return the content of a file."""
    with open(os.path.join(*parts), "rb") as file:
        return file.read()


class Extracted:
    """`tree`: its path. `root`: its descriptor. `manifest`: a Manifest. `records`: {path: record}. `skipped`, `summary`: as found."""

    def __init__(self, path, skipped, summary):
        self.tree = f"{path}/tree"
        self.manifest = Manifest(f"{path}/manifest")
        self.records = {record.path: record for record in self.manifest}
        assert len(self.records) == len(list(self.manifest))
        self.skipped = skipped
        self.summary = summary

    def names(self):
        """Return the paths of all that is in the tree, from the disk."""
        return sorted(os.path.relpath(os.path.join(directory, name), self.tree)
                      for directory, names, others in os.walk(self.tree) for name in names + others)


class World:
    """`path`: where everything is. `outside`: what must not change, with `victim` (4711), victims/ and a link to the victim."""

    def __init__(self, path):
        self.path = str(path)
        self.outside = f"{path}/outside"
        self.victim = f"{self.outside}/victim"
        os.makedirs(f"{self.outside}/victims")
        with open(self.victim, "wb") as file:
            file.write(b"precious")
        os.chmod(self.victim, 0o4711)
        os.symlink("victim", f"{self.outside}/link")
        self.count = 0

    def extract(self, *layers, **limits):
        """Extract bytes of an archive, or one below the other those of layers, in which names say what is hidden (`.wh.NAME`)."""
        limits = Limits(**limits)
        summary = Summary()
        return self.extract_entries(_all_entries(layers, limits, summary), summary)

    def extract_entries(self, entries, summary=None):
        """Return what was Extracted. Whatever happens, the world outside is the same."""
        self.count += 1
        path = f"{self.path}/inside{self.count}"
        os.makedirs(f"{path}/tree", mode=0o700)
        root = os.open(f"{path}/tree", os.O_RDONLY)
        before, umask = snapshot(self.outside, "/etc/passwd"), _umask()
        try:
            with open(f"{path}/manifest", "w+", encoding="ascii") as manifest:
                skipped = extracting.extract(entries, root, manifest)
        finally:
            os.close(root)
            assert snapshot(self.outside, "/etc/passwd") == before
            assert _umask() == umask
        return Extracted(path, skipped, summary)


def _umask():
    umask = os.umask(0o77)
    os.umask(umask)
    return umask


def _all_entries(layers, limits, summary):
    for number, data in enumerate(layers):
        fd = os.memfd_create("archive")
        try:
            with open(fd, "wb", closefd=False) as file:
                file.write(data)
            os.lseek(fd, 0, os.SEEK_SET)
            stream = Stream(Source(fd), limits.max_bytes)
            try:
                for entry in archive.entries(stream, limits, summary):
                    entry.layer = number
                    yield _whiteout(entry) if len(layers) > 1 else entry
            finally:
                stream.close()
        finally:
            os.close(fd)


def _whiteout(entry):
    parent, _slash, name = entry.path.rpartition(b"/")
    if name == b".wh..wh..opq":
        entry.kind, entry.path = OPAQUE, parent
    elif name.startswith(b".wh."):
        entry.kind, entry.path = WHITEOUT, os.path.join(parent, name[4:])
    return entry
