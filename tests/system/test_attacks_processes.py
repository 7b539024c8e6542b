# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Attacks through system calls, identity and what a process inherits (A26 to A49). Each with its positive control: the same probe
without the protection must succeed, or the test proves nothing."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import platform
import resource
import select
import shutil
import signal
import socket
import subprocess
import termios
import uuid

import pytest

from ansible_collections.coracle.launcher.plugins.module_utils._coracle.kernel import caps, seccomp

from . import boxes

KNOWN = platform.machine() in seccomp.MACHINES
needs_filter = pytest.mark.skipif(not KNOWN, reason="no filter for this architecture")


def _number(name):
    return next(row[seccomp.MACHINES[platform.machine()].column] for row in seccomp.DENIED if row[0] == name)


# --- A26, A32: system calls

@needs_filter
@pytest.mark.parametrize("user", ["0", "99"])
def test_A26_every_call_of_the_deny_list_is_refused(probe, user):
    column = seccomp.MACHINES[platform.machine()].column
    numbers = {row[0]: row[column] for row in seccomp.DENIED if row[column] is not None}
    # Arguments that could do nothing even if one came through: -1 everywhere.
    code = f"tell({{name: call(number, -1, -1, -1, -1, -1) for name, number in {numbers!r}.items()}})"
    assert {name for name, number in probe.python(code, user=user).items() if number != errno.EPERM} == set()


@needs_filter
def test_A26_arguments_that_are_refused(probe):
    machine = seccomp.MACHINES[platform.machine()]
    code = f"""
tell({{
    "clone3": call({machine.clone3}, 0, 0),
    "newest": call(490),
    "new user": call({machine.clone}, 0x10000000 | 17, 0, 0, 0, 0),
    "new mounts": call({machine.clone}, 0x00020000 | 17, 0, 0, 0, 0),
    "AF_ALG": attempt(socket.socket, 38, 5),
    "AF_VSOCK": attempt(socket.socket, 40, 1),
    "AF_PACKET": attempt(socket.socket, 17, 3),
    "AF_INET raw": attempt(socket.socket, 2, 3, 1),
    "AF_INET": attempt(socket.socket, 2, 1),
    "AF_UNIX": attempt(socket.socket, 1, 1),
    "settimeofday": attempt(__import__("time").clock_settime, 0, 0.0),
    "sethostname": attempt(socket.sethostname, "x"),
    "setns": [attempt(os.open, "/proc/1/ns/mnt", 0), call({_number("setns")}, 0, 0)],
}})
"""
    seen = probe.python(code)
    assert seen == {"clone3": errno.ENOSYS, "newest": errno.ENOSYS, "new user": errno.EPERM, "new mounts": errno.EPERM, "AF_ALG": "EPERM",
                    "AF_VSOCK": "EPERM", "AF_PACKET": "EPERM", "AF_INET raw": "EPERM", "AF_INET": "ok", "AF_UNIX": "ok", "settimeofday": "EPERM",
                    "sethostname": "EPERM", "setns": ["ok", errno.EPERM]}


@needs_filter
def test_A26_control_the_host_lets_root_do_them(python_tree):
    code = f"""
tell((call({_number("keyctl")}, 0, -3, 0), call({_number("unshare")}, 0x04000000), call({seccomp.MACHINES[platform.machine()].clone3}, 0, 0) == errno.ENOSYS,
      attempt(socket.socket, 17, 3), attempt(socket.socket, 2, 3, 1), call({_number("bpf")}, -1, -1, -1), call({_number("ptrace")}, -1, -1)))
"""
    keyctl, unshare, clone3, packet, raw, bpf, ptrace = boxes.naive_python(python_tree, code)
    assert (keyctl, unshare, clone3, packet, raw) == (0, 0, False, "ok", "ok") and errno.EPERM not in (bpf, ptrace)


@needs_filter
@pytest.mark.skipif(platform.machine() != "x86_64", reason="x32 and int 0x80 are of x86_64")
def test_A26_other_call_tables_of_this_processor_kill(probe):
    for code in ("call(0x40000000 + 39)",
                 "import mmap; m = mmap.mmap(-1, 4096, prot=7); m.write(bytes.fromhex('53b814000000cd805bc3'));"
                 " ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(m)))()"):
        code = f"pid = os.fork()\nif pid == 0:\n    {code}\n    os._exit(0)\ntell(os.waitpid(pid, 0)[1])"
        assert probe.python(code) & 0x7F == signal.SIGSYS
        assert boxes.host_python(code) & 0x7F != signal.SIGSYS  # control


