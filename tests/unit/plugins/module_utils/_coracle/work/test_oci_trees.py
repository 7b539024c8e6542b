# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Layers of container images become the tree that umoci makes of them and that the kernel's overlayfs shows, and nothing escapes.

The breakouts are those of containerd's pkg/archive/tar_test.go, TestBreakouts, that are about whiteouts, under their names there.
"""

from __future__ import annotations

import io
import json
import os
import random
import shutil
import stat
import subprocess
import tarfile

import pytest

from ansible_collections.coracle.launcher.plugins.module_utils._coracle.base import libc
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.base.errors import ArchiveError
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.formats import oci
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.formats.entries import (
    DIRECTORY,
    FILE,
    OPAQUE,
    SYMLINK,
    WHITEOUT,
    Summary,
)
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.formats.limits import Limits
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.work import extract
from ansible_collections.coracle.launcher.tests.unit.archives import Tar
from ansible_collections.coracle.launcher.tests.unit.layouts import Images

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root to give files their owners")


def snapshot(root):
    """Return {path: what it is} of everything below `root`, times of directories left out: tools differ in them."""
    found = {}
    for home, directories, names in os.walk(root):
        for name in [*directories, *names]:
            path = os.path.join(home, name)
            try:
                info = os.lstat(path)
            except FileNotFoundError:  # overlayfs lists a whiteout in a directory that is in one layer only, and yet nothing is there
                continue
            fields = [stat.S_IFMT(info.st_mode), info.st_mode & 0o7777, info.st_uid, info.st_gid]
            if stat.S_ISREG(info.st_mode):
                with open(path, "rb") as file:
                    fields += [int(info.st_mtime), info.st_nlink, file.read().decode()]
            elif stat.S_ISLNK(info.st_mode):
                fields.append(os.readlink(path))
            found[os.path.relpath(path, root)] = fields
    return found


def extracted(layout, tmp_path):
    """Extract the image in a layout directory below tmp_path / "tree", and return the paths in the manifest."""
    image = os.open(layout, os.O_RDONLY)
    (tmp_path / "tree").mkdir()
    root = os.open(tmp_path / "tree", os.O_RDONLY)
    try:
        with open(tmp_path / "manifest", "w+", encoding="ascii") as manifest:
            extract.extract(oci.open_directory(image).entries(Limits(), Summary()), root, manifest)
    finally:
        os.close(image)
        os.close(root)
    return [json.loads(line)[0] for line in (tmp_path / "manifest").read_text().splitlines()]


@pytest.fixture
def ours(tmp_path):
    """Return a function: layers (of Tar) -> what our tree of them is."""
    def run(*layers):
        images = Images()
        images.index(images.image([layer.end() for layer in layers], name="one"))
        paths = extracted(images.write(tmp_path / "image"), tmp_path)
        found = snapshot(tmp_path / "tree")
        assert sorted(filter(None, paths)) == sorted(found), "the manifest names what the tree has"
        return found
    return run


def base():
    return (Tar().directory(b"a").file(b"a/one", b"1").file(b"a/two", b"2").directory(b"a/deep").file(b"a/deep/x", b"x")
            .directory(b"b", 0o700, uid=5).file(b"b/y", b"y").symlink(b"link", b"a").file(b"c", b"c", nlink=2).hardlink(b"c2", b"c"))


CASES = {
    "one layer": [base()],
    "a file goes": [base(), Tar().file(b"a/.wh.one", b"")],
    "a directory goes with all in it": [base(), Tar().file(b".wh.a", b"")],
    "a link goes and not what it names": [base(), Tar().file(b".wh.link", b"")],
    "one name of a file goes": [base(), Tar().file(b".wh.c", b"")],
    "what is not there goes": [base(), Tar().directory(b"a").file(b"a/.wh.none", b"").file(b".wh.none", b"")],
    "a directory becomes opaque": [base(), Tar().directory(b"a", 0o711).file(b"a/.wh..wh..opq", b"").file(b"a/new", b"n")],
    "opaque said last": [base(), Tar().directory(b"a", 0o711).file(b"a/new", b"n").file(b"a/.wh..wh..opq", b"")],
    "opaque below opaque": [base(), Tar().directory(b"a").file(b"a/.wh..wh..opq", b"").directory(b"a/deep")
                            .file(b"a/deep/.wh..wh..opq", b"").file(b"a/deep/z", b"z")],
    "a new file of a name in an opaque directory": [base(), Tar().directory(b"a").file(b"a/.wh..wh..opq", b"").file(b"a/one", b"again")],
    "a directory becomes a file": [base(), Tar().file(b"a", b"file")],
    "a file becomes a directory": [base(), Tar().directory(b"c").file(b"c/in", b"i")],
    "a link becomes a directory": [base(), Tar().directory(b"link").file(b"link/in", b"i")],
    "a directory becomes a link": [base(), Tar().symlink(b"a", b"b")],
    "gone and back in a later layer": [base(), Tar().file(b".wh.a", b""), Tar().directory(b"a").file(b"a/back", b"b")],
    "opaque and filled by a later layer": [base(), Tar().directory(b"a").file(b"a/.wh..wh..opq", b""),
                                           Tar().directory(b"a").file(b"a/two", b"3")],
    "gone again": [base(), Tar().file(b"a/one", b"1b"), Tar().file(b"a/.wh.one", b""), Tar().file(b"a/.wh.two", b"")],
    "a mode and an owner change": [base(), Tar().directory(b"b", 0o755, uid=7).file(b"b/y", b"y", 0o600, gid=3)],
    "a whiteout before what replaces it": [base(), Tar().file(b".wh.a", b"").directory(b"a").file(b"a/new", b"n")],
    "a whiteout behind what replaces it": [base(), Tar().directory(b"a", 0o711).file(b"a/new", b"n").file(b".wh.a", b"")],
    "a whiteout of a file behind its new content": [base(), Tar().file(b"a/one", b"new").file(b"a/.wh.one", b"")],
}
AUFS = {"an aufs image": [base(), Tar().directory(b".wh..wh.plnk").file(b".wh..wh.plnk/1.2").file(b".wh..wh.aufs", b"")
                          .file(b".wh.b", b"")]}


@pytest.mark.parametrize("case", CASES)
def test_layers_become_the_tree_that_umoci_makes(tmp_path, ours, case):
    if shutil.which("umoci") is None:
        pytest.skip("umoci is not installed")
    found = ours(*CASES[case])
    subprocess.run(["umoci", "unpack", "--image", f"{tmp_path}/image:one", f"{tmp_path}/bundle"], check=True, timeout=60)
    assert found == snapshot(tmp_path / "bundle" / "rootfs")


def test_layers_that_umoci_wrote_become_the_tree_that_it_wrote_them_from(tmp_path):
    if shutil.which("umoci") is None:
        pytest.skip("umoci is not installed")

    def umoci(*arguments):
        subprocess.run(["umoci", *arguments], check=True, timeout=60, cwd=tmp_path)

    umoci("init", "--layout", "layout")
    umoci("new", "--image", "layout:one")
    umoci("unpack", "--image", "layout:one", "bundle")
    root = tmp_path / "bundle" / "rootfs"
    for number in range(3):
        for name in ("kept", "gone", "filled"):
            (root / f"{name}{number}").mkdir(mode=0o750)
            (root / f"{name}{number}" / "file").write_text(name)
        os.link(root / f"kept{number}" / "file", root / f"name{number}")
        os.symlink(f"kept{number}", root / f"link{number}")
        if number:
            shutil.rmtree(root / f"gone{number - 1}")
            shutil.rmtree(root / f"filled{number - 1}")
            (root / f"filled{number - 1}").write_text("a file now")
            (root / f"link{number - 1}").unlink()
            os.chown(root / f"kept{number - 1}", 12, 34)
        for directory, names, others in os.walk(root):
            for name in (".", *names, *others):  # umoci rounds to seconds, to the nearest one
                os.utime(os.path.join(directory, name), (1700000000 + number, 1700000000 + number), follow_symlinks=False)
        umoci("repack", "--refresh-bundle", "--image", "layout:one", "bundle")
    umoci("gc", "--layout", "layout")
    assert len(os.listdir(tmp_path / "layout" / "blobs" / "sha256")) == 5, "three layers, a config and a manifest"
    extracted(tmp_path / "layout", tmp_path)
    assert snapshot(tmp_path / "tree") == snapshot(root)


def random_layer(source, number):
    """Return a layer with a few entries of few names, each in a directory of the same layer, and whiteouts anywhere behind that."""
    kinds, whiteouts = {}, []

    def place(path):
        parent = path.rpartition(b"/")[0]
        if not parent:
            return True
        return place(parent) and kinds.setdefault(parent, DIRECTORY) == DIRECTORY

    for _count in range(source.randint(1, 8)):
        path = b"/".join(source.choice([b"a", b"b", b"c"]) for _part in range(source.randint(1, 4)))
        kind = source.choice([DIRECTORY, FILE, FILE, SYMLINK, WHITEOUT, WHITEOUT, OPAQUE])
        if not place(path):
            continue
        if kind == WHITEOUT:
            parent, slash, name = path.rpartition(b"/")
            whiteouts.append(parent + slash + b".wh." + name)
        elif kind == OPAQUE and kinds.setdefault(path, DIRECTORY) == DIRECTORY:
            whiteouts.append(path + b"/.wh..wh..opq")
        elif kind != OPAQUE:
            kinds.setdefault(path, kind)
    order = sorted(kinds, key=lambda path: (path.count(b"/"), source.random()))
    for name in dict.fromkeys(whiteouts):
        parent = name.rpartition(b"/")[0]
        order.insert(source.randint(order.index(parent) + 1 if parent else 0, len(order)), name)
    layer = Tar()
    for path in order:
        if kinds.get(path) == DIRECTORY:
            layer.directory(path, source.choice([0o755, 0o700]))
        elif kinds.get(path) == SYMLINK:
            layer.symlink(path, b"to%d" % number)
        else:
            layer.file(path, b"" if path not in kinds else b"%d" % number)
    return layer


def random_layers(seed):
    source = random.Random(seed)
    return [random_layer(source, number) for number in range(source.randint(2, 4))]


@pytest.mark.parametrize("case", [*CASES, *AUFS, *range(25)])
def test_layers_become_the_tree_that_overlayfs_shows(ours, case):
    layers = random_layers(case) if isinstance(case, int) else {**CASES, **AUFS}[case]  # umoci makes files of what aufs wrote down
    found = ours(*layers)
    theirs = in_own_mounts(lambda: overlay([layer.end() for layer in layers]))
    if theirs is None:
        pytest.skip("overlayfs cannot be mounted here")
    for tree in (found, theirs):  # overlayfs copies a file up by itself, which breaks hard links between layers
        for fields in tree.values():
            if stat.S_ISREG(fields[0]):
                del fields[5]
    assert found == theirs


def in_own_mounts(work):
    """Return what `work` returns in a child with mounts of its own, as JSON carries it. None when nothing can be mounted."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            libc.unshare(libc.CLONE_NEWNS)
            libc.mount(None, "/", None, libc.MS_REC | libc.MS_PRIVATE)
            libc.mount("tmpfs", "/mnt", "tmpfs")
        except OSError:
            os._exit(0)
        try:
            with open(writer, "w", encoding="utf-8") as file:
                json.dump(work(), file)
        finally:
            os._exit(1)
    os.close(writer)
    with open(reader, encoding="utf-8") as file:
        text = file.read()
    return None if os.waitpid(child, 0)[1] == 0 else json.loads(text)


