# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A program of type BPF_PROG_TYPE_CGROUP_DEVICE out of device rules: what the devices controller is on cgroup v2. Bytes only; no I/O.

Instructions are struct bpf_insn of <linux/bpf.h>, the context is struct bpf_cgroup_dev_ctx. It runs for each access of each process in
the cgroup; returning 1 allows it, and so must those of all cgroups above.
"""

from __future__ import annotations

import struct

from . import device_rules

MAX_RULES = 4000  # of 8 instructions each: a jump reaches 32767

# Registers: r1 comes with the context and is free then; r2..r5 keep what is asked for.
_R0, _R1, _KIND, _ACCESS, _MAJOR, _MINOR = range(6)

# <linux/bpf_common.h>, <linux/bpf.h>: class | operation | source
_LOAD_WORD, _LOAD_64, _MOVE, _COPY, _AND, _SHIFT_RIGHT, _JUMP_UNEQUAL, _EXIT = 0x61, 0x18, 0xB7, 0xBF, 0x57, 0x77, 0x55, 0x95
_PSEUDO_MAP_FD = 1

_KINDS = {"b": 1, "c": 2}  # BPF_DEVCG_DEV_*
_BITS = {"m": 1, "r": 2, "w": 4}  # BPF_DEVCG_ACC_*
_WORD = 0xFFFF


def build(rules: list[str], kept_map: int) -> bytes:
    """Return the program for what parse() returned, at most MAX_RULES. It holds on to the map with the descriptor `kept_map`, unread.

    Where the major number is known only its own rules are asked: the kernel's verifier walks every way through the program and gives up
    after a million steps, which it reaches at 400 rules that are asked one after the other.
    """
    wild: list[bytes] = []
    majors: dict[tuple[str, int], list] = {}
    for (kind, major, minor), access in sorted(device_rules.merge(rules).items()):
        if major != device_rules.ANY:
            majors.setdefault((kind, major), []).append((minor, access))
        else:
            allow = _allow(access)
            wild.append(_test(_KIND, _KINDS[kind], allow if minor == device_rules.ANY else _test(_MINOR, minor, allow)))
    return b"".join([
        _line(_LOAD_WORD, _KIND, source=_R1, offset=0),  # access << 16 | kind
        _line(_LOAD_WORD, _MAJOR, source=_R1, offset=4),
        _line(_LOAD_WORD, _MINOR, source=_R1, offset=8),
        _line(_COPY, _ACCESS, source=_KIND),
        _line(_AND, _KIND, value=_WORD),
        _line(_SHIFT_RIGHT, _ACCESS, value=16),
        _line(_LOAD_64, _R1, source=_PSEUDO_MAP_FD, value=kept_map), _line(0, 0),
        *wild,
        *[_test(_KIND, _KINDS[kind], _test(_MAJOR, major, _minors(some))) for (kind, major), some in majors.items()],
        _DENY,
    ])


def _minors(rules):
    """Decide by the rules of one major number, '*' first: [(minor, access)]. What no way leads to would not be accepted."""
    code = b""
    for minor, access in rules:
        allow = _allow(access)
        if minor == device_rules.ANY:
            code += allow
        else:
            code += _test(_MINOR, minor, allow if allow == _ALLOW else allow + _DENY)
    return code if code == _ALLOW else code + _DENY


def _allow(access):
    """Return 1 when nothing else than `access` is asked for."""
    if set(access) == set(_BITS):
        return _ALLOW
    others = _WORD & ~sum(_BITS[letter] for letter in access)
    return _line(_COPY, _R1, source=_ACCESS) + _line(_AND, _R1, value=others) + _test(_R1, 0, _ALLOW)


def _test(register, value, then):
    """Run the instructions `then` when the register holds `value`, else go on behind them."""
    return _line(_JUMP_UNEQUAL, register, offset=len(then) // 8, value=value) + then


def _line(code, register, source=0, offset=0, value=0):
    return struct.pack("<BBhi", code, register | source << 4, offset, value)


_ALLOW = _line(_MOVE, _R0, value=1) + _line(_EXIT, 0)
_DENY = _line(_MOVE, _R0, value=0) + _line(_EXIT, 0)
