# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line: options in all spellings, what belongs to somebody else's command stays untouched, nonsense is a usage error."""

from __future__ import annotations

import pytest

from ansible_collections.coracle.launcher.plugins.module_utils._coracle.doors import command
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.doors.arguments import Usage, help_of, parse

VERBS = {verb.name: verb for verb in command.VERBS}


@pytest.mark.parametrize(
    "verb, words, values, names",
    [
        ("stop", "-t 5 web1", {"timeout": 5.0}, ["web1"]),
        ("stop", "-t5 web1 web2", {"timeout": 5.0}, ["web1", "web2"]),
        ("stop", "web1 --timeout=0.5 -s KILL", {"timeout": 0.5, "signal": "KILL"}, ["web1"]),
        ("list", "", {}, []),
        ("list", "--json web*", {"json": True}, ["web*"]),
        ("exec", "-it web1 ls -l -t", {"stdin": True, "tty": True}, ["web1", "ls", "-l", "-t"]),
        ("exec", "-e A=1 -e B=2 -u 99:98 web1 -- env", {"env": ["A=1", "B=2"], "user": "99:98"}, ["web1", "env"]),
        ("exec", "web1 sh -c -- --json", {}, ["web1", "sh", "-c", "--", "--json"]),
        ("logs", "-f --tail 3 web1", {"follow": True, "tail": 3.0}, ["web1"]),
        ("run", "-- -odd", {}, ["-odd"]),
    ],
)
def test_words_become_options_and_names(verb, words, values, names):
    assert parse(VERBS[verb], words.split()) == (values, names)


@pytest.mark.parametrize(
    "verb, words",
    [("stop", "--nope web1"), ("stop", "web1 -t"), ("stop", "web1 -t soon"), ("stop", "web1 -t -1"), ("run", ""), ("run", "a b"),
     ("exec", "web1"), ("logs", "")],
)
def test_nonsense_is_a_usage_error(verb, words):
    with pytest.raises(Usage):
        parse(VERBS[verb], words.split())


@pytest.mark.parametrize("verb", command.VERBS, ids=lambda verb: verb.name)
def test_help_has_three_examples_and_fits_a_screen(verb):
    text = help_of(verb)
    assert len(text.splitlines()) <= 24
    assert len(verb.examples) == 3
    assert all(f"coracle {verb.name}" in example for example in verb.examples)


def test_every_verb_has_its_function():
    from ansible_collections.coracle.launcher.plugins.module_utils._coracle.doors import verbs

    assert [verb.name for verb in command.VERBS] == list(verbs.VERBS)


@pytest.mark.parametrize("word, hint", [("lst", "list"), ("strat", "start"), ("ps", "list"), ("xyzzy", "--help")])
def test_a_misspelt_verb_is_answered_with_the_right_one(word, hint, capfd):
    with pytest.raises(SystemExit) as ended:
        command.main([word])
    assert ended.value.code == 2
    assert hint in capfd.readouterr().err


@pytest.mark.parametrize("words", [[], ["--help"], ["help"], ["run", "--help"], ["--version"]])
def test_help_and_version_need_nothing_and_succeed(words, capfd):
    with pytest.raises(SystemExit) as ended:
        command.main(words)
    assert ended.value.code == 0
    assert "coracle" in capfd.readouterr().out
