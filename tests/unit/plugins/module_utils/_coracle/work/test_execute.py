# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of container_exec, and what it returns."""

from __future__ import annotations

import base64

import pytest

from ansible_collections.coracle.launcher.plugins.module_utils._coracle.base.errors import LauncherError
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.work import execute
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.work.execution import Answer, Request
from ansible_collections.coracle.launcher.tests.unit.each import each

DEFAULTS = {"name": "web", "argv": ["/bin/true"], "command": None, "chdir": None, "user": None, "env": None, "stdin": None, "stdin_add_newline": True,
            "stdin_base64": None, "strip_empty_ends": True, "timeout": None, "max_output": "4M", "creates": None, "removes": None}


class Found(Exception):
    """The options are good: the container is looked for."""


@pytest.fixture(autouse=True)
def _no_container(monkeypatch):
    def find(_name):
        raise Found

    monkeypatch.setattr(execute.enter, "find", find)


def request(**options):
    return execute._request({**DEFAULTS, **options})


def test_a_request():
    asked = request(chdir="/srv//www/", user="99:www", env={"a": 1, "b": "x\ny"}, timeout=0.5)
    assert (asked.name, asked.argv, asked.cwd, asked.user, asked.seconds) == ("web", ["/bin/true"], "/srv/www", "99:www", 0.5)
    assert asked.env == {"a": "1", "b": "x\ny"}
    assert request(argv=None, command="/bin/echo 'a b' \"c\" d\\ e").argv == ["/bin/echo", "a b", "c", "d e"]
    assert request(argv=["x", "", "\n", "\udcff", "\u00e4"]).argv == ["x", "", "\n", "\udcff", "\u00e4"]


@each("option, value", [
    ("name", ""), ("name", "-x"), ("name", "a/b"), ("name", "A"), ("argv", []), ("argv", [""]), ("argv", ["x", "a\0b"]), ("argv", ["\ud800"]),
    ("command", ""), ("command", "''"), ("command", "'x"), ("command", "a\0b"), ("chdir", ""), ("chdir", "srv"), ("chdir", "/srv/.."), ("chdir", "/a\nb"),
    ("user", ""), ("user", "-1"), ("user", ":1"), ("user", "1:"), ("user", "4294967295"), ("user", "a b"), ("env", {"": "x"}), ("env", {"a=b": "x"}),
    ("env", {"a": "\0"}), ("stdin", "\ud800"), ("stdin_base64", "x"), ("stdin_base64", "a\u00e4=="), ("stdin_base64", "=!=="), ("timeout", 0.0),
    ("timeout", -1.0), ("timeout", float("nan")), ("timeout", float("inf")), ("timeout", 1e10), ("max_output", ""), ("max_output", "-1"),
    ("max_output", "unlimited"), ("max_output", "65M"), ("max_output", "x"),
])  # fmt: skip
def test_bad_options(option, value):
    given = {**DEFAULTS, option: value}
    if option == "command":
        given["argv"] = None
    with pytest.raises(LauncherError) as raised:
        execute.read(given)
    assert raised.value.option == option and raised.value.remedy and str(raised.value).isprintable()


@each("option, value", [
    ("timeout", 0.001), ("max_output", "0"), ("max_output", "64M"), ("user", "0"), ("user", "www"), ("user", "1:2"), ("env", {}), ("stdin_base64", ""),
    ("chdir", "/"), ("argv", ["ls"]),
])  # fmt: skip
def test_good_options(option, value):
    with pytest.raises(Found):
        execute.read({**DEFAULTS, option: value})


@each("options, data", [
    ({}, b""), ({"stdin": ""}, b"\n"), ({"stdin": "x\u00e4"}, b"x\xc3\xa4\n"), ({"stdin": "x", "stdin_add_newline": False}, b"x"),
    ({"stdin": "\udcff", "stdin_add_newline": False}, b"\xff"), ({"stdin_base64": "/wAK\n"}, b"\xff\0\n"), ({"stdin_base64": "/w\r\nAK"}, b"\xff\0\n"),
])  # fmt: skip
def test_input(options, data):
    assert execute._input({**DEFAULTS, **options}) == data


def command(out=b"", limit=100, answer=None, seconds=None):
    made = execute.Command(Request("web", ["x"], seconds=seconds), b"", limit)
    made.stdout.take(out)
    made.answer = answer
    return made


@each("out, strip, shown, coded", [
    (b"", True, "", None), (b"a\n", True, "a", None), (b"a\n\r\n\n", True, "a", None), (b"\n a\n", False, "\n a\n", None), ("ä".encode(), True, "ä", None),
    (b"\0\x1b", True, "\0\x1b", None), (b"a\xff\n", True, "a\\xff", b"a\xff\n"), (b"\xc3", True, "\\xc3", b"\xc3"),
    (b"\xed\xa0\x80", True, "\\xed\\xa0\\x80", b"\xed\xa0\x80"),
])  # fmt: skip
def test_output(out, strip, shown, coded):
    values = execute.report(command(out, answer=Answer(0)), strip)
    assert values["stdout"] == shown and not values["truncated"]
    assert values["stdout_base64"] == (None if coded is None else base64.b64encode(coded).decode())
    assert (values["stderr"], values["stderr_base64"]) == ("", None)


def test_a_character_that_the_limit_cuts_is_left_out():
    values = execute.report(command("ää".encode(), limit=3, answer=Answer(0)), True)
    assert (values["stdout"], values["stdout_base64"], values["truncated"]) == ("ä", None, True)
    values = execute.report(command(b"\xff\xc3\xa4", limit=2, answer=Answer(0)), True)  # it is no UTF-8 anyway
    assert (values["stdout"], values["stdout_base64"], values["truncated"]) == ("\\xff\\xc3", "/8M=", True)


@each("answer, failed, rc, said", [
    (Answer(0), False, 0, None), (Answer(3), True, 3, "non-zero return code"), (Answer(137, True), True, 137, "did not end within 2.5 s and was killed"),
    (Answer(0, True), True, 0, "did not end within 2.5 s and was killed"),
])  # fmt: skip
def test_how_it_ended(answer, failed, rc, said):
    values = execute.report(command(answer=answer, seconds=2.5), True)
    assert (values.get("failed", False), values["rc"], values.get("msg"), values["timed_out"]) == (failed, rc, said, answer.expired)


def test_one_that_need_not_be_run():
    skipped = command()
    assert [change.as_dict() for change in execute.plan(skipped)] == [{"option": "command", "before": None, "after": ["x"], "action": "live", "why": ""}]
    skipped.reason = "Did not run it"
    assert execute.plan(skipped) == []
    values = execute.report(skipped, True)
    assert (values["rc"], values["msg"], values.get("failed")) == (0, "Did not run it", None)
