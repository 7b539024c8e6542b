# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads archives for tests: bytes of a file -> what formats/archive.py finds in them."""

from __future__ import annotations

import os

from ansible_collections.coracle.launcher.plugins.module_utils._coracle.formats import archive
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.formats.compression.source import Source
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.formats.compression.stream import Stream
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.formats.entries import Summary
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.formats.limits import Limits


def read_fd(fd, limits=None, summary=None):
    """Return [(entry, content)] of an open file."""
    limits = limits or Limits()
    stream = Stream(Source(fd), limits.max_bytes)
    try:
        return [(entry, b"".join(entry.data)) for entry in archive.entries(stream, limits, Summary() if summary is None else summary)]
    finally:
        stream.close()


def read(data, limits=None, summary=None):
    """Return [(entry, content)] of a file with these bytes. `summary`: a Summary to fill."""
    fd = os.memfd_create("archive")
    try:
        with open(fd, "wb", closefd=False) as file:
            file.write(data)
        os.lseek(fd, 0, os.SEEK_SET)
        return read_fd(fd, limits, summary)
    finally:
        os.close(fd)


def names(found):
    """Return the paths of what read() found."""
    return [entry.path for entry, _data in found]
