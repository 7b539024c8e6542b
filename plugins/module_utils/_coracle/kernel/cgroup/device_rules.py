# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Device rules as docker and OCI write them: a list of what is allowed, all else is denied. Text only; no file is opened here.

'c 1:3 rw': character device, major and minor number ('*' any), to read, write, make a node (mknod). 'a' is block and character devices.
One rule must allow all of an access: with 'c 1:* r' and 'c 1:3 w' nothing can be opened for both (match_exception in device_cgroup.c).
"""

from __future__ import annotations

from ...base import text
from ...base.errors import LauncherError

ALL = ["a *:* rwm"]  # no restriction
ANY = -1  # '*'

_ACCESS = "rwm"
# Numbers that a dev_t of the kernel holds (MINORBITS of linux/kdev_t.h).
_MAX_MAJOR, _MAX_MINOR = (1 << 12) - 1, (1 << 20) - 1


def parse(value, option: str = "devices") -> list[str]:
    """Return rules in the one way of writing them: sorted, those of one device in one, without those that a wider one covers.

    LauncherError for what is no list of rules.
    """
    if not isinstance(value, (list, tuple)):
        raise LauncherError("is no list of device rules", option=option, value=value, remedy="Give a list, as ['c 1:3 rwm'], [] to allow none")
    return render(merge(value, option))


def merge(rules, option: str = "devices") -> dict[tuple[str, int, int], frozenset]:
    """{(b or c, major, minor): letters of rwm}; one entry for each device or wildcard that `rules` name. LauncherError as parse()."""
    merged: dict[tuple[str, int, int], frozenset] = {}
    for rule in rules:
        kinds, major, minor, access = _split(rule, option)
        for kind in kinds:
            merged[kind, major, minor] = merged.get((kind, major, minor), frozenset()) | access
    return merged


def render(merged: dict[tuple[str, int, int], frozenset]) -> list[str]:
    """The rules of what merge() returned, without those that a wider one covers."""
    if is_all(merged):
        return list(ALL)
    return [line(key, access) for key, access in sorted(merged.items()) if not _covered(key, access, merged)]


def is_all(merged: dict[tuple[str, int, int], frozenset]) -> bool:
    """True when it denies nothing."""
    return all(merged.get((kind, ANY, ANY)) == frozenset(_ACCESS) for kind in "bc")


def line(key: tuple[str, int, int], access) -> str:
    """One rule as text."""
    kind, *numbers = key
    return f"{kind} {':'.join('*' if number == ANY else str(number) for number in numbers)} {''.join(c for c in _ACCESS if c in access)}"


def _split(rule, option):
    """'a 8:* r' -> ('bc', 8, ANY, {'r'})."""
    words = rule.split() if isinstance(rule, str) else []
    if len(words) == 3 and words[0] in ("a", "b", "c") and words[2] and not set(words[2]) - set(_ACCESS):
        major, colon, minor = words[1].partition(":")
        if colon and _is_number(major, _MAX_MAJOR) and _is_number(minor, _MAX_MINOR):
            kinds = "bc" if words[0] == "a" else words[0]
            return kinds, *(ANY if word == "*" else int(word) for word in (major, minor)), frozenset(words[2])
    raise LauncherError("is no device rule", option=option, value=rule,
                        remedy="Write it as 'c 1:3 rwm': b, c or a (both), major:minor with * for any, and what is allowed of r, w and m (mknod)")


def _is_number(word, maximum):
    return word == "*" or (text.is_digits(word) and len(word) <= 8 and int(word) <= maximum)


def _covered(key, access, merged):
    kind, major, minor = key
    wider = {(kind, major, ANY), (kind, ANY, minor), (kind, ANY, ANY)} - {key}
    return any(access <= merged.get(other, frozenset()) for other in wider)
