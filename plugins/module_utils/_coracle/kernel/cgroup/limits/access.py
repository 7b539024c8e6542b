# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which devices may be used, as one more limit: the controller devices on v1, a BPF program on v2, which needs none (../devices.py)."""

from __future__ import annotations

import errno

from .. import devices
from .row import Files, Row

_OPTION = "devices"


class _Access(Row):
    def controller(self, place):
        return None if place.unified else "devices"

    def check(self, value, place):
        place.require(self.controller(place), _OPTION, value)
        if place.unified:
            devices.check_v2(place.layout.unified)

    def claims(self, value, place):
        return [] if place.unified else [("devices.allow", ""), ("devices.deny", "")]

    def writes(self, value, place):
        return [("devices.list", ", ".join(value))]

    def kept(self, value, place):
        return value

    def read(self, place, asked=None):
        directory = place.directory(self.controller(place))
        if directory is None:
            return None
        try:
            return devices.read_v2(directory) if place.unified else devices.read_v1(directory)
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.EBADF):  # not there, or no cgroup
                return None
            raise

    def put(self, value, place, journal):
        before = self.read(place)
        if before != value:
            directory = place.directory(self.controller(place))
            write = devices.write_v2 if place.unified else devices.write_v1
            write(directory, value)
            journal.append((write, directory, before))


ROWS = (_Access(_OPTION, Files("devices", (), None, None), Files("", (), None, None), lambda value: devices.parse(value, _OPTION)),)