def overlay(layers):
    names = []
    for number, layer in enumerate(layers):
        names.insert(0, f"/mnt/{number}")
        os.mkdir(names[0], 0o755)
        translate(layer, names[0])
    os.mkdir("/mnt/none")
    os.mkdir("/mnt/merged")
    try:
        libc.mount("overlay", "/mnt/merged", "overlay", libc.MS_RDONLY, "lowerdir=" + ":".join([*names, "/mnt/none"]))
    except OSError:
        return None
    return snapshot("/mnt/merged")


def translate(layer, root):
    """Unpack a layer as overlayfs has it: a whiteout is the character device 0:0, an opaque directory has an attribute."""
    with tarfile.open(fileobj=io.BytesIO(layer)) as archive:
        members = archive.getmembers()
        whiteouts = [member for member in members if "/.wh." in f"/{member.name}"]
        archive.extractall(root, [member for member in members if member not in whiteouts], numeric_owner=True)
    for member in whiteouts:
        parent, name = os.path.split(os.path.join(root, member.name))
        if name == ".wh..wh..opq":
            os.setxattr(parent, "trusted.overlay.opaque", b"y")
        elif name.startswith(".wh.") and not name.startswith(".wh..wh."):
            os.makedirs(parent, exist_ok=True)
            hidden = os.path.join(parent, name[4:])
            if os.path.isdir(hidden):  # hidden below, and made anew here
                os.setxattr(hidden, "trusted.overlay.opaque", b"y")
            elif not os.path.lexists(hidden):
                os.mknod(hidden, stat.S_IFCHR, 0)


