# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Running ovs-vsctl(8): where Open vSwitch is, one call that reads, one call that is one transaction.

The program is taken from the system's own directories, whatever PATH says, and gets nothing of the caller's environment but the variables
that tell where Open vSwitch keeps its files. Nothing is imported later, so a process that was forked for emergencies can use it.
"""

from __future__ import annotations

import _signal
import _socket
import os

from ...base import files, text
from ...base.errors import LauncherError
from .. import procs

KEY = "coracle"  # of external_ids: carries our mark
TIMEOUT = 10  # seconds; a bridge takes 0.1, a port 0.01

_DIRECTORIES = ("/usr/bin", "/usr/sbin", "/bin", "/sbin", "/usr/local/bin", "/usr/local/sbin")
_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
_VARIABLES = ("OVS_RUNDIR", "OVS_LOGDIR", "OVS_DBDIR", "OVS_SYSCONFDIR", "OVS_PKGDATADIR")
_RUN_DIRECTORIES = ("/run/openvswitch", "/var/run/openvswitch", "/usr/local/var/run/openvswitch")
_SAYS = "ovs-vsctl: "
_START = "Start it (ovsdb-server and ovs-vswitchd), or name a Linux bridge"


class NotCarriedOut(LauncherError):
    """The database has the change, and the switch could not, or did not, carry it out: take it back with change_soon()."""


class NoAnswer(NotCarriedOut):
    """The same, since the switch hangs."""


def run_directory() -> str | None:
    """Where the sockets of Open vSwitch are; None on a host without it."""
    given = os.environ.get("OVS_RUNDIR")
    places = (given,) if given else _RUN_DIRECTORIES
    return next((place for place in places if os.path.exists(f"{place}/db.sock")), None)


def is_running() -> bool:
    """True when the database takes connections. Starts no program."""
    place = run_directory()
    if place is None:
        return False
    connection = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    try:
        connection.connect(f"{place}/db.sock")
    except OSError:
        return False
    finally:
        connection.close()
    return True


def program() -> str:
    """The path of ovs-vsctl. LauncherError when it is not installed."""
    found = next((f"{directory}/ovs-vsctl" for directory in _DIRECTORIES if os.access(f"{directory}/ovs-vsctl", os.X_OK)), None)
    if found is None:
        raise LauncherError("ovs-vsctl of Open vSwitch is not installed", option="bridge",
                            remedy="Install Open vSwitch (Debian: openvswitch-switch), or name a Linux bridge")
    return found


def quoted(value: str) -> str:
    """A string as ovs-vsctl reads it, whatever is in it but control characters."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def ask(*words: str) -> str:
    """Run commands that only read and return what they print. LauncherError: not installed, not running, or the command is wrong."""
    return _vsctl(words, TIMEOUT)


def change(*commands: tuple[str, ...], timeout: int = TIMEOUT) -> None:
    """Make all changes in one transaction, and wait until the switch has carried them out.

    Each is the words of one command of ovs-vsctl. Names in them must be checked (text.check_interface), other strings quoted().
    NotCarriedOut: the database has them, the switch could not; any other LauncherError: nothing was changed.
    """
    refuse_stopped()
    _vsctl(_joined(commands), timeout)


def change_soon(*commands: tuple[str, ...], timeout: int = TIMEOUT) -> None:
    """The same without waiting for the switch, which may not even run. LauncherError."""
    _vsctl(("--no-wait", *_joined(commands)), timeout)


def refuse_stopped() -> None:
    """LauncherError when the switch itself does not run: the database would take a change, and nobody would carry it out."""
    try:
        pid = files.read_text(f"{_place()}/ovs-vswitchd.pid")
        runs = files.read_text(f"/proc/{int(pid)}/comm") == "ovs-vswitchd" and procs.starttime(int(pid)) is not None  # no zombie
    except (OSError, ValueError):
        runs = False
    if not runs:
        raise LauncherError("ovs-vswitchd of Open vSwitch is not running", option="bridge", remedy=_START)


def _joined(commands: tuple[tuple[str, ...], ...]) -> list[str]:
    return [word for command in commands for word in ("--", *command)]


def _place() -> str:
    place = run_directory()
    if place is None:
        raise LauncherError("Open vSwitch is not running here: it has no database socket", option="bridge", remedy=_START)
    return place


def _vsctl(words, timeout: int) -> str:
    command = (program(), f"--db=unix:{_place()}/db.sock", f"--timeout={timeout}", *words)
    status, said, complaint = _run(command)
    if status == -_signal.SIGALRM:
        raise NoAnswer(f"Open vSwitch did not answer within {timeout} seconds", option="bridge",
                       remedy="See the logs of ovs-vswitchd and ovsdb-server")
    if status:
        raise LauncherError(f"Open vSwitch refused it: {complaint or f'ovs-vsctl ended with {status}'}", option="bridge",
                            remedy="Look whether it runs: ovs-vsctl show")
    if complaint:
        raise NotCarriedOut(f"Open vSwitch could not do it: {complaint}", option="bridge", remedy="See the log of ovs-vswitchd")
    return said


def _run(command: tuple[str, ...]) -> tuple[int, str, str]:
    """Return its exit status (negative: the signal that ended it), its output, and the first line of its complaints."""
    environment = {"PATH": _PATH, "LC_ALL": "C", **{name: os.environ[name] for name in _VARIABLES if name in os.environ}}
    outputs = [os.memfd_create(f"ovs-vsctl {name}", os.MFD_CLOEXEC) for name in ("output", "complaints")]
    actions: list[tuple] = [(os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0)]
    actions += [(os.POSIX_SPAWN_DUP2, fd, number) for number, fd in enumerate(outputs, 1)]
    try:
        # No AnsibleModule here whose run_command() could be called.
        pid = os.posix_spawn(  # pylint: disable=ansible-bad-function
            command[0], command, environment, file_actions=actions, setsigmask=(), setsigdef=(_signal.SIGALRM, _signal.SIGPIPE))
        _pid, status = os.waitpid(pid, 0)  # its own --timeout ends it
        said, complaints = (os.pread(fd, os.fstat(fd).st_size, 0).decode("utf-8", "replace") for fd in outputs)
    except OSError as error:
        raise LauncherError(f"{command[0]} cannot be run: {error.strerror}", option="bridge") from error
    finally:
        for fd in outputs:
            os.close(fd)
    return os.waitstatus_to_exitcode(status), said, _first_sentence(complaints)


def _first_sentence(complaints: str) -> str:
    line = next((line for line in complaints.splitlines() if line.strip()), "")
    line = line[len(_SAYS):] if line.startswith(_SAYS) else line
    return text.printable(line.partition(".  See ")[0].rstrip("."))
