# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""kill -9 of the module at 50 random moments of an extraction of 200 MiB: the tree is the old one or the new one, and one run converges."""

from __future__ import annotations

import os
import random

import pytest

from ..ground import OLD
from ..hostile import directory, file, write

MEBI = 1 << 20
KILLS = 25  # for each backing store
FILES = 25  # of 8 MiB
SEED = random.SystemRandom().randrange(10**6)


def members():
    found = [directory(b"big", 0o750)]
    for number in range(FILES):
        found += [directory(b"big/%d" % number), file(b"big/%d/f" % number, bytes([number + 1]) * 8 * MEBI, mode=0o640, uid=number)]
    return found


def is_new(path: str) -> bool:
    for number in range(FILES):
        with open(f"{path}/big/{number}/f", "rb") as opened:
            if opened.read() != bytes([number + 1]) * 8 * MEBI:
                return False
        if os.stat(f"{path}/big/{number}/f").st_uid != number:
            return False
    return sorted(os.listdir(path)) == ["big"] and len(os.listdir(f"{path}/big")) == FILES


def is_old(path: str) -> bool:
    if sorted(os.listdir(path)) != ["etc"] or os.listdir(f"{path}/etc") != ["old"]:
        return False
    with open(f"{path}/etc/old", "rb") as opened:
        return opened.read() == b"the old tree\n"


@pytest.mark.parametrize("backing_store", ["copy", "overlay"])
def test_kill_9_at_25_random_moments(ground, backing_store):
    options = {"backing_store": backing_store}
    dice = random.Random(SEED)
    new, old = ground.archive(write(members(), "newc.gz").data, "new"), ground.archive(write(OLD, "newc").data, "old")
    seconds, ended = [], {"old": 0, "new": 0}
    for number in range(KILLS + 1):
        assert ground.run("", state="absent", prune=True).code == 0  # and so both images leave the store
        ground.accepts(old, **options)
        if number == 0:  # how long it takes
            seconds.append(ground.accepts(new, **options).seconds)
            continue
        moment = dice.uniform(0, 1.02 * max(seconds[-5:]))
        run = ground.run(new, kill_after=moment, **options)
        where = f"kill {number} after {moment:.3f} s, seed {SEED}"
        assert run.code in (0, -9) and run.orphans == 0, (where, run)
        ended[check_tree(ground.dest, where)] += 1
        again = ground.accepts(new, **options)
        assert is_new(ground.dest), (where, again)
        seconds.append(again.seconds)
        third = ground.accepts(new, verify=number % 10 == 0, **options)
        assert not third.changed, (where, third)
    assert ended["old"] > KILLS // 3 and sum(ended.values()) == KILLS, ended


def check_tree(dest: str, where: str) -> str:
    """Which tree is there: the old one complete, or the new one complete."""
    if os.path.isdir(f"{dest}/big"):
        assert is_new(dest), where
        return "new"
    assert is_old(dest), where
    return "old"
