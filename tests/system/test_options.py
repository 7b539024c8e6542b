# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What each option of a container does on the real kernel, seen from inside; with the container that does not have it as control."""

from __future__ import annotations

import os
import pty
import select
import signal
import time

import pytest

from ansible_collections.coracle.launcher.plugins.module_utils._coracle.kernel import caps, oom
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.model import privileges
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.work import records, start

from . import boxes

LIMITS = "import resource; tell([resource.getrlimit(getattr(resource, 'RLIMIT_' + name)) for name in ('NOFILE', 'CORE', 'NPROC')])"


def test_ulimits(probe):
    asked = ["nofile:64:128", "core:0", "nproc:77:99"]
    assert probe.python(LIMITS, ulimits=asked) == [(64, 128), (0, 0), (77, 99)]
    assert probe.python(LIMITS, ulimits=asked, user="99") == [(64, 128), (0, 0), (77, 99)]
    without = probe.python(LIMITS)  # control
    assert without[0][1] > 128 and without[2] != (77, 99)


def test_ulimits_hold_for_exec_too(probe):
    with probe.running(ulimits=["nofile:64:128"]):
        seen = probe.execute([boxes.PYTHON, "-I", "-S", "-c", boxes.PRELUDE + LIMITS]).told()
        assert seen[0] == (64, 128)


def test_a_limit_that_the_host_does_not_have_is_said_to_be_so(box):
    hard = boxes.run(["/bin/sh", "-c", "ulimit -Hn"]).out.strip()
    has_resource = int(open("/proc/self/status").read().split("CapEff:")[1].split()[0], 16) >> 24 & 1
    if has_resource or hard == "unlimited":
        pytest.skip("root of this host may raise its limits")
    result = box.shell("true", ulimits=[f"nofile:{int(hard) + 1}"])
    assert result.code == 125 and "ulimits" in result.err and "CAP_SYS_RESOURCE" in result.err and "Traceback" not in result.err, result
    assert box.traces() == []


@pytest.mark.parametrize("name", ["as", "data", "nofile"])
def test_a_limit_that_nothing_can_live_with_is_an_error_and_no_traceback(box, name):
    result = box.shell("echo lives", ulimits=[f"{name}:1"])
    assert result.code != 0 and result.payload == [] and "Traceback" not in result.err, result
    assert box.traces() == []


SCORE = "tell(open('/proc/self/oom_score_adj').read().strip())"


def test_oom_score_adj(probe):
    assert probe.python(SCORE, oom_score_adj=300) == "300"
    assert probe.python(SCORE) != "300"  # control


def test_oom_score_adj_is_that_of_init_in_an_exec(probe):
    with probe.running(oom_score_adj=300):
        seen = [probe.execute([boxes.PYTHON, "-I", "-S", "-c", boxes.PRELUDE + SCORE]).told()]
        oom.set_all(400, lambda: [probe.pid()])
        seen.append(probe.execute([boxes.PYTHON, "-I", "-S", "-c", boxes.PRELUDE + SCORE]).told())
    assert seen == ["300", "400"]


GROUPS = "tell((os.getgroups(), os.getgid()))"


@pytest.mark.parametrize("user", ["0", "99"])
def test_A40_groups_are_those_that_are_asked(probe, user):
    groups, own = probe.python(GROUPS, groups=["27", "web", "999"], user=user, how={"extra_groups": [6, 8]})
    assert set(groups) - {own} == {27, 98, 999} - {own}
    groups, own = probe.python(GROUPS, user=user, how={"extra_groups": [6, 8]})
    assert set(groups) - {own} == set()  # control


def test_a_group_that_the_rootfs_does_not_have(box):
    result = box.shell("true", groups=["nobodys"])
    assert result.code == 125 and "no such group" in result.err, result
    assert box.traces() == []


