# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The supervisor on the real kernel: what a person types, what becomes of the processes, and that nothing is left behind."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import shutil
import signal
import subprocess
import time

import pytest

from ansible_collections.coracle.launcher.plugins.module_utils._coracle.base import libc, places
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.base.errors import LauncherError
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.kernel import procs
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.work import client, records
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.work.protocol import Request

from . import boxes

TICK = "while :; do echo tick; sleep 0.05; done"


def wait_until(condition, seconds=10):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


def supervisor_pid():
    """The process that holds the lock, None when nobody does. Not its log reader: that one holds no lock."""
    with contextlib.suppress(FileNotFoundError):
        inode = os.stat(f"{places.RUN}/supervisor.lock").st_ino
        with open("/proc/locks", encoding="utf-8") as file:
            for line in file:
                words = line.split()
                if words[1] == "FLOCK" and words[5].endswith(f":{inode}"):
                    return int(words[4])
    return None


def kill_supervisor():
    pid = supervisor_pid()
    descriptor = os.pidfd_open(pid)
    os.kill(pid, signal.SIGKILL)
    assert procs.wait_end(descriptor, 10)
    os.close(descriptor)


def start(box, script, **options):
    box.write_settings(command=["/bin/sh", "-c", script], **options)
    started = box.launcher("start", box.path)
    assert started.code == 0, started
    return box.pid()


def details(box):
    return json.loads(box.launcher("list", "--json", box.name).out)[0]


def is_alive(pid):
    return procs.starttime(pid) is not None


def test_start_list_logs_stop_and_nothing_is_left(box):
    pid = start(box, TICK, memory="16M", cpu_percent=5, pids_limit=32)
    told = details(box)
    assert (told["state"], told["pid"]) == ("running", pid)
    assert (told["limits"]["memory"], told["limits"]["cpu_percent"], told["limits"]["pids_limit"]) == (16 << 20, 5, 32)
    wait_until(lambda: "tick" in box.launcher("logs", box.name).out)
    assert box.launcher("status", box.name).code == 0
    again = box.launcher("start", box.path)
    assert again.code == 0 and box.pid() == pid
    stopped = box.launcher("stop", "-t", "0", box.name)
    assert stopped.code == 0, stopped
    assert not is_alive(pid) and box.traces() == []
    told = details(box)
    assert (told["state"], told["exit_code"]) == ("exited", 137)
    assert box.launcher("status", box.name).code == 3
    assert box.launcher("stop", box.name).code == 0, "stopping what is stopped is already so"


def test_A55_stop_signal_first_then_sigkill_after_the_timeout(make_box):
    polite, deaf = make_box(), make_box()
    start(polite, "trap 'echo bye; exit 5' TERM; while :; do sleep 0.02; done")
    start(deaf, "trap '' TERM; while :; do sleep 0.02; done")
    began = time.monotonic()
    assert polite.launcher("stop", "-t", "20", polite.name).code == 0
    assert time.monotonic() - began < 15, "it answered TERM"
    assert details(polite)["exit_code"] == 5 and "bye" in polite.launcher("logs", polite.name).out
    began = time.monotonic()
    assert deaf.launcher("stop", "-t", "1", deaf.name).code == 0
    assert time.monotonic() - began >= 1, "it was given its time"
    assert details(deaf)["exit_code"] == 137


def test_stop_signal_and_timeout_come_from_the_settings(box):
    start(box, "trap 'exit 7' USR1; while :; do sleep 0.02; done", stop_signal="USR1")
    assert box.launcher("stop", box.name).code == 0
    assert details(box)["exit_code"] == 7


