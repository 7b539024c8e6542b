# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the module container_exec runs, in real containers, some of them hostile: with the container's privileges, and ended when it is to end."""

from __future__ import annotations

import base64
import glob
import os
import signal
import sys
import time
import uuid

import pytest

from ansible_collections.coracle.launcher.plugins.module_utils._coracle.base.errors import LauncherError
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.kernel.cgroup import detect
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.work import deadline, execute, start
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.work.limits import Cgroup

from . import boxes
from .test_attacks_files import _last_result, _poison, _prepare_overwriting, needs_bash, own_python  # noqa: F401  pylint: disable=unused-import  # a fixture
from .test_supervisor import is_alive, wait_until

DEFAULTS = {"command": None, "chdir": None, "user": None, "env": None, "stdin": None, "stdin_add_newline": True, "stdin_base64": None, "timeout": None,
            "max_output": "4M", "creates": None, "removes": None}


def run(box, *argv, **options):
    """What a task does, and its return values; `error` beside them when the container could not run it."""
    command = execute.read({**DEFAULTS, "name": box.name, "argv": list(argv), **options})
    if execute.plan(command):
        execute.apply(command)
    values = execute.report(command, strip=True)
    assert nested(box) == []
    return {**values, "error": None if command.answer is None else command.answer.error}


def shell(box, script, **options):
    return run(box, "/bin/sh", "-c", script, **options)


def nested(box):
    return [found for directory in boxes.cgroups(box.name) for found in glob.glob(f"{directory}/exec-*")]


def processes(box):
    """Commands of all that runs in the container, but its init."""
    found = []
    for pid in start.cgroup_of(box.name).processes():
        if pid != box.pid():
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                found.append(file.read().replace(b"\0", b" ").decode().strip())
    return sorted(found)


# --- whose process it is

STATUS = ("grep -E '^(Uid|Gid|Groups|Cap|NoNew|Seccomp|SigBlk|SigIgn|Cpus_allowed_list)' /proc/self/status; cat /proc/self/cgroup; "
          "for n in /proc/self/ns/*; do readlink $n; done")


@pytest.mark.parametrize("user, group", [("0", "0"), ("web", "web")])
def test_it_has_what_the_container_has_and_nothing_else(box, user, group):
    with box.running("/bin/sh", "-c", f"({STATUS}) > /tmp/own; exec sleep 60", user=user, group=group):
        wait_until(lambda: "uts:" in _read(f"{box.root}/tmp/own"))
        told = shell(box, STATUS)
        assert told["rc"] == 0 and told["stdout"].splitlines() == _read(f"{box.root}/tmp/own").splitlines(), told
        assert "SigIgn:\t0000000000000000" in told["stdout"] and "NoNewPrivs:\t1" in told["stdout"]
        control = boxes.run(["/bin/sh", "-c", STATUS])
        assert control.out != told["stdout"]


@pytest.mark.parametrize("limit", [{}, {"timeout": 30}])
def test_the_limits_of_the_container_hold(make_box, limit):
    box = make_box(pids_limit=8)
    with box.running():
        told = shell(box, "for n in 1 2 3 4 5 6 7 8 9 10 11 12; do sleep 1 & done; wait", **limit)
        assert "fork" in told["stderr"], told
    box = make_box(memory="16M")
    with box.running():
        told = shell(box, "x=$(head -c 40000000 /dev/zero | tr '\\0' x); echo ${#x}", **limit)
        assert told["rc"] == 137 and not told["timed_out"], told
        assert start.cgroup_of(box.name).oom_kills() in (None, 1)


def test_options(box):
    with box.running(env={"own": "1"}):
        told = run(box, "env", env={"more": "a b", "own": "2"}, user="99:98")
        assert {"more=a b", "own=2", "container=coracle", "HOME=/srv"} <= set(told["stdout"].splitlines()), told
        assert run(box, "pwd", chdir="/tmp")["stdout"] == "/tmp"
        assert run(box, "id", "-u", user="web")["stdout"] == "99"
        assert run(box, "cat", stdin="x")["stdout"] == "x"
        assert run(box, "cat", stdin_base64="/wAK")["stdout_base64"] == "/wAK"
        assert run(box, "cat")["stdout"] == ""
        assert shell(box, "echo out; echo err >&2; exit 3") == {
            "cmd": ["/bin/sh", "-c", "echo out; echo err >&2; exit 3"], "rc": 3, "stdout": "out", "stderr": "err", "stdout_base64": None, "stderr_base64": None,
            "truncated": False, "timed_out": False, "failed": True, "msg": "non-zero return code", "error": None}


