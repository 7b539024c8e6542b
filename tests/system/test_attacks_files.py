# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Attacks through files, mounts, descriptors and the launcher itself (A01 to A25). Each with its positive control: the same probe
without the protection must succeed, or the test proves nothing."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import stat
import struct
import subprocess
import time

import pytest

from ansible_collections.coracle.launcher.plugins.module_utils._coracle.base import libc

from . import boxes

MS_SHARED = 1 << 20

ESCAPE = """
try:
    os.makedirs("/tmp/inner", exist_ok=True)
    here = os.open(".", os.O_RDONLY)
    os.chroot("/tmp/inner")
    os.fchdir(here)
    for step in range(64): os.chdir("..")
    os.chroot(".")
except OSError as error:
    tell(("refused", errno.errorcode[error.errno]))
else:
    tell(("out", os.path.exists(%r)))
"""


def test_A01_a_second_chroot_does_not_lead_out(probe, python_tree, tmp_path):
    canary = boxes.write(str(tmp_path / "canary"), "")
    assert probe.python(ESCAPE % canary) == ("refused", "EPERM")
    assert boxes.naive_python(python_tree, ESCAPE % canary) == ("out", True)  # control: behind chroot alone it does


def test_A01_no_mount_of_the_host_is_left_inside(box):
    result = box.shell("cut -d' ' -f5 /proc/self/mountinfo")
    allowed = re.compile(r"/|/dev(/pts|/shm|/mqueue)?|/proc(/[a-z_-]+)?|/sys(/firmware|/devices/virtual/powercap)?")
    assert result.payload[0] == "/" and all(allowed.fullmatch(line) for line in result.payload), result
    outside = boxes.run(["cut", "-d ", "-f5", "/proc/self/mountinfo"]).out.splitlines()
    assert not all(allowed.fullmatch(line) for line in outside)  # control: the host has more


LISTING = "tell([os.readlink(f'/proc/self/fd/{n}') for n in sorted(map(int, os.listdir('/proc/self/fd'))) if os.path.islink(f'/proc/self/fd/{n}')])"


def _with_descriptor(number, path="/"):
    """Arguments of subprocess.run that hand descriptor `number` on `path` to the launcher."""
    def leak():
        fd = os.open(path, os.O_RDONLY)
        os.dup2(fd, number, inheritable=True)
    return {"preexec_fn": leak, "close_fds": False}


def test_A02_an_open_descriptor_of_the_caller_does_not_get_in(probe, python_tree):
    links = probe.python(LISTING, how=_with_descriptor(9))
    assert len(links) == 3 and all(link.startswith("pipe:") for link in links)
    assert "/" in boxes.naive_python(python_tree, LISTING, preexec=_with_descriptor(9)["preexec_fn"])  # control


def test_A02_nor_through_exec(probe):
    with probe.running():
        result = probe.execute([boxes.PYTHON, "-I", "-S", "-c", boxes.PRELUDE + LISTING], **_with_descriptor(9))
        links = result.told()
    assert len(links) == 3 and all(link.startswith("pipe:") for link in links)


def test_A02_nor_a_descriptor_of_the_supervisor(probe):
    probe.write_settings(command=[boxes.PYTHON, "-I", "-S", "-c", boxes.PRELUDE + LISTING + "\nsignal.pause()"])
    started = probe.launcher("start", "--grace", "1", probe.path, **_with_descriptor(9))
    try:
        assert started.code == 0, started
        pid = probe.pid()
        held = {number: os.readlink(f"/proc/{pid}/fd/{number}") for number in os.listdir(f"/proc/{pid}/fd")}
        assert set(held) == {"0", "1", "2"} and held["0"] == "/dev/null", held
        for number in "12":
            assert stat.S_ISFIFO(os.stat(f"/proc/{pid}/fd/{number}").st_mode), held
    finally:
        assert probe.launcher("stop", "-t", "0", probe.name).code == 0
    assert probe.traces() == []


def test_A03_no_descriptor_is_a_working_directory(box):
    for number in [*range(3, 16), 30]:
        result = box.shell("pwd; ls", working_dir=f"/proc/self/fd/{number}", how=_with_descriptor(number))
        assert result.code == 125 and "working_dir" in result.err and result.payload == [], (number, result)
    assert box.traces() == []


