#!/usr/bin/env python
# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""kill_writer.py PATTERN COUNT: wait until a directory of that name holds COUNT files, and kill -9 the process that has it open."""

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


while time.monotonic() < deadline:
    for directory in glob.glob(pattern):
        if sum(len(files) for _path, _directories, files in os.walk(directory)) >= wanted:
            for pid in writers(directory):
                os.kill(pid, signal.SIGKILL)
                raise SystemExit(0)
    time.sleep(0.001)
raise SystemExit("nobody to kill")