def test_A26_ordinary_programs_work(box, probe):
    script = "echo one | cat; (sleep 0.01 & wait); mkdir /tmp/d && touch /tmp/d/f && rm -r /tmp/d; id; ps; kill -0 $$; mknod /tmp/fifo p; ls -la / | wc -l"
    result = box.shell(script)
    assert result.code == 0 and result.err.strip() == "" and result.payload[0] == "one", result
    code = ("import threading\nout = []\nt = threading.Thread(target=out.append, args=(1,)); t.start(); t.join()\n"
            "a, b = socket.socketpair(); a.send(b'x'); tell((out, b.recv(1), os.waitpid(os.posix_spawn('/bin/true', ['true'], {}), 0)[1]))")
    assert probe.python(code) == ([1], b"x", 0)


@needs_filter
def test_A32_no_user_namespace(box, busybox_tree):
    assert "Operation not permitted" in box.shell("unshare -U id", user="99").err
    assert boxes.naive(busybox_tree, ["/bin/unshare", "-u", "true"]).code == 0  # control


# --- A27: the terminal

TYPE = "import fcntl, termios\nfor c in b'echo INJECTED\\n': fcntl.ioctl(0, 0x5412, bytes([c]))\n"


def _on_terminal(command, typed=b"", **more):
    """Run a command whose controlling terminal is a new pseudo-terminal; return its exit status and all that the terminal showed.

    `typed`: sent when the first prompt (#) is there.
    """
    master, slave = os.openpty()

    def own_terminal():
        os.setsid()
        fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
    with subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave, preexec_fn=own_terminal, **more) as process:
        os.close(slave)
        shown = b""
        while select.select([master], [], [], 20)[0]:
            try:
                piece = os.read(master, 65536)
            except OSError:
                break
            if not piece:
                break
            shown += piece
            if typed and b"# " in shown:
                os.write(master, typed)
                typed = b""
        code = process.wait(20)
    os.close(master)
    return code, shown.decode(errors="backslashreplace")


def _probe_on_terminal(probe, code):
    probe.write_settings(command=[boxes.PYTHON, "-I", "-S", "-c", boxes.PRELUDE + code])
    status, shown = _on_terminal([boxes.COMMAND, "run", probe.path])
    return boxes.Result(status, shown.replace("\r\n", "\n"), "")


def test_A27_the_callers_terminal_is_not_inside(probe):
    code = f"""
tell((os.ttyname(0), os.isatty(1), os.listdir("/dev/pts"), os.getsid(0) == os.getpid(),
      [attempt(fcntl.ioctl, 0, number, bytes(8)) for number in (0x5412, 0x541C)],
      call({seccomp.MACHINES[platform.machine()].ioctl}, 0, 0x100005412, 0)))
"""
    name, is_terminal, there, leads_session, refused, high_bits = _probe_on_terminal(probe, code).told()
    assert name == "/dev/pts/0" and is_terminal and sorted(there) == ["0", "ptmx"] and leads_session
    assert refused == ["EPERM", "EPERM"] and high_bits == errno.EPERM


def test_A27_typing_goes_in_and_the_exit_status_out(box):
    box.write_settings(command=["/bin/sh", "-i"])
    code, shown = _on_terminal([boxes.COMMAND, "run", box.path], b"echo $((6 * 7)); tty\nexit 5\n")
    assert code == 5 and "42\r\n/dev/pts/0" in shown, shown


def test_A27_control_without_the_filter_one_can_type_for_the_caller():
    with open("/proc/sys/dev/tty/legacy_tiocsti", encoding="ascii") as file:
        if file.read().strip() == "0":
            pytest.skip("this kernel refuses TIOCSTI to everyone")
    code, shown = _on_terminal([boxes.PYTHON, "-c", TYPE])
    assert code == 0 and "echo INJECTED" in shown


def test_A27_pipes_have_no_terminal(probe):
    assert probe.python("tell((os.isatty(0), os.isatty(1), attempt(os.open, '/dev/tty', os.O_RDWR)))") == (False, False, "ENXIO")


# --- A28, A30, A33: what namespaces do not part

@needs_filter
def test_A28_the_callers_keys_are_out_of_reach(probe):
    add_key, request_key, keyctl = _number("add_key"), _number("request_key"), _number("keyctl")
    name = f"coracle-{uuid.uuid4()}"

    def with_key():
        libc = ctypes.CDLL(None, use_errno=True)
        libc.syscall(keyctl, 1, None)  # a session keyring of our own
        if libc.syscall(add_key, b"user", name.encode(), b"secret", 6, -3) < 0:
            raise OSError(ctypes.get_errno(), "add_key")
    ask = f"tell((call({request_key}, b'user', {name.encode()!r}, 0, 0), os.path.getsize('/proc/keys'), len(open('/proc/keys').read())))"
    assert probe.python(ask, how={"preexec_fn": with_key}) == (errno.EPERM, 0, 0)
    assert boxes.host_python(ask, preexec_fn=with_key)[0] == 0  # control


