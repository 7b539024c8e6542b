# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest

from ansible_collections.coracle.launcher.plugins.module_utils._coracle.model.change import CREATE, LIVE, REMOVE, RESTART, Change, as_diff


def test_as_dict_is_what_modules_return():
    assert Change("memory", 1, 2, LIVE, "asked").as_dict() == {"option": "memory", "before": 1, "after": 2, "action": "live", "why": "asked"}


def test_equal_when_everything_is():
    assert Change("user", "0", "99", RESTART) == Change("user", "0", "99", RESTART)
    assert Change("user", "0", "99", RESTART) != Change("user", "0", "99", LIVE)
    assert Change("user", "0", "99", RESTART) != "user"
    with pytest.raises(TypeError):
        hash(Change("user", "0", "99", RESTART))


def test_diff_has_a_line_for_each_side_that_is_there():
    changes = [Change("user", None, "99", CREATE), Change("memory", 1, 2, LIVE), Change("bridge", "br0", None, REMOVE), Change("oom", False, True, LIVE)]
    assert as_diff(changes) == {"before": "memory: 1\nbridge: br0\noom: False\n", "after": "user: 99\nmemory: 2\noom: True\n"}
    assert as_diff([]) == {"before": "", "after": ""}
