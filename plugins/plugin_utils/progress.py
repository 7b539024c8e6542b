# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lines for a person who waits while a large file is sent: `node7  sending initrd.img  12 of 40 MB  (3.1 s)`.

The file is sent by the connection plugin as ever, with sftp, scp, or by itself; none of them tells how far it is. The kernel does: a
thread looks, below our own process, for a descriptor of the file that is sent (or of the copy, when host and controller are one) and
reads its position in /proc/PID/fdinfo. So nothing about the sending changes, and where there is no /proc, or the file is read in another
way, there are no lines and nothing else is missing.
"""

from __future__ import annotations

import os
import stat
import threading
import time

from ansible.utils.display import Display

SMALL = 8 << 20  # bytes: smaller files are sent without a word
_INTERVAL = 2.0  # seconds between two lines of one host
_MEGABYTE = 1_000_000
_STDOUT = 1


def wanted() -> bool:
    """True when a person watches: the play's standard output is a terminal, this is no CI, and -vv or more does not say more anyway."""
    return not os.environ.get("CI") and Display().verbosity <= 1 and _is_terminal(os.getppid(), _STDOUT)


def _is_terminal(pid: int, number: int) -> bool:
    """Of the process that forked us: our own standard output is /dev/null since ansible-core 2.19."""
    try:
        fd = os.open(f"/proc/{pid}/fd/{number}", os.O_WRONLY | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return os.isatty(fd)
    finally:
        os.close(fd)


class Progress:
    """`with Progress(host, path, target):` while `path` is sent to `target` on `host`. `label`: how the file is called."""

    def __init__(self, host: str, path: str, target: str, label: str):
        self._host, self._target, self._label = host, target, label
        self._done = threading.Event()
        self._thread: threading.Thread | None = None
        self._file = _stat(path)

    def __enter__(self) -> Progress:
        if self._file is not None and self._file.st_size >= SMALL and wanted():
            self._thread = threading.Thread(target=self._watch, name="progress", daemon=True)
            self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._done.set()
        if self._thread is not None:
            self._thread.join(_INTERVAL)  # it is a daemon: the task does not wait for one that hangs

    def _watch(self) -> None:
        begin = time.monotonic()
        last = 0
        while not self._done.wait(_INTERVAL):
            position = self._position()
            if position is None or position <= last or self._done.is_set():
                continue  # nothing is known, or nothing has moved
            last = position
            Display().display(self._line(position, time.monotonic() - begin), screen_only=True)

    def _line(self, position: int, seconds: float) -> str:
        size = self._file.st_size
        done, whole = min(position, size) // _MEGABYTE, -(-size // _MEGABYTE)
        return f"{self._host}  sending {self._label}  {done} of {whole} MB  ({seconds:.1f} s)"

    def _position(self) -> int | None:
        """How far the file has been read, or its copy written: None when nobody below us has it open."""
        descriptors = ((pid, number) for pid in _family(os.getpid()) for number in _list(f"/proc/{pid}/fd"))
        return max((_offset(*descriptor) for descriptor in descriptors if self._is_it(*descriptor)), default=None)

    def _is_it(self, pid: int, number: str) -> bool:
        link = f"/proc/{pid}/fd/{number}"
        found = _stat(link)
        if found is None or not stat.S_ISREG(found.st_mode):
            return False
        if self._file is not None and os.path.samestat(found, self._file):
            return True
        try:
            return os.readlink(link) == self._target
        except OSError:
            return False


def _family(root: int) -> list[int]:
    """`root` and all below it. Of a process that ends meanwhile nothing is said."""
    children: dict[int, list[int]] = {}
    for name in _list("/proc"):
        if name.isdigit():
            fields = _read(f"/proc/{name}/stat").rpartition(")")[2].split()  # the name before it may have blanks and brackets
            if len(fields) > 1:
                children.setdefault(int(fields[1]), []).append(int(name))
    family = [root]
    for pid in family:  # which grows meanwhile
        family += children.get(pid, [])
    return family


def _offset(pid: int, number: str) -> int:
    first = _read(f"/proc/{pid}/fdinfo/{number}").split("\n", 1)[0].split()
    return int(first[1]) if len(first) == 2 and first[0] == "pos:" and first[1].isdigit() else 0


def _stat(path: str) -> os.stat_result | None:
    try:
        return os.stat(path)
    except OSError:
        return None


def _list(path: str) -> list[str]:
    try:
        return os.listdir(path)
    except OSError:
        return []


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read(4096)
    except OSError:
        return ""
