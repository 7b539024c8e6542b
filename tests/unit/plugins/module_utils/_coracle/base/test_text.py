# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from hypothesis import given, settings, strategies

from ansible_collections.coracle.launcher.plugins.module_utils._coracle.base import text
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.base.errors import LauncherError
from ansible_collections.coracle.launcher.tests.unit.each import each

MANY = settings(max_examples=500, deadline=None, derandomize=True)


@each("value, expected", [
    (0, 0), (4194304, 4194304), ("4194304", 4194304), ("4M", 4194304), ("4m", 4194304), ("4MB", 4194304), ("4MiB", 4194304), (" 4M ", 4194304),
    ("1K", 1024), ("1.5G", 1610612736), ("0.5k", 512), ("17B", 17), ("2T", 2199023255552), (-1, -1), ("-1", -1), ("unlimited", -1), ("MAX", -1),
    ("1.000000001G", 1073741825),
])
def test_parse_size(value, expected):
    assert text.parse_size(value, "memory") == expected


@each("value", ["", " ", "M", "4 M", "4X", "4BB", "4iB", "4KK", "4MiBB", "-5", -2, "+4", "1_000", "٣", "0x10", "1e6", "1.5", "1.5B", "4.M",
                ".5M", "1.2.3M", "1.0000000000M", True, None, 1.5, [4], "9" * 20, "8388608T", "9" * 19 + "T", "4M\0", "４M"])
def test_what_is_no_size_is_refused_with_its_option(value):
    with pytest.raises(LauncherError) as caught:
        text.parse_size(value, "memory")
    assert caught.value.option == "memory" and caught.value.remedy


@MANY
@given(strategies.text(max_size=12))
def test_any_text_is_a_size_or_an_error(value):
    try:
        size = text.parse_size(value, "memory")
    except LauncherError:
        return
    assert size == text.UNLIMITED or 0 <= size < 1 << 63


@pytest.mark.parametrize("size, shown", [(-1, "unlimited"), (0, "0B"), (1023, "1023B"), (1024, "1.0K"), (4194304, "4.0M"),
                                         (1610612736, "1.5G"), (1 << 41, "2.0T")])
def test_render_size(size, shown):
    assert text.render_size(size) == shown


@MANY
@given(strategies.integers(0, 1 << 62))
def test_a_rendered_size_reads_as_about_the_same(size):
    again = text.parse_size(text.render_size(size), "memory")
    assert abs(again - size) <= size * 0.05 + 1


@pytest.mark.parametrize("value, expected", [(5, 5), ("5", 5), ("005", 5), ("-1", -1), ("10", 10), ("-0", 0)])
def test_parse_integer(value, expected):
    assert text.parse_integer(value, "pids_limit", -1, 10) == expected


@each("value", ["", "-", "--1", "+1", " 1", "1 ", "1\n", "1_0", "٣", "९", "²", "1.0", 1.0, True, None, [], "11", 11, -2, "1" * 21, b"1"])
def test_what_is_no_integer_in_range_is_refused(value):
    with pytest.raises(LauncherError) as caught:
        text.parse_integer(value, "pids_limit", -1, 10)
    assert caught.value.option == "pids_limit" and "-1 to 10" in caught.value.remedy


@pytest.mark.parametrize("name", ["a", "web1", "0", "a.b-c_d", "a" * 63, "a..b", "a-"])
def test_C05_good_names(name):
    assert text.check_name(name) == name


@each("name", ["", ".", "..", ".x", "a/b", "/a", "a\0b", "-x", "_x", "a" * 64, "a" * 65, "а", "ａ", "a ", " a", "a\n",
               "A", "aB", "a:b", "a b",
               "é", "a\u202eb", None, 5, True, b"a"])
def test_C05_bad_names(name):
    with pytest.raises(LauncherError):
        text.check_name(name)


@MANY
@given(strategies.text(max_size=70))
def test_P8_an_accepted_name_is_safe_everywhere(value):
    try:
        name = text.check_name(value)
    except LauncherError:
        return
    assert name == value and name.isascii() and name not in (".", "..") and name[0] not in "-._" and 1 <= len(name) <= 63
    assert not set(name) & set("/\0\n :,\\=") and name == name.lower()


@pytest.mark.parametrize("name", ["br0", "eth0.100", "_x", "A" * 15, "0a"])
def test_good_interfaces(name):
    assert text.check_interface(name, "bridge") == name


@each("name", ["", ".", "..", "--", "-h", "br0 -- del-br br0", "a,b", "x;reboot", "--db=tcp:x", "a" * 16, "é", "a/b", "a:1", "a\n", "br0 ",
               None, 1])
def test_A60_bad_interfaces(name):
    with pytest.raises(LauncherError) as caught:
        text.check_interface(name, "bridge")
    assert caught.value.option == "bridge"


@each("value, expected", [
    (b"plain", "plain"), (b"a\tb", "a\tb"), (b"\x1b]0;x\x07", "\\x1b]0;x\\x07"), (b"a\r\nb", "a\\x0d\\x0ab"), (b"\xff\xfe", "\\xff\\xfe"),
    ("é".encode(), "é"), ("\x9b2J", "\\x9b2J"), ("\udcff", "\\udcff"), ("\x7f", "\\x7f"),
])
def test_A58_printable(value, expected):
    assert text.printable(value) == expected


@MANY
@given(strategies.binary() | strategies.text(strategies.characters(exclude_categories=[])))
def test_A58_nothing_printable_drives_a_terminal(value):
    shown = text.printable(value)
    assert not text.has_control(shown.replace("\t", ""))
    shown.encode("utf-8")


@MANY
@given(strategies.binary(max_size=60) | strategies.text(max_size=60))
def test_what_is_made_visible_is_one_printable_line(data):
    assert text.visible(data).isprintable()


@pytest.mark.parametrize("data, shown", [(b"a\tb", "a\\x09b"), ("\u202egnp", "\\u202egnp"), ("é ü", "é ü"), (b"\xff\x1b", "\\xff\\x1b")])
def test_visible_escapes_what_does_not_show(data, shown):
    assert text.visible(data) == shown


@each("value, shown", [
    ("https://example.org/a/b@c?token=x#y", "https://example.org/a/b@c"), ("http://u:secret@example.org:80/a", "http://example.org:80/a"),
    ("http://u:se@cret@h/a", "http://h/a"), ("http://u:secret/x@h/a", "http://..."), ("http://u:secret?x@h/a", "http://..."),
    ("http://[::1]:8/a", "http://[::1]:8/a"),
    ("http://[::1]/a", "http://[::1]/a"), ("FTP://u:secret@h?x", "FTP://h"), ("/srv/a://u:p@h", "/srv/a://u:p@h"), ("sha256:00", "sha256:00")])
def test_urls_are_shown_without_their_secrets(value, shown):
    assert text.shown_url(value) == shown