@pytest.mark.parametrize("argv, options, code, option", [
    (["/bin/none"], {}, 127, "process"),
    (["none"], {}, 127, "process"),
    (["/script"], {}, 127, "process"),
    (["/etc/passwd"], {}, 126, "process"),
    (["/etc"], {}, 126, "process"),
    (["/fifo"], {}, 126, "process"),
    (["/bin/true"], {"chdir": "/none"}, 125, "chdir"),
    (["/bin/true"], {"chdir": "/fifo"}, 125, "chdir"),
    (["/bin/true"], {"chdir": "/root", "user": "web"}, 125, "chdir"),
    (["/bin/true"], {"user": "nobody-here"}, 125, None),
])
def test_what_cannot_be_run(box, argv, options, code, option):
    os.mkfifo(f"{box.root}/fifo")
    os.chmod(f"{box.root}/fifo", 0o777)
    boxes.write(f"{box.root}/script", "#!/none\n", 0o755)
    with box.running():
        for limit in ({}, {"timeout": 20}):
            told = run(box, *argv, **options, **limit)
            assert told["rc"] == code and told["error"].option == {"process": "argv"}.get(option, option), told
            assert told["error"].code == code and str(told["error"]).isprintable()
        assert run(box, "/bin/true")["rc"] == 0  # control


# --- how long it runs

def test_a_deadline_that_is_kept_is_not_noticed(box):
    with box.running():
        told = shell(box, "sleep 0.1; echo $$; exit 4", timeout=20)
        assert (told["rc"], told["timed_out"]) == (4, False)


def test_a_command_that_ends_politely_has_its_own_exit_status(box):
    with box.running():
        told = shell(box, "trap 'echo bye; exit 5' TERM; echo begun; sleep 60 & wait", timeout=0.5)
        assert (told["rc"], told["timed_out"], told["stdout"]) == (5, True, "begun\nbye")
        assert told["failed"] and "0.5 s" in told["msg"] and processes(box) == []


def test_nothing_that_it_has_started_outlives_its_deadline(box):
    script = "trap '' TERM HUP; (setsid sh -c 'trap \"\" TERM; (setsid sleep 101 &) ; sleep 102' &); sleep 103 & nohup sleep 104 & sleep 105; sleep 106"
    with box.running() as foreground:
        told = shell(box, script, timeout=0.5)
        assert (told["rc"], told["timed_out"]) == (137, True) and processes(box) == []
        assert foreground.poll() is None and is_alive(box.pid())
        assert run(box, "/bin/true", timeout=5)["rc"] == 0


def test_control_without_its_cgroup_it_would(box, monkeypatch):
    # The process group alone, as timeout(1) ends it.
    with box.running():
        told = run(box, "timeout", "-s", "KILL", "1", "sh", "-c", "(setsid sleep 101 &); sleep 102")
        assert told["rc"] != 0 and processes(box) == ["sleep 101"]


def test_one_that_forks_for_ever_is_ended(box):
    with box.running(pids_limit=50):
        told = shell(box, "trap '' TERM; while :; do (setsid sleep 100 &) ; done 2>/dev/null", timeout=0.5)
        assert told["timed_out"] and processes(box) == []


def test_what_it_leaves_running_in_time_goes_on_in_the_containers_cgroup(box):
    with box.running():
        told = shell(box, "(setsid sleep 60 >/dev/null 2>&1 &)", timeout=20)
        assert told["rc"] == 0 and not told["timed_out"] and processes(box) == ["sleep 60"]
        pid = next(pid for pid in start.cgroup_of(box.name).processes() if pid != box.pid())
        assert start.cgroup_of(box.name).holds(pid)


def test_the_module_is_killed(box):
    with box.running():
        module = os.fork()
        if module == 0:
            run(box, "sleep", "60")
            os._exit(0)
        wait_until(lambda: processes(box) == ["sleep 60"])
        os.kill(module, signal.SIGKILL)
        os.waitpid(module, 0)
        wait_until(lambda: processes(box) == [])
        assert is_alive(box.pid())


@pytest.mark.parametrize("limit", [{}, {"timeout": 30}])
def test_the_container_ends_meanwhile(box, limit):
    with box.running():
        module = os.fork()
        if module == 0:
            os._exit(run(box, "sleep", "60", **limit)["rc"])
        wait_until(lambda: processes(box) == ["sleep 60"])
        os.kill(box.pid(), signal.SIGKILL)
        assert os.waitstatus_to_exitcode(os.waitpid(module, 0)[1]) == 137
    wait_until(lambda: box.traces() == [])
    with pytest.raises(LauncherError, match="not running"):
        run(box, "/bin/true")


def test_a_frozen_container_is_an_error(box):
    with box.running():
        group = start.cgroup_of(box.name)
        if group.is_frozen() is None:
            pytest.skip("nothing can freeze here")
        group.freeze()
        try:
            told = run(box, "/bin/true")
            assert told["rc"] == 125 and "frozen" in str(told["error"])
        finally:
            group.thaw()
        assert run(box, "/bin/true")["rc"] == 0


