# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes emulated hosts fit for tests: what Ansible sends as source in a zip file is compiled at its first use only, and not in each task.

compiled_once.pth imports it wherever Python starts. It changes how long a task takes, and nothing else.
"""

from __future__ import annotations

import importlib.util
import marshal
import os
import zipimport

FOLDER = "/var/cache/compiled_once"
compile_source = zipimport._compile_source


def compile_once(path, source):
    """Return the code of a module of a zip file, by the digest of its source."""
    file = f"{FOLDER}/{importlib.util.source_hash(source).hex()}"
    try:
        with open(file, "rb") as kept:
            return marshal.load(kept)
    except (OSError, EOFError, ValueError):
        pass  # its first use
    code = compile_source(path, source)
    try:
        os.makedirs(FOLDER, exist_ok=True)
        with open(f"{file}.{os.getpid()}", "wb") as new:
            marshal.dump(code, new)
        os.rename(new.name, file)
    except OSError:
        pass  # of another user, or on a full disk
    return code


zipimport._compile_source = compile_once
