# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verbs with a process at the other end: run, exec, logs."""

from __future__ import annotations

import os
import time

from ..base.errors import LauncherError
from ..base.text import printable
from ..work import records
from .arguments import Usage
from .naming import identify, known
from .output import say, write_all

_TURN = 0.1  # seconds between two looks at a log that is followed


def run(_values: dict, names: list[str]) -> int:
    from ..work import foreground

    if not names[0]:
        raise Usage("no path is given")  # "" would be the directory that we are in
    return foreground.run(names[0], say)


def execute(values: dict, names: list[str]) -> int:
    from ..work import enter

    on_terminal = os.isatty(0) and os.isatty(1)
    terminal = values.get("tty", False) or (on_terminal and not values.get("no_tty"))
    if terminal and not on_terminal:
        raise LauncherError("-t needs standard input and output to be a terminal", remedy="Leave it away")
    env = dict(_pair(word) for word in values.get("env", []))
    name, _path = identify(names[0])
    return enter.execute(name, names[1:], user=values.get("user"), cwd=values.get("cwd"), env=env, terminal=terminal,
                         stdin=values.get("stdin", False))


def _pair(word):
    name, equals, value = word.partition("=")
    if not name or not equals:
        raise Usage(f"{word!r} is not NAME=VALUE", option="--env")
    return name, value


def logs(values: dict, names: list[str]) -> int:
    from ..work import log_files

    name, path = known(names[0])
    asked = (tuple(stream for stream in ("stdout", "stderr") if values.get(stream)) or ("stdout", "stderr"),
             _moment(values, "since"), _moment(values, "until"))
    show = _Lines(values.get("timestamps", False))
    most = int(values["tail"]) if "tail" in values else None
    if not values.get("follow"):
        found, _omitted = log_files.select(path, *asked, most)
        show(found)
        return 0
    _follow(name, log_files.Follower(path), lambda record: log_files.match(record, *asked), most, show)
    return 0


def _moment(values, option):
    from ..base import moments

    try:
        return moments.parse(values[option], f"--{option}") if option in values else ""
    except LauncherError as error:
        raise Usage(error.problem, option=error.option, value=error.value, remedy=error.remedy) from None


def _follow(name, follower, match, most, show):
    """Show what is there, the last `most` of it, and then what comes, until the container has ended."""
    try:
        found = [record for record in follower.more() if match(record)]
        show(found if most is None else found[max(0, len(found) - most):])
        while True:
            running = records.is_active(records.read_state(name))  # before the look, or its last words would be missed
            show(record for record in follower.more() if match(record))
            if not running:
                break
            time.sleep(_TURN)
        show(record for record in follower.unfinished() if match(record))
    finally:
        follower.close()


class _Lines:
    """Writes records: bytes as they are for a file or a pipe, on a terminal nothing that could drive it."""

    __slots__ = ("_timestamps", "_terminal")

    def __init__(self, timestamps):
        self._timestamps, self._terminal = timestamps, os.isatty(1)

    def __call__(self, found):
        write_all(1, b"".join(self._line(stamp, message) for stamp, _stream, message in found))

    def _line(self, stamp, message):
        shown = printable(message).encode("utf-8", "backslashreplace") if self._terminal else message
        return (stamp.encode() + b" " if self._timestamps else b"") + shown + b"\n"


VERBS = {"run": run, "exec": execute, "logs": logs}
