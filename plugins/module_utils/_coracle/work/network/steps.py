# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Steps that the kernel may refuse: a refusal becomes a message about the option that asked for it."""

from __future__ import annotations

import errno
import os

from ...base.errors import LauncherError
from ...kernel.net import netlink, read


class Vanished(LauncherError):
    """What was there when we looked is gone: the kernel removes the interfaces of a dead namespace some milliseconds after it."""


_REMEDIES = {
    errno.EEXIST: "It appeared while we worked: run it again",
    errno.ENODEV: "It disappeared while we worked: run it again",
    errno.EOPNOTSUPP: "This kernel has no veth, no bridge, no VLAN filtering or no IPv6: load the module, or do without",
    errno.EACCES: "IPv6 is switched off there: set its sysctl disable_ipv6 to 0, or give no IPv6 address",
    errno.EPERM: "The task needs root with CAP_NET_ADMIN",
    errno.ELOOP: "An interface of this bridge is a bridge itself",
    errno.ENETUNREACH: "No address of the interface leads to this gateway",
    errno.EHOSTUNREACH: "No address of the interface leads to this gateway",
}


class Batch:
    """Messages for one socket, each with the option that asks for it."""

    __slots__ = ("_messages", "_asked")

    def __init__(self):
        self._messages: list[tuple[int, int, bytes]] = []
        self._asked: list[tuple[str, object, int]] = []

    def add(self, message: tuple[int, int, bytes], option: str, value, gone: int = 0) -> None:
        """Add one: (kind, flags, body). `gone`: the errno that says that what is to be removed is not there any more, which is fine."""
        self._messages.append(message)
        self._asked.append((option, value, gone))

    def set_link(self, index: int, option: str, value, **values) -> None:
        """Add one that changes a link; `values` as for netlink.link_message()."""
        self.add((netlink.RTM_SETLINK, 0, netlink.link_message(index=index, **values)), option, value)

    def send(self, route: netlink.Socket) -> None:
        """Send all that were added. LauncherError for the first that was refused; those after it are carried out all the same."""
        messages, asked = self._messages, self._asked
        self._messages, self._asked = [], []
        for number, (option, value, gone) in zip(route.batch(messages), asked):
            if number not in (0, gone):
                raise refusal(OSError(number, os.strerror(number)), option, value)


def step(option: str, value, call, *words, **values) -> None:
    """Make one step. LauncherError."""
    try:
        call(*words, **values)
    except OSError as error:
        raise refusal(error, option, value) from error


def refusal(error: OSError, option: str, value) -> LauncherError:
    """What is said of an error of the kernel."""
    kind = Vanished if error.errno == errno.ENODEV else LauncherError
    return kind(f"the kernel refused it: {error.strerror}", option=option, value=value, remedy=_REMEDIES.get(error.errno))


class about:  # noqa: N801  used as a function
    """Context manager: errors that name the option `bridge` name that of one interface, as interfaces[3].bridge."""

    __slots__ = ("_option",)

    def __init__(self, option: str):
        self._option = option

    def __enter__(self) -> None:
        return

    def __exit__(self, _kind, error, _traceback) -> None:
        if isinstance(error, LauncherError) and error.option == "bridge":
            error.option = self._option


def found(route: netlink.Socket, name: str, option: str) -> read.Link:
    """Return a link that must be there. Vanished."""
    link = read.link(route, name)
    if link is None:
        raise Vanished("disappeared while we worked", option=option, value=name, remedy="Run it again")
    return link