def test_many_leave_nothing(box):
    with box.running():
        run(box, "/bin/true", timeout=5)
        before = set(os.listdir("/proc/self/fd")), boxes.run(["ls", "-R", *filter(os.path.isdir, boxes.cgroups(box.name))]).out
        for number in range(40):
            assert run(box, "/bin/true", timeout=5 if number % 2 else None)["rc"] == 0
        assert (set(os.listdir("/proc/self/fd")), boxes.run(["ls", "-R", *filter(os.path.isdir, boxes.cgroups(box.name))]).out) == before


# --- the cgroup of a command, on each version

def _layouts():
    with open("/proc/self/mountinfo", encoding="utf-8") as file:
        lines = file.read().splitlines()
    unified = [line for line in lines if " - cgroup2 " in line]
    legacy = [line for line in lines if " - cgroup " in line]
    no_freezer = [line for line in legacy if not line.split()[4].endswith("/freezer")]
    kinds = (("v1", legacy), ("v1 without freezer", no_freezer), ("v2", unified))
    return {kind: "\n".join(chosen) for kind, chosen in kinds if chosen}


@pytest.fixture(params=["v1", "v1 without freezer", "v2"])
def cgroup(request):
    """A container's cgroup with one process, which is not ours to end, and none of a command yet."""
    mountinfo = _layouts().get(request.param)
    if mountinfo is None:
        pytest.skip(f"this host has no {request.param}")
    layout = detect.find(mountinfo)
    made = Cgroup(layout, f"coracle/atkexec{os.getpid()}")
    made.create()
    first = _sleeper(made)
    yield made
    os.kill(first, signal.SIGKILL)
    os.waitpid(first, 0)
    made.kill()
    made.remove()


def _sleeper(group):
    """A child in `group`, asleep."""
    ready, told = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            group.join()
            os.write(told, b"x")
            signal.pause()
        finally:
            os._exit(1)
    os.close(told)
    assert os.read(ready, 1) == b"x"
    os.close(ready)
    return pid


def _nested(group):
    made = deadline.Nested(group.path.rpartition("/")[2], os.getpid(), group.layout)
    made.make()
    return made


def test_only_the_command_is_killed(cgroup):
    before = cgroup.processes()
    command = _nested(cgroup)
    pid = _sleeper(command)
    assert command.processes() == [pid] and cgroup.processes() == sorted([*before, pid])
    assert command.kill(5)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL
    command.dissolve()
    assert not command.exists() and cgroup.processes() == before


def test_who_is_left_goes_back(cgroup):
    command = _nested(cgroup)
    pid = _sleeper(command)
    assert not cgroup.holds(pid)
    command.dissolve()
    assert not command.exists() and cgroup.holds(pid)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def test_a_container_ends_with_the_cgroups_of_its_commands(cgroup):
    pid = _sleeper(_nested(cgroup))
    assert pid in cgroup.processes()
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)  # the command's cgroup is left; the fixture removes the container's


def test_one_that_has_ended_gets_none(cgroup):
    with pytest.raises(LauncherError, match="has just ended"):
        deadline.Nested("atkexecnone", os.getpid(), cgroup.layout).make()
    assert not Cgroup(cgroup.layout, "coracle/atkexecnone").exists()


# --- what it writes and reads

def test_a_flood_is_cut_and_does_not_stop_it(box):
    with box.running():
        told = shell(box, "yes | head -c 20000000; yes err | head -c 20000000 >&2; exit 6", max_output="1000")
        assert told["rc"] == 6 and told["truncated"] and len(told["stdout"]) == 999 and told["stderr"].startswith("err\nerr")


def test_a_flood_without_end_is_ended(box):
    with box.running():
        told = run(box, "yes", timeout=0.5, max_output="10")
        assert told["timed_out"] and told["stdout"] == "y\ny\ny\ny\ny"


def test_input_that_is_never_read(box):
    with box.running():
        assert run(box, "sleep", "0.2", stdin="x" * 10_000_000)["rc"] == 0
        told = run(box, "sleep", "60", stdin="x" * 10_000_000, timeout=0.5)
        assert told["timed_out"] and told["rc"] == 143


def test_all_bytes_go_in_and_out(box):
    with box.running():
        data = bytes(range(256)) * 20000
        coded = base64.b64encode(data).decode()
        told = run(box, "cat", stdin_base64=coded, max_output="8M")
        assert told["stdout_base64"] == coded and not told["truncated"]


def test_outputs_that_a_daemon_keeps_open_do_not_hold_the_task(box):
    with box.running():
        begun = time.monotonic()
        told = shell(box, "(setsid sleep 60 &); echo done")
        assert told["stdout"] == "done" and time.monotonic() - begun < 30


