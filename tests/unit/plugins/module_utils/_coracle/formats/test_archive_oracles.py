# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Archives of the tools that people use, of one real tree: what our readers find is what lstat(2) says of that tree."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import tarfile

import pytest

from ansible_collections.coracle.launcher.plugins.module_utils._coracle.formats.entries import KINDS, Summary
from ansible_collections.coracle.launcher.tests.unit.reading import read_fd

GNU_CPIO = {name: ["cpio", "-o", "-H", name, "--quiet"] for name in ("newc", "crc", "odc", "bin", "ustar")}
BSD_CPIO = {name: ["bsdcpio", "-o", "-H", name, "--quiet"] for name in ("newc", "odc", "ustar")}
BSD_TAR = {name: ["bsdtar", "-c", "-n", f"--format={name}", "-T", "-"]
           for name in ("newc", "odc", "bin", "v7tar", "ustar", "gnutar", "pax")}
GNU_TAR = {name: ["tar", "-c", "--no-recursion", f"--format={name}", "-T", "-"] for name in ("v7", "ustar", "oldgnu", "gnu", "posix")}
COMMANDS = [pytest.param(command, name, id=f"{command[0]}-{name}")
            for group in (GNU_CPIO, BSD_CPIO, BSD_TAR, GNU_TAR) for name, command in group.items()]
FORMATS = {"posix": "pax", "gnutar": "gnu", "oldgnu": "gnu", "v7tar": "v7"}
OLD = ("bsdtar-bin", "bsdtar-v7tar", "tar-v7")  # formats, or their writers, without fifos and long names
NANOSECONDS = ("pax", "posix")


def make_tree(root, old=False):
    """Make a tree of all that an archive can have but devices: only root can make those. `old`: no fifo, no long name."""
    (root / "d" / "e").mkdir(parents=True)
    (root / "d" / "e" / "file").write_bytes(b"content\n" * 99)
    (root / "empty").touch(0o600)
    (root / "large").write_bytes(os.urandom(70001))
    (root / "executable").write_bytes(b"#!/bin/sh\n")
    (root / "executable").chmod(0o4755)
    (root / "link").symlink_to("d/e/file")
    (root / "absolute").symlink_to("/etc/passwd")
    os.link(root / "d" / "e" / "file", root / "name of file")
    os.link(root / "d" / "e" / "file", root / "d" / "third")
    (root / "d").chmod(0o2775)
    open(os.fsencode(root) + b"/\xff\xfe", "wb").close()
    if not old:
        os.mkfifo(root / "fifo", 0o640)
        (root / ("n" * 60) / ("m" * 60)).mkdir(parents=True)
        (root / ("n" * 60) / ("m" * 60) / "x").write_bytes(b"long")
        os.symlink("t" * 90, root / ("n" * 60) / "long link")
    for number, path in enumerate(paths_of(root)):
        os.utime(os.path.join(os.fsencode(root), path), ns=(0, 1_600_000_000_123_456_789 + number * 10**9), follow_symlinks=False)


def paths_of(root):
    """Return all names below root, sorted, as find prints them without './'."""
    top = os.fsencode(root)
    found = []
    for directory, directories, files in os.walk(top):
        found += [os.path.relpath(os.path.join(directory, name), top) for name in directories + files]
    return sorted(found)


def expected(root, nanoseconds):
    """Return {path: what lstat says}; content for regular files, by inode, so that names of one file have the same."""
    tree = {}
    for path in paths_of(root):
        full = os.path.join(os.fsencode(root), path)
        info = os.lstat(full)
        kind = KINDS[stat.S_IFMT(info.st_mode)]
        mtime = info.st_mtime_ns if nanoseconds else info.st_mtime_ns // 10**9 * 10**9
        content = open(full, "rb").read() if stat.S_ISREG(info.st_mode) else os.readlink(full) if stat.S_ISLNK(info.st_mode) else b""
        tree[path] = (kind, stat.S_IMODE(info.st_mode), info.st_uid, info.st_gid, mtime, content)
    return tree


def found_in(archive, summary=None):
    """Return the same shape from an archive, hard links resolved."""
    with open(archive, "rb") as file:
        entries = read_fd(file.fileno(), summary=summary)
    by_link, tree = {}, {}
    for entry, data in entries:
        if entry.link is not None and data:
            by_link[entry.link] = data
    for entry, data in entries:
        if entry.link_path is not None:
            data = tree[entry.link_path][5]
        elif entry.link is not None:
            data = by_link[entry.link]
        tree[entry.path] = (entry.kind, entry.mode, entry.uid, entry.gid, entry.mtime_ns, entry.target or data)
    return tree


