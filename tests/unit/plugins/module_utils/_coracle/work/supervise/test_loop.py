# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The supervisor's loop: what is called, and what is not called any more."""

from __future__ import annotations

import os

import pytest

from ansible_collections.coracle.launcher.plugins.module_utils._coracle.work.supervise.loop import Loop


@pytest.fixture
def pipes():
    """Two pipes, each with a byte in it: [(reader, writer)]."""
    made = [os.pipe() for _number in range(2)]
    for _reader, writer in made:
        os.write(writer, b"x")
    yield made
    for ends in made:
        for fd in ends:
            os.close(fd)


def test_ready_descriptors_are_told_until_nobody_watches(pipes):
    loop, told = Loop(), []
    (one, _one_writer), (other, _other_writer) = pipes
    loop.watch(one, lambda _events: told.append("one"))
    loop.watch(other, lambda _events: told.append("other"))
    loop.turn()
    assert sorted(told) == ["one", "other"]
    loop.unwatch(one)
    loop.unwatch(one)
    loop.turn()
    assert sorted(told) == ["one", "other", "other"]


def test_a_number_that_has_got_another_meaning_in_this_turn_is_not_told(pipes):
    loop, told = Loop(), []
    readers = [reader for reader, _writer in pipes]

    def first(me, other):
        told.append(me)
        loop.unwatch(readers[me])
        loop.unwatch(other)
        loop.watch(other, lambda _events: told.append("a stranger"))
    loop.watch(readers[0], lambda _events: first(0, readers[1]))
    loop.watch(readers[1], lambda _events: first(1, readers[0]))
    loop.turn()
    assert told in ([0], [1])
    loop.turn()
    assert "a stranger" in told, "or this proves nothing"


def test_timers_are_called_once_in_their_time_and_not_when_cancelled():
    loop, told = Loop(), []
    loop.after(0.01, lambda: told.append("late"))
    cancelled = loop.after(0, lambda: told.append("never"))

    def early():
        told.append("early")
        loop.cancel(also)
    loop.after(0, early)
    also = loop.after(0, lambda: told.append("never either"))
    loop.cancel(cancelled)
    loop.cancel(None)
    while "late" not in told:
        loop.turn()
    assert told == ["early", "late"]
