# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One test host for a person to look at: `make host KIND=v2`. It goes, with all that was written on it, when this ends."""

from __future__ import annotations

import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

import guest
import recipe


def main() -> int:
    home, kind = Path(sys.argv[1]), sys.argv[2] if len(sys.argv) == 3 else ""
    if kind not in recipe.KINDS:
        print(f"Which one? KIND={' or KIND='.join(recipe.KINDS)}", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(prefix=f"coracle-{kind}-") as folder:
        host = guest.Guest(home, kind, Path(folder))
        host.start()
        try:
            host.wait()
            host.check()
            print(f"{kind} runs. Another terminal gets in with:\n  {shlex.join(host.ssh_command())}\nWith the end of this shell it is gone.")
            return subprocess.run(["ssh", "-t", *host.ssh_command()[1:]], check=False).returncode
        except guest.GuestError as error:
            print(error, file=sys.stderr)
            return 1
        finally:
            host.end()


if __name__ == "__main__":
    raise SystemExit(main())
