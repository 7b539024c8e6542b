# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Attacks from inside the fence: what hostile bytes could do that have taken over the process which reads them. Each attack is also run
in a child without a fence, where it must succeed: else it would prove nothing."""

from __future__ import annotations

import errno
import json
import os
import resource
import signal
import socket
import time

import pytest

from ansible_collections.coracle.launcher.plugins.module_utils._coracle.base import libc
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.base.errors import ArchiveError, LauncherError
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.formats.limits import Limits
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.kernel import caps, landlock, seccomp
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.work import confine, fence

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="gives up what only root has")
needs_landlock = pytest.mark.skipif(landlock.abi() < 2, reason="this kernel has no Landlock, or ABI 1")
needs_scopes = pytest.mark.skipif(landlock.abi() < 6, reason="this kernel's Landlock knows no scopes")
needs_filter = pytest.mark.skipif(seccomp.program() is None, reason="no system call filter for this architecture")
REFUSED = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSYS, errno.EXDEV, errno.EMFILE, errno.EAGAIN, errno.ENETUNREACH)


@pytest.fixture
def inside(tmp_path):
    """The directory that may be written, with another one beside it."""
    (tmp_path / "image").mkdir(0o700)
    (tmp_path / "outside").mkdir(0o700)
    (tmp_path / "outside" / "victim").write_text("victim")
    fd = os.open(tmp_path / "image", os.O_RDONLY | os.O_DIRECTORY)
    yield fd
    os.close(fd)


def unfenced(work):
    """Call `work` in a plain child and return what it returns."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            os.write(writing, json.dumps(work()).encode())
            code = 0
        finally:
            os._exit(code)
    os.close(writing)
    with os.fdopen(reading, "rb") as file:
        answer = file.read()
    os.waitpid(pid, 0)
    return json.loads(answer)


def outcome(attack):
    """Run an attack; 'done', or the name of the errno that refused it."""
    def work():
        try:
            attack()
        except OSError as error:
            return errno.errorcode[error.errno]
        return "done"

    return work


def refused(attack, fd=None, **more):
    """True when the attack succeeds without the fence, and not in it."""
    inside = fence.run(outcome(attack), fd, Limits(), **more)
    assert inside != "done", "the fence let it through"
    assert getattr(errno, inside) in REFUSED, inside
    assert unfenced(outcome(attack)) == "done", "the attack does not work outside either"
    return True


def test_what_is_returned_comes_out(inside):
    assert fence.run(lambda: {"a": [1, "\udcff", None]}, inside, Limits()) == {"a": [1, "\udcff", None]}


def test_errors_come_out_as_they_are(inside):
    def fail(error):
        raise error

    with pytest.raises(ArchiveError) as caught:
        fence.run(lambda: fail(ArchiveError("bad", option="src", value=7, remedy="Do")), inside, Limits())
    assert str(caught.value) == "src=7: bad. Do"
    with pytest.raises(LauncherError) as caught:
        fence.run(lambda: fail(LauncherError("bad")), inside, Limits())
    assert not isinstance(caught.value, ArchiveError)
    with pytest.raises(OSError) as caught:
        fence.run(lambda: os.open("/nowhere", os.O_RDONLY), inside, Limits())
    assert (caught.value.errno, caught.value.filename) == (errno.ENOENT, "/nowhere")
    with pytest.raises(RuntimeError, match="ZeroDivisionError"):
        fence.run(lambda: 1 / 0, inside, Limits())


@pytest.mark.parametrize("end, says", [
    (lambda: os.kill(os.getpid(), signal.SIGKILL), r"was ended by signal 9 \(SIGKILL\).*memory"),
    (lambda: os.kill(os.getpid(), signal.SIGSEGV), r"was ended by signal 11 \(SIGSEGV\)"),
    (lambda: os._exit(3), "ended with status 3"),
])
def test_a_child_that_cannot_answer_is_one_clear_error(inside, end, says):
    with pytest.raises(LauncherError, match=says):
        fence.run(end, inside, Limits())


