# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults around an extraction: sources that are no files, full and read-only disks, places that are not ours. By the module.

Each ends with the same call that succeeds once the one fault is gone.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket

import pytest

from ansible_collections.coracle.launcher.plugins.module_utils._coracle.base import libc

from ..ground import STORE
from ..hostile import directory, file, write

MEBI = 1 << 20
GOOD = write([directory(b"d"), file(b"d/a", b"a" * 100)], "newc").data
BIG = [file(b"f%03d" % number, bytes([number]) * MEBI) for number in range(100)]
STORES = ("copy", "overlay")


def kinds(path: str) -> dict[str, str]:
    """Make what a path may name instead of an archive."""
    os.mkfifo(f"{path}/fifo")
    os.makedirs(f"{path}/directory/below")
    os.symlink("nowhere", f"{path}/dangling")
    os.symlink("loop", f"{path}/loop")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"{path}/socket")
    return {"fifo": f"{path}/fifo", "directory": f"{path}/directory", "zero": "/dev/zero", "null": "/dev/null", "terminal": "/dev/tty",
            "dangling": f"{path}/dangling", "loop": f"{path}/loop", "socket": f"{path}/socket", "missing": f"{path}/missing",
            "below-a-file": "/etc/passwd/a", "proc": "/proc/self/mem", "relative": "archive", "nothing": "", "nul": f"{path}/a\0b",
            "long": "/" + "n" * 300}


@pytest.mark.parametrize("kind", ["fifo", "directory", "zero", "null", "terminal", "dangling", "loop", "socket", "missing", "below-a-file",
                                  "proc", "relative", "nothing", "nul", "long"])
def test_B39_a_source_that_is_no_file(ground, tmp_path, kind):
    run = ground.refuses(kinds(str(tmp_path))[kind])
    assert "src" in run.message and run.seconds < 5, run
    ground.accepts(GOOD)


def test_a_source_with_another_checksum(ground):
    digest = "sha256:" + "0" * 64
    assert "checksum" in ground.refuses(GOOD, checksum=digest).message
    for wrong in ("sha256:" + "0" * 63, "md5:" + "0" * 32, "0" * 64, "sha256:" + "G" * 64, digest + "\n"):
        assert "checksum" in ground.refuses(GOOD, checksum=wrong).message
    right = ground.accepts(GOOD).values["image"]["digest"]
    assert not ground.accepts(GOOD, checksum=right).changed


@contextlib.contextmanager
def small_disk(path: str, size: str):
    """A file system of that size at `path`, for the processes here."""
    os.makedirs(path, exist_ok=True)
    libc.mount("tmpfs", path, "tmpfs", 0, f"mode=755,size={size}")
    try:
        yield
    finally:
        libc.umount2(path, libc.MNT_DETACH)


def read_only(path: str, flags: int) -> None:
    libc.mount(None, path, None, libc.MS_REMOUNT | libc.MS_BIND | flags)


@pytest.mark.parametrize("backing_store", STORES)
def test_F10_the_store_is_full(ground, backing_store):
    archive = ground.archive(write(BIG, "newc.gz").data)
    with small_disk(STORE, "64M"):
        os.mkdir(f"{STORE}/images", 0o700)
        run = ground.refuses(archive, backing_store=backing_store)
        assert "No space left" in run.message and ("'f0" in run.message or STORE in run.message), run
        libc.mount(None, STORE, None, libc.MS_REMOUNT, "size=300M")
        ground.accepts(archive, backing_store=backing_store)
        ground.run("", state="absent")
    ground.accepts(archive, backing_store=backing_store)


@pytest.mark.parametrize("options", ["size=300M,nr_inodes=60"])
def test_F10_the_store_has_no_inode_left(ground, options):
    archive = ground.archive(write(BIG, "newc.gz").data)
    with small_disk(STORE, options.removeprefix("size=")):
        os.mkdir(f"{STORE}/images", 0o700)
        run = ground.refuses(archive)
        assert "No space left" in run.message and "'f0" in run.message, run
        libc.mount(None, STORE, None, libc.MS_REMOUNT, "nr_inodes=10000")
        ground.accepts(archive)
        ground.run("", state="absent")


def test_F10_the_disk_of_the_tree_is_full(ground):
    archive, dest = ground.archive(write(BIG, "newc.gz").data), f"{ground.path}/small/root"
    with small_disk(f"{ground.path}/small", "64M"):
        assert ground.run(GOOD, dest=dest, backing_store="copy").code == 0
        before = sorted(os.listdir(f"{ground.path}/small"))
        run = ground.run(archive, dest=dest, backing_store="copy")
        assert run.code == 1 and ("No space left" in run.message or "full" in run.message) and run.err == "", run
        assert sorted(os.listdir(f"{ground.path}/small")) == before and os.listdir(dest) == ["d"]
        libc.mount(None, f"{ground.path}/small", None, libc.MS_REMOUNT, "size=300M")
        assert ground.run(archive, dest=dest, backing_store="copy").code == 0
        assert len(os.listdir(dest)) == 100


