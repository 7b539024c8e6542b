# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""/proc/PID/mountinfo (proc(5)): what is mounted where, in our mount namespace and in those of others."""

from __future__ import annotations

import os

from ..base import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


class Mount:
    """A line. `point`: where; `root`: which directory of its file system; `options`: of the file system, {name: value}."""

    __slots__ = ("point", "root", "fstype", "options")

    def __init__(self, point, root, fstype, options):
        self.point, self.root, self.fstype, self.options = point, root, fstype, options


def parse(text: str, part: str = "") -> list[Mount]:
    """Return the mounts of a mountinfo in whose lines `part` occurs, a later mount on the same point after an earlier one.

    `part`: of a path, unescaped and without the characters that the kernel escapes; '' for all.
    """
    found = []
    for line in text.split("\n"):
        if part in line:
            mount, dash, system = line.partition(" - ")
            fields, kind = mount.split(" "), system.split(" ")
            if dash and len(fields) > 5 and len(kind) > 2:
                pairs = (option.partition("=") for option in kind[2].split(","))
                options = {name: unescape(value) for name, _equals, value in pairs}
                found.append(Mount(unescape(fields[4]), unescape(fields[3]), kind[0], options))
    return found


def unescape(field: str) -> str:
    """Undo the octal escapes of a field: seq_path() in fs/seq_file.c escapes blanks and backslashes, seq_show_option() also ',' and '='."""
    if "\\" not in field:
        return field
    first, *pieces = field.split("\\")
    return first + "".join(_character(piece[:3]) + piece[3:] for piece in pieces)


def _character(digits):
    if len(digits) == 3 and all(digit in "01234567" for digit in digits):
        return chr(int(digits, 8))
    return "\\" + digits


def own() -> str:
    """Our own mountinfo."""
    return files.read_text("/proc/self/mountinfo")


def below(path: str, part: str = "") -> list[Mount]:
    """Return what is mounted on the real path `path` and below it in our mount namespace. `part` as for parse()."""
    return [mount for mount in parse(own(), part) if mount.point == path or mount.point.startswith(f"{path}/")]


def of_others() -> Iterator[tuple[str, str]]:
    """Return (pid, its mountinfo) of one process of each mount namespace that is not ours, as far as /proc shows them."""
    seen = {_namespace("self")}
    for pid in os.listdir("/proc"):
        if not pid.isdigit():
            continue
        try:
            namespace = _namespace(pid)
            if namespace not in seen:
                text = files.read_text(f"/proc/{pid}/mountinfo")
                seen.add(namespace)
                yield pid, text
        except OSError:
            continue  # it has ended, and another process of that namespace may tell


def with_upper(upper: str) -> Iterator[tuple[str, Mount]]:
    """Return (pid or 'self', mount) of each overlay of any mount namespace that writes to the directory `upper`."""
    for pid, text in (("self", own()), *of_others()):
        for mount in parse(text, "upperdir="):
            if mount.fstype == "overlay" and mount.options.get("upperdir") == upper:
                yield pid, mount


def _namespace(pid):
    info = os.stat(f"/proc/{pid}/ns/mnt")
    return info.st_dev, info.st_ino
