# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import errno
import os

import pytest

from ansible_collections.coracle.launcher.plugins.module_utils._coracle.base import beneath, files, libc, places
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.model.state import State
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.work import homes, images, records, store, unpack, uses
from ansible_collections.coracle.launcher.tests.unit.archives import Archive

assert unpack  # loaded here, it is there in every child that extracts
pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="sets owners: needs root")
ONE, TWO, THREE = (f"sha256:{digit * 64}" for digit in "123")


@pytest.fixture
def host(image_store, monkeypatch):
    for name in ("CONTAINERS", "RUN"):
        monkeypatch.setattr(places, name, f"{image_store}/{name.lower()}")
    return image_store


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    return path


def tree(host, name, *digests):
    """A tree of container_rootfs as far as uses.py looks: only its stamp."""
    write(host / "trees" / f".{name}.coracle", "".join(f"copy {digest} 17 - - - -\n" for digest in digests))
    uses.add(f"{host}/trees/{name}", list(digests))


def image(host, name):
    (host / name).write_bytes(Archive().file(name.encode()).end())
    return images.ensure_image(f"{host}/{name}").digest


def test_nobody_uses_anything(host):
    assert uses.by_image() == {} and not os.path.exists(places.IMAGES)


def test_a_container_uses_the_image_of_its_settings(host):
    write(host / "containers" / "web" / "settings", f"process: /bin/sh\nimage: {ONE}\n")
    write(host / "containers" / "db" / "settings", f"image:{ONE}\nprocess: /bin/sh\n")
    write(host / "containers" / "plain" / "settings", "process: /bin/sh\n")
    assert uses.by_image() == {ONE: ["container db", "container web"]}


@pytest.mark.parametrize("content", [f"image: {ONE}\nimage: {TWO}\n\x00", f"nonsense {TWO} {ONE}", f"image: {ONE}\x00{TWO}"])
def test_settings_that_cannot_be_read_hold_every_image_that_they_name(host, content):
    write(host / "containers" / "web" / "settings", content)
    assert set(uses.by_image()) == {ONE, TWO}


@pytest.mark.parametrize("content", ["", "image: sha256:12", f"image: {ONE[:-1]}x", "image: sha256:" + "A" * 64])
def test_what_is_no_digest_holds_nothing(host, content):
    write(host / "containers" / "web" / "settings", content)
    assert uses.by_image() == {}


def test_a_running_container_uses_what_it_was_started_with(host):
    write(host / "containers" / "web" / "settings", f"image: {TWO}\n")
    write(host / "run" / "web" / "settings", f"image: {ONE}\n")
    assert uses.by_image() == {ONE: ["container web"], TWO: ["container web"]}


def test_a_container_elsewhere_is_found_by_its_state(host):
    write(host / "srv" / "web" / "settings", f"image: {ONE}\n")
    state = State("web", f"{host}/srv/web")
    state.pid, state.starttime, state.boot_id = 17, 1, "yesterday"
    records.write_state(state)
    assert uses.by_image() == {ONE: ["container web"]}


def recorded():
    return os.listdir(f"{places.IMAGES}/.uses")


def test_a_container_elsewhere_that_does_not_run_is_found_by_its_record(host):
    settings = write(host / "srv" / "web" / "settings", f"image: {ONE}\n")
    uses.add(f"{host}/srv/web", [ONE])
    assert uses.by_image() == {ONE: [f"container {host}/srv/web"]}
    settings.write_text(f"image: {TWO}\n")
    assert uses.by_image() == {} and len(recorded()) == 1  # asking writes nothing
    uses.tidy()
    assert recorded() == []


