# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's part of the module fleet_table, which is all of it."""

from __future__ import annotations

import typing as t

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ..plugin_utils import declarations, table


class ActionModule(ActionBase):
    """Print one table of what all hosts of the play said."""

    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        """Return the counts, after the table was printed in one piece."""
        task_vars = task_vars or {}
        result: dict[str, t.Any] = super().run(tmp, task_vars)
        _unused, arguments = self.validate_argument_spec({
            "results": {"type": "str", "required": True},
            "hosts": {"type": "list", "elements": "str"},
        })
        hostvars = task_vars["hostvars"]
        hosts = arguments["hosts"] if arguments["hosts"] is not None else task_vars["ansible_play_hosts_all"]
        answers = [_answer(host, hostvars[host].get(arguments["results"]) if host in hostvars else None) for host in hosts]
        lines = table.fleet(answers)
        # One call, and not the result: callbacks print results as JSON, with \n in place of lines.
        Display().display("\n".join(["", *lines, ""]))
        result.update(
            changed=False,
            table=lines,
            hosts=len(answers),
            containers=sum(len(answer.containers or ()) for answer in answers),
            silent=[answer.host for answer in answers if answer.containers is None],
        )
        return result


def _answer(host: str, said: t.Any) -> table.Answer:
    """Return what `host` said, from the registered result of container_info."""
    values = declarations.plain(said) if said is not None else {}
    containers = values.get("containers")
    if isinstance(containers, list) and not values.get("failed"):
        return table.Answer(host, containers)
    reason = "unreachable" if values.get("unreachable") else "failed"
    message = values.get("msg")
    return table.Answer(host, None, f"{reason}: {message}" if message else "was not asked")