def test_no_zombie_and_no_descriptor_is_left(inside):
    before = sorted(os.listdir("/proc/self/fd"))
    fence.run(lambda: None, inside, Limits())
    with pytest.raises(LauncherError):
        fence.run(lambda: os._exit(1), inside, Limits())
    assert sorted(os.listdir("/proc/self/fd")) == before
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def test_only_named_descriptors_are_open(inside):
    def is_open(number):
        try:
            os.fstat(number)
        except OSError:
            return False
        return True

    def found():
        return [number for number in range(3, 1000) if is_open(number)]

    others = [os.open("/dev/null", os.O_RDONLY) for _number in range(5)]
    try:
        assert len(fence.run(found, inside, Limits(), keep=[others[3]])) == 3  # the directory, what is kept, and the pipe of the answer
        assert set(others) <= set(unfenced(found))
    finally:
        for fd in others:
            os.close(fd)


# --- files


@needs_landlock
def test_it_writes_below_its_directory_and_nowhere_else(inside, tmp_path):
    def write(path, flags=os.O_WRONLY | os.O_CREAT):
        fd = os.open(path, flags, 0o600)
        os.write(fd, b"x")
        os.close(fd)

    outside = str(tmp_path / "outside")
    assert fence.run(outcome(lambda: write(str(tmp_path / "image" / "new"))), inside, Limits()) == "done"
    for attack in (
        lambda: write(f"{outside}/new"),
        lambda: write(f"{outside}/victim", os.O_WRONLY),
        lambda: write(f"{outside}/victim", os.O_RDWR | os.O_TRUNC),
        lambda: os.truncate(f"{outside}/victim", 1),
        lambda: os.mkdir(f"{outside}/directory-{time.monotonic_ns()}"),
        lambda: os.symlink("/", f"{outside}/link-{time.monotonic_ns()}"),
        lambda: os.mkfifo(f"{outside}/fifo-{time.monotonic_ns()}"),
        lambda: os.link(str(tmp_path / "image" / "new"), f"{outside}/hard-{time.monotonic_ns()}"),
        lambda: os.link(f"{outside}/victim", str(tmp_path / "image" / f"hard-{time.monotonic_ns()}")),
    ):
        assert refused(attack, inside)
    (tmp_path / "outside" / "victim").write_text("victim")
    (tmp_path / "outside" / "other").write_text("other")
    assert refused(lambda: os.rename(f"{outside}/other", f"{outside}/third"), inside)
    assert refused(lambda: os.rename(f"{outside}/third", str(tmp_path / "image" / "third")), inside)
    assert refused(lambda: os.unlink(f"{outside}/victim"), inside)
    os.mkdir(f"{outside}/empty")
    assert refused(lambda: os.rmdir(f"{outside}/empty"), inside)


@needs_landlock
def test_without_a_directory_it_writes_nowhere(tmp_path, inside):
    number = iter(range(100))
    assert refused(lambda: os.close(os.open(str(tmp_path / "image" / f"new-{next(number)}"), os.O_WRONLY | os.O_CREAT)))


@needs_landlock
def test_it_reads_libraries_and_no_secrets(tmp_path, inside):
    assert fence.run(outcome(lambda: os.listdir("/usr")), inside, Limits()) == "done"
    assert fence.run(outcome(lambda: os.close(os.open(os.__file__, os.O_RDONLY))), inside, Limits()) == "done"
    assert refused(lambda: os.close(os.open(str(tmp_path / "outside" / "victim"), os.O_RDONLY)), inside)
    assert refused(lambda: os.close(os.open("/etc/passwd", os.O_RDONLY)), inside)
    assert refused(lambda: os.listdir(str(tmp_path / "outside")), inside)
    layout = os.open(tmp_path / "outside", os.O_RDONLY)
    try:
        assert fence.run(outcome(lambda: os.close(os.open("victim", os.O_RDONLY, dir_fd=layout))), inside, Limits(), readable=[layout]) == "done"
    finally:
        os.close(layout)


@needs_landlock
def test_B17_it_opens_and_makes_no_device(inside):
    assert fence.run(outcome(lambda: os.close(os.open("/dev/null", os.O_RDWR))), inside, Limits()) == "done"
    assert refused(lambda: os.close(os.open("/dev/zero", os.O_RDONLY)), inside)
    number = iter(range(100))
    assert refused(lambda: os.mknod(f"device-{next(number)}-{os.getpid()}", 0o020600, os.makedev(1, 3), dir_fd=inside), inside)


