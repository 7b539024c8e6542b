# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The archive that tests of the image store have, and a child to run something in."""

from __future__ import annotations

import gzip
import hashlib
import os

from ansible_collections.coracle.launcher.tests.unit.archives import CHARACTER, Archive

DATA = gzip.compress(Archive().file(b"a", b"hello").node(b"null", CHARACTER).end(), mtime=0)
DIGEST = "sha256:" + hashlib.sha256(DATA).hexdigest()
OTHER = "sha256:" + "0" * 64  # of nothing


def in_child(function) -> int:
    """Call it in a child, and return the pid of that. The child's exit status is 0 when nothing was raised."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            function()
            code = 0
        finally:
            os._exit(code)
    return pid