@pytest.mark.parametrize("backing_store", STORES)
@pytest.mark.parametrize("where", ["store", "tree"])
def test_F10_the_disk_is_read_only(ground, where, backing_store):
    dest = f"{ground.path}/frozen/root"
    path = STORE if where == "store" else f"{ground.path}/frozen"
    with small_disk(f"{ground.path}/frozen", "64M"), small_disk(STORE, "64M") if where == "store" else contextlib.nullcontext():
        assert ground.run(GOOD, dest=dest, backing_store=backing_store).code == 0
        other = ground.archive(write([file(b"new")], "newc").data)
        read_only(path, libc.MS_RDONLY)
        run = ground.run(other, dest=dest, backing_store=backing_store)
        assert run.code == 1 and "ead-only" in run.message and run.err == "" and "Traceback" not in run.out, run
        assert os.listdir(dest) == ["d"] and not [name for name in os.listdir(f"{ground.path}/frozen") if "tmp" in name]
        assert not ground.run(GOOD, dest=dest, backing_store=backing_store).changed
        read_only(path, 0)
        assert ground.run(other, dest=dest, backing_store=backing_store).code == 0 and os.listdir(dest) == ["new"]
        assert ground.run("", dest=dest, state="absent").code == 0


def places(ground) -> dict[str, str]:
    """Make places that no tree may go to."""
    path = f"{ground.path}/places"
    shutil.rmtree(path, ignore_errors=True)
    os.makedirs(f"{path}/foreign/sub")
    for name in ("linked-to", "mount"):
        os.makedirs(f"{path}/{name}", exist_ok=True)
    os.symlink("linked-to", f"{path}/link")
    os.symlink("nowhere", f"{path}/dangling")
    with open(f"{path}/file", "w", encoding="ascii") as opened:
        opened.write("mine")
    with open(f"{path}/foreign/precious", "w", encoding="ascii") as opened:
        opened.write("mine")
    found = {name: f"{path}/{name}" for name in ("link", "dangling", "file", "foreign", "mount")}
    return {**found, "root": "/", "slashes": "///", "root-again": "/tmp/..", "up": f"{path}/../places/new", "relative": "new", "below-a-file":
            f"{path}/file/new", "nothing": "", "control": f"{path}/a\nb", "nul": f"{path}/a\0b", "long": f"{path}/{'n' * 300}", "proc": "/proc/new",
            "slash-behind-a-link": f"{path}/link/"}


@pytest.mark.parametrize("place", ["link", "dangling", "file", "foreign", "mount", "root", "slashes", "root-again", "up", "relative",
                                   "below-a-file", "nothing", "control", "nul", "long", "proc", "slash-behind-a-link"])
@pytest.mark.parametrize("state", ["present", "absent"])
def test_a_place_that_is_not_ours(ground, place, state):
    dest = places(ground)[place]
    ground.accepts(GOOD)
    with contextlib.ExitStack() as made:
        if place == "mount":
            made.enter_context(small_disk(dest, "1M"))
        listed = sorted(os.listdir("/")), tree_of(f"{ground.path}/places")
        if state == "absent" and place in ("mount", "below-a-file", "long", "proc"):
            run = ground.run(GOOD, dest=dest, state="absent")  # nothing of ours is there: refused, or nothing to do
            assert (run.code == 1 and run.message) or not run.changed, run
            assert run.err == "" and "Traceback" not in run.out, run
        else:
            message = ground.refuses(GOOD, dest=dest, state=state).message
            assert "dest" in message or os.path.dirname(dest) in message, message
        assert (sorted(os.listdir("/")), tree_of(f"{ground.path}/places")) == listed
    run = ground.run(GOOD, dest=f"{ground.path}/places/new/er/root")
    assert run.code == 0, run
    assert ground.run("", dest=f"{ground.path}/places/new/er/root", state="absent").code == 0


def tree_of(path: str) -> list[tuple]:
    return sorted((folder, *sorted(directories + files)) for folder, directories, files in os.walk(path))


@pytest.mark.parametrize("stamp", [b"", b"{", b"[]", b"\xff\n", b'{"trees": {"1": {}}}', b"0" * 100_000], ids=lambda data: repr(data[:12]))
def test_a_stamp_that_somebody_damaged(ground, stamp):
    """Nothing of it is believed, so the tree is not ours any more: it stays."""
    folder = f"{ground.path}/damaged"
    dest = f"{folder}/root"
    shutil.rmtree(folder, ignore_errors=True)
    assert ground.run(GOOD, dest=dest, backing_store="copy").code == 0
    with open(f"{folder}/.root.coracle", "wb") as opened:
        opened.write(stamp)
    for options in ({}, {"state": "absent"}, {"verify": True}):
        run = ground.run(write([file(b"new")], "newc").data, dest=dest, **options)
        assert run.code == 1 and "dest" in run.message and run.err == "", run
        assert os.listdir(dest) == ["d"]
    shutil.rmtree(dest)
    assert ground.run(GOOD, dest=dest, backing_store="copy").code == 0
