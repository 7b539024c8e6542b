#!/usr/bin/env python
# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a container could leave behind on this host, written to a file and compared with one.

    snapshot.py save FILE
    snapshot.py compare FILE [--ignore PREFIX]... [--seconds 10]

compare prints each difference as one line, `+` for what is new, `-` for what is gone, `~` for what changed, and exits 1. It looks again until
nothing differs or the time is over, since the kernel takes namespaces and cgroups apart after the last process has gone.
--ignore leaves out the lines that begin so (after the sign), e.g. "file /usr/local/lib/coracle".
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import stat
import subprocess
import time

FILES = ("/etc", "/run/coracle", "/usr/local/lib/coracle", "/usr/local/sbin/coracle", "/var/lib/coracle")
CGROUP_FILES = (
    "cgroup.subtree_control", "cpu.cfs_quota_us", "cpu.max", "cpu.shares", "cpu.weight", "cpuset.cpus", "cpuset.mems", "memory.limit_in_bytes",
    "memory.max", "pids.max",
)  # fmt: skip
NOT_OURS = ("process_api", "user.slice")  # cgroups whose insides somebody else changes all the time
OURS = re.compile(r"/usr/local/(s?bin|lib)/coracle|/(run|var/lib)/coracle/")
NAMESPACES = ("cgroup", "ipc", "mnt", "net", "pid", "user", "uts")


def read(path):
    """Text, or None where the file is not, or not readable."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return None


def mountinfo():
    """(mount point, the fields before `-`, the fields after it) of each mount that this process sees."""
    for line in read("/proc/self/mountinfo").splitlines():
        left, right = (part.split() for part in line.split(" - ", 1))
        yield left[4], left, right


def cgroups():
    """Each directory of each hierarchy with its limits, named by where it is mounted."""
    found = {}
    for point, _left, right in mountinfo():
        if right[0] not in ("cgroup", "cgroup2"):
            continue
        for folder, below, files in os.walk(point):
            below[:] = [name for name in below if os.path.basename(folder) not in NOT_OURS]
            limits = {name: (read(os.path.join(folder, name)) or "").strip() for name in CGROUP_FILES if name in files}
            found[folder] = " ".join(f"{name}={value}" for name, value in sorted(limits.items()))
    return found


def ip(*arguments):
    output = subprocess.run(["ip", "-j", *arguments], check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
    return json.loads(output or b"[]")


def links():
    found = {}
    for link in ip("-d", "link", "show"):
        fields = {name: link.get(name) for name in ("master", "mtu", "address", "ifalias") if link.get(name)}
        fields["kind"] = link.get("linkinfo", {}).get("info_kind", "")
        fields["up"] = "UP" in link.get("flags", ())
        found[link["ifname"]] = " ".join(f"{name}={value}" for name, value in sorted(fields.items()))
    return found


def addresses():
    return {f"{link['ifname']} {one['local']}/{one['prefixlen']}": "" for link in ip("address", "show") for one in link.get("addr_info", ())}


def routes():
    found = {}
    for family in ("-4", "-6"):
        for route in ip(family, "route", "show", "table", "all"):
            names = ("type", "dst", "gateway", "dev", "table", "prefsrc", "metric")
            found[f"{family} " + " ".join(f"{name}={route[name]}" for name in names if name in route)] = ""
    return found


def mounts():
    """Without the numbers that the kernel gives anew: ids, devices, peer groups. The same mount twice counts as two.

    /run/netns on itself is left out: the first network namespace of a host puts it there, and `ip netns` leaves it for the next.
    """
    found = {}
    for point, left, right in mountinfo():
        if point == "/run/netns":
            continue
        propagation = ",".join(sorted(field.split(":")[0] for field in left[6:]))
        value = " ".join([left[3], left[5], propagation, *right])
        stacked = sum(key.split(" #")[0] == point for key in found)
        found[f"{point} #{stacked}" if stacked else point] = value
    return found


def network_namespaces():
    try:
        return dict.fromkeys(os.listdir("/run/netns"), "")
    except FileNotFoundError:
        return {}


def process_ids():
    return [name for name in os.listdir("/proc") if name.isdigit()]


def namespaces_of(pid):
    """{kind: identity}; empty for a process that is gone or not ours to ask."""
    found = {}
    for kind in NAMESPACES:
        try:
            found[kind] = os.readlink(f"/proc/{pid}/ns/{kind}")
        except OSError:
            return {}
    return found


def processes():
    """Those that mention the launcher's places, or live in other namespaces than this one and the host's first two, init and the kernel's."""
    usual = {identity for pid in ("self", "1", "2") for identity in namespaces_of(pid).values()}
    found = {}
    for pid in process_ids():
        command = (read(f"/proc/{pid}/cmdline") or "").replace("\0", " ").strip()
        state = read(f"/proc/{pid}/stat")
        theirs = namespaces_of(pid)
        if state is None or not theirs or pid == str(os.getpid()):
            continue
        elsewhere = sorted(kind for kind in NAMESPACES if theirs[kind] not in usual)
        if elsewhere or OURS.search(command):
            name, _paren, fields = state.rpartition(")")
            found[f"{pid} started {fields.split()[19]}: {command or name.partition('(')[2]}"] = ",".join(elsewhere)
    return found


