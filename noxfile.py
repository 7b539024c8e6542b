# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Nox sessions for contributors who use antsibull-nox; `make test` calls the same tools without it."""

from __future__ import annotations

import nox

try:
    import antsibull_nox
except ImportError:
    raise SystemExit("antsibull-nox is missing: install it into the environment that nox runs in") from None

antsibull_nox.load_antsibull_nox_toml()

if __name__ == "__main__":
    nox.main()
