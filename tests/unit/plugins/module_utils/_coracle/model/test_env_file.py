# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest

from ansible_collections.coracle.launcher.plugins.module_utils._coracle.base.errors import LauncherError
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.model import env_file
from ansible_collections.coracle.launcher.tests.unit.each import each


@each("content, env", [
    (b"", {}),
    (b"\n# no\n  # no\n \n", {}),
    (b"A=1\r\nB=\nC= x \n", {"A": "1", "B": "", "C": " x "}),
    (b"  A='q' # kept\n", {"A": "'q' # kept"}),
    (b"A=b=c", {"A": "b=c"}),
    ("A=\u00e9\n".encode(), {"A": "\u00e9"}),
])
def test_what_a_file_says(content, env):
    assert env_file.parse(content, "/f") == env


@each("content, line, words", [
    (b"A=1\nB\n", 2, "is no NAME=value"),
    (b"=1\n", 1, "is no NAME=value"),
    (b"A =1\n", 1, "is no NAME=value"),
    (b"A\x1b=1\n", 1, "is no NAME=value"),
    (b"A=1\nA=2\n", 2, "gives A a second time"),
    (b"A=\0\n", 1, "NUL"),
    (b"A=1\n\xff=secret\n", 2, "is not UTF-8"),
])
def test_what_it_may_not_say_is_named_by_its_line_alone(content, line, words):
    with pytest.raises(LauncherError) as caught:
        env_file.parse(content, "/f")
    assert caught.value.option == "env_file" and f"line {line} " in str(caught.value) and words in str(caught.value)
    assert "secret" not in str(caught.value) and "\x1b" not in str(caught.value)
