# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a person sees while a large archive is sent to a host: real plays over a real sshd, on a terminal and without one."""

from __future__ import annotations

import os
import pathlib
import pty
import re
import shutil
import subprocess
import sys

import pytest

from ansible_collections.coracle.launcher.plugins.module_utils._coracle.work import install
from ansible_collections.coracle.launcher.tests.tools.loopback_host import LoopbackHost, private_key
from ansible_collections.coracle.launcher.tests.unit import archives

from .. import boxes

PLAYBOOK = pathlib.Path(sys.executable).parent / "ansible-playbook"
SIZE = 12 << 20  # bytes
RATE = 24_000  # kbit/s: 4 s
LINE = re.compile(r"node7  sending initrd\.img  (\d+) of 13 MB  \((\d+\.\d) s\)\r?\n")
PLAY = """\
- hosts: all
  gather_facts: false
  tasks:
    - name: send
      coracle.launcher.container_rootfs: {{src: {folder}/initrd.img, dest: {folder}/place/root}}
    - name: remove
      coracle.launcher.container_rootfs: {{dest: {folder}/place/root, state: absent, prune: true}}
"""

pytestmark = pytest.mark.skipif(not (PLAYBOOK.exists() and shutil.which("sshd", path="/usr/sbin") and shutil.which("sftp")),
                                reason="needs ansible-core beside this Python, and OpenSSH's server and client")


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "initrd.img").write_bytes(archives.Archive().file(b"large", bytes(SIZE)).end())
    (tmp_path / "play.yml").write_text(PLAY.format(folder=tmp_path))
    return tmp_path


@pytest.fixture
def over_ssh(folder):
    with LoopbackHost(folder, [], folder / "sshd.log") as host:
        options = "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o ControlPath=none"
        yield (f"node7 ansible_host=127.0.0.1 ansible_port={host.port} ansible_user=root ansible_ssh_private_key_file={private_key(folder)}"
               f" ansible_ssh_common_args='{options}' ansible_sftp_extra_args='-l {RATE}'")


def run(folder, inventory, terminal=True, arguments=(), **environment):
    """Run the play and return all that it says."""
    (folder / "inventory").write_text(f"{inventory} ansible_python_interpreter={boxes.PYTHON} ansible_pipelining=true\n")
    settings = {"HOME": str(folder), "PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "ANSIBLE_NOCOLOR": "1",
                "ANSIBLE_COLLECTIONS_PATH": install.__file__.partition("/ansible_collections/")[0], **environment}
    command = [str(PLAYBOOK), "-i", str(folder / "inventory"), *arguments, str(folder / "play.yml")]
    ours, theirs = pty.openpty() if terminal else os.pipe()
    with subprocess.Popen(command, env=settings, stdin=subprocess.DEVNULL, stdout=theirs, stderr=subprocess.STDOUT) as play:
        os.close(theirs)
        said = b"".join(pieces(ours))
        os.close(ours)
    text = said.decode()
    assert play.returncode == 0, text
    return text


def pieces(fd):
    while True:
        try:
            piece = os.read(fd, 65536)
        except OSError:  # EIO: the last end of the terminal was closed
            return
        if not piece:
            return
        yield piece


def without_lines(text):
    return LINE.sub("", text).replace("\r\n", "\n")


def test_lines_on_a_terminal_and_nothing_else_is_different(folder, over_ssh):
    with_terminal = run(folder, over_ssh)
    found = [(int(megabytes), float(seconds)) for megabytes, seconds in LINE.findall(with_terminal)]
    assert 1 <= len(found) <= 4, with_terminal
    assert found == sorted(found) and all(0 < megabytes <= 13 for megabytes, _seconds in found)
    assert all(later - earlier >= 1.9 for (_one, earlier), (_other, later) in zip(found, found[1:]))
    without = run(folder, over_ssh, terminal=False)
    assert "sending" not in without
    assert without_lines(with_terminal) == without


@pytest.mark.parametrize("arguments, environment", [((), {"CI": "true"}), (("-vv",), {})])
def test_no_lines_for_a_ci_and_beside_many_others(folder, over_ssh, arguments, environment):
    assert "sending initrd" not in run(folder, over_ssh, arguments=arguments, **environment)


def test_a_host_that_is_the_controller(folder):
    said = run(folder, "node7 ansible_connection=local")
    assert without_lines(said).count("changed: [node7]") == 2
