# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""main() of every module: check mode, diff, result, and errors as messages. Nothing below this file knows the word check mode."""

from __future__ import annotations

import os
import typing as t

from ansible.module_utils.basic import AnsibleModule

from .._coracle.base.errors import LauncherError
from .._coracle.model.change import Change, as_diff
from . import bytecode

if t.TYPE_CHECKING:
    from collections.abc import Callable

    Options = dict[str, t.Any]


def run_module(
    spec: dict[str, t.Any],
    read: Callable[[Options], t.Any],
    plan: Callable[[Options, t.Any], list[Change]],
    apply: Callable[[Options, t.Any, list[Change]], None],
    result: Callable[[Options, t.Any, list[Change], bool], dict[str, t.Any]],
) -> None:
    """Read what the host has, plan the changes, apply them unless in check mode, and exit.

    `spec`: keyword arguments of AnsibleModule. `read(want)` -> have. `plan(want, have)` -> changes, without any effect.
    `apply(want, have, changes)`. `result(want, have, changes, checking)` -> the module's own return values.
    """
    module = AnsibleModule(supports_check_mode=True, **spec)
    want = module.params
    try:
        need_root()
        have = read(want)
        changes = plan(want, have)
        if changes and not module.check_mode:
            apply(want, have, changes)
        values = result(want, have, changes, module.check_mode)
    except LauncherError as error:
        module.fail_json(**failure(error))
    except OSError as error:
        module.fail_json(msg=system_message(error))
    if not module.check_mode:
        bytecode.keep(changing=bool(changes))
    module.exit_json(changed=bool(changes), changes=[change.as_dict() for change in changes], diff=as_diff(changes), **values)


def need_root() -> None:
    """LauncherError unless the module runs as root."""
    if os.geteuid() != 0:
        raise LauncherError(f"needs root, but runs as uid {os.geteuid()}", remedy="Add become: true to the task or the play")


def failure(error: LauncherError) -> dict[str, t.Any]:
    """The arguments of fail_json for `error`."""
    values: dict[str, t.Any] = {"msg": str(error)}
    if error.option is not None:
        values["option"] = error.option
    if error.remedy is not None:
        values["remedy"] = error.remedy
    needs_image = getattr(error, "needs_image", None)
    if needs_image:
        values["needs_image"] = needs_image  # for the action plugin, which then sends the archives
    return values


def system_message(error: OSError) -> str:
    """One line for a failure of the kernel that nobody further down could blame on an option: a full or read-only disk, no memory."""
    where = f" ({error.filename})" if error.filename else ""
    return f"the host refused: {error.strerror or error}{where}"
