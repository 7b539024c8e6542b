# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest

from ansible_collections.coracle.launcher.plugins.module_utils._coracle.base.errors import LauncherError
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.model import routes
from ansible_collections.coracle.launcher.tests.unit.each import each


@each("line, found", [
    ("10.0.0.0/8", [{"dest": "10.0.0.0/8"}]),
    ("10.0.0.0/8 via 192.0.2.1 metric 50 onlink, default via fe80::1",
     [{"dest": "10.0.0.0/8", "gateway": "192.0.2.1", "metric": "50", "onlink": True}, {"dest": "default", "gateway": "fe80::1"}]),
    ("10.0.0.0/8 onlink  metric  0", [{"dest": "10.0.0.0/8", "metric": "0", "onlink": True}]),
    ("via via onlink", [{"dest": "via", "gateway": "onlink"}]),  # nonsense, which is refused where addresses are looked at
])
def test_a_line_there_and_back(line, found):
    assert routes.parse_routes(line, "routes") == found
    assert routes.parse_routes(routes.render_routes(found), "routes") == found


@each("line", ["", ",", "a,", "a via", "a metric", "a dev eth0", "a via b via c", "a onlink onlink", "a metric 1 metric 1"])
def test_what_is_no_route_is_refused(line):
    with pytest.raises(LauncherError) as caught:
        routes.parse_routes(line, "routes")
    assert caught.value.option == "routes"
    assert caught.value.remedy
