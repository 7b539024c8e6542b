# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The completion of the three shells: what bash answers, and that each knows every verb and option."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest

from ansible_collections.coracle.launcher.plugins.module_utils._coracle.doors.completion import SHELLS, bash
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.doors.vocabulary import VERBS


@pytest.fixture(scope="module")
def complete(tmp_path_factory):
    """complete("coracle", "sto") -> the words that bash offers. `coracle list -q` is a script that knows web1 and db1."""
    place = tmp_path_factory.mktemp("bash")
    (place / "coracle").write_text('#!/bin/sh\n[ "$*" = "list -q" ] && echo "web1 db1"\n')
    (place / "coracle").chmod(0o755)
    (place / "bash").write_text(bash())
    (place / "srv").mkdir()

    def ask(*words):
        script = f'. {place}/bash; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _coracle; printf "%s\\n" "${{COMPREPLY[@]}}"'
        done = subprocess.run(["bash", "--norc", "-c", script, "bash", *words], capture_output=True, text=True, check=True, cwd=place,
                              env={"PATH": f"{place}:{os.environ['PATH']}"})
        assert done.stderr == ""
        return done.stdout.split()

    return ask


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_bash_offers_verbs_options_values_and_names(complete):
    for words, offered in (
        (["coracle", "sto"], ["stop"]),
        (["coracle", "stop", ""], ["web1", "db1"]),
        (["coracle", "stop", "web1", "d"], ["db1"]),
        (["coracle", "stop", "--t"], ["--timeout"]),
        (["coracle", "stop", "-t", ""], []),
        (["coracle", "ls", "--format", ""], ["table", "json"]),
        (["coracle", "stats", "--format", "p"], ["prometheus"]),
        (["coracle", "exec", "-u", "99", "w"], ["web1"]),
        (["coracle", "exec", "-u", "99", "web1", ""], []),
        (["coracle", "run", "s"], ["srv"]),
        (["coracle", "start", "./s"], ["./srv"]),
        (["coracle", "completion", ""], ["bash", "zsh", "fish"]),
        (["coracle", "boot", ""], []),
        (["coracle", "nosuch", ""], []),
    ):
        assert complete(*words) == offered, words
    assert complete("coracle", "") == [*(verb.name for verb in VERBS), "--help", "--version"]


@pytest.mark.parametrize("shell", SHELLS)
def test_each_shell_knows_every_verb_and_option(shell):
    text = SHELLS[shell]()
    for verb in VERBS:
        assert verb.name in text
        for option in verb.options:
            for name in option.names:
                assert (f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}") in text if shell == "fish" else name in text


@pytest.mark.parametrize("shell", SHELLS)
def test_the_shell_itself_can_read_it(shell):
    if shutil.which(shell) is None:
        pytest.skip(f"needs {shell}")
    done = subprocess.run([shell, "-n"], input=SHELLS[shell](), capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")