def test_A30_host_name_and_ipc_are_its_own(probe):
    before = os.uname().nodename
    assert probe.python("tell(os.uname().nodename)") == probe.name
    assert probe.python("tell(os.uname().nodename)", hostname="ahoy") == "ahoy"
    assert os.uname().nodename == before
    code = "tell({kind: os.readlink('/proc/self/ns/' + kind) for kind in ('pid', 'mnt', 'net', 'uts', 'ipc', 'cgroup')})"
    inside = probe.python(code)
    assert all(inside[kind] != os.readlink(f"/proc/self/ns/{kind}") for kind in inside)


def test_A33_abstract_sockets_of_the_host_are_out_of_reach(probe):
    name = f"\0coracle-{uuid.uuid4()}"
    code = f"tell(attempt(socket.socket(socket.AF_UNIX).connect, {name!r}))"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(name)
        listener.listen()
        assert probe.python(code) == "ECONNREFUSED"
        assert boxes.host_python(code) == "ok"  # control


def test_A33_the_supervisor_has_no_abstract_socket(box):
    box.write_settings(command=["/bin/sleep", "60"])
    assert box.launcher("start", box.path).code == 0
    with open("/proc/net/unix", encoding="utf-8") as file:
        sockets = [line.split()[-1] for line in file if "coracle" in line]
    assert box.launcher("stop", "-t", "0", box.name).code == 0
    assert sockets and all(path.startswith("/run/coracle/") for path in sockets), sockets


# --- A40 to A43: identity

def test_A40_supplementary_groups_of_the_caller_are_gone(probe, python_tree):
    def groups():
        os.setgroups([0, 6, 27, 999])
    code = "tell((status()['Groups'], os.getgroups()))"
    for user in ("0", "99"):
        assert probe.python(code, how={"preexec_fn": groups}, user=user) == ("", [])
    assert boxes.naive_python(python_tree, code, uid=99, preexec=groups)[1] == [0, 6, 27, 999]  # control


@pytest.mark.parametrize("user", ["-1", "4294967295", "4294967296", "99999999999", "\u0663", "1_000", "+99", "root root", "99.0", "", "0x0"])
def test_A41_what_is_no_user_is_refused_before_anything_is_made(box, user):
    boxes.write(f"{box.path}/settings", f"process: /bin/true\nuser: {user}\n")
    result = box.launcher("run", box.path)
    assert result.code == 125 and "user" in result.err and "Added PID" not in result.out and "Traceback" not in result.err, result
    assert box.traces() == [] and not os.path.exists(f"/run/coracle/{box.name}")


@pytest.mark.parametrize("user, group, expected", [
    ("99", None, (99, 98)), ("web", None, (99, 98)), ("99", "7", (99, 7)), ("4294967294", None, (4294967294, 4294967294)),
    ("2147483648", "0", (2147483648, 0)), ("0", None, (0, 0)),
])
def test_A41_all_ids_are_the_asked_ones_and_there_is_no_way_back(probe, user, group, expected):
    options = {"user": user, **({"group": group} if group else {})}
    code = "tell((os.getresuid(), os.getresgid(), attempt(os.setuid, 0), attempt(os.setgroups, [0])))"
    uids, gids, back, groups = probe.python(code, **options)
    assert uids == (expected[0],) * 3 and gids == (expected[1],) * 3
    assert (back, groups) == (("ok", "ok") if user == "0" else ("EPERM", "EPERM"))


CAPABILITIES = "tell({name: status()[name] for name in ('CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb', 'NoNewPrivs', 'Seccomp')})"


def _expected(uid):
    with open("/proc/self/status", encoding="ascii") as file:
        bounding = next(int(line.split()[1], 16) for line in file if line.startswith("CapBnd"))
    mask = f"{caps.for_uid(uid) & bounding:016x}"
    return {"CapInh": "0" * 16, "CapPrm": mask, "CapEff": mask, "CapBnd": mask, "CapAmb": "0" * 16, "NoNewPrivs": "1", "Seccomp": "2" if KNOWN else "0"}


