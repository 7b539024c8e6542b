# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The launcher's own code on the host: the sources that a module was sent with, written once per version to /usr/local/lib/coracle/DIGEST.

    DIGEST/coracle/   this package, compiled        DIGEST/__main__.py  runs doors.command
    DIGEST/python     -> the interpreter            current -> DIGEST, switched by rename
"""

from __future__ import annotations

import errno
import os
import sys

from ..base import beneath, files, places
from ..base.errors import LauncherError
from . import records

# Run as a file: a directory on Python's command line brings in runpy and five more modules, 5 ms of processor time.
_MAIN = b"""import sys

sys.path.insert(0, __file__.rpartition("/")[0])

from coracle.doors.command import main

main(sys.argv[1:])
"""
_COMMAND = """#!/bin/sh
# Written by the Ansible collection coracle.launcher; the next run of it writes this file again.
exec {interpreter} -I -S {library}/current/__main__.py "$@"
"""


def installed() -> str | None:
    """The digest of the code that the host uses now; None when there is none."""
    try:
        digest = os.path.basename(os.readlink(f"{places.LIBRARY}/current"))
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.EINVAL):
            raise
        return None
    return digest if os.path.exists(f"{places.LIBRARY}/{digest}/__main__.py") and os.path.exists(places.COMMAND) else None


def own() -> tuple[str, dict[str, bytes]]:
    """(digest, {path below the package: source}) of the code that runs here. The digest covers the interpreter too: compiled code and
    the command name it."""
    from hashlib import sha256  # not for a lean start

    sources = _read_sources()
    total = sha256(f"{sys.executable} {sys.version}".encode())
    for path in sorted(sources):
        total.update(path.encode() + b"\0" + sha256(sources[path]).digest())
    return total.hexdigest()[:32], sources


def _read_sources():
    package = __name__.rpartition(".work.")[0]
    loader = __spec__.loader
    archive = getattr(loader, "archive", None)  # zipimporter: the module came in Ansible's zip
    if archive is None:
        return _read_directory(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    from zipfile import ZipFile

    prefix = package.replace(".", "/") + "/"
    with ZipFile(archive) as file:
        return {name[len(prefix):]: file.read(name) for name in file.namelist() if name.startswith(prefix) and name.endswith(".py")}


def _read_directory(top):
    sources = {}
    for directory, _below, names in os.walk(top):
        for name in names:
            if name.endswith(".py"):
                path = os.path.join(directory, name)
                with open(path, "rb") as file:
                    sources[os.path.relpath(path, top)] = file.read()
    return sources


def install(digest: str, sources: dict[str, bytes]) -> None:
    """Write the tree, compile it, switch `current` and the command. Killed at any moment it leaves the old version in use."""
    files.make_directories(places.LIBRARY, 0o755)
    with files.Lock(f"{places.LIBRARY}/.lock"):
        target, temporary = f"{places.LIBRARY}/{digest}", f"{places.LIBRARY}/.{digest}.new"
        if not os.path.exists(f"{target}/__main__.py"):
            beneath.remove_tree(temporary)
            beneath.remove_tree(target)
            _write_tree(temporary, sources)
            os.rename(temporary, target)
        _switch(digest)
        _write_command()
        _remove_old(digest)


def _write_tree(top, sources):
    # 0755 and root's: this directory is the first entry of sys.path of everything that runs from it, even under -I.
    for path in sorted(sources):
        files.make_directories(os.path.dirname(f"{top}/coracle/{path}"), 0o755)
        _write(f"{top}/coracle/{path}", sources[path])
    _write(f"{top}/__main__.py", _MAIN)
    os.symlink(sys.executable, f"{top}/python")
    _compile(f"{top}/coracle", sources)


def _write(path, data):
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
    with os.fdopen(fd, "wb") as file:
        os.fchmod(fd, 0o644)
        file.write(data)


def _compile(top, sources):
    """Without this every start of the command would compile, and the supervisor keep the compiler's memory for ever."""
    from py_compile import PycInvalidationMode
    from py_compile import compile as compile_file

    for path in sources:
        cached = compile_file(f"{top}/{path}", doraise=True, invalidation_mode=PycInvalidationMode.UNCHECKED_HASH)
        os.chmod(cached, 0o644)
        os.chmod(os.path.dirname(cached), 0o755)


def _switch(digest):
    fresh = f"{places.LIBRARY}/.current.new"
    try:
        os.unlink(fresh)
    except FileNotFoundError:
        pass
    os.symlink(digest, fresh)
    os.rename(fresh, f"{places.LIBRARY}/current")


def _write_command():
    text = _COMMAND.format(interpreter=_shell_word(sys.executable), library=places.LIBRARY).encode()
    files.make_directories(os.path.dirname(places.COMMAND), 0o755)
    directory = files.open_directory(os.path.dirname(places.COMMAND))
    try:
        files.write_whole(directory, os.path.basename(places.COMMAND), text, 0o755)
    finally:
        os.close(directory)


def _shell_word(word):
    return "'" + word.replace("'", "'\\''") + "'"


def _remove_old(digest):
    """Trees that are neither current nor named by the state of a container. A supervisor has loaded all that it needs."""
    used = {digest}
    for name in records.names():
        state = records.read_state(name)
        if records.is_running(state):
            used.add(state.digest)
    for entry in os.listdir(places.LIBRARY):
        if len(entry) == 32 and entry not in used:
            beneath.remove_tree(f"{places.LIBRARY}/{entry}")


def remove() -> None:
    """Remove the launcher from the host. LauncherError while a container runs: it would have nobody to stop it."""
    running = [name for name in records.names() if records.is_running(records.read_state(name))]
    if running:
        raise LauncherError(f"containers still run: {' '.join(running)}", option="state", value="absent", remedy="Remove them first")
    try:
        os.unlink(places.COMMAND)
    except FileNotFoundError:
        pass
    beneath.remove_tree(places.LIBRARY)
