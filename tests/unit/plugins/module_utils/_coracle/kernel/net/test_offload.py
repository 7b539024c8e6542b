# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import errno
import subprocess

import pytest

from ansible_collections.coracle.launcher.plugins.module_utils._coracle.kernel.net import offload


def test_it_is_switched_and_told(own_network):
    subprocess.run(["ip", "link", "add", "one", "type", "veth", "peer", "name", "a-name-of-15-by"], check=True)
    assert offload.is_on("one")
    offload.switch("one", False)
    offload.switch("one", False)
    assert not offload.is_on("one")
    assert offload.is_on("a-name-of-15-by")  # each end has its own
    offload.switch("one", True)
    assert offload.is_on("one")


def test_an_interface_that_is_not_there(own_network):
    with pytest.raises(OSError) as caught:
        offload.is_on("none")
    assert caught.value.errno == errno.ENODEV
