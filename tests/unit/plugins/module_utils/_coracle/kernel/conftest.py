# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A child process for what cannot be undone: dropped capabilities, a loaded filter."""

from __future__ import annotations

import os
import signal
import traceback

import pytest


def _run(function, *arguments):
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            signal.alarm(20)
            os.write(writer, repr(function(*arguments)).encode())
            status = 0
        except BaseException:
            os.write(writer, traceback.format_exc().encode())
        finally:
            os._exit(status)
    os.close(writer)
    output = b""
    while True:
        piece = os.read(reader, 65536)
        if not piece:
            break
        output += piece
    os.close(reader)
    status = os.waitpid(pid, 0)[1]
    return os.WTERMSIG(status) if os.WIFSIGNALED(status) else None, os.waitstatus_to_exitcode(status), output.decode()


@pytest.fixture
def in_child():
    """Return run(function, *arguments) -> what it returned in a child of its own (a value with a literal repr)."""
    def run(function, *arguments):
        _signal, code, output = _run(function, *arguments)
        assert code == 0, output
        return eval(output)  # our own child's repr
    return run


@pytest.fixture
def signal_of_child():
    """Return run(function, *arguments) -> number of the signal that ended the child, None when it ended by itself."""
    return lambda function, *arguments: _run(function, *arguments)[0]
