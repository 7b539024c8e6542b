# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`coracle list --filter KEY=VALUE`: those of one key are alternatives, all keys must hold."""

from __future__ import annotations

from .arguments import Usage

KEYS = ("name", "state", "health", "label")


def read(words: list[str]) -> dict[str, list[str]]:
    """['state=running', 'label=tier=web'] -> {'state': ['running'], 'label': ['tier=web']}. Usage for what is no filter."""
    found: dict[str, list[str]] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if key not in KEYS or not equals or not value:
            raise Usage(f"{word!r} is no filter", option="--filter", remedy="Use name=GLOB, state=, health=, label=NAME or label=NAME=VALUE")
        found.setdefault(key, []).append(value)
    return found


def passes(container: dict, asked: dict[str, list[str]]) -> bool:
    """Whether a container, as container_info describes it, is one of those asked for."""
    return all(any(_matches(container, key, value) for value in values) for key, values in asked.items())


def _matches(container, key, value):
    if key == "label":
        name, equals, content = value.partition("=")
        return name in container["labels"] and (not equals or container["labels"][name] == content)
    if key == "name":
        from fnmatch import fnmatchcase

        return fnmatchcase(container["name"], value)
    return container.get(key) == value
