# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's part of the module veth_bridge: when the host's own connection has moved, it is confirmed through a new one.

The module answers `confirm` then: a file on the host that waits to be removed. Whoever finds it gone comes too late: the host has put
everything back. The connection over which the module ran proves nothing, since it may live on where no new one can be made.
"""

from __future__ import annotations

import shlex
import time
import typing as t

from ansible.errors import AnsibleActionFail, AnsibleConnectionFailure
from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.action import ActionBase

_MODULE = "coracle.launcher.veth_bridge"
_AGAIN = 1.0  # seconds between two attempts
_AFTERWARDS = 30.0  # seconds in which a host that has put everything back should answer


class ActionModule(ActionBase):
    """Run the module, and confirm what waits for it."""

    TRANSFERS_FILES = False
    _supports_check_mode = True
    _supports_async = True

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        """Return the module's result."""
        result: dict[str, t.Any] = super().run(tmp, task_vars)
        in_background = bool(self._task.async_val) and not self._connection.has_native_async
        if in_background and boolean(self._task.args.get("uplink_move_addresses") or False, strict=False):
            raise AnsibleActionFail("A move of the host's own addresses cannot be confirmed in the background: run the task without async.")
        found = self._execute_module(module_name=_MODULE, task_vars=task_vars, wrap_async=in_background)
        waiting = found.pop("confirm", None)
        if waiting is not None:
            found = self._confirmed(found, waiting, task_vars)
        result.update(found)
        if not in_background:
            self._remove_tmp_path(self._connection._shell.tmpdir)
        return result

    def _confirmed(self, found: dict[str, t.Any], waiting: dict[str, t.Any], task_vars: dict[str, t.Any] | None) -> dict[str, t.Any]:
        """The result after a confirmation; a failure when the host has put everything back. AnsibleConnectionFailure: it does not answer."""
        if not self._confirm(waiting):
            return {
                "failed": True, "changed": False,
                "msg": f"uplink: no new connection could be made within {waiting['seconds']} s, and the host has put everything back. "
                       "Look at the network behind the NIC (VLANs, filters), and at the host's own filters, which may name the NIC.",
            }  # fmt: skip
        if self._task.args.get("state") == "absent":
            # A bridge that is empty now stayed until this moment.
            now = self._execute_module(module_name=_MODULE, task_vars=task_vars)
            found.update({key: value for key, value in now.items() if key not in ("changed", "changes", "diff", "invocation")})
        return found

    def _confirm(self, waiting: dict[str, t.Any]) -> bool:
        """Log in anew and remove the file; False when it is gone. The host's clock began first, so ours never ends before it."""
        path, token = shlex.quote(waiting["path"]), shlex.quote(waiting["token"])
        deadline = time.monotonic() + waiting["seconds"] + _AFTERWARDS
        while True:
            try:
                self._connection.reset()
                return bool(self._low_level_execute_command(f"grep -qx {token} {path} && rm {path}")["rc"] == 0)
            except AnsibleConnectionFailure:
                if time.monotonic() > deadline:
                    raise
            time.sleep(_AGAIN)
