# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tell which of the demo's programs an initrd has, one `word=path` a line: bash, sh, busybox, and server when BusyBox has httpd and wget.

Usage: look.py ARCHIVE. It is read by the collection's own code, so what this can read the demo can deploy. Exit status 1: it cannot be.
"""

from __future__ import annotations

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "plugins", "module_utils"))

from _coracle.base.errors import LauncherError  # noqa: E402 # the path comes first
from _coracle.formats import archive  # noqa: E402
from _coracle.formats.compression.source import Source  # noqa: E402
from _coracle.formats.compression.stream import Stream  # noqa: E402
from _coracle.formats.entries import FILE, SYMLINK, Entry, Summary  # noqa: E402
from _coracle.formats.limits import Limits  # noqa: E402

PLACES = [f"{prefix}{directory}" for prefix in ("", "usr/") for directory in ("bin", "sbin")]
PROGRAMS = ("bash", "sh", "busybox")
SERVER = (b"httpd", b"wget")  # applets, each a word between two NULs in the binary


def main(path: str) -> int:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        print(f"{path}: {error.strerror}", file=sys.stderr)
        return 1
    limits = Limits()
    stream = Stream(Source(fd), limits.max_bytes)
    try:
        found = look(archive.entries(stream, limits, Summary()))
    except LauncherError as error:
        print(f"{path}: {error}", file=sys.stderr)
        return 1
    finally:
        stream.close()
        os.close(fd)
    for word in sorted(found):
        print(f"{word}={found[word]}")
    return 0


def look(entries: object) -> dict[str, str]:
    """Return {word: absolute path}; of several places of a program the first in PLACES."""
    found: dict[str, str] = {}
    links = set()  # a hard link's content comes with the last of its names
    for entry in entries:
        directory, _slash, program = os.fsdecode(entry.path).rpartition("/")
        if program in PROGRAMS and directory in PLACES and entry.kind in (FILE, SYMLINK):
            found[program] = min(found.get(program, f"/{directory}/{program}"), f"/{directory}/{program}", key=_rank)
            if program == "busybox" and entry.link is not None:
                links.add(entry.link)
        if entry.kind == FILE and entry.size and (program == "busybox" or entry.link in links) and has_server(entry):
            found["server"] = "yes"
    return found


def _rank(path: str) -> int:
    return PLACES.index(path.rpartition("/")[0].lstrip("/"))


def has_server(entry: Entry) -> bool:
    """True when the binary names all applets that the demo's server and client need."""
    content = b"".join(entry.data)
    return all(b"\0" + applet + b"\0" in content for applet in SERVER)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        print("usage: look.py ARCHIVE", file=sys.stderr)
        raise SystemExit(2)
    raise SystemExit(main(sys.argv[1]))
