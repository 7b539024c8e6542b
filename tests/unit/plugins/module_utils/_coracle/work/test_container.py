# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import hashlib
import os

import pytest

from ansible_collections.coracle.launcher.plugins.module_utils._coracle.base import places
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.base.errors import LauncherError
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.model.change import CREATE, LIVE, RECREATE, REMOVE, RESTART
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.model.spec import Want
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.model.state import EXITED, State
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.work import container, images, sources, stamps, store
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.work.inspect import Have, Host
from ansible_collections.coracle.launcher.tests.unit import layouts
from ansible_collections.coracle.launcher.tests.unit.archives import Archive

COMMAND = ["/bin/sleep", "9"]
IMAGES = ["sha256:" + letter * 64 for letter in "ab"]


def have_of(stored=None, running=False, started=None, limits=None, kept=None):
    have = Have("c", f"{places.CONTAINERS}/c")
    have.spec = stored
    have.running = running
    if running:
        have.oom_score_adj = (started or stored).get("oom_score_adj", 0)
        have.started = stored if started is None else started
        have.limits = limits or {}
        have.kept = kept or {}
        have.state = State("c", have.path)
    have.remains = stored is not None
    return have


def want_of(spec=None, state="started", **more):
    want = Want("c", f"{places.CONTAINERS}/c", state, spec)
    for name, value in more.items():
        setattr(want, name, value)
    return want


def planned(want, have):
    return [(item.option, item.before, item.after, item.action) for item in container.plan(want, have)]


@pytest.mark.parametrize("state", ["present", "stopped", "started"])
def test_a_new_container_is_created_option_by_option(state):
    found = planned(want_of({"command": COMMAND}, state), have_of())
    assert found[-1] == ("state", "absent", state, CREATE)
    assert ("command", None, COMMAND, CREATE) in found
    assert {action for _option, _before, _after, action in found} == {CREATE}


@pytest.mark.parametrize("state, running, expected", [
    ("started", False, [("state", "created", "started", LIVE)]),
    ("started", True, []),
    ("stopped", True, [("state", "running", "stopped", LIVE)]),
    ("stopped", False, []),
    ("present", True, []),
    ("present", False, []),
    ("absent", True, [("state", "running", "absent", REMOVE)]),
    ("absent", False, [("state", "created", "absent", REMOVE)]),
])
def test_the_state_is_a_change_only_where_it_differs(state, running, expected):
    assert planned(want_of({}, state), have_of({"command": COMMAND}, running)) == expected


def test_nothing_of_an_absent_container_is_removed():
    assert planned(want_of({}, "absent"), have_of()) == []


def test_a_container_that_ended_says_so():
    have = have_of({"command": COMMAND})
    have.state = State("c", have.path)
    have.state.status = EXITED
    assert planned(want_of({}), have) == [("state", "exited", "started", LIVE)]


def test_a_limit_changes_live_and_a_command_by_a_restart():
    want = want_of({"memory": 8192, "command": ["/bin/true"]})
    have = have_of({"memory": 4096, "command": COMMAND}, running=True, limits={"memory": 4096}, kept={"memory": 8192})
    assert planned(want, have) == [("memory", 4096, 8192, LIVE), ("command", COMMAND, ["/bin/true"], RESTART)]


def test_a_limit_that_somebody_changed_in_the_kernel_is_put_right():
    have = have_of({"memory": 8192}, running=True, limits={"memory": 4096}, kept={"memory": 8192})
    (found,) = container.plan(want_of({"memory": 8192}), have)
    assert (found.option, found.before, found.after, found.action) == ("memory", 4096, 8192, LIVE)
    assert "kernel" in found.why


def test_a_limit_that_the_kernel_rounds_is_no_change():
    have = have_of({"memory": 8193}, running=True, limits={"memory": 8192}, kept={"memory": 8192})
    assert planned(want_of({"memory": 8193}), have) == []


def test_a_limit_that_is_not_asked_is_not_compared():
    assert planned(want_of({}), have_of({"memory": 8192}, running=True, limits={"memory": 4096})) == []


def test_settings_that_wait_for_a_restart_cause_one():
    have = have_of({"user": "1"}, running=True, started={"user": "2"})
    (found,) = container.plan(want_of({"user": "1"}), have)
    assert (found.option, found.before, found.after, found.action) == ("user", "2", "1", RESTART)
    assert found.why


def test_notify_writes_and_does_not_restart():
    want = want_of({"user": "1"}, on_restart_required="notify")
    have = have_of({"user": "2"}, running=True)
    (found,) = container.plan(want, have)
    assert (found.option, found.action) == ("user", LIVE)
    job = container.Job(want, have)
    job.changes = [found]
    assert not job.stops and not job.starts


def test_notify_has_nothing_to_do_when_all_is_written():
    want = want_of({"user": "1"}, on_restart_required="notify")
    assert planned(want, have_of({"user": "1"}, running=True, started={"user": "2"})) == []


