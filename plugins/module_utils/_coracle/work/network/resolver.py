# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""etc/resolv.conf of a root file system, resolv.conf(5): name servers, search domains and options; all other lines stay.

The tree may be hostile: no symbolic link in it is followed, and what is written replaces the file as a whole.
"""

from __future__ import annotations

import errno
import os
import stat

from ...base import beneath, files, text
from ...base.errors import LauncherError
from ...model import resolving
from ...model.change import LIVE, Change

_DIRECTORY = "etc"
_NAME = "resolv.conf"
_LARGEST = 65536  # bytes
# option of ours -> keyword of the file, in the order in which they are written
_KEYWORDS = {"dns_servers": "nameserver", "dns_search_domains": "search", "dns_opts": "options"}

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


class Found:
    """What a tree has. `data`: of the file, None without one. `link`: where a symbolic link in its place leads, None without one.
    `owner`: (uid, gid, mode) for the file that is written."""

    __slots__ = ("data", "link", "owner")

    def __init__(self, data: bytes | None, link: str | None, owner: tuple[int, int, int]):
        self.data = data
        self.link = link
        self.owner = owner


def want(servers: list[str] | None, searches: list[str] | None, options: list[str] | None) -> dict[str, list[str]]:
    """Return {option: words} of what is asked: None is not asked and stays as it is, [] removes. LauncherError."""
    asked = {"dns_servers": servers, "dns_search_domains": searches, "dns_opts": options}
    return {option: resolving.NORMALISE[option](words, option) for option, words in asked.items() if words is not None}


def read(rootfs: str) -> Found:
    """Read what the tree has. LauncherError: there is no such tree, its etc is a symbolic link, its resolv.conf is no file."""
    try:
        etc = _open(rootfs)
    except FileNotFoundError:
        return Found(None, None, (0, 0, 0o644))
    try:
        return _read(etc, rootfs)
    finally:
        os.close(etc)


def _open(rootfs: str) -> int:
    """Open etc of the tree. FileNotFoundError: the tree has none."""
    try:
        root = os.open(rootfs, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise LauncherError(f"is no directory that can be opened: {error.strerror}", option="rootfs", value=rootfs,
                            remedy="Give the path of a root file system that exists") from None
    try:
        return beneath.open_beneath(root, _DIRECTORY, os.O_RDONLY | os.O_DIRECTORY)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise LauncherError(f"its {_DIRECTORY} is no directory: {error.strerror}", option="rootfs", value=rootfs,
                            remedy="Let it be a directory; symbolic links in a root file system are not followed") from None
    finally:
        os.close(root)


def _read(etc: int, rootfs: str) -> Found:
    above = os.fstat(etc)
    owner = (above.st_uid, above.st_gid, 0o644)
    problem = f"is no regular file of at most {_LARGEST} bytes"
    try:
        there = os.stat(_NAME, dir_fd=etc, follow_symlinks=False)
        if stat.S_ISLNK(there.st_mode):
            return Found(None, os.readlink(_NAME, dir_fd=etc), owner)
        if stat.S_ISREG(there.st_mode):  # opening a device or a FIFO may already do something
            fd = beneath.open_beneath(etc, _NAME, os.O_RDONLY | os.O_NONBLOCK)
            try:
                there = os.fstat(fd)
                if stat.S_ISREG(there.st_mode) and there.st_size <= _LARGEST:
                    return Found(os.read(fd, _LARGEST), None, (there.st_uid, there.st_gid, there.st_mode & 0o777))
            finally:
                os.close(fd)
    except FileNotFoundError:
        return Found(None, None, owner)
    except OSError as error:
        problem = f"cannot be read: {error.strerror}"
    raise LauncherError(f"its {_DIRECTORY}/{_NAME} {problem}", option="rootfs", value=rootfs, remedy="Remove it")


def plan(wanted: dict[str, list[str]], found: Found) -> list[Change]:
    """Return what differs, option by option. A symbolic link in place of the file is replaced."""
    why = f"a symbolic link to {text.visible(found.link)} is replaced by a file" if found.link is not None else ""
    changes = []
    for option, words in wanted.items():
        before = _words(found.data or b"", _KEYWORDS[option])
        if before != words or found.link is not None:
            changes.append(Change(option, before, words, LIVE, why))
    return changes


def _words(data: bytes, keyword: str) -> list[str]:
    """What the C library makes of the file: every nameserver and options line counts, of search and domain lines the last."""
    found: list[str] = []
    for line in data.split(b"\n"):
        if not _is_about(line, keyword):
            continue
        words = [word.decode("utf-8", "backslashreplace") for word in line.split()[1:]]
        if keyword == "nameserver":
            found += words[:1]
        elif keyword == "search":
            found = words
        else:
            found += words
    return found


def _is_about(line: bytes, keyword: str) -> bool:
    """True when the keyword is at the very beginning, before a blank: the C library sees no other."""
    first, rest = line[:len(keyword)], line[len(keyword):]
    return (first == keyword.encode() and rest[:1] in (b" ", b"\t")) or (keyword == "search" and _is_about(line, "domain"))


def render(wanted: dict[str, list[str]], data: bytes) -> bytes:
    """Return the file with the lines about what is asked replaced, where the first of them was; without one, at the end."""
    lines = data.removesuffix(b"\n").split(b"\n") if data else []
    for option, words in wanted.items():
        keyword = _KEYWORDS[option]
        if _words(data, keyword) == words:
            continue
        places = [number for number, line in enumerate(lines) if _is_about(line, keyword)]
        start = places[0] if places else len(lines)
        each_its_line = [[word] for word in words] if keyword == "nameserver" else [words] if words else []
        lines = [line for number, line in enumerate(lines) if number not in places]
        lines[start:start] = [" ".join([keyword, *entry]).encode() for entry in each_its_line]
    return b"".join(line + b"\n" for line in lines)


def write(rootfs: str, wanted: dict[str, list[str]], found: Found) -> Callable[[], None]:
    """Replace the file as plan() said; etc is made when the tree has none. Returns what puts back what was there. LauncherError."""
    made = False
    try:
        try:
            etc = _open(rootfs)
        except FileNotFoundError:
            files.make_directories(os.path.join(rootfs, _DIRECTORY), 0o755)
            made = True
            etc = _open(rootfs)
        try:
            _replace(etc, render(wanted, found.data or b""), found.owner)
        finally:
            os.close(etc)
    except OSError as error:
        if made:
            os.rmdir(os.path.join(rootfs, _DIRECTORY))
        remedy = "Unmount what is mounted on it" if error.errno == errno.EBUSY else None
        raise LauncherError(f"its {_DIRECTORY}/{_NAME} cannot be written: {error.strerror}", option="rootfs", value=rootfs,
                            remedy=remedy) from None
    return lambda: _put_back(rootfs, found, made)


def _replace(etc: int, data: bytes, owner: tuple[int, int, int]) -> None:
    uid, gid, mode = owner
    files.write_whole(etc, _NAME, data, mode)
    written = os.stat(_NAME, dir_fd=etc, follow_symlinks=False)
    if stat.S_ISREG(written.st_mode) and (written.st_uid, written.st_gid) != (uid, gid):
        os.chown(_NAME, uid, gid, dir_fd=etc, follow_symlinks=False)


def _put_back(rootfs: str, found: Found, made: bool) -> None:
    etc = _open(rootfs)
    try:
        if found.data is not None:
            _replace(etc, found.data, found.owner)
            return
        os.unlink(_NAME, dir_fd=etc)
        if found.link is not None:
            os.symlink(found.link, _NAME, dir_fd=etc)
    finally:
        os.close(etc)
    if made:
        os.rmdir(os.path.join(rootfs, _DIRECTORY))
