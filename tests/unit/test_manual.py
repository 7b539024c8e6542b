# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The manual pages against the tables that the command works by: nothing missing, nothing that is not there."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from ansible_collections.coracle.launcher.plugins.module_utils._coracle.doors.vocabulary import VERBS
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.model import settings

MANUAL = Path(__file__).resolve().parents[2] / "docs" / "man"
COMMAND = MANUAL / "man8" / "coracle.8"
SETTINGS = MANUAL / "man5" / "coracle-settings.5"
_VERB = re.compile(r"^\.It Cm ([a-z]+)(?: Ar (.*))?$")
_OPTION = re.compile(r"^\.It (Fl .*)$")
_KEY = re.compile(r"^\.It Cm ([a-z]+)(?: Ns Ar N)? : .* Pq ([a-z]+)$")


def verbs_of(text: str) -> dict[str, dict[tuple[str, ...], str]]:
    """{verb and its usage: {spellings of an option: its value}} of a page."""
    found: dict[str, dict[tuple[str, ...], str]] = {}
    verb = ""
    for line in text.split("\n"):
        if line.startswith(".Sh"):
            verb = ""
        if match := _VERB.match(line):
            verb = f"{match[1]} {match[2] or ''}".strip()
            found[verb] = {}
        elif verb and (match := _OPTION.match(line)):
            spelled, _ar, value = match[1].partition(" Ar ")
            found[verb][tuple("-" + word.removeprefix("Fl ") for word in spelled.split(" , "))] = value
    return found


def keys_of(text: str) -> dict[str, tuple[str, str]]:
    """{key: (cost of a change, what is said about it)} of a page."""
    found: dict[str, tuple[str, str]] = {}
    key = ""
    for line in text.split("\n"):
        if match := _KEY.match(line):
            key = match[1]
            found[key] = (match[2], "")
        elif line.startswith((".It", ".El")):
            key = ""
        elif key:
            found[key] = (found[key][0], f"{found[key][1]} {line}")
    return found


def test_coracle_8_has_every_verb_with_its_options() -> None:
    wanted = {f"{verb.name} {verb.usage}".strip(): {tuple(option.names): option.shown for option in verb.options} for verb in VERBS}
    found = verbs_of(COMMAND.read_text(encoding="utf-8"))
    assert {verb: options for verb, options in found.items() if options != wanted.get(verb)} == {}
    assert set(wanted) == set(found)


def test_coracle_settings_5_has_every_key_with_its_cost_and_default() -> None:
    rows = (*settings.SCALARS, settings.COMMAND, *settings.LISTS, *settings.PAIRS, *settings.NETWORK)
    found = keys_of(SETTINGS.read_text(encoding="utf-8"))
    assert {key: cost for key, (cost, _text) in found.items()} == {**{row.key: row.cost for row in rows}, "arg": settings.COMMAND.cost}
    keys = {row.option: row.key for row in rows}
    for option, value in settings.DEFAULTS.items():
        shown = ("yes" if value else "no") if isinstance(value, bool) else value
        assert value is None or f" Default: {shown}." in found[keys[option]][1], f"{keys[option]}: {found[keys[option]][1]}"


def test_a_page_with_a_gap_is_found() -> None:
    text = COMMAND.read_text(encoding="utf-8")
    assert "grace" in str(verbs_of(text)) and "grace" not in str(verbs_of(text.replace(".It Fl -grace Ar SECONDS\n", "")))
    text = SETTINGS.read_text(encoding="utf-8")
    assert keys_of(text)["memlimit"][0] == "live" and "memlimit" not in keys_of(text.replace(".It Cm memlimit", ".Sy memlimit"))


@pytest.mark.skipif(shutil.which("groff") is None, reason="needs groff")
@pytest.mark.parametrize("page", [COMMAND, SETTINGS], ids=lambda page: page.name)
def test_groff_has_no_complaint(page: Path) -> None:
    done = subprocess.run(["groff", "-mandoc", "-Tutf8", "-ww", str(page)], capture_output=True, text=True, check=True)
    assert done.stderr == "" and "coracle" in done.stdout
