# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""read_only, mounts, tmpfs, shm_size and sysctls on the real kernel, in root file systems that want the mounts to go elsewhere (A12, A13, A15)."""

from __future__ import annotations

import os
import shutil
import stat
import threading

import pytest

from ansible_collections.coracle.launcher.plugins.module_utils._coracle.base import libc

from . import boxes


@pytest.fixture
def source(tmp_path):
    """A directory of the host with a file, a program and a device."""
    path = tmp_path / "source"
    path.mkdir()
    boxes.write(str(path / "file"), "of the host\n")
    shutil.copy(boxes.BUSYBOX, path / "busybox")
    os.chmod(path / "busybox", 0o4755)
    os.mknod(path / "null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    return str(path)


@pytest.fixture
def outside(tmp_path):
    """A directory that nothing may reach."""
    path = tmp_path / "outside"
    path.mkdir()
    yield str(path)
    assert os.listdir(path) == []


def _refused(box, words, **options):
    result = box.shell("echo lives", **options)
    assert result.code == 125 and words in result.err and result.payload == [] and "Traceback" not in result.err, result
    assert box.traces() == []


# --- read_only

def test_read_only(box):
    result = box.shell("touch /tmp/a; touch /dev/shm/a && echo shm; touch /run/a && echo run", read_only=True, tmpfs=["/run"])
    assert result.payload == ["shm", "run"] and "Read-only file system" in result.err, result
    assert box.shell("touch /tmp/a && echo written").payload == ["written"]  # control


def test_A15_read_only_is_true_for_what_the_host_has_mounted_in_it(make_box, busybox_tree, tmp_path):
    root = str(shutil.copytree(busybox_tree, tmp_path / "root", symlinks=True))
    libc.mount("tmpfs", f"{root}/srv", "tmpfs")
    try:
        box = make_box(rootfs=root)
        assert "Read-only" in box.shell("touch /srv/a", read_only=True).err
        assert box.shell("touch /srv/a && echo written").payload == ["written"]  # control
    finally:
        libc.umount2(f"{root}/srv", libc.MNT_DETACH)


def test_a_root_that_is_read_only_on_the_host_stays_so(make_box, busybox_tree, tmp_path):
    root = str(shutil.copytree(busybox_tree, tmp_path / "root", symlinks=True))
    for name in ("proc", "sys", "dev"):
        os.makedirs(f"{root}/{name}", exist_ok=True)
    libc.mount(root, root, None, libc.MS_BIND)
    libc.mount(None, root, None, libc.MS_BIND | libc.MS_REMOUNT | libc.MS_RDONLY)
    try:
        for read_only in (True, False):
            assert "Read-only" in make_box(rootfs=root).shell("touch /tmp/a", read_only=read_only).err
    finally:
        libc.umount2(root, libc.MNT_DETACH)


# --- mounts

def test_a_directory_and_a_file_of_the_host(box, source):
    mounts = [{"source": source, "target": "/new/place"}, {"source": f"{source}/file", "target": "/srv/one"}]
    result = box.shell("cat /new/place/file /srv/one; echo more >> /srv/one; stat -c %a /new /new/place; ls -l /", mounts=mounts, how={"umask": 0o077})
    assert result.payload[:2] == ["of the host", "of the host"] and result.payload[2] == "755", result
    with open(f"{source}/file", encoding="utf-8") as file:
        assert file.read() == "of the host\nmore\n"
    assert stat.S_IMODE(os.stat(f"{box.root}/new/place").st_mode) == 0o755 and stat.S_IMODE(os.stat(f"{box.root}/srv/one").st_mode) == 0o644
    assert os.listdir(f"{box.root}/new/place") == [] and os.path.getsize(f"{box.root}/srv/one") == 0


def test_a_mount_gives_no_devices_and_no_set_id_bits(box, source):
    mounts = [{"source": source, "target": "/data"}]
    result = box.shell("cat /data/null; grep ' /data ' /proc/mounts; /data/busybox echo runs", mounts=mounts)
    assert "Permission denied" in result.err and "nosuid,nodev" in result.payload[0] and result.payload[-1] == "runs", result
    assert boxes.run(["cat", f"{source}/null"]).code == 0  # control


def test_A15_read_only_with_what_is_mounted_below(box, source):
    os.mkdir(f"{source}/below")
    libc.mount("tmpfs", f"{source}/below", "tmpfs")
    try:
        script = "touch /data/a; touch /data/below/a; ls /data/below"
        result = box.shell(script, mounts=[{"source": source, "target": "/data", "read_only": True}])
        assert result.err.count("Read-only file system") == 2, result
        assert box.shell(script, mounts=[{"source": source, "target": "/data"}]).payload == ["a"]  # control
        assert box.shell("ls /data/below", mounts=[{"source": source, "target": "/data", "non_recursive": True}]).payload == []
    finally:
        libc.umount2(f"{source}/below", libc.MNT_DETACH)


def test_mounts_in_mounts(box, source):
    os.mkdir(f"{source}/deep")
    result = box.shell("ls /a /a/deep/er; touch /a/deep/er/x", tmpfs=["/a/deep/er"], mounts=[{"source": source, "target": "/a"}])
    assert "file" in result.payload and result.err == "", result
    assert os.listdir(f"{source}/deep/er") == []


def test_no_mount_is_left_on_the_host(box, source):
    before = boxes.run(["cat", "/proc/self/mountinfo"]).out
    assert box.shell("true", mounts=[{"source": source, "target": "/data"}], tmpfs=["/run"], read_only=True).code == 0
    assert boxes.run(["cat", "/proc/self/mountinfo"]).out == before


@pytest.mark.parametrize("link", ["absolute", "up", "inside"])
def test_A13_a_target_behind_a_link_is_inside(box, source, outside, link):
    os.symlink({"absolute": outside, "up": "../" * 12 + outside[1:], "inside": "srv"}[link], f"{box.root}/a")
    os.makedirs(f"{box.root}{outside}")
    result = box.shell("cat /a/b/file", mounts=[{"source": source, "target": "/a/b"}])
    assert result.payload == ["of the host"], result
    assert os.listdir(f"{box.root}/srv") == (["b"] if link == "inside" else [])


@pytest.mark.parametrize("target", ["/proc", "/proc/self", "/sys", "/sys/kernel", "/dev", "/dev/shm", "/dev/pts", "/", "/srv/../dev",
                                    "/proc/self/root", "/dev/null"])
def test_A13_a_link_to_what_the_launcher_mounts_is_refused(box, source, target):
    os.symlink(target, f"{box.root}/a")
    _refused(box, "/a", mounts=[{"source": f"{source}/file" if target == "/dev/null" else source, "target": "/a"}])
    if target != "/dev/null":
        _refused(box, "/a", tmpfs=["/a"])


@pytest.mark.parametrize("shape", ["file", "fifo", "dangling"])
def test_A13_a_target_that_is_no_directory(box, source, shape):
    path = f"{box.root}/a"
    {"file": lambda: boxes.write(path, ""), "fifo": lambda: os.mkfifo(path), "dangling": lambda: os.symlink("/nowhere/at/all", path)}[shape]()
    _refused(box, "/a", mounts=[{"source": source, "target": "/a"}])


def test_A12_a_file_over_a_link_that_leads_nowhere_is_where_it_leads(box, source, outside):
    os.symlink(f"../run/there/{outside[1:].replace('/', '-')}", f"{box.root}/etc/name")
    result = box.shell("cat /etc/name", mounts=[{"source": f"{source}/file", "target": "/etc/name"}])
    assert result.payload == ["of the host"] and os.path.isdir(f"{box.root}/run/there"), result


@pytest.mark.parametrize("shape", ["fifo", "socket", "hard link"])
def test_A12_a_file_over_whatever_is_there(box, source, tmp_path, shape):
    path, canary = f"{box.root}/etc/name", boxes.write(str(tmp_path / "canary"), "canary")
    if shape == "hard link":
        os.link(canary, path)
    else:
        os.mknod(path, (stat.S_IFIFO if shape == "fifo" else stat.S_IFSOCK) | 0o644)
    before = os.stat(canary)
    assert box.shell("cat /etc/name", mounts=[{"source": f"{source}/file", "target": "/etc/name", "read_only": True}]).payload == ["of the host"]
    after = os.stat(canary)
    assert (before.st_mtime_ns, before.st_size, before.st_mode) == (after.st_mtime_ns, after.st_size, after.st_mode)


def test_A13_a_target_that_is_exchanged_all_the_time(make_box, busybox_tree, source, outside, tmp_path):
    root = str(shutil.copytree(busybox_tree, tmp_path / "root", symlinks=True))
    os.makedirs(f"{root}/a/b")
    os.symlink("../" * 12 + outside[1:], f"{root}/x")
    os.makedirs(f"{root}{outside}")
    ended = threading.Event()

    def flip():
        top = os.open(root, os.O_PATH)
        while not ended.is_set():
            libc.renameat2(top, "a", top, "x", libc.RENAME_EXCHANGE)
        os.close(top)

    thread = threading.Thread(target=flip)
    thread.start()
    try:
        seen = set()
        for _round in range(15):
            result = make_box(rootfs=root).shell("cat /a/b/file /x/b/file", mounts=[{"source": source, "target": "/a/b"}])
            assert "Traceback" not in result.err and os.listdir(outside) == [], result
            seen.add(result.code)
        assert seen & {0, 1}  # some began
    finally:
        ended.set()
        thread.join()


# --- sources

def test_A13_a_source_behind_a_link_is_refused(box, source, tmp_path):
    os.symlink(source, tmp_path / "link")
    _refused(box, "real path", mounts=[{"source": str(tmp_path / "link"), "target": "/data"}])
    os.symlink("/etc", f"{source}/sub")
    _refused(box, "real path", mounts=[{"source": f"{source}/sub/ssh", "target": "/data"}])


def test_what_no_source_can_be(box, source):
    for path, words in ((f"{source}/none", "No such file"), (f"{source}/null", "is a device"), ("/run/coracle", "launcher"), ("/run", "launcher"),
                        ("/", "launcher"), ("/var/lib/coracle/containers/x/chroot", "launcher"), ("/usr/local/lib/coracle/current", "launcher")):
        _refused(box, words, mounts=[{"source": path, "target": "/data"}])


def test_a_source_that_becomes_a_link_between_the_check_and_the_mount_is_not_followed(box, source, monkeypatch):
    """The check may pass, the child opens it again without following a link: here the child alone, in a mount namespace of its own."""
    from ansible_collections.coracle.launcher.plugins.module_utils._coracle.kernel import volumes

    os.symlink("/etc", f"{source}/sub")
    with pytest.raises(OSError, match="symbolic links"):
        volumes.open_source(f"{source}/sub")
    os.close(volumes.open_source(source))  # control


# --- tmpfs, shm_size

def test_tmpfs(box):
    script = "df -k /run /dev/shm | awk 'NR > 1 {print $2}'; stat -c '%a %u' /run; grep ' /run ' /proc/mounts;" \
        " cp /bin/busybox /run/busybox; /run/busybox echo runs"
    lines = box.shell(script, tmpfs=["/run:size=2M,mode=750,uid=99"], shm_size="1M").payload
    assert lines[:3] == ["2048", "1024", "750 99"] and "nosuid,nodev,noexec" in lines[3] and len(lines) == 4, lines
    lines = box.shell(script, tmpfs=["/run:exec"]).payload
    assert lines[:3] == ["65536", "65536", "1777 0"] and "noexec" not in lines[3] and lines[4] == "runs", lines
    assert "Read-only" in box.shell("touch /run/a", tmpfs=["/run:ro"]).err


def test_a_tmpfs_of_mounts(box):
    mounts = [{"type": "tmpfs", "target": "/cache", "tmpfs_size": "1M", "tmpfs_mode": "700"}]
    assert box.shell("df -k /cache | awk 'NR > 1 {print $2}'; stat -c %a /cache", mounts=mounts).payload == ["1024", "700"]


# --- sysctls

def test_sysctls_are_the_containers_own(box):
    files = ("/proc/sys/net/core/somaxconn", "/proc/sys/kernel/msgmax", "/proc/sys/fs/mqueue/msg_max")
    before = [open(name, encoding="ascii").read() for name in files]
    asked = {"net.core.somaxconn": "77", "kernel.msgmax": 7777, "fs.mqueue.msg_max": "7"}
    assert box.shell("cat " + " ".join(files), sysctls=asked).payload == ["77", "7777", "7"]
    assert box.shell("cat " + " ".join(files)).payload[:2] != ["77", "7777"]  # control: it does not stay
    assert [open(name, encoding="ascii").read() for name in files] == before


@pytest.mark.parametrize("asked, words", [({"net.core.somaxconn": "many"}, "net.core.somaxconn"), ({"net.none": "1"}, "net/none"),
                                          ({"net.core.rmem_max": "5"}, "rmem_max")])
def test_a_sysctl_that_cannot_be_set(box, asked, words):
    if list(asked) == ["net.core.rmem_max"] and boxes.run(["unshare", "-n", "test", "-e", "/proc/sys/net/core/rmem_max"]).code == 0:
        pytest.skip("this kernel has it for each namespace")
    _refused(box, words, sysctls=asked)
