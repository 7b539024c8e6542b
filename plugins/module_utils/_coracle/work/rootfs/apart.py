# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What needs a mount namespace of its own: a child that sees the host's files with other mounts, and leaves none."""

from __future__ import annotations

import errno
import json
import os

from ...base import libc
from ...kernel import mounts

TYPE_CHECKING = False
if TYPE_CHECKING:
    import typing as t
    from collections.abc import Callable


def call(work: Callable[[], t.Any]) -> t.Any:
    """Call `work` in a child with a private copy of our mounts, and return what it returns, as JSON has it. OSError comes back as one.

    A child, because setns(2) would lead a caller that runs in a chroot(2) out of it.
    """
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        _work(work, writer)
    os.close(writer)
    try:
        with open(reader, "rb") as pipe:
            said = pipe.read()
    finally:
        os.waitpid(pid, 0)
    if not said:
        raise OSError(errno.ECHILD, "a child process ended before its work was done")
    failed, value = json.loads(said)
    if failed:
        raise OSError(*value)
    return value


def _work(work, writer):
    try:
        try:
            libc.unshare(libc.CLONE_NEWNS)
            mounts.make_private()
            answer = [False, work()]
        except OSError as error:
            answer = [True, [error.errno, error.strerror, error.filename if isinstance(error.filename, str) else None]]
        data = json.dumps(answer).encode()
        while data:
            data = data[os.write(writer, data):]
    finally:
        os._exit(0)