def test_exec_has_the_groups_of_the_container_unless_it_is_another_user(probe):
    command = [boxes.PYTHON, "-I", "-S", "-c", boxes.PRELUDE + GROUPS]
    with probe.running(groups=["27"], user="99"):
        assert probe.execute(command).told() == ([27], 98)
        assert probe.execute("-u", "1:2", command).told() == ([], 2)


def test_oom_score_changes_for_all_processes_while_it_runs(box):
    with box.running("/bin/sh", "-c", "sleep 60 & sleep 60 & wait", oom_score_adj=300):
        while len(pids := start.cgroup_of(box.name).processes()) < 3:
            time.sleep(0.01)
        assert {oom.read(pid) for pid in pids} == {300}
        oom.set_all(350, start.cgroup_of(box.name).processes)
        assert {oom.read(pid) for pid in pids} == {350}
        assert oom.read(os.getpid()) != 350


# --- devices

def test_A25_devices(probe):
    code = """
def use(path, flags):
    try: os.close(os.open(path, flags | os.O_NONBLOCK)); return "ok"
    except OSError as error: return errno.errorcode[error.errno]
tell((sorted(os.listdir("/dev")), use("/dev/fuse", os.O_RDONLY), use("/dev/a/log", os.O_RDONLY), use("/dev/a/log", os.O_WRONLY), use("/dev/null", os.O_RDWR),
      use("/dev/zero", os.O_RDONLY), use("/dev/urandom", os.O_RDONLY), use("/dev/ptmx", os.O_RDWR)))
"""
    usual, *seen = probe.python(code)
    assert "fuse" not in usual and seen[:3] == ["ENOENT", "ENOENT", "ENOENT"] and set(seen[3:]) == {"ok"}
    listed, *seen = probe.python(code, devices=["/dev/fuse:/dev/a/log:r"])
    assert set(listed) == {*usual, "a"} and seen == ["ENOENT", "ok", "EACCES" if seen[2] == "EACCES" else "EPERM", "ok", "ok", "ok", "ok"]
    assert boxes.host_python(code)[1] == "ok"  # control


def test_a_device_has_the_owner_and_mode_of_the_host(box):
    info = os.stat("/dev/fuse")
    shown = box.shell("stat -c '%a %u %g' /dev/fuse", devices=["/dev/fuse"]).payload
    assert shown == [f"{info.st_mode & 0o7777:o} {info.st_uid} {info.st_gid}"]


@pytest.mark.parametrize("device, words", [("/dev/none", "not there"), ("/dev/shm:/dev/x", "no device")])
def test_what_is_no_device_of_the_host(box, device, words):
    result = box.shell("true", devices=[device])
    assert result.code == 125 and words in result.err, result
    assert box.traces() == []


# --- capabilities

CAPS = "tell({name: int(value, 16) for name, value in status().items() if name.startswith('Cap')})"


@pytest.mark.parametrize("user, options, kept, ambient", [
    ("0", {"capabilities": ["NET_ADMIN"]}, {*caps.DEFAULT_ROOT, "NET_ADMIN"}, ()),
    ("0", {"cap_drop": ["ALL"]}, (), ()),
    ("0", {"cap_drop": ["KILL", "CHOWN"]}, {*caps.DEFAULT_ROOT} - {"KILL", "CHOWN"}, ()),
    ("0", {"capabilities": ["CHOWN"], "cap_drop": ["ALL"]}, ("CHOWN",), ()),
    ("99", {}, (), ()),
    ("99", {"cap_drop": ["ALL"]}, (), ()),
    ("99", {"capabilities": ["NET_BIND_SERVICE"]}, ("NET_BIND_SERVICE",), ("NET_BIND_SERVICE",)),
    ("0", {"capabilities": ["ALL"]}, privileges.LARGEST, ()),
])
def test_A42_capabilities_are_exactly_those(probe, user, options, kept, ambient):
    mask, added = caps.mask(kept), caps.mask(ambient)
    assert probe.python(CAPS, user=user, **options) == {"CapInh": added, "CapPrm": mask, "CapEff": mask, "CapBnd": mask, "CapAmb": added}