def test_a_tree_uses_its_images_as_long_as_its_stamp_names_them(host):
    tree(host, "one", ONE, TWO)
    tree(host, "two", TWO)
    one, two = f"tree {host}/trees/one", f"tree {host}/trees/two"
    assert uses.by_image() == {ONE: [one], TWO: [one, two]}
    write(host / "trees" / ".one.coracle", f"copy {TWO} 17 - - - -\n")
    assert uses.by_image() == {TWO: [one, two]}
    os.unlink(host / "trees" / ".two.coracle")
    assert uses.by_image() == {TWO: [one]}
    assert len(recorded()) == 2
    uses.tidy()
    assert len(recorded()) == 1
    uses.remove(f"{host}/trees/one")
    uses.remove(f"{host}/trees/one")
    assert uses.by_image() == {}


@pytest.mark.parametrize("content", ["", "[]", '{"path": 1, "digests": []}', '{"path": "/x", "digests": "sha256:"}', '{"path": "/x", "digests": [1]}'])
def test_a_record_that_is_none_goes(host, content):
    write(host / "images" / ".uses" / "x", content)
    assert uses.by_image() == {}
    uses.tidy()
    assert recorded() == []


def test_a_record_that_does_not_know_the_directories_above_holds(host):
    write(host / "images" / ".uses" / "x", f'{{"path": "{host}/trees/one", "digests": ["{ONE}"]}}')
    uses.tidy()
    assert uses.by_image() == {ONE: [f"something at {host}/trees/one"]}
    tree(host, "one", ONE)
    assert f"tree {host}/trees/one" in uses.by_image()[ONE]


def test_adding_again_writes_nothing(host):
    tree(host, "one", ONE)
    (name,) = os.listdir(f"{places.IMAGES}/.uses")
    inode = os.stat(f"{places.IMAGES}/.uses/{name}").st_ino
    uses.add(f"{host}/trees/one", [ONE])
    assert os.stat(f"{places.IMAGES}/.uses/{name}").st_ino == inode
    uses.add(f"{host}/trees/one", [ONE, TWO])
    assert os.stat(f"{places.IMAGES}/.uses/{name}").st_ino != inode


def test_what_is_mounted_from_an_image_uses_it(host, own_network):  # pylint: disable=unused-argument
    digest = image(host, "one")
    os.mkdir(host / "there")
    libc.mount(store.find(digest).tree, f"{host}/there", None, libc.MS_BIND)
    assert uses.by_image() == {digest: ["a mount"]}
    assert images.unused() == [] and images.prune([digest]) == []
    libc.umount2(f"{host}/there")
    assert uses.by_image() == {}
    libc.mount("tmpfs", f"{host}/there", "tmpfs")
    for name in ("upper", "work", "merged"):
        os.mkdir(host / "there" / name)
    overlay = f"lowerdir={store.find(digest).tree},upperdir={host}/there/upper,workdir={host}/there/work"
    libc.mount("overlay", f"{host}/there/merged", "overlay", 0, overlay)
    assert uses.by_image() == {digest: ["a mount"]} and images.prune([digest]) == []
    libc.umount2(f"{host}/there/merged")
    assert images.prune([digest]) == [digest]


def test_what_is_mounted_from_another_store_is_not_ours(host, own_network, tmp_path):  # pylint: disable=unused-argument
    (tmp_path / "else" / "images" / ONE[7:] / "tree").mkdir(parents=True)
    libc.mount(f"{tmp_path}/else/images/{ONE[7:]}/tree", f"{tmp_path}/else", None, libc.MS_BIND)
    assert uses.by_image() == {}


# --- removing what nobody uses


def test_only_what_nobody_uses_is_pruned(host):
    one, two, three = (image(host, name) for name in ("one", "two", "three"))
    tree(host, "tree", one)
    write(host / "containers" / "web" / "settings", f"image: {two}\n")
    assert [found.digest for found in images.unused()] == [three]
    assert images.prune([one, two, three, ONE]) == [three]
    assert sorted(found.digest for found in store.images()) == sorted([one, two])
    os.unlink(host / "trees" / ".tree.coracle")
    assert images.prune([found.digest for found in images.unused()]) == [one]
    assert [found.digest for found in store.images()] == [two] and os.path.isfile(f"{store.find(two).tree}/two")


