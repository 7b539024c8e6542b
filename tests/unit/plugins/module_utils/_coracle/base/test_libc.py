# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each wrapper once on the real kernel. No mocks of ctypes: they would test the test."""

from __future__ import annotations

import errno
import fcntl
import os
import signal

import pytest

from ansible_collections.coracle.launcher.plugins.module_utils._coracle.base import libc

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="runs as root only: it makes namespaces and mounts in a child")


def in_child(function):
    """Run `function` in a child; its exception fails the test."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            signal.alarm(20)
            function()
            os.write(writer, b"ok")
        except BaseException as error:
            os.write(writer, repr(error).encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as file:
        assert file.read() == "ok"
    os.waitpid(pid, 0)


@needs_root
def test_mount_umount_and_fstatfs(tmp_path):
    def mounts():
        libc.unshare(libc.CLONE_NEWNS)
        libc.mount(None, "/", None, libc.MS_REC | libc.MS_PRIVATE)
        libc.mount("tmpfs", str(tmp_path), "tmpfs", libc.MS_NOSUID | libc.MS_NODEV, "size=64k,mode=700")
        fd = os.open(tmp_path, os.O_PATH)
        assert libc.fstatfs_type(fd) == libc.TMPFS_MAGIC
        os.mkdir(f"/proc/self/fd/{fd}/inside")
        os.close(fd)
        libc.umount2(str(tmp_path), libc.MNT_DETACH)
        assert os.listdir(tmp_path) == []
    in_child(mounts)
    assert not os.path.ismount(tmp_path)


@needs_root
def test_pivot_root_leaves_the_old_tree(tmp_path):
    def pivot():
        libc.unshare(libc.CLONE_NEWNS)
        libc.mount(None, "/", None, libc.MS_REC | libc.MS_PRIVATE)
        libc.mount("tmpfs", str(tmp_path), "tmpfs")
        os.chdir(tmp_path)
        libc.pivot_root(".", ".")
        libc.umount2(".", libc.MNT_DETACH)
        assert os.listdir("/") == []
    in_child(pivot)


@needs_root
def test_a_read_only_clone_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("x")
    fd = libc.open_tree_clone(str(tmp_path / "file"))
    with open(f"/proc/self/fd/{fd}", "a"):
        pass  # control: a clone is as writable as the original
    libc.mount_setattr(fd, libc.MOUNT_ATTR_RDONLY)
    with pytest.raises(OSError) as caught:
        open(f"/proc/self/fd/{fd}", "a")
    assert caught.value.errno == errno.EROFS
    assert fcntl.fcntl(fd, fcntl.F_GETFD) & fcntl.FD_CLOEXEC
    os.close(fd)


@needs_root
def test_namespaces_and_hostname():
    before = os.readlink("/proc/self/ns/uts"), os.uname().nodename

    def rename():
        own = os.open("/proc/self/ns/uts", os.O_RDONLY)
        libc.unshare(libc.CLONE_NEWUTS)
        libc.sethostname("ahoy")
        assert os.uname().nodename == "ahoy"
        libc.setns(own, libc.CLONE_NEWUTS)
        assert os.uname().nodename == before[1]
    in_child(rename)
    assert (os.readlink("/proc/self/ns/uts"), os.uname().nodename) == before


@needs_root
def test_A28_a_new_session_keyring():
    def keyring():
        def session():
            return libc._libc.syscall(libc._NR_KEYCTL, 0, -3, 0)  # KEYCTL_GET_KEYRING_ID of KEY_SPEC_SESSION_KEYRING
        libc.keyctl_join_session()
        first = session()
        libc.keyctl_join_session()
        assert first > 0 and session() > 0 and session() != first
    in_child(keyring)


@needs_root
def test_capabilities_travel_both_ways():
    def drop():
        effective, permitted, inheritable = libc.capget()
        assert effective == permitted and permitted
        libc.capset(1, 1 | 1 << 40 & permitted, 1)
        assert libc.capget() == (1, 1 | 1 << 40 & permitted, 1)
    in_child(drop)


def test_prctl_returns_what_the_kernel_says():
    def dumpable():
        libc.prctl(libc.PR_SET_DUMPABLE, 0)
        assert libc.prctl(3) == 0  # PR_GET_DUMPABLE
        with pytest.raises(OSError) as caught:
            libc.prctl(0x7FFFFFFF)
        assert caught.value.errno == errno.EINVAL
    in_child(dumpable)


@pytest.mark.parametrize("resolve, path, number", [
    (libc.RESOLVE_BENEATH, "../x", errno.EXDEV),
    (libc.RESOLVE_BENEATH, "/etc", errno.EXDEV),
    (libc.RESOLVE_NO_SYMLINKS, "link", errno.ELOOP),
    (libc.RESOLVE_NO_MAGICLINKS, "magic", errno.ELOOP),
    (libc.RESOLVE_NO_XDEV, "proc", errno.EXDEV),
    (libc.RESOLVE_IN_ROOT, "up", errno.ENOENT),
])
def test_openat2_refuses(tmp_path, resolve, path, number):
    (tmp_path / "link").symlink_to("target")
    (tmp_path / "magic").symlink_to("/proc/self/exe")
    (tmp_path / "proc").symlink_to("/proc")
    (tmp_path / "up").symlink_to("/../../etc/passwd")
    dirfd = os.open(tmp_path, os.O_RDONLY)
    try:
        with pytest.raises(OSError) as caught:
            libc.openat2(dirfd, path, os.O_RDONLY, 0, resolve)
        assert caught.value.errno == number and caught.value.filename == path
    finally:
        os.close(dirfd)


def test_openat2_takes_no_name_with_a_nul(tmp_path):
    dirfd = os.open(tmp_path, os.O_RDONLY)
    try:
        with pytest.raises(ValueError, match="null byte"):
            libc.openat2(dirfd, ".\0/x", os.O_RDONLY)
    finally:
        os.close(dirfd)


def test_openat2_opens_and_creates_close_on_exec(tmp_path):
    dirfd = os.open(tmp_path, os.O_RDONLY)
    fd = libc.openat2(dirfd, "new", os.O_CREAT | os.O_WRONLY | os.O_EXCL, 0o600)
    assert not os.get_inheritable(fd)
    assert os.fstat(fd).st_mode & 0o777 == 0o600 & ~_umask()
    os.close(fd)
    os.close(dirfd)


def _umask():
    old = os.umask(0)
    os.umask(old)
    return old


@pytest.mark.parametrize("kernel_has_it", [True, False])
def test_A02_close_range_closes_what_a_lowered_limit_hides(kernel_has_it):
    def close():
        import resource

        _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, hard), hard))
        reader, _writer = os.pipe()
        os.dup2(reader, 2000)
        resource.setrlimit(resource.RLIMIT_NOFILE, (64, hard))
        if not kernel_has_it:
            libc._NR_CLOSE_RANGE = 0x7FFF
        # The pipe to the parent is moved below the first one that is closed.
        keep = max(int(name) for name in os.listdir("/proc/self/fd") if int(name) < 64) + 1
        libc.close_range(keep)
        assert max(int(name) for name in os.listdir("/proc/self/fd")) <= keep
    in_child(close)


def test_renameat2_exchange_and_noreplace(tmp_path):
    (tmp_path / "a").write_text("a")
    (tmp_path / "b").write_text("b")
    fd = os.open(tmp_path, os.O_RDONLY)
    libc.renameat2(fd, "a", fd, "b", libc.RENAME_EXCHANGE)
    assert (tmp_path / "a").read_text() == "b"
    with pytest.raises(FileExistsError):
        libc.renameat2(fd, "a", fd, "b", libc.RENAME_NOREPLACE)
    libc.renameat2(fd, "a", fd, "c")
    assert sorted(os.listdir(tmp_path)) == ["b", "c"]
    os.close(fd)


def test_errors_carry_call_and_path(tmp_path):
    with pytest.raises(OSError) as caught:
        libc.umount2(str(tmp_path / "none"))
    assert caught.value.strerror.startswith("umount2: ") and caught.value.filename == str(tmp_path / "none")


def test_seccomp_refuses_a_program_that_is_none():
    def load():
        libc.prctl(libc.PR_SET_NO_NEW_PRIVS, 1)
        with pytest.raises(OSError) as caught:
            libc.seccomp_filter(b"\x15\0\xff\xff\0\0\0\0")  # jumps out of itself
        assert caught.value.errno == errno.EINVAL
        libc.seccomp_filter(b"\x06\0\0\0\0\0\xff\x7f")  # ret ALLOW
    in_child(load)
