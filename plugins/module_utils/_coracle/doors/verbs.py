# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What each verb of the command does: (options, names) -> exit status. The work itself is in the layer below."""

from __future__ import annotations

import os
import time

from ..base.errors import LauncherError
from ..base.text import is_digits
from ..model import settings
from ..work import records
from .arguments import Usage


def run(_values: dict, names: list[str]) -> int:
    from ..work import foreground
    from .command import say

    return foreground.run(names[0], say)


def execute(values: dict, names: list[str]) -> int:
    from ..work import enter

    on_terminal = os.isatty(0) and os.isatty(1)
    terminal = values.get("tty", False) or (on_terminal and not values.get("no_tty"))
    if terminal and not on_terminal:
        raise LauncherError("-t needs standard input and output to be a terminal", remedy="Leave it away")
    env = dict(_pair(word) for word in values.get("env", []))
    return enter.execute(names[0], names[1:], user=values.get("user"), cwd=values.get("cwd"), env=env, terminal=terminal,
                         stdin=values.get("stdin", False))


def _pair(word):
    name, equals, value = word.partition("=")
    if not name or not equals:
        raise Usage(f"-e {word!r} is not NAME=VALUE")
    return name, value


def start(values: dict, names: list[str]) -> int:
    chosen = _chosen(values, names, running=False)
    return _converge(chosen, {"state": "started", "start_grace": values.get("grace", 0.25)})


def restart(values: dict, names: list[str]) -> int:
    return _converge(_chosen(values, names, running=True), {"state": "started", "restart": True})


def stop(values: dict, names: list[str]) -> int:
    from ..work import client, marks

    number = settings.signal_number(values["signal"], "--signal") if "signal" in values else None
    chosen = [_identify(word) for word in _chosen(values, names, running=True)]
    for name, path in chosen:
        _must_exist(name, path)
    for _name, path in chosen:
        marks.stop(path)  # a person's wish, which the next `coracle boot` respects
    outcomes = client.stop([(name, number, values.get("timeout")) for name, _path in dict(chosen).items() if _has_traces(name)])
    return _say_problems([(outcome.name, outcome.problem) for outcome in outcomes.values() if not outcome.ok])


def boot(_values: dict, _names: list[str]) -> int:
    from ..work import boot as host

    return _say_problems(host.boot())


def shutdown(values: dict, _names: list[str]) -> int:
    from ..work import boot as host

    return _say_problems(host.shutdown(values.get("timeout")))


def _say_problems(problems):
    from .command import say

    for name, problem in problems:
        say(f"coracle: {name}: {problem}", 2)
    return 1 if problems else 0


def _has_traces(name):
    """Whether it has run since boot, or may run though its state is lost."""
    from ..work import start as launch

    return records.read_state(name) is not None or launch.cgroup_of(name).exists()


def _converge(words, options):
    """What a task with the module `containers` would do."""
    from ..work import client, fleet

    items = []
    for word in words:
        name, path = _identify(word)
        _must_exist(name, path)
        items.append({"name": name, "path": path, **options})
    wanted = fleet.read(items, purge=False)
    fleet.plan(wanted)
    fleet.apply(wanted)
    if any(records.is_running(records.read_state(job.want.name)) for job in wanted.jobs):
        client.adopt()  # one that runs already is as asked, but who waits for it may have been killed
    return _say_problems([(job.want.name, job.error) for job in wanted.jobs if job.error is not None])


def _chosen(values, names, running):
    if values.get("all"):
        return [name for name in records.names() if records.is_active(records.read_state(name)) == running]
    if not names:
        raise Usage("no container is named", remedy="Give names, or --all")
    return names


def _identify(word):
    """A word with a slash is the path of a container's directory, any other its name."""
    if "/" in word:
        return records.identify(None, os.path.abspath(word))
    name, _path = records.identify(word, None)
    return name, records.known_path(name)


def _must_exist(name, path):
    if not os.path.exists(f"{path}/settings") and not records.is_running(records.read_state(name)):
        raise LauncherError("there is no such container", option="name", value=name, remedy="coracle list shows all")


def list_containers(values: dict, names: list[str]) -> int:
    from . import tables

    return _list(values, _details(names), "name", tables.COLUMNS, tables.row)


def list_images(values: dict, _names: list[str]) -> int:
    from ..work import images, store, uses
    from . import tables

    found = store.images()
    if values.get("prune"):
        pruned = set(images.prune([image.digest for image in images.unused()]))
        found = [image for image in found if image.digest in pruned]
    users = uses.by_image()
    described = [{**image.as_dict(), "used_by": users.get(image.digest, [])} for image in found]
    return _list(values, described, "digest", tables.IMAGE_COLUMNS, tables.image_row)