def test_A42_the_same_for_exec(probe):
    with probe.running(user="99", capabilities=["NET_BIND_SERVICE"]):
        seen = probe.execute([boxes.PYTHON, "-I", "-S", "-c", boxes.PRELUDE + CAPS]).told()
    assert set(seen.values()) == {caps.mask(["NET_BIND_SERVICE"])}


def test_a_capability_can_be_used(probe):
    code = "s = socket.socket(); tell(attempt(s.bind, ('127.0.0.1', 80)))"
    assert probe.python("open('/proc/sys/net/ipv4/ip_unprivileged_port_start').read(); " + code, user="99", capabilities=["NET_BIND_SERVICE"]) == "ok"
    assert probe.python(code, user="99", sysctls={"net.ipv4.ip_unprivileged_port_start": "1024"}) == "EACCES"  # control


def test_A26_the_filter_holds_whatever_the_capabilities(probe):
    code = "tell((attempt(socket.socket, 17, 3), attempt(socket.socket, 2, 3, 255), attempt(os.chroot, '/'), attempt(os.mknod, '/tmp/x', stat.S_IFCHR, 259)))"
    assert probe.python(code, capabilities=["ALL"]) == ("EPERM", "EPERM", "EPERM", "EPERM")


# --- names

def test_A12_resolv_conf_and_hosts_are_the_launchers(box, tmp_path):
    canary = boxes.write(str(tmp_path / "canary"), "canary")
    os.symlink("../run/systemd/resolve/stub-resolv.conf", f"{box.root}/etc/resolv.conf")
    os.link(canary, f"{box.root}/etc/hosts")
    options = {"dns_servers": ["192.0.2.53"], "dns_search_domains": ["example.org"], "etc_hosts": {"db": "192.0.2.7"}, "hostname": "web", "user": "99"}
    result = box.shell("cat /etc/resolv.conf; grep -c . /etc/hosts; grep db /etc/hosts; echo x > /etc/hosts", how={"umask": 0o077}, **options)
    assert result.payload == ["search example.org", "nameserver 192.0.2.53", "4", "192.0.2.7 db"], result
    assert "an't create" in result.err
    assert "Read-only" in box.shell("echo x > /etc/hosts", **{**options, "user": "0"}).err
    with open(canary, encoding="utf-8") as file:
        assert file.read() == "canary"
    assert box.shell("cat /etc/resolv.conf").payload == []  # control: what is made there is an empty file
    assert not os.path.exists(f"/run/coracle/{box.name}")


@pytest.mark.parametrize("target", ["/proc/self/environ", "/dev/null", "/sys/kernel"])
def test_A12_a_link_to_what_is_the_launchers_is_refused(box, target):
    os.symlink(target, f"{box.root}/etc/resolv.conf")
    result = box.shell("echo lives", dns_servers=["192.0.2.53"])
    assert result.code == 125 and "/etc/resolv.conf" in result.err and result.payload == [], result


# --- init

def test_A56_init_reaps_orphans(box):
    script = "i=0; while [ $i -lt 100 ]; do (sleep 0 &) ; i=$((i+1)); done; sleep 0.5;" \
        " cat /proc/[0-9]*/stat | grep -c ') Z '; cat /proc/$$/stat | cut -d' ' -f1,4"
    result = box.shell(script, init=True)
    assert result.payload[-2:] == ["0", "2 1"], result
    assert box.shell("cut -d' ' -f1,4 /proc/$$/stat").payload == ["1 0"]  # control: without it the shell itself is PID 1


@pytest.mark.parametrize("script, code", [("exit 7", 7), ("kill -9 $$", 137), ("kill -TERM $$", 143), ("exit 0", 0)])
def test_init_ends_as_its_child_does(box, script, code):
    assert box.shell(script, init=True).code == code


