#!/usr/bin/env python
# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""hostile.py DIRECTORY VICTIM: write archives that try to reach VICTIM, a path outside of any tree, as DIRECTORY/NAME.img.

Prints the names. Those that end in -good are harmless relatives, the controls.
"""

from __future__ import annotations

import gzip
import os
import sys

FILE, DIRECTORY, SYMLINK, CHARACTER = 0o100644, 0o040755, 0o120777, 0o020666


def entry(name, mode=FILE, data=b"", ino=0, nlink=1, magic=b"070701", size=None, uid=0, check=0):
    raw = name + b"\0"
    fields = (ino, mode, uid, 0, nlink, 0, len(data) if size is None else size, 0, 0, 1, 3, len(raw), check)
    head = magic + b"".join(b"%08x" % field for field in fields) + raw
    return head + b"\0" * (-len(head) % 4) + data + b"\0" * (-len(data) % 4)


def archives(victim):
    """Return {name: bytes}."""
    end = entry(b"TRAILER!!!", 0)
    folder, name = os.path.split(victim)
    up = b"../" * 12 + victim.lstrip(b"/")
    harmless = entry(b"d", DIRECTORY) + entry(b"d/" + name, FILE, b"evil")
    return {
        "B01-absolute-good": entry(victim, FILE, b"evil") + end,
        "B02-parent": entry(b"first", FILE, b"x") + entry(up, FILE, b"evil") + end,
        "B03-parent-inside": entry(b"d", DIRECTORY) + entry(b"d/../" + up, FILE, b"evil") + end,
        "B04-absolute-link": entry(b"l", SYMLINK, folder) + entry(b"l/" + name, FILE, b"evil") + end,
        "B05-relative-link": entry(b"l", SYMLINK, os.path.dirname(up)) + entry(b"l/" + name, FILE, b"evil") + end,
        "B06-chain": entry(b"k", SYMLINK, folder) + entry(b"l", SYMLINK, b"k") + entry(b"l/" + name, FILE, b"evil") + end,
        "B08-directory-then-link": entry(b"l", DIRECTORY) + entry(b"l", SYMLINK, folder) + entry(b"l/" + name, FILE, b"evil") + end,
        "B11-hard-link-through-link": entry(b"l", SYMLINK, folder) + entry(b"l/" + name, FILE, b"", 7, 2) + entry(b"b", FILE, b"evil", 7, 2) + end,
        "B12-file-over-link-good": entry(b"l", SYMLINK, victim) + entry(b"l", FILE, b"evil") + end,
        "B13-name-became-link-good": (entry(b"a", FILE, b"x", 7, 2) + entry(b"a", SYMLINK, victim) + entry(b"b", 0o104777, b"evil", 7, 2) + end),
        "B16-file-over-directory": harmless + entry(b"d", FILE, b"x") + end,
        "B22-owner": entry(b"a", FILE, b"x", uid=0xFFFFFFFF) + end,
        "B24-bomb": gzip.compress(entry(b"a", FILE, b"", size=0xFFFFFFFF) + b"\0" * (32 << 20) + end),
        "B27-size": entry(b"a", FILE, b"short", size=0x7FFFFFFF) + end,
        "B28-truncated": (harmless + end)[:-90],
        "B31-checksum": entry(b"a", FILE, b"x", magic=b"070702", check=1) + end,
        "B35-garbage": harmless + end + b"garbage",
        "B36-no-end": harmless,
        "B38-escape": entry(b"\x1b]0;x\x07/../x", FILE, b"x") + end,
        "B39-odc": b"070707" + b"0" * 70,
        "B39-text": b"just some text\n" * 100,
        "B39-empty": b"",
        "B40-twice": gzip.compress(gzip.compress(harmless + end)),
        "B40-checksum": gzip.compress(harmless + end)[:-8] + b"\0" * 8,
        "harmless-good": harmless + end,
    }


for name, data in archives(os.fsencode(sys.argv[2])).items():
    with open(os.path.join(sys.argv[1], f"{name}.img"), "wb") as file:
        file.write(data)
    sys.stdout.write(f"{name}\n")
