# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a list of device rules means, and that the program built of it decides so: an interpreter and a second reading of the rules."""

from __future__ import annotations

import itertools
import struct

import pytest
from hypothesis import given, settings, strategies

from ansible_collections.coracle.launcher.plugins.module_utils._coracle.base.errors import LauncherError
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.kernel.cgroup import device_program, device_rules


def allows(rules, kind, major, minor, access):
    """What devices.allow of cgroup v1 keeps of these rules, and whether one of them fits (device_cgroup.c)."""
    kept = {}
    for rule in rules:
        letter, numbers, letters = rule.split()
        for one in "bc" if letter == "a" else letter:
            kept.setdefault((one, numbers), set()).update(letters)
    return any(one == kind and numbers in (f"{major}:{minor}", f"{major}:*", f"*:{minor}", "*:*") and set(access) <= letters
               for (one, numbers), letters in kept.items())


def run_bpf(program, kind, major, minor, access):
    """Interprets the few instructions of the builder (Documentation/bpf/standardization/instruction-set.rst); returns r0 at the end."""
    bits = {"m": 1, "r": 2, "w": 4}
    context = struct.pack("<III", sum(bits[letter] for letter in access) << 16 | {"b": 1, "c": 2}[kind], major, minor)
    lines = list(struct.iter_unpack("<BBhi", program))
    registers, position = {1: "context"}, 0
    while True:
        code, both, offset, value = lines[position]
        target, source = both & 15, both >> 4
        position += 1
        if code == 0x61:
            assert registers[source] == "context"
            registers[target] = struct.unpack_from("<I", context, offset)[0]
        elif code == 0x18:
            assert (source, lines[position]) == (1, (0, 0, 0, 0))
            registers[target] = "map"
            position += 1
        elif code == 0xB7:
            registers[target] = value
        elif code == 0xBF:
            registers[target] = registers[source]
        elif code == 0x57:
            registers[target] &= value
        elif code == 0x77:
            registers[target] >>= value
        elif code == 0x55:
            assert offset >= 0 and isinstance(registers[target], int)
            position += offset if registers[target] != value else 0
        else:
            assert code == 0x95
            return registers[0]


def reached(program):
    """Positions that some way leads to; the kernel refuses a program with others."""
    lines = list(struct.iter_unpack("<BBhi", program))
    found, todo = set(), [0]
    while todo:
        position = todo.pop()
        if position in found:
            continue
        found.add(position)
        code, _registers, offset, _value = lines[position]
        if code == 0x18:
            found.add(position + 1)
        if code != 0x95:
            todo += [position + (2 if code == 0x18 else 1)] + ([position + 1 + offset] if code == 0x55 else [])
    return found


rule_texts = strategies.builds("{} {}:{} {}".format, strategies.sampled_from("abc"), strategies.sampled_from(["*", "1", "8"]),
                               strategies.sampled_from(["*", "0", "3"]), strategies.sampled_from(["r", "w", "m", "rw", "wm", "mr", "rwm", "mmm"]))
rule_lists = strategies.lists(rule_texts, max_size=7)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(rules=rule_lists)
def test_rules_and_program_decide_what_v1_decides(rules):
    parsed = device_rules.parse(rules)
    program = device_program.build(parsed, 7) if parsed != device_rules.ALL else None
    assert device_rules.parse(parsed) == parsed == device_rules.parse(list(reversed(rules)))
    for kind, major, minor, access in itertools.product("bc", (1, 9), (0, 3), ("", "r", "m", "rw")):
        expected = allows(rules, kind, major, minor, access)
        assert allows(parsed, kind, major, minor, access) == expected
        assert program is None or run_bpf(program, kind, major, minor, access) == int(expected)
    if program is not None:
        assert reached(program) == set(range(len(program) // 8))


@pytest.mark.parametrize("value, expected", [
    ([], []),
    (["c 1:3 rwm"], ["c 1:3 rwm"]),
    (["c 1:3 w", "c 01:3 mr"], ["c 1:3 rwm"]),
    (["c 1:5 r", "c 1:* rw", "c 1:3 m"], ["c 1:* rw", "c 1:3 m"]),
    (["a *:* r"], ["b *:* r", "c *:* r"]),
    (["a *:* rwm"], device_rules.ALL),
    (["c 1:3 r", "c *:* rwm", "b *:* mwr"], device_rules.ALL),
    (["c 10:0 r", "c 9:0 r", "b 9:0 r"], ["b 9:0 r", "c 9:0 r", "c 10:0 r"]),
])
def test_one_way_of_writing_rules(value, expected):
    assert device_rules.parse(value) == expected


@pytest.mark.parametrize("value", ["c 1:3 rwm", None, {}, [1], [None], [""], ["c 1:3"], ["c 1:3 rwx"], ["d 1:3 r"], ["c 1 r"], ["c 1:3: r"], ["c :3 r"],
                                   ["c -1:3 r"], ["c +1:3 r"], ["c 1:1048576 r"], ["c 4096:0 r"], ["c 1:³ r"], ["c **:0 r"], ["c 1:3 r w"],
                                   ["c 1:3 rwm", "/dev/null"], ["c " + "9" * 5000 + ":0 r"]])
def test_what_is_no_rule(value):
    with pytest.raises(LauncherError) as caught:
        device_rules.parse(value, "devices")
    assert caught.value.option == "devices" and caught.value.remedy


@pytest.mark.parametrize("rules", [[f"c 100:{number} rw" for number in range(device_program.MAX_RULES)],
                                   [f"c {number}:{number} r" for number in range(device_program.MAX_RULES)]])
def test_the_largest_program_can_be_built(rules):
    assert run_bpf(device_program.build(rules, 7), "c", 100, 100, "r") == 1