def test_C08_the_supervisor_belongs_to_nobody(box):
    read_end, write_end = os.pipe()
    os.set_inheritable(write_end, True)
    box.write_settings(command=["/bin/sleep", "60"])
    with subprocess.Popen([boxes.COMMAND, "start", box.path], pass_fds=[write_end], start_new_session=True) as command:
        assert command.wait(30) == 0
    os.close(write_end)
    assert os.read(read_end, 1) == b"", "whoever started it would wait for ever on an inherited descriptor"
    os.close(read_end)
    pid = supervisor_pid()
    fields = procs.stat_fields(pid)
    assert fields[1] != str(os.getpid()) and fields[3] == str(pid) or os.getsid(pid) != os.getsid(0)
    assert os.readlink(f"/proc/{pid}/cwd") == "/"
    assert os.readlink(f"/proc/{pid}/fd/0") == os.readlink(f"/proc/{pid}/fd/1") == "/dev/null"
    with open(f"/proc/{pid}/cgroup", encoding="utf-8") as file:
        assert "/coracle/.supervisor" in file.read()
    with open(f"/proc/{pid}/environ", encoding="utf-8") as file:
        assert "ANSIBLE" not in file.read()


def test_it_is_gone_with_the_last_container_and_leaves_nothing(box):
    start(box, TICK)
    descriptor = os.pidfd_open(supervisor_pid())
    assert box.launcher("stop", "-t", "0", box.name).code == 0
    assert procs.wait_end(descriptor, 10)
    os.close(descriptor)
    assert not os.path.exists(places.SOCKET)
    assert [path for top in boxes.cgroup_mounts() for path in [f"{top}/coracle/.supervisor"] if os.path.exists(path)] == []


def test_F03_killed_it_takes_no_container_along_and_the_next_request_adopts(make_box):
    box, other = make_box(), make_box()
    pid = start(box, f"trap 'exit 9' TERM; {TICK}")
    before = supervisor_pid()
    kill_supervisor()
    assert is_alive(pid) and details(box)["state"] == "running"
    start(other, "sleep 60")
    assert supervisor_pid() not in (None, before)
    assert box.pid() == pid, "adopted, not started a second time"
    seen = len(box.launcher("logs", box.name).out.splitlines())
    wait_until(lambda: len(box.launcher("logs", box.name).out.splitlines()) > seen + 3)
    assert box.launcher("stop", "-t", "10", box.name).code == 0
    assert not is_alive(pid) and box.traces() == []
    if kernel_tells_exit_codes():
        assert details(box)["exit_code"] == 9
    else:
        assert details(box)["exit_code"] is None and "kernel" in details(box)["reason"]


def kernel_tells_exit_codes():
    """PIDFD_GET_INFO with the exit status: Linux 6.15."""
    pid = os.fork()
    if pid == 0:
        os._exit(3)
    descriptor = os.pidfd_open(pid)
    os.waitpid(pid, 0)
    code = procs.exit_code_of_reaped(descriptor)
    os.close(descriptor)
    return code == 3


def test_F03_a_container_that_ended_unseen_is_told_so_and_cleaned(box):
    pid = start(box, "sleep 60")
    kill_supervisor()
    descriptor = os.pidfd_open(pid)
    os.kill(pid, signal.SIGKILL)
    assert procs.wait_end(descriptor, 10)
    os.close(descriptor)
    assert box.launcher("start", box.path).code == 0
    assert box.pid() != pid and details(box)["state"] == "running"


def test_F03_start_of_one_that_runs_brings_its_supervisor_back(box):
    pid = start(box, "sleep 60")
    kill_supervisor()
    assert box.launcher("start", box.path).code == 0
    assert supervisor_pid() is not None and box.pid() == pid


def test_only_one_supervisor_whoever_asks_first(make_box):
    many = [make_box() for _number in range(6)]
    for box in many:
        box.write_settings(command=["/bin/sleep", "60"])
    commands = [subprocess.Popen([boxes.COMMAND, "start", box.path]) for box in many]
    assert [command.wait(60) for command in commands] == [0] * 6
    named = [pid for pid in filter(str.isdigit, os.listdir("/proc")) if is_supervisor_of_ours(pid)]
    assert len(named) == 2, "one supervisor, one log reader"


