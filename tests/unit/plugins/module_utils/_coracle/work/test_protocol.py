# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The words between client and supervisor survive the way, whatever is in them; what is no request is refused."""

from __future__ import annotations

import os
import socket

import pytest
from hypothesis import given, settings, strategies

from ansible_collections.coracle.launcher.plugins.module_utils._coracle.base.errors import LauncherError
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.work import protocol
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.work.protocol import (
    Connection,
    Outcome,
    Request,
    parse_outcome,
    parse_request,
)

texts = strategies.text(max_size=60)


@settings(deadline=None, derandomize=True)
@given(
    ok=strategies.booleans(), pid=strategies.integers(0, 4194304), code=strategies.one_of(strategies.none(), strategies.integers(0, 255)), problem=texts
)
def test_an_outcome_survives_the_way_whatever_its_problem_says(ok, pid, code, problem):
    problem = problem.replace("\0", "")
    sent = Outcome("web1", ok, pid, code, problem)
    line = sent.render()
    assert line.count(b"\n") == 1 and line.endswith(b"\n")
    got = parse_outcome(line.decode("utf-8", "surrogateescape")[:-1])
    assert (got.name, got.ok, got.pid, got.exit_code) == ("web1", ok, pid, code)
    assert got.problem == problem


@pytest.mark.parametrize(
    "request_line",
    [
        Request("start", "web1", "/a path/with spaces", 0.25, ["cor-web1", "cor-web1b"]),
        Request("start", "web1", "/p", 0.0),
        Request("boot", "web1", "/p", 0.25, ["cor-web1"]),
        Request("stop", "web1", signal=9, timeout=1.5),
        Request("stop", "web1"),
        Request("refresh", "web1"),
        Request("code", "0123456789abcdef"),
    ],
)
def test_a_request_survives_the_way(request_line):
    got = parse_request(request_line.render().decode()[:-1])
    for field in Request.__slots__:
        assert getattr(got, field) == getattr(request_line, field), field


@pytest.mark.parametrize("line", ["", "start", "start\tx", "start\tx\tsoon\t\t/p", "stop\tx\tTERM\t-", "halt\tx", "refresh\tx\ty", "stop\tx\t9"])
def test_what_is_no_request_is_refused(line):
    with pytest.raises(LauncherError):
        parse_request(line)


@pytest.fixture
def pair():
    client, server = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    connection = Connection(os.dup(server.fileno()))
    server.close()
    yield client, connection
    client.close()
    connection.close()


def test_a_request_in_pieces_is_whole_at_its_newline(pair):
    client, connection = pair
    client.send(b"refresh\twe")
    assert connection.receive() == [] and not connection.complete
    client.send(b"b1\nend\n")
    assert [request.name for request in connection.receive()] == ["web1"]
    assert connection.complete


def test_a_client_that_leaves_costs_its_answers_and_nothing_else(pair):
    client, connection = pair
    client.close()
    assert connection.receive() is None
    connection.send(Outcome("web1", True))  # no exception


def test_another_language_ends_the_connection(pair):
    client, connection = pair
    client.send(b"GET / HTTP/1.0\n\n")
    assert connection.receive() is None


def test_the_peer_is_who_the_kernel_says(pair):
    assert pair[1].peer_uid() == os.geteuid()


@pytest.mark.skipif(os.geteuid() != 0, reason="a directory of root's")
def test_a_runtime_directory_open_to_others_is_refused(tmp_path):
    protocol.lock_down(str(tmp_path))  # 0700
    (tmp_path / "sock").touch()
    for mode in (0o755, 0o770, 0o701):
        tmp_path.chmod(mode)
        with pytest.raises(LauncherError, match="open to others"):
            protocol.lock_down(str(tmp_path))
    os.chown(tmp_path, 99, 98)
    tmp_path.chmod(0o700)
    with pytest.raises(LauncherError, match="open to others"):
        protocol.lock_down(str(tmp_path))


@pytest.mark.skipif(os.geteuid() != 0, reason="a directory of root's")
def test_an_empty_runtime_directory_of_roots_is_closed(tmp_path):
    tmp_path.chmod(0o755)
    protocol.lock_down(str(tmp_path))
    assert tmp_path.stat().st_mode & 0o777 == 0o700
    tmp_path.chmod(0o777)  # somebody else may be about to put something there
    with pytest.raises(LauncherError, match="open to others"):
        protocol.lock_down(str(tmp_path))


def test_answers_are_kept_for_a_client_that_does_not_read_yet(pair):
    client, connection = pair
    for number in range(600):
        connection.send(Outcome(f"web{number}", True))
    assert connection.unsent, "else the socket took all, and this proves nothing"
    answers = b""
    while answers.count(b"\n") < 600:
        answers += client.recv(65536)
        connection.flush()
    assert not connection.unsent and answers.startswith(b"web0\t") and answers.endswith(b"\n")
