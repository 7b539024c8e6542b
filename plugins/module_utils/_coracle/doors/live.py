# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`coracle stats`: once for a file or a pipe, again and again on a terminal; for people, for jq, for a textfile collector."""

from __future__ import annotations

import os
import time

from ..base.text import printable, render_size
from ..work import statistics
from . import tables
from .arguments import Usage
from .output import has_colour, say, say_json, write_all

COLUMNS = ("NAME", "CPU", "MEMORY", "", "PEAK", "NET IN / OUT", "BLOCK IN / OUT", "PIDS", "THROTTLED", "OOM")
_BAR = 10  # characters
_HOME, _CLEAR_LINE, _CLEAR_REST = b"\x1b[H", b"\x1b[K", b"\x1b[J"  # ECMA-48 CUP, EL, ED


def stats(values: dict, names: list[str]) -> int:
    interval = values.get("interval", 1.0)
    if not 0.1 <= interval <= 3600:
        raise Usage(f"{interval:g} is out of range", option="--interval", remedy="Give 0.1 to 3600 seconds")
    form = values.get("format") or ("json" if values.get("json") else "table")
    if form == "prometheus":
        write_all(1, prometheus(statistics.look(names)).encode())
        return 0
    before = {use.name: use for use in statistics.look(names)}
    if form == "table" and os.isatty(1) and not values.get("once"):
        return _live(names, before, interval, values.get("bare"))
    time.sleep(interval)  # a rate needs two looks
    after = statistics.look(names)
    if form == "json":
        say_json([_as_dict(before.get(use.name), use) for use in after])
    else:
        say(_table(before, after, values.get("bare"), has_colour(1)).rstrip("\n"))
    return 0


def _live(names, before, interval, bare):
    """Until Ctrl-C, which is how one leaves."""
    write_all(1, _HOME + _CLEAR_REST)
    wait = min(interval, 0.5)  # the first figures soon
    try:
        while True:
            time.sleep(wait)
            after = statistics.look(names)
            size = os.get_terminal_size(1)
            width, height = size.columns or 80, size.lines or 24  # a serial console has no size
            lines = _table(before, after, bare, False).split("\n")[:height - 1]
            write_all(1, _HOME + b"".join(line[:width].encode() + _CLEAR_LINE + b"\r\n" for line in lines) + _CLEAR_REST)
            before, wait = {use.name: use for use in after}, interval
    except KeyboardInterrupt:
        return 0


def _table(before, after, bare, colour):
    return tables.render(() if bare else COLUMNS, [_row(before.get(use.name), use) for use in after if use.values["running"]], colour)


def _row(before, use):
    values = use.values
    return [use.name, _percent(statistics.cpu_percent(before, use)), tables.memory(values["memory_usage"], values["memory_limit"]),
            _bar(values["memory_usage"], values["memory_limit"]), _size(values["memory_peak"]),
            f"{_size(values['network_received_bytes'])} / {_size(values['network_sent_bytes'])}",
            f"{_size(values['io_read_bytes'])} / {_size(values['io_write_bytes'])}",
            _count(values["pids"]), _percent(statistics.throttled_percent(before, use)), _count(values["oom_kills"])]


def _percent(value):
    return "-" if value is None else f"{value:.1f}%"


def _size(value):
    return "-" if value is None else render_size(value)


def _count(value):
    return "-" if value is None else str(value)


def _bar(used, limit):
    """How much of its limit it has, at a glance: [######....]."""
    if used is None or not limit:
        return ""
    filled = min(_BAR, used * _BAR // limit)
    return f"[{'#' * filled}{'.' * (_BAR - filled)}]"


def _as_dict(before, use):
    return {"name": use.name, **use.values, "running": bool(use.values["running"]), "cpu_percent": _rounded(statistics.cpu_percent(before, use)),
            "throttled_percent": _rounded(statistics.throttled_percent(before, use))}


def _rounded(value):
    return None if value is None else round(value, 2)


def prometheus(uses: list[statistics.Use]) -> str:
    """The text format of Prometheus, version 0.0.4: https://prometheus.io/docs/instrumenting/exposition_formats/. What is not counted is
    left out."""
    lines = []
    for name, kind, text, key in statistics.METRICS:
        known = [use for use in uses if use.values[key] is not None]
        if known:
            lines += [f"# HELP coracle_container_{name} {text}.", f"# TYPE coracle_container_{name} {kind}"]
            lines += [f'coracle_container_{name}{{name="{printable(use.name)}"}} {use.values[key]}' for use in known]
    return "".join(f"{line}\n" for line in lines)
