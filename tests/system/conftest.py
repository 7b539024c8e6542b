# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Containers on the real kernel: the launcher installed in a temporary directory, root file systems of busybox or of a small Python.

Needs root and busybox-static. Everything happens in a mount namespace of its own with a fresh /run, /var/lib/coracle and /usr/local/lib/coracle,
so it disturbs no container of the host; only cgroups (coracle/atk...) are shared with it.
"""

from __future__ import annotations

import contextlib
import os
import shutil

import pytest

from ansible_collections.coracle.launcher.plugins.module_utils._coracle.base import libc
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.work import install

from . import boxes
from .ground import Ground
from .module_runs import Modules

_OWN = ("/run", "/var/lib/coracle", "/usr/local/lib/coracle", "/usr/local/sbin")


def pytest_collection_modifyitems(items):
    why = "needs root" if os.geteuid() != 0 else "" if os.path.exists(boxes.BUSYBOX) else f"needs {boxes.BUSYBOX} (busybox-static)"
    if why:
        for item in items:
            item.add_marker(pytest.mark.skip(reason=why))


@pytest.fixture(scope="session", autouse=True)
def _own_mounts():
    if os.geteuid() != 0:
        return
    libc.unshare(libc.CLONE_NEWNS)
    libc.mount(None, "/", None, libc.MS_REC | libc.MS_PRIVATE)
    for path in _OWN:
        os.makedirs(path, exist_ok=True)
        libc.mount("tmpfs", path, "tmpfs", 0, "mode=755")


@pytest.fixture(scope="session")
def launcher(_own_mounts):
    """Install the launcher as a module does; the supervisor, if a test starts it, is ended at the end."""
    # With the host's own Python, as a module on a managed host would be run; ours may be that of a virtual environment.
    top = install.__file__.partition("/ansible_collections/")[0]
    code = f"import sys; sys.path.insert(0, {top!r}); from {install.__name__} import install, own; install(*own())"
    installed = boxes.run([boxes.PYTHON, "-I", "-B", "-c", code])
    assert installed.code == 0, installed
    yield boxes.Launcher()
    boxes.end_supervisor()


@pytest.fixture(scope="session")
def busybox_tree(tmp_path_factory):
    return boxes.make_busybox_tree(str(tmp_path_factory.mktemp("busybox") / "tree"))


@pytest.fixture(scope="session")
def python_tree(tmp_path_factory):
    """A root file system with busybox and a Python: for probes that need system calls. Shared: tests must not change it."""
    tree = boxes.make_busybox_tree(str(tmp_path_factory.mktemp("python") / "tree"))
    boxes.add_python(tree)
    return tree


@pytest.fixture
def make_box(launcher, busybox_tree, tmp_path):
    """make_box(**options) -> boxes.Box with a busybox root file system of its own; removed at the end, however it ended."""
    with contextlib.ExitStack() as stack:
        def make(**options):
            box = boxes.Box(launcher, str(tmp_path), options)
            stack.callback(box.remove)
            os.makedirs(box.path)
            if "rootfs" not in options and "image" not in options:
                shutil.copytree(busybox_tree, box.root, symlinks=True)
            return box
        yield make


@pytest.fixture
def box(make_box):
    return make_box()


@pytest.fixture
def probe(make_box, python_tree):
    """A box whose root file system has Python: `probe.python(code, **options)` returns what the code gives to `tell()`."""
    return make_box(rootfs=python_tree)


@pytest.fixture(scope="session")
def modules(_own_mounts):
    """Runs of the module container_rootfs."""
    runs = Modules()
    yield runs
    runs.close()


@pytest.fixture(scope="session")
def memory(_own_mounts, tmp_path_factory):
    """A directory in memory, for what makes many files."""
    path = str(tmp_path_factory.mktemp("memory"))
    libc.mount("tmpfs", path, "tmpfs", 0, "mode=755")
    return path


@pytest.fixture(scope="session")
def _whole_ground(modules, memory):
    return Ground(f"{memory}/ground", modules)


@pytest.fixture
def ground(_whole_ground):
    """Where archives are extracted: with an old tree, and no other image in the store."""
    _whole_ground.reset()
    return _whole_ground