# --- creates, removes

def test_creates_and_removes(box, tmp_path):
    (tmp_path / "secret").write_text("")
    os.symlink("/" + "../" * 30 + str(tmp_path)[1:] + "/secret", f"{box.root}/srv/out")
    with box.running(working_dir="/srv"):
        assert shell(box, "echo ran", creates="/tmp/x")["stdout"] == "ran"
        assert shell(box, "touch /tmp/x")["rc"] == 0
        told = shell(box, "echo ran", creates="/tmp/x")
        assert (told["stdout"], told["rc"], told["msg"]) == ("", 0, "Did not run the command since /tmp/x exists")
        assert shell(box, "echo ran", creates="*.none")["stdout"] == "ran"
        assert shell(box, "echo ran", creates="ou*")["stdout"] == ""  # relative, a pattern, a link that leads nowhere in here
        assert shell(box, "echo ran", creates="out/.")["stdout"] == "ran"
        assert shell(box, "echo ran", creates=str(tmp_path / "secret"))["stdout"] == "ran"
        assert shell(box, "echo ran", creates="x", chdir="/tmp")["stdout"] == ""
        assert shell(box, "echo ran", removes="/dev/null")["stdout"] == "ran"  # a mount of the container's own
        assert shell(box, "echo ran", removes="/dev/sda")["msg"] == "Did not run the command since /dev/sda does not exist"
        assert shell(box, "echo ran", creates="/none", removes="/none")["stdout"] == ""


def test_the_root_is_replaced_under_the_container(box, tmp_path):
    with box.running():
        os.rename(box.root, f"{box.path}/aside")
        os.makedirs(f"{box.root}/bin")
        boxes.write(f"{box.root}/bin/true", "#!/bin/sh\nexit 9\n", 0o755)
        boxes.write(f"{box.root}/new", "")
        try:
            assert run(box, "/bin/true")["rc"] == 0
            assert shell(box, "echo ran", creates="/new")["stdout"] == "ran"
            assert shell(box, "echo ran", creates="/bin/busybox")["stdout"] == ""
        finally:
            os.rename(box.root, f"{box.path}/new")
            os.rename(f"{box.path}/aside", box.root)


# --- attacks

@needs_bash
def test_A04_interpreter_cannot_be_overwritten_after_a_task(box, own_python, monkeypatch):  # noqa: F811
    _prepare_overwriting(box.root, "exit 0")
    with box.running():
        monkeypatch.setattr(sys, "executable", own_python)
        assert run(box, "/entry")["rc"] == 0
        seen = _last_result(box.root, own_python)
    assert "Read-only file system" in seen and "WRITABLE" not in seen and "busy" not in seen, seen


@pytest.mark.parametrize("argv, options, code", [
    (["/bin/true"], {}, 0), (["/bin/none"], {}, 127), (["/etc/passwd"], {}, 126), (["/bin/true"], {"chdir": "/none"}, 125),
    (["/bin/true"], {"user": "nobody-here"}, 125), (["/bin/sleep", "60"], {"timeout": 0.3}, 143),
])
def test_A06_no_file_of_the_image_runs_as_the_hosts_root(box, argv, options, code):
    _poison(box.root)
    with box.running("/bin/sleep", "60"):
        assert run(box, *argv, **options)["rc"] == code
        assert run(box, *argv, **options, creates="/canary")["rc"] == code
    assert not os.path.exists(f"{box.root}/canary")


def test_C01_nobody_on_the_host_reads_words_and_environment_before_they_are_the_commands_own(box):
    secret = f"S3CR3T-{uuid.uuid4()}"
    with box.running():
        module = os.fork()
        if module == 0:
            run(box, "/bin/sh", "-c", "while [ ! -e /go ]; do sleep 0.05; done", env={"SECRET": secret}, stdin=secret)
            os._exit(0)
        seen = 0
        while seen < 20:
            for path in glob.glob("/proc/[0-9]*/cmdline"):
                try:
                    with open(path, "rb") as file:
                        assert secret.encode() not in file.read(), path
                except OSError:
                    continue
            seen += 1
        boxes.write(f"{box.root}/go", "")
        assert os.waitstatus_to_exitcode(os.waitpid(module, 0)[1]) == 0


def test_a_process_that_is_not_the_containers_is_never_entered(box):
    with box.running():
        state = start.records.read_state(box.name)
        state.starttime += 1  # as if another process had got its number
        start.records.write_state(state)
        with pytest.raises(LauncherError, match="not running"):
            run(box, "/bin/true")
        state.starttime -= 1
        start.records.write_state(state)
        assert run(box, "/bin/true")["rc"] == 0


def _read(path):
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except FileNotFoundError:
        return ""