def test_A03_a_working_directory_of_the_rootfs_is_one(box, python_tree):
    assert box.shell("pwd", working_dir="/srv").payload == ["/srv"]
    # control: after chroot alone the descriptor leads out
    code = "os.chdir('/proc/self/fd/9'); tell(os.path.exists('usr/bin') and os.path.exists('boot'))"
    assert boxes.naive_python(python_tree, code, preexec=_with_descriptor(9)["preexec_fn"]) is os.path.exists("/boot")


# --- A04: the interpreter

TRIES = """#!/bin/sh
while [ ! -e /stop ]; do
    ( : >> /proc/self/fd/3 ) 2>&1 && echo WRITABLE
    usleep 20000
done
"""
# 3 is the interpreter's file. Once /bin/sh runs, no process of the container executes it any more: only then could it be written.
ENTRY = """#!/proc/self/exe
exec 3</proc/self/exe
(exec /bin/sh /tries >/result 2>&1) &
%s
"""


def _loader_of(program):
    """The path of a program's dynamic loader: PT_INTERP of its ELF header."""
    with open(program, "rb") as file:
        data = file.read(4096)
    offset, = struct.unpack_from("<Q", data, 32)
    size, count = struct.unpack_from("<HH", data, 54)
    for number in range(count):
        kind, _flags, where, _address, _physical, length = struct.unpack_from("<IIQQQQ", data, offset + number * size)
        if kind == 3:
            return data[where:where + length - 1].decode()
    return None


def _prepare_overwriting(root, last="exec /bin/sleep 60"):
    """An entry point that the kernel gives to the launcher's own interpreter, with a loader of ours: bash."""
    loader = root + _loader_of(boxes.PYTHON)
    os.makedirs(os.path.dirname(loader), exist_ok=True)
    shutil.copy("/bin/bash-static", loader)
    boxes.write(f"{root}/tries", TRIES, 0o755)
    boxes.write(f"{root}/entry", ENTRY % last, 0o755)


def _last_result(root, python):
    """What the container's tries gave after the end of everybody who executes the file `python`."""
    _wait_for(f"{root}/result")
    _wait_for(lambda: not boxes.end_all_that_execute(python))
    before = os.path.getsize(f"{root}/result")
    _wait_for(lambda: os.path.getsize(f"{root}/result") > before + 400)
    with open(f"{root}/result", encoding="utf-8") as file:
        return file.read()[before + 100:]


@pytest.fixture
def own_python(tmp_path):
    """A copy of the interpreter that nobody else executes: a busy one could not be written by luck (ETXTBSY), whatever protects it."""
    where = subprocess.run([boxes.PYTHON, "-c", "import os; print(os.path.dirname(os.__file__))"], capture_output=True, text=True, check=True).stdout.strip()
    (tmp_path / "own" / "bin").mkdir(parents=True)
    (tmp_path / "own" / "lib").mkdir()
    (tmp_path / "own" / "lib" / os.path.basename(where)).symlink_to(where)
    copy = str(shutil.copy(boxes.PYTHON, tmp_path / "own" / "bin"))
    with open(copy, "rb") as file:
        before = hashlib.sha256(file.read()).hexdigest()
    yield copy
    with open(copy, "rb") as file:
        assert hashlib.sha256(file.read()).hexdigest() == before


def _use_for_supervisors(python):
    os.unlink("/usr/local/lib/coracle/current/python")
    os.symlink(python, "/usr/local/lib/coracle/current/python")


needs_bash = pytest.mark.skipif(not os.path.exists("/bin/bash-static"), reason="needs bash-static, which plays the image's loader")


@needs_bash
def test_A04_interpreter_cannot_be_overwritten_after_a_start(box, own_python):
    _prepare_overwriting(box.root)
    box.write_settings(command=["/entry"])
    boxes.end_supervisor()
    _use_for_supervisors(own_python)
    started = boxes.run([own_python, "-I", "-S", "/usr/local/lib/coracle/current", "start", box.path])
    assert started.code == 0, started
    try:
        seen = _last_result(box.root, own_python)
        assert "Read-only file system" in seen and "WRITABLE" not in seen and "busy" not in seen, seen
    finally:
        _use_for_supervisors(boxes.PYTHON)
        assert box.launcher("stop", "-t", "0", box.name).code == 0


@needs_bash
def test_A04_interpreter_cannot_be_overwritten_after_an_exec(box, own_python):
    _prepare_overwriting(box.root, "exit 0")
    with box.running():
        entered = boxes.run([own_python, "-I", "-S", "/usr/local/lib/coracle/current", "exec", box.name, "/entry"])
        assert entered.code == 0, entered
        seen = _last_result(box.root, own_python)
    assert "Read-only file system" in seen and "WRITABLE" not in seen and "busy" not in seen, seen


