# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import os
import sys
import threading

import pytest

from ansible_collections.coracle.launcher.plugins.module_utils._coracle.formats.compression import codecs, tools
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.formats.compression.source import Source
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.formats.compression.stream import Stream

# Those that are optional. The first part of a name alone decides.
LIBRARIES = ("compression.zstd", "backports.zstd", "zstandard", "lz4.block", "lz4.frame", "isal", "zlib_ng")


class Reading:
    """Opens images: each is a file with the parts it is given."""

    def __init__(self, directory):
        self._path = str(directory / "image")

    def path(self, *parts):
        with open(self._path, "wb") as file:
            file.write(b"".join(parts))
        return self._path

    @contextlib.contextmanager
    def stream(self, *parts, max_padding=1 << 20):
        fd = os.open(self.path(*parts), os.O_RDONLY | os.O_CLOEXEC)
        stream = Stream(Source(fd), max_padding)
        try:
            yield stream
        finally:
            stream.close()
            os.close(fd)

    def runs(self, *parts, size=lambda: 65536):
        """Return [(compression, bytes)] of all runs; a run of plain bytes goes to the end of the file. `size`: of the next read."""
        with self.stream(*parts) as stream:
            found = []
            while stream.begin():
                data = bytearray()
                name = stream.compression
                while True:
                    piece = stream.read(size())
                    if not piece:
                        break
                    assert len(piece) <= 1 << 20
                    data += piece
                found.append((name, bytes(data)))
            return found


@pytest.fixture
def reading(tmp_path):
    return Reading(tmp_path)


def children():
    """Pids of our children, zombies among them."""
    found = set()
    for task in os.listdir("/proc/self/task"):
        with contextlib.suppress(OSError), open(f"/proc/self/task/{task}/children") as file:
            found |= set(file.read().split())
    return found


@pytest.fixture(autouse=True)
def nothing_left():
    """No thread, no process and no descriptor outlives a test."""
    descriptors, processes = set(os.listdir("/proc/self/fd")), children()
    yield
    assert [thread.name for thread in threading.enumerate() if thread.name == "unpack"] == []
    assert children() <= processes
    assert set(os.listdir("/proc/self/fd")) <= descriptors


@pytest.fixture
def no_libraries(monkeypatch):
    """A Python without any library that is not its own."""
    for library in LIBRARIES:
        monkeypatch.setitem(sys.modules, library, None)
        monkeypatch.setitem(sys.modules, library.partition(".")[0], None)


@pytest.fixture
def only(monkeypatch):
    """Return a function that leaves one way to unpack: `by` as codecs.available() names it. The test is skipped where that is absent."""
    def choose(name, by):
        wanted = by.partition(" ")[2] if by.startswith("library ") else ""
        for library in LIBRARIES:
            if library.partition(".")[0] != wanted.partition(".")[0]:
                monkeypatch.setitem(sys.modules, library, None)
                monkeypatch.setitem(sys.modules, library.partition(".")[0], None)
        if not by.startswith("tool "):
            monkeypatch.setattr(tools, "PATH", "/nonexistent")
        if {row["name"]: row["by"] for row in codecs.available()}[name] != by:
            pytest.skip(f"this machine has no {by} for {name}")
    return choose