@pytest.mark.parametrize("command, name", COMMANDS)
def test_P3_archives_of_the_tools_are_read(tmp_path, command, name):
    if shutil.which(command[0]) is None:
        pytest.skip(f"needs {command[0]}")
    root = tmp_path / "root"
    root.mkdir()
    make_tree(root, old=f"{command[0]}-{name}" in OLD)
    listing = b"".join(path + b"\n" for path in paths_of(root))
    with open(tmp_path / "archive", "wb") as file:
        done = subprocess.run(command, input=listing, stdout=file, stderr=subprocess.PIPE, cwd=root, check=False,
                              env={**os.environ, "LC_ALL": "C"})
    if b"format" in done.stderr:
        pytest.skip(f"this {command[0]} does not write {name}")
    assert done.returncode == 0, done.stderr
    summary = Summary()
    assert found_in(tmp_path / "archive", summary) == expected(root, name in NANOSECONDS)
    assert summary.format == FORMATS.get(name, name)


@pytest.mark.parametrize("name", [b"large", b"d/e/file"])
def test_a_tar_hard_link_is_an_entry_with_a_link_path(tmp_path, name):
    if shutil.which("tar") is None:
        pytest.skip("needs tar")
    root = tmp_path / "root"
    root.mkdir()
    make_tree(root)
    subprocess.run(["tar", "-cf", str(tmp_path / "archive"), "-C", str(root), "."], check=True)
    with open(tmp_path / "archive", "rb") as file:
        entries = [entry for entry, _data in read_fd(file.fileno())]
    links = [entry for entry in entries if entry.link_path is not None]
    assert len(links) == 2 and all(entry.size == 0 and entry.kind == "file" for entry in links)
    assert entries[0].path == b"" and {entry.link_path for entry in links} < {entry.path for entry in entries}


@pytest.mark.parametrize("written, name", [(tarfile.USTAR_FORMAT, "ustar"), (tarfile.GNU_FORMAT, "gnu"), (tarfile.PAX_FORMAT, "pax")])
def test_P3_archives_of_tarfile_are_read(tmp_path, written, name):
    root = tmp_path / "root"
    root.mkdir()
    make_tree(root)
    os.unlink(os.fsencode(root) + b"/\xff\xfe")  # tarfile writes such names as text of its own in pax headers
    with tarfile.open(tmp_path / "archive", "w", format=written) as tar:
        tar.add(root, ".")
    summary = Summary()
    found = found_in(tmp_path / "archive", summary)
    assert found.pop(b"")[0] == "directory"
    # Times in pax headers are floating point numbers here, and come back some hundred nanoseconds off.
    want = expected(root, name == "pax")
    assert all(abs(found[path][4] - want[path][4]) < 1000 for path in want)
    assert {path: values[:4] + values[5:] for path, values in found.items()} == {
        path: values[:4] + values[5:] for path, values in want.items()}
    assert summary.format == name


@pytest.mark.parametrize("version", ["old", "0.0", "0.1", "1.0"])
@pytest.mark.parametrize("parts", [0, 1, 4, 5, 25, 26, 60])
def test_P3_files_with_holes_of_tar_are_read(tmp_path, version, parts):
    if shutil.which("tar") is None:
        pytest.skip("needs tar")
    with open(tmp_path / "holes", "wb") as file:
        for number in range(parts):
            file.seek((2 * number + 1) << 16)
            file.write(b"%d" % number * 1000)
        file.truncate((2 * parts + 3) << 16)
    arguments = ["--format=gnu"] if version == "old" else ["--format=posix", f"--sparse-version={version}"]
    (tmp_path / "after").write_bytes(b"after")
    subprocess.run(["tar", "-cSf", "archive", *arguments, "holes", "after"], check=True, cwd=tmp_path)
    assert {path: values[5] for path, values in found_in(tmp_path / "archive").items()} == {
        b"holes": (tmp_path / "holes").read_bytes(), b"after": b"after"}
    assert (tmp_path / "archive").stat().st_size < (tmp_path / "holes").stat().st_size
