# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tools by pipe, with tools of our own that behave badly: they are shell scripts in a PATH made for the test."""

from __future__ import annotations

import os
import signal
import time

import pytest

from ansible_collections.coracle.launcher.plugins.module_utils._coracle.base.errors import ArchiveError, LauncherError
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.formats.compression import tools
from ansible_collections.coracle.launcher.tests.unit import packers

A = b"070701" + bytes(5000)
MIB = 1 << 20


@pytest.fixture(params=[1, 2], ids=["alone", "with-thread"], autouse=True)
def processors(request, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: set(range(request.param)))


@pytest.fixture
def tool(tmp_path, monkeypatch, no_libraries):
    """Return a function: the zstd of this host is now a shell script with this text, and there is no library."""
    monkeypatch.setattr(tools, "PATH", f"{tmp_path}/bin:/usr/bin:/bin")
    (tmp_path / "bin").mkdir()

    def make(script, name="zstd"):
        path = tmp_path / "bin" / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        return path
    return make


def test_the_tool_gets_exactly_the_frames(reading, tool):
    tool("exec cat")
    frames = packers.zstd(bytes(range(256)) * 3000) + packers.zstd(A)
    assert reading.runs(frames, bytes(3), packers.PACKERS["gzip"][0](A)) == [("zstd", frames), ("gzip", A)]


def test_a_tool_is_called_the_same_way_each_time(reading, tool):
    tool('cat > /dev/null; echo "$0 $# $*"; env; ls /proc/self/fd')
    ((_name, said),) = reading.runs(packers.zstd(A))
    lines = said.decode().split("\n")
    assert lines[0].endswith("/zstd 2 -dc -q")
    assert "LC_ALL=C" in lines and not any(line.startswith(("HOME=", "LD_", "PYTHON")) for line in lines)
    assert lines[-5:] == ["0", "1", "2", "3", ""]  # 3: the directory itself


def test_a_descriptor_that_is_inherited_is_not_passed_on(reading, tool, tmp_path):
    tool("cat > /dev/null; ls /proc/self/fd")
    fd = os.open(tmp_path, os.O_RDONLY)
    try:
        os.set_inheritable(fd, True)
        assert reading.runs(packers.zstd(A)) == [("zstd", b"0\n1\n2\n3\n")]
    finally:
        os.close(fd)


@pytest.mark.parametrize("script, message", [
    ("cat > /dev/null; echo first >&2; echo 'stdin: the last line' >&2; echo >&2; exit 1", "the file: stdin: the last line. Copy"),
    ("cat > /dev/null; printf 'a\\033[31mred' >&2; exit 1", r"the file: a\\x1b\[31mred\. "),
    ("cat > /dev/null; exit 3", "zstd ended with status 3"),
    ("cat; kill -9 $$", "zstd was killed by signal 9"),
    ("echo too early", "zstd ended before its input"),
    ("exec 0<&-; sleep 0.3; echo reads nothing", "zstd ended before its input"),
    ("cat > /dev/null; head -c 3000000 /dev/zero | tr '\\0' x >&2; echo >&2; echo enough >&2; exit 1", "the file: enough")])
def test_a_tool_that_fails(reading, tool, script, message):
    tool(script)
    with pytest.raises(ArchiveError, match=message):
        reading.runs(packers.zstd(bytes(5 * MIB)))


def test_what_it_says_without_failing_is_no_error(reading, tool):
    tool("echo 'a warning' >&2; exec cat")
    assert reading.runs(packers.zstd(A)) == [("zstd", packers.zstd(A))]


@pytest.mark.parametrize("script, size", [("cat > /dev/null; head -c 9000000 /dev/zero | tr '\\0' x", 9_000_000),
                                          ("head -c 9000000 /dev/zero | tr '\\0' x; cat", None),
                                          ("cat > /dev/null; exec 1>&-; sleep 0.2", 0)])
def test_no_order_of_reading_and_writing_blocks(reading, tool, script, size):
    tool(script)
    packed = packers.zstd(bytes(3 * MIB))
    runs = reading.runs(packed)
    assert sum(len(data) for _name, data in runs) == (9_000_000 + len(packed) if size is None else size)


HANGING = ["exec sleep 1000", "exec cat > /dev/null < /dev/zero", "trap '' TERM; exec yes >&2"]


@pytest.mark.parametrize("script", HANGING)
def test_a_tool_that_hangs_is_given_up(reading, tool, monkeypatch, script):
    monkeypatch.setattr(tools, "_STALLED", 0.5)
    tool(script)
    with pytest.raises(LauncherError, match="/zstd has done nothing for 0.5 seconds"):
        reading.runs(packers.zstd(bytes(4 * MIB)))


@pytest.mark.parametrize("script", [*HANGING, "yes; sleep 1000"])
def test_F07_a_signal_while_it_hangs_ends_it(reading, tool, script):
    class Interrupted(Exception):
        pass

    def interrupt(_number, _frame):
        raise Interrupted

    tool(script)
    before = signal.signal(signal.SIGALRM, interrupt)
    began = time.monotonic()
    try:
        with pytest.raises(Interrupted):
            signal.setitimer(signal.ITIMER_REAL, 0.4)
            with reading.stream(packers.zstd(bytes(4 * MIB))) as stream:
                assert stream.begin() and stream.skip(1 << 60)
    finally:
        signal.signal(signal.SIGALRM, before)
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("script", ["exec yes", "echo x; exec sleep 1000", "trap '' TERM; yes; sleep 1000"])
def test_close_kills_it_at_once(reading, tool, script):
    tool(script)
    began = time.monotonic()
    with reading.stream(packers.zstd(bytes(4 * MIB))) as stream:
        assert stream.begin() and len(stream.read(1)) == 1
    assert time.monotonic() - began < 5


def test_a_tool_that_closes_its_output_and_stays(reading, tool, monkeypatch):
    monkeypatch.setattr(tools, "_ENDING", 0.3)
    tool("cat > /dev/null; exec 1>&- 2>&-; sleep 1000")
    with pytest.raises(LauncherError, match="/zstd does not end"):
        reading.runs(packers.zstd(A))


def test_a_tool_that_cannot_be_started(reading, tool):
    tool("").write_bytes(b"no program")
    with pytest.raises(LauncherError, match="/zstd cannot be started: Exec format error"):
        reading.runs(packers.zstd(A))


def test_truncated_data_is_named_before_the_tool_says_anything(reading, tool):
    tool("cat; exit 1")
    with pytest.raises(ArchiveError, match="ends in the middle of its zstd data, at byte 4000000 of the file"):
        reading.runs(packers.zstd(bytes(5 * MIB))[:4_000_000])
