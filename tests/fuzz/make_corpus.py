# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes the corpus that the fuzzer begins with: small archives of every format and compression.

The same files each time, but for lzop, which writes the time into what it makes.

    PYTHONPATH=.build/tree python3 tests/fuzz/make_corpus.py
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import shutil
import subprocess
from pathlib import Path

from ansible_collections.coracle.launcher.tests.unit.archives import BLOCK, CHARACTER, FIFO, FORMATS, Archive, Tar, new

CORPUS = Path(__file__).resolve().parent / "corpus"
TOOLS = {"zstd": ["zstd", "-q"], "lz4": ["lz4", "-q"], "lz4-legacy": ["lz4", "-ql"], "lzop": ["lzop"]}


def archives() -> dict[str, bytes]:
    """Return the bytes of each file by name."""
    found = {}
    for name in FORMATS:
        made = new(name).directory(b"d").file(b"d/a", b"data", nlink=2, uid=1, gid=2, mtime=3).hardlink(b"b", b"d/a").symlink(b"l", b"d/a")
        if name != "v7":
            made.node(b"c", CHARACTER, rdev=(1, 3)).node(b"s", BLOCK, rdev=(8, 0)).node(b"f", FIFO)
        found[name] = made.end()
    for version in ("old", "0.0", "0.1", "1.0"):
        parts = [(number * 600, b"x") for number in range(6)]
        found[f"sparse-{version}"] = Tar().sparse(b"holes", parts, 4000, version).end()
    found["gnu-long"] = Tar("gnu").file(b"n" * 120).symlink(b"l", b"t" * 120).end()
    found["ustar-prefix"] = Tar("ustar").file(b"p" * 60 + b"/" + b"n" * 60).end()
    records = [(b"path", b"long"), (b"size", b"4"), (b"uid", b"70000"), (b"gid", b"7"), (b"mtime", b"8.25"), (b"linkpath", b"x"),
               (b"SCHILY.xattr.security.capability", bytes(20)), (b"LIBARCHIVE.xattr.security.capability", b"A" * 27)]
    found["pax-records"] = Tar().pax([(b"uid", b"5")], b"g").pax(records).file(b"a").end()
    found["several"] = Archive().file(b"early").end(6) + gzip.compress(Archive().file(b"init").end(), mtime=0) + Tar().file(b"t").end()
    found["empty-newc"] = Archive().end()
    small = Archive().file(b"a").end()
    found["gzip"] = gzip.compress(small, mtime=0)
    found["bzip2"] = bz2.compress(small)
    found["xz"] = lzma.compress(small)
    found["lzma"] = lzma.compress(small, lzma.FORMAT_ALONE)
    found["gzip-twice"] = gzip.compress(found["gzip"], mtime=0)
    found["gzip-tar"] = gzip.compress(Tar("pax").file(b"a").end(), mtime=0)
    for name, command in TOOLS.items():
        if shutil.which(command[0]):
            found[name] = subprocess.run([*command, "-c"], input=small, stdout=subprocess.PIPE, check=True).stdout
    return found


def main() -> None:
    CORPUS.mkdir(exist_ok=True)
    for name, data in archives().items():
        (CORPUS / name).write_bytes(data)


if __name__ == "__main__":
    main()
