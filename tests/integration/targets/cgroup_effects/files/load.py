# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Load in cgroups, and what became of it: load.py THEME,... '{"NAME": {CONTROLLER: DIRECTORY}}' prints {THEME: {NAME: found}} as JSON.

It enters the cgroups itself, by the kernel's own files, and reads the kernel's counters. All that it starts ends within seconds, limit or not.
"""

from __future__ import annotations

import errno
import json
import mmap
import os
import signal
import stat
import sys
import tempfile
import time

MIB = 1 << 20
FORKS = 40
SECONDS = 3.0


def start(paths, function):
    """Fork a child that enters the cgroup and writes what function() returns; (pid, descriptor to read it from)."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            signal.alarm(60)
            for directory in sorted(set(paths.values())):
                with open(f"{directory}/cgroup.procs", "w") as file:
                    file.write("0")
            os.write(writer, json.dumps(function()).encode())
            status = 0
        finally:
            os._exit(status)
    os.close(writer)
    return pid, reader


def end(child):
    """What the child has found, or the signal that ended it, as 'signal 9'."""
    pid, reader = child
    with os.fdopen(reader) as file:
        text = file.read()
    status = os.waitpid(pid, 0)[1]
    if os.WIFSIGNALED(status):
        return f"signal {os.WTERMSIG(status)}"
    return json.loads(text) if text else f"exit {os.waitstatus_to_exitcode(status)}"


def inside(groups, function):
    """{name: what function() returned in that cgroup}, one cgroup after the other."""
    return {name: end(start(paths, function)) for name, paths in groups.items()}


def outcome(function, *arguments):
    try:
        function(*arguments)
    except OSError as error:
        return errno.errorcode[error.errno]
    return "ok"


def memory(groups):
    def use(size):
        area = mmap.mmap(-1, size)
        for offset in range(0, size, mmap.PAGESIZE):
            area[offset] = 1
        return "ok"
    return {name: {"8M": end(start(paths, lambda: use(8 * MIB))), "96M": end(start(paths, lambda: use(96 * MIB)))} for name, paths in groups.items()}


def forks(groups):
    """A fork bomb with a bounded number of forks: how many there were, and what the kernel said to the first one refused."""
    def bomb():
        children, refused = [], None
        try:
            while refused is None and len(children) < FORKS:
                try:
                    pid = os.fork()
                except OSError as error:
                    refused = errno.errorcode[error.errno]
                    continue
                if pid == 0:
                    signal.alarm(30)
                    signal.pause()
                    os._exit(0)
                children.append(pid)
        finally:
            for pid in children:
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
        return {"forks": len(children), "refused": refused}
    return inside(groups, bomb)


def devices(groups):
    def access():
        with tempfile.TemporaryDirectory() as folder:
            return {
                "null": outcome(lambda: os.close(os.open("/dev/null", os.O_RDWR))),
                "zero read": outcome(lambda: os.close(os.open("/dev/zero", os.O_RDONLY))),
                "zero write": outcome(lambda: os.close(os.open("/dev/zero", os.O_WRONLY))),
                "full": outcome(lambda: os.close(os.open("/dev/full", os.O_RDONLY))),
                "make null": outcome(os.mknod, f"{folder}/null", stat.S_IFCHR | 0o600, os.makedev(1, 3)),
                "make zero": outcome(os.mknod, f"{folder}/zero", stat.S_IFCHR | 0o600, os.makedev(1, 5)),
            }
    return inside(groups, access)


def processors(groups):
    return inside(groups, lambda: sorted(os.sched_getaffinity(0)))


def disk(_groups):
    """The whole disk below the folder of temporary files, as {device, number}, or {} where that is no block device of its own."""
    device = os.stat("/var/tmp").st_dev
    place = os.path.realpath(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}")
    if os.path.exists(f"{place}/partition"):
        place = os.path.dirname(place)
    if not os.path.exists(f"{place}/dev"):
        return {}
    with open(f"{place}/dev") as file:
        return {"device": f"/dev/{os.path.basename(place)}", "number": file.read().strip()}


def writes(groups):
    """Bytes a second that reach the disk, the page cache left out."""
    def write():
        size, block = 2 * MIB, mmap.mmap(-1, MIB // 8)  # aligned to a page, as O_DIRECT asks for
        with tempfile.NamedTemporaryFile(dir="/var/tmp") as file:
            fd = os.open(file.name, os.O_WRONLY | os.O_DIRECT)
            begin = time.monotonic()
            for offset in range(0, size, len(block)):
                os.pwrite(fd, block, offset)
            return int(size / (time.monotonic() - begin))
    return inside(groups, write)


def counters(paths):
    """Nanoseconds of processor time, and in how many periods the cgroup was throttled."""
    with open(f"{paths['cpu']}/cpu.stat") as file:
        numbers = dict(line.split() for line in file)
    if "cpuacct" in paths:
        with open(f"{paths['cpuacct']}/cpuacct.usage") as file:
            used = int(file.read())
    else:
        used = int(numbers["usage_usec"]) * 1000
    return used, int(numbers["nr_throttled"])


def busy(groups):
    """All at once: which part of one processor each used, and in how many periods it was throttled."""
    def spin():
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline:
            sum(range(1000))
        return "ok"
    before, begin = {name: counters(paths) for name, paths in groups.items()}, time.monotonic_ns()
    children = [start(paths, spin) for paths in groups.values()]
    for child in children:
        if end(child) != "ok":
            raise SystemExit("a busy process failed")
    elapsed = time.monotonic_ns() - begin
    found = {}
    for name, paths in groups.items():
        used, throttled = counters(paths)
        found[name] = {"used": round((used - before[name][0]) / elapsed, 3), "throttled": throttled - before[name][1]}
    return found


def leave_busy(groups):
    """Start one busy process in each that goes on when we have ended, for two minutes at most."""
    def leave():
        if os.fork() == 0:
            os.setsid()
            null = os.open("/dev/null", os.O_RDWR)
            for fd in range(3):
                os.dup2(null, fd)
            os.closerange(3, 256)
            signal.alarm(120)
            while True:
                sum(range(1000))
        return "ok"
    return inside(groups, leave)


def grows(groups):
    """Whether processor time is used at this moment: within a second, on a busy emulated host within six."""
    before = {name: counters(paths)[0] for name, paths in groups.items()}
    for _second in range(6):
        time.sleep(1)
        found = {name: counters(paths)[0] > before[name] for name, paths in groups.items()}
        if all(found.values()):
            break
    return found


THEMES = {function.__name__: function for function in (memory, forks, devices, processors, disk, writes, busy, leave_busy, grows)}

if __name__ == "__main__":
    groups = json.loads(sys.argv[2])
    print(json.dumps({theme: THEMES[theme](groups) for theme in sys.argv[1].split(",")}))