def namespaces():
    """How many there are of each kind, held by a process or by a mount."""
    seen = {kind: set() for kind in NAMESPACES}
    for pid in process_ids():
        for kind, identity in namespaces_of(pid).items():
            seen[kind].add(identity)
    for _point, left, right in mountinfo():
        if right[0] == "nsfs":
            seen[left[3].partition(":")[0]].add(left[3])
    return {kind: str(len(identities)) for kind, identities in seen.items()}


def describe(path):
    status = os.lstat(path)
    text = f"{stat.filemode(status.st_mode)} {status.st_uid}:{status.st_gid}"
    if stat.S_ISLNK(status.st_mode):
        return f"{text} -> {os.readlink(path)}"
    if stat.S_ISREG(status.st_mode):
        return f"{text} {status.st_size} {digest(path)}"
    return text


def digest(path):
    """Of the content; a namespace that is bound to a file has none."""
    try:
        with open(path, "rb") as file:
            return hashlib.sha256(file.read()).hexdigest()[:16]
    except OSError as error:
        return str(error.errno)


def files():
    """Every entry below FILES: mode, owner, size, digest. A rootfs below it counts as well."""
    found = {}
    for top in FILES:
        paths = [top]
        for folder, below, names in os.walk(top):
            paths += [os.path.join(folder, name) for name in below + names]
        for path in paths:
            try:
                found[path] = describe(path)
            except FileNotFoundError:
                continue
    return found


FACTS = {
    "address": addresses,
    "cgroup": cgroups,
    "file": files,
    "link": links,
    "mount": mounts,
    "namespaces": namespaces,
    "netns": network_namespaces,
    "process": processes,
    "route": routes,
}


def differences(before, after, kind, ignored):
    """A folder that is new, or gone, stands for what is in it."""
    for sign, ours, others in (("+", after, before), ("-", before, after)):
        keys = {key for key in ours.keys() - others.keys() if not f"{kind} {key} {ours[key]}".startswith(ignored)}
        for key in sorted(keys):
            if os.path.dirname(key) not in keys:
                inside = sum(other.startswith(f"{key}/") for other in keys)
                yield f"{sign} {kind} {key} {ours[key]}".rstrip() + (f" (and {inside} inside)" if inside else "")
    for key in sorted(before.keys() & after.keys()):
        if before[key] != after[key] and not f"{kind} {key} {after[key]}".startswith(ignored):
            yield f"~ {kind} {key} {before[key]} -> {after[key]}"


def compare(before, ignored, seconds):
    """The lines that still differ after `seconds`. Kinds that agreed once are not read again."""
    deadline = time.monotonic() + seconds
    kinds = list(FACTS)
    while True:
        lines = {kind: list(differences(before[kind], FACTS[kind](), kind, ignored)) for kind in kinds}
        kinds = [kind for kind in kinds if lines[kind]]
        if not kinds or time.monotonic() > deadline:
            return [line for kind in kinds for line in lines[kind]]
        time.sleep(0.2)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("verb", choices=("save", "compare"))
    parser.add_argument("file")
    parser.add_argument("--ignore", action="append", default=[])
    parser.add_argument("--seconds", type=float, default=10)
    options = parser.parse_args()
    if options.verb == "save":
        with open(options.file, "w", encoding="utf-8") as file:
            json.dump({kind: read_facts() for kind, read_facts in FACTS.items()}, file)
        return 0
    with open(options.file, encoding="utf-8") as file:
        before = json.load(file)
    lines = compare(before, tuple(options.ignore), options.seconds)
    for line in lines:
        print(line)
    return 1 if lines else 0


if __name__ == "__main__":
    raise SystemExit(main())
