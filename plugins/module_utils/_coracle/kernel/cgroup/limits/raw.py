# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""cgroup_conf: any file of a controller, by the kernel's name, and the text that is written there. Compared as the kernel shows it."""

from __future__ import annotations

from ....base import text
from ....base.errors import LauncherError
from .memory import NO_LIMIT, PAGE, parse_bytes
from .row import Files, Row

CONF = "cgroup_conf"
_MEMSW = "memory.memsw.limit_in_bytes"


class RawKey(Row):
    """One key of cgroup_conf; its value is a text. LauncherError for a name that is no controller's file."""

    def __init__(self, key: str):
        self.key, self._controller = key, raw_controller(key)
        kept = Files(self._controller, (key,), lambda value, _place: (value,), lambda texts, _place: texts[0])
        super().__init__(CONF, kept, kept, raw_text)

    def check(self, value, place):
        place.require(self._controller, CONF, self.key)

    def read(self, place, asked=None):
        have = super().read(place)
        return asked if have is not None and asked is not None and raw_same(self.key, asked, have) else have

    def goes_first(self, value, place):
        """As memory_swap on v1, see memory_more.py."""
        if self.key != _MEMSW:
            return False
        have, want = place.read("memory", _MEMSW), _as_bytes(value, True)
        if have is None or want is None or parse_bytes(have) == text.UNLIMITED:
            return False
        return want == text.UNLIMITED or want > int(have)

    def undo(self, name, written, before, place):
        return raw_undo(written, before)

    def shown(self, value):
        return {self.key: value}


# They open or close something for good, take part in no comparison, or act on the whole hierarchy.
_REFUSED = frozenset(("devices.allow", "devices.deny", "memory.force_empty", "memory.reclaim", "memory.pressure_level"))


def raw_controller(key: str) -> str:
    """Return the controller of a raw key. LauncherError for a name that is no controller's file, and for what cannot be read back."""
    controller, dot, rest = key.partition(".")
    if not dot or not rest or "/" in key or text.has_control(key) or controller == "cgroup":
        raise LauncherError(f"{key!r} is no file of a controller", option=CONF,
                            remedy="Use names as memory.high, never cgroup.* or a path")
    if key in _REFUSED:
        raise LauncherError(f"{key} cannot be read back, so it cannot be kept as asked", option=CONF, remedy="Remove it")
    return controller


def raw_text(value) -> str:
    """Return the text that is written for a raw value: one line, single spaces. Booleans are the kernel's 1 and 0."""
    shown = " ".join(str(int(value) if isinstance(value, bool) else value).split())
    if not isinstance(value, (int, str)):
        raise LauncherError("is neither text nor a whole number", option=CONF, value=value,
                            remedy="Give what is to be written, as 10 or '8:0 1048576'")
    if not shown.isascii() or text.has_control(shown):
        raise LauncherError("has a character that no file of the kernel takes", option=CONF, value=value, remedy="Remove it")
    return shown


def raw_same(key: str, want: str, have: str) -> bool:
    """True when the file `key` that reads `have` holds what writing `want` puts there.

    Sizes are compared in bytes, those of memory in whole pages, 'max' and -1 with the kernel's largest number; of a file with a line for
    each device only that device's counts; a file with its own value first and counters below (memory.oom_control) by its first line.
    """
    lines = have.split("\n")
    words = want.split()
    if want == have or any(line.split() == words for line in lines):
        return True
    if len(words) > 1:
        return _same_device(words, lines)
    shown = lines[0].split()
    if len(lines) > 1 or len(shown) == 2:
        return len(shown) == 2 and shown[1] == want
    paged = key.startswith("memory.") and key.endswith(("_in_bytes", ".max", ".high", ".low", ".min"))
    size = _as_bytes(want, paged)
    return size is not None and size == _as_bytes(have, paged)


def raw_undo(want: str, before: str) -> str:
    """Return what to write to take `want` back in a file that read `before`: its old value, or the old (or no) limit of that device."""
    words, lines = want.split(), before.split("\n")
    if len(words) > 1 and ":" in words[0]:
        for line in lines:
            if line.split()[:1] == words[:1]:
                return line
        return " ".join(words[:1] + [f"{word.split('=')[0]}=max" if "=" in word else "0" for word in words[1:]])
    return lines[0].split()[-1] if len(lines) > 1 else before


def _same_device(words, lines):
    for line in lines:
        shown = line.split()
        if shown[:1] == words[:1]:
            return all(word in shown for word in words)
    # No line for the device: no limit.
    return ":" in words[0] and all(word == "0" or word.endswith("=max") for word in words[1:])


def _as_bytes(word, paged):
    try:
        size = text.parse_size(word, CONF)
    except LauncherError:
        return None
    if size >= NO_LIMIT:
        return text.UNLIMITED
    return size // PAGE * PAGE if paged and size >= 0 else size
