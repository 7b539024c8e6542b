# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes between the module container_exec and the process that enters arrives as it was, or is known to be cut."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as some

from ansible_collections.coracle.launcher.plugins.module_utils._coracle.base.errors import LauncherError
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.work import execution

# Text with bytes that are no UTF-8, as Python holds them, and without NUL.
WORDS = some.text(some.characters(blacklist_characters="\0", blacklist_categories=("Cs",)) | some.sampled_from("\udc80\udcff="), max_size=20)
NAMES = WORDS.filter(lambda word: word and "=" not in word)


@given(WORDS, some.lists(WORDS, min_size=1), some.none() | WORDS, some.none() | WORDS, some.dictionaries(NAMES, WORDS),
       some.none() | some.floats(0.001, 1e6))
def test_requests(name, argv, user, cwd, env, seconds):
    asked = execution.Request(name, argv, user, cwd, env, seconds)
    found = execution.parse_request(asked.render())
    assert all(getattr(found, key) == getattr(asked, key) for key in execution.Request.__slots__)


@given(some.integers(0, 255), some.booleans(), some.none() | some.tuples(WORDS, some.none() | WORDS, some.none() | WORDS, some.none() | WORDS))
def test_answers(code, expired, said):
    error = None if said is None else LauncherError(said[0], option=said[1], value=said[2], remedy=said[3], code=code)
    data = execution.Answer(code, expired, error).render()
    found = execution.parse_answer(data)
    assert found is not None and (found.code, found.expired) == (code, expired)
    if error is None:
        assert found.error is None
    else:
        assert found.error is not None and found.error.code == code and str(found.error) == str(error)


def test_a_cut_answer_is_none():
    data = execution.Answer(0).render()
    assert execution.parse_answer(data) is not None  # control
    assert [execution.parse_answer(data[:length]) for length in (0, 1, 4, 5, 6)] == [None] * 5


def test_an_answer_without_its_end_is_none():
    data = execution.Answer(7, True, LauncherError("problem", option="name", value="x")).render()
    assert all(execution.parse_answer(data[:length]) is None for length in range(len(data)) if data[length - 1:length] != b"\0")
