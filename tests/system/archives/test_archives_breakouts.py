# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Archives that try to reach a file outside of their tree, through the module, as cpio and as tar.

Each is extracted by a careless program too, beside: there it must reach its victim, or it is not an attack.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from typing import NamedTuple

import pytest

from ..ground import Ground, snapshot
from ..hostile import EVIL, PACKINGS, Member, directory, extract_carelessly, file, hard_link, symlink, write

INSIDE, EITHER = "inside", "either"  # else the index of the member that must be refused


class Victim(NamedTuple):
    """The file outside, as names in an archive. `path`, its `folder` and `name`; `up`: by way of `..`, and its folder by `up_folder`."""

    path: bytes
    folder: bytes
    name: bytes
    up: bytes
    up_folder: bytes


class Case(NamedTuple):
    """`members(victim)`; `outcome`: INSIDE, EITHER or who is refused, as cpio and as tar. `holds`: {path: what the tree must have}.

    `reaches`: which careless programs reach the victim.
    """

    members: Callable[[Victim], list[Member]]
    outcome: tuple[int | str, int | str]
    holds: Callable[[Victim], dict] = lambda v: {}
    packings: tuple[str, ...] = PACKINGS
    reaches: tuple[str, ...] = ("newc", "tar")


def _long_chain(v: Victim) -> list[Member]:
    # CVE-2025-4517: realpath() of a name gives up above PATH_MAX, and what was resolved so far looks harmless.
    members, path, long = [], b"", b"d" * 247
    for letter in (b"%c" % number for number in range(97, 113)):
        members += [directory(path + long), symlink(path + letter, long)]
        path += letter + b"/"
    return [*members, symlink(path + b"l" * 254, b"../" * 16), symlink(b"escape", path + b"l" * 254 + b"/" + v.up_folder),
            file(b"escape/" + v.name)]


CASES = {
    "B01-absolute": Case(lambda v: [file(v.path)], (INSIDE, INSIDE), lambda v: {v.path[1:]: EVIL}),
    "B01-slashes": Case(lambda v: [file(b"//" + v.path)], (INSIDE, INSIDE), lambda v: {v.path[1:]: EVIL}),
    "B02-parent": Case(lambda v: [file(b"a"), file(v.up)], (1, 1)),
    "B03-parent-inside": Case(lambda v: [directory(b"d"), file(b"d/../" + v.up)], (1, 1)),
    "B04-link-absolute": Case(lambda v: [symlink(b"l", v.folder), file(b"l/" + v.name)], (1, 1)),
    "B05-link-relative": Case(lambda v: [symlink(b"l", v.up_folder), file(b"l/" + v.name)], (1, 1)),
    "B06-chain": Case(lambda v: [symlink(b"k", v.folder), symlink(b"l", b"k"), file(b"l/" + v.name)], (2, 2)),
    "B07-chain-longer-than-PATH_MAX": Case(_long_chain, (2, 2)),
    "B08-directory-then-link": Case(lambda v: [directory(b"l"), symlink(b"l", v.folder), file(b"l/" + v.name)], (2, 2), reaches=("newc",)),
    "B08-link-to-itself": Case(lambda v: [symlink(b"d", b"."), symlink(b"d/l", v.folder), file(b"l/" + v.name)], (1, 1)),
    "B08-link-replaced": Case(lambda v: [symlink(b"l", b"."), symlink(b"l", v.folder), file(b"l/" + v.name)], (2, 2)),
    "B09-hard-link-absolute": Case(lambda v: [hard_link(b"h", v.path)], (INSIDE, 0), lambda v: {v.path[1:]: EVIL, b"h": EVIL}),
    "B10-hard-link-parent": Case(lambda v: [hard_link(b"h", v.up)], (0, 0)),
    "B11-hard-link-through-link": Case(lambda v: [symlink(b"l", v.folder), hard_link(b"h", b"l/" + v.name)], (1, 1)),
    "B12-written-through-hard-link": Case(lambda v: [hard_link(b"h", v.path), file(b"h")], (INSIDE, 0), lambda v: {b"h": EVIL}),
    "B12-written-through-link": Case(lambda v: [symlink(b"l", v.path), hard_link(b"h", b"l"), file(b"h")], (EITHER, INSIDE),
                                     lambda v: {b"h": EVIL}, ("tar",)),
    "B12-file-over-link": Case(lambda v: [symlink(b"l", v.path), file(b"l")], (INSIDE, INSIDE), lambda v: {b"l": EVIL}, reaches=("tar",)),
    "B13-mode-through-link": Case(lambda v: [symlink(b"l", v.path), hard_link(b"h", b"l", mode=0o777)], (EITHER, INSIDE),
                                  lambda v: {b"h": ("symlink", v.path)}, ("tar",)),
    "B14-directory-over-link": Case(lambda v: [symlink(b"d", v.folder), directory(b"d", 0o700), file(b"d/" + v.name)], (INSIDE, INSIDE),
                                    lambda v: {b"d": "directory", b"d/" + v.name: EVIL}, reaches=("tar",)),
    "B15-link-over-directory": Case(lambda v: [directory(b"d"), file(b"d/x"), symlink(b"d", v.folder), file(b"d/" + v.name)], (EITHER, EITHER),
                                    reaches=()),
    "B16-file-over-directory": Case(lambda v: [directory(b"d"), file(b"d/x"), file(b"d")], (EITHER, EITHER), reaches=()),
}


