# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filters of `coracle list`."""

from __future__ import annotations

import pytest

from ansible_collections.coracle.launcher.plugins.module_utils._coracle.doors import filters
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.doors.arguments import Usage
from ansible_collections.coracle.launcher.tests.unit.each import each

CONTAINER = {"name": "web1", "state": "running", "labels": {"tier": "web", "empty": ""}, "health": "healthy"}


@each(
    "words, passes",
    [([], True), (["state=running"], True), (["state=exited"], False), (["state=exited", "state=running"], True), (["name=web*"], True),
     (["name=db*", "state=running"], False), (["label=tier"], True), (["label=tier=web"], True), (["label=tier=db"], False), (["label=nosuch"], False),
     (["label=empty="], True), (["health=healthy"], True), (["health=unhealthy"], False)],
)
def test_filters_of_one_key_are_alternatives_and_all_keys_must_hold(words, passes):
    assert filters.passes(CONTAINER, filters.read(words)) is passes


@each("word", ["state", "state=", "=running", "nosuch=1", ""])
def test_a_filter_that_is_none_is_refused(word):
    with pytest.raises(Usage):
        filters.read([word])