def is_supervisor_of_ours(pid):
    with contextlib.suppress(OSError), open(f"/proc/{pid}/cmdline", "rb") as file:
        return b"supervisor" in file.read().split(b"\0") and os.readlink(f"/proc/{pid}/ns/mnt") == os.readlink("/proc/self/ns/mnt")
    return False


@pytest.fixture
def newer_version(launcher):
    """Another version of the code is the current one: a copy under another digest."""
    current = os.readlink(f"{places.LIBRARY}/current")
    newer = "0123456789abcdef" * 2
    shutil.copytree(f"{places.LIBRARY}/{current}", f"{places.LIBRARY}/{newer}", symlinks=True)

    def use():
        switch(newer)
        return newer
    yield use
    switch(current)
    shutil.rmtree(f"{places.LIBRARY}/{newer}")


def test_F20_a_newer_version_takes_over_in_place(make_box, newer_version):
    box, other = make_box(), make_box()
    start(box, "trap 'exit 6' TERM; while :; do sleep 0.02; done")
    before = supervisor_pid()
    newer = newer_version()
    start(other, "sleep 60")
    wait_until(lambda: newer in command_line(supervisor_pid()))
    time.sleep(0.3)
    assert supervisor_pid() == before, "the same process, which never let go of the lock: its children are still its children"
    assert box.launcher("stop", "-t", "10", box.name).code == 0
    assert details(box)["exit_code"] == 6


def test_F20_the_first_request_of_a_newer_version_may_be_a_stop(make_box, newer_version):
    boxes_ = [make_box() for _number in range(3)]
    for box in boxes_:
        start(box, "trap 'sleep 0.3; exit 6' TERM; while :; do sleep 0.02; done")
    newer_version()
    stopped = boxes_[0].launcher("stop", *[box.name for box in boxes_])
    assert stopped.code == 0, stopped
    assert [details(box)["exit_code"] for box in boxes_] == [6, 6, 6]


def switch(digest):
    os.symlink(digest, f"{places.LIBRARY}/.test")
    os.rename(f"{places.LIBRARY}/.test", f"{places.LIBRARY}/current")


def command_line(pid):
    with contextlib.suppress(OSError, TypeError), open(f"/proc/{pid}/cmdline", encoding="utf-8") as file:
        return file.read()
    return ""


FAILURES = [
    ({"command": ["/bin/nosuch"]}, "'/bin/nosuch'", 127),
    ({"command": ["/etc/passwd"]}, "may not be executed", 126),
    ({"command": ["/bin/false"]}, "exit code 1", 1),
    ({"command": ["/bin/sh", "-c", "echo last words; exit 4"]}, "exit code 4. Its last output: last words", 4),
    ({"command": ["/bin/sleep", "9"], "user": "bob"}, "user='bob'", 125),
    ({"command": ["/bin/sleep", "9"], "working_dir": "/nowhere"}, "working_dir='/nowhere'", 125),
    ({"command": ["/bin/sh", "-c", "head -c 50000000 /dev/zero | tail"], "memory": "4M"}, "", None),
    ({"command": ["/bin/sh", "-c", "x=x; while :; do x=$x$x; done"], "memory": "8M"}, "more memory than its limit", 137),
]


@pytest.mark.parametrize("options, said, code", FAILURES, ids=lambda value: value if isinstance(value, str) and value else None)
def test_a_start_that_fails_says_why_and_leaves_nothing(box, options, said, code):
    box.write_settings(**options)
    started = box.launcher("start", "--grace", "5", box.path)
    assert started.code == 1 and said in started.err and "Traceback" not in started.err, started
    assert box.traces() == []
    if code is not None:
        ran = box.launcher("run", box.path)
        assert ran.code == code and "Traceback" not in ran.err, ran
        assert box.traces() == []
    box.write_settings(command=["/bin/sleep", "60"])
    assert box.launcher("start", box.path).code == 0, "the next good one converges"


