# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from hypothesis import example, given, settings, strategies

from ansible_collections.coracle.launcher.plugins.module_utils._coracle.base.errors import LauncherError
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.kernel import ids
from ansible_collections.coracle.launcher.tests.unit.each import each

PASSWD = b"""root:x:0:0:root:/root:/bin/sh
nobody:x:99:98:Nobody:/var/empty:/bin/false
nohome:x:100:100:::
relative:x:101:101::home/relative:/bin/sh
nobody:x:0:0:a second line of a name counts for nothing:/root:/bin/sh
max:x:4294967294:4294967294::/:/bin/sh
"""
GROUP = b"root:x:0:\nnogroup:x:98:\nstaff:x:50:nobody,root\nstaff:x:0:\n"


@each("user, group, expected", [
    ("root", None, (0, 0, "/root")),
    ("0", None, (0, 0, "/root")),
    ("nobody", None, (99, 98, "/var/empty")),
    ("99", None, (99, 98, "/var/empty")),
    ("99", "50", (99, 50, "/var/empty")),
    ("nobody", "staff", (99, 50, "/var/empty")),
    ("nobody", "root", (99, 0, "/var/empty")),
    ("1234", None, (1234, 1234, "/")),
    ("1234", "nogroup", (1234, 98, "/")),
    ("nohome", None, (100, 100, "/")),
    ("relative", None, (101, 101, "/")),
    ("4294967294", None, (4294967294, 4294967294, "/")),
    ("max", None, (4294967294, 4294967294, "/")),
])
def test_resolve(user, group, expected):
    assert ids.resolve(user, group, PASSWD, GROUP) == expected


def test_numbers_need_no_file():
    assert ids.resolve("99", "98", b"", b"") == (99, 98, "/")
    assert ids.lookup_user(b"", "0") == (0, None, None)
    assert ids.lookup_group(b"", "4294967294") == 4294967294


@each("user", ["-1", "4294967295", "4294967296", "99999999999", "٣", "1_000", " 99", "99 ", "+99", "", "root\n", "99.0", "0x0", "९९",
               "9a", "a:b", "root\0", "\ud800"])
def test_A41_what_is_no_id_is_nobody_even_if_a_line_says_so(user):
    hostile = PASSWD + user.encode("utf-8", "replace") + b":x:0:0::/root:/bin/sh\n"
    for call, option in ((lambda: ids.resolve(user, None, hostile, GROUP), "user"), (lambda: ids.resolve("0", user, hostile, hostile), "group")):
        with pytest.raises(LauncherError) as caught:
            call()
        assert (caught.value.option, caught.value.value) == (option, user)
        assert caught.value.remedy.startswith("Give a number")


def test_unknown_names_say_what_to_do():
    with pytest.raises(LauncherError, match="user='www': the rootfs has no such user. Give a number"):
        ids.resolve("www", None, PASSWD, GROUP)
    with pytest.raises(LauncherError, match="group='www': the rootfs has no such group. Give a number"):
        ids.resolve("0", "www", PASSWD, GROUP)


@pytest.mark.parametrize("line", [
    b"www", b"www:", b"www:x:", b"www:x:0", b"www:x:0:0", b"www:x:0:0::/", b"www:x:0:0::/:/bin/sh:", b"www:x::0::/:/bin/sh", b"www:x:0:::/:/bin/sh",
    b"www:x:-1:0::/:/bin/sh", b"www:x:4294967295:0::/:/bin/sh", b"www:x:+0:0::/:/bin/sh", b"www:x: 0:0::/:/bin/sh", b"www:x:0\0:0::/:/bin/sh",
    b"www:x:0:4294967296::/:/bin/sh", b"www:x:0x0:0::/:/bin/sh", "www:x:٠:0::/:/bin/sh".encode(), b" www:x:0:0::/:/bin/sh", b"WWW:x:0:0::/:/bin/sh",
    b"#www:x:0:0::/:/bin/sh", b"+www:x:0:0::/:/bin/sh", b"www\r:x:0:0::/:/bin/sh",
])
def test_A48_a_bad_line_is_skipped(line):
    with pytest.raises(LauncherError):
        ids.lookup_user(line + b"\n", "www")
    good = b"www:x:33:33::/srv:/bin/sh"
    assert ids.lookup_user(line + b"\n" + good, "www") == (33, 33, "/srv")


@pytest.mark.parametrize("home, expected", [(b"/", "/"), (b"/a\x1b[2J", None), (b"/" + b"a" * 4096, None), (b"", None), (b"../x", None),
                                            ("/höme".encode(), "/höme")])
def test_A48_home_is_an_absolute_path_without_control_characters(home, expected):
    assert ids.lookup_user(b"www:x:33:33::" + home + b":/bin/sh", "www")[2] == expected


def test_carriage_returns_do_not_make_a_shell_field_matter():
    assert ids.lookup_user(b"www:x:33:33::/srv:/bin/sh\r\n", "www") == (33, 33, "/srv")


fields = strategies.one_of(strategies.sampled_from([b"www", b"0", b"", b"x", b"-1", b"4294967295", b"33", b"\0", b"+0", b" 0", b"/"]),
                           strategies.binary(max_size=6))
garbage = strategies.lists(strategies.lists(fields, max_size=9).map(b":".join), max_size=8).map(b"\n".join)


def reference(content, name):
    """The plainest reading of passwd(5): decide by regular expression, one line at a time."""
    import re

    for line in content.split(b"\n"):
        match = re.fullmatch(rb"([^:\0]*):[^:\0]*:([0-9]{1,10}):([0-9]{1,10}):[^:\0]*:([^:\0]*):[^:\0]*", line, re.DOTALL)
        if match and match[1] == name.encode() and int(match[2]) < 2**32 - 1 and int(match[3]) < 2**32 - 1:
            return int(match[2]), int(match[3])
    return None


@settings(max_examples=500, deadline=None, derandomize=True)
@given(content=garbage, name=strategies.sampled_from(["www", "x", "root"]))
@example(content=b"www:x:0:0::/:/bin/sh", name="www")
def test_P7_any_bytes_give_the_reference_result_or_an_error(content, name):
    found = reference(content, name)
    try:
        uid, gid, _home = ids.lookup_user(content, name)
    except LauncherError:
        assert found is None
    else:
        assert (uid, gid) == found


@settings(max_examples=500, deadline=None, derandomize=True)
@given(content=garbage, user=strategies.text(max_size=12), group=strategies.none() | strategies.text(max_size=12))
def test_P7_any_text_gives_ids_in_range_or_a_launcher_error(content, user, group):
    try:
        uid, gid, home = ids.resolve(user, group, content, content)
    except LauncherError:
        return
    assert 0 <= uid <= 2**32 - 2 and 0 <= gid <= 2**32 - 2 and home.startswith("/")
