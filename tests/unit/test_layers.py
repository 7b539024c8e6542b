# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Imports go down only (docs/architecture.md), and what a supervisor loads imports little: read from the syntax trees, nothing is run."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import pytest

PLUGINS = Path(__file__).resolve().parents[2] / "plugins"
BELOW = {
    "doors": {"doors", "work", "kernel", "formats", "model", "base"},
    "work": {"work", "kernel", "formats", "model", "base"},
    "kernel": {"kernel", "base"},
    "formats": {"formats", "base"},
    "model": {"model", "base"},
    "base": {"base"},
}
# Modules in C, or loaded by every Python anyway.
LEAN_IMPORTS = {
    "__future__", "_signal", "_thread", "_socket", "ctypes", "errno", "fcntl", "gc", "os", "resource", "select", "stat", "sys", "time",
}  # fmt: skip
# Loaded by every supervisor, with all that they import at their top. It starts from these two.
LEAN_ROOTS = ("work/supervisor.py", "work/inside.py")
PYROUTE2 = "kernel/net/pyroute.py"

CORE = "module_utils/_coracle"


class Import:
    """One imported module: `level` dots and a dotted name; `late` in a function, `typing` only seen by type checkers."""

    def __init__(self, level: int, name: str, line: int, late: bool, typing: bool) -> None:
        self.level, self.name, self.line, self.late, self.typing = level, name, line, late, typing


def imports_of(text: str) -> list[Import]:
    return list(_imports(ast.parse(text), False, False))


def _imports(node: ast.AST, late: bool, typing: bool) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            for alias in child.names:
                yield Import(0, alias.name, child.lineno, late, typing)
        elif isinstance(child, ast.ImportFrom):
            # `from . import x` and `from ..base import x` may name a module: the last part is kept, and looked up by the reader.
            for alias in child.names:
                yield Import(child.level, ".".join(filter(None, [child.module, alias.name])), child.lineno, late, typing)
        else:
            in_function = late or isinstance(child, (ast.FunctionDef, ast.Lambda))
            guarded = typing or (isinstance(child, ast.If) and isinstance(child.test, ast.Name) and child.test.id == "TYPE_CHECKING")
            yield from _imports(child, in_function, guarded)


def target(file: PurePosixPath, found: Import) -> PurePosixPath | None:
    """The place below _coracle that a relative import means, without ending; None where it leaves the package."""
    if found.level > len(file.parts):
        return None
    return PurePosixPath(*file.parts[: len(file.parts) - found.level], *found.name.split("."))


def core_violations(file: PurePosixPath, text: str) -> list[str]:
    """`file` below _coracle: what its imports break of the layers."""
    broken = []
    for found in imports_of(text):
        if found.level:
            place = target(file, found)
            if place is None:
                broken.append(f"{file}:{found.line}: {found.name} is outside the core")
            elif len(file.parts) > 1 and place.parts[0] not in BELOW[file.parts[0]]:
                broken.append(f"{file}:{found.line}: {file.parts[0]} imports {place.parts[0]}")
        elif found.name.partition(".")[0] == "pyroute2":
            if str(file) != PYROUTE2 or not found.late:
                broken.append(f"{file}:{found.line}: pyroute2 is imported in functions of {PYROUTE2} only")
        elif found.name.partition(".")[0] not in sys.stdlib_module_names and not optional(found):
            broken.append(f"{file}:{found.line}: {found.name} is not in the standard library")
    return broken


def optional(found: Import) -> bool:
    """Libraries that make something faster or possible where they are: always imported late."""
    return found.late and found.name.partition(".")[0] in {"backports", "compression", "isal", "lz4", "zlib_ng", "zstandard"}


def lean_violations(file: PurePosixPath, text: str) -> list[str]:
    """`file` below _coracle, one that a supervisor loads: which imports at its top it may not have."""
    heavy = [found for found in imports_of(text) if not (found.late or found.typing or found.level or found.name.partition(".")[0] in LEAN_IMPORTS)]
    return [f"{file}:{found.line}: a supervisor would load {found.name}" for found in heavy]


def lean_files(sources: dict[PurePosixPath, str]) -> set[PurePosixPath]:
    """LEAN_ROOTS and everything that they import at their top, directly or not."""
    waiting = [PurePosixPath(root) for root in LEAN_ROOTS]
    reached: set[PurePosixPath] = set()
    while waiting:
        file = waiting.pop()
        if file in reached or file not in sources:
            continue
        reached.add(file)
        for found in imports_of(sources[file]):
            place = target(file, found) if found.level and not (found.late or found.typing) else None
            if place is not None:
                waiting += [place.with_suffix(".py"), place.parent.with_suffix(".py")] if place.parent.name else []
    return reached