# --- breakouts ---


def lower(*links):
    layer = Tar().directory(b"etc").file(b"etc/passwd", b"all users").file(b"etc/whitedout", b"ahhhh whiteout")
    for name, target in links:
        layer.symlink(name, target)
    return layer


LOCALETC = (b"localetc", b"/etc")


@pytest.mark.parametrize("case, name", [
    ("WhiteoutRootParent", b".wh..."), ("WhiteoutParent", b"etc/.wh..."), ("WhiteoutRoot", b".wh.."),
    ("WhiteoutCurrentDirectory", b"etc/.wh.."), ("WhiteoutRelativePath", b"dne/../.wh.etc"),
])
def test_breakouts_that_are_refused(tmp_path, ours, case, name):
    with pytest.raises(ArchiveError, match="in layer 2 of 2: member"):
        ours(lower(LOCALETC), Tar().file(name, b""))
    assert (tmp_path / "tree" / "etc" / "passwd").read_bytes() == b"all users"
    shutil.rmtree(tmp_path / "tree")
    assert "etc/passwd" not in ours(lower(), Tar().file(b".wh.etc", b""))


def test_breakout_WhiteoutSymlink(ours):
    found = ours(lower(LOCALETC), Tar().file(b".wh.localetc", b""))
    assert sorted(found) == ["etc", "etc/passwd", "etc/whitedout"] and found["etc/passwd"][-1] == "all users"


