# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One difference between what is asked and what is there, and what it costs to remove it. Pure: nothing is read or changed here."""

from __future__ import annotations

LIVE = "live"
RESTART = "restart"
RECREATE = "recreate"
CREATE = "create"
REMOVE = "remove"


class Change:
    """`option`: the name users know. `before`, `after`: normalised values, None for "nothing there". `action`: one of the words above."""

    __slots__ = ("option", "before", "after", "action", "why")

    def __init__(self, option, before, after, action, why=""):
        self.option = option
        self.before = before
        self.after = after
        self.action = action
        self.why = why

    def __repr__(self):
        return f"Change({self.option!r}, {self.before!r}, {self.after!r}, {self.action!r}, {self.why!r})"

    def __eq__(self, other):
        return isinstance(other, Change) and self.as_dict() == other.as_dict()

    __hash__ = None  # mutable values inside

    def as_dict(self) -> dict:
        """Return it as modules return it in `changes`."""
        return {"option": self.option, "before": self.before, "after": self.after, "action": self.action, "why": self.why}


def as_diff(changes) -> dict:
    """Return Ansible's `diff`: two texts, a line for each changed option, in the order of `changes`."""
    def lines(side):
        return "".join(f"{change.option}: {getattr(change, side)}\n" for change in changes if getattr(change, side) is not None)
    return {"before": lines("before"), "after": lines("after")}
