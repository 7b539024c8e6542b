# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What /run/coracle/NAME/state holds: one `key: value` a line, in the manner of the settings file. Parse and render; no I/O.

State that the kernel also holds is a hint: `pid` counts only with its `starttime` and `boot_id` (kernel/procs.py).
"""

from __future__ import annotations

from ..base import text
from ..base.errors import LauncherError

RUNNING = "running"
EXITED = "exited"


class State:
    """One container's last known run.

    `pid` of init in the host's pid namespace; `starttime` in clock ticks since boot (proc(5), field 22); `started_at`, `finished_at`
    in seconds since the epoch; `exit_code` 0 to 255, 128+n after signal n, None while running or when nobody saw the end (`reason` says so);
    `reason` also says, while it runs again, why it was restarted; `restarts`: how often since somebody started it; `row`: those since one
    has lived long enough (model/restart.py); `restart_at`: seconds of CLOCK_MONOTONIC at which it is started again, None unless it waits
    for that; `stopping`: somebody has asked for its end; `host_interfaces`: names of the host ends of its veth pairs; `digest`: of the
    launcher's code that started it; `foreground`: by `coracle run`, which waits for it itself.
    """

    __slots__ = ("name", "path", "status", "pid", "starttime", "boot_id", "started_at", "finished_at", "exit_code", "oom", "reason",
                 "restarts", "row", "restart_at", "stopping", "host_interfaces", "digest", "foreground")

    def __init__(self, name, path):
        self.name = name
        self.path = path
        self.status = RUNNING
        self.pid = 0
        self.starttime = 0
        self.boot_id = ""
        self.started_at = 0.0
        self.finished_at = None
        self.exit_code = None
        self.oom = False
        self.reason = ""
        self.restarts = 0
        self.row = 0
        self.restart_at = None
        self.stopping = False
        self.host_interfaces = []
        self.digest = ""
        self.foreground = False


_INTEGERS = {"pid": 1 << 22, "starttime": 1 << 63, "restarts": 1 << 63, "row": 1 << 63, "exit_code": 255}  # name: largest value (PID_MAX_LIMIT is 2^22)
_FLOATS = ("started_at", "finished_at", "restart_at")
_FLAGS = ("oom", "stopping", "foreground")


def render(state: State) -> bytes:
    """Return the file of `state`; what is None is left out."""
    lines = []
    for field in State.__slots__:
        value = getattr(state, field)
        if value is None or value == "":
            continue
        if field == "host_interfaces":
            value = " ".join(value)
        elif field in _FLAGS:
            value = "yes" if value else "no"
        elif field in _FLOATS:
            value = f"{value:.3f}"
        elif field == "reason":
            value = text.printable(value)  # words of the kernel or of a hostile rootfs: one line
        lines.append(f"{field}: {value}")
    return ("\n".join(lines) + "\n").encode("utf-8", "surrogateescape")


def parse(content: bytes) -> State | None:
    """Return the State of a file, None for anything that is not one (cut short, edited by hand, of another version)."""
    fields = {}
    for line in content.decode("utf-8", "surrogateescape").split("\n"):
        key, colon, value = line.partition(": ")
        if colon and key in State.__slots__:
            fields[key] = value
    if "name" not in fields or "path" not in fields or not content.endswith(b"\n"):
        return None
    state = State(fields["name"], fields["path"])
    for field, value in fields.items():
        try:
            if field in _INTEGERS:
                setattr(state, field, text.parse_integer(value, field, 0, _INTEGERS[field]))
            elif field in _FLOATS:
                setattr(state, field, _seconds(value))
            elif field == "host_interfaces":
                state.host_interfaces = value.split()
            elif field in _FLAGS:
                setattr(state, field, value == "yes")
            else:
                setattr(state, field, value)
        except LauncherError:
            return None
    if state.status not in (RUNNING, EXITED) or (state.status == RUNNING and (state.pid <= 1 or not state.boot_id)):
        return None
    return state


def _seconds(value):
    whole, _point, fraction = value.partition(".")
    if not text.is_digits(whole) or not text.is_digits(fraction) or len(value) > 32:  # float() would take 'nan', 'inf' and '1_0'
        raise LauncherError("is no time")
    return float(value)
