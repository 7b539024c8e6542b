# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the command words an error, and where its colour goes."""

from __future__ import annotations

import os
import pty

import pytest

from ansible_collections.coracle.launcher.plugins.module_utils._coracle.base.errors import LauncherError
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.doors import output
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.doors.arguments import Usage
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.doors.naming import chosen, identify
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.doors.suggestions import nearest
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.model import settings
from ansible_collections.coracle.launcher.tests.unit.each import each


def error(problem="is not a size", **more):
    return LauncherError(problem, **more)


@each(
    "problem, subject, told",
    [
        (error(option="memory", value="4X", remedy="Use e.g. 4M", place="/srv/web1/settings:7"), "web1",
         "web1: memory: '4X' is not a size; use e.g. 4M (settings:7)"),
        (error(option="memory", value="4X", place="/srv/web1/settings:7"), "", "memory: '4X' is not a size (/srv/web1/settings:7)"),
        (error("the rootfs has no such user", option="user", value="bob", remedy="Give a number"), "/srv/web1/",
         "web1: user: 'bob': the rootfs has no such user; give a number"),
        (error("there is no such container", option="name", value="web1", remedy="coracle list shows all"), "web1",
         "web1: there is no such container; coracle list shows all"),
        (error("is missing", option="process", place="/srv/web1/settings"), "web1", "web1: process: is missing (settings)"),
        (error("needs root", remedy="Use sudo"), "", "needs root; use sudo"),
        (error("/proc is odd", remedy="/proc must be a directory"), "web1", "web1: /proc is odd; /proc must be a directory"),
        (OSError(28, "No space left on device", "/run/x"), "web1", "web1: the host refused: No space left on device (/run/x)"),
        (OSError(5, "Input/output error"), "", "the host refused: Input/output error"),
        ("did not start", "web1", "web1: did not start"),
        ("did not start", "web\x1b[2J", "web\\x1b[2J: did not start"),
        ("is no name", "/", "/: is no name"),
    ],
)
def test_an_error_names_subject_option_value_problem_remedy_and_place(problem, subject, told):
    assert output.told(problem, subject) == told


def test_a_misspelt_key_and_a_bad_value_of_a_file_are_told_with_their_line():
    with pytest.raises(LauncherError) as refused:
        settings.parse(b"user: 99\nmemlimt: 4M\n", "/srv/web1/settings")
    assert output.told(refused.value, "web1") == "web1: memlimt: is not a known key; did you mean memlimit? (settings:2)"
    with pytest.raises(LauncherError) as refused:
        settings.parse(b"memlimit: 4X\n", "/srv/web1/settings")
    assert output.told(refused.value, "web1").startswith("web1: memlimit: '4X' is not a size; use ")


def on_terminal(function):
    """What `function(descriptor)` writes to a terminal."""
    master, slave = pty.openpty()
    try:
        function(slave)
        return os.read(master, 4096).decode()
    finally:
        os.close(master)
        os.close(slave)


def test_colour_is_for_terminals_that_want_it(monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    for term, no_color, wanted in (("xterm", "", True), ("linux", "", True), ("xterm", "1", False), ("dumb", "", False)):
        monkeypatch.setenv("TERM", term)
        monkeypatch.setenv("NO_COLOR", no_color)
        seen = []
        assert on_terminal(lambda slave, seen=seen: (seen.append(output.has_colour(slave)), output.say("x", slave)))
        assert seen == [wanted]
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("NO_COLOR", "")
    reading, writing = os.pipe()
    assert not output.has_colour(writing)
    os.close(reading)
    os.close(writing)


def test_an_error_that_cannot_be_told_is_no_other_error(monkeypatch):
    def full(*_arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(output, "write_all", full)
    output.complain("did not start", "web1")


def test_a_reader_that_has_gone_is_a_quiet_end():
    reading, writing = os.pipe()
    os.close(reading)
    with pytest.raises(SystemExit) as ended:
        output.say("x", writing)
    os.close(writing)
    assert ended.value.code == 141


@each(
    "word, known, meant",
    [("strat", ["stats", "start", "status"], "start"), ("memlimt", ["memlimit", "image"], "memlimit"), ("x", ["start"], None), ("a", [], None)],
)
def test_the_nearest_word_is_one_with_the_same_letters(word, known, meant):
    assert nearest(word, known) == meant


def test_a_word_with_a_slash_is_a_path():
    assert identify("/srv/web1/") == ("web1", "/srv/web1")
    assert identify("./web1")[0] == "web1" and identify("./web1")[1] == os.path.abspath("web1")
    for word in ("Web!", "/srv/Web!", "..", "/"):
        with pytest.raises(LauncherError):
            identify(word)


def test_all_and_names_exclude_each_other_and_one_of_them_must_be_there():
    for values, names in (({"all": True}, ["web1"]), ({}, [])):
        with pytest.raises(Usage):
            chosen(values, names, running=True)
    assert chosen({}, ["web1"], running=True) == ["web1"]