def test_init_tells_what_cannot_be_executed(box):
    for program, code in (("/bin/none", 127), ("/etc/passwd", 126)):
        result = box.run(program, init=True)
        assert result.code == code and "process" in result.err and "Exiting container" not in result.out, result
    assert box.traces() == []


def test_init_that_may_not_fork_says_so(box):
    result = box.shell("echo lives", init=True, user="99", ulimits=["nproc:0"])
    assert result.code == 125 and "init" in result.err and result.payload == [], result
    assert box.shell("echo lives", init=True, user="99").payload == ["lives"]  # control


@pytest.mark.parametrize("init, code", [(True, 143), (False, 137)])
def test_A55_a_signal_without_a_handler_ends_it(box, init, code):
    """As PID 1 a program has to handle SIGTERM itself, or nothing happens until SIGKILL: the control."""
    box.write_settings(command=["/bin/sleep", "60"], init=init)
    assert box.launcher("start", box.path).code == 0
    assert box.launcher("stop", "-t", "1", box.name).code == 0
    assert records.read_state(box.name).exit_code == code
    assert box.traces() == []


def test_a_handler_gets_each_signal_once(box):
    script = "trap 'echo HUP' HUP; trap 'echo USR1' USR1; trap 'exit 5' TERM; echo ready; while :; do sleep 0.05; done"
    with box.running("/bin/sh", "-c", script, init=True) as process:
        assert process.stdout.readline() == "ready\n"
        for name in ("HUP", "USR1"):
            process.send_signal(getattr(signal, f"SIG{name}"))
            assert process.stdout.readline() == f"{name}\n"
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 5


PYTHON_IGNORES = 1 << signal.SIGPIPE - 1 | 1 << signal.SIGXFSZ - 1  # the probe itself


def test_A05_A46_init_is_closed_to_its_container(probe):
    code = """
tell((attempt(os.readlink, "/proc/1/fd/0"), attempt(os.readlink, "/proc/1/exe"), attempt(os.open, "/proc/1/mem", 0), attempt(os.listdir, "/proc/1/root/"),
      [status()[key] for key in ("SigBlk", "SigIgn", "SigCgt", "NoNewPrivs", "Seccomp")], os.getppid(), os.getpgrp() == os.getpid(),
      attempt(os.kill, 1, 9)))
"""
    for user in ("0", "99"):
        *closed, signals, parent, leads, kill = probe.python(code, init=True, user=user)
        assert closed == ["EACCES"] * 4, (user, closed)
        blocked, ignored = (int(word, 16) for word in signals[:2])
        assert blocked == 0 and ignored & ~PYTHON_IGNORES == 0 and signals[3:] == ["1", "2"] and parent == 1 and leads and kill in ("ok", "EPERM")


def _read_until(master, word):
    """What a terminal shows until there is `word`, or nobody has it open any more (EIO)."""
    seen = b""
    while word is None or word not in seen:
        assert select.select([master], [], [], 20)[0], seen
        try:
            seen += os.read(master, 4096)
        except OSError:
            break
    return seen


def test_init_of_a_terminal_leaves_it_to_its_child(box):
    script = "stty -a >/dev/null && echo tty; trap 'echo INT; exit 3' INT; echo re''ady; while :; do sleep 0.05; done"
    box.write_settings(command=["/bin/sh", "-c", script], init=True)
    pid, master = pty.fork()
    if pid == 0:
        os.execv(boxes.COMMAND, [boxes.COMMAND, "run", box.path])
    seen = _read_until(master, b"ready")
    os.write(master, b"\x03")
    seen += _read_until(master, None)
    os.close(master)
    assert os.WEXITSTATUS(os.waitpid(pid, 0)[1]) == 3 and seen.count(b"INT\r\n") == 1 and b"tty\r\n" in seen, seen
