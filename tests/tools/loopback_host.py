# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""This machine as a remote host: a real sshd on loopback, with its own configuration, keys and port, that does not see the controller's files."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

CONFIG = """\
Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/authorized_keys
PidFile none
UsePAM no
StrictModes no
PasswordAuthentication no
MaxStartups 50
MaxSessions 50
Subsystem sftp internal-sftp
"""


class LoopbackHost:
    """`with LoopbackHost(...) as host`: sshd on 127.0.0.1, host.port. `home` is the controller's, whose key ansible-test insists on.

    sshd runs in a mount namespace in which the `hidden` folders and /tmp are empty, so a module that reads a file of the controller fails.
    """

    def __init__(self, home: Path, hidden: list[Path], log: Path) -> None:
        self.home, self.hidden, self.log = home, hidden, log
        self.port = 0

    def __enter__(self) -> LoopbackHost:
        self.folder = Path(tempfile.mkdtemp(prefix="coracle-sshd-", dir="/run"))
        self._make_keys()
        self.port = free_port()
        (self.folder / "sshd_config").write_text(CONFIG.format(port=self.port, folder=self.folder))
        os.makedirs("/run/sshd", mode=0o755, exist_ok=True)  # sshd's own, where it puts its unprivileged half
        with open(self.log, "w") as log:
            self.sshd = subprocess.Popen(self._command(), env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}, stdin=subprocess.DEVNULL, stderr=log)
        self._wait()
        return self

    def __exit__(self, *exception: object) -> None:
        sessions = children(self.sshd.pid)
        self.sshd.terminate()
        self.sshd.wait()
        for pid in sessions:  # kept open by the controller's ControlPersist
            try:
                os.kill(pid, signal.SIGTERM)
            except ProcessLookupError:
                pass
        shutil.rmtree(self.folder)

    def _make_keys(self) -> None:
        keygen(self.folder / "host_key", "-t", "ed25519")
        shutil.copyfile(public_key(self.home), self.folder / "authorized_keys")

    def _command(self) -> list[str]:
        """In its own mount namespace; mounts made elsewhere still arrive there, as network namespaces do."""
        hide = [f"mount -t tmpfs -o mode=0755 none {shlex.quote(str(path))}" for path in self.hidden]
        script = [*hide, "mount -t tmpfs -o mode=1777 none /tmp", f"exec /usr/sbin/sshd -D -e -f {self.folder}/sshd_config"]
        return ["unshare", "--mount", "--propagation", "slave", "sh", "-ec", "\n".join(["cd /", *script])]

    def _wait(self) -> None:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline and self.sshd.poll() is None:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.1)
        self.__exit__()
        raise RuntimeError(f"sshd does not answer: {self.log.read_text().strip()}")


def private_key(home: Path) -> Path:
    """The one key that ansible-test logs in with, made in `home` unless it is there."""
    key = home / ".ansible" / "test" / "id_rsa"
    if not key.exists():
        key.parent.mkdir(parents=True, exist_ok=True)
        keygen(key, "-m", "PEM", "-t", "rsa")
    return key


def public_key(home: Path) -> Path:
    """The half of it that a host needs."""
    return private_key(home).with_name("id_rsa.pub")


def keygen(path: Path, *arguments: str) -> None:
    subprocess.run(["ssh-keygen", "-q", "-N", "", "-f", str(path), *arguments], check=True, stdin=subprocess.DEVNULL)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def children(pid: int) -> list[int]:
    """Processes that this one started, and theirs: sshd's sessions."""
    parents: dict[int, list[int]] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                state = (folder / "stat").read_text()
            except (FileNotFoundError, ProcessLookupError):
                continue
            parents.setdefault(int(state.rpartition(")")[2].split()[1]), []).append(int(folder.name))
    found = parents.get(pid, [])
    return found + [grandchild for child in found for grandchild in parents.get(child, [])]