def _etc(v: Victim) -> list[Member]:
    """What containerd has below /etc in the tree: here it is below the folder that the victim has outside."""
    return [directory(v.folder, 0o770), file(v.path, b"inside")]


# containerd pkg/archive/tar_test.go, TestBreakouts, by name, the victim in the place of /etc/passwd. Its whiteouts are of layers.
CONTAINERD = {
    "SymlinkAbsolute": Case(lambda v: [directory(v.folder), symlink(b"l", v.folder), file(b"l/" + v.name)], (2, 2)),
    "SymlinkUpAndOut": Case(lambda v: [directory(v.folder), directory(b"dummy"), symlink(b"l", b"dummy/../" + v.up_folder),
                                       file(b"l/" + v.name)], (3, 3)),
    "SymlinkMultipleAbsolute": Case(lambda v: [directory(v.folder), directory(b"dummy"), symlink(b"dummy/etc", v.folder),
                                               symlink(b"l", b"dummy/etc"), file(b"dummy/etc/" + v.name)], (4, 4)),
    "SymlinkMultipleRelative": Case(lambda v: [directory(v.folder), directory(b"dummy"), symlink(b"dummy/etc", v.folder),
                                               symlink(b"l", b"./dummy/etc"), file(b"dummy/etc/" + v.name)], (4, 4)),
    "SymlinkEmptyFile": Case(lambda v: [*_etc(v), symlink(b"l", v.folder), file(b"l/" + v.name, b"")], (3, 3)),
    "HardlinkRelative": Case(lambda v: [*_etc(v), directory(b"b"), symlink(b"b/d1", v.up_folder), hard_link(b"b/mine", b"b/d1/" + v.name)],
                             (4, 4)),
    "HardlinkDownAndOut": Case(lambda v: [*_etc(v), directory(b"b"), directory(b"down"), symlink(b"b/d1", b"../down/../" + v.up_folder),
                                          hard_link(b"b/mine", b"b/d1/" + v.name)], (5, 5)),
    "HardlinkAbsolute": Case(lambda v: [*_etc(v), symlink(b"l", v.folder), hard_link(b"mine", b"l/" + v.name)], (3, 3)),
    "HardlinkRelativeLong": Case(lambda v: [*_etc(v), symlink(b"l", v.up_folder), hard_link(b"mine", b"l/" + v.name)], (3, 3)),
    "HardlinkRelativeUpAndOut": Case(lambda v: [*_etc(v), directory(b"up"), symlink(b"l", b"up/../" + v.up_folder),
                                                hard_link(b"mine", b"l/" + v.name)], (4, 4)),
    "HardlinkDirectRelative": Case(lambda v: [*_etc(v), hard_link(b"mine", v.up)], (2, 2)),
    "HardlinkDirectAbsolute": Case(lambda v: [*_etc(v), hard_link(b"mine", v.path)], (INSIDE, INSIDE), lambda v: {b"mine": b"inside"}),
    "SymlinkParentDirectory": Case(lambda v: [*_etc(v), symlink(b"..", v.folder), hard_link(b"mine", v.path)], (2, 2)),
    "SymlinkEmptyFilename": Case(lambda v: [*_etc(v), symlink(b"", v.folder), hard_link(b"mine", v.path)], (2, 2)),
    "SymlinkParentRelative": Case(lambda v: [*_etc(v), symlink(b"l/sub/..", v.folder), hard_link(b"/l/mine", v.path)], (2, 2)),
    "SymlinkSlashEnded": Case(lambda v: [*_etc(v), directory(b"l/", 0o770), hard_link(b"/l/mine", v.path)], (INSIDE, INSIDE),
                              lambda v: {b"l/mine": b"inside"}),
    "SymlinkOverrideDirectory": Case(lambda v: [*_etc(v), directory(b"l"), symlink(b"l", v.folder), hard_link(b"l/mine", v.path)], (4, 4)),
    "SymlinkOverrideDirectoryRelative": Case(lambda v: [*_etc(v), directory(b"l"), symlink(b"l", v.up_folder), hard_link(b"l/mine", v.path)],
                                             (4, 4)),
    "DirectoryOverrideSymlink": Case(lambda v: [*_etc(v), symlink(b"l", v.folder), directory(b"l"), hard_link(b"l/mine", v.path)],
                                     (INSIDE, INSIDE), lambda v: {b"l": "directory", b"l/mine": b"inside"}),
    "DirectoryOverrideSymlinkAndHardlink": Case(lambda v: [*_etc(v), symlink(b"l", v.folder[1:]), hard_link(v.folder + b"/mine", v.path),
                                                           directory(b"l"), file(b"l/mine", b"different")], (INSIDE, INSIDE),
                                                lambda v: {b"l/mine": b"different", v.path[1:]: b"inside"}),
    "HardlinkSymlinkBeforeCreateTarget": Case(lambda v: [directory(v.folder), symlink(b"l", v.path), hard_link(b"dup", b"l"),
                                                         file(v.path, b"after")], (EITHER, INSIDE),
                                              lambda v: {b"dup": ("symlink", v.path)}, ("tar",)),
    "HardlinkSymlinkRelative": Case(lambda v: [*_etc(v), symlink(b"l", v.up), hard_link(b"mine", b"l")], (EITHER, INSIDE),
                                    lambda v: {b"mine": ("symlink", v.up)}, ("tar",)),
    "HardlinkSymlinkAbsolute": Case(lambda v: [*_etc(v), symlink(b"l", v.path), hard_link(b"mine", b"l")], (EITHER, INSIDE),
                                    lambda v: {b"mine": ("symlink", v.path)}, ("tar",)),
    "HardlinkSymlinkChmod": Case(lambda v: [symlink(b"l", v.path), hard_link(b"mine", b"l", mode=0o600)], (EITHER, INSIDE),
                                 lambda v: {b"mine": ("symlink", v.path)}, ("tar",)),
    "SymlinkOverridePath": Case(lambda v: [*_etc(v), directory(b"p"), directory(b"p/sub"), symlink(b"p", v.folder), file(b"p/sub/x")],
                                (EITHER, EITHER), reaches=()),
}
ALL = {**CASES, **CONTAINERD}


