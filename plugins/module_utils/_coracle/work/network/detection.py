# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether another machine on the bridges has an address that is about to be added: asked on all pairs at once, in 2 to 4 seconds."""

from __future__ import annotations

from ...base.errors import LauncherError
from ...kernel.net import netns, probe
from ...model import network as model
from .pairs import Pairs


def configure(works: list[Pairs]) -> None:
    """Give the inner ends their addresses and routes, unless another machine has a new address. LauncherError names it; OSError."""
    asking: dict[probe.Prober, model.Nic] = {}
    try:
        for work in works:
            asked = [nic for nic in work.wanted if nic.up is not False and work.inner.missing(nic)]  # without a carrier nobody answers
            with netns.inside(work.namespace):
                for nic in asked:
                    inner = work.inner.look(nic.interface_name, f"{nic.where}interface_name")
                    asking[probe.Prober(nic.interface_name, inner.mac, work.inner.missing(nic))] = nic
            work.inner.add_detected(asked)
        found = probe.conflict(list(asking)) if asking else None
        if found is not None:
            raise _conflict(asking[found.prober], found)
        for work in works:
            work.inner.configure(work.wanted)
        for prober in asking:
            prober.announce()
    finally:
        for prober in asking:
            prober.close()


def _conflict(nic: model.Nic, found: probe.Conflict) -> LauncherError:
    owner = f"the machine with the MAC address {found.mac}" if found.mac else "another machine"
    return LauncherError(f"is in use by {owner} on {nic.bridge}", option=f"{nic.where}addresses", value=found.address,
                         remedy="Give an address that no other machine has")
