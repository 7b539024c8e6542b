# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The log on disk is CRI's format; every byte arrives, size is bounded, hostile files and names are not followed."""

from __future__ import annotations

import os
import re
import select
import threading
import time

import pytest
from hypothesis import given, settings, strategies

from ansible_collections.coracle.launcher.plugins.module_utils._coracle.work import log_files, logs

LINE = re.compile(rb"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z (stdout|stderr) [FP] ")


class Host:
    """A log reader in a thread, with FIFOs as a supervisor makes them."""

    def __init__(self, top):
        self.top = top
        self.fifos = top / "run"
        self.fifos.mkdir()
        control, self.orders = os.pipe()
        self.ended, ended = os.pipe()
        self.reports = []
        self.thread = threading.Thread(target=logs.read_forever, args=(control, ended, str(self.fifos)), daemon=True)
        self.thread.start()

    def container(self, name, limit=1 << 20):
        (self.fifos / name).mkdir()
        writers = []
        for stream in logs.STREAMS:
            os.mkfifo(self.fifos / name / stream)
            writers.append(os.open(self.fifos / name / stream, os.O_RDWR))
        path = self.top / name
        path.mkdir()
        os.write(self.orders, f"add\t{name}\t{limit}\t{path}/log\n".encode())
        self.wait_for(f"+{name}")
        return path, writers

    def wait_for(self, report):
        while report not in self.reports:
            assert select.select([self.ended], [], [], 10)[0], f"no report {report}"
            self.reports += os.read(self.ended, 100).decode().split()

    def wait_for_end(self, name):
        self.wait_for(f"-{name}")

    def close(self):
        if self.orders >= 0:
            os.close(self.orders)
            self.orders = -1
        self.thread.join(5)
        assert not self.thread.is_alive()


@pytest.fixture
def host(tmp_path):
    made = Host(tmp_path)
    yield made
    made.close()


def wait_until(condition, seconds=5):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.005)


def test_lines_of_both_streams_arrive_in_cri_format(host):
    path, (out, err) = host.container("web1")
    os.write(out, b"one\ntwo\n")
    os.write(err, b"oops\n")
    wait_until(lambda: len(log_files.records(str(path))) == 3)
    os.write(out, b"no newline")
    for writer in (out, err):
        os.close(writer)
    host.wait_for_end("web1")
    raw = (path / "log" / logs.NAME).read_bytes()
    assert all(LINE.match(line) for line in raw.splitlines())
    assert oct((path / "log" / logs.NAME).stat().st_mode & 0o777) == "0o600"
    assert [(stream, message) for _stamp, stream, message in log_files.records(str(path)) if stream == "stdout"] == [
        ("stdout", b"one"), ("stdout", b"two"), ("stdout", b"no newline")]
    assert b"stdout F no newline\n" in raw


@pytest.mark.parametrize("last", [b"end", b"x" * 16384, b"x" * 40000])
def test_a_last_line_without_end_is_not_joined_with_the_next_run(host, last):
    path, (out, err) = host.container("web1")
    os.write(out, last)
    for writer in (out, err):
        os.close(writer)
    host.wait_for_end("web1")
    before = (path / "log" / logs.NAME).read_bytes()
    (path / "log" / logs.NAME).write_bytes(before + b"2026-11-24T05:59:44.590000000Z stdout F again\n")
    assert [message for _stamp, _stream, message in log_files.records(str(path))] == [last, b"again"]


def test_a_line_that_another_reader_goes_on_with_is_joined(host):
    path, (out, err) = host.container("web1")
    os.write(out, b"first ")
    host.close()
    assert (path / "log" / logs.NAME).read_bytes().endswith(b"stdout P first \n")
    with (path / "log" / logs.NAME).open("ab") as log:
        log.write(b"2026-11-24T05:59:44.590000000Z stdout F second\n")
    assert [message for _stamp, _stream, message in log_files.records(str(path))] == [b"first second"]
    for writer in (out, err):
        os.close(writer)


