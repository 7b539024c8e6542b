#!/usr/bin/env python
# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""compare_trees.py ONE OTHER: print what differs, one line each, and how many entries are equal.

Compared are names, types, modes, owners, link counts of files and which names they join, device numbers, targets, content, and times
of all but directories and links.
"""

from __future__ import annotations

import hashlib
import os
import stat
import sys


def facts(root):
    found, first_names = {}, {}
    for directory, directories, files in os.walk(os.fsencode(root)):
        for name in [b"."] + directories + files if directory == os.fsencode(root) else directories + files:
            path = os.path.normpath(os.path.join(directory, name))
            info = os.lstat(path)
            relative = os.path.relpath(path, os.fsencode(root))
            # GNU cpio gives directories (or the last file made in them takes it away) and symbolic links no time.
            timeless = stat.S_ISDIR(info.st_mode) or stat.S_ISLNK(info.st_mode)
            entry = [oct(info.st_mode), info.st_uid, info.st_gid, 0 if timeless else int(info.st_mtime)]
            if stat.S_ISLNK(info.st_mode):
                entry.append(os.readlink(path))
            elif stat.S_ISREG(info.st_mode):
                with open(path, "rb") as file:
                    entry += [info.st_size, info.st_nlink, hashlib.sha256(file.read()).hexdigest()]
                first_names.setdefault(info.st_ino, []).append(relative)
            elif not stat.S_ISDIR(info.st_mode):
                entry.append(info.st_rdev)
            found[relative] = (entry, info.st_ino)
    return {path: entry + [sorted(first_names.get(inode, []))] for path, (entry, inode) in found.items()}


one, other = facts(sys.argv[1]), facts(sys.argv[2])
for path in sorted(set(one) | set(other)):
    if one.get(path) != other.get(path):
        sys.stdout.write(f"{path!r}: {one.get(path)} {other.get(path)}\n")
sys.stdout.write(f"{sum(other.get(path) == entry for path, entry in one.items())} equal\n")