def test_a_directory_that_the_user_may_not_enter_is_no_working_directory(box):
    os.makedirs(f"{box.root}/secret", 0o700, exist_ok=True)
    os.chmod(f"{box.root}/secret", 0o700)
    refused = box.run("/bin/pwd", user="99", group="98", working_dir="/secret")
    assert refused.code == 125 and "working_dir: '/secret' cannot be entered" in refused.err, refused
    assert box.run("/bin/pwd", working_dir="/secret").payload == ["/secret"], "root may"


def test_last_words_are_of_this_start_not_of_an_earlier_one(box):
    box.write_settings(command=["/bin/sh", "-c", "echo old; exit 1"])
    assert "old" in box.launcher("start", box.path).err
    box.write_settings(command=["/bin/nosuch"])
    assert "old" not in box.launcher("start", box.path).err


def test_what_runs_in_the_foreground_is_not_started_again_and_can_be_stopped(box):
    with box.running("/bin/sh", "-c", "trap 'exit 3' TERM; while :; do sleep 0.02; done") as process:
        assert details(box)["state"] == "running"
        started = box.launcher("start", box.path)
        assert started.code == 0 and process.poll() is None, "it runs already, and that is what was asked"
        assert box.launcher("stop", box.name).code == 0
        assert process.wait(10) == 3
    assert box.traces() == []


def test_A57_a_pid_that_became_somebody_elses_is_never_signalled(box):
    start(box, "sleep 60")
    state = records.read_state(box.name)
    assert box.launcher("stop", "-t", "0", box.name).code == 0
    with subprocess.Popen(["sleep", "60"]) as innocent:
        state.status, state.pid, state.exit_code, state.finished_at = "running", innocent.pid, None, None
        records.write_state(state)  # an old start time and the pid of somebody else
        assert details(box)["state"] != "running"
        assert box.launcher("stop", "-t", "0", box.name).code == 0
        state.starttime, state.boot_id = procs.starttime(innocent.pid), "00000000-0000-0000-0000-000000000000"
        records.write_state(state)  # and the right one, of another boot
        assert box.launcher("stop", "-t", "0", box.name).code == 0
        assert innocent.poll() is None
        innocent.kill()


def test_F17_a_lost_state_never_makes_a_second_instance(box):
    pid = start(box, "sleep 60")
    kill_supervisor()
    os.unlink(f"{records.run_directory(box.name)}/state")
    refused = box.launcher("start", box.path)
    assert refused.code == 1 and str(pid) in refused.err and is_alive(pid), refused
    assert box.launcher("stop", box.name).code in (0, 1)
    shutil.rmtree(records.run_directory(box.name), ignore_errors=True)
    client.stop([(box.name, None, None)])
    assert not is_alive(pid)
    assert box.launcher("start", box.path).code == 0


@pytest.mark.parametrize("length", range(0, 240, 40))
def test_F17_a_state_cut_short_is_no_state(box, length):
    start(box, "sleep 60")
    place = f"{records.run_directory(box.name)}/state"
    with open(place, "rb") as file:
        content = file.read()
    with open(place, "wb") as file:
        file.write(content[:length])
    listed = box.launcher("list")
    assert listed.code == 0 and "Traceback" not in listed.err


EXITS = [
    (["/bin/sh", "-c", "exit 0"], 0), (["/bin/sh", "-c", "exit 7"], 7), (["sh", "-c", "exit 8"], 8),
    (["/bin/nosuch"], 127), (["nosuch"], 127), (["/etc/passwd"], 126),
    (["/bin/sh", "-c", "kill -9 $$"], 137), (["/bin/sh", "-c", "kill -TERM $$"], 143),
]


def test_exec_gives_the_exit_status_of_its_command(box):
    start(box, "sleep 60")
    for command, code in EXITS:
        done = box.launcher("exec", box.name, *command)
        assert done.code == code, (command, done)
    assert box.launcher("exec", "nosuch", "/bin/true").code == 125
    assert box.launcher("exec", "-u", "bob", box.name, "/bin/true").code == 125