@pytest.mark.parametrize("uid", [0, 99])
def test_A42_A43_capabilities_no_new_privs_and_filter(probe, python_tree, uid):
    assert probe.python(CAPABILITIES, user=str(uid)) == _expected(uid)
    control = boxes.naive_python(python_tree, CAPABILITIES)
    assert control["CapBnd"] != _expected(uid)["CapBnd"] and control["NoNewPrivs"] == "0"


@pytest.mark.parametrize("uid", [0, 99])
def test_A42_A43_the_same_in_exec(probe, uid):
    with probe.running(user=str(uid)):
        for options in ((), ("-u", "0"), ("-u", "99")):
            result = probe.launcher("exec", *options, probe.name, boxes.PYTHON, "-I", "-S", "-c", boxes.PRELUDE + CAPABILITIES)
            wanted = _expected(int(options[1]) if options else uid)
            assert result.told() == wanted, options


def test_A42_A43_the_same_from_the_supervisor_and_after_a_restart(probe):
    probe.write_settings(command=[boxes.PYTHON, "-I", "-S", "-c", boxes.PRELUDE + CAPABILITIES + "\nsignal.pause()"], stop_timeout=0)
    try:
        for verb in ("start", "restart"):
            assert probe.launcher(verb, probe.path if verb == "start" else probe.name).code == 0
            seen = {}
            with open(f"/proc/{probe.pid()}/status", encoding="ascii") as file:
                seen = {line.split(":")[0]: line.split()[1] for line in file if len(line.split()) > 1}
            assert {name: seen[name] for name in _expected(0)} == _expected(0)
    finally:
        probe.launcher("stop", "-t", "0", probe.name)


# --- A44 to A48: what a process inherits

@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077])
def test_A44_the_callers_umask_changes_nothing(probe, mask):
    def narrow():
        os.umask(mask)
    code = """
tell((status()["Umask"], [oct(os.stat(path).st_mode) for path in ("/dev/null", "/dev/shm", "/dev", "/dev/pts", "/proc", "/sys")]))
"""
    assert probe.python(code, how={"preexec_fn": narrow}) == ("0022", ["0o20666", "0o41777", "0o40755", "0o40755", "0o40555", "0o40555"])


def test_A45_nothing_of_the_callers_environment_gets_in(probe, python_tree):
    hostile = {**os.environ, "AWS_SECRET": "canary", "ANSIBLE_X": "1", "SSH_AUTH_SOCK": "/x", "SUDO_USER": "me", "LC_ALL": "C.UTF-8", "PYTHONPATH": "/x",
               "LD_PRELOAD": "", "TERM": "xterm", "HOME": "/caller"}
    code = "tell((dict(os.environ), open('/proc/1/environ', 'rb').read()))"
    names, raw = probe.python(code, how={"env": hostile}, env={"ASKED": "yes"})
    path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    expected = {"PATH": path, "HOME": "/root", "container": "coracle", "ASKED": "yes"}
    assert {name: value for name, value in names.items() if name != "LC_CTYPE"} == expected  # Python sets LC_CTYPE itself (PEP 538)
    assert dict(pair.split("=", 1) for pair in raw.decode().split("\0") if pair) == expected
    assert "AWS_SECRET" in boxes.naive_python(python_tree, code.replace("/1/", "/self/"), env=hostile)[0]  # control
    with probe.running():
        result = probe.launcher("exec", probe.name, "/bin/env", env=hostile)
    assert "canary" not in result.out and sorted(line.split("=")[0] for line in result.out.splitlines()) == ["HOME", "PATH", "container"], result


def test_A46_no_signal_is_ignored_or_blocked(box, busybox_tree):
    def deaf():
        for number in (signal.SIGHUP, signal.SIGPIPE, signal.SIGINT, signal.SIGUSR1):
            signal.signal(number, signal.SIG_IGN)
        ignored = ctypes.create_string_buffer((1).to_bytes(8, "little"), 32)  # struct kernel_sigaction with SIG_IGN: glibc refuses 32
        ctypes.CDLL(None).syscall({"x86_64": 13, "aarch64": 134}[os.uname().machine], 32, ignored, None, ctypes.c_size_t(8))
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGUSR2, signal.SIGRTMIN})
    command = ["/bin/grep", "-E", "Sig(Blk|Ign|Cgt)", "/proc/self/status"]
    lines = box.run(*command, how={"preexec_fn": deaf}).payload
    assert len(lines) == 3 and all(line.split()[1] == "0" * 16 for line in lines), lines
    control = boxes.naive(busybox_tree, command, preexec=deaf).out.splitlines()
    assert sum(line.split()[1] == "0" * 16 for line in control) == 1  # control: blocked and ignored ones are inherited


