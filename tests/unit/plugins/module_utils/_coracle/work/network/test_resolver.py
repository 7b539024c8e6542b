# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import socket
import stat

import pytest

from ansible_collections.coracle.launcher.plugins.module_utils._coracle.base.errors import LauncherError
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.model.change import LIVE
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.work.network import resolver
from ansible_collections.coracle.launcher.tests.unit.each import each

ALL = resolver.want(["192.0.2.53", "fd00::53"], ["example.org", "lab.example.org"], ["ndots:2", "rotate"])
WRITTEN = "nameserver 192.0.2.53\nnameserver fd00::53\nsearch example.org lab.example.org\noptions ndots:2 rotate\n"


@pytest.fixture
def tree(tmp_path):
    (tmp_path / "root/etc").mkdir(parents=True)
    (tmp_path / "canary").write_text("of the host\n")
    yield tmp_path / "root"
    assert (tmp_path / "canary").read_text() == "of the host\n"


@pytest.fixture
def file(tree):
    return tree / "etc/resolv.conf"


def write(tree, wanted=ALL):
    """As the module does it: read, plan, write, and a second look that finds nothing left to do."""
    found = resolver.read(str(tree))
    assert resolver.plan(wanted, found) != []
    undo = resolver.write(str(tree), wanted, found)
    assert resolver.plan(wanted, resolver.read(str(tree))) == []
    return undo


@each("servers, searches, options", [
    (None, None, None), ([], [], []), (["127.0.0.1"], None, None), (["::1", "fe80::1%eth0", "192.0.2.1"], None, None),
    (None, ["example.org.", "."], None), (None, ["_msdcs.example.org", "a" * 63], None), (None, None, ["ndots:15", "no-aaaa", "edns0"]),
])
def test_good_words_are_taken(servers, searches, options):
    wanted = resolver.want(servers, searches, options)
    given = {"dns_servers": servers, "dns_search_domains": searches, "dns_opts": options}
    assert wanted == {option: words for option, words in given.items() if words is not None}


@each("option, words", [
    ("dns_servers", ["192.0.2.256"]), ("dns_servers", ["dns.example.org"]), ("dns_servers", [""]), ("dns_servers", ["192.0.2.1\nsearch evil"]),
    ("dns_servers", ["192.0.2.1%eth0"]), ("dns_servers", ["fe80::1%"]), ("dns_servers", ["fe80::1%a b"]), ("dns_servers", ["192.0.2.0/24"]),
    ("dns_servers", ["192.0.2.1", "192.0.2.1"]), ("dns_servers", ["192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4"]),
    ("dns_search_domains", ["a b"]), ("dns_search_domains", [""]), ("dns_search_domains", ["a..b"]), ("dns_search_domains", ["-a"]),
    ("dns_search_domains", ["a" * 64]), ("dns_search_domains", [".".join(["a" * 50] * 6)]), ("dns_search_domains", ["é.org"]),
    ("dns_search_domains", ["a\n"]), ("dns_opts", ["ndots: 2"]), ("dns_opts", [""]), ("dns_opts", ["a;b"]), ("dns_opts", ["#"]),
    ("dns_opts", ["rotate\nnameserver 192.0.2.66"]), ("dns_opts", ["x" * 254]),
])
def test_bad_words_name_their_option(option, words):
    given = {"dns_servers": None, "dns_search_domains": None, "dns_opts": None, option: words}
    with pytest.raises(LauncherError) as caught:
        resolver.want(*given.values())
    assert caught.value.option == option
    assert caught.value.remedy


def test_what_is_asked_is_written_and_can_be_undone(tree, file):
    undo = write(tree)
    assert file.read_text() == WRITTEN
    assert sorted(os.listdir(tree / "etc")) == ["resolv.conf"]
    undo()
    assert os.listdir(tree / "etc") == []


