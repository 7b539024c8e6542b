# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What each ABI of the kernel is asked for, and that it does it. Attacks are in work/test_fence.py."""

from __future__ import annotations

import errno
import os
import struct

import pytest

from ansible_collections.coracle.launcher.plugins.module_utils._coracle.base import libc
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.kernel import landlock


@pytest.mark.parametrize("version, asked", [
    (2, [(1 << 14) - 1]),
    (3, [(1 << 15) - 1]),
    (4, [(1 << 15) - 1, 3]),
    (5, [(1 << 16) - 1, 3]),
    (6, [(1 << 16) - 1, 3, 3]),
    (7, [(1 << 16) - 1, 3, 3]),
    (99, [(1 << 16) - 1, 3, 3]),
])
def test_a_kernel_is_asked_for_what_its_abi_knows(monkeypatch, version, asked):
    seen = []
    monkeypatch.setattr(libc, "landlock_create_ruleset", lambda attributes, flags=0: seen.append(attributes) or os.dup(0))
    monkeypatch.setattr(libc, "landlock_restrict_self", lambda ruleset: seen.append("restricted"))
    assert landlock.confine([], version)
    assert seen == [struct.pack(f"={len(asked)}Q", *asked), "restricted"]


@pytest.mark.parametrize("version", [0, 1])
def test_a_kernel_that_knows_too_little_is_asked_for_nothing(monkeypatch, version):
    monkeypatch.setattr(libc, "landlock_create_ruleset", lambda *_arguments: pytest.fail("was asked"))
    assert not landlock.confine([(0, landlock.READ)], version)


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.EOPNOTSUPP])
def test_no_landlock_is_abi_0(monkeypatch, number):
    def refuse(*_arguments):
        raise OSError(number, "no")

    monkeypatch.setattr(libc, "landlock_create_ruleset", refuse)
    assert landlock.abi() == 0


def test_a_file_gets_the_rights_that_files_have(monkeypatch, tmp_path):
    rules = []
    monkeypatch.setattr(libc, "landlock_create_ruleset", lambda *_arguments: os.dup(0))
    monkeypatch.setattr(libc, "landlock_restrict_self", lambda _ruleset: None)
    monkeypatch.setattr(libc, "landlock_add_rule", lambda _ruleset, kind, attributes: rules.append((kind, *struct.unpack("=Qi", attributes))))
    directory = os.open(tmp_path, os.O_RDONLY)
    file = os.open(os.__file__, os.O_RDONLY)
    try:
        landlock.confine([(directory, landlock.READ), (file, landlock.READ)], 2)
        assert rules == [(1, 0b1101, directory), (1, 0b0101, file)]  # execute, read file, and read directory for the directory
    finally:
        os.close(directory)
        os.close(file)


@pytest.mark.skipif(landlock.abi() < 2, reason="this kernel has no Landlock, or ABI 1")
def test_what_no_rule_names_is_refused(tmp_path):
    (tmp_path / "in").mkdir()
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        answers = ""
        try:
            fd = os.open(tmp_path / "in", os.O_RDONLY)
            libc.prctl(libc.PR_SET_NO_NEW_PRIVS, 1)
            os.mkdir(tmp_path / "before")
            landlock.confine([(fd, landlock.WRITE)], landlock.abi())
            for path in (tmp_path / "in" / "new", tmp_path / "after"):
                try:
                    os.mkdir(path)
                    answers += "+"
                except PermissionError:
                    answers += "-"
        finally:
            os.write(writing, answers.encode())
            os._exit(0)
    os.waitpid(pid, 0)
    assert os.read(reading, 10) == b"+-"
    os.close(reading)
    os.close(writing)
    assert sorted(os.listdir(tmp_path)) == ["before", "in"]
