# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The hub between the test hosts: each frame reaches all others, whole, and never its sender."""

from __future__ import annotations

import importlib.util
import socket
import time
from pathlib import Path

import pytest


@pytest.fixture(name="hub")
def run_hub(tmp_path, monkeypatch):
    path = Path(__file__).resolve().parents[1] / "hosts" / "lan.py"
    specification = importlib.util.spec_from_file_location("lan", path)
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    monkeypatch.chdir(tmp_path)  # the path of a socket has at most 107 bytes
    hub = module.Lan(Path("lan"))
    yield hub
    hub.close()
    assert not (tmp_path / "lan").exists()


def connect(hub, count):
    guests = []
    for _number in range(count):
        guest = socket.socket(socket.AF_UNIX)
        guest.connect(str(hub.path))
        guest.settimeout(30)
        guests.append(guest)
    while len(hub._ports) < count:
        time.sleep(0.01)
    return guests


def frame(data):
    return len(data).to_bytes(4, "big") + data


def read(guest):
    def exactly(size):
        data = b""
        while len(data) < size:
            piece = guest.recv(size - len(data))
            assert piece, "the hub has hung up"
            data += piece
        return data

    return exactly(int.from_bytes(exactly(4), "big"))


def test_a_frame_reaches_all_others_and_not_its_sender(hub):
    first, second, third = connect(hub, 3)
    first.sendall(frame(b"one" * 500))
    assert read(second) == read(third) == b"one" * 500
    second.sendall(frame(b"answer"))
    assert read(first) == b"answer"  # and not "one"


def test_a_frame_in_pieces_and_frames_in_one_piece(hub):
    first, second = connect(hub, 2)
    whole = frame(b"pieces")
    for byte in range(len(whole)):
        first.sendall(whole[byte:byte + 1])
    first.sendall(frame(b"a") + frame(b"b"))
    assert [read(second) for _frame in range(3)] == [b"pieces", b"a", b"b"]


def test_a_guest_that_does_not_read_or_says_nonsense_holds_up_nobody(hub):
    first, second, deaf, mad = connect(hub, 4)
    mad.sendall(b"\xff" * 8)
    assert mad.recv(1) == b""  # it is off the LAN
    big = frame(bytes(60000))
    for _number in range(200):  # 12 MB, more than the hub keeps for one
        first.sendall(big)
        assert len(read(second)) == 60000
    deaf.close()
    first.sendall(frame(b"end"))
    assert read(second) == b"end"
