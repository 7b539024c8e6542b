# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import hashlib
import types

import pytest

from ansible_collections.coracle.launcher.plugins.plugin_utils import images, local_archives

CONTENT = b"an image"
DIGEST = "sha256:" + hashlib.sha256(CONTENT).hexdigest()


class Shell:
    tmpdir = None

    def join_path(self, *parts):
        return "/".join(parts)


class Action:
    """Stands for an action plugin: answers of the module in order, and what was asked of it."""

    def __init__(self, answers, check_mode=False):
        self._task = types.SimpleNamespace(check_mode=check_mode, delegate_to=None)
        self.answers = answers
        self.calls = []
        self.sent = []
        self._connection = type("Connection", (), {"_shell": Shell()})()

    def _execute_module(self, module_name, module_args, task_vars):
        self.calls.append((module_name, module_args))
        return dict(self.answers[len(self.calls) - 1])

    def _make_tmp_path(self):
        self._connection._shell.tmpdir = "/remote"

    def _transfer_file(self, local, remote):
        self.sent.append((local, remote))
        with open(local, "rb") as file:
            self.content = file.read()
        return remote

    def _fixup_perms2(self, paths):
        assert paths[0] == "/remote"


def run(action, args, sources):
    archives = {path: local_archives.Archive(path, digest, None) for path, digest in sources.items()}
    return images.ImageSender(action, {"inventory_hostname": "node7"}).run("coracle.launcher.containers", args, archives)


@pytest.fixture(autouse=True)
def directory(tmp_path, monkeypatch):
    """Files of the controller are named as they are in the tests, relative to one directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(images.constants, "DEFAULT_LOCAL_TMP", str(tmp_path))
    for name in ("x.img", "same.img", "y.img"):
        (tmp_path / name).write_bytes(CONTENT)


def test_a_host_that_has_the_image_gets_the_digest_only():
    action = Action([{"changed": False}])
    assert run(action, {"src": "x.img", "dest": "/d"}, {"x.img": DIGEST}) == {"changed": False}
    assert action.calls == [("coracle.launcher.containers", {"src": DIGEST, "checksum": DIGEST, "remote_src": False, "dest": "/d"})]
    assert action.sent == []


def test_a_host_that_lacks_it_gets_it_once():
    other = "sha256:" + "1" * 64
    action = Action([{"failed": True, "needs_image": [DIGEST]}, {"changed": True}])
    containers = [{"name": "a", "image": "x.img"}, {"name": "b", "image": "same.img"}, {"name": "c", "image": "y.img"},
                  {"name": "d", "image": "x.img", "remote_src": "yes"}, {"name": "e", "image": other}, {"name": "f", "rootfs": "x.img"}]
    result = run(action, {"containers": containers}, {"x.img": DIGEST, "same.img": DIGEST, "y.img": other})
    assert result == {"changed": True}
    assert action.sent == [("x.img", f"/remote/{DIGEST[7:]}")]
    there = {"image": f"/remote/{DIGEST[7:]}", "checksum": DIGEST, "remote_src": True}
    assert action.calls[1][1]["containers"] == [
        {"name": "a", **there}, {"name": "b", **there}, {"name": "c", "image": other, "checksum": other, "remote_src": False},
        {"name": "d", "image": "x.img", "remote_src": "yes"}, {"name": "e", "image": other}, {"name": "f", "rootfs": "x.img"}]
    assert containers[0] == {"name": "a", "image": "x.img"}


def test_a_digest_that_nobody_has_is_the_modules_failure():
    action = Action([{"failed": True, "msg": "no such image", "needs_image": ["sha256:" + "2" * 64]}])
    assert run(action, {"src": "sha256:" + "2" * 64}, {}) == {"failed": True, "msg": "no such image"}


def test_messages_name_the_archive_as_the_task_does():
    action = Action([{"failed": True, "needs_image": [DIGEST]}, {"failed": True, "msg": f"src=/remote/{DIGEST[7:]}: is broken"}])
    assert run(action, {"src": "x.img"}, {"x.img": DIGEST})["msg"] == "src=x.img: is broken"


def test_messages_of_containers_do_so_too():
    found = [{"name": "a", "msg": f"image=/remote/{DIGEST[7:]}: is broken"}, {"name": "b", "msg": None}]
    action = Action([{"failed": True, "needs_image": [DIGEST]}, {"failed": True, "msg": "1 failed", "containers": found}])
    result = run(action, {"containers": [{"name": "a", "image": "x.img"}]}, {"x.img": DIGEST})
    assert [container["msg"] for container in result["containers"]] == ["image=x.img: is broken", None]


def test_labels_and_environment_are_left_alone():
    words = {"image": "x.img", "src": "x.img"}
    container = {"name": "a", "image": "x.img", "labels": words, "env": words}
    for args in (container, {"containers": [container]}):
        action = Action([{"changed": False}])
        run(action, args, {"x.img": DIGEST})
        (got,) = action.calls[0][1].get("containers", [action.calls[0][1]])
        assert (got["image"], got["checksum"], got["labels"], got["env"]) == (DIGEST, DIGEST, words, words)


@pytest.mark.parametrize("delegate_to, machine", [(None, "riscv64"), ("other", "aarch64")])
def test_the_machine_is_that_of_the_host_that_is_asked(delegate_to, machine):
    action = Action([])
    action._task.delegate_to = delegate_to
    action._low_level_execute_command = lambda command, sudoable: {"rc": 0, "stdout": "aarch64\n"}
    assert images._machine(action, {"ansible_facts": {"architecture": "riscv64"}}) == machine


def test_in_check_mode_an_empty_file_stands_for_a_good_archive(monkeypatch):
    monkeypatch.setattr(local_archives, "inspect", lambda archive, options, option: {"image": {"digest": archive.digest}})
    action = Action([{"failed": True, "needs_image": [DIGEST]}, {"changed": True}], check_mode=True)
    assert run(action, {"containers": [{"name": "a", "image": "x.img"}]}, {"x.img": DIGEST}) == {"changed": True}
    assert len(action.sent) == 1 and action.content == b""


def test_in_check_mode_a_broken_archive_fails_as_in_the_run():
    action = Action([{"failed": True, "needs_image": [DIGEST]}], check_mode=True)
    result = run(action, {"containers": [{"name": "a", "image": "x.img"}]}, {"x.img": DIGEST})
    assert result["failed"] and result["option"] == "image" and result["msg"].startswith("image='x.img': ")
    assert action.sent == []


@pytest.mark.parametrize("options, local", [
    ({"src": "a"}, True), ({"src": "/a", "remote_src": False}, True), ({"src": "/a", "remote_src": "no"}, True), ({"src": "/a", "remote_src": None}, True),
    ({"src": "/a", "remote_src": True}, False), ({"src": "/a", "remote_src": "yes"}, False), ({"src": DIGEST}, False),
    ({"src": "https://example.org/a"}, False), ({"src": "http://example.org/a"}, False), ({}, False), ({"src": None}, False)])
def test_which_archives_lie_here(options, local):
    assert images.is_local(options, "src") is local
