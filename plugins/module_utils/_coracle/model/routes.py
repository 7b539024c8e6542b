# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Routes as words: {dest, gateway, metric, onlink} <-> '10.0.0.0/8 via 192.0.2.1 metric 50 onlink', as ip-route(8) has them.

Whether they are addresses is said elsewhere (addresses.py): a lean start loads this.
"""

from __future__ import annotations

from ..base import text
from ..base.errors import LauncherError

MAX_METRIC = (1 << 32) - 1
_REMEDY = "Write e.g. 10.0.0.0/8 via 192.0.2.1 metric 50, and commas between routes"


def parse_metric(value, option: str) -> int:
    """Return the metric of a route. LauncherError."""
    return text.parse_integer(value, option, 0, MAX_METRIC)


def parse_routes(value: str, option: str) -> list[dict]:
    """Return the routes that a line of a settings file names. LauncherError."""
    return [_parse(route.split(), route.strip(), option) for route in value.split(",")]


def _parse(words: list[str], shown: str, option: str) -> dict:
    if not words:
        raise LauncherError("has an empty route", option=option, value=shown, remedy=_REMEDY)
    route = {"dest": words[0]}
    rest = iter(words[1:])
    for word in rest:
        name = {"via": "gateway", "metric": "metric", "onlink": "onlink"}.get(word)
        content = True if word == "onlink" else next(rest, None)
        if name is None or content is None or name in route:
            raise LauncherError(f"has {word} where it means nothing", option=option, value=shown, remedy=_REMEDY)
        route[name] = content
    return route


def render_routes(routes: list[dict]) -> str:
    """Return routes as a line of a settings file."""
    return ", ".join(_render(route) for route in routes)


def _render(route: dict) -> str:
    words = [route["dest"]]
    if "gateway" in route:
        words += ["via", route["gateway"]]
    if "metric" in route:
        words += ["metric", str(route["metric"])]
    if route.get("onlink"):
        words.append("onlink")
    return " ".join(words)
