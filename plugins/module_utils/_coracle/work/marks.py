# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What `coracle boot` must know and a reboot would lose: which containers were stopped, and where those are that lie elsewhere.

    PATH/stopped           it was stopped, or has ended for good; it goes with the next start
    DATA/boot/NAME         symbolic link to the directory of a container that is not in places.CONTAINERS and has a restart policy
"""

from __future__ import annotations

import os

from ..base import files, places

STOPPED = "stopped"


def is_stopped(path: str) -> bool:
    """Whether the container at `path` has the mark."""
    return os.path.lexists(f"{path}/{STOPPED}")


def stop(path: str, durable: bool = True) -> None:
    """Mark the container at `path`; with `durable` the mark outlives a power cut. Nothing happens without that directory. OSError."""
    try:
        directory = files.open_directory(path)
    except (FileNotFoundError, NotADirectoryError):
        return
    try:
        if not is_stopped(path):
            os.close(os.open(STOPPED, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=directory))
            if durable:
                os.fsync(directory)
    finally:
        os.close(directory)


def start(path: str) -> None:
    """Remove the mark. None is fine. OSError."""
    if not is_stopped(path):
        return
    directory = files.open_directory(path)
    try:
        os.unlink(STOPPED, dir_fd=directory)
        os.fsync(directory)
    finally:
        os.close(directory)


def links() -> dict[str, str]:
    """{name: directory} of the containers that lie elsewhere, whether the directories are there or not."""
    top = f"{places.DATA}/boot"
    try:
        names = sorted(os.listdir(top))
    except FileNotFoundError:
        return {}
    return {name: os.readlink(f"{top}/{name}") for name in names if os.path.islink(f"{top}/{name}") and not name.startswith(".")}


def link(name: str, path: str) -> None:
    """Let the host's start find the container at `path`. OSError."""
    if links().get(name) == path:
        return
    top = f"{places.DATA}/boot"
    files.make_directories(top)
    directory = files.open_directory(top)
    try:
        temporary = f".{name}.new"
        if os.path.lexists(f"{top}/{temporary}"):
            os.unlink(temporary, dir_fd=directory)  # of a run that was killed; we hold the container's lock
        os.symlink(path, temporary, dir_fd=directory)
        os.rename(temporary, name, src_dir_fd=directory, dst_dir_fd=directory)
        os.fsync(directory)
    finally:
        os.close(directory)


def unlink(name: str) -> None:
    """Remove the link, and the directory with the last one. None is fine. OSError."""
    top = f"{places.DATA}/boot"
    try:
        os.unlink(f"{top}/{name}")
    except (FileNotFoundError, NotADirectoryError):
        return
    try:
        os.rmdir(top)
    except OSError:
        pass  # others are in it
