# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every module of this collection promises, for the `attributes` of its documentation."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options: {}
attributes:
  check_mode:
    description: Can run in C(check_mode) and return the changes that a run would make, without making them.
  diff_mode:
    description: Returns what it changed, or would change, one line for each option, when in diff mode.
  idempotent:
    description: Run a second time with the same options and nothing else changed, it reports no change.
  platform:
    description: Target systems that it works on.
    platforms: linux
  action_group:
    description: Use C(group/coracle.launcher.launcher) in C(module_defaults) to set options for all modules of this collection.
"""

    # Modules that change something, and tell it beforehand exactly.
    EXACT = r"""
options: {}
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
  platform:
    support: full
    platforms: linux
  async:
    description: Can be run with C(async).
    support: full
  action_group:
    support: full
    membership:
      - coracle.launcher.launcher
"""

    # Modules that only read.
    INFO = r"""
options: {}
attributes:
  check_mode:
    support: full
    details: It only reads.
  diff_mode:
    support: N/A
    details: It changes nothing.
  idempotent:
    support: full
  platform:
    support: full
    platforms: linux
  async:
    description: Can be run with C(async).
    support: full
  action_group:
    support: full
    membership:
      - coracle.launcher.launcher
"""
