# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import hashlib
import os

import pytest

from ansible_collections.coracle.launcher.plugins.plugin_utils import images

CONTENT = b"an image"
DIGEST = "sha256:" + hashlib.sha256(CONTENT).hexdigest()


class Shell:
    tmpdir = None

    def join_path(self, *parts):
        return "/".join(parts)


class Action:
    """Stands for an action plugin: answers of the module in order, and what was asked of it."""

    def __init__(self, answers):
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
        return remote

    def _fixup_perms2(self, paths):
        assert paths[0] == "/remote"


def run(action, args, sources):
    return images.ImageSender(action, {}).run("coracle.launcher.containers", args, sources)


def test_a_host_that_has_the_image_gets_the_digest_only():
    action = Action([{"changed": False}])
    assert run(action, {"src": "/x.img", "dest": "/d"}, {"/x.img": DIGEST}) == {"changed": False}
    assert action.calls == [("coracle.launcher.containers", {"src": DIGEST, "checksum": DIGEST, "remote_src": False, "dest": "/d"})]
    assert action.sent == []


def test_a_host_that_lacks_it_gets_it_once():
    other = "sha256:" + "1" * 64
    action = Action([{"failed": True, "needs_image": [DIGEST]}, {"changed": True}])
    containers = [{"name": "a", "image": "/x.img"}, {"name": "b", "image": "/same.img"}, {"name": "c", "image": "/y.img"},
                  {"name": "d", "image": "/x.img", "remote_src": "yes"}, {"name": "e", "image": other}, {"name": "f", "rootfs": "/x.img"}]
    result = run(action, {"containers": containers}, {"/x.img": DIGEST, "/same.img": DIGEST, "/y.img": other})
    assert result == {"changed": True}
    assert action.sent == [("/x.img", f"/remote/{DIGEST[7:]}")]
    there = {"image": f"/remote/{DIGEST[7:]}", "checksum": DIGEST, "remote_src": True}
    assert action.calls[1][1]["containers"] == [
        {"name": "a", **there}, {"name": "b", **there}, {"name": "c", "image": other, "checksum": other, "remote_src": False},
        {"name": "d", "image": "/x.img", "remote_src": "yes"}, {"name": "e", "image": other}, {"name": "f", "rootfs": "/x.img"}]
    assert containers[0] == {"name": "a", "image": "/x.img"}


def test_a_digest_that_nobody_has_is_the_modules_failure():
    action = Action([{"failed": True, "msg": "no such image", "needs_image": ["sha256:" + "2" * 64]}])
    assert run(action, {"src": "sha256:" + "2" * 64}, {}) == {"failed": True, "msg": "no such image"}


def test_messages_name_the_archive_as_the_task_does():
    action = Action([{"failed": True, "needs_image": [DIGEST]}, {"failed": True, "msg": f"src=/remote/{DIGEST[7:]}: is broken"}])
    assert run(action, {"src": "/x.img"}, {"/x.img": DIGEST})["msg"] == "src=/x.img: is broken"


def test_digest_of_a_file(tmp_path):
    (tmp_path / "image").write_bytes(CONTENT)
    path = str(tmp_path / "image")
    assert images.digest_of(path) == images.digest_of(path) == DIGEST
    (tmp_path / "image").write_bytes(b"another")
    assert images.digest_of(path) != DIGEST


@pytest.mark.parametrize("make, problem", [
    (os.mkdir, "is no regular file"), (os.mkfifo, "is no regular file"), (lambda path: None, "No such file"),
    (lambda path: os.symlink("/dev/zero", path), "is no regular file"), (lambda path: os.symlink(path, path), "Too many levels")])
def test_what_is_no_archive_is_one_message(tmp_path, make, problem):
    path = str(tmp_path / "image")
    make(path)
    with pytest.raises(images.ImageError, match=problem):
        images.digest_of(path)


@pytest.mark.parametrize("options, local", [
    ({"src": "a"}, True), ({"src": "/a", "remote_src": False}, True), ({"src": "/a", "remote_src": "no"}, True), ({"src": "/a", "remote_src": None}, True),
    ({"src": "/a", "remote_src": True}, False), ({"src": "/a", "remote_src": "yes"}, False), ({"src": DIGEST}, False), ({}, False), ({"src": None}, False)])
def test_which_archives_lie_here(options, local):
    assert images.is_local(options, "src") is local
