# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keeps the collection's code compiled on the host. Ansible sends it as a zip of sources, out of which Python compiles every file for every
task: 60 to 180 ms of processor time, six times what loading the compiled files takes.

Importing this file first is all that a module does. What is then imported of the collection comes from DIRECTORY when a compiled file there
was made of this very source by this version of Python (a hash-based pyc, PEP 552), else from the zip as ever. keep() writes what was
missing. The directory is a cache: root's alone, made by a task that changes something, and removed at any time without harm.
"""

from __future__ import annotations

import importlib.util
import marshal
import os
import stat
import sys
import typing as t
from importlib.machinery import ModuleSpec, PathFinder

if t.TYPE_CHECKING:
    from collections.abc import Sequence
    from types import CodeType, ModuleType

DIRECTORY = "/var/cache/coracle"
_OURS = __name__.rpartition("._ansible.")[0] + "."
_HEADER = importlib.util.MAGIC_NUMBER + (0b11).to_bytes(4, "little")  # flags: by hash, and the hash is to be checked
_HASHED = len(_HEADER) + 8

_fresh: dict[str, bytes] = {}  # file name -> content, of what had to be compiled


class _Finder:
    """Finds where Python would, and puts itself between when that is a zip."""

    @staticmethod
    def find_spec(name: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> ModuleSpec | None:
        if path is None or not name.startswith(_OURS):
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and hasattr(spec.loader, "archive"):
            spec.loader = _Loader(spec.loader)
        return spec


class _Loader:
    """A zipimporter that looks for compiled code first."""

    def __init__(self, zipped: t.Any) -> None:
        self._zipped = zipped
        self.archive = zipped.archive

    def __getattr__(self, name: str) -> t.Any:
        return getattr(self._zipped, name)

    def create_module(self, _spec: ModuleSpec) -> None:
        """The default module."""

    def exec_module(self, module: ModuleType) -> None:
        """Run the module's code."""
        exec(self.get_code(module.__name__), module.__dict__)  # pylint: disable=exec-used

    def get_code(self, name: str) -> CodeType:
        """The module's code, compiled now or earlier."""
        path = self._zipped.get_filename(name)
        source = self._zipped.get_data(path)
        hashed = importlib.util.source_hash(source)
        file = f"{name[len(_OURS):]}.{sys.implementation.cache_tag}.pyc"
        code = _read(file, hashed)
        if code is None:
            code = compile(source, path, "exec", dont_inherit=True)
            _fresh[file] = _HEADER + hashed + marshal.dumps(code)
        return code


def _read(file: str, hashed: bytes) -> CodeType | None:
    try:
        with open(f"{DIRECTORY}/{file}", "rb") as opened:
            data = opened.read()
        return marshal.loads(data[_HASHED:]) if data[:_HASHED] == _HEADER + hashed else None
    except (OSError, ValueError, EOFError, TypeError):  # not there, or cut
        return None


def keep(changing: bool) -> None:
    """Write what had to be compiled. `changing`: the task changes the host, so the directory may be made."""
    if not _fresh or not _is_ours(changing):
        return
    for file, content in _fresh.items():
        temporary = f"{DIRECTORY}/{file}.{os.getpid()}"
        try:
            with open(temporary, "xb") as opened:
                opened.write(content)
            os.rename(temporary, f"{DIRECTORY}/{file}")
        except OSError:  # full, or read-only: the next task compiles again
            return


def _is_ours(make: bool) -> bool:
    """Whether nobody but root can have written there."""
    try:
        if make:
            os.makedirs(DIRECTORY, 0o700, exist_ok=True)
        found = os.lstat(DIRECTORY)
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == 0 and not found.st_mode & 0o022


if hasattr(__spec__.loader, "archive") and os.geteuid() == 0 and (_is_ours(make=False) or not os.path.lexists(DIRECTORY)):
    sys.meta_path.insert(0, _Finder)
