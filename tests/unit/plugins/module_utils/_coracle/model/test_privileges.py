# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from ansible_collections.coracle.launcher.plugins.module_utils._coracle.kernel import caps
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.model import privileges, settings
from ansible_collections.coracle.launcher.tests.unit.each import each

DEFAULT = set(caps.DEFAULT_ROOT)
AS_GOOD_AS_ROOT = {"SYS_ADMIN", "SYS_MODULE", "SYS_RAWIO", "SYS_PTRACE", "SYS_BOOT", "SYS_TIME", "SYS_RESOURCE", "MKNOD", "DAC_READ_SEARCH", "BPF",
                   "MAC_ADMIN", "MAC_OVERRIDE", "SYSLOG", "PERFMON", "SYS_CHROOT", "CHECKPOINT_RESTORE"}


def test_the_largest_set_has_the_default_and_nothing_that_undoes_it():
    largest = set(privileges.LARGEST)
    assert largest >= DEFAULT | set(caps.PING) and largest <= set(caps.NAMES)
    assert not AS_GOOD_AS_ROOT & set(privileges.LARGEST) and set(caps.NAMES) >= AS_GOOD_AS_ROOT


@each("given, dropped, root, others", [
    ([], [], DEFAULT, set()),
    (["NET_ADMIN"], [], DEFAULT | {"NET_ADMIN"}, {"NET_ADMIN"}),
    ([], ["KILL", "NET_RAW"], DEFAULT - {"KILL"}, set()),
    (["KILL"], ["ALL"], {"KILL"}, {"KILL"}),
    (["ALL"], ["ALL"], set(privileges.LARGEST), set(privileges.LARGEST)),
    ([], ["ALL"], set(), set()),
])
def test_what_a_container_has(given, dropped, root, others):
    spec = settings.normalise({"capabilities": given, "cap_drop": dropped})
    assert privileges.kept(caps.DEFAULT_ROOT, spec) == root and privileges.given(spec) == others
