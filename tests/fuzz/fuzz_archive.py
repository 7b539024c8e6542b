# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fuzz target: any bytes as the file that container_rootfs is given. tests/fuzz/run prepares and starts it.

An archive is read or refused with ArchiveError, whose message is printable; whatever is read is within the limits and below the root.
"""

from __future__ import annotations

import bz2
import lzma
import os
import sys
import zlib

import atheris

with atheris.instrument_imports(include=["ansible_collections.coracle.launcher.plugins"]):
    from ansible_collections.coracle.launcher.plugins.module_utils._coracle.base.errors import ArchiveError
    from ansible_collections.coracle.launcher.plugins.module_utils._coracle.formats import archive, tar
    from ansible_collections.coracle.launcher.plugins.module_utils._coracle.formats.compression.source import Source
    from ansible_collections.coracle.launcher.plugins.module_utils._coracle.formats.compression.stream import Stream
    from ansible_collections.coracle.launcher.plugins.module_utils._coracle.formats.entries import Summary
    from ansible_collections.coracle.launcher.plugins.module_utils._coracle.formats.limits import Limits
from ansible_collections.coracle.launcher.tests.unit.archives import with_checksums

LIMITS = Limits(max_bytes=1 << 20, max_entries=200, max_depth=10)
MAX_SIZE = 1 << 16  # bytes of one input
PACKERS = {  # magic -> how to unpack (at most 1 MiB) and to pack again
    b"\x1f\x8b": (lambda data: zlib.decompressobj(31).decompress(data, 1 << 20),
                  lambda data: (packer := zlib.compressobj(1, wbits=31)).compress(data) + packer.flush()),
    b"BZh": (lambda data: bz2.BZ2Decompressor().decompress(data, 1 << 20), lambda data: bz2.compress(data, 1)),
    b"\xfd7zXZ\0": (lambda data: lzma.LZMADecompressor().decompress(data, 1 << 20), lambda data: lzma.compress(data, preset=0)),
}


def check_path(path: bytes) -> None:
    parts = path.split(b"/")
    if path.startswith(b"/") or b".." in parts or b"\0" in path or (path and (b"" in parts or b"." in parts)):
        raise AssertionError(f"a path that leaves the root: {path!r}")


def check_entry(entry) -> None:
    check_path(entry.path)
    check_path(entry.link_path or b"")
    if not 0 <= entry.mode <= 0o7777 or not 0 <= entry.uid < 1 << 31 or not 0 <= entry.gid < 1 << 31 or entry.mtime_ns < 0:
        raise AssertionError(f"an entry that cannot be made: {entry.mode:o} {entry.uid} {entry.gid} {entry.mtime_ns}")
    size = sum(len(piece) for piece in entry.data)
    if entry.kind == "file" and size != entry.size:
        raise AssertionError(f"{size} bytes of data, not {entry.size}")


def read(fd: int) -> None:
    summary = Summary()
    stream = Stream(Source(fd), LIMITS.max_bytes)
    try:
        for entry in archive.entries(stream, LIMITS, summary):
            check_entry(entry)
    finally:
        stream.close()
    if summary.size > LIMITS.max_bytes or summary.entries > LIMITS.max_entries:
        raise AssertionError("above the limits")


def index(fd: int, size: int) -> None:
    for path, (offset, count) in tar.index(fd, LIMITS).items():
        check_path(path)
        if not 0 <= offset <= offset + count <= size:
            raise AssertionError(f"a member outside of the file: {offset} {count}")


def one_input(data: bytes) -> None:
    fd = os.memfd_create("input")
    try:
        os.write(fd, data)
        os.lseek(fd, 0, os.SEEK_SET)
        for function, arguments in ((read, (fd,)), (index, (fd, len(data)))):
            try:
                function(*arguments)
            except ArchiveError as error:
                if not str(error).isprintable():
                    raise AssertionError("a message that could drive a terminal") from error
    finally:
        os.close(fd)


def mutate(data: bytes, max_size: int, _seed: int) -> bytes:
    """Change an input, where it can be also below its compression and its checksums: else nearly all are refused by these."""
    for magic, (unpack, pack) in PACKERS.items():
        if data.startswith(magic):
            try:
                changed = pack(with_checksums(atheris.Mutate(unpack(data), MAX_SIZE)))
            except (zlib.error, OSError, EOFError, ValueError, lzma.LZMAError):
                break
            return changed if len(changed) <= max_size else data
    return with_checksums(atheris.Mutate(data, max_size))


def main() -> None:
    os.sched_getaffinity = lambda _pid: {0}  # unpack in this thread: one for each input costs more than the input
    atheris.Setup(sys.argv, one_input, custom_mutator=mutate)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
