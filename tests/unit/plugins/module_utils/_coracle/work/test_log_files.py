# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading a log: every line once, whatever is rotated meanwhile, and nothing that the log reader has not written."""

from __future__ import annotations

import os

import pytest

from ansible_collections.coracle.launcher.plugins.module_utils._coracle.work import log_files, logs
from ansible_collections.coracle.launcher.tests.unit.each import each


class Log:
    """A log, written as the log reader does."""

    def __init__(self, path):
        self.path = str(path)
        self.new, self.old = path / "log" / logs.NAME, path / "log" / logs.OLD
        self.new.parent.mkdir()
        self.second = 0

    def raw(self, data, place=None):
        with (place or self.new).open("ab") as file:
            file.write(data)

    def line(self, text, stream="stdout", tag="F"):
        self.second += 1
        self.raw(b"2026-11-24T00:00:%02d.000000000Z %s %s %s\n" % (self.second, stream.encode(), tag.encode(), text.encode()))

    def rotate(self):
        self.new.rename(self.old)

    def texts(self):
        return texts(log_files.read(self.path))


def texts(records):
    return [message.decode() for _stamp, _stream, message in records]


@pytest.fixture
def log(tmp_path):
    return Log(tmp_path)


def test_both_files_the_older_first(log):
    assert log.texts() == []
    log.line("one")
    log.rotate()
    assert log.texts() == ["one"]
    log.line("two")
    assert log.texts() == ["one", "two"]


def test_pieces_are_joined_by_stream_and_over_files(log):
    log.line("a", tag="P")
    log.line("x", stream="stderr", tag="P")
    log.rotate()
    log.line("b", tag="P")
    log.line("c")
    assert [record[1:] for record in log_files.read(log.path)] == [("stdout", b"abc"), ("stderr", b"x")]
    assert next(iter(log_files.read(log.path)))[0].startswith("2026-11-24T00:00:01")


@each("line", [b"", b"no log\n", b"2026-11-24T00:00:00Z stdout X text\n", b"2026-11-24T00:00:00Z stdout F\n", b"\xff\xfe\n", b"a b F half"])
def test_what_is_no_line_is_left_out(line, tmp_path_factory):
    log = Log(tmp_path_factory.mktemp("log"))
    log.line("one")
    log.raw(line)
    assert log.texts() == ["one"]


def test_only_the_end_of_a_large_file(log, monkeypatch):
    for number in range(100):
        log.line(f"line {number}")
    monkeypatch.setattr(log_files, "_LIMIT", 200)
    found = log.texts()
    assert 2 <= len(found) <= 4 and found[-1] == "line 99" and all(text.startswith("line ") for text in found)


def test_a_link_a_fifo_and_a_directory_are_no_logs(log, tmp_path):
    secret = tmp_path / "secret"
    log.raw(b"2026-11-24T00:00:00Z stdout F secret\n", secret)
    log.new.symlink_to(secret)
    os.mkfifo(log.old)
    assert log.texts() == []
    log.new.unlink()
    log.new.mkdir()
    assert log.texts() == []
    log.new.rmdir()
    secret.rename(log.new)
    assert log.texts() == ["secret"]  # control


def test_select(log):
    for number in range(1, 6):
        log.line(f"out {number}")
        log.line(f"err {number}", stream="stderr")
    records, omitted = log_files.select(log.path, most=3)
    assert (texts(records), omitted) == (["err 4", "out 5", "err 5"], 7)
    records, omitted = log_files.select(log.path, ("stderr",), since="2026-11-24T00:00:04", until="2026-11-24T00:00:08.000000000Z")
    assert (texts(records), omitted) == (["err 2", "err 3", "err 4"], 0)
    assert log_files.select(log.path, most=0) == ([], 10)


def test_follow(log):
    follower = log_files.Follower(log.path)
    assert list(follower.more()) == []
    log.line("one")
    log.raw(b"2026-11-24T00:00:09Z stdout F tw")
    assert texts(follower.more()) == ["one"]
    log.raw(b"o\n")
    assert texts(follower.more()) == ["two"]
    log.line("three", tag="P")
    assert texts(follower.more()) == [] and texts(follower.unfinished()) == ["three"]
    follower.close()


def test_follow_through_rotations(log):
    log.line("one")
    follower = log_files.Follower(log.path)
    assert texts(follower.more()) == ["one"]
    log.line("two")
    log.rotate()
    assert texts(follower.more()) == ["two"]  # there is no new file yet
    log.line("three")
    assert texts(follower.more()) == ["three"]
    log.line("four")
    log.rotate()
    log.line("five")
    log.rotate()
    log.line("six")
    # The file of four was overwritten by that name's next, but it is open still.
    assert texts(follower.more()) == ["four", "five", "six"]
    follower.close()


def test_a_file_that_changes_its_name_while_both_are_opened(log, monkeypatch):
    log.line("one")
    log.rotate()
    log.line("two")
    really = os.open
    rotated = []

    def open_and_rotate(path, *arguments, **more):
        fd = really(path, *arguments, **more)
        if not rotated and str(path).endswith(logs.NAME):
            rotated.append(path)
            log.rotate()
            log.line("three")
        return fd

    monkeypatch.setattr(os, "open", open_and_rotate)
    assert log.texts() == ["two", "three"] and rotated
