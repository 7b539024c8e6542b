# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module container_exec as run.py wants it: read, plan, apply, result. The work is in execute.py of the core; here the launcher's code is
brought to the host, which enters the container."""

from __future__ import annotations

import typing as t

from ansible.module_utils.common.warnings import warn

from .._coracle.model.change import Change
from .._coracle.work import execute
from . import launcher
from .run import failure

Options = dict[str, t.Any]


def spec() -> dict[str, t.Any]:
    """Keyword arguments of AnsibleModule for `container_exec`."""
    return {
        "argument_spec": {
            "name": {"type": "str", "required": True},
            "argv": {"type": "list", "elements": "str"},
            "command": {"type": "str"},
            "chdir": {"type": "str"},
            "user": {"type": "str"},
            "env": {"type": "dict"},
            "stdin": {"type": "str"},
            "stdin_add_newline": {"type": "bool", "default": True},
            "stdin_base64": {"type": "str"},
            "strip_empty_ends": {"type": "bool", "default": True},
            "timeout": {"type": "float"},
            "max_output": {"type": "str", "default": "4M"},
            "creates": {"type": "str"},
            "removes": {"type": "str"},
        },
        "mutually_exclusive": [("argv", "command"), ("stdin", "stdin_base64")],
        "required_one_of": [("argv", "command")],
    }


def read(options: Options) -> execute.Command:
    """The command that is asked for."""
    return execute.read(options)


def plan(_options: Options, have: execute.Command) -> list[Change]:
    """The command, and before it the launcher when the host has not this very one; nothing when there is nothing to do."""
    changes = execute.plan(have)
    return launcher.plan_install() + changes if changes else []


def apply(_options: Options, have: execute.Command, changes: list[Change]) -> None:
    """Run the command. `changes` becomes what was done: without the command when it could not be run."""
    if any(change.option == "launcher" for change in changes):
        launcher.ensure_installed()
    execute.apply(have)
    if have.answer is not None and have.answer.error is not None:
        changes[:] = [change for change in changes if change.option == "launcher"]


def result(options: Options, have: execute.Command, changes: list[Change], checking: bool) -> dict[str, t.Any]:
    """The return values. In check mode what ansible.builtin.command does: only `creates` and `removes` can tell whether it would run."""
    values = execute.report(have, options["strip_empty_ends"])
    if values["truncated"]:
        warn(f"More than max_output={options['max_output']} was written: the rest of the output is lost")
    if have.answer is not None and have.answer.error is not None:
        values.update(failure(have.answer.error), failed=True)
    elif checking and changes:
        values["msg"] = "Command would have run if not in check mode"
        if not have.depends:
            values["skipped"] = True
            changes.clear()
    return values
