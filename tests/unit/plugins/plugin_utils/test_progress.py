# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lines while a file is sent: only for a person at a terminal, and never more than lines."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
import time

import pytest

from ansible_collections.coracle.launcher.plugins.plugin_utils import progress

SIZE = 40_000_000
READER = "import os, sys, time; fd = os.open(sys.argv[1], os.O_RDONLY); os.lseek(fd, 12_300_000, 0); print(flush=True); time.sleep(60)"


class Screen:
    """Stands for Ansible's Display."""

    verbosity = 0
    lines: list[str] = []

    def display(self, line, screen_only):
        assert screen_only
        self.lines.append(line)


@pytest.fixture
def screen(monkeypatch):
    monkeypatch.setattr(Screen, "lines", [])
    monkeypatch.setattr(Screen, "verbosity", 0)
    monkeypatch.setattr(progress, "Display", Screen)
    monkeypatch.setattr(progress, "_INTERVAL", 0.05)
    monkeypatch.delenv("CI", raising=False)
    return Screen


@pytest.fixture
def image(tmp_path):
    path = tmp_path / "initrd.img"
    path.touch()
    os.truncate(path, SIZE)
    return str(path)


def send(image, target="/nowhere", seconds=0.5):
    """Read it as a connection plugin's sftp does: in a grandchild that is slow."""
    with progress.Progress("node7", image, target, "initrd.img"):
        command = ["sh", "-c", '"$@"; exit', "sh", sys.executable, "-c", READER, image]
        with subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True) as reader:
            reader.stdout.readline()
            time.sleep(seconds)
            os.killpg(reader.pid, 9)


def test_a_line_for_each_step_and_none_when_nothing_moves(screen, image, monkeypatch):
    monkeypatch.setattr(progress, "wanted", lambda: True)
    send(image)
    assert len(screen.lines) == 1
    assert screen.lines[0].startswith("node7  sending initrd.img  12 of 40 MB  (") and screen.lines[0].endswith(" s)")


def test_a_copy_on_this_machine_is_watched_by_its_own_name(screen, image, monkeypatch, tmp_path):
    monkeypatch.setattr(progress, "wanted", lambda: True)
    with progress.Progress("node7", image, str(tmp_path / "copy"), "initrd.img"), open(tmp_path / "copy", "wb") as copy:
        copy.seek(20_000_000)
        time.sleep(0.5)
    assert len(screen.lines) == 1 and "20 of 40 MB" in screen.lines[0]


def test_small_files_and_nobody_watching(screen, image, monkeypatch):
    monkeypatch.setattr(progress, "wanted", lambda: False)
    send(image, seconds=0.2)
    monkeypatch.setattr(progress, "wanted", lambda: True)
    os.truncate(image, progress.SMALL - 1)
    send(image, seconds=0.2)
    with progress.Progress("node7", image + " that is gone", "/nowhere", "initrd.img"):
        pass
    assert screen.lines == []


def test_what_sending_raises_goes_on(screen, image, monkeypatch):
    monkeypatch.setattr(progress, "wanted", lambda: True)
    with pytest.raises(ValueError, match="connection lost"), progress.Progress("node7", image, "/nowhere", "initrd.img"):
        raise ValueError("connection lost")


def ask(terminal, **environment):
    """What a worker says: a process whose own output is /dev/null, below one whose output is a terminal or a pipe."""
    code = ("import os, sys\npid = os.fork()\nif pid:\n    os._exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))\n"
            "os.dup2(os.open(os.devnull, os.O_WRONLY), 1)\n"
            "from ansible.utils.display import Display\nDisplay().verbosity = int(os.environ['VERBOSITY'])\n"
            "from ansible_collections.coracle.launcher.plugins.plugin_utils import progress\nos._exit(7 + progress.wanted())")
    controller, output = pty.openpty()
    path = os.pathsep.join(filter(None, sys.path))
    settings = {"PYTHONPATH": path, "PATH": os.environ["PATH"], "VERBOSITY": "0", **environment}
    stdout = output if terminal else subprocess.DEVNULL
    try:
        return subprocess.run([sys.executable, "-c", code], stdout=stdout, env=settings, check=False).returncode - 7
    finally:
        os.close(controller)
        os.close(output)


@pytest.mark.parametrize("terminal, environment, wanted", [
    (True, {}, True), (True, {"VERBOSITY": "1"}, True), (True, {"VERBOSITY": "2"}, False), (True, {"CI": "true"}, False), (False, {}, False)])
def test_who_wants_to_see_it(terminal, environment, wanted):
    assert ask(terminal, **environment) == wanted
