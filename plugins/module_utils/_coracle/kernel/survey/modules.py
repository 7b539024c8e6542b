# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Parts of the kernel that may be modules: whether they are there, or can be loaded."""

from __future__ import annotations

import os

from .config import Config
from .facts import number, text

_LOADED = "/sys/module"
_DISABLED = "/proc/sys/kernel/modules_disabled"
_LISTS = "/lib/modules/{release}"


class Modules:
    """What is loaded, built in and loadable. `directory`: where the modules of the running kernel are."""

    __slots__ = ("_config", "_loaded", "_built_in", "_loadable")

    def __init__(self, config: Config, directory: str, loaded: str = _LOADED):
        self._config = config
        self._loaded = loaded
        self._built_in = _names(f"{directory}/modules.builtin")
        self._loadable = frozenset() if number(_DISABLED) == 1 else _names(f"{directory}/modules.dep")
        if self._loadable is None and not os.path.exists(directory):
            self._loadable = frozenset()  # no modules at all

    def has(self, name: str, option: str) -> bool | None:
        """True when the module `name` is loaded, built in or can be loaded, False when not, None when that cannot be told.

        `option`: what builds it, without CONFIG_.
        """
        state = self._config.state(option)
        if state == "y" or name in (self._built_in or ()) or name in (self._loadable or ()) or os.path.exists(f"{self._loaded}/{name}"):
            return True
        if state == "n" or (self._loadable is not None and (state == "m" or self._built_in is not None)):
            return False
        return None


def find(config: Config, release: str) -> Modules:
    """The modules of the kernel `release` (uname -r)."""
    return Modules(config, _LISTS.format(release=release))


def has_filesystem(name: str, modules: Modules, option: str, path: str = "/proc/filesystems") -> bool | None:
    """The same of a file system, which is a module of its own name."""
    content = text(path)
    if content is not None and any(line.split()[-1:] == [name] for line in content.split("\n")):
        return True
    return modules.has(name, option)


def _names(path: str) -> frozenset[str] | None:
    """Names of the modules in modules.builtin or modules.dep (depmod(8)): 'kernel/net/802/garp.ko.xz: ...' -> garp. None: unreadable."""
    content = text(path)
    if content is None:
        return None
    paths = (line.partition(":")[0] for line in content.split("\n"))
    return frozenset(path.rpartition("/")[2].partition(".ko")[0].replace("-", "_") for path in paths)
