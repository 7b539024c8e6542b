# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module's side of a command, beside a launcher that answers what it is told to: whatever comes, memory and time are bounded."""

from __future__ import annotations

import os
import signal
import time

import pytest

from ansible_collections.coracle.launcher.plugins.module_utils._coracle.base import places
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.base.errors import LauncherError
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.work import conversation, deadline
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.work.execution import Request

MAIN = """
import os, sys
def answer(code=0, expired="no"): os.write(4, b"code\\0%d\\0expired\\0%s\\0" % (code, expired.encode()))
asked = b""
while True:
    piece = os.read(3, 65536)
    if not piece: break
    asked += piece
"""


@pytest.fixture
def launcher(tmp_path, monkeypatch):
    """launcher(code) -> the installed launcher does that, after it has read its request into `asked`."""
    monkeypatch.setattr(places, "LIBRARY", str(tmp_path))
    (tmp_path / "current").mkdir()

    def write(code):
        (tmp_path / "current/__main__.py").write_text(MAIN + code)

    return write


def talk(stdin=b"", limit=1000, seconds=None, **more):
    before = set(os.listdir("/proc/self/fd"))
    talked = conversation.Conversation(stdin, limit)
    try:
        answer = talked.run(Request("web", ["x"], seconds=seconds, **more))
    finally:
        assert set(os.listdir("/proc/self/fd")) == before
        with pytest.raises(ChildProcessError):
            os.waitpid(-1, os.WNOHANG)
    return answer, bytes(talked.stdout.data), bytes(talked.stderr.data), talked


def test_everything_arrives(launcher):
    launcher("os.write(1, os.read(0, 100) + asked); os.write(2, b'\\xff\\0'); answer(7, 'yes')")
    answer, out, err, talked = talk(b"in", env={"a": "b\udcff"})
    assert (answer.code, answer.expired, answer.error) == (7, True, None)
    assert out == b"in" + Request("web", ["x"], env={"a": "b\udcff"}).render() and err == b"\xff\0"
    assert not talked.stdout.is_cut


def test_it_has_nothing_of_ours(launcher, tmp_path):
    secret = os.open(tmp_path, os.O_RDONLY)
    os.set_inheritable(secret, True)
    launcher("os.write(1, ascii((sorted(os.listdir('/proc/self/fd')), os.getcwd(), dict(os.environ), sys.flags.isolated, sys.flags.no_site, sys.argv[1:]))"
             ".encode()); answer()")
    _answer, out, _err, _talked = talk()
    os.close(secret)
    # 5 is the directory that is being listed.
    assert out.decode().startswith("(['0', '1', '2', '3', '4', '5'], '/', {'PATH': '/usr/sbin:/usr/bin:/sbin:/bin'"), out
    assert out.decode().endswith(", 1, 1, ['execution'])"), out


def test_a_flood_is_cut_and_drained(launcher):
    launcher("for _n in range(1000): os.write(1, b'x' * 65536); os.write(2, b'y')\nanswer()")
    answer, out, err, talked = talk(limit=1000)
    assert answer.code == 0 and out == b"x" * 1000 and err == b"y" * 1000
    assert talked.stdout.is_cut and talked.stdout.size == 65536000 and not talked.stderr.is_cut


@pytest.mark.parametrize("limit, cut", [(0, True), (9, True), (10, False)])
def test_the_limit_is_exact(launcher, limit, cut):
    launcher("os.write(1, b'0123456789'); answer()")
    _answer, out, _err, talked = talk(limit=limit)
    assert out == b"0123456789"[:limit] and talked.stdout.is_cut == cut


def test_input_that_nobody_reads(launcher):
    launcher("os.write(1, b'done'); answer()")
    assert talk(b"x" * 5_000_000)[1] == b"done"


def test_input_whose_reader_goes_on_without_it(launcher):
    launcher("os.read(0, 10); os.close(0); os.write(1, b'done' * 100000); answer()")
    assert len(talk(b"x" * 5_000_000, limit=1 << 20)[1]) == 400000


def test_input_that_is_echoed_by_somebody_who_never_reads_ahead(launcher):
    launcher("while True:\n  piece = os.read(0, 65536)\n  if not piece: break\n  os.write(1, piece)\nanswer()")
    data = os.urandom(3_000_000)
    assert talk(data, limit=4 << 20)[1] == data


def test_one_that_is_killed_gives_no_answer(launcher):
    launcher("os.kill(os.getpid(), 9)")
    with pytest.raises(LauncherError, match="was killed"):
        talk(b"x" * 1_000_000)


class Nested:
    """In the place of a command's cgroup: what was done with it."""

    done: list = []

    def __init__(self, *arguments):
        self.done[:] = [arguments]

    def kill(self):
        self.done.append("kill")

    def dissolve(self):
        self.done.append("dissolve")


def test_one_that_never_comes_back(launcher, monkeypatch):
    monkeypatch.setattr(conversation, "_OVERDUE", 0.2)
    monkeypatch.setattr(deadline, "Nested", Nested)
    launcher("while True: os.write(1, b'x' * 65536)")
    begun = time.monotonic()
    with pytest.raises(LauncherError, match="could not be ended"):
        talk(seconds=0.1)
    (name, pid), *then = Nested.done
    assert name == "web" and then == ["kill", "dissolve"]
    assert time.monotonic() - begun < 30
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_without_a_launcher(launcher, tmp_path):
    launcher("")
    (tmp_path / "current/__main__.py").unlink()
    with pytest.raises(LauncherError, match="was killed"):
        talk()


def test_when_the_module_dies_it_dies(launcher, tmp_path):
    launcher(f"open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid()))\nos.rename({str(tmp_path / 'pid')!r}, {str(tmp_path / 'here')!r})\n"
             "import time; time.sleep(100)")
    module = os.fork()
    if module == 0:
        conversation.Conversation(b"", 10).run(Request("web", ["x"]))
        os._exit(0)
    deadline_at = time.monotonic() + 20
    while not (tmp_path / "here").exists():
        assert time.monotonic() < deadline_at
        time.sleep(0.01)
    pid = int((tmp_path / "here").read_text())
    os.kill(module, signal.SIGKILL)
    os.waitpid(module, 0)
    while os.path.exists(f"/proc/{pid}") and "\nState:\tZ" not in open(f"/proc/{pid}/status").read():  # nobody need reap it here
        assert time.monotonic() < deadline_at
        time.sleep(0.01)