def test_a_tree_without_etc_gets_one_whatever_the_umask_is(tree, file):
    (tree / "etc").rmdir()
    before = os.umask(0o077)
    try:
        undo = write(tree)
    finally:
        os.umask(before)
    assert (stat.S_IMODE((tree / "etc").stat().st_mode), stat.S_IMODE(file.stat().st_mode)) == (0o755, 0o644)
    undo()
    assert os.listdir(tree) == []


@each("before, wanted, after", [
    ("# mine\nnameserver 192.0.2.1\nsortlist 192.0.2.0\n", {"dns_servers": ["192.0.2.2"]}, "# mine\nnameserver 192.0.2.2\nsortlist 192.0.2.0\n"),
    ("nameserver 192.0.2.1\nsearch a\nnameserver 192.0.2.2\n", {"dns_servers": []}, "search a\n"),
    ("domain a\noptions b\n", {"dns_search_domains": ["c", "d"]}, "search c d\noptions b\n"),
    ("search a\nsearch b", {"dns_opts": ["rotate"]}, "search a\nsearch b\noptions rotate\n"),
    ("options a\noptions b\n", {"dns_opts": ["a"]}, "options a\n"),
    ("nameserver 192.0.2.1\nsearch a\n", {"dns_servers": ["192.0.2.1"], "dns_search_domains": ["b"]}, "nameserver 192.0.2.1\nsearch b\n"),
    ("nameserver 192.0.2.1 # home\n", {"dns_search_domains": ["b"]}, "nameserver 192.0.2.1 # home\nsearch b\n"),
    (" nameserver 192.0.2.1\n", {"dns_servers": ["192.0.2.2"]}, " nameserver 192.0.2.1\nnameserver 192.0.2.2\n"),
    ("nameserver\t192.0.2.1\r\n", {"dns_servers": ["192.0.2.2"]}, "nameserver 192.0.2.2\n"),
    ("", {"dns_servers": ["192.0.2.2"]}, "nameserver 192.0.2.2\n"),
    ("#\u2028\udcff\n", {"dns_servers": ["192.0.2.2"]}, "#\u2028\udcff\nnameserver 192.0.2.2\n"),
])
def test_only_lines_about_what_is_asked_change(before, wanted, after):
    data = before.encode("utf-8", "surrogateescape")
    assert resolver.plan(wanted, resolver.Found(data, None, (0, 0, 0o644))) != []
    written = resolver.render(wanted, data)
    assert written.decode("utf-8", "surrogateescape") == after
    assert resolver.plan(wanted, resolver.Found(written, None, (0, 0, 0o644))) == []
    assert resolver.render(wanted, written) == written


@each("line", ["nameserver 192.0.2.53", "nameserver\t192.0.2.53 trailing", "nameserver 192.0.2.53\n#nameserver 192.0.2.54\nnameserverx 1"])
def test_what_means_the_same_is_no_difference(line):
    assert resolver.plan({"dns_servers": ["192.0.2.53"]}, resolver.Found(line.encode(), None, (0, 0, 0o644))) == []


def test_a_change_shows_both_lists(tree, file):
    file.write_text("nameserver 192.0.2.1\n")
    changes = resolver.plan(resolver.want(["192.0.2.53"], None, []), resolver.read(str(tree)))
    assert [change.as_dict() for change in changes] == [
        {"option": "dns_servers", "before": ["192.0.2.1"], "after": ["192.0.2.53"], "action": LIVE, "why": ""}]


def test_nothing_asked_is_nothing_to_do(tree):
    assert resolver.plan(resolver.want(None, None, None), resolver.read(str(tree))) == []


def test_the_file_keeps_owner_and_mode_and_undo_its_content(tree, file):
    file.write_text("# theirs\n")
    file.chmod(0o640)
    if os.geteuid() == 0:
        os.chown(file, 1234, 1235)
    before = file.stat()
    undo = write(tree)
    after = file.stat()
    assert (after.st_uid, after.st_gid, after.st_mode) == (before.st_uid, before.st_gid, before.st_mode)
    undo()
    again = file.stat()
    assert (file.read_text(), again.st_uid, again.st_gid, again.st_mode) == ("# theirs\n", before.st_uid, before.st_gid, before.st_mode)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to give files away")
