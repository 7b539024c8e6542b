# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Brings the launcher to the host with the first module that needs it: the code of this very run, out of the zip that Ansible sent."""

from __future__ import annotations

from .._coracle.model.change import CREATE, LIVE, Change
from .._coracle.work import install


def plan_install() -> list[Change]:
    """The change that makes the host's launcher the one of this run; [] when it is."""
    digest, _sources = install.own()
    before = install.installed()
    if before == digest:
        return []
    why = "the host has no launcher" if before is None else "the host has another version of the launcher"
    return [Change("launcher", before, digest, CREATE if before is None else LIVE, why)]


def ensure_installed() -> None:
    """Install the code of this run unless it is there already."""
    digest, sources = install.own()
    if install.installed() != digest:
        install.install(digest, sources)


def everything() -> None:
    """Called by nobody. Ansible sends a module with the files that it sees imported, here also: all that the host's launcher consists of,
    and of the core what one of the modules that bring it needs beside; else their launchers would differ. Nothing of it is loaded here."""
    from .._coracle.doors import command  # noqa: F401
    from .._coracle.work import execute  # noqa: F401
