# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One virtual machine: started from its saved state or booted, waited for, rebooted, ended by pid. Software emulation only."""

from __future__ import annotations

import signal
import socket
import subprocess
import time
from pathlib import Path

import machine
import recipe
from lan import Lan


class GuestError(RuntimeError):
    """A guest does not answer, is not what it should be, or a command on it fails; with what it printed."""


class Guest:
    """A guest of `kind` from the images in `home`; its monitor, console and known hosts in `folder`. Its eth1 is on `lan`, if on anything."""

    def __init__(self, home: Path, kind: str, folder: Path, throw_away: bool = True, restore: bool = True, lan: Lan | None = None) -> None:
        self.home, self.kind, self.folder, self.lan = home, kind, folder, lan
        self.throw_away, self.restore = throw_away, restore
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        arguments = recipe.KINDS[self.kind][1]
        lan = None if self.lan is None else self.lan.path
        command = machine.command(self.home, self.kind, self.folder, self.port, lan, arguments, self.throw_away, self.restore)
        with open(self.folder / "qemu.log", "wb") as log:
            # setpriv: no guest outlives the process that started it
            command = ["setpriv", "--pdeathsig", "TERM", *command]
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)

    def wait(self, seconds: float = 90) -> None:
        """Wait until one can log in, and set what a restored guest has wrong. GuestError with the console's end."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and self.process is not None and self.process.poll() is None:
            # qemu accepts the connection long before the guest's sshd does
            if banner(self.port) and self._answers(self._own()):
                return
            time.sleep(0.2)
        raise GuestError(f"the guest {self.kind} does not answer:\n{self.tails()}")

    def _own(self) -> str:
        """The command for what all guests of one saved state share and must not: the time at which they were saved, the address on the LAN."""
        return f"date -s @{int(time.time())} && ip link set eth1 address 52:54:00:12:35:{list(recipe.KINDS).index(self.kind):02x}"

    def tails(self) -> str:
        logs = [self.folder / name for name in ("qemu.log", "console.log")]
        return "\n".join(log.read_text(errors="replace")[-2000:] for log in logs if log.exists())

    def ssh_options(self) -> list[str]:
        return ["-F", "none", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no", "-o", f"UserKnownHostsFile={self.folder}/known_hosts",
                "-o", "LogLevel=ERROR", "-o", "ConnectTimeout=30"]  # fmt: skip

    def ssh_command(self) -> list[str]:
        return ["ssh", "-i", str(self.home / "id_ed25519"), "-p", str(self.port), *self.ssh_options(), "root@127.0.0.1"]

    def _answers(self, command: str) -> bool:
        try:
            self.ssh(command, 60)
        except GuestError:
            return False
        return True

    def ssh(self, command: str, seconds: float = 120, text: str = "") -> str:
        """Return what a command on the guest prints; `text` is its input."""
        try:
            done = subprocess.run([*self.ssh_command(), command], input=text, capture_output=True, text=True, timeout=seconds, check=False)
        except subprocess.TimeoutExpired:
            raise GuestError(f"{self.kind}: {command}: it did not end in {seconds:.0f} s") from None
        if done.returncode:
            raise GuestError(f"{self.kind}: {command}: ended with {done.returncode}: {done.stdout}{done.stderr}")
        return done.stdout

    def check(self) -> None:
        """Whether it is what its kind says: otherwise its cases would prove nothing."""
        found = self.ssh("cat /proc/1/comm; stat -fc %T /sys/fs/cgroup").split()
        wanted = recipe.KINDS[self.kind][2]
        if found != [wanted["init"], wanted["cgroup"]]:
            raise GuestError(f"{self.kind}: init and /sys/fs/cgroup are {found}, not {wanted}")

    def reboot(self, seconds: float = 180) -> None:
        """Reboot as an administrator does, and wait. What was written on the disk stays."""
        read = "cat /proc/sys/kernel/random/boot_id"
        before = self.ssh(read)
        try:
            self.ssh("reboot", 30)
        except GuestError:
            pass  # the connection may go first
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:  # sshd still answers for a moment
            try:
                if banner(self.port) and self.ssh(read, 30) != before:
                    self.ssh(self._own())
                    return
            except GuestError:
                pass
            time.sleep(0.5)
        raise GuestError(f"the guest {self.kind} did not come back from a reboot:\n{self.tails()}")

    def save(self, path: Path) -> None:
        """Write the running guest's state to a file, and wait until it is whole."""
        self.monitor("migrate_set_parameter max-bandwidth 10G", f"migrate \"exec:cat > {path}\"")
        deadline = time.monotonic() + 60
        while "completed" not in (status := self.monitor("info migrate")):
            if time.monotonic() > deadline or "failed" in status:
                raise GuestError(f"{self.kind} cannot be saved: {status}")
            time.sleep(0.2)

    def monitor(self, *commands: str) -> str:
        """Send commands to qemu's monitor, one after the other; return all that it prints."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(self.folder / "monitor"))
            connection.settimeout(30)
            text = until_prompt(connection)
            for command in commands:
                connection.sendall(command.encode() + b"\n")
                text += until_prompt(connection)
        return text

    def end(self) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            self.process = None


def until_prompt(connection: socket.socket) -> str:
    text = b""
    while not text.endswith(b"(qemu) "):
        piece = connection.recv(4096)
        if not piece:
            break
        text += piece
    return text.decode(errors="replace")


def banner(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2) as connection:
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
