# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tables for a terminal and for scripts. What a container wrote or is called is shown with its control characters made visible."""

from __future__ import annotations

from ..base.text import printable, render_size

_COLOURS = {"running": "\x1b[32m", "failed": "\x1b[31m"}
_END = "\x1b[0m"
_SHORT_DIGEST = len("sha256:") + 12
IMAGE_COLUMNS = ("DIGEST", "FORMAT", "COMPRESSION", "SIZE", "ENTRIES", "USED BY")
PROCESS_COLUMNS = ("PID", "INSIDE", "USER", "STATE", "TIME", "RSS", "COMMAND")
COLUMNS = ("NAME", "STATE", "PID", "UPTIME", "RESTARTS", "MEMORY", "CPU", "ADDRESS")


def row(container: dict) -> list[str]:
    """The cells of one container, as container_info describes it."""
    usage, limits = container["usage"], container["limits"]
    addresses = [address for network in container["networks"] for address in network.get("addresses", [])]
    return [container["name"], state(container), str(container["pid"] or "-"), duration(container["uptime"]), str(container["restarts"]),
            memory(usage.get("memory_usage"), limits.get("memory")), seconds(usage.get("cpu_usage_ns")), " ".join(addresses) or "-"]


def image_row(image: dict) -> list[str]:
    """The cells of one image: the digest as short as it is still no other's on any host."""
    return [image["digest"][:_SHORT_DIGEST], image["format"], "+".join(_short(image["segments"])), render_size(image["bytes"]),
            str(image["entries"]), ", ".join(image["used_by"]) or "-"]


def process_row(process: dict) -> list[str]:
    """The cells of one process: its pid here and in the container, the number of its user."""
    return [str(process["pid"]), str(process["inside"] or "-"), str(process["uid"]), process["state"], f"{process['seconds']:.1f}s",
            render_size(process["rss"]), process["command"]]


def _short(segments: list[str]) -> list[str]:
    return segments if len(segments) <= 3 else [*segments[:2], "..."]


def state(container: dict) -> str:
    """running (healthy), created, exited (137, oom), exited (?) when nobody saw the end, restarting (1) until its next start."""
    if container["state"] not in ("exited", "restarting"):
        health = container.get("health")
        return f"{container['state']} ({health})" if health else container["state"]
    code = container["exit_code"]
    return f"{container['state']} ({'?' if code is None else code}{', oom' if container.get('oom') else ''})"


def restarts(count: int) -> str:
    """', restarted twice' and so on; nothing for none."""
    return "" if not count else ", restarted once" if count == 1 else f", restarted {count} times"


def duration(uptime: float | None) -> str:
    """Seconds for a person: 42s, 5m, 3h, 12d."""
    if uptime is None:
        return "-"
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if uptime >= size:
            return f"{int(uptime // size)}{unit}"
    return f"{int(uptime)}s"


def memory(used: int | None, limit: int | None) -> str:
    """1.4M / 4.0M (35%): the share of the limit is the number that people act on."""
    if used is None:
        return "-"
    if limit is None or limit <= 0:
        return render_size(used)
    return f"{render_size(used)} / {render_size(limit)} ({used * 100 // limit}%)"


def seconds(nanoseconds: int | None) -> str:
    """Processor time so far."""
    return "-" if nanoseconds is None else f"{nanoseconds / 1e9:.1f}s"


def render(header: tuple[str, ...], rows: list[list[str]], colour: bool) -> str:
    """Columns as wide as their widest cell. Colour is never the only carrier of meaning."""
    shown = [[printable(cell) for cell in cells] for cells in rows]
    widths = [max(len(cells[index]) for cells in [list(header), *shown]) for index in range(len(header))] if header else \
        [max(len(cells[index]) for cells in shown) for index in range(len(shown[0]))] if shown else []
    lines = []
    for cells in ([list(header)] if header else []) + shown:
        padded = [cell.ljust(width) for cell, width in zip(cells, widths)]
        if colour and len(cells) > 1:
            kind = "running" if cells[1].startswith("running") else \
                "failed" if cells[1].startswith(("exited", "restarting")) and cells[1] != "exited (0)" else ""
            if kind:
                padded[1] = f"{_COLOURS[kind]}{cells[1]}{_END}{padded[1][len(cells[1]):]}"
        lines.append("   ".join(padded).rstrip())
    return "\n".join(lines) + "\n" if lines else ""
