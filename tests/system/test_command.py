# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verbs of the command on real containers, as a person or a script types them."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import select
import signal
import subprocess
import time

import pytest

from ansible_collections.coracle.launcher.plugins.module_utils._coracle.work import records

from . import boxes
from .test_supervisor import start, wait_until

TICK = "trap 'echo hup' HUP; while :; do echo tick; echo oops >&2; sleep 0.1; done"
IGNORE = "trap '' TERM; while :; do sleep 0.1; done"


@pytest.fixture
def ticking(make_box):
    """A container that writes to both streams and catches SIGHUP."""
    box = make_box(labels={"tier": "web"}, stop_timeout=1, memory="16M")
    start(box, TICK)
    return box


def in_directory(make_box, count):
    """Boxes that can be named by their path in one command line."""
    boxes_ = [make_box(stop_timeout=0) for _number in range(count)]
    for box in boxes_:
        box.write_settings(command=["/bin/sleep", "60"], stop_timeout=0)
    return boxes_


def test_a_signal_by_kill_is_caught_and_the_container_goes_on(ticking):
    pid = ticking.pid()
    assert ticking.launcher("kill", "-s", "HUP", ticking.name).code == 0
    wait_until(lambda: "hup" in ticking.launcher("logs", "--stdout", ticking.name).out)
    assert ticking.pid() == pid
    assert ticking.launcher("kill", ticking.name).code == 0
    assert ticking.launcher("wait", ticking.name).out == "137\n"
    again = ticking.launcher("kill", ticking.name)
    assert again.code == 1 and again.err == f"coracle: {ticking.name}: is not running; start it with coracle start {ticking.name}\n"


def test_a_kill_is_no_stop_and_the_restart_policy_acts(box):
    pid = start(box, "sleep 60", restart_policy="always")
    assert box.launcher("kill", box.name).code == 0
    wait_until(lambda: box.launcher("status", box.name).code == 0 and box.pid() != pid)
    assert box.launcher("stop", "-t", "0", box.name).code == 0
    assert box.launcher("status", box.name).code == 3


def test_top_has_both_numbers_of_each_process(ticking):
    rows = json.loads(ticking.launcher("top", "--json", ticking.name).out)
    first = rows[0]
    assert (first["pid"], first["inside"], first["uid"]) == (ticking.pid(), 1, 0)
    assert first["command"].startswith("/bin/sh -c trap") and first["rss"] > 0
    table = ticking.launcher("top", ticking.name).out.splitlines()
    assert table[0].split() == ["PID", "INSIDE", "USER", "STATE", "TIME", "RSS", "COMMAND"]
    assert str(ticking.pid()) in table[1]
    assert ticking.launcher("top", "nosuch").code == 1


def test_stats_count_what_runs(ticking):
    found = json.loads(ticking.launcher("stats", "--json", "--interval", "0.2", ticking.name).out)
    assert len(found) == 1 and found[0]["running"] and found[0]["memory_limit"] == 16 << 20 and found[0]["cpu_percent"] is not None
    assert 0 < found[0]["memory_usage"] <= found[0]["memory_peak"] and found[0]["pids"] >= 1
    table = ticking.launcher("stats", "--interval", "0.2").out
    assert ticking.name in table and "/ 16.0M" in table and "\x1b" not in table
    text = ticking.launcher("stats", "--format", "prometheus").out
    assert f'coracle_container_running{{name="{ticking.name}"}} 1\n' in text
    ticking.launcher("stop", ticking.name)
    assert f'coracle_container_running{{name="{ticking.name}"}} 0\n' in ticking.launcher("stats", "--format", "prometheus").out
    assert ticking.launcher("stats", "--no-stream", "--interval", "0.1", "--no-headers", ticking.name).out.strip() == ""


@contextlib.contextmanager
def on_terminal(*words):
    """A command line on a terminal of its own: (Popen, its other end)."""
    master, slave = pty.openpty()
    with subprocess.Popen([boxes.COMMAND, *words], stdin=slave, stdout=slave, stderr=slave, env={**os.environ, "TERM": "xterm"},
                          start_new_session=True) as process:
        os.close(slave)
        try:
            yield process, master
        finally:
            process.kill()
            os.close(master)


def read_until(master, words, seconds=10):
    """What comes, until `words` are in it."""
    seen, deadline = "", time.monotonic() + seconds
    while words not in seen:
        assert time.monotonic() < deadline, seen
        if select.select([master], [], [], 0.1)[0]:
            seen += os.read(master, 65536).decode()
    return seen


def test_stats_on_a_terminal_go_on_until_ctrl_c(ticking):
    with on_terminal("stats", "--interval", "0.1") as (process, master):
        seen = read_until(master, ticking.name)
        assert "\x1b[H" in seen
        read_until(master, ticking.name)  # once more, by itself
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0


def test_colour_is_for_terminals(ticking):
    with on_terminal("list", ticking.name) as (_process, master):
        assert "\x1b[32mrunning" in read_until(master, "running")
    assert "\x1b" not in ticking.launcher("list", ticking.name).out


