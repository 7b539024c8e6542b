# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where one container's settings and state are kept: reading and writing them, and whether the state is still true."""

from __future__ import annotations

import errno
import os

from ..base import beneath, files, places, text
from ..base.errors import LauncherError
from ..kernel import procs
from ..kernel.cgroup import tree
from ..model import settings
from ..model import state as states
from . import marks

_STATE_LIMIT = 65536


def path_of(name: str) -> str:
    """The directory of a container that the collection made."""
    return f"{places.CONTAINERS}/{name}"


def run_directory(name: str) -> str:
    """The directory of a container's state, on a tmpfs."""
    return f"{places.RUN}/{name}"


def identify(name: str | None, path: str | None) -> tuple[str, str]:
    """Return (name, path) of a container given by one of them or both. LauncherError for bad ones; nothing need exist."""
    if path is not None:
        if not path.startswith("/") or text.has_control(path) or ".." in path.split("/") or os.path.normpath(path) == "/":
            raise LauncherError("is no absolute path of a container's directory", option="path", value=path,
                                remedy="Give the directory that holds settings and chroot")
        path = os.path.normpath(path)
    if name is None:
        if path is None:
            raise LauncherError("neither name nor path is given", option="name", remedy="Give one of them")
        try:
            return _check_name(os.path.basename(path)), path
        except LauncherError as error:
            raise LauncherError("does not end in a name that a container can have", option="path", value=path,
                                remedy=f"{error.remedy}, or give name beside path") from None
    return _check_name(name), path or path_of(name)


def _check_name(name):
    """Return a name that nobody else has in the directories where a container leaves something: the supervisor, the kernel."""
    text.check_name(name)
    tree.check_path(name)
    if name.startswith("supervisor."):
        raise LauncherError("is a name that the supervisor keeps for its own files", option="name", value=name, remedy="Choose another name")
    return name


def read_settings(path: str) -> dict:
    """Return the spec of `path`/settings. LauncherError: no container there, or SettingsError."""
    try:
        content = files.read_limited(f"{path}/settings", settings.LIMIT)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR):
            raise LauncherError("holds no file named settings", option="path", value=path,
                                remedy="Give the directory of a container: settings, and chroot beside it") from None
        raise
    return settings.parse(content, f"{path}/settings")


def write_settings(path: str, spec: dict) -> None:
    """Write `path`/settings whole, 0600. Needs the container's lock."""
    directory = files.open_directory(path)
    try:
        files.write_whole(directory, "settings", settings.render(spec))
    finally:
        os.close(directory)


def lock(name: str) -> files.Lock:
    """The lock of one container: whoever changes its settings or asks for its start or stop holds it. Not taken yet."""
    return files.Lock(f"{places.RUN}/.locks/{name}")


def read_state(name: str) -> states.State | None:
    """Return what /run says of a container's last run; None when it never ran since boot, or the file is no state."""
    try:
        state = states.parse(files.read_limited(f"{run_directory(name)}/state", _STATE_LIMIT))
    except FileNotFoundError:
        return None
    except LauncherError:
        return None
    return state if state is not None and state.name == name else None


def write_state(state: states.State) -> None:
    """Write /run/coracle/NAME/state. On a tmpfs: nothing to sync."""
    files.make_directories(run_directory(state.name))
    directory = files.open_directory(run_directory(state.name))
    try:
        files.write_whole(directory, "state", states.render(state), durable=False)
    finally:
        os.close(directory)


def read_started(name: str) -> dict | None:
    """Return the spec with which the container was last started; None when unknown."""
    try:
        return settings.parse(files.read_limited(f"{run_directory(name)}/settings", settings.LIMIT))
    except (FileNotFoundError, LauncherError):
        return None


def forget(name: str) -> None:
    """Remove the state of a container that is gone or was never ours to keep. Needs its lock, whose file goes too with `tidy`."""
    beneath.remove_tree(run_directory(name))


def tidy(directory: str, names: tuple[str, ...]) -> None:
    """Remove files that nobody needs any more, and `directory` when that leaves it empty."""
    for name in names:
        try:
            os.unlink(f"{directory}/{name}")
        except FileNotFoundError:
            pass
    try:
        os.rmdir(directory)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.ENOENT, errno.EEXIST):
            raise


def is_running(state: states.State | None) -> bool:
    """True when the state says running and its init is that very process, alive."""
    return state is not None and state.status == states.RUNNING and procs.is_same(state.pid, state.starttime, state.boot_id)


def is_restarting(state: states.State | None) -> bool:
    """True when it has ended in this boot, and waits for the time at which it is started again."""
    return state is not None and state.status == states.EXITED and state.restart_at is not None and state.boot_id == procs.boot_id()


def is_active(state: states.State | None) -> bool:
    """True when it runs, or is started again without being asked."""
    return is_running(state) or is_restarting(state)


def names() -> list[str]:
    """Names of all containers that are kept in places.CONTAINERS, have a state, or lie elsewhere and have a restart policy, sorted."""
    found = set(marks.links())
    for directory, mark in ((places.CONTAINERS, "settings"), (places.RUN, "state")):
        try:
            entries = os.listdir(directory)
        except FileNotFoundError:
            continue
        found.update(entry for entry in entries if not entry.startswith(".") and os.path.exists(f"{directory}/{entry}/{mark}"))
    return sorted(found)


def known_path(name: str) -> str:
    """The directory of a container of which only the name is known: where it runs, else where settings are; path_of() when nowhere."""
    state = read_state(name)
    own = path_of(name)
    if is_active(state):
        return state.path
    if os.path.exists(f"{own}/settings"):
        return own
    return state.path if state is not None else marks.links().get(name, own)