def _list(values, found, name, columns, row):
    from . import tables
    from .command import say

    if values.get("quiet"):
        for item in found:
            say(item[name])
    elif _wants_json(values):
        _say_json(found)
    else:
        colour = os.isatty(1) and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
        header = () if values.get("bare") else columns
        text = tables.render(header, [row(item) for item in found], colour).rstrip("\n")
        if text:
            say(text)
    return 0


def _wants_json(values):
    form = values.get("format", "json" if values.get("json") else "table")
    if form not in ("table", "json"):
        raise Usage(f"--format {form!r} is neither table nor json")
    return form == "json" or values.get("json", False)


def _say_json(data):
    from json import dumps

    from .command import say

    say(dumps(data, indent=2))


def _details(names, log_lines=0):
    from ..work import inspect

    host = inspect.Host()
    return [inspect.details(have, host, log_lines) for have in inspect.find({"name": names, "labels": {}, "log_lines": log_lines})]


def inspect(_values: dict, names: list[str]) -> int:
    found = _details([_identify(name)[0] for name in names], log_lines=10)
    missing = sorted({_identify(name)[0] for name in names} - {container["name"] for container in found})
    if missing:
        raise LauncherError("there is no such container", option="name", value=missing[0], remedy="coracle list shows all")
    _say_json(found)
    return 0


def status(_values: dict, names: list[str]) -> int:
    from . import tables
    from .command import say

    name, path = _identify(names[0])
    found = _details([name])
    if not found:
        say(f"{name}: unknown")
        return 4
    container = found[0]
    running = container["state"] == "running"
    extra = f", pid {container['pid']}, up {tables.duration(container['uptime'])}" if running else ""
    extra += tables.restarts(container["restarts"])
    extra += f": {container['reason']}" if container["reason"] else ""
    say(f"{name}: {tables.state(container)}{extra} ({path})")
    return 0 if running else 3


def wait(_values: dict, names: list[str]) -> int:
    from ..kernel import procs
    from .command import say

    for name, path in [_identify(word) for word in names]:
        _must_exist(name, path)
        state = records.read_state(name)
        while records.is_active(state) or (state is not None and state.status == "running"):
            if records.is_running(state):
                descriptor = os.pidfd_open(state.pid)
                procs.wait_end(descriptor, 3600)
                os.close(descriptor)
            else:
                time.sleep(0.02)  # it has ended; the supervisor writes how
                if not _is_supervised():
                    state = records.read_state(name)  # written before it went, perhaps since we looked
                    break
            state = records.read_state(name)
        say("?" if state is None or state.exit_code is None else str(state.exit_code))
    return 0


def _is_supervised():
    from ..work import client

    return client.is_there()


def logs(values: dict, names: list[str]) -> int:
    name, path = _identify(names[0])
    _must_exist(name, path)
    streams = [stream for stream in ("stdout", "stderr") if values.get(stream)] or ["stdout", "stderr"]
    since = _since(values["since"]) if "since" in values else ""
    shown = _show_logs(path, streams, since, int(values["tail"]) if "tail" in values else None, values.get("timestamps", False), None)
    while values.get("follow"):
        running = records.is_active(records.read_state(name))
        shown = _show_logs(path, streams, since, None, values.get("timestamps", False), shown)
        if not running:
            break
        time.sleep(0.1)
    return 0


def _show_logs(path, streams, since, tail, timestamps, after):
    """Write the lines that come after the record `after` (all when None); return the last record seen."""
    from ..work import logs as store
    from .command import write_all

    found = store.records(path)
    last = found[-1] if found else after
    if after is not None and after in found:
        found = found[len(found) - found[::-1].index(after):]
    chosen = [record for record in found if record[1] in streams and record[0] >= since]
    if tail is not None and tail < len(chosen):
        chosen = chosen[len(chosen) - tail:]
    write_all(1, b"".join((stamp.encode() + b" " if timestamps else b"") + _for_terminal(message) + b"\n" for stamp, _stream, message in chosen))
    return last


def _for_terminal(message):
    """Bytes as they are for a file or a pipe; on a terminal nothing that could drive it."""
    from ..base.text import printable

    return printable(message).encode("utf-8", "backslashreplace") if os.isatty(1) else message


def _since(text):
    """'42m' or RFC 3339 -> a time that compares with those of the log."""
    units = {"s": 1, "m": 60, "h": 3600, "d": 86400}
    if text and text[-1] in units and is_digits(text[:-1]) and len(text) <= 9:
        return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(time.time() - int(text[:-1]) * units[text[-1]]))
    if len(text) >= 10 and text[4:5] == "-" and text[7:8] == "-":
        return text
    raise Usage(f"--since {text!r} is no time", remedy="Use e.g. 42m, 3h, or 2026-11-24T05:59")


VERBS = {"run": run, "start": start, "stop": stop, "restart": restart, "boot": boot, "shutdown": shutdown, "list": list_containers,
         "status": status, "inspect": inspect, "logs": logs, "exec": execute, "images": list_images, "wait": wait}
