# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module container_logs: which lines of a container's output are asked for. Reads only."""

from __future__ import annotations

import os

from ..base import moments, text
from ..base.errors import LauncherError
from . import inspect, log_files, logs

MOST_LINES = 1000000


def read(options: dict) -> tuple[list, int]:
    """The records, oldest first, and how many there are before them. LauncherError: bad options, no such container."""
    most = text.parse_integer(options["tail"], "tail", 0, MOST_LINES)
    since, until = (moments.parse(options[option], option) if options[option] is not None else "" for option in ("since", "until"))
    if since and until and since > until:
        raise LauncherError("is later than until", option="since", value=options["since"], remedy="Exchange the two")
    streams = logs.STREAMS if options["stream"] == "all" else (options["stream"],)
    name, path = inspect.locate(options["name"], None)
    if not os.path.lexists(f"{path}/settings") and not os.path.isdir(logs.directory_of(path)):
        raise LauncherError("there is no such container", option="name", value=name, remedy="coracle list shows all")
    return log_files.select(path, streams, since, until, most)


def report(options: dict, found: tuple[list, int]) -> dict:
    """The return values: text that cannot drive a terminal, with the times when they are asked for."""
    records, omitted = found
    lines = [f"{stamp} {text.printable(message)}" if options["timestamps"] else text.printable(message) for stamp, _stream, message in records]
    return {"lines": lines, "omitted": omitted}
