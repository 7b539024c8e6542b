# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verbs that tell what is there: (options, names) -> exit status. Nothing here changes anything, but `images --prune`."""

from __future__ import annotations

from ..base.errors import LauncherError
from ..work import records
from . import filters, tables
from .arguments import Usage
from .naming import identify, missing
from .output import complain, has_colour, say, say_json, write_all

NOT_RUNNING, UNKNOWN = 3, 4  # exit status of `status`, as of an init script (LSB Core 22.2)


def list_containers(values: dict, names: list[str]) -> int:
    asked = filters.read(values.get("filter", []))
    if values.get("quiet") and not asked and not names:
        found = [{"name": name} for name in records.names()]  # what completion asks for at each key
    else:
        found = [container for container in _details(names) if filters.passes(container, asked)]
    return _list(values, found, "name", tables.COLUMNS, tables.row)


def list_images(values: dict, _names: list[str]) -> int:
    from ..work import images, store, uses

    found = store.images()
    if values.get("prune"):
        pruned = set(images.prune([image.digest for image in images.unused()]))
        found = [image for image in found if image.digest in pruned]
    users = uses.by_image()
    described = [{**image.as_dict(), "used_by": users.get(image.digest, [])} for image in found]
    return _list(values, described, "digest", tables.IMAGE_COLUMNS, tables.image_row)


def top(values: dict, names: list[str]) -> int:
    from ..work import processes

    found = [process.as_dict() for process in processes.of(identify(names[0])[0])]
    return _list(values, found, "pid", tables.PROCESS_COLUMNS, tables.process_row)


def stats(values: dict, names: list[str]) -> int:
    from . import live

    return live.stats(values, names)


def _list(values, found, name, columns, row):
    if values.get("quiet"):
        for item in found:
            say(item[name])
    elif values.get("json") or values.get("format") == "json":
        say_json(found)
    else:
        text = tables.render(() if values.get("bare") else columns, [row(item) for item in found], has_colour(1)).rstrip("\n")
        if text:
            say(text)
    return 0


def _details(names, log_lines=0):
    from ..work import inspect

    host = inspect.Host()
    return [inspect.details(have, host, log_lines) for have in inspect.find({"name": names, "labels": {}, "log_lines": log_lines})]


def _described(words, log_lines=0):
    """{word: what is known of that container, None when it is not there}. Words that name none are complained about and left out."""
    names = {}
    for word in words:
        try:
            names[word] = identify(word)[0]
        except LauncherError as error:
            complain(error, word)
    found = {container["name"]: container for container in _details(list(dict.fromkeys(names.values())), log_lines)} if names else {}
    return {word: found.get(name) for word, name in names.items()}


def inspect(_values: dict, names: list[str]) -> int:
    found = _described(names, log_lines=10)
    say_json([container for container in found.values() if container is not None])
    for word, container in found.items():
        if container is None:
            complain(missing(identify(word)[0]), word)
    return 0 if all(found.get(word) for word in names) else 1


def status(_values: dict, names: list[str]) -> int:
    found = _described(names)
    return max(_tell_status(word, found[word]) if word in found else UNKNOWN for word in dict.fromkeys(names))


def _tell_status(word, container):
    if container is None:
        say(f"{identify(word)[0]}: unknown")
        return UNKNOWN
    running = container["state"] == "running"
    extra = f", pid {container['pid']}, up {tables.duration(container['uptime'])}" if running else ""
    extra += tables.restarts(container["restarts"])
    extra += "".join(f": {why}" for why in (container["reason"], container["problem"]) if why)
    say(f"{container['name']}: {tables.state(container)}{extra} ({container['path']})")
    return 0 if running else NOT_RUNNING


def completion(_values: dict, names: list[str]) -> int:
    from . import completion as shells

    if names[0] not in shells.SHELLS:
        raise Usage(f"{names[0]!r} is none of {', '.join(shells.SHELLS)}")
    write_all(1, shells.SHELLS[names[0]]().encode())
    return 0


VERBS = {"list": list_containers, "status": status, "inspect": inspect, "top": top, "stats": stats, "images": list_images,
         "completion": completion}
