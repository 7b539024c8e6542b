# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line: options in all spellings, what belongs to somebody else's command stays untouched, nonsense is a usage error."""

from __future__ import annotations

import pytest

from ansible_collections.coracle.launcher.plugins.module_utils._coracle.doors import command
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.doors.arguments import Usage, choices, parse
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.doors.help import help_of, overview
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.doors.vocabulary import VERBS, find
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.kernel import sealing
from ansible_collections.coracle.launcher.tests.unit.each import each


@each(
    "verb, words, values, names",
    [
        ("stop", "-t 5 web1", {"timeout": 5.0}, ["web1"]),
        ("stop", "-t5 web1 web2", {"timeout": 5.0}, ["web1", "web2"]),
        ("stop", "web1 --timeout=0.5 -s KILL", {"timeout": 0.5, "signal": "KILL"}, ["web1"]),
        ("list", "", {}, []),
        ("ls", "--json web*", {"json": True}, ["web*"]),
        ("list", "--filter state=running --filter=label=a=b", {"filter": ["state=running", "label=a=b"]}, []),
        ("exec", "-it web1 ls -l -t", {"stdin": True, "tty": True}, ["web1", "ls", "-l", "-t"]),
        ("exec", "-e A=1 -e B=2 -u 99:98 web1 -- env", {"env": ["A=1", "B=2"], "user": "99:98"}, ["web1", "env"]),
        ("exec", "web1 sh -c -- --json", {}, ["web1", "sh", "-c", "--", "--json"]),
        ("exec", "web1 ls --help", {}, ["web1", "ls", "--help"]),
        ("logs", "-f --tail 3 web1", {"follow": True, "tail": 3.0}, ["web1"]),
        ("run", "-- -odd", {}, ["-odd"]),
        ("stats", "--format prometheus", {"format": "prometheus"}, []),
        ("stop", "web1 --nope --help", None, None),
        ("stop", "web1 -h", {"help": True}, []),
        ("exec", "--help", {"help": True}, []),
    ],
)
def test_words_become_options_and_names(verb, words, values, names):
    if values is None:
        with pytest.raises(Usage):
            parse(find(verb), words.split())
    else:
        assert parse(find(verb), words.split()) == (values, names)


@each(
    "verb, words, hint",
    [("stop", "--nope web1", "no option"), ("stop", "web1 -t", "needs a value"), ("stop", "web1 -t soon", "seconds"), ("stop", "web1 -t -1", "seconds"),
     ("stop", "-t nan web1", "seconds"), ("stop", "-t inf web1", "seconds"), ("run", "", "no path"), ("run", "a b", "one word too many"),
     ("exec", "web1", "command"), ("logs", "", "no name"), ("list", "--json=yes", "takes no value"), ("list", "--format xml", "table, json"),
     ("list", "--formta json", "--format"), ("logs", "--tial 3 web1", "--tail"), ("boot", "web1", "too many"), ("completion", "", "bash")],
)
def test_nonsense_is_a_usage_error_that_says_what_is_meant(verb, words, hint):
    with pytest.raises(Usage) as refused:
        parse(find(verb), words.split())
    assert hint in str(refused.value)


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.name)
def test_help_has_three_examples_and_fits_a_screen(verb):
    lines = help_of(verb).splitlines()
    assert len(lines) <= 24 and max(map(len, lines)) <= 80
    assert len(verb.examples) == 3
    assert all(f"coracle {verb.name}" in example for example in verb.examples)


def test_the_overview_fits_a_screen():
    lines = overview().splitlines()
    assert len(lines) <= 24 and max(map(len, lines)) <= 80
    assert [line.split()[0] for line in lines if line.startswith("  ")] == [verb.name for verb in VERBS]


def test_every_verb_has_its_function():
    from ansible_collections.coracle.launcher.plugins.module_utils._coracle.doors import lifecycle, streams, views

    assert {verb.name for verb in VERBS} == {*lifecycle.VERBS, *streams.VERBS, *views.VERBS}
    assert set(command.STREAMS) == set(streams.VERBS) and set(command.VIEWS) == set(views.VERBS)


@pytest.fixture(autouse=True)
def _as_if_sealed(monkeypatch):
    # Else `run` and `exec` would go on in another interpreter.
    monkeypatch.setattr(sealing, "is_sealed", lambda: True)


def run(words, capfd):
    """(exit status, stdout, stderr)"""
    with pytest.raises(SystemExit) as ended:
        command.main(words)
    return (ended.value.code, *capfd.readouterr())


@pytest.mark.parametrize(
    "words, code, hint",
    [(["lst"], 2, "list"), (["strat"], 2, "start"), (["sotp", "web1"], 2, "stop"), (["ps"], 2, "top NAME"), (["xyzzy"], 2, "--help"),
     (["help", "strat"], 2, "start"), (["stop", "-x", "web1"], 2, "no option"), (["completion", "tcsh"], 2, "bash, zsh, fish"),
     (["status"], 4, "no name is given"), (["status", "--nosuch"], 4, "no option"), (["run", ""], 125, "no path is given"),
     (["run"], 125, "usage: coracle run PATH"), (["exec", "-x", "web1", "ls"], 125, "no option")],
)
def test_a_wrong_command_line_is_answered_with_the_right_one(words, code, hint, capfd):
    status, out, err = run(words, capfd)
    assert (status, out) == (code, "")
    assert err.startswith("coracle: ") and hint in err and err.count("\n") == 1


@pytest.mark.parametrize("words", [[], ["--help"], ["-h"], ["help"], ["help", "stop"], ["run", "--help"], ["stop", "web1", "--help"], ["--version"]])
def test_help_and_version_need_nothing_and_succeed(words, capfd):
    status, out, err = run(words, capfd)
    assert (status, err) == (0, "") and "coracle" in out


@each("shown, words", [("table|json", ["table", "json"]), ("SECONDS", []), ("NAME|PATH...", []), ("", [])])
def test_choices_are_small_letters_with_bars(shown, words):
    assert choices(shown) == words