def victim_of(ground: Ground) -> Victim:
    path = os.fsencode(ground.victim)
    up = b"../" * 12 + path[1:]
    return Victim(path, *os.path.split(path), up, os.path.dirname(up))


@pytest.mark.parametrize("name, packing", [pytest.param(name, packing, id=f"{name}-{packing}")
                                           for name, case in ALL.items() for packing in case.packings])
def test_an_archive_stays_inside(ground, name, packing):
    case, victim = ALL[name], victim_of(ground)
    members = case.members(victim)
    written = write(members, packing)
    outcome = case.outcome[packing.startswith("tar")]
    if outcome == EITHER:
        outcome = INSIDE if ground.run(written.data, dest=f"{ground.path}/either/root").code == 0 else len(members) - 1
        run = ground.accepts(written.data) if outcome == INSIDE else ground.refuses(written.data)
    elif outcome == INSIDE:
        run = ground.accepts(written.data)
        for path, wanted in case.holds(victim).items():
            assert what_is_at(os.path.join(os.fsencode(ground.dest), path)) == wanted, (path, run)
    else:
        run = ground.refuses(written.data)
        blamed = members[outcome].name[:40].decode() if len(members[outcome].name) < 200 else ""
        assert blamed in run.message or members[outcome].data.decode() in run.message, run
        assert any(f" {offset}" in run.message for offset in written.offsets[outcome]), (written.offsets[outcome], run)


@pytest.mark.parametrize("name, packing", [pytest.param(name, packing, id=f"{name}-{packing}")
                                           for name, case in ALL.items() for packing in case.reaches if packing in case.packings])
def test_a_careless_program_is_led_outside(memory, name, packing):
    ground = Ground(f"{memory}/careless-{name}-{packing}")
    before = snapshot(ground.outside)
    extract_carelessly(write(ALL[name].members(victim_of(ground)), packing).data, packing, f"{ground.path}/tree")
    assert snapshot(ground.outside) != before


def what_is_at(path: bytes):
    """Content of a file, ("symlink", target), or the word directory."""
    info = os.lstat(path)
    if stat.S_ISLNK(info.st_mode):
        return "symlink", os.readlink(path)
    if stat.S_ISDIR(info.st_mode):
        return "directory"
    with open(path, "rb") as opened:
        return opened.read()