def test_exec_is_binary_safe_and_reads_its_input_only_when_asked(box):
    start(box, "sleep 60")
    data = bytes(range(256)) * 4096
    done = subprocess.run([boxes.COMMAND, "exec", "-i", box.name, "cat"], input=data, capture_output=True, timeout=30, check=False)
    assert (done.returncode, done.stdout) == (0, data)
    silent = subprocess.run([boxes.COMMAND, "exec", box.name, "cat"], input=data, capture_output=True, timeout=30, check=False)
    assert (silent.returncode, silent.stdout) == (0, b"")


def test_exec_enters_every_namespace_and_the_cgroup(box):
    pid = start(box, "sleep 60")
    names = ("cgroup", "ipc", "mnt", "net", "pid", "uts")
    script = f"for n in {' '.join(names)}; do readlink /proc/self/ns/$n; done"
    inside = box.launcher("exec", box.name, "/bin/sh", "-c", script).out.split()
    assert inside == [os.readlink(f"/proc/{pid}/ns/{name}") for name in names]
    assert all(ours != os.readlink(f"/proc/self/ns/{name}") for ours, name in zip(inside, names))
    with subprocess.Popen([boxes.COMMAND, "exec", box.name, "sleep", "30"]) as command:
        wait_until(lambda: len(details(box)["processes"]) == 2)
        command.terminate()
    wait_until(lambda: len(details(box)["processes"]) == 1)


def test_a_container_with_open_standard_input_waits_instead_of_leaving(box):
    box.write_settings(command=["/bin/sh", "-i"], interactive=True)
    assert box.launcher("start", "--grace", "0.5", box.path).code == 0
    box.write_settings(command=["/bin/sh", "-i"])
    assert box.launcher("stop", "-t", "0", box.name).code == 0
    assert box.launcher("start", "--grace", "2", box.path).code == 1, "without it a shell reads the end of its input and leaves"


def test_20_cycles_leave_nothing(box):
    box.write_settings(command=["/bin/sleep", "60"], memory="16M")
    for _cycle in range(20):
        assert box.launcher("start", "--grace", "0", box.path).code == 0
        assert box.launcher("stop", "-t", "0", box.name).code == 0
        assert box.traces() == []


@pytest.fixture
def bridge():
    """The name of a bridge for this test alone; containers make it when they come."""
    name = f"tsup{os.getpid() % 100000}"
    yield name
    subprocess.run(["ip", "link", "del", name], stderr=subprocess.DEVNULL, check=False)


def has_network(box):
    return box.launcher("exec", box.name, "ip", "-4", "addr", "show", "eth0").out.count("198.18.77.2/24") == 1


def test_F03_one_rerun_brings_the_network_back_after_everything_was_killed(box, bridge):
    box.write_settings(command=["/bin/sleep", "60"], networks=[{"bridge": bridge, "addresses": ["198.18.77.2/24"]}])
    assert box.launcher("start", box.path).code == 0 and has_network(box)
    pid = box.pid()
    kill_supervisor()
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not is_alive(pid))
    assert box.launcher("start", box.path).code == 0
    assert has_network(box), "what the dead one left was cleaned before the new network was made"
    pid = box.pid()
    os.kill(pid, signal.SIGKILL)  # and with the supervisor alive, while it is cleaning
    assert box.launcher("start", box.path).code == 0
    assert box.pid() != pid and has_network(box)
    assert box.launcher("stop", "-t", "0", box.name).code == 0


def test_a_killed_foreground_run_is_cleaned_up_by_the_next(box, bridge):
    box.write_settings(command=["/bin/sleep", "60"], networks=[{"bridge": bridge, "addresses": ["198.18.77.2/24"]}])
    with box.running("/bin/sleep", "60", networks=[{"bridge": bridge, "addresses": ["198.18.77.2/24"]}]) as process:
        pid = box.pid()
        process.kill()
        process.wait()
    wait_until(lambda: not is_alive(pid))
    assert "198.18.77.2/24" in box.run("/bin/ip", "addr", networks=[{"bridge": bridge, "addresses": ["198.18.77.2/24"]}]).out
    assert box.traces() == []


