# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one exception of the launcher. Raised anywhere, caught only by doors (the command) and the bridge to Ansible."""

from __future__ import annotations

# Exit codes of `coracle run` and `coracle exec`, as docker and podman use them: what a payload cannot return by itself.
HOST_FAILED = 125
CANNOT_EXECUTE = 126
NOT_FOUND = 127


class LauncherError(Exception):
    """What the user must change, in words for a person.

    `problem`: what is wrong, without a full stop. `option`, `value`: which option or settings key was given what (no secrets).
    `remedy`: what to do, a sentence without its full stop. `place`: file and line, as `settings:7`.
    `code`: exit status of `coracle run` and `coracle exec` (125 the host or coracle failed, 126, 127: execve).
    """

    def __init__(self, problem, *, option=None, value=None, remedy=None, place=None, code=HOST_FAILED):
        super().__init__(problem)
        self.problem = problem
        self.option = option
        self.value = value
        self.remedy = remedy
        self.place = place
        self.code = code

    def __str__(self):
        text = self.problem if self.option is None else f"{self.option}: {self.problem}"
        if self.option is not None and self.value is not None:
            text = f"{self.option}={self.value!r}: {self.problem}"
        if self.place:
            text = f"{self.place}: {text}"
        return f"{text}. {self.remedy}" if self.remedy else text


class SettingsError(LauncherError):
    """A settings file or an option that cannot be read."""


class ArchiveError(LauncherError):
    """An archive that is broken, hostile or too large."""
