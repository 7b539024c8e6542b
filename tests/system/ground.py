# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where archives are extracted and what must not change around: files outside, the old tree, the store."""

from __future__ import annotations

import glob
import hashlib
import os
import re
import shutil
import stat

from ansible_collections.coracle.launcher.plugins.module_utils._coracle.base import libc

from . import hostile
from .module_runs import Modules, Run

STORE = "/var/lib/coracle"
SECONDS, MEMORY = 10.0, 128 << 20  # the most that any archive may cost
OLD = [hostile.directory(b"etc"), hostile.file(b"etc/old", b"the old tree\n", mode=0o600, uid=5, gid=6)]


class Ground:
    """A directory `path` with `victim` outside, and `dest`, a tree of ours with something else beside it."""

    def __init__(self, path: str, modules: Modules | None = None):
        self.path = path
        self.modules = modules
        self.outside = f"{path}/outside"
        self.victim = f"{self.outside}/victim"
        self.place = f"{path}/place"
        self.dest = f"{self.place}/root"
        os.makedirs(self.outside)
        os.makedirs(self.place)
        _write(self.victim, b"precious\n", 0o4711, 7, 8)
        os.link(self.victim, f"{self.outside}/twin")
        os.symlink("victim", f"{self.outside}/link")
        _write(f"{self.place}/neighbour", b"beside\n", 0o640, 7, 8)
        for name in ("victim", "link", ""):
            os.utime(f"{self.outside}/{name}", (1000, 1000), follow_symlinks=False)

    def archive(self, data: bytes, name: str = "") -> str:
        """Write it where a run finds it. Without a name, the same bytes have the same path."""
        path = f"{self.path}/{name or hashlib.sha256(data).hexdigest()[:16]}"
        if not os.path.exists(path):
            _write(path, data, 0o600, 0, 0)
        return path

    def run(self, source: str | bytes, **options) -> Run:
        """Run the module: `source` is a path, or the bytes of an archive."""
        assert self.modules is not None
        path = source if isinstance(source, str) else self.archive(source)
        return self.modules(**{"src": path, "remote_src": True, "dest": self.dest, **options})

    def reset(self) -> None:
        """The old tree as it is before each test, and no other image in the store."""
        for name in os.listdir(self.path):
            if name not in ("outside", "place"):
                remove(f"{self.path}/{name}")
        run = self.run(hostile.write(OLD, "newc").data, prune=True)
        assert run.code == 0, run

    def state(self) -> dict[str, dict]:
        """All that a run which fails must leave as it was."""
        return {"outside": snapshot(self.outside), "place": _busy(snapshot(self.place), f"{self.place}/root"),
                "store": _busy(snapshot(STORE), f"{STORE}/images/*/tree")}

    def refuses(self, source: str | bytes, **options) -> Run:
        """Run it, and check everything that holds for each failure. Returns the run, whose message is left to the caller."""
        before = self.state()
        run = self.run(source, **options)
        _check_cost(run)
        assert run.code == 1 and run.values is not None and run.values.get("failed"), run
        assert run.message and run.message.isprintable(), run  # one line, nothing that a terminal would obey
        assert "Traceback" not in run.out and run.err == "", run
        after = self.state()
        for name, found in before.items():
            assert after[name] == found, f"{name} changed: {_differences(found, after[name])}\n{run}"
        return run

    def accepts(self, source: str | bytes, **options) -> Run:
        """Run it, and check that the tree is there and nothing else happened."""
        before = snapshot(self.outside)
        run = self.run(source, **options)
        _check_cost(run)
        assert run.code == 0 and run.values is not None and run.err == "", run
        assert snapshot(self.outside) == before, _differences(before, snapshot(self.outside))
        assert set(os.listdir(self.place)) - {".root.overlay"} == {"root", ".root.coracle", "neighbour"}, os.listdir(self.place)
        assert not unfinished(), unfinished()
        return run


def unfinished() -> list[str]:
    """What a killed run may leave in the store: temporary names, and images that are not complete."""
    images = f"{STORE}/images"
    found = []
    for name in os.listdir(images) if os.path.isdir(images) else []:
        below = os.listdir(f"{images}/{name}") if os.path.isdir(f"{images}/{name}") else []
        found += [f"{name}/{entry}" for entry in ["", *below] if re.search(r"tmp|\.new\b|spill", f"{name}/{entry}")]
        if re.fullmatch("[0-9a-f]{64}", name) and not {"image", "manifest", "tree"} <= set(below):
            found.append(f"{name}: {below}")
    return found


def snapshot(path: str) -> dict[bytes, tuple]:
    """Everything below `path`: type and mode, owner, links, size, time, content or target. Nothing is followed."""
    found = {}
    for folder, directories, files in os.walk(os.fsencode(path)):
        for name in [b".", *directories, *files]:
            full = os.path.join(folder, name)
            found[full] = _facts(full)
    return found


def _busy(found: dict[bytes, tuple], trees: str) -> dict[bytes, tuple]:
    """Without size and time of the directories that are outside of `trees`: temporary names come and go in them."""
    def settled(path: bytes, facts: tuple) -> tuple:
        inside = any(path.startswith(os.fsencode(tree)) for tree in glob.glob(trees))
        return facts if inside or not stat.S_ISDIR(int(facts[0], 8)) else facts[:4]
    return {path: settled(path, facts) for path, facts in found.items()}


def _facts(path: bytes) -> tuple:
    info = os.lstat(path)
    content: object = info.st_rdev
    if stat.S_ISLNK(info.st_mode):
        content = os.readlink(path)
    elif stat.S_ISREG(info.st_mode):
        with open(path, "rb") as file:
            content = hashlib.sha256(file.read()).hexdigest()
    return oct(info.st_mode), info.st_uid, info.st_gid, info.st_nlink, info.st_size, info.st_mtime_ns, content


def _differences(before: dict, after: dict) -> list:
    return [(path, before.get(path), after.get(path)) for path in sorted({*before, *after}) if before.get(path) != after.get(path)][:5]


def _check_cost(run: Run) -> None:
    assert not run.hung and run.orphans == 0 and run.seconds < SECONDS and run.rss < MEMORY, run


def remove(path: str) -> None:
    """Remove what a test has left, with the trees that are mounted in it."""
    with open("/proc/self/mountinfo", encoding="utf-8") as file:
        points = [line.split(" ")[4] for line in file]
    for point in reversed(points):
        if point.startswith(f"{path}/"):
            libc.umount2(point, libc.MNT_DETACH)
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    else:
        os.unlink(path)


def _write(path: str, data: bytes, mode: int, uid: int, gid: int) -> None:
    with open(path, "wb") as file:
        file.write(data)
    os.chown(path, uid, gid)
    os.chmod(path, mode)