def outer_violations(file: PurePosixPath, text: str) -> list[str]:
    """`file` below plugins/, but not in the core: only the bridge and the modules on top of it reach into the core, and by one way."""
    ours = "ansible_collections.coracle.launcher.plugins."
    broken = []
    for found in imports_of(text):
        if str(file).startswith("module_utils/_ansible/"):
            allowed = found.level or found.name.startswith(("ansible.module_utils", f"{ours}module_utils"))
            if not allowed and found.name.partition(".")[0] not in sys.stdlib_module_names:
                broken.append(f"{file}:{found.line}: the bridge imports {found.name}")
        elif str(file).startswith("modules/") and found.name.startswith(f"{ours}module_utils._coracle."):
            layer = found.name.removeprefix(f"{ours}module_utils._coracle.").partition(".")[0]
            if layer not in ("work", "base", "model"):
                broken.append(f"{file}:{found.line}: a module imports {layer}")
    return broken


def core_sources() -> dict[PurePosixPath, str]:
    core = PLUGINS / CORE
    return {PurePosixPath(path.relative_to(core).as_posix()): path.read_text() for path in sorted(core.rglob("*.py"))}


def test_imports_of_the_core_go_down() -> None:
    broken = [line for file, text in core_sources().items() for line in core_violations(file, text)]
    assert not broken, "\n".join(broken)


def test_a_supervisor_loads_little() -> None:
    sources = core_sources()
    lean = lean_files(sources)
    assert PurePosixPath("base/libc.py") in lean, "the walk from the supervisor is broken"
    broken = [line for file in sorted(lean) for line in lean_violations(file, sources[file])]
    assert not broken, "\n".join(broken)


def test_modules_and_bridge_know_their_place() -> None:
    files = [path for path in sorted(PLUGINS.rglob("*.py")) if CORE not in path.as_posix()]
    broken = [line for path in files for line in outer_violations(PurePosixPath(path.relative_to(PLUGINS).as_posix()), path.read_text())]
    assert files and not broken, "\n".join(broken)


@pytest.mark.parametrize(
    "file, text",
    [
        ("kernel/procs.py", "from ..work import start"),
        ("kernel/procs.py", "from ..model.settings import parse"),
        ("model/state.py", "def f():\n    from ..formats import cpio"),
        ("base/files.py", "from ..kernel import procs"),
        ("base/files.py", "from ... import _ansible"),
        ("work/start.py", "from ansible.module_utils.basic import AnsibleModule"),
        ("work/start.py", "import ansible_collections.coracle.launcher"),
        ("work/start.py", "import requests"),
        ("kernel/net/pyroute.py", "import pyroute2"),
        ("kernel/net/netns.py", "def f():\n    from pyroute2 import NetNS"),
    ],
)
def test_a_wrong_import_is_found(file: str, text: str) -> None:
    assert len(core_violations(PurePosixPath(file), text)) == 1


@pytest.mark.parametrize(
    "file, text",
    [
        ("doors/command.py", "from ..work import start\nfrom ..base.errors import LauncherError\nimport json"),
        ("kernel/cgroup/v1.py", "from ...base import files\nfrom . import tree"),
        ("kernel/net/pyroute.py", "def f():\n    from pyroute2 import IPRoute"),
    ],
)
def test_a_right_import_passes(file: str, text: str) -> None:
    assert not core_violations(PurePosixPath(file), text)


def test_a_heavy_import_of_the_supervisor_is_found() -> None:
    sources = {
        PurePosixPath("work/supervisor.py"): "from . import logs\nfrom ..base.text import size\nif TYPE_CHECKING:\n    import typing\n",
        PurePosixPath("work/logs.py"): "import os, json\n",
        PurePosixPath("base/text.py"): "def f():\n    import re\n",
        PurePosixPath("work/fleet.py"): "import subprocess\n",
    }
    lean = lean_files(sources)
    assert {str(file) for file in lean} == {"work/supervisor.py", "work/logs.py", "base/text.py"}
    assert [line for file in sorted(lean) for line in lean_violations(file, sources[file])] == ["work/logs.py:1: a supervisor would load json"]


@pytest.mark.parametrize(
    "file, text",
    [
        ("module_utils/_ansible/run.py", "from ansible.errors import AnsibleError"),
        ("modules/cgroup.py", "from ansible_collections.coracle.launcher.plugins.module_utils._coracle.kernel import procs"),
    ],
)
def test_a_module_that_reaches_too_deep_is_found(file: str, text: str) -> None:
    assert len(outer_violations(PurePosixPath(file), text)) == 1
