# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Exit status of `coracle run` and `coracle exec` for twelve causes that are no payload's, beside runc and crun, which have one number for all.

The four rows before them are payloads of which every runtime tells the truth: the control that all three run what they should.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess

import pytest

from . import boxes

SCRIPT_WITHOUT_INTERPRETER = "#!/bin/nosuch\n"
COLLAPSED = (1, 255)  # what runc 1.1 and crun 1.8 return for all that goes wrong, and what a payload may return as well


class Cause:
    """`code`: of ours. `command`: run, or executed in a running container when `executes`. `cwd`: its working directory. `spoil`: what is
    wrong besides: "rootfs" is missing, "settings" cannot be read, "twice" it runs already, "stopped" it does not run."""

    def __init__(self, name, code, *command, executes=False, cwd="/", spoil=""):
        self.name, self.code, self.command = name, code, list(command) or ["/bin/true"]
        self.executes, self.cwd, self.spoil = executes, cwd, spoil


CONTROLS = (
    Cause("success", 0),
    Cause("exit status 3", 3, "/bin/sh", "-c", "exit 3"),
    Cause("exit status 255", 255, "/bin/sh", "-c", "exit 255"),
    Cause("exit status of exec", 7, "/bin/sh", "-c", "exit 7", executes=True),
)
CAUSES = (
    Cause("no such command", 127, "/bin/nosuch"),
    Cause("no such interpreter", 127, "/srv/script"),
    Cause("not executable", 126, "/etc/passwd"),
    Cause("a directory", 126, "/srv"),
    Cause("no known format", 126, "/srv/format"),
    Cause("working directory is a file", 125, cwd="/etc/passwd"),  # runc makes one that is missing
    Cause("no root file system", 125, spoil="rootfs"),
    Cause("unreadable settings", 125, spoil="settings"),
    Cause("runs already", 125, spoil="twice"),
    Cause("exec of no such command", 127, "/bin/nosuch", executes=True),
    Cause("exec of what is not executable", 126, "/etc/passwd", executes=True),
    Cause("exec in what does not run", 125, executes=True, spoil="stopped"),
)


def prepare(root):
    boxes.write(f"{root}/srv/script", SCRIPT_WITHOUT_INTERPRETER, 0o755)
    boxes.write(f"{root}/srv/format", "\x01\x02\x03", 0o755)


class Ours:
    """coracle, with a new container for each cause."""

    def __init__(self, make_box):
        self._make_box = make_box

    def __call__(self, cause):
        box = self._make_box()
        prepare(box.root)
        if cause.spoil == "rootfs":
            shutil.rmtree(box.root)
        if cause.executes and cause.spoil != "stopped":
            with box.running():
                return box.launcher("exec", "-w", cause.cwd, box.name, *cause.command)
        if cause.spoil == "twice":
            with box.running():
                return box.launcher("run", box.path)
        box.write_settings(command=cause.command, working_dir=cause.cwd)
        if cause.spoil == "settings":
            boxes.write(f"{box.path}/settings", "process: /bin/true\nmemlimit: 4X\n")
        return box.launcher("exec", box.name, *cause.command) if cause.executes else box.launcher("run", box.path)


class Peer:
    """runc or crun, each cause with a bundle of its own in `place`. `before`: words before each of its command lines."""

    def __init__(self, runtime, place, tree, before):
        self.runtime, self.place, self.tree, self.before = runtime, place, tree, before
        self._number = 0

    def __call__(self, cause):
        self._number += 1
        name = f"peer{os.getpid()}x{self._number}"
        bundle = f"{self.place}/{name}"
        os.makedirs(bundle)
        runs_before = cause.executes and cause.spoil != "stopped" or cause.spoil == "twice"
        self._write(bundle, ["/bin/sleep", "60"] if runs_before else cause.command, cause.cwd if not cause.executes else "/")
        try:
            if runs_before:
                self._start(bundle, name)
            if cause.executes:
                return self._command("exec", "--cwd", cause.cwd, name, *cause.command)
            if cause.spoil == "settings":
                boxes.write(f"{bundle}/config.json", "{")
            if cause.spoil == "rootfs":
                self._write(bundle, cause.command, cause.cwd, f"{bundle}/nosuch")
            return self._command("run", "--bundle", bundle, name)
        finally:
            self._command("delete", "--force", name)

    def _command(self, *words):
        return boxes.run([*self.before, self.runtime, *words])

    def _start(self, bundle, name):
        # Its output is a file: the container keeps it open, and a pipe would have no end.
        with open(f"{bundle}/output", "wb+") as output:
            done = subprocess.run([*self.before, self.runtime, "run", "--detach", "--bundle", bundle, name], check=False, timeout=30,
                                  stdin=subprocess.DEVNULL, stdout=output, stderr=output)
            output.seek(0)
            assert done.returncode == 0, output.read()

    def _write(self, bundle, command, cwd, root=None):
        config = {
            "ociVersion": "1.0.2",
            "process": {"user": {"uid": 0, "gid": 0}, "args": command, "env": ["PATH=/bin"], "cwd": cwd},
            "root": {"path": root or self.tree},
            "mounts": [{"destination": "/proc", "type": "proc", "source": "proc"}],
            "linux": {"namespaces": [{"type": kind} for kind in ("pid", "mount", "ipc", "uts")]},
        }
        boxes.write(f"{bundle}/config.json", json.dumps(config))