# --- other processes, the network, the kernel


def test_it_signals_nobody(inside):
    assert refused(lambda: os.kill(os.getppid(), 0), inside)
    assert refused(lambda: os.kill(1, 0), inside)


def test_it_sees_into_nobody(inside):
    parent = os.getpid()
    assert refused(lambda: os.close(os.open(f"/proc/{parent}/mem", os.O_RDONLY)), inside)


@needs_filter
def test_it_connects_to_nobody(inside, tmp_path):
    def connect(family, address):
        with socket.socket(family, socket.SOCK_STREAM) as client:
            client.connect(address)

    with socket.socket(socket.AF_INET) as tcp, socket.socket(socket.AF_UNIX) as named, socket.socket(socket.AF_UNIX) as abstract:
        tcp.bind(("127.0.0.1", 0))
        named.bind(str(tmp_path / "socket"))
        abstract.bind(f"\0coracle-{os.getpid()}")
        for server in (tcp, named, abstract):
            server.listen()
            address, family = server.getsockname(), server.family
            assert refused(lambda family=family, address=address: connect(family, address), inside)


def test_it_gains_no_capability(inside):
    kept = fence.run(lambda: list(libc.capget()), inside, Limits())
    assert kept[0] == kept[1] == caps.mask(("CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID")) and kept[2] == 0
    everything = libc.capget()[1]

    def grow():
        libc.capset(everything, everything, 0)

    assert refused(grow, inside)
    assert refused(lambda: os.setresuid(0, 0, 0), inside)
    assert refused(lambda: os.chroot("/"), inside)
    assert refused(lambda: libc.unshare(libc.CLONE_NEWNS), inside)
    assert fence.run(lambda: libc.prctl(39), inside, Limits()) == 1  # PR_GET_NO_NEW_PRIVS


def test_what_it_makes_belongs_to_root(inside, tmp_path):
    def make():
        os.mkdir("directory", 0o755, dir_fd=inside)
        os.close(os.open("file", os.O_WRONLY | os.O_CREAT, 0o600, dir_fd=inside))
        os.chown("file", 1234, 5678, dir_fd=inside)
        os.mkdir("directory/deeper", 0o700, dir_fd=inside)
        os.chown("directory/deeper", 1234, 1234, dir_fd=inside)
        os.mkfifo("directory/deeper/fifo", 0o600, dir_fd=inside)
        os.utime("directory/deeper/fifo", (1, 1), dir_fd=inside)

    fence.run(make, inside, Limits())
    info = os.stat(tmp_path / "image" / "directory")
    assert (info.st_uid, info.st_gid) == (0, 0)
    info = os.stat(tmp_path / "image" / "file")
    assert (info.st_uid, info.st_gid) == (1234, 5678)
    info = os.stat(tmp_path / "image" / "directory" / "deeper" / "fifo")
    assert (info.st_uid, info.st_gid, info.st_mtime) == (0, 0, 1)


def test_where_another_user_cannot_reach_its_files_it_stays_root(inside, monkeypatch):
    def uids():
        return [os.getresuid(), libc.capget()[1]]

    ids, capabilities = fence.run(uids, inside, Limits())
    assert 0 not in ids
    monkeypatch.setattr(confine, "_is_reachable", lambda _fd: False)
    assert fence.run(uids, inside, Limits()) == [[0, 0, 0], capabilities]


def test_B24_only_processes_of_a_user_of_its_own_are_counted(inside, monkeypatch):
    def limits():
        return [os.getuid(), *resource.getrlimit(resource.RLIMIT_NPROC)]

    user, *counted = fence.run(limits, inside, Limits())
    assert user and counted == [64, 64]
    monkeypatch.setattr(confine, "_is_reachable", lambda _fd: False)  # as without CAP_SETUID
    assert fence.run(limits, inside, Limits()) == [0, *resource.getrlimit(resource.RLIMIT_NPROC)]