def test_a_second_ctrl_c_during_stop_is_a_sigkill(make_box):
    box = make_box(stop_timeout=600)
    start(box, IGNORE)
    with on_terminal("stop", box.name) as (process, master):
        wait_until(lambda: records.read_state(box.name).stopping)
        process.send_signal(signal.SIGINT)
        assert "Ctrl-C once more" in read_until(master, "SIGKILL")
        assert process.poll() is None and box.launcher("status", box.name).code == 0
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0
    assert box.launcher("wait", box.name).out == "137\n"


def test_list_filters(ticking, make_box):
    other = make_box()
    start(other, "sleep 60")

    def names(*words):
        return set(ticking.launcher("list", "-q", *words).out.split())

    both = {ticking.name, other.name}
    assert names() >= both
    assert names("--filter", "label=tier=web") & both == {ticking.name}
    assert names("--filter", "state=running") & both == both
    assert names("--filter", "state=exited") & both == set()
    assert names("--filter", f"name={other.name}", "--filter", "label=tier") == set()
    assert ticking.launcher("list", "--filter", "nosuch=1").code == 2


def test_logs_pick_streams_times_and_the_last_lines(ticking):
    wait_until(lambda: ticking.launcher("logs", ticking.name).out.count("tick") >= 3)
    assert set(ticking.launcher("logs", "--stderr", ticking.name).out.split()) == {"oops"}
    assert len(ticking.launcher("logs", "--tail", "2", ticking.name).out.splitlines()) == 2
    stamped = ticking.launcher("logs", "-t", "--tail", "3", ticking.name).out.splitlines()
    stamps = [line.split()[0] for line in stamped]
    assert stamps == sorted(stamps) and all(stamp.endswith("Z") for stamp in stamps)
    assert ticking.launcher("logs", "--since", "1h", ticking.name).out
    assert ticking.launcher("logs", "--until", "1h", ticking.name).out == ""
    until = ticking.launcher("logs", "-t", "--until", stamps[0], ticking.name).out.splitlines()
    assert until and until[-1].split()[0] <= stamps[0]
    wrong = ticking.launcher("logs", "--since", "soon", ticking.name)
    assert wrong.code == 2 and "'soon' is no time" in wrong.err


def test_logs_follow_until_the_end(ticking):
    with subprocess.Popen([boxes.COMMAND, "logs", "-f", "--tail", "0", "--stdout", ticking.name], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "tick\n"
        assert ticking.launcher("stop", ticking.name).code == 0
        rest = process.stdout.read()
        assert process.wait(10) == 0 and set(rest.split()) <= {"tick"}


def test_each_of_several_names_gets_its_line_and_the_worst_status_wins(make_box):
    good, bad = in_directory(make_box, 2)
    boxes.write(f"{bad.path}/settings", "process: /bin/sleep\narg1: 60\nmemlimt: 4M\n")
    started = good.launcher("start", good.path, bad.path, "/nosuch")
    assert started.code == 1
    assert started.err.splitlines() == [f"coracle: {bad.name}: memlimt: is not a known key; did you mean memlimit? (settings:3)",
                                        "coracle: nosuch: there is no such container; coracle list shows all"]
    told = good.launcher("status", good.path, bad.path, "/nosuch")
    assert told.code == 4 and [line.split(":")[0] for line in told.out.splitlines()] == [good.name, bad.name, "nosuch"]
    assert good.launcher("status", good.path).code == 0
    wrong = good.launcher("status", good.path, "Web!")
    assert wrong.code == 4 and wrong.out.startswith(f"{good.name}: running") and wrong.err.startswith("coracle: Web!: is not a name; ")
    seen = good.launcher("inspect", good.name, "nosuch")
    assert seen.code == 1 and [container["name"] for container in json.loads(seen.out)] == [good.name]
    stopped = good.launcher("stop", good.name, "nosuch", good.path)
    assert stopped.code == 1 and stopped.err.count("\n") == 1
    assert good.launcher("status", good.path).code == 3


def test_a_misspelt_name_is_answered_with_the_right_one(ticking):
    wrong = f"{ticking.name}x"
    ended = ticking.launcher("stop", wrong)
    assert ended.code == 1 and ended.err == f"coracle: {wrong}: there is no such container; did you mean {ticking.name}?\n"


def test_a_reader_that_has_enough_ends_it_quietly(ticking):
    wait_until(lambda: ticking.launcher("logs", ticking.name).out)
    done = boxes.run(["sh", "-c", f"{boxes.COMMAND} logs -f {ticking.name} | head -n 1"])
    assert done.out in ("tick\n", "oops\n") and done.err == ""


def test_completion_needs_neither_root_nor_containers(launcher):
    done = boxes.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", boxes.COMMAND, "completion", "bash"])
    assert done.code == 0 and "_coracle" in done.out
    refused = boxes.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", boxes.COMMAND, "list"])
    assert refused.code == 1 and refused.err == "coracle: needs root; use sudo\n"
