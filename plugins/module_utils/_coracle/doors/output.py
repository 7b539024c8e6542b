# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the command speaks: data to stdout, talk to stderr, errors as `coracle: web1: memory: '4X' is not a size; use e.g. 4M (settings:7)`."""

from __future__ import annotations

import os

from ..base.errors import LauncherError
from ..base.text import printable

# With one of these an error's words go on after the value that they are about: '4X' is not a size.
_VERBS = frozenset(("is", "are", "has", "had", "cannot", "can", "may", "does", "needs", "names", "holds", "ends", "ended", "goes", "gives", "counts",
                    "exists", "runs", "lies", "contradicts"))
_NO_CONTAINER = ("name", "path")
_RED, _END = b"\x1b[31m", b"\x1b[0m"


def say(text: str, stream: int = 1) -> None:
    """Write a line at once: a container may write to the same terminal next."""
    write_all(stream, text.encode("utf-8", "backslashreplace") + b"\n")


def write_all(stream: int, data: bytes) -> None:
    """Write to one of the caller's descriptors."""
    try:
        while data:
            data = data[os.write(stream, data):]
    except BrokenPipeError:
        raise SystemExit(141) from None  # the reader has what it wanted: end quietly, as after SIGPIPE


def say_json(data) -> None:
    """Write data for other programs."""
    from json import dumps

    say(dumps(data, indent=2))


def has_colour(stream: int) -> bool:
    """Whether colour is welcome there: https://no-color.org, and never in a file or a pipe."""
    return os.isatty(stream) and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def complain(error: LauncherError | OSError | str, subject: str = "") -> None:
    """Write an error. `subject`: the container that it is about, or its path."""
    start = _RED + b"coracle:" + _END if has_colour(2) else b"coracle:"
    try:
        write_all(2, start + b" " + told(error, subject).encode("utf-8", "backslashreplace") + b"\n")
    except OSError:
        return  # it cannot be told; the exit status still can


def told(error: LauncherError | OSError | str, subject: str = "") -> str:
    """The words of an error: subject, option, value, problem, remedy, place."""
    if isinstance(error, OSError):
        where = f" ({error.filename})" if error.filename else ""
        error = f"the host refused: {error.strerror or error}{where}"
    subject = printable(os.path.basename(subject.rstrip("/")) or subject)
    about = f"{subject}: " if subject else ""
    if not isinstance(error, LauncherError):
        return about + error
    option = None if subject and error.option in _NO_CONTAINER else error.option
    return about + (f"{option}: " if option else "") + _problem(error, option) + _remedy(error.remedy) + _place(error.place, subject)


def _problem(error, option):
    if option is None or error.value is None:
        return error.problem
    joint = " " if error.problem.partition(" ")[0] in _VERBS else ": "
    return f"{error.value!r}{joint}{error.problem}"


def _remedy(remedy):
    if not remedy:
        return ""
    return "; " + (remedy[0].lower() if remedy[1:2].islower() or remedy[1:2] == " " else remedy[0]) + remedy[1:]


def _place(place, subject):
    """Of a container that is named already, the file is enough."""
    if not place:
        return ""
    return f" ({os.path.basename(place) if subject else place})"