@pytest.mark.parametrize("version", range(8))
def test_every_landlock_does_what_it_can(inside, tmp_path, monkeypatch, version):
    if version > landlock.abi():
        pytest.skip(f"this kernel has ABI {landlock.abi()}")
    monkeypatch.setattr(landlock, "abi", lambda: version)

    def work():
        os.mkdir(f"one{version}", 0o700, dir_fd=inside)
        os.close(os.open(f"one{version}/file", os.O_WRONLY | os.O_CREAT, 0o600, dir_fd=inside))
        os.link(f"one{version}/file", f"link{version}", src_dir_fd=inside, dst_dir_fd=inside)

    assert fence.run(outcome(work), inside, Limits()) == "done"
    outside = outcome(lambda: os.mkdir(tmp_path / "outside" / "new"))
    assert fence.run(outside, inside, Limits()) == ("EACCES" if version >= 2 else "done")


# --- resources


def test_B24_it_forks_no_bomb(inside):
    def bomb():
        count = 0
        try:
            while count < 150:
                if os.fork() == 0:
                    time.sleep(30)
                    os._exit(0)
                count += 1
        except OSError as error:
            return [count, errno.errorcode[error.errno]]
        return [count, "done"]

    begin = time.monotonic()
    count, end = fence.run(bomb, inside, Limits())
    assert end == "EAGAIN" and count < 100
    assert time.monotonic() - begin < 20

    def control():
        count, end = bomb()
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        os.killpg(os.getpgrp(), signal.SIGTERM)
        return [count, end]

    assert unfenced(lambda: (os.setpgid(0, 0), control())[1]) == [150, "done"]


def test_its_children_end_with_it(inside):
    def leave_one():
        pid = os.fork()
        if pid == 0:
            time.sleep(60)
            os._exit(0)
        return pid

    pid = fence.run(leave_one, inside, Limits())
    deadline = time.monotonic() + 5
    while os.path.exists(f"/proc/{pid}") and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not os.path.exists(f"/proc/{pid}")


def test_B24_memory_has_an_end(inside):
    with pytest.raises(ArchiveError, match="MiB of memory"):
        fence.run(lambda: len(bytearray(2 * confine.MEMORY)), inside, Limits())
    assert fence.run(lambda: len(bytearray(confine.MEMORY // 2)), inside, Limits()) == confine.MEMORY // 2


def test_B24_a_file_has_an_end(inside):
    def write(size):
        fd = os.open("large", os.O_WRONLY | os.O_CREAT, 0o600, dir_fd=inside)
        os.lseek(fd, size - 1, os.SEEK_SET)
        return os.write(fd, b"x")

    limits = Limits(max_bytes=1 << 20, max_entries=1000)
    with pytest.raises(OSError) as caught:
        fence.run(lambda: write(confine.largest_file(limits) + 1), inside, limits)
    assert caught.value.errno == errno.EFBIG
    assert fence.run(lambda: write(confine.largest_file(limits)), inside, limits) == 1


def test_no_core_no_endless_run_and_few_descriptors(inside):
    def limits():
        return [resource.getrlimit(number)[1] for number in (resource.RLIMIT_CORE, resource.RLIMIT_CPU, resource.RLIMIT_NOFILE)]

    core, seconds, descriptors = fence.run(limits, inside, Limits())
    assert core == 0 and 300 < seconds < 7200 and descriptors == 256


def test_a_run_without_an_end_is_ended(inside, monkeypatch):
    monkeypatch.setattr(confine, "seconds", lambda _limits: 1)

    def spin():
        while True:
            pass

    with pytest.raises(ArchiveError, match="more than 1 seconds of processor time"):
        fence.run(spin, inside, Limits())


def test_it_dies_with_its_parent(inside):
    reading, writing = os.pipe()
    parent = os.fork()
    if parent == 0:
        def work():
            os.write(writing, b"%d" % os.getpid())
            time.sleep(60)

        fence.run(work, inside, Limits(), keep=[writing])
        os._exit(0)
    os.close(writing)
    pid = int(os.read(reading, 20))
    os.kill(parent, signal.SIGKILL)
    os.waitpid(parent, 0)
    assert os.read(reading, 20) == b""  # the end of the pipe: the child has it no more
    os.close(reading)
    deadline = time.monotonic() + 5
    while os.path.exists(f"/proc/{pid}") and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not os.path.exists(f"/proc/{pid}")
