# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Archives that attack, described once and written as cpio and as tar; and the careless programs that such archives are made for."""

from __future__ import annotations

import gzip
import io
import lzma
import os
import subprocess
import tarfile
import warnings
from typing import NamedTuple

from ansible_collections.coracle.launcher.plugins.module_utils._coracle.base import libc

from ..unit import archives

EVIL = b"evil\n"
TIME = 1_000_000_000
PACKINGS = ("newc", "newc.gz", "newc.xz", "tar")

_TAR_TYPES = {"file": b"0", "hard link": b"1", "symlink": b"2", "character": b"3", "block": b"4", "directory": b"5", "fifo": b"6"}
_CPIO_TYPES = {"file": archives.FILE, "directory": archives.DIRECTORY, "symlink": archives.SYMLINK, "hard link": archives.FILE,
               "character": archives.CHARACTER, "block": archives.BLOCK, "fifo": archives.FIFO, "socket": archives.SOCKET}


class Member(NamedTuple):
    """One entry of any format. `data`: content of a file, or the name that a link has for what it links to."""

    kind: str
    name: bytes
    data: bytes = b""
    mode: int = 0o644
    uid: int = 0
    gid: int = 0
    device: tuple[int, int] = (0, 0)


def file(name: bytes, data: bytes = EVIL, **more) -> Member:
    return Member("file", name, data, **more)


def directory(name: bytes, mode: int = 0o755, **more) -> Member:
    return Member("directory", name, mode=mode, **more)


def symlink(name: bytes, target: bytes) -> Member:
    return Member("symlink", name, target, mode=0o777)


def hard_link(name: bytes, earlier: bytes, **more) -> Member:
    return Member("hard link", name, earlier, **more)


class Written(NamedTuple):
    """`data`: the archive as packed. `offsets`: where each member's header may be said to begin, in the archive that is not compressed."""

    data: bytes
    offsets: list[set[int]]


def write(members: list[Member], packing: str, end: bool = True) -> Written:
    """Write them as one of PACKINGS. `end`: with the format's end mark."""
    plain = _tar(members, end) if packing.startswith("tar") else _newc(members, end)
    return Written(pack(plain.data, packing), plain.offsets)


def pack(data: bytes, packing: str) -> bytes:
    """Compress as the suffix of `packing` says."""
    if packing.endswith(".gz"):
        return gzip.compress(data, 6, mtime=0)
    if packing.endswith(".xz"):
        return lzma.compress(data, check=lzma.CHECK_CRC32, preset=1)
    return data


def _newc(members: list[Member], end: bool) -> Written:
    """A hard link shares the inode number of the earlier name. When there is none in the archive, that name goes before it, with EVIL."""
    inodes = {member.name: number for number, member in enumerate(members, 1000)}
    names = [member.data for member in members if member.kind == "hard link"]
    parts, offsets, position = [], [], 0
    for number, member in enumerate(members):
        head, links = [], 1 + names.count(member.name)
        ino, data = 1000 + number, member.data
        if member.kind == "hard link":
            ino, links, data = inodes.get(member.data, 2000 + number), 1 + names.count(member.data), b""
            if member.data not in inodes:
                head.append(archives.header(member.data, archives.FILE | member.mode, EVIL, ino=ino, nlink=links))
        head.append(archives.header(member.name, _CPIO_TYPES[member.kind] | member.mode, data, ino=ino, nlink=links, uid=member.uid,
                                    gid=member.gid, mtime=TIME, rdev=member.device))
        offsets.append({position, position + len(b"".join(head[:-1]))})
        parts += head
        position += sum(map(len, head))
    return Written(b"".join(parts) + (archives.trailer() if end else b""), offsets)


def _tar(members: list[Member], end: bool) -> Written:
    tar, offsets = archives.Tar("gnu"), []
    for member in members:
        begin = sum(map(len, tar.parts))
        fields = {"mode": member.mode, "uid": member.uid, "gid": member.gid, "mtime": TIME, "rdev": member.device}
        if member.kind in ("symlink", "hard link"):
            tar.add(member.name, _TAR_TYPES[member.kind], linkname=member.data, **fields)
        else:
            tar.add(member.name, _TAR_TYPES[member.kind], member.data, **fields)
        offsets.append({begin, sum(map(len, tar.parts[:-1]))})  # of a long name's header, of the header itself
    return Written(tar.end() if end else b"".join(tar.parts), offsets)


def extract_carelessly(data: bytes, packing: str, folder: str) -> None:
    """The positive control: extract as the article does for cpio, and for tar as Python did until 3.14. What it does to any other file
    system than that of `folder` is prevented, for it runs as root."""
    os.makedirs(folder)
    pid = os.fork()
    if pid == 0:
        try:
            libc.unshare(libc.CLONE_NEWNS)
            libc.mount(None, "/", None, libc.MS_REMOUNT | libc.MS_BIND | libc.MS_RDONLY)
            if packing.startswith("newc"):
                _cpio({"gz": gzip.decompress, "xz": lzma.decompress}.get(packing[5:], bytes)(data), folder)
            else:
                _tarfile(data, folder)
        finally:
            os._exit(0)
    os.waitpid(pid, 0)


def _cpio(data: bytes, folder: str) -> None:
    subprocess.run(["cpio", "-i", "--make-directories", "--unconditional", "--quiet"], cwd=folder, input=data, stderr=subprocess.DEVNULL,
                   check=False, timeout=10)


def _tarfile(data: bytes, folder: str) -> None:
    with warnings.catch_warnings(), tarfile.open(fileobj=io.BytesIO(data)) as archive:
        warnings.simplefilter("ignore")
        archive.extraction_filter = lambda member, path: member
        archive.extractall(folder)
