# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import importlib.util
import marshal
import os
import sys
import zipfile

import pytest

from ansible_collections.coracle.launcher.plugins.module_utils._ansible import bytecode

OURS = bytecode.__name__.rpartition("._ansible.")[0]


@pytest.fixture
def sent(tmp_path, monkeypatch):
    """A call that imports what a zip with this source of the module `demo` holds, as a task does, and returns the module."""
    monkeypatch.setattr(bytecode, "DIRECTORY", str(tmp_path / "cache"))
    monkeypatch.setattr(bytecode, "_fresh", {})
    counted = iter(range(99))

    def task(source, name=f"{OURS}.demo"):
        bytecode._fresh.clear()
        archive = tmp_path / f"{next(counted)}.zip"
        with zipfile.ZipFile(archive, "w") as file:
            file.writestr("inside/demo.py", source)
        spec = bytecode._Finder.find_spec(name, [f"{archive}/inside"])
        if spec is None:
            return None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return task


def cached(tmp_path):
    file, = (tmp_path / "cache").iterdir()
    return file


def test_second_task_compiles_nothing(sent, tmp_path):
    assert sent("value = 1").value == 1
    assert list(bytecode._fresh) == [f"demo.{sys.implementation.cache_tag}.pyc"]
    bytecode.keep(changing=True)
    assert os.stat(tmp_path / "cache").st_mode & 0o777 == 0o700
    assert sent("value = 1").value == 1
    assert not bytecode._fresh
    # That it is really read: other code behind the same hash.
    kept = cached(tmp_path).read_bytes()[:bytecode._HASHED]
    cached(tmp_path).write_bytes(kept + marshal.dumps(compile("value = 2", "x", "exec")))
    assert sent("value = 1").value == 2


def test_other_source_is_compiled_and_kept(sent, tmp_path):
    sent("value = 1")
    bytecode.keep(changing=True)
    assert sent("value = 3").value == 3
    bytecode.keep(changing=False)  # the directory is there
    assert sent("value = 3").value == 3
    assert not bytecode._fresh
    assert cached(tmp_path).name in os.listdir(tmp_path / "cache")


@pytest.mark.parametrize("length", [0, 10, 16, 20])
def test_cut_file_is_no_harm(sent, tmp_path, length):
    sent("value = 1")
    bytecode.keep(changing=True)
    cached(tmp_path).write_bytes(cached(tmp_path).read_bytes()[:length])
    assert sent("value = 1").value == 1
    assert bytecode._fresh


def test_task_that_changes_nothing_makes_no_directory(sent, tmp_path):
    sent("value = 1")
    bytecode.keep(changing=False)
    assert not (tmp_path / "cache").exists()
    bytecode.keep(changing=True)
    assert (tmp_path / "cache").exists()


def test_directory_that_others_can_write_is_left_alone(sent, tmp_path):
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache").chmod(0o777)
    sent("value = 1")
    bytecode.keep(changing=True)
    assert not os.listdir(tmp_path / "cache")
    (tmp_path / "cache").chmod(0o700)
    bytecode.keep(changing=True)
    assert os.listdir(tmp_path / "cache")


def test_link_in_its_place_is_left_alone(sent, tmp_path):
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    (tmp_path / "cache").symlink_to(tmp_path / "elsewhere")
    sent("value = 1")
    bytecode.keep(changing=True)
    assert not os.listdir(tmp_path / "elsewhere")


def test_others_and_plain_files_are_not_touched(sent, tmp_path):
    assert sent("value = 1", name="elsewhere.demo") is None
    (tmp_path / "demo.py").write_text("value = 1")
    spec = bytecode._Finder.find_spec(f"{OURS}.demo", [str(tmp_path)])
    assert not hasattr(spec.loader, "archive")
    assert sent("value = 1").__spec__.loader.archive.endswith(".zip")
