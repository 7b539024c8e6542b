# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The counting of `make test`: a tool that ran less than it was asked for, and ended with 0, is a failure."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest


@pytest.fixture(name="checks")
def load_checks():
    path = Path(__file__).resolve().parents[1] / "tools" / "checks.py"
    specification = importlib.util.spec_from_file_location("checks", path)
    module = importlib.util.module_from_spec(specification)
    sys.modules["checks"] = module
    specification.loader.exec_module(module)
    return module


SANITY = "\n".join(f'Running sanity test "{name}"' for name in ("compile", "import", "pep8"))
ABSENT = 'WARNING: Skipping sanity test "compile" on Python 3.14 because it could not be found.'
SHELLCHECK = "WARNING: Skipping sanity test shellcheck: shellcheck is not available"


@pytest.mark.parametrize(
    "text, code, expected",
    [
        (SANITY, 0, (3, 0)),
        (f"{SANITY}\n{ABSENT}", 0, (3, 0)),
        (f"{SANITY}\n{SHELLCHECK}", 0, (3, 1)),
        (f"{SANITY}\nFATAL: The 2 sanity test(s) listed below (out of 3) failed.", 1, (1, 2)),
        (f"{SANITY}\nTraceback", 1, (2, 1)),
        ('Running sanity test "compile"', 0, (1, 1)),
        ("", 0, (0, 1)),
    ],
)
def test_sanity_is_counted(checks, text, code, expected):
    assert checks.count_sanity(3, text, code)[:2] == expected


def test_an_absent_python_is_told(checks):
    assert checks.count_sanity(3, f"{SANITY}\n{ABSENT}", 0).notes == ["not on Python 3.14: not on this machine"]


@pytest.mark.parametrize(
    "text, code, expected",
    [
        ("===== 3 passed in 0.1s =====\n===== 4 passed, 1 skipped in 1.20s =====", 0, (7, 0)),
        ("===== 1 failed, 4 passed, 2 errors in 0.80s =====", 1, (4, 3)),
        ("===== 12 passed in 70.00s (0:01:10) =====", 0, (12, 0)),
        ("===== 12 passed in 1.00s =====\nFATAL: a later part", 1, (12, 1)),
        ("===== 2 passed in 1.00s =====", 0, (2, 1)),
        ("", 0, (0, 1)),
    ],
)
def test_units_are_counted(checks, text, code, expected):
    assert checks.count_units(5, text, code)[:2] == expected


@pytest.mark.parametrize(
    "text, code, expected",
    [
        ("Running cgroup integration test role", 0, (1, 0)),
        ("Running cgroup integration test script", 0, (1, 0)),
        ("Running cgroup integration test role\nfatal", 2, (0, 1)),
        ("WARNING: Excluding tests marked destructive: cgroup\nAll targets skipped.", 0, (0, 1)),
    ],
)
def test_a_target_that_did_not_run_fails(checks, text, code, expected):
    assert checks.count_target("cgroup", text, code)[:2] == expected


def test_a_warning_in_a_log_fails(checks):
    assert checks.without_warning("INFO: fine", 0)[:2] == (1, 0)
    assert checks.without_warning("WARNING: no changelog", 0)[:2] == (0, 1)
