# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The file below the stream: every byte once to the digest, a part of a file, a pipe."""

from __future__ import annotations

import hashlib
import os
import random
import threading

import pytest

from ansible_collections.coracle.launcher.plugins.module_utils._coracle.formats.compression.source import Source

DATA = random.Random(2).randbytes(700_000) + bytes(600_000) + b"end"


@pytest.fixture
def fd(tmp_path):
    (tmp_path / "file").write_bytes(DATA)
    fd = os.open(tmp_path / "file", os.O_RDONLY)
    yield fd
    os.close(fd)


def rest(source):
    found = b""
    while True:
        piece = source.piece()
        if not piece:
            return found
        found += piece


def test_the_digest_sees_every_byte_once_whatever_is_given_back(fd):
    digest = hashlib.sha256()
    source = Source(fd, digest)
    assert source.peek(10) == DATA[:10]
    piece = bytes(source.piece())
    source.give_back(piece[100:])
    assert source.offset == 100
    assert source.exactly(600_000) == DATA[100:600_100]
    assert source.up_to(7) == DATA[600_100:600_107]
    assert rest(source) == DATA[600_107:]
    assert source.offset == len(DATA) and source.piece() == b"" and source.exactly(3) == b""
    assert digest.digest() == hashlib.sha256(DATA).digest()


@pytest.mark.parametrize("start, size", [(0, 0), (0, 1), (5, None), (5, 300_000), (700_000, 600_003), (1_300_000, 100), (9_999_999, 5)])
def test_a_part_of_a_file(fd, start, size):
    digest = hashlib.sha256()
    expected = DATA[start:] if size is None else DATA[start:start + size]
    assert rest(Source(fd, digest, start, size)) == expected
    assert digest.digest() == hashlib.sha256(expected).digest()
    assert os.lseek(fd, 0, os.SEEK_CUR) == 0


def test_zeros_are_counted(fd):
    source = Source(fd, start=700_000)
    assert source.skip_zeros() == 600_000
    assert source.offset == 600_000 and source.peek(9) == b"end" and source.skip_zeros() == 0
    assert source.exactly(3) == b"end" and source.skip_zeros() == 0


def test_a_pipe_will_do():
    reading, writing = os.pipe()
    with os.fdopen(writing, "wb") as file:
        thread = threading.Thread(target=lambda: (file.write(DATA), file.close()))
        thread.start()
        source = Source(reading)
        assert source.peek(5000) == DATA[:5000]
        assert source.exactly(100_001) == DATA[:100_001]
        assert rest(source) == DATA[100_001:]
        thread.join()
    os.close(reading)
