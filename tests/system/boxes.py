# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the system tests build and run: a container directory, its launcher, and the same probe without any of the launcher's protection."""

from __future__ import annotations

import ast
import contextlib
import itertools
import os
import shutil
import signal
import subprocess
import sys
import time

from ansible_collections.coracle.launcher.plugins.module_utils._coracle.base import libc
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.model import settings
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.work import records, start

BUSYBOX = "/bin/busybox"
COMMAND = "/usr/local/sbin/coracle"
PYTHON = os.path.realpath("/usr/bin/python3" if os.path.exists("/usr/bin/python3") else getattr(sys, "_base_executable", sys.executable))
_COUNTER = itertools.count()

# Runs inside: small, and imports nothing that the tree does not have.
PRELUDE = """
import ctypes, errno, fcntl, os, signal, socket, stat, sys
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
def tell(value): sys.stdout.write("TELL " + ascii(value) + chr(10)); sys.stdout.flush()
def call(number, *arguments):
    arguments = [argument if isinstance(argument, bytes) else ctypes.c_long(argument) for argument in arguments]
    return 0 if libc.syscall(ctypes.c_long(number), *arguments) >= 0 else ctypes.get_errno()
def attempt(function, *arguments):
    try: function(*arguments)
    except OSError as error: return errno.errorcode[error.errno]
    return "ok"
def status():
    with open("/proc/self/status") as file: return {line.partition(":")[0]: line.partition(":")[2].strip() for line in file}
"""


class Result:
    """`code` of a command, its output and what came through stderr."""

    def __init__(self, code, out, err):
        self.code, self.out, self.err = code, out, err

    def __repr__(self):
        return f"code {self.code}\n{self.out}\n{self.err}"

    def told(self):
        """The last value that a probe gave to tell()."""
        lines = [line for line in self.out.splitlines() if line.startswith("TELL ")]
        assert lines, self
        return ast.literal_eval(lines[-1][5:])

    @property
    def payload(self):
        """Lines of the container's own: without the article's messages."""
        lines = self.out.splitlines()
        own = [number for number, line in enumerate(lines) if line.startswith("Starting /")]
        return [line for line in lines[own[0] + 1:] if line != "Exiting container"] if own else []


def run(command, timeout=30, **more):
    done = subprocess.run(command, capture_output=True, text=True, errors="backslashreplace", timeout=timeout, check=False,
                          **{"stdin": subprocess.DEVNULL, **more})
    return Result(done.returncode, done.stdout, done.stderr)


class Launcher:
    """The command, as installed."""

    def __call__(self, *words, **more):
        return run([COMMAND, *words], **more)


class Box:
    """One container directory: `path`, `root` (its root file system), `name`."""

    def __init__(self, launcher, parent, options):
        self.launcher = launcher
        self.name = f"atk{os.getpid()}x{next(_COUNTER)}"
        self.path = f"{parent}/{self.name}"
        self.root = options.get("rootfs", f"{self.path}/chroot")
        self.options = options

    def write_settings(self, **options):
        spec = settings.normalise({**self.options, **options})
        with open(f"{self.path}/settings", "wb") as file:
            file.write(settings.render(spec))

    def run(self, *command, how=None, **options):
        """Run a command in the foreground as `coracle run`; `how`: more arguments of subprocess.run."""
        self.write_settings(command=list(command), **options)
        return self.launcher("run", self.path, **(how or {}))

    def shell(self, script, how=None, **options):
        return self.run("/bin/sh", "-c", script, how=how, **options)

    def python(self, code, how=None, **options):
        """Run a probe and return what it told."""
        return self.run(PYTHON, "-I", "-S", "-c", PRELUDE + code, how=how, **options).told()

    @contextlib.contextmanager
    def running(self, *command, how=None, **options):
        """The container in the foreground of a process of its own; inside the `with` it has begun. Gives the Popen."""
        self.write_settings(command=list(command) or ["/bin/sleep", "60"], **options)
        with subprocess.Popen([COMMAND, "run", self.path], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, **(how or {})) as process:
            try:
                for line in process.stdout:
                    if line.startswith("Starting "):
                        break
                else:
                    raise AssertionError(f"did not start, exit status {process.wait()}")
                self._wait_for_execve()
                yield process
            finally:
                self._kill_init()
                try:
                    process.wait(10)
                finally:
                    process.kill()

    def pid(self):
        return records.read_state(self.name).pid

    def _wait_for_execve(self):
        deadline = time.monotonic() + 10
        while os.path.basename(os.readlink(f"/proc/{self.pid()}/exe")).startswith("python") and self._is_launcher():
            assert time.monotonic() < deadline
            time.sleep(0.005)

    def _is_launcher(self):
        with open(f"/proc/{self.pid()}/cmdline", "rb") as file:
            return b"/usr/local/lib/coracle" in file.read()

    def execute(self, *words, **more):
        """`coracle exec` in this running container."""
        return self.launcher("exec", *words[:-1], self.name, *words[-1], **more)

    def traces(self):
        """What of this container is on the host, beside the state that says how it ended."""
        found = [f"/run/netns/{self.name}", *(f"/run/coracle/{self.name}/{fifo}" for fifo in ("stdout", "stderr"))]
        found += cgroups(self.name)
        return [path for path in found if os.path.exists(path)]

    def remove(self):
        """Whatever the test has left: the container, its cgroup and namespace."""
        self._kill_init()
        if os.path.exists("/run/coracle/supervisor.sock"):
            self.launcher("stop", "-t", "0", self.name)
        start.clean(self.name, start.cgroup_of(self.name))

    def _kill_init(self):
        state = records.read_state(self.name)
        if records.is_running(state):
            os.kill(state.pid, signal.SIGKILL)


