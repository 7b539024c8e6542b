# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The limits of block devices: a weight for all, and rates for each. `blkio` on v1, `io` on v2."""

from __future__ import annotations

import errno
import os
import stat

from ....base import files, text
from ....base.errors import LauncherError
from .row import Files, Row, integer

_LEAST, _MOST = 10, 1000
_IOPS_MOST = (1 << 32) - 2  # 2^32 - 1 operations are the kernel's word for no limit


class _Weight(Row):
    """The same number in each file that there is: all of them have 100 by default (blkio.weight of the scheduler cfq, gone with Linux 5.0,
    had 500). Which one counts depends on the scheduler of the device, so as systemd does, both of v2 are written."""

    def files(self, place):
        """Chosen by what the kernel has. LauncherError naming the scheduler when it has none."""
        found = super().files(place)
        names = tuple(name for name in found.names if self._has(place, found.controller, name))
        if not names:
            raise LauncherError(f"controller {found.controller}: this kernel has no {' or '.join(found.names)}, since no scheduler of "
                                "block devices here knows weights", option=self.option,
                                remedy="Load bfq (modprobe bfq) and choose it: echo bfq > /sys/block/DEVICE/queue/scheduler")
        return Files(found.controller, names, lambda value, _place: (str(value),) * len(names), lambda texts, _place: _first(texts[0]))

    def read(self, place, asked=None):
        try:
            found = self.files(place)
        except LauncherError:
            return None
        texts = [place.read(found.controller, name) for name in found.names]
        if None in texts:
            return None
        return next((number for number in map(_first, texts) if number != asked), asked)

    def undo(self, name, written, before, place):
        return str(_first(before))

    def _has(self, place, controller, name):
        directory = place.directory(controller)
        if directory is None:
            return True  # that the controller is missing is the error to report
        if os.path.isdir(directory) and any(os.path.exists(f"{directory}/{file}") for file in ("io.stat", "blkio.reset_stats")):
            return os.path.exists(f"{directory}/{name}")
        return self._will_have(place, name)

    def _will_have(self, place, name):
        """For a cgroup that is not there yet: weights are not in the root, but other files of the same scheduler are."""
        if name == "io.weight":
            return os.path.exists(f"{place.layout.unified}/io.cost.qos")
        if name == "io.bfq.weight":
            return any("bfq" in words for words in _schedulers())
        mount = place.layout.mounts["blkio"]
        return os.path.exists(f"{mount}/{'blkio.leaf_weight' if name == 'blkio.weight' else 'blkio.bfq.io_service_bytes'}")


def _first(shown):
    """'100', or 'default 100' and lines of devices -> 100."""
    return int(shown.split("\n")[0].split()[-1])


def _schedulers():
    """Which schedulers each device could use."""
    for device in os.listdir("/sys/block"):
        try:
            yield files.read_text(f"/sys/block/{device}/queue/scheduler").replace("[", " ").replace("]", " ").split()
        except OSError:
            continue


class _Rates(Row):
    """[{path, rate}] of whole disks; only those that are listed are compared and written. text.UNLIMITED takes a limit away.

    v1 has a file for each direction and unit, with a line 'MAJOR:MINOR RATE' for each device; io.max of v2 has one line for all four.
    """

    def __init__(self, option: str, word: str):
        _device, direction, self.unit = option.split("_")
        v1 = Files("blkio", (f"blkio.throttle.{direction}_{self.unit}_device",), None, None)
        super().__init__(option, v1, Files("io", ("io.max",), None, None), self._normalise)
        self.word = word

    def _normalise(self, value):
        rates, seen = [], set()
        for entry in value:
            path, rate = entry["path"], entry["rate"]
            number = _number(path, self.option)
            if number in seen:
                raise LauncherError("is given twice", option=self.option, value=path, remedy="Give each device once")
            seen.add(number)
            size = text.parse_size(rate, self.option) if self.unit == "bps" else text.parse_integer(rate, self.option, -1, _IOPS_MOST)
            if size == 0:
                raise LauncherError("lets nothing through", option=self.option, value=rate,
                                    remedy="Give a rate per second, or -1 for no limit")
            rates.append({"path": path, "rate": size})
        return rates

    def check(self, value, place):
        place.require(self.controller(place), self.option, value)

    def claims(self, value, place):
        [name] = self.files(place).names
        return [(name, f"{_number(entry['path'], self.option)} {self.word if place.unified else ''}") for entry in value]

    def writes(self, value, place):
        [name] = self.files(place).names
        return [(name, self._line(_number(entry["path"], self.option), entry["rate"], place)) for entry in value]

    def _line(self, number, rate, place):
        if place.unified:
            return f"{number} {self.word}={'max' if rate == text.UNLIMITED else rate}"
        return f"{number} {'0' if rate == text.UNLIMITED else rate}"

    def kept(self, value, place):
        return value

    def read(self, place, asked=None):
        kept = self.files(place)
        shown = place.read(kept.controller, kept.names[0])
        if shown is None:
            return None
        have = self._parse(shown, place)
        if asked is None:
            return [{"path": _name(number), "rate": rate} for number, rate in have.items()]
        return [{"path": entry["path"], "rate": have.get(_number(entry["path"], self.option), text.UNLIMITED)} for entry in asked]

    def _parse(self, shown, place):
        """{'8:0': rate} of the devices that have one."""
        have = {}
        for line in filter(None, shown.split("\n")):
            number, *words = line.split()
            if place.unified:
                words = [word.partition("=")[2] for word in words if word.startswith(f"{self.word}=")]
            if words and words[0] != "max":
                have[number] = int(words[0])
        return have

    def undo(self, name, written, before, place):
        number = written.split()[0]
        return self._line(number, self._parse(before, place).get(number, text.UNLIMITED), place)

    def remedy(self, error, place):
        if error.errno == errno.ENODEV:
            return "Name a whole disk: the kernel limits neither partitions nor devices without a queue of requests"
        return None


def _number(path, option):
    """'8:0' of a block device. LauncherError: not there, something else, a partition."""
    try:
        found = os.stat(path)
    except (OSError, ValueError) as error:
        raise LauncherError(f"no such device: {getattr(error, 'strerror', None) or error}", option=option, value=path,
                            remedy="Give the path of a disk, as /dev/sda") from error
    if not stat.S_ISBLK(found.st_mode):
        raise LauncherError("is no block device", option=option, value=path, remedy="Give the path of a disk, as /dev/sda")
    number = f"{os.major(found.st_rdev)}:{os.minor(found.st_rdev)}"
    if os.path.exists(f"/sys/dev/block/{number}/partition"):
        raise LauncherError("is a partition: the kernel limits whole disks", option=option, value=path,
                            remedy="Give the disk that it is on")
    return number


def _name(number):
    """'8:0' -> '/dev/sda', or the number when no such device is there any more."""
    try:
        lines = files.read_text(f"/sys/dev/block/{number}/uevent").split("\n")
    except OSError:
        return number
    return next((f"/dev/{line[8:]}" for line in lines if line.startswith("DEVNAME=")), number)


ROWS = (
    _Weight("blkio_weight",
            Files("blkio", ("blkio.bfq.weight", "blkio.weight"), None, None),
            Files("io", ("io.bfq.weight", "io.weight"), None, None),
            integer("blkio_weight", _LEAST, _MOST)),
    _Rates("device_read_bps", "rbps"),
    _Rates("device_write_bps", "wbps"),
    _Rates("device_read_iops", "riops"),
    _Rates("device_write_iops", "wiops"),
)
