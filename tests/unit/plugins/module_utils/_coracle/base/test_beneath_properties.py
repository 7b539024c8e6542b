# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""P5: whatever links a tree has and whatever path is asked for, what is opened lies in the tree."""

from __future__ import annotations

import os
import tempfile

import pytest

hypothesis = pytest.importorskip("hypothesis")
from hypothesis import HealthCheck, example, given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from ansible_collections.coracle.launcher.plugins.module_utils._coracle.base import beneath  # noqa: E402

part = st.sampled_from([b"a", b"b", b"c", b"l", b"m", b".", b"..", b"", b"\xff\n", b"n" * 255, b"n" * 256])
target = st.sampled_from([b"/", b"..", b"../..", b".", b"a", b"b/c", b"OUT", b"../outside", b"/proc/self/root", b"/proc/self/cwd", b"l", b"m",
                          b"/proc/self/fd/0", b"./" * 2000 + b"a"])
link = st.tuples(st.sampled_from([b"", b"a", b"a/b", b"b"]), st.sampled_from([b"c", b"l", b"m"]), target)
path = st.one_of(st.lists(part, min_size=1, max_size=6).map(b"/".join), st.binary(max_size=12))
FLAGS = [os.O_RDONLY, os.O_RDONLY | os.O_DIRECTORY, os.O_PATH, os.O_PATH | os.O_NOFOLLOW, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW,
         os.O_WRONLY | os.O_NOFOLLOW]


def attempt(way, root, path, flags):
    """Return the descriptor, or the kind of refusal."""
    try:
        return way(root, path, flags)
    except (OSError, ValueError) as error:
        return type(error)


@settings(max_examples=300, deadline=None, database=None, derandomize=True,
          suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@example([(b"", b"l", b"../outside")], b"l/secret", os.O_RDONLY)
@example([(b"", b"l", b"a")], b"l/", os.O_PATH)
@given(st.lists(link, max_size=4), path, st.sampled_from(FLAGS))
def test_P5_what_is_opened_lies_below_the_root(tmp_path, links, path, flags):
    with tempfile.TemporaryDirectory(dir=tmp_path) as world:
        for directory in ("outside", "root/a/b", "root/b"):
            os.makedirs(f"{world}/{directory}")
        for name in ("outside/secret", "root/a/c", "root/b/b", "root/secret"):
            with open(f"{world}/{name}", "w", encoding="ascii") as file:
                file.write(name)
        for directory, name, to in links:
            where = os.path.join(os.fsencode(world), b"root", directory, name)
            if not os.path.lexists(where):
                os.symlink(to.replace(b"OUT", os.fsencode(f"{world}/outside")), where)
        root = os.open(f"{world}/root", os.O_RDONLY)
        try:
            found = [attempt(way, root, path, flags) for way in (beneath.open_beneath, beneath._walk_beneath)]
            for fd in found:
                if isinstance(fd, int):
                    real = os.readlink(f"/proc/self/fd/{fd}")
                    assert real == f"{world}/root" or real.startswith(f"{world}/root/")
            assert isinstance(found[0], int) == isinstance(found[1], int), found
            if isinstance(found[0], int):
                assert os.path.samestat(os.fstat(found[0]), os.fstat(found[1]))
        finally:
            for fd in [root, *found]:
                if isinstance(fd, int):
                    os.close(fd)


def test_P5_the_same_links_lead_out_where_they_are_followed(tmp_path):
    os.makedirs(tmp_path / "root")
    (tmp_path / "secret").write_text("outside")
    os.symlink("..", tmp_path / "root/l")
    root = os.open(tmp_path / "root", os.O_RDONLY)
    try:
        os.close(os.open("l/secret", os.O_RDONLY, dir_fd=root))
        for way in (beneath.open_beneath, beneath._walk_beneath):
            assert attempt(way, root, b"l/secret", os.O_RDONLY) in (OSError, NotADirectoryError)
    finally:
        os.close(root)