@needs_bash
def test_A04_control_an_unsealed_interpreter_can_be_opened_for_writing(box, own_python):
    _prepare_overwriting(box.root)
    os.mkdir(f"{box.root}/dev")
    os.mknod(f"{box.root}/dev/null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    code = ("import ctypes, os\n"
            f"libc = ctypes.CDLL(None)\nlibc.unshare({libc.CLONE_NEWNS})\nlibc.mount(None, b'/', None, {libc.MS_REC | libc.MS_PRIVATE}, None)\n"
            f"os.makedirs({box.root!r} + '/proc', exist_ok=True)\nlibc.mount(b'proc', {box.root.encode()!r} + b'/proc', b'proc', 0, None)\n"
            f"os.chroot({box.root!r})\nos.chdir('/')\nos.execv('/entry', ['/entry'])\n")
    with subprocess.Popen([own_python, "-I", "-S", "-c", code], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as process:
        try:
            assert "WRITABLE" in _last_result(box.root, own_python)
        finally:
            boxes.write(f"{box.root}/stop", "")
            process.kill()


def test_A05_a_process_that_enters_shows_nothing_of_the_host(box):
    script = "while :; do for p in /proc/[0-9]*; do ls $p/root/%s $p/cwd/%s 2>/dev/null; done; [ -e /stop ] && break; done > /hits; echo done > /done"
    canary = "boot" if os.path.exists("/boot") else "lib"
    with box.running("/bin/sh", "-c", script % (canary, canary)):
        for _number in range(15):
            assert box.execute(["/bin/true"]).code == 0
        boxes.write(f"{box.root}/stop", "")
        _wait_for(f"{box.root}/done")
        with open(f"{box.root}/hits", encoding="utf-8") as file:
            assert file.read() == ""


def _wait_for(what):
    """Until a path is there or a function says yes."""
    deadline = time.monotonic() + 10
    while not (what() if callable(what) else os.path.exists(what)):
        assert time.monotonic() < deadline, what
        time.sleep(0.01)


# --- A06: code of the image

CANARY = "import os\nos.close(os.open('/canary', os.O_CREAT | os.O_WRONLY, 0o666))\n"


def _poison(root):
    """Put a module that leaves a canary at every path from which the host's Python could import, and NSS libraries beside."""
    where = subprocess.run([boxes.PYTHON, "-c", "import os, sys; print(os.path.dirname(os.__file__)); print(chr(10).join(sys.stdlib_module_names))"
                            if sys_has_names() else "import os; print(os.path.dirname(os.__file__)); print('warnings\\nwave\\npwd\\ntraceback\\nencodings')"],
                           capture_output=True, text=True, check=True).stdout.split()
    directories = [where[0], f"{where[0]}/lib-dynload", os.path.realpath("/usr/local/lib/coracle/current"), "/usr/local/lib/coracle/current",
                   "/usr/lib/python3/dist-packages", ""]
    for directory in directories:
        os.makedirs(root + directory, exist_ok=True)
        for name in where[1:]:
            boxes.write(f"{root}{directory}/{name}.py", CANARY)
    shutil.rmtree(f"{root}{where[0]}/encodings", ignore_errors=True)
    for name in ("bin/sh", "bin/nsenter", "usr/bin/python3"):
        if os.path.lexists(f"{root}/{name}"):
            os.unlink(f"{root}/{name}")
        os.makedirs(os.path.dirname(f"{root}/{name}"), exist_ok=True)
        boxes.write(f"{root}/{name}", "#!/bin/busybox sh\n: > /canary\n", 0o755)
    return where[0]


def sys_has_names():
    return subprocess.run([boxes.PYTHON, "-c", "import sys; sys.stdlib_module_names"], capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize("case, options, code", [
    ("fine", {"command": ["/bin/true"]}, 0),
    ("missing program", {"command": ["/bin/none"]}, 127),
    ("program that is none", {"command": ["/etc/passwd"]}, 126),
    ("bad directory", {"command": ["/bin/true"], "working_dir": "/none"}, 125),
    ("unknown user", {"command": ["/bin/true"], "user": "nobody-here"}, 125),
    ("user by name", {"command": ["/bin/true"], "user": "web", "group": "web"}, 0),
])
def test_A06_no_file_of_the_image_runs_as_the_hosts_root(box, case, options, code):
    _poison(box.root)
    command = options.pop("command")
    result = box.run(*command, **options)
    options["command"] = command
    assert result.code == code, (case, result)
    assert not os.path.exists(f"{box.root}/canary"), case
    assert box.traces() == []


def test_A06_control_an_import_after_chroot_runs_it(box):
    library = _poison(box.root)
    # -S keeps site out; `wave` is a module that nothing has loaded yet.
    code = f"import os, sys\nos.chroot({box.root!r})\nos.chdir('/')\nassert {library!r} in sys.path\nimport wave\n"
    boxes.run([boxes.PYTHON, "-I", "-S", "-c", code])
    assert os.path.exists(f"{box.root}/canary")


def test_A06_no_path_of_the_image_is_opened_between_pivot_and_execve(box):
    if shutil.which("strace") is None:
        pytest.skip("needs strace")
    lines = _strace(box, "openat,open,pivot_root,execve,newfstatat,stat,access,readlink,connect", "/bin/true", user="web")
    begin = next(number for number, line in enumerate(lines) if "pivot_root(" in line)
    end = next(number for number, line in enumerate(lines) if number > begin and "execve(" in line)
    assert lines[begin + 1:end] == []


def _strace(box, calls, *command, **options):
    """System calls of the process that becomes the container's, from its own fork on, in order."""
    box.write_settings(command=list(command), **options)
    trace = f"{box.path}/trace"
    result = boxes.run(["strace", "-f", "-qq", "-e", f"trace={calls}", "-e", "signal=none", "-s", "64", "-o", trace, boxes.COMMAND, "run", box.path])
    assert result.code == 0, result
    with open(trace, encoding="utf-8") as file:
        rows = [line.rstrip().split(None, 1) for line in file]
    pid = next(pid for pid, text in rows if text.startswith("pivot_root("))
    return [text for number, text in rows if number == pid and "exited" not in text]


# --- A07, A08: what the image puts where we mount

def _shape(root, name, shape, outside):
    path = f"{root}/{name}"
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    if shape == "absolute link":
        os.symlink(outside, path)
    elif shape == "link up":
        os.symlink("../" * 12 + outside.lstrip("/"), path)
    elif shape == "dangling link":
        os.symlink("/nowhere", path)
    elif shape == "link inside":
        os.symlink("srv", path)
    elif shape == "file":
        boxes.write(path, "")
    elif shape == "fifo":
        os.mkfifo(path)
    elif shape == "directory with content":
        os.mkdir(path)
        boxes.write(f"{path}/version", "hostile")
        os.symlink(outside, f"{path}/pts")


@pytest.mark.parametrize("name", ["dev", "proc", "sys"])
@pytest.mark.parametrize("shape", ["absolute link", "link up", "dangling link", "link inside", "file", "fifo"])
def test_A07_A08_what_is_no_directory_ends_the_start(box, tmp_path, name, shape):
    outside = tmp_path / "outside"
    outside.mkdir()
    _shape(box.root, name, shape, str(outside))
    result = box.run("/bin/true")
    assert result.code == 125 and f"/{name}" in result.err and "Traceback" not in result.err, result
    assert os.listdir(outside) == [] and os.listdir(f"{box.root}/srv") == [] and not os.path.exists("/nowhere")
    assert box.traces() == []


@pytest.mark.parametrize("name", ["dev", "proc", "sys"])
@pytest.mark.parametrize("shape", ["directory with content", "missing"])
def test_A07_A08_control_a_directory_is_mounted_over(box, tmp_path, name, shape):
    outside = tmp_path / "outside"
    outside.mkdir()
    _shape(box.root, name, shape, str(outside))
    result = box.shell("cat /proc/version; ls /dev/pts /sys")
    assert result.code == 0 and result.payload[0].startswith("Linux version") and "kernel" in result.payload, result
    assert os.listdir(outside) == []


@pytest.mark.parametrize("name", ["dev", "proc", "sys"])
def test_A07_A08_also_on_the_second_start(box, tmp_path, name):
    """The first start runs the attacker's code as root: it prepares the tree for the second."""
    outside = tmp_path / "outside"
    outside.mkdir()
    assert box.shell(f"umount /{name}; rmdir /{name}; mv /{name} /x; echo $?").payload == ["1"]  # not while it is mounted on
    os.rmdir(f"{box.root}/{name}")
    os.symlink(outside, f"{box.root}/{name}")
    assert box.run("/bin/true").code == 125 and os.listdir(outside) == []


def test_A09_root_inside_cannot_change_the_hosts_null_device(box):
    before = os.stat("/dev/null")
    result = box.shell("for f in keys kallsyms interrupts timer_list; do [ -e /proc/$f ] && chmod 666 /proc/$f; done; chown 0:0 /proc/keys; touch /proc/keys")
    after = os.stat("/dev/null")
    assert (before.st_mode, before.st_uid, before.st_ctime_ns) == (after.st_mode, after.st_uid, after.st_ctime_ns)
    assert result.err.count("Read-only file system") >= 3, result
    assert box.shell("chmod 666 /dev/null && echo changed").payload == ["changed"]  # control: its own is its own


# --- A12 to A25

def test_A14_mounts_do_not_reach_a_shared_mount_of_the_host(make_box, busybox_tree, tmp_path):
    shared = tmp_path / "shared"
    shared.mkdir()
    libc.mount("tmpfs", str(shared), "tmpfs")
    try:
        libc.mount(None, str(shared), None, MS_SHARED)
        root = shutil.copytree(busybox_tree, shared / "root", symlinks=True)
        box = make_box(rootfs=str(root))
        before = _mountinfo(shared)
        with box.running():
            assert _mountinfo(shared) == before
        assert _mountinfo(shared) == before
        # control: without MS_PRIVATE it does
        pid = os.fork()
        if pid == 0:
            libc.unshare(libc.CLONE_NEWNS)
            libc.mount("tmpfs", f"{root}/tmp", "tmpfs")
            os._exit(0)
        os.waitpid(pid, 0)
        assert len(_mountinfo(shared)) == len(before) + 1
        libc.umount2(f"{root}/tmp")
    finally:
        libc.umount2(str(shared), libc.MNT_DETACH)


def _mountinfo(path):
    with open("/proc/self/mountinfo", encoding="utf-8") as file:
        return [line for line in file if str(path) in line]


def test_A15_what_is_mounted_below_the_rootfs_gives_no_devices(make_box, busybox_tree, tmp_path):
    root = str(shutil.copytree(busybox_tree, tmp_path / "root", symlinks=True))
    libc.mount("tmpfs", f"{root}/srv", "tmpfs")
    try:
        os.mknod(f"{root}/srv/kmsg", stat.S_IFCHR | 0o666, os.makedev(1, 11))
        box = make_box(rootfs=root)
        result = box.shell("grep ' /srv ' /proc/mounts; cat /srv/kmsg")
        assert "nosuid,nodev" in result.payload[0] and "Permission denied" in result.err, result
        os.close(os.open(f"{root}/srv/kmsg", os.O_RDONLY | os.O_NONBLOCK))  # control: the host's root opens it
    finally:
        libc.umount2(f"{root}/srv", libc.MNT_DETACH)


def test_A15_a_read_only_noexec_rootfs_stays_so(make_box, busybox_tree, tmp_path):
    root = tmp_path / "root"
    root.mkdir()
    libc.mount(busybox_tree, str(root), None, libc.MS_BIND)
    try:
        for directory in ("proc", "sys", "dev"):
            os.makedirs(f"{busybox_tree}/{directory}", exist_ok=True)
        libc.mount(None, str(root), None, libc.MS_REMOUNT | libc.MS_BIND | libc.MS_RDONLY)
        result = make_box(rootfs=str(root)).shell("touch /tmp/x || echo refused")
        assert result.payload == ["refused"] and "Read-only file system" in result.err, result
        libc.mount(None, str(root), None, libc.MS_REMOUNT | libc.MS_BIND | libc.MS_NOEXEC)
        assert make_box(rootfs=str(root)).run("/bin/true").code == 126
    finally:
        libc.umount2(str(root), libc.MNT_DETACH)


def test_A18_a_setuid_program_gives_nothing(make_box, python_tree, tmp_path):
    root = str(shutil.copytree(python_tree, tmp_path / "root", symlinks=True))
    os.chmod(root + boxes.PYTHON, 0o4755)
    code = "tell((os.getuid(), os.geteuid()))"
    box = make_box(rootfs=root)
    assert box.python(code, user="99") == (99, 99)
    assert boxes.naive_python(root, code, uid=99) == (99, 0)  # control


@pytest.fixture
def image(busybox_tree):
    """An image of the store with device nodes and a setuid program in it; (digest, tree)."""
    digest = hashlib.sha256(os.urandom(8)).hexdigest()
    tree = f"/var/lib/coracle/images/{digest}/tree"
    shutil.copytree(busybox_tree, tree, symlinks=True)
    os.mknod(f"{tree}/srv/kmsg", stat.S_IFCHR | 0o666, os.makedev(1, 11))
    yield f"sha256:{digest}", tree
    shutil.rmtree(os.path.dirname(tree))


def _snapshot(tree):
    found = {}
    for top, directories, names in os.walk(tree):
        for name in directories + names:
            info = os.lstat(os.path.join(top, name))
            found[os.path.join(top, name)] = (info.st_mode, info.st_uid, info.st_size, info.st_mtime_ns, info.st_ino)
    return found


def test_A15_A25_an_image_of_the_store_is_never_written_and_gives_no_devices(make_box, image):
    digest, tree = image
    before = _snapshot(tree)
    box = make_box(image=digest)
    script = "head -n1 /proc/mounts; cat /srv/kmsg; echo x > /etc/passwd; chmod 4777 /bin/busybox; rm -r /root; ls /etc/passwd /root"
    result = box.shell(script)
    assert "overlay" in result.payload[0] and "nosuid,nodev" in result.payload[0] and "Permission denied" in result.err, result
    assert "/etc/passwd" in result.payload and _snapshot(tree) == before
    with open(f"{box.path}/upper/etc/passwd", encoding="ascii") as file:
        assert file.read() == "x\n"  # control: what was written is elsewhere
    assert box.shell("cat /etc/passwd").payload == ["x"]


def test_A07_A08_also_when_the_upper_layer_of_an_overlay_says_so(make_box, image, tmp_path):
    digest, _tree = image
    outside = tmp_path / "outside"
    outside.mkdir()
    for name in ("dev", "proc", "sys"):
        box = make_box(image=digest)
        os.makedirs(f"{box.path}/upper")
        os.symlink(outside, f"{box.path}/upper/{name}")
        assert box.run("/bin/true").code == 125
        assert os.listdir(outside) == [] and box.traces() == []


def test_A19_what_is_no_root_is_refused(make_box, tmp_path):
    (tmp_path / "dir").mkdir()
    (tmp_path / "link").symlink_to("dir")
    boxes.write(str(tmp_path / "file"), "")
    for bad in ("/", "//", "/.", str(tmp_path / "link"), str(tmp_path / "file"), str(tmp_path / "none")):
        box = make_box(rootfs=bad)
        result = box.run("/bin/true")
        assert result.code == 125 and "rootfs" in result.err and "Traceback" not in result.err, (bad, result)
        assert box.traces() == []


OPEN_FOR_WRITING = "tell([attempt(os.open, path, os.O_WRONLY | os.O_APPEND) for path in %r])"


@pytest.mark.parametrize("user", ["0", "99"])
def test_A20_the_kernels_switches_are_read_only(probe, user):
    paths = [path for path in ("/proc/sys/kernel/core_pattern", "/proc/sys/kernel/modprobe", "/proc/sys/kernel/hostname", "/proc/sys/vm/drop_caches",
                               "/proc/sysrq-trigger", "/proc/irq/default_smp_affinity") if os.path.exists(path)]
    with open("/proc/sys/kernel/core_pattern", encoding="utf-8") as file:
        before = file.read()
    assert set(probe.python(OPEN_FOR_WRITING % paths, user=user)) == {"EROFS"} if user == "0" else {"EROFS", "EACCES"}
    assert "ok" in boxes.host_python(OPEN_FOR_WRITING % paths[:1])  # control: opened, not written
    with open("/proc/sys/kernel/core_pattern", encoding="utf-8") as file:
        assert file.read() == before


def test_A20_only_root_without_capabilities_is_no_protection(python_tree):
    """Why the mount is read-only: uid 0 with an empty capability set still opens it."""
    code = "libc.capset((ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)())\n" + OPEN_FOR_WRITING % ["/proc/sys/kernel/core_pattern"]
    assert boxes.naive_python(python_tree, code) == ["ok"]


def test_A22_nothing_in_sys_is_writable(probe):
    code = """
names, found = [], []
for top, directories, files in os.walk("/sys"):
    names += [os.path.join(top, name) for name in files]
for name in names[:4000]:
    try:
        if os.lstat(name).st_mode & 0o222:
            found.append(attempt(os.open, name, os.O_WRONLY))
    except FileNotFoundError: pass
tell((len(found) > 50, sorted(set(found)), os.listdir("/sys/fs/cgroup") if os.path.exists("/sys/fs/cgroup") else []))
"""
    assert probe.python(code) == (True, ["EROFS"], [])
    code = "tell([attempt(os.open, path, os.O_WRONLY) for path in ('/sys/kernel/uevent_helper', '/sys/kernel/mm/transparent_hugepage/enabled',"\
           " '/sys/power/state') if os.path.exists(path)])"
    assert "ok" in boxes.host_python(code)  # control


def test_A23_A24_no_cgroup_file_is_in_reach(probe):
    code = """
libc.mount.argtypes = (ctypes.c_char_p,) * 3 + (ctypes.c_ulong, ctypes.c_char_p)
results = []
for fstype, data in ((b"cgroup", b"memory"), (b"cgroup2", None), (b"tmpfs", None)):
    results.append(0 if libc.mount(fstype, b"/tmp", fstype, 0, data) == 0 else errno.errorcode[ctypes.get_errno()])
found = [line.split()[4] for line in open("/proc/self/mountinfo") if " - cgroup" in line]
tell((results, found, open("/proc/self/cgroup").read().count("/..")))
"""
    results, found, _up = probe.python(code)
    assert results == ["EPERM"] * 3 and found == []


@pytest.mark.parametrize("user", ["0", "99"])
def test_A25_devices_of_the_image_and_new_ones_do_not_open(make_box, python_tree, tmp_path, user):
    root = str(shutil.copytree(python_tree, tmp_path / "root", symlinks=True))
    for name, kind, device in (("kmsg", stat.S_IFCHR, (1, 11)), ("loop", stat.S_IFBLK, (7, 0))):
        os.mknod(f"{root}/srv/{name}", kind | 0o666, os.makedev(*device))
    os.chmod(f"{root}/srv", 0o777)
    code = """
made = [attempt(os.mknod, path, stat.S_IFCHR | 0o666, os.makedev(1, 11)) for path in ("/srv/new", "/tmp/new", "/dev/new", "/dev/shm/new")]
opened = [attempt(os.open, path, os.O_RDONLY | os.O_NONBLOCK) for path in ("/srv/kmsg", "/srv/loop")]
tell((made, opened, sorted(os.listdir("/dev")), [oct(os.stat("/dev/" + name).st_mode) for name in ("null", "zero", "full", "random", "urandom", "tty")]))
"""
    made, opened, devices, modes = make_box(rootfs=root).python(code, user=user)
    assert set(made) <= {"EPERM", "EACCES"} and opened == ["EACCES", "EACCES"]
    expected = ["fd", "full", "mqueue", "null", "ptmx", "pts", "random", "shm", "stderr", "stdin", "stdout", "tty", "urandom", "zero"]
    assert devices == [name for name in expected if name != "mqueue" or name in devices]
    assert modes == ["0o20666"] * 6
    os.close(os.open(f"{root}/srv/kmsg", os.O_RDONLY | os.O_NONBLOCK))  # control


def test_A29_what_tells_about_the_host_is_empty(probe):
    hidden = ["kallsyms", "timer_list", "keys", "interrupts", "sched_debug", "kcore", "latency_stats", "acpi", "scsi"]
    code = f"""
def look(path):
    try:
        if os.path.isdir(path): return len(os.listdir(path))
        with open(path, "rb") as file: return len(file.read(100))
    except OSError as error: return errno.errorcode[error.errno]
umount = [(libc.umount2(("/proc/" + name).encode(), 2), errno.errorcode.get(ctypes.get_errno()))[1] for name in {hidden!r} if os.path.exists("/proc/" + name)]
tell(({{name: look("/proc/" + name) for name in {hidden!r}}}, umount, attempt(os.unlink, "/proc/keys"), attempt(os.rename, "/proc/keys", "/proc/x")))
"""
    seen, umounted, unlinked, renamed = probe.python(code)
    assert all(value in (0, "ENOENT") for value in seen.values()), seen
    assert set(umounted) == {"EPERM"} and unlinked != "ok" and renamed != "ok"
    host = {name: boxes.run(["head", "-c", "100", f"/proc/{name}"]).out for name in ("kallsyms", "interrupts")}
    assert all(host.values())  # control
