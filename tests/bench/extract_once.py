# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""extract_once.py TREE STORE ARCHIVE: extract into an empty store as the module does, and print seconds, CPU seconds and peak KiB.

What Python and imports take before is left out. The peak is that of the process that does it (ru_maxrss is VmHWM).
"""

from __future__ import annotations

import resource
import sys
import time

sys.path.insert(0, sys.argv[1])

from ansible_collections.coracle.launcher.plugins.module_utils._coracle.base import places  # noqa: E402
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.work import images  # noqa: E402

places.IMAGES = sys.argv[2]
start, spent = time.perf_counter(), time.process_time()
image = images.ensure_image(sys.argv[3])
wall = time.perf_counter() - start
own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
cpu = time.process_time() - spent + children.ru_utime + children.ru_stime
sys.stdout.write(f"{wall} {cpu} {max(own.ru_maxrss, children.ru_maxrss)} {image.entries}\n")