def test_fail_fails_before_anything_and_names_the_option():
    want = want_of({"user": "1"}, on_restart_required="fail")
    with pytest.raises(LauncherError) as caught:
        container.plan(want, have_of({"user": "2"}, running=True))
    assert caught.value.option == "user"
    assert planned(want, have_of({"user": "2"})) == [("user", "2", "1", LIVE), ("state", "created", "started", LIVE)]


def test_another_image_recreates():
    assert planned(want_of({"image": IMAGES[1]}), have_of({"image": IMAGES[0]}, running=True)) == [("image", *IMAGES, RECREATE)]


@pytest.mark.parametrize("state, running, restarts", [("started", True, True), ("present", True, True), ("started", False, False),
                                                      ("stopped", True, False)])
def test_restart_restarts_what_ran(state, running, restarts):
    found = planned(want_of({}, state, restart=True), have_of({"command": COMMAND}, running))
    assert (("restart", False, True, RESTART) in found) is restarts


def test_restart_does_not_hide_a_change():
    found = planned(want_of({"user": "1"}, restart=True), have_of({"user": "2"}, running=True))
    assert found == [("user", "2", "1", RESTART), ("restart", False, True, RESTART)]


def test_recreate_is_for_running_containers_and_written_layers():
    want = want_of({}, recreate=True)
    assert ("recreate", False, True, RECREATE) in planned(want, have_of({"command": COMMAND}, running=True))
    assert ("recreate", False, True, RECREATE) in planned(want, have_of({"image": IMAGES[0]}))
    assert planned(want_of({}, "present", recreate=True), have_of({"command": COMMAND})) == []


@pytest.mark.parametrize("state, running, changes, stops, starts", [
    ("started", False, "user", False, True),
    ("started", True, "user", True, True),
    ("started", True, "labels", False, False),
    ("present", True, "user", True, True),
    ("present", False, "user", False, False),
    ("stopped", True, "user", True, False),
    ("absent", True, "user", True, False),
])
def test_who_is_stopped_and_who_is_started(state, running, changes, stops, starts):
    want = want_of({changes: {"a": "b"} if changes == "labels" else "1"}, state)
    have = have_of({"user": "2"}, running)
    job = container.Job(want, have)
    job.changes = container.plan(want, have)
    assert (job.stops, job.starts) == (stops, starts)


# --- checks


@pytest.fixture
def directory(tmp_path):
    place = tmp_path / "c"
    place.mkdir()
    return place


def checked(path, spec, have_spec=None, state="present"):
    want = Want("c", str(path), state, spec)
    have = Have("c", str(path))
    have.spec = have_spec
    container.check(want, have, Host())


def test_a_directory_made_by_hand_is_enough(directory):
    (directory / "chroot").mkdir()
    checked(directory, {}, {"command": COMMAND})
    checked(directory, {"command": COMMAND})


@pytest.mark.parametrize("spec, option", [
    ({"command": COMMAND}, "image"),
    ({"command": COMMAND, "rootfs": "/"}, "rootfs"),
    ({"command": COMMAND, "rootfs": "/nonexistent"}, "rootfs"),
    ({"command": COMMAND, "rootfs": "/etc/passwd"}, "rootfs"),
    ({"rootfs": "/usr"}, "command"),
])
def test_what_cannot_be_a_container_is_told_before_anything_is_done(directory, spec, option):
    with pytest.raises(LauncherError) as caught:
        checked(directory, spec)
    assert caught.value.option == option
    assert caught.value.remedy


def test_a_path_must_exist(tmp_path):
    with pytest.raises(LauncherError) as caught:
        checked(tmp_path / "missing", {"command": COMMAND, "rootfs": "/usr"})
    assert caught.value.option == "path"


def test_an_image_does_not_hide_a_root_file_system_that_is_there(directory):
    (directory / "chroot").mkdir()
    (directory / "chroot" / "bin").mkdir()
    with pytest.raises(LauncherError) as caught:
        checked(directory, {"command": COMMAND, "image": IMAGES[0]})
    assert "chroot" in str(caught.value)


def test_a_missing_image_asks_for_its_archive(directory):
    with pytest.raises(LauncherError) as caught:
        checked(directory, {"command": COMMAND, "image": IMAGES[0]})
    assert caught.value.needs_image == [IMAGES[0]]


# --- images and where they come from


@pytest.fixture
def stored(tmp_path, monkeypatch):
    """(path of an archive, its digest)"""
    if os.geteuid() != 0:
        pytest.skip("sets owners: needs root")
    for name in ("IMAGES", "CONTAINERS", "RUN"):
        monkeypatch.setattr(places, name, f"{tmp_path}/{name.lower()}")
    archive = tmp_path / "archive"
    archive.write_bytes(Archive().file(b"a").end())
    return str(archive), images.digest_of(str(archive), "image")