def test_an_image_that_is_used_meanwhile_stays(host, monkeypatch):
    digest = image(host, "one")
    hide = homes.Home.hide

    def use(home):
        hide(home)
        assert store.find(digest) is None  # nobody can begin to use it any more
        write(host / "containers" / "web" / "settings", f"image: {digest}\n")

    monkeypatch.setattr(homes.Home, "hide", use)
    assert images.prune([digest]) == [] and os.path.isfile(f"{store.find(digest).tree}/one")


def test_an_image_that_somebody_works_on_is_not_pruned(host):
    digest = image(host, "one")
    with homes.locked(os.path.dirname(store.find(digest).tree)):
        assert images.prune([digest]) == []
    assert images.prune([digest]) == [digest]


# --- places that cannot be seen now


def test_a_tree_on_a_disk_that_is_not_mounted_holds_its_image(host, own_network):  # pylint: disable=unused-argument
    digest = image(host, "one")
    for place in ("trees", "trees/deep/er"):
        (host / "trees").mkdir(exist_ok=True)
        libc.mount("tmpfs", f"{host}/trees", "tmpfs")
        tree(host, f"{place[6:]}/one".lstrip("/"), digest)
        write(host / "trees" / "deep" / "er" / ".one.coracle", f"copy {digest} 17 - - - -\n")
        libc.mount("tmpfs", f"{host}/trees", "tmpfs")  # over it: as an empty mount point
        assert uses.by_image() == {digest: [f"something at {host}/{place}/one"]}
        assert images.unused() == [] and images.prune([digest]) == [] and len(recorded()) == 1
        libc.umount2(f"{host}/trees")
        uses.remove(f"{host}/{place}/one")
        libc.umount2(f"{host}/trees")


def test_a_container_on_a_disk_that_is_not_mounted_holds_its_image(host, own_network):  # pylint: disable=unused-argument
    (host / "srv").mkdir()
    libc.mount("tmpfs", f"{host}/srv", "tmpfs")
    write(host / "srv" / "web" / "settings", f"image: {ONE}\n")
    uses.add(f"{host}/srv/web", [ONE])
    libc.mount("tmpfs", f"{host}/srv", "tmpfs")
    uses.tidy()
    assert uses.by_image() == {ONE: [f"something at {host}/srv/web"]}
    libc.umount2(f"{host}/srv")
    assert uses.by_image() == {ONE: [f"container {host}/srv/web"]}
    beneath.remove_tree(f"{host}/srv/web")
    uses.tidy()
    assert recorded() == []
    libc.umount2(f"{host}/srv")


def test_a_tree_that_was_removed_with_what_is_above_it_holds_nothing(host):
    write(host / "trees" / "deep" / "er" / ".one.coracle", f"copy {ONE} 17 - - - -\n")
    uses.add(f"{host}/trees/deep/er/one", [ONE])
    assert uses.by_image() == {ONE: [f"tree {host}/trees/deep/er/one"]}
    beneath.remove_tree(f"{host}/trees/deep")
    uses.tidy()
    assert uses.by_image() == {} and recorded() == []


def test_a_disk_that_fails_holds_its_images(host, monkeypatch):
    tree(host, "one", ONE)
    read_limited = files.read_limited

    def fail(path, *arguments):
        if path.endswith(".coracle"):
            raise OSError(errno.EIO, "Input/output error")
        return read_limited(path, *arguments)

    def fail_too(path, **more):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(files, "read_limited", fail)
    monkeypatch.setattr(os, "stat", fail_too)
    found = uses._recorded()
    monkeypatch.undo()
    assert found == [(f"something at {host}/trees/one", {ONE})]


def test_records_are_added_while_others_are_tidied(host):
    write(host / "images" / ".uses" / ".x.new", "half a rec")
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            for _number in range(300):
                uses.tidy()
            code = 0
        finally:
            os._exit(code)
    for number in range(300):
        tree(host, f"t{number}", ONE)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert len(uses.by_image()[ONE]) == 300 and os.path.exists(f"{places.IMAGES}/.uses/.x.new")
