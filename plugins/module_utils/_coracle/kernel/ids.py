# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Users and groups of a rootfs, read by our own parser: the host's NSS must not see them, and the image's NSS must not run (A06).

The files are hostile. A line that is not exactly passwd(5) or group(5) is skipped, never guessed at: a broken line gives nobody uid 0.
"""

from __future__ import annotations

import os

from ..base.errors import LauncherError
from ..base.text import MAX_ID, has_control, is_digits

MAX_BYTES = 1 << 20  # what the caller reads of each file at most

_USER_FIELDS, _GROUP_FIELDS = 7, 4


def resolve(user: str, group: str | None, passwd: bytes, group_file: bytes) -> tuple[int, int, str]:
    """Return (uid, gid, home) for a container's process.

    `user`, `group`: number or name. Without a group it is the one in the user's line, else the uid's own number; home is the one in the
    user's line, else '/'. LauncherError names the option.
    """
    uid, gid, home = lookup_user(passwd, user)
    if group is not None:
        gid = lookup_group(group_file, group)
    return uid, uid if gid is None else gid, home or "/"


def lookup_user(passwd: bytes, user: str) -> tuple[int, int | None, str | None]:
    """Return (uid, gid, home) of a name or a number in the bytes of /etc/passwd; gid and home are None for a number without a line."""
    wanted = _number(user)
    if wanted is None:
        _check_name(user, "user")
    for name, _password, raw_uid, raw_gid, _gecos, raw_home, _shell in _lines(passwd, _USER_FIELDS):
        uid, gid = _number(os.fsdecode(raw_uid)), _number(os.fsdecode(raw_gid))
        if uid is None or gid is None:
            continue
        if uid == wanted if wanted is not None else os.fsdecode(name) == user:
            return uid, gid, _home(raw_home)
    if wanted is None:
        raise _missing("user", user)
    return wanted, None, None


def lookup_group(group: bytes, name: str) -> int:
    """Return the gid of a name in the bytes of /etc/group, or of a number as it is."""
    wanted = _number(name)
    if wanted is not None:
        return wanted
    _check_name(name, "group")
    for found, _password, raw_gid, _members in _lines(group, _GROUP_FIELDS):
        gid = _number(os.fsdecode(raw_gid))
        if gid is not None and os.fsdecode(found) == name:
            return gid
    raise _missing("group", name)


def _lines(content, count):
    for line in content.split(b"\n"):
        fields = line.split(b":")
        if len(fields) == count and b"\0" not in line:
            yield fields


def _number(shown):
    """Return an id, None for anything but ASCII digits from 0 to 4294967294: 4294967295 is (uid_t)-1, "leave root as it is"."""
    if not is_digits(shown) or len(shown) > 10:
        return None
    number = int(shown)
    return number if number <= MAX_ID else None


def _check_name(name, option):
    """A number out of range, or digits of another script, is no name to look for: no line may give it a meaning."""
    if not name or name[0] in "+-" or name[0].isdigit() or ":" in name or has_control(name) or name != name.strip():
        raise LauncherError("is neither a number nor a name", option=option, value=name, remedy=f"Give a number from 0 to {MAX_ID}")


def _home(field):
    home = os.fsdecode(field)
    return home if home.startswith("/") and len(field) < 4096 and not has_control(home) else None


def _missing(option, name):
    return LauncherError(f"the rootfs has no such {option}", option=option, value=name, remedy="Give a number")