@pytest.mark.parametrize("make, says", [
    (lambda path: None, "cannot be read: No such file"), (os.mkfifo, "is no regular file, but a fifo"), (os.mkdir, "no OCI layout")])
def test_an_archive_that_is_none_is_told_before_anything_is_done(stored, directory, make, says):
    path = f"{directory}/it"
    make(path)
    want = Want("c", str(directory), "present", {"command": COMMAND, "image": IMAGES[0]})
    want.archive = path
    with pytest.raises(LauncherError, match=says) as caught:
        container.check(want, Have("c", str(directory)), Host())
    assert caught.value.option == "image"
    want.archive = stored[0]
    container.check(want, Have("c", str(directory)), Host())


def brought(archive, digest):
    want = Want("c", f"{places.CONTAINERS}/c", "present", {"command": COMMAND, "image": digest})
    want.archive, want.checked = archive, True
    container.bring_image(container.Job(want, Have("c", want.path)))
    return store.find(digest)


def test_an_image_is_brought_from_a_file_a_layout_and_a_url(stored, tmp_path, monkeypatch):
    archive, digest = stored
    assert brought(archive, digest).entries == 1
    made = layouts.Images()
    manifest = made.image([layouts.tar([("a", b"1"), ("b", b"2")])])
    made.index(manifest).write(tmp_path / "layout")
    assert Host().digest_of(f"{tmp_path}/layout") == manifest["digest"]
    assert brought(f"{tmp_path}/layout", manifest["digest"]).entries == 2
    content = Archive().file(b"over").file(b"http").file(b"it came").end()
    monkeypatch.setattr(sources, "_fetch", lambda url, fd, max_bytes: os.write(fd, content))
    assert brought("https://images.example.org/root.img", "sha256:" + hashlib.sha256(content).hexdigest()).entries == 3


def test_a_wrong_checksum_says_nothing_of_the_archive(stored, tmp_path, monkeypatch):
    monkeypatch.setattr(stamps, "_SETTLED", -1)
    archive, digest = stored
    assert brought(archive, digest).entries == 1
    (tmp_path / "other").write_bytes(Archive().file(b"b").end())
    brought(f"{tmp_path}/other", digest)
    assert stamps.known(f"{tmp_path}/other") is None and Host().digest_of(f"{tmp_path}/other") != digest
    host = Host()
    want = Want("c", f"{places.CONTAINERS}/c", "present", {"command": COMMAND, "image": host.digest_of(f"{tmp_path}/other")})
    want.archive = f"{tmp_path}/other"
    container.bring_image(container.Job(want, Have("c", want.path)))
    assert stamps.known(f"{tmp_path}/other") == want.spec["image"]


def test_a_container_elsewhere_holds_its_image_also_when_it_does_not_run(stored, directory):
    archive, digest = stored
    images.ensure_image(archive)
    want = Want("c", str(directory), "present", {"command": COMMAND, "image": digest})
    have = Have("c", str(directory))
    job = container.Job(want, have)
    job.changes = container.plan(want, have)
    container.write(job, Host())
    assert images.unused() == []
    container._remove_files(want, want.spec, False)
    os.unlink(directory / "settings")
    assert [image.digest for image in images.unused()] == [digest]


def test_a_container_of_ours_needs_no_record(stored):
    archive, digest = stored
    images.ensure_image(archive)
    want = Want("c", f"{places.CONTAINERS}/c", "present", {"command": COMMAND, "image": digest})
    job = container.Job(want, Have("c", want.path))
    job.changes = container.plan(want, job.have)
    container.write(job, Host())
    assert images.unused() == [] and not os.path.exists(f"{places.IMAGES}/.uses")


def test_a_score_that_somebody_else_has_set_is_put_right():
    have = have_of({"command": COMMAND, "oom_score_adj": 100}, running=True)
    have.oom_score_adj = 7
    assert planned(want_of({"oom_score_adj": 100}), have) == [("oom_score_adj", 7, 100, LIVE)]
    assert planned(want_of({"user": "0"}), have) == []


def test_an_environment_file_is_the_environment(tmp_path):
    file = tmp_path / "env"
    file.write_text("A=1\nB=2\n")
    options = {"name": "c", "env_file": str(file), "env": {"B": "3"}, "command": COMMAND, "rootfs": str(tmp_path), "state": "present"}
    want, _have = container.read(options, Host())
    assert want.spec["env"] == {"A": "1", "B": "3"} and list(want.spec).index("env") > list(want.spec).index("command")


@pytest.mark.parametrize("name, words", [("missing", "No such file"), (".", "no regular file")])
def test_an_environment_file_that_cannot_be_read(tmp_path, name, words):
    with pytest.raises(LauncherError, match=words):
        container.read({"name": "c", "env_file": f"{tmp_path}/{name}", "command": COMMAND}, Host())
