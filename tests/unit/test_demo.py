# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the demo looks for in an image. It is a program of its own, which nothing else here imports."""

from __future__ import annotations

import gzip
import subprocess
import sys
from pathlib import Path

from ansible_collections.coracle.launcher.tests.unit.archives import Archive

LOOK = Path(__file__).resolve().parents[2] / "demo" / "look.py"


def look(path) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-B", str(LOOK), str(path)], capture_output=True, text=True, check=False)


def test_programs_and_the_server_are_found(tmp_path):
    archive = Archive().file(b"bin/busybox", b"x\0httpd\0wget\0").symlink(b"bin/sh", b"busybox").file(b"usr/bin/bash").file(b"srv/sh")
    (tmp_path / "image").write_bytes(gzip.compress(archive.end()))
    found = look(tmp_path / "image")
    assert (found.returncode, found.stderr) == (0, "")
    assert found.stdout.split() == ["bash=/usr/bin/bash", "busybox=/bin/busybox", "server=yes", "sh=/bin/sh"]


def test_what_is_no_image_is_one_line(tmp_path):
    (tmp_path / "text").write_text("hello")
    found = look(tmp_path / "text")
    assert (found.returncode, found.stdout, found.stderr.count("\n")) == (1, "", 1), found.stderr
