# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which devices the processes of one cgroup may use: the devices controller of v1, a BPF program of ours on v2. Rules as in device_rules.py.

No restriction is read and written as ALL. To undo a write, write what was read before.
"""

from __future__ import annotations

import errno
import os

from ...base import files
from ...base.errors import LauncherError
from .. import bpf
from . import device_program, device_rules

ALL = device_rules.ALL
parse = device_rules.parse

_OPTION = "devices"
_PROG_TYPE_CGROUP_DEVICE = 15  # enum bpf_prog_type
_CGROUP_DEVICE = 6  # enum bpf_attach_type
# Name of the program and of the map beside it that holds its rules as text: how we know it again and what it does, without a file of ours.
# Its instructions cannot be read back on a hardened host (net.core.bpf_jit_harden=2 with kernel.kptr_restrict=2).
_NAME = "coracle_devices"
_MAX_TEXT = 1 << 20


# --- v1


def read_v1(directory: str) -> list[str]:
    """What the cgroup at `directory` of the devices controller allows, as parse() writes it. OSError as open(2)."""
    return device_rules.render(_listed(directory))


def write_v1(directory: str, rules: list[str]) -> None:
    """Allow what parse() returned, and nothing else. LauncherError names file and errno; then all is as it was.

    What is new is allowed before what has to go is denied; a cgroup that was not restricted allows nothing for a moment.
    """
    before = _listed(directory)
    try:
        _converge(directory, before, device_rules.merge(rules))
    except OSError as error:
        try:
            _converge(directory, _listed(directory), before)
        except OSError:
            pass  # the cgroup is gone; the first error is the one to report
        raise _refused(error, f"controller devices: the kernel refused {error.filename}", rules, _V1_REMEDY) from error


def _listed(directory):
    return device_rules.merge(filter(None, files.read_text(f"{directory}/devices.list").split("\n")))


def _converge(directory, have, want):
    """Write each difference. 'a' changes between a list of what is allowed and no list; the kernel takes it only without cgroups below."""
    if device_rules.is_all(want):
        files.write_text(f"{directory}/devices.allow", "a")
        return
    if device_rules.is_all(have):
        files.write_text(f"{directory}/devices.deny", "a")
        have = {}
    for name, some, others in (("devices.allow", want, have), ("devices.deny", have, want)):
        for key, access in some.items():
            differing = access - others.get(key, frozenset())
            if differing:
                files.write_text(f"{directory}/{name}", device_rules.line(key, differing))


# --- v2


def check_v2(root: str) -> None:
    """LauncherError when this kernel cannot restrict devices in the v2 hierarchy mounted at `root`, or does not let us."""
    cgroup = files.open_directory(root)
    try:
        bpf.query(cgroup, _CGROUP_DEVICE)
    except OSError as error:
        raise _refused(error, f"the kernel cannot tell the device programs of {root}", None, _V2_REMEDY) from error
    finally:
        os.close(cgroup)


def read_v2(directory: str) -> list[str] | None:
    """What our program on the v2 cgroup `directory` allows, as parse() writes it; ALL without one. Programs of others are not looked at.

    None is not known: where check_v2() fails, and when a run that was killed between attach and detach left two. OSError as open(2).
    """
    cgroup = files.open_directory(directory)
    try:
        found = _ours(cgroup)
    except OSError as error:
        if error.errno in (errno.ENOSYS, errno.EINVAL, errno.EPERM):
            return None
        raise
    finally:
        os.close(cgroup)
    if len(found) > 1:
        return None
    return found[0][1] if found else list(ALL)


def write_v2(directory: str, rules: list[str]) -> None:
    """Allow what parse() returned, and nothing else: attach a program in the place of ours, or take ours away for ALL.

    LauncherError names the errno; then all is as it was. The program goes with the cgroup. OSError as open(2).
    """
    cgroup = files.open_directory(directory)
    try:
        ours = [number for number, _rules in _ours(cgroup)]
        if rules == ALL:
            _detach(cgroup, ours)
        else:
            _attach(cgroup, bpf.with_memory(lambda: _load(rules)), ours)
    except OSError as error:
        raise _refused(error, f"the kernel refused a device program on {directory}", rules, _V2_REMEDY) from error
    finally:
        os.close(cgroup)


def _ours(cgroup):
    """[(id, rules)] of our programs on this cgroup, in the order in which they were attached."""
    found = []
    for number in bpf.query(cgroup, _CGROUP_DEVICE):
        try:
            program = bpf.program_by_id(number)
        except FileNotFoundError:
            continue  # replaced meanwhile
        try:
            known = bpf.describe(program)
        finally:
            os.close(program)
        rules = _rules_of(known) if (known.kind, known.name) == (_PROG_TYPE_CGROUP_DEVICE, _NAME) else None
        if rules is not None:
            found.append((number, rules))
    return found


def _rules_of(program):
    """The rules in the map of a program; None when they are not there: then it is not ours."""
    for number in program.maps:
        value = bpf.read_map(number, _NAME, _MAX_TEXT)
        if value is not None:
            try:
                return device_rules.parse(list(filter(None, value.decode("ascii", "replace").split("\n"))))
            except LauncherError:
                return None
    return None


def _load(rules):
    """A descriptor of a program for `rules`, not attached yet."""
    if len(rules) > device_program.MAX_RULES:
        raise _too_many(rules)
    kept_map = bpf.create_map(_NAME, ("\n".join(rules) + "\n").encode())
    try:
        return bpf.load(_PROG_TYPE_CGROUP_DEVICE, _NAME, device_program.build(rules, kept_map))
    except OSError as error:
        if error.errno != errno.E2BIG:
            raise
        raise _too_many(rules) from error
    finally:
        os.close(kept_map)  # the program holds on to it


def _attach(cgroup, program, ours):
    """Attach `program` and take away `ours` (ids); at no moment is there none. Closes `program`."""
    try:
        replaced = bool(ours) and _replace(cgroup, program, ours[0])
        if not replaced:
            bpf.attach(cgroup, program, _CGROUP_DEVICE)
        _detach(cgroup, ours[1:] if replaced else ours)
    finally:
        os.close(program)


def _replace(cgroup, program, number):
    """False before Linux 5.6, where a program cannot take another one's place."""
    old = bpf.program_by_id(number)
    try:
        bpf.attach(cgroup, program, _CGROUP_DEVICE, old)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        return False
    finally:
        os.close(old)
    return True


