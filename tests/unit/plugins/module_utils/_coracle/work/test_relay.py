# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading

import pytest

from ansible_collections.coracle.launcher.plugins.module_utils._coracle.work import relay


@pytest.fixture
def between():
    """between(script, data) -> (what came out, exit status): a shell script whose input and output go through a Loop; 20 s at most."""
    with contextlib.ExitStack() as stack:
        def run(script, data=b"", leave_input_open=False):
            pipes = relay.Pipes()
            source, feed = os.pipe()
            sink, out = os.pipe()
            process = subprocess.Popen(["/bin/sh", "-c", script], stdin=pipes.child[0], stdout=pipes.child[1], stderr=pipes.child[2],
                                       start_new_session=True)
            stack.callback(_end_session, process)
            pipes.close_child_ends()
            received = []
            reader = threading.Thread(target=lambda: received.append(_read_all(sink)))
            feeder = threading.Thread(target=_feed, args=(feed, data, leave_input_open))
            reader.start()
            feeder.start()
            loop = relay.Loop(os.pidfd_open(process.pid))
            loop.copy(pipes.stdout, out, None)
            loop.copy(pipes.stderr, out, None)
            loop.copy(source, pipes.stdin, lambda: os.close(pipes.stdin), into=True)
            alarm = threading.Timer(20, lambda: os.killpg(process.pid, signal.SIGKILL))
            alarm.start()
            loop.run((pipes.stdout, pipes.stderr))
            alarm.cancel()
            os.close(out)
            os.close(source)
            reader.join(10)
            feeder.join(10)
            return received[0], process.wait(10)
        yield run


def _end_session(process):
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _read_all(fd):
    with os.fdopen(fd, "rb") as file:
        return file.read()


def _feed(fd, data, leave_open):
    with contextlib.suppress(BrokenPipeError):
        view = memoryview(data)
        while view:
            view = view[os.write(fd, view):]
    if not leave_open:
        os.close(fd)


def test_every_byte_goes_in_and_comes_out(between):
    data = os.urandom(1 << 20)
    assert between("cat", data) == (data, 0)


def test_output_of_both_streams_and_the_exit_status(between):
    output, status = between("echo one; echo two >&2; exit 7")
    assert sorted(output.split()) == [b"one", b"two"] and status == 7


def test_a_program_that_writes_before_it_reads_does_not_stop_the_loop(between):
    data = bytes(1 << 20)
    output, status = between("head -c 1000000 /dev/zero; cat", data)
    assert (len(output), status) == (1000000 + len(data), 0)


def test_input_that_nobody_reads_is_left(between):
    assert between("exit 3", bytes(1 << 20)) == (b"", 3)
    assert between("exec <&-; echo closed", bytes(1 << 20))[0] == b"closed\n"


def test_an_input_that_stays_open_keeps_nobody(between):
    assert between("echo done", leave_input_open=True) == (b"done\n", 0)


def test_all_that_was_written_before_the_end_is_delivered(between):
    assert between("head -c 60000 /dev/zero")[0] == bytes(60000)


def test_somebody_left_behind_who_goes_on_writing_does_not_keep_the_loop(between):
    output, status = between("echo first; yes & exit 7")
    assert output.startswith(b"first\n") and status == 7


def test_somebody_left_behind_who_is_silent_does_not_either(between):
    assert between("sleep 60 & exit 0") == (b"", 0)