def test_A47_scheduling_and_limits_of_the_caller_are_not_inherited(probe, python_tree):
    def unlike():
        os.nice(5)
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(200, soft), hard))
        with open("/proc/self/oom_score_adj", "w", encoding="ascii") as file:
            file.write("500")
        with open("/proc/self/timerslack_ns", "w", encoding="ascii") as file:
            file.write("1000000")

        ctypes.CDLL(None).personality(0x0040000)  # ADDR_NO_RANDOMIZE, what setarch -R sets
    code = """
import resource
tell({"nice": os.getpriority(os.PRIO_PROCESS, 0), "policy": os.sched_getscheduler(0), "cpus": len(os.sched_getaffinity(0)),
      "files": resource.getrlimit(resource.RLIMIT_NOFILE), "oom": open("/proc/self/oom_score_adj").read(),
      "slack": open("/proc/self/timerslack_ns").read(), "personality": open("/proc/self/personality").read(), "pdeath": status()["CapInh"]})
"""
    plain = probe.python(code)
    assert probe.python(code, how={"preexec_fn": unlike}) == plain
    control = boxes.naive_python(python_tree, code, preexec=unlike)
    assert all(control[name] != plain[name] for name in ("nice", "policy", "files", "personality")), (control, plain)


@pytest.mark.parametrize("passwd, user, home", [
    ("root:x:0:0::/root:/bin/sh\nweb:x:99:98::/srv:/bin/sh\n", "web", "/srv"),
    ("root:x:0:0::/root:/bin/sh\nweb:x:99:98::/srv:/bin/sh\n", "99", "/srv"),
    ("root:x:0:0::/root:/bin/sh\n", "0", "/root"),
    ("root:x:0:0::/root:/bin/sh\n", "4711", "/"),
    ("", "0", "/"),
    ("bad line\nroot:x:0x0:0::/bad:/bin/sh\nroot:x:0:0:\nroot:x:0:0::/good:/bin/sh\n", "0", "/good"),
    ("x" * (1 << 20) + "\nroot:x:0:0::/late:/bin/sh\n", "0", "/"),
    (None, "0", "/"),
    ("link", "0", "/"),
    ("fifo", "0", "/"),
])
def test_A48_home_is_that_of_the_images_passwd(box, tmp_path, passwd, user, home):
    path = f"{box.root}/etc/passwd"
    os.unlink(path)
    if passwd == "link":
        os.symlink(boxes.write(str(tmp_path / "passwd"), "root:x:0:0::/outside:/bin/sh\n"), path)
    elif passwd == "fifo":
        os.mkfifo(path)
    elif passwd is not None:
        boxes.write(path, passwd)
    result = box.run("/bin/env", user=user)
    assert f"HOME={home}" in result.payload, result


def test_A48_home_that_was_asked_for_counts(box):
    assert "HOME=/tmp" in box.run("/bin/env", env={"HOME": "/tmp"}).payload


@pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")
@pytest.mark.parametrize("user", ["0", "99"])
def test_A49_the_order_of_a_start(box, user):
    calls = ("setsid,keyctl,unshare,setns,pivot_root,umount2,prctl,setgroups,setresgid,setresuid,capset,close_range,seccomp,execve")
    box.write_settings(command=["/bin/true"], user=user)
    trace = f"{box.path}/trace"
    result = boxes.run(["strace", "-f", "-qq", "-e", f"trace={calls}", "-e", "signal=none", "-s", "64", "-o", trace, boxes.COMMAND, "run", box.path])
    assert result.code == 0, result
    with open(trace, encoding="utf-8") as file:
        rows = [line.rstrip().split(None, 1) for line in file]
    pid = next(number for number, text in rows if text.startswith("pivot_root("))
    seen = [text for number, text in rows if number == pid]
    order = ["setsid(", "keyctl(", "prctl(PR_SET_DUMPABLE", "unshare(", "setns(", "pivot_root(", "umount2(", "prctl(PR_CAPBSET_DROP", "setgroups(",
             "setresgid(", "setresuid(", "capset(", "prctl(PR_SET_PDEATHSIG", "prctl(PR_SET_NO_NEW_PRIVS", "close_range(", "seccomp(", "execve("]
    places = [next((position for position, text in enumerate(seen) if text.startswith(step)), None) for step in order]
    assert None not in places and places == sorted(places), list(zip(order, places))
    assert max(position for position, text in enumerate(seen) if text.startswith("prctl(PR_CAPBSET_DROP")) < places[order.index("setgroups(")]