def cgroup_mounts():
    with open("/proc/self/mountinfo", encoding="utf-8") as file:
        rows = [line.split() for line in file]
    return [row[4] for row in rows if row[row.index("-") + 1] in ("cgroup", "cgroup2")]


def cgroups(name):
    return [os.path.join(top, "coracle", name) for top in cgroup_mounts()]


def end_supervisor():
    """Stop the supervisor that a test has started in our mount namespace, if any."""
    own = os.readlink("/proc/self/ns/mnt")
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                words = file.read().split(b"\0")
            if b"supervisor" in words and os.readlink(f"/proc/{pid}/ns/mnt") == own:
                os.kill(int(pid), signal.SIGKILL)


def end_all_that_execute(path):
    """Kill the processes whose program is the file `path`, whatever mount they see it through; return how many there were."""
    ended = 0
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            if os.path.samestat(os.stat(f"/proc/{pid}/exe"), os.stat(path)):
                ended += 1
                os.kill(int(pid), signal.SIGKILL)
    return ended


def make_busybox_tree(tree):
    for directory, mode in (("bin", 0o755), ("etc", 0o755), ("root", 0o700), ("srv", 0o755), ("tmp", 0o1777), ("var", 0o755)):
        os.makedirs(f"{tree}/{directory}")
        os.chmod(f"{tree}/{directory}", mode)
    os.chmod(tree, 0o755)
    shutil.copy(BUSYBOX, f"{tree}/bin/busybox")
    for applet in subprocess.run([BUSYBOX, "--list"], capture_output=True, text=True, check=True).stdout.split():
        if applet != "busybox":
            os.symlink("busybox", f"{tree}/bin/{applet}")
    write(f"{tree}/etc/passwd", "root:x:0:0:root:/root:/bin/sh\nweb:x:99:98:web:/srv:/bin/sh\n")
    write(f"{tree}/etc/group", "root:x:0:\nweb:x:98:\n")
    return tree


def add_python(tree):
    """Copy the host's Python with just the modules of PRELUDE, at the same paths."""
    code = PRELUDE + "import encodings.ascii, mmap, resource, termios, threading\n"
    code += "for m in list(sys.modules.values()):\n if getattr(m, '__file__', None): print(m.__file__)\nprint(os.__file__)"
    listed = subprocess.run([PYTHON, "-I", "-S", "-c", code], capture_output=True, text=True, check=True).stdout.split()
    files = {PYTHON, *listed}
    for path in [path for path in files if path == PYTHON or path.endswith(".so")]:
        for word in subprocess.run(["ldd", path], capture_output=True, text=True, check=False).stdout.split():
            if word.startswith("/"):
                files.add(word)
    for path in files:
        target = tree + path
        os.makedirs(os.path.dirname(target), exist_ok=True)
        shutil.copy(path, target)  # follows links: a library under the name that the loader asks for
    os.makedirs(os.path.join(os.path.dirname(tree + os.path.realpath(os.__file__)), "lib-dynload"), exist_ok=True)


def write(path, content, mode=0o644):
    with open(path, "w", encoding="utf-8") as file:
        file.write(content)
    os.chmod(path, mode)
    return path


def naive(tree, command, uid=None, preexec=None, **more):
    """The positive control: the same command behind chroot(2) alone, with the host's capabilities, open files, environment and /proc.

    `uid`: with setgid and setuid as many write it, supplementary groups kept. `preexec`: called first. In a mount namespace of its own, so
    that nothing is left.
    """
    def enter():
        if preexec is not None:
            preexec()
        libc.unshare(libc.CLONE_NEWNS)
        libc.mount(None, "/", None, libc.MS_REC | libc.MS_PRIVATE)
        os.makedirs(f"{tree}/proc", exist_ok=True)
        libc.mount("proc", f"{tree}/proc", "proc")
        os.chroot(tree)
        os.chdir("/")
        if uid is not None:
            os.setgid(uid)
            os.setuid(uid)
    return run(list(command), preexec_fn=enter, close_fds=False, **more)


def naive_python(tree, code, **more):
    return naive(tree, [PYTHON, "-I", "-S", "-c", PRELUDE + code], **more).told()


def host_python(code, **more):
    """The probe on the host itself, as root."""
    return run([PYTHON, "-I", "-S", "-c", PRELUDE + code], **more).told()
