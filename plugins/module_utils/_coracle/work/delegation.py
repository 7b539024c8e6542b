# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The unit coracle.service, whose cgroup systemd leaves to us: started when the first of our cgroups is to be made.

The role container_host installs it for good. Where it was not used there is one until the host goes down, which starts nothing at boot.
roles/container_host/files/coracle.service says why it is as it is.
"""

from __future__ import annotations

import os
import time

from ..base import places, text
from ..base.errors import LauncherError
from ..kernel.cgroup.detect import Layout

UNIT = "coracle.service"
_DIRECTORIES = ("/etc/systemd/system", places.SYSTEMD, "/usr/local/lib/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system")
_WAIT = 30.0  # seconds; a loaded host needs one, but the unit waits for the network where a host has just come up
# Over a restart of the unit a process sleeps in each cgroup that is empty: systemd would remove it, and its limits.
_HOLD = (
    'systemctl list-jobs | grep -q "coracle.service  *restart" || exit 0; '
    f'cd /sys/fs/cgroup/{places.CGROUP_UNIT} && grep -rl --include=cgroup.events "populated 0" . | while read -r file; '
    'do sleep infinity & { echo $! > "$(dirname "$$file")/cgroup.procs" && echo $! >> /run/coracle.held; } || kill $!; done'
)
_CONTENT = f"""\
[Unit]
Description=Containers of coracle
After=network.target network-online.target remote-fs.target ovs-vswitchd.service

[Service]
Type=oneshot
RemainAfterExit=yes
Slice=machine.slice
Delegate=yes
KillMode=process
OOMPolicy=continue
TasksMax=infinity
ExecStartPost=/bin/sh -c 'cd /sys/fs/cgroup/{places.CGROUP_UNIT} || exit 0; mkdir -p .keeper && echo 0 > .keeper/cgroup.procs && {{ sleep infinity & }}'
ExecStartPost=-/bin/sh -c '[ ! -e /run/coracle.held ] || {{ kill $(cat /run/coracle.held); rm /run/coracle.held; }}'
ExecStop=-/bin/sh -c '[ "$(systemctl is-system-running)" != stopping ] || exec {places.COMMAND} shutdown'
ExecStop=-/bin/sh -c '{_HOLD}'
ExecStopPost=-/bin/sh -c 'kill $(cat /sys/fs/cgroup/{places.CGROUP_UNIT}/.keeper/cgroup.procs)'
TimeoutStopSec=5min
"""


def ensure(layout: Layout) -> None:
    """Return when the directory is there below which our cgroups are to be made. LauncherError: systemd does not start our unit."""
    home = f"{layout.unified}/{layout.home}"
    if not layout.is_delegated or os.path.isdir(home):
        return
    if not any(os.path.lexists(f"{directory}/{UNIT}") for directory in _DIRECTORIES):
        _install()
    # `restart`, since a unit stays active that has lost its last process and with it its cgroup. It must not be waited for: its own
    # `coracle boot` may be waiting for us.
    problem = _systemctl("restart", "--no-block", UNIT)
    deadline = time.monotonic() + _WAIT
    while not os.path.isdir(home):
        if problem or time.monotonic() > deadline:
            raise LauncherError(f"systemd does not make {home}, the cgroup of {UNIT}: {problem or 'nothing happens'}",
                                remedy=f"Look at it with: systemctl status {UNIT}")
        time.sleep(0.005)


def _install():
    temporary = f"{places.SYSTEMD}/.{UNIT}.{os.getpid()}"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
    try:
        os.write(descriptor, _CONTENT.encode())
    finally:
        os.close(descriptor)
    os.rename(temporary, f"{places.SYSTEMD}/{UNIT}")


def _systemctl(*words: str) -> str:
    """Run it; return its complaint, "" when it ended well."""
    said, complain = os.pipe()
    try:
        # No AnsibleModule here whose run_command() could be called.
        pid = os.posix_spawnp(  # pylint: disable=ansible-bad-function
            "systemctl", ("systemctl", "--quiet", *words), {"PATH": "/usr/bin:/bin", "LC_ALL": "C"},
            file_actions=[(os.POSIX_SPAWN_OPEN, fd, "/dev/null", os.O_RDWR, 0) for fd in (0, 1)] + [(os.POSIX_SPAWN_DUP2, complain, 2)])
    except OSError as error:
        os.close(said)
        return f"systemctl: {error.strerror}"
    finally:
        os.close(complain)
    try:
        complaint = text.printable(os.read(said, 4096).split(b"\n")[0])
    finally:
        os.close(said)
    _pid, status = os.waitpid(pid, 0)
    return complaint or "systemctl failed" if status else ""