def _detach(cgroup, numbers):
    for number in numbers:
        try:
            program = bpf.program_by_id(number)
        except FileNotFoundError:
            continue
        try:
            bpf.detach(cgroup, program, _CGROUP_DEVICE)
        finally:
            os.close(program)


# --- errors

_V1_REMEDY = {
    errno.EPERM: "The cgroup above it does not allow that: allow it there first. And run it as root",
    errno.EACCES: "Run it as root, outside of any container",
    errno.EINVAL: "It has cgroups below it: on cgroup v1 a cgroup is restricted before others are made below it",
}
_V2_REMEDY = {
    errno.EPERM: "Run it as root, outside of any container. Or another tool has attached a program here or above that tolerates no second one",
    errno.EINVAL: "This kernel was built without CONFIG_CGROUP_BPF: leave devices out, or use another kernel",
    errno.ENOSYS: "This kernel was built without CONFIG_BPF_SYSCALL: leave devices out, or use another kernel",
    errno.E2BIG: f"Other tools have attached {bpf.MAX_PROGRAMS} programs to it, the most that the kernel takes",
    errno.ENOENT: "Something else changes the device programs of this cgroup at the same time: try again",
}


def _too_many(rules):
    return LauncherError(f"{len(rules)} rules are more than a program of the kernel can hold", option=_OPTION,
                         remedy="Use wildcards, as in 'c 136:* rw'")


def _refused(error, problem, rules, remedies):
    code = errno.errorcode.get(error.errno, str(error.errno))
    shown = rules if rules is None or len(rules) <= 8 else f"{len(rules)} rules"
    return LauncherError(f"{problem}: {os.strerror(error.errno)} ({code})", option=_OPTION, value=shown, remedy=remedies.get(error.errno))