def test_breakout_WhiteoutDirectoryName(ours):
    found = ours(lower(LOCALETC), Tar().file(b".wh.etc/somefile", b"non-empty"))
    assert found["etc/passwd"][-1] == "all users" and found[".wh.etc/somefile"][-1] == "non-empty"


@pytest.mark.parametrize("case, link, name", [
    ("WhiteoutSymlinkPath", LOCALETC, b"localetc/.wh.whitedout"),
    ("WhiteoutDeadSymlinkParent", (b"localetc", b"/dne"), b"localetc/.wh.etc"),
    ("WhiteoutSymlinkPath, opaque", LOCALETC, b"localetc/.wh..wh..opq"), ("upwards", (b"localetc", b"../../victim"), b"localetc/.wh.file"),
    ("upwards, opaque", (b"localetc", b"../../victim"), b"localetc/.wh..wh..opq"),
])
def test_breakouts_through_a_symbolic_link_end_at_it(tmp_path, ours, case, link, name):
    """containerd follows the link below the root, to be changed one day as its comment says; here no entry goes through a link."""
    (tmp_path / "victim").mkdir()
    (tmp_path / "victim" / "file").write_text("outside")
    try:
        found = ours(lower((link[0], str(tmp_path / "victim").encode() if link[1].startswith(b"..") else link[1])), Tar().file(name, b""))
    except ArchiveError:
        found = snapshot(tmp_path / "tree")
    assert found["etc/passwd"][-1] == "all users" and found["etc/whitedout"][-1] == "ahhhh whiteout"
    assert (tmp_path / "victim" / "file").read_text() == "outside"
    shutil.rmtree(tmp_path / "tree")
    assert "etc/whitedout" not in ours(lower(), Tar().file(b"etc/.wh.whitedout", b""))


def test_layers_that_follow_a_link_of_a_lower_layer_stay_inside(tmp_path, ours):
    (tmp_path / "victim").mkdir()
    outside = str(tmp_path / "victim").encode()
    with pytest.raises(ArchiveError, match="goes through a symbolic link"):
        ours(Tar().symlink(b"out", outside), Tar().file(b"out/file", b"x"))
    assert not os.listdir(tmp_path / "victim")
    shutil.rmtree(tmp_path / "tree")
    assert "out/file" in ours(Tar().symlink(b"out", outside), Tar().directory(b"out").file(b"out/file", b"x"))
    assert not os.listdir(tmp_path / "victim")
