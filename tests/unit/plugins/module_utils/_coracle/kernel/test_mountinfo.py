# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os

import pytest

from ansible_collections.coracle.launcher.plugins.module_utils._coracle.kernel import mountinfo

# Of Linux 6.1: a name with blank, comma and equals sign, a removed bind mount, an overlay, a mount with more than one optional field.
TEXT = r"""27 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw,discard
90 27 0:40 / /srv/a\040b rw,nosuid,nodev - overlay overlay rw,lowerdir=/store/tree,upperdir=/srv/.a\040b\054\075c/upper,workdir=/srv/w
91 27 254:0 /store/tree//deleted /srv/c ro shared:2 master:1 - ext4 /dev/vda rw
broken
92 27 0:41 / /srv/back\134slash rw - tmpfs tmpfs rw"""


def test_lines():
    root, overlay, bind, last = mountinfo.parse(TEXT)
    assert (root.point, root.root, root.fstype) == ("/", "/", "ext4") and "discard" in root.options
    assert overlay.point == "/srv/a b" and overlay.options["upperdir"] == "/srv/.a b,=c/upper"
    assert (bind.point, bind.root) == ("/srv/c", "/store/tree//deleted")
    assert last.point == "/srv/back\\slash"
    assert [mount.point for mount in mountinfo.parse(TEXT, "deleted")] == ["/srv/c"]


@pytest.mark.parametrize("field, path", [("a", "a"), (r"\040", " "), (r"a\134b", r"a\b"), ("\\", "\\"), (r"\04", r"\04"), (r"\089", r"\089")])
def test_unescape(field, path):
    assert mountinfo.unescape(field) == path


def test_ours_and_others():
    assert any(mount.point == "/" for mount in mountinfo.parse(mountinfo.own()))
    assert str(os.getpid()) not in [pid for pid, _text in mountinfo.of_others()]


def test_what_is_below_a_path(monkeypatch):
    monkeypatch.setattr(mountinfo, "own", lambda: TEXT)
    assert [mount.point for mount in mountinfo.below("/srv/c")] == ["/srv/c"]
    assert len(mountinfo.below("/srv")) == 3 and mountinfo.below("/sr") == [] and len(mountinfo.below("/srv", "overlay")) == 1