def test_A53_single_bytes_long_lines_and_nul_are_kept(host):
    path, (out, err) = host.container("web1")
    os.close(err)
    long = b"x" * 100000 + b"\0end"

    def write():
        for number in range(2000):
            os.write(out, b"%d" % (number % 10))
        write_all(out, b"\n" + long + b"\n")
        os.close(out)

    writer = threading.Thread(target=write)
    writer.start()
    host.wait_for_end("web1")
    writer.join()
    assert [message for _stamp, _stream, message in log_files.records(str(path))] == [b"0123456789" * 200, long]


def write_all(fd, data):
    while data:
        data = data[os.write(fd, data):]


def test_A53_the_log_is_bounded_and_the_newest_lines_stay(host):
    path, (out, err) = host.container("web1", limit=20000)
    os.close(err)
    for number in range(3000):
        os.write(out, b"line %d\n" % number)
    os.close(out)
    host.wait_for_end("web1")
    sizes = [(path / "log" / name).stat().st_size for name in (logs.NAME, logs.OLD)]
    assert all(0 < size <= 20000 for size in sizes)
    assert log_files.tail(str(path), 1) == ["line 2999"]


def test_A53_a_flooder_is_paused_and_a_quiet_one_is_heard(host):
    flood, (flood_out, flood_err) = host.container("flood", limit=1 << 30)
    quiet, (quiet_out, quiet_err) = host.container("quiet")
    os.close(flood_err)
    os.close(quiet_err)
    stop = threading.Event()

    def shout():
        while not stop.is_set():
            try:
                os.write(flood_out, b"y\n" * 2000)
            except BlockingIOError:
                time.sleep(0.001)

    os.set_blocking(flood_out, False)
    shouter = threading.Thread(target=shout)
    shouter.start()
    try:
        wait_until(lambda: (flood / "log" / logs.NAME).exists() and (flood / "log" / logs.NAME).stat().st_size > 4 << 20, 20)
        os.write(quiet_out, b"hello\n")
        wait_until(lambda: log_files.tail(str(quiet), 1) == ["hello"], 2)
    finally:
        stop.set()
        shouter.join()
    assert (flood / "log" / logs.NAME).stat().st_size < 16 << 20
    os.close(flood_out)
    os.close(quiet_out)


@pytest.mark.parametrize("kind", ["link", "directory", "fifo"])
def test_F16_a_log_that_became_something_else_is_not_followed(host, tmp_path, kind):
    path, (out, err) = host.container("web1")
    os.close(err)
    victim = tmp_path / "victim"
    victim.write_bytes(b"canary")
    (path / "log").mkdir()
    place = path / "log" / logs.NAME
    {"link": lambda: place.symlink_to(victim), "directory": place.mkdir, "fifo": lambda: os.mkfifo(place)}[kind]()
    os.write(out, b"one\n")
    os.close(out)
    host.wait_for_end("web1")
    assert victim.read_bytes() == b"canary"


def test_F16_a_removed_log_is_made_again(host):
    path, (out, err) = host.container("web1")
    os.close(err)
    os.write(out, b"one\n")
    wait_until(lambda: log_files.tail(str(path), 1) == ["one"])
    (path / "log" / logs.NAME).unlink()
    os.write(out, b"two\n")
    wait_until(lambda: log_files.tail(str(path), 1) == ["two"])
    os.close(out)


def test_A58_a_tail_cannot_drive_a_terminal(tmp_path):
    (tmp_path / "log").mkdir()
    (tmp_path / "log" / logs.NAME).write_bytes(b"2026-11-24T00:00:00.000000000Z stdout F \x1b]0;x\x07{{ 1 }}\xff\n")
    assert log_files.tail(str(tmp_path), 5) == ["\\x1b]0;x\\x07{{ 1 }}\\xff"]


@settings(deadline=None, max_examples=60, derandomize=True)
@given(content=strategies.binary(max_size=300))
def test_P12_any_file_is_read_without_an_exception(tmp_path_factory, content):
    top = tmp_path_factory.mktemp("log")
    (top / "log").mkdir()
    (top / "log" / logs.NAME).write_bytes(content)
    for stamp, stream, message in log_files.records(str(top)):
        assert isinstance(stamp, str) and isinstance(stream, str) and isinstance(message, bytes)
