# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What of bpf(2) this machine may lack. That its commands work is seen in cgroup/test_devices.py."""

from __future__ import annotations

import errno
import resource

import pytest

from ansible_collections.coracle.launcher.plugins.module_utils._coracle.base import libc
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.kernel import bpf


def test_a_machine_whose_number_we_do_not_know(monkeypatch):
    monkeypatch.setattr(libc, "_NR_BPF", None)
    with pytest.raises(OSError) as caught:
        bpf.program_by_id(1)
    assert caught.value.errno == errno.ENOSYS


@pytest.mark.parametrize("number, may_raise", [(None, True), (errno.EINVAL, True), (errno.EPERM, True), (errno.EPERM, False)])
def test_memory_of_programs_is_limited_before_linux_5_11(monkeypatch, number, may_raise):
    told = []

    def setrlimit(_which, limits):
        told.append(limits)
        if not may_raise:
            raise ValueError("not allowed to raise maximum limit")

    def make():
        if number and not told:
            raise OSError(number, "bpf: no")
        return 7
    monkeypatch.setattr(resource, "setrlimit", setrlimit)
    unlimited = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    if number is None or (number == errno.EPERM and may_raise):
        assert bpf.with_memory(make) == 7
        assert told == ([unlimited, resource.getrlimit(resource.RLIMIT_MEMLOCK)] if number else [])
    else:
        with pytest.raises(OSError) as caught:
            bpf.with_memory(make)
        assert caught.value.errno == number and told == ([unlimited] if number == errno.EPERM else [])