def test_a_new_file_belongs_to_whom_etc_belongs(tree, file):
    os.chown(tree / "etc", 100000, 100000)
    write(tree)
    assert (file.stat().st_uid, file.stat().st_gid) == (100000, 100000)


@pytest.mark.parametrize("target", ["{host}/canary", "../../canary", "nowhere", "/proc/self/environ", "resolv.conf", "../etc"])
def test_A12_a_link_is_replaced_and_never_followed(tree, file, target):
    target = target.format(host=tree.parent)
    file.symlink_to(target)
    undo = write(tree)
    assert not file.is_symlink()
    assert file.read_text() == WRITTEN
    undo()
    assert os.readlink(file) == target


def test_A12_a_link_is_named_in_the_change(tree, file):
    file.symlink_to("../run/x\x1b[2J")
    changes = resolver.plan({"dns_servers": []}, resolver.read(str(tree)))
    assert [change.why for change in changes] == ["a symbolic link to ../run/x\\x1b[2J is replaced by a file"]


def test_A12_a_hard_link_keeps_its_other_end(tree, file):
    os.link(tree.parent / "canary", file)
    write(tree)
    assert file.read_text() == "of the host\n" + WRITTEN  # its fixture sees to the canary


def make_directory(path):
    path.mkdir()


def make_fifo(path):
    os.mkfifo(path)


def make_socket(path):
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(path))


def make_large(path):
    path.write_bytes(bytes(65537))


@pytest.mark.parametrize("make", [make_directory, make_fifo, make_socket, make_large])
def test_A12_what_is_no_file_is_refused_and_left(tree, file, make):
    make(file)
    before = file.lstat()
    with pytest.raises(LauncherError) as caught:
        resolver.read(str(tree))
    assert (caught.value.option, "etc/resolv.conf is no regular file" in caught.value.problem) == ("rootfs", True)
    assert file.lstat() == before


@pytest.mark.parametrize("target", ["{host}", "../../", "nowhere", "."])
def test_A12_etc_as_a_link_is_refused(tree, target):
    (tree / "etc").rmdir()
    (tree / "etc").symlink_to(target.format(host=tree.parent))
    for call in (lambda: resolver.read(str(tree)), lambda: resolver.write(str(tree), ALL, resolver.Found(None, None, (0, 0, 0o644)))):
        with pytest.raises(LauncherError) as caught:
            call()
        assert caught.value.option == "rootfs"
    assert sorted(os.listdir(tree.parent)) == ["canary", "root"]
    assert os.listdir(tree) == ["etc"]


@pytest.mark.parametrize("name", ["nothing", "canary", "root/etc/file"])
def test_a_tree_that_is_none_is_refused(tree, name):
    with pytest.raises(LauncherError) as caught:
        resolver.read(str(tree.parent / name))
    assert caught.value.option == "rootfs"


@pytest.mark.parametrize("leftover", ["file", "link"])
def test_what_a_killed_run_left_behind_does_not_matter(tree, file, leftover):
    temporary = tree / "etc/.resolv.conf.new"
    if leftover == "file":
        temporary.write_text("half")
    else:
        temporary.symlink_to(tree.parent / "canary")
    write(tree)
    assert file.read_text() == WRITTEN
    assert os.listdir(tree / "etc") == ["resolv.conf"]


def test_a_refusal_of_the_file_system_is_an_error_of_ours(tree, file):
    (tree / "etc/.resolv.conf.new").mkdir()
    with pytest.raises(LauncherError) as caught:
        resolver.write(str(tree), ALL, resolver.read(str(tree)))
    assert "cannot be written" in caught.value.problem
    assert not file.exists()
