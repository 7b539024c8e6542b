#!/usr/bin/env python
# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""kill_writer.py PATTERN COUNT: wait until a directory of that name holds COUNT files, and kill -9 who fills it.

That is the process that has it open or, when a child does the work for it, the process that runs the whole module.
"""

from __future__ import annotations

import glob
import os
import signal
import sys
import time

pattern, wanted = sys.argv[1], int(sys.argv[2])
deadline = time.monotonic() + 60


def writers(directory):
    for link in glob.iglob("/proc/[0-9]*/fd/*"):
        try:
            if os.readlink(link).startswith(directory):
                yield int(link.split("/")[2])
        except OSError:
            pass


def module_of(pid):
    """The outermost process that runs the same command: children are forked, and have the command of their parent."""
    while True:
        parent = int(read(pid, "stat").rpartition(b")")[2].split()[1])
        if parent <= 1 or read(parent, "cmdline") != read(pid, "cmdline"):
            return pid
        pid = parent


def read(pid, name):
    with open(f"/proc/{pid}/{name}", "rb") as file:
        return file.read()


while time.monotonic() < deadline:
    for directory in glob.glob(pattern):
        if sum(len(files) for _path, _directories, files in os.walk(directory)) >= wanted:
            for pid in writers(directory):
                os.kill(module_of(pid), signal.SIGKILL)
                raise SystemExit(0)
    time.sleep(0.001)
raise SystemExit("nobody to kill")