def test_every_one_of_a_list_is_answered_though_the_first_is_done_at_once(make_box):
    many = [make_box() for _number in range(3)]
    for box in many:
        start(box, "sleep 60")
    paths = [box.path for box in many]
    assert many[0].launcher("stop", "-t", "0", *paths).code == 0
    again = many[0].launcher("stop", *paths, paths[0], timeout=10)
    assert again.code == 0, again


def test_answers_wait_for_a_client_that_is_slow_to_read(box):
    start(box, "sleep 60")
    connection = client._connect()
    connection.send(b"".join(Request("stop", f"{box.name}x{number}").render() for number in range(600)) + b"end\n")
    time.sleep(1)  # longer than the supervisor takes; its socket holds less than 300 answers
    answers = b""
    while piece := connection.recv(65536):
        answers += piece
    connection.close()
    assert answers.count(b"\tok\t") == 600


def test_a_stop_before_the_program_runs_leaves_no_timer_behind(make_box):
    box, other = make_box(), make_box()
    innocent, before = start(other, "sleep 60"), supervisor_pid()
    box.write_settings(command=["/bin/sh", "-c", "sleep 0.3; exit 3"])
    requests = [Request("start", box.name, box.path, 0.1), Request("stop", box.name, timeout=1.5)]
    answers = client._exchange(b"".join(request.render() for request in requests) + b"end\n")
    assert f"{box.name}\tok\t0\t3".encode() in answers
    time.sleep(1.6)  # SIGKILL would be due
    assert supervisor_pid() == before and is_alive(innocent)


def test_F10_a_full_run_directory_ends_no_supervision(make_box):
    box, other = make_box(), make_box()
    pid, innocent = start(box, "sleep 60"), start(other, "sleep 60")
    before = supervisor_pid()
    with full_file_system("/run"):
        assert box.launcher("stop", "-t", "0", box.name).code == 0
        assert not is_alive(pid) and is_alive(innocent) and supervisor_pid() == before
        refused = box.launcher("start", box.path)
        assert refused.code == 1 and "No space left" in refused.err and "Traceback" not in refused.err
        assert other.launcher("list").code == 0
    assert box.launcher("start", box.path).code == 0


@contextlib.contextmanager
def full_file_system(path):
    kept = os.statvfs(path)
    libc.mount(None, path, None, libc.MS_REMOUNT, "size=1m")
    try:
        with open(f"{path}/.full", "wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(bytes(4096))
        yield
    finally:
        os.unlink(f"{path}/.full")
        libc.mount(None, path, None, libc.MS_REMOUNT, f"size={kept.f_blocks * kept.f_frsize}")


def test_F19_without_descriptors_clients_wait_and_the_supervisor_lives(box):
    start(box, "sleep 60")
    pid = supervisor_pid()
    _soft, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (max(map(int, os.listdir(f"/proc/{pid}/fd"))) + 1, hard))
    with occupied_descriptors(pid), subprocess.Popen([boxes.COMMAND, "stop", "-t", "0", box.name]) as command:
        time.sleep(0.5)
        assert command.poll() is None and supervisor_pid() == pid
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (hard, hard))
        assert command.wait(10) == 0


@contextlib.contextmanager
def occupied_descriptors(pid):
    """Connections that say nothing, until the process has no descriptor below its limit."""
    limit, _hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    with contextlib.ExitStack() as stack:
        while len(os.listdir(f"/proc/{pid}/fd")) < limit:
            stack.callback(client._connect().close)
            time.sleep(0.02)
        yield


def test_a_play_stops_what_runs_in_the_foreground(box):
    with box.running("/bin/sh", "-c", "trap 'exit 3' TERM; while :; do sleep 0.02; done") as process:
        lock = records.lock(box.name)
        wait_until(lambda: lock.take(wait=False))  # held for as long as it runs, it would keep every play waiting
        client.stop([(box.name, None, None)])
        assert process.poll() is None or process.returncode == 3
        lock.release()
        assert process.wait(10) == 3
    assert box.traces() == []


