# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of compressions: what this host can unpack, and what it says when it cannot."""

from __future__ import annotations

import sys

import pytest

from ansible_collections.coracle.launcher.plugins.module_utils._coracle.base.errors import LauncherError
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.formats.compression import codecs, tools
from ansible_collections.coracle.launcher.tests.unit import packers
from ansible_collections.coracle.launcher.tests.unit.each import each


@each("head, name", [
    (b"\x1f\x8b\x08\0", "gzip"), (b"\xfd7zXZ\0", "xz"), (b"BZh9", "bzip2"), (b"\x5d\0\0\x80", "lzma"), (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"\x02\x21\x4c\x18", "lz4"), (b"\x04\x22\x4d\x18", "lz4"), (b"\x89LZO\0\r\n\x1a\n", "lzop"), (b"070701", None), (b"", None), (b"\x1f", None)])
def test_names_by_magic(head, name):
    assert codecs.name_of(head) == name
    assert len(head) <= codecs.MAGIC or codecs.name_of(head[:codecs.MAGIC]) == name


@pytest.fixture
def nothing(monkeypatch, no_libraries):
    """A host without any library that is not Python's own, and without tools."""
    monkeypatch.setattr(tools, "PATH", "/nonexistent")


def test_a_bare_host_says_what_to_install(nothing):
    found = {row.pop("name"): row for row in codecs.available()}
    for name in ("gzip", "xz", "bzip2", "lzma"):
        assert found.pop(name) == {"by": "standard library", "remedy": None}
    assert found == {
        "zstd": {"by": None, "remedy": "Install the package zstd, or python3-zstandard"},
        "lz4": {"by": None, "remedy": "Install the package lz4, or python3-lz4"},
        "lzop": {"by": None, "remedy": "Install the package lzop"},
    }


@pytest.mark.parametrize("pack, message", [
    (packers.zstd, "is compressed with zstd, and this host has nothing that unpacks it. Install the package zstd, or python3-zstandard"),
    (packers.lz4, "is compressed with lz4, and this host has nothing that unpacks it. Install the package lz4, or python3-lz4"),
    (packers.lz4_legacy, "is compressed with lz4, and this host has nothing that unpacks it. Install the package lz4, or python3-lz4"),
    (packers.lzop, "is compressed with lzop, and this host has nothing that unpacks it. Install the package lzop")])
def test_an_image_that_a_bare_host_cannot_unpack(reading, nothing, pack, message):
    with pytest.raises(LauncherError) as caught:
        reading.runs(pack(b"070701"))
    assert str(caught.value) == message


@pytest.mark.parametrize("name", ["xz", "bzip2", "lzma", "gzip"])
def test_a_python_without_a_part_of_its_library(reading, nothing, monkeypatch, name):
    packed = packers.PACKERS[name][0](b"070701")
    for module in ("lzma", "bz2", "zlib"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(LauncherError, match=f"this host's Python cannot unpack {name}.*Install the whole standard library"):
        reading.runs(packed)
    assert {"name": name, "by": None, "remedy": "Install the whole standard library of Python"} in codecs.available()


def test_a_library_is_preferred_to_a_tool():
    found = {row["name"]: row["by"] for row in codecs.available()}
    for library, name in (("zstandard", "zstd"), ("lz4.frame", "lz4"), ("isal", "gzip")):
        try:
            __import__(library)
        except ImportError:
            continue
        assert found[name].startswith("library ")
