# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Many values in one test. ansible-test forks for each test, 40 ms: thousands of parametrised ones would take minutes that tell nothing."""

from __future__ import annotations

import functools
import inspect

import pytest


def each(names, values, ids=None):
    """Call the test with each of `values`, as pytest.mark.parametrize() does, but within one test; the error says with which.

    `ids`: names for the values, as there. For functions that leave nothing behind, since fixtures are made once for all values.
    """
    words = names.replace(" ", "").split(",") if isinstance(names, str) else list(names)
    values = list(values)

    def decorate(function):
        signature = inspect.signature(function)

        @functools.wraps(function)
        def test(**fixtures):
            assert values, "no values"
            for number, value in enumerate(values):
                given = dict(zip(words, value)) if len(words) > 1 else {words[0]: value}
                try:
                    function(**fixtures, **given)
                except (Exception, pytest.fail.Exception) as error:  # the latter: nothing was raised where something should be
                    raise AssertionError(f"with {_name(ids, number, value)} for {names}: {error!r}") from error

        # What pytest is to know: the fixtures, and not the names that are given here.
        test.__signature__ = signature.replace(parameters=[known for name, known in signature.parameters.items() if name not in words])
        return test

    return decorate


def _name(ids, number, value):
    if ids is None:
        return repr(value)[:500]
    return ids(value) if callable(ids) else list(ids)[number]
