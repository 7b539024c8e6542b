# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Landlock (Documentation/userspace-api/landlock.rst): a process gives up, for itself and all that it starts, whatever it does not need.

What a kernel can refuse grows with its ABI; here all of it is refused that is not named by a rule.
"""

from __future__ import annotations

import os
import stat
import sys

from ..base import libc

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

# <linux/landlock.h>
_VERSION = 1  # LANDLOCK_CREATE_RULESET_VERSION
_PATH_BENEATH = 1  # LANDLOCK_RULE_PATH_BENEATH
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR, _REMOVE_DIR, _REMOVE_FILE, _MAKE_CHAR, _MAKE_DIR, _MAKE_REG, _MAKE_SOCK, _MAKE_FIFO, \
    _MAKE_BLOCK, _MAKE_SYM, _REFER, _TRUNCATE, _IOCTL_DEV = (1 << number for number in range(16))
_NET_TCP = 3  # bind and connect
_SCOPES = 3  # abstract UNIX sockets and signals

READ = _EXECUTE | _READ_FILE | _READ_DIR
# No device node and no socket: nobody who unpacks an archive makes one.
WRITE = READ | _WRITE_FILE | _REMOVE_DIR | _REMOVE_FILE | _MAKE_DIR | _MAKE_REG | _MAKE_FIFO | _MAKE_SYM | _REFER | _TRUNCATE
DEVICE = _READ_FILE | _WRITE_FILE | _TRUNCATE
_OF_FILES = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL_DEV  # a rule for a file can have no other right

# Number of rights on files that each ABI knows; the last is for all later ones. Before ABI 2 every link and rename into another
# directory would be refused, also below a directory that may be written, so that one is no use.
_RIGHTS = {1: 0, 2: 14, 3: 15, 4: 15, 5: 16}


def abi() -> int:
    """Return the kernel's ABI, 0 when it has no Landlock or has it switched off."""
    try:
        return libc.landlock_create_ruleset(b"", _VERSION)
    except OSError:
        return 0


def confine(rules: Iterable[tuple[int, int]], version: int) -> bool:
    """Allow only what `rules` say from now on: (descriptor of a file or directory, READ, WRITE or DEVICE).

    `version`: what abi() returned, or less. Beyond that no TCP (ABI 4), and no signals and no abstract UNIX sockets to anybody outside
    (ABI 6). Needs no_new_privs. False, and nothing is confined, for an ABI that is too old.
    """
    handled = (1 << _RIGHTS[min(version, max(_RIGHTS))]) - 1 if version > 0 else 0
    if not handled:
        return False
    ruleset = libc.landlock_create_ruleset(_attributes(handled, version))
    try:
        for fd, rights in rules:
            if not stat.S_ISDIR(os.fstat(fd).st_mode):
                rights &= _OF_FILES
            libc.landlock_add_rule(ruleset, _PATH_BENEATH, _word(rights & handled) + fd.to_bytes(4, sys.byteorder))
        libc.landlock_restrict_self(ruleset)
    finally:
        os.close(ruleset)
    return True


def _attributes(handled: int, version: int) -> bytes:
    """struct landlock_ruleset_attr: handled_access_fs, handled_access_net, scoped."""
    words = [handled] + [_NET_TCP] * (version >= 4) + [_SCOPES] * (version >= 6)
    return b"".join(map(_word, words))


def _word(value: int) -> bytes:
    return value.to_bytes(8, sys.byteorder)
