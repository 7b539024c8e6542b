# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Homes of images after kills: whole, as before, or gone with the next run."""

from __future__ import annotations

import errno
import os

import pytest

from ansible_collections.coracle.launcher.plugins.module_utils._coracle.base import beneath, libc, places
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.work import homes, images, stamps, store, unpack
from ansible_collections.coracle.launcher.tests.unit.archives import Archive
from ansible_collections.coracle.launcher.tests.unit.one_image import DIGEST, in_child

assert unpack  # loaded here, it is there in every child that extracts
pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="sets owners: needs root")


def test_leftovers_of_killed_runs_go(source):
    home = f"{places.IMAGES}/{DIGEST[7:]}"
    other = f"{places.IMAGES}/{'1' * 64}"
    for directory in (home, other):
        os.makedirs(f"{directory}/.tree.tmp/deep/er")
        with open(f"{directory}/manifest", "w", encoding="ascii") as file:
            file.write("half a li")
    os.makedirs(f"{places.IMAGES}/not-ours")
    images.ensure_image(source)
    assert sorted(os.listdir(home)) == ["image", "manifest", "tree"]
    assert sorted(os.listdir(places.IMAGES)) == sorted([DIGEST[7:], "not-ours"])


def test_leftovers_go_with_pruning_too(source):
    for name in "123":
        os.makedirs(f"{places.IMAGES}/{name * 64}/.tree.tmp/deep")
    os.makedirs(f"{places.IMAGES}/{'2' * 64}/tree")
    beneath.remove_tree(f"{places.IMAGES}/{'3' * 64}/.tree.tmp")
    for name in (".scratch-0123456789abcdef", ".image.tmp", "..image.tmp.new", ".manifest.tmp", "manifest"):
        with open(f"{places.IMAGES}/{'1' * 64}/{name}", "w", encoding="ascii"):
            pass
    images.ensure_image(source)
    os.makedirs(f"{places.IMAGES}/{'1' * 64}/.tree.old")
    assert images.prune([]) == [] and os.listdir(places.IMAGES) == [DIGEST[7:]]


def test_leftovers_that_cannot_be_removed_are_not_the_error_of_an_extraction(source, monkeypatch):
    other = f"{places.IMAGES}/{'1' * 64}"
    os.makedirs(f"{other}/.tree.tmp")
    remove = beneath.remove_tree

    def refuse(name, dirfd=None):
        if dirfd is not None and os.path.samestat(os.fstat(dirfd), os.stat(other)):
            raise OSError(errno.EPERM, "immutable")
        remove(name, dirfd)

    monkeypatch.setattr(beneath, "remove_tree", refuse)
    assert images.ensure_image(source).digest == DIGEST and os.path.isdir(other)


@pytest.mark.parametrize("call", ["syncfs", "renameat2", "rename 1", "rename 2", "rename 3", "rename 4"])
def test_killed_while_a_damaged_image_is_made_again_the_old_one_is_not_taken_for_the_new(source, monkeypatch, call):
    path = f"{places.IMAGES}/{DIGEST[7:]}"
    images.ensure_image(source)
    os.mkdir(f"{path}/tree/damage")
    os.unlink(f"{path}/image")  # as work/rootfs/verify.py distrusts it
    name, _space, number = call.partition(" ")
    left = [int(number or 1)]
    module = os if name == "rename" else libc
    real = getattr(module, name)

    def die(*arguments, **more):
        left[0] -= 1
        if not left[0]:
            os._exit(9)
        return real(*arguments, **more)

    def killed():
        setattr(module, name, die)
        images.ensure_image(source)

    assert os.waitstatus_to_exitcode(os.waitpid(in_child(killed), 0)[1]) == 9
    image = store.find(DIGEST)
    assert image is None or os.listdir(image.tree) == ["a"]
    monkeypatch.setattr(images, "_is_used", lambda digest: True)  # no file of it goes, however often this happens
    images.ensure_image(source)
    kept = [name for name in os.listdir(path) if name.startswith(("tree", ".tree"))]
    assert os.listdir(f"{path}/tree") == ["a"] and any("damage" in os.listdir(f"{path}/{name}") for name in kept)
    assert sorted(set(os.listdir(path)) - set(kept)) == ["image", "manifest"]


# --- pruning


@pytest.fixture
def host(tmp_path, monkeypatch):
    for name in ("IMAGES", "CONTAINERS", "RUN"):
        monkeypatch.setattr(places, name, f"{tmp_path}/{name.lower()}")
    monkeypatch.setattr(stamps, "_SETTLED", -1)
    return tmp_path


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    return path


def image(host, name):
    (host / name).write_bytes(Archive().file(name.encode()).end())
    return images.ensure_image(f"{host}/{name}").digest


def killed_pruning(digest, *gone):
    """The home of an image as a process leaves it that is killed after hide(), or after empty() has removed `gone`."""
    with homes.locked(f"{places.IMAGES}/{digest[7:]}") as home:
        home.hide()
        for name in gone:
            beneath.remove_tree(name, home.fd)
    assert store.find(digest) is None
    return f"{places.IMAGES}/{digest[7:]}"


@pytest.mark.parametrize("gone", [(), ("image",), ("image", "manifest")])
@pytest.mark.parametrize("then", [lambda host: image(host, "two"), lambda host: images.prune([])])
def test_pruning_that_was_killed_is_finished(host, then, gone):
    home = killed_pruning(image(host, "one"), *gone)
    then(host)
    assert not os.path.exists(home)


@pytest.mark.parametrize("then", [lambda host: image(host, "two"), lambda host: images.prune([])])
def test_pruning_that_was_killed_is_taken_back_when_somebody_uses_the_image(host, then):
    digest = image(host, "one")
    home = killed_pruning(digest)
    write(host / "containers" / "web" / "settings", f"image: {digest}\n")
    os.mkdir(f"{home}/.tree.tmp")
    then(host)
    assert sorted(os.listdir(home)) == ["image", "manifest", "tree"] and store.find(digest).entries == 1


def test_pruning_that_was_killed_is_taken_back_by_who_wants_the_image(host):
    digest = image(host, "one")
    killed_pruning(digest)
    again = images.ensure_image(f"{host}/one")
    assert (again.digest, again.duration) == (digest, None) and os.listdir(again.tree) == ["one"]


def test_half_an_image_is_not_shown(host):
    digest = image(host, "one")
    home = killed_pruning(digest, "image")
    write(host / "containers" / "web" / "settings", f"image: {digest}\n")
    beneath.remove_tree(f"{home}/.tree.hidden/one")
    images.prune([])
    assert store.find(digest) is None
    assert os.listdir(images.ensure_image(f"{host}/one").tree) == ["one"]
