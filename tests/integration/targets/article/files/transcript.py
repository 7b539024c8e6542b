#!/usr/bin/env python
# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A person at a terminal: run a command on a pseudo-terminal, type lines when the prompt is there, and compare what came with a transcript.

    transcript.py FILE COMMAND...

FILE has the expected screen, one line each. `<<< words` is typed; `...` stands for any lines; `~ regular expression` for one line; every
other line is there word for word. Two pseudo-lines check the end: `=== N` is the exit status, and nothing may follow it.
"""

from __future__ import annotations

import os
import pty
import re
import select
import sys
import time

PROMPT = re.compile(r"[#$] $")
PATIENCE = 15.0


class Screen:
    """What the command shows, without carriage returns."""

    def __init__(self, command):
        self.pid, self.terminal = pty.fork()
        if self.pid == 0:
            os.execvp(command[0], command)
        self.text = ""

    def read(self, until, seconds=PATIENCE):
        """Read until `until(text)` is true or the command has ended."""
        deadline = time.monotonic() + seconds
        while not until(self.text):
            if time.monotonic() > deadline:
                raise SystemExit(f"waited in vain; the screen:\n{self.text}")
            if not select.select([self.terminal], [], [], 0.1)[0]:
                continue
            try:
                piece = os.read(self.terminal, 4096)
            except OSError:
                return
            if not piece:
                return
            self.text += piece.decode("utf-8", "replace").replace("\r", "")

    def type(self, words):
        self.read(PROMPT.search)
        seen = len(self.text)
        os.write(self.terminal, words.encode() + b"\n")
        self.read(lambda text: len(text) > seen + len(words) and "\n" in text[seen:])

    def end(self):
        self.read(lambda _text: False)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def matches(expected, shown):
    """True when the shown lines are those of the transcript, `...` standing for any number of them."""
    if not expected:
        return not shown
    if expected[0] == "...":
        return any(matches(expected[1:], shown[skipped:]) for skipped in range(len(shown) + 1))
    if not shown:
        return False
    wanted = expected[0]
    same = re.fullmatch(wanted[2:], shown[0]) if wanted.startswith("~ ") else wanted == shown[0].rstrip()
    return bool(same) and matches(expected[1:], shown[1:])


def main(file, *command):
    with open(file, encoding="utf-8") as opened:
        lines = opened.read().splitlines()
    screen, expected, status = Screen(command), [], 0
    for line in lines:
        if line.startswith("<<< "):
            screen.type(line[4:])
            expected.append("~ .*[#$] " + re.escape(line[4:]))
        elif line.startswith("=== "):
            status = int(line[4:])
        else:
            expected.append(line)
    code = screen.end()
    shown = screen.text.splitlines()
    if code != status or not matches(expected, shown):
        raise SystemExit(f"exit status {code}, expected {status}; expected:\n" + "\n".join(expected) + "\n---- shown:\n" + "\n".join(shown))
    sys.stdout.write(screen.text)


if __name__ == "__main__":
    main(*sys.argv[1:])