def test_a_foreground_run_that_was_replaced_leaves_its_successor_alone(box):
    with box.running("/bin/sh", "-c", "trap 'exit 3' TERM; while :; do sleep 0.02; done") as process:
        lock = records.lock(box.name)
        lock.take()
        client.stop([(box.name, None, None)])
        box.write_settings(command=["/bin/sleep", "60"])
        assert client.start([(box.name, box.path)], 0.1)[box.name].ok
        lock.release()
        assert process.wait(10) == 3
        assert details(box)["state"] == "running"


def test_what_a_flooder_wrote_last_does_not_bring_back_a_removed_directory(box):
    start(box, "yes")
    time.sleep(1)
    assert box.launcher("stop", "-t", "0", box.path).code == 0
    shutil.rmtree(box.path)
    time.sleep(2)
    assert not os.path.exists(box.path)


def test_a_log_reader_that_hangs_does_not_keep_the_supervisor(box):
    start(box, "sleep 60")
    pid = supervisor_pid()
    descriptor = os.pidfd_open(pid)
    for child in children(pid):
        if is_supervisor_of_ours(child):
            os.kill(int(child), signal.SIGSTOP)
    assert box.launcher("stop", "-t", "0", box.name).code == 0
    assert procs.wait_end(descriptor, 10)
    os.close(descriptor)


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
        return file.read().split()


def test_F17_stop_ends_what_runs_though_its_state_is_lost(box):
    pid = start(box, "sleep 60")
    os.unlink(f"{records.run_directory(box.name)}/state")
    assert box.launcher("stop", "-t", "0", box.path).code == 0
    assert not is_alive(pid) and box.traces() == []


NONSENSE = [["logs", "--since", "²m"], ["logs", "--since", "9999999999999999d"], ["exec"], ["start", "--grace", "nan"], ["run", "\udcff"]]


@pytest.mark.parametrize("words", NONSENSE, ids=lambda words: words[0])
def test_nonsense_is_answered_in_one_line(box, words):
    box.write_settings(command=["/bin/sleep", "60"])
    told = box.launcher(*words, *([box.path] if words[0] != "run" else []))
    assert told.code in (2, 125) and told.err.startswith("coracle: ") and "Traceback" not in told.err, told


def test_an_empty_command_is_not_found(box):
    start(box, "sleep 60")
    told = box.launcher("exec", box.name, "")
    assert told.code == 127 and "is not in the rootfs" in told.err


def test_logs_into_a_pipe_that_closes_end_quietly(box):
    start(box, "seq 50000; sleep 60")
    wait_until(lambda: "50000" in box.launcher("logs", "--tail", "1", box.name).out)
    done = boxes.run(["/bin/sh", "-c", f"{boxes.COMMAND} logs {box.name} | head -n 1"])
    assert (done.out, done.err) == ("1\n", "")


def test_A02_closed_standard_streams_do_not_become_the_launchers_own_files(box):
    box.write_settings(command=["/bin/sh", "-c", "exit 6"])
    done = boxes.run(["/bin/sh", "-c", f"{boxes.COMMAND} run {box.path} <&- >&- 2>&-"])
    assert done.code == 6


def test_a_rootfs_that_holds_the_containers_own_settings_is_refused(box):
    told = box.run("/bin/true", rootfs=box.path)
    assert told.code == 125 and "out of its reach" in told.err


def test_F05_a_supervisor_that_is_stuck_is_named_and_can_be_replaced(box, monkeypatch):
    start(box, "sleep 60")
    pid = supervisor_pid()
    monkeypatch.setattr(client, "_PATIENCE", 0.3)
    os.kill(pid, signal.SIGSTOP)
    try:
        with pytest.raises(LauncherError, match=f"pid {pid}, state T"):
            client.refresh(box.name)
    finally:
        os.kill(pid, signal.SIGCONT)
    assert client.refresh(box.name).ok, "and one that goes on answers again"