@contextlib.contextmanager
def no_controller_left(place):
    """Words before a command that crun 1.8 needs where cgroups are hybrid and the unified hierarchy has a controller: it runs in a mount
    namespace in which v1 has taken that too, as long as this lasts."""
    try:
        with open("/sys/fs/cgroup/unified/cgroup.controllers", encoding="ascii") as file:
            left = ",".join(file.read().split())
    except FileNotFoundError:
        left = ""
    if not left:
        yield []
        return
    os.makedirs(f"{place}/v1")
    script = f"mount --make-rprivate / && mount -t cgroup -o {left} none {place}/v1 && echo done && exec sleep 600"
    with subprocess.Popen(["unshare", "-m", "sh", "-c", script], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL) as holder:
        try:
            assert holder.stdout.readline() == b"done\n"
            yield ["nsenter", f"--mount=/proc/{holder.pid}/ns/mnt", "--"]
        finally:
            holder.kill()


@pytest.fixture(params=["runc", "crun"])
def peer(request, busybox_tree, tmp_path):
    if shutil.which(request.param) is None:
        pytest.skip(f"needs {request.param}")
    tree = f"{tmp_path}/tree"
    shutil.copytree(busybox_tree, tree, symlinks=True)
    for directory in ("proc", "dev"):
        os.makedirs(f"{tree}/{directory}", exist_ok=True)
    prepare(tree)
    with no_controller_left(tmp_path) if request.param == "crun" else contextlib.nullcontext([]) as before:
        yield Peer(request.param, str(tmp_path), tree, before)


@pytest.mark.parametrize("cause", [*CONTROLS, *CAUSES], ids=lambda cause: cause.name)
def test_coracle_is_exact(make_box, cause):
    ended = Ours(make_box)(cause)
    assert ended.code == cause.code, ended
    assert cause in CONTROLS or ended.err.startswith("coracle: atk"), ended


def test_a_peer_tells_payloads_apart_and_nothing_else(peer):
    """Should it tell more one day, the table of the manual and this test have to learn it."""
    controls = {cause.name: peer(cause) for cause in CONTROLS}
    assert {name: ended.code for name, ended in controls.items()} == {cause.name: cause.code for cause in CONTROLS}, controls
    ends = {cause.name: peer(cause) for cause in CAUSES}
    print({name: ended.code for name, ended in ends.items()})
    assert {ended.code for ended in ends.values()} <= set(COLLAPSED), ends


def test_137_is_a_signal_from_outside_and_what_the_kernel_kills_for_want_of_memory(box):
    with box.running("/bin/sleep", "60") as process:
        box.launcher("kill", box.name)
        assert process.wait(10) == 137
    ended = box.shell("x=$(yes | head -c 64000000); echo survived", memory="4M")
    assert ended.code == 137 and "survived" not in ended.payload, ended
    ended = box.shell("x=$(yes | head -c 1000); echo survived", memory="16M")
    assert ended.code == 0 and "survived" in ended.payload, ended


def test_a_wrong_command_line_of_run_and_exec_is_no_payloads_status(box):
    for words in (["run"], ["run", "a", "b"], ["run", "--nosuch", box.path], ["exec", box.name], ["exec", "--nosuch", box.name, "true"]):
        assert box.launcher(*words).code == 125
    assert box.launcher("stop", "--nosuch").code == 2
