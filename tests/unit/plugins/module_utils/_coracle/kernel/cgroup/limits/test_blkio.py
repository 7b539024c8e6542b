# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest

from ansible_collections.coracle.launcher.plugins.module_utils._coracle.base.errors import LauncherError
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.kernel.cgroup.limits import blkio, table
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.kernel.cgroup.limits.row import Place

V1 = "blkio.throttle.read_bps_device"


@pytest.fixture
def disks(monkeypatch):
    monkeypatch.setattr(blkio, "_number", lambda path, option: {"/dev/sda": "8:0", "/dev/sdb": "8:16"}[path])
    monkeypatch.setattr(blkio, "_name", lambda number: {"8:0": "/dev/sda"}.get(number, number))


@pytest.mark.parametrize("unified, name, shown", [
    (False, V1, "8:0 5\n8:16 6"), (True, "io.max", "8:0 rbps=5 wbps=max riops=max wiops=max\n8:16 rbps=6 wbps=7")])
def test_only_the_listed_devices_are_compared(paper, disks, unified, name, shown):
    row, place = table.row("device_read_bps"), paper(unified)
    place.content[name] = shown
    assert row.read(place, [{"path": "/dev/sdb", "rate": 1}]) == [{"path": "/dev/sdb", "rate": 6}]
    assert row.read(place) == [{"path": "/dev/sda", "rate": 5}, {"path": "8:16", "rate": 6}]
    place.content[name] = ""
    assert row.read(place, [{"path": "/dev/sda", "rate": 1}]) == [{"path": "/dev/sda", "rate": -1}]


@pytest.mark.parametrize("unified, written, before, undone", [
    (False, "8:0 5", "8:0 9\n8:16 7", "8:0 9"), (False, "8:0 5", "8:16 7", "8:0 0"),
    (True, "8:0 rbps=5", "8:0 rbps=9 wbps=7 riops=max wiops=max", "8:0 rbps=9"), (True, "8:0 rbps=5", "", "8:0 rbps=max"),
])
def test_a_rate_can_be_taken_back(paper, unified, written, before, undone):
    assert table.row("device_read_bps").undo("", written, before, paper(unified)) == undone


@pytest.mark.parametrize("path", ["/dev/null", "/nonexistent", "/", "a\0b"])
def test_what_is_no_disk_is_refused(path):
    with pytest.raises(LauncherError) as caught:
        blkio._number(path, "device_read_bps")
    assert (caught.value.option, caught.value.value) == ("device_read_bps", path)


def weight_place(paper, folder, unified, *names):
    place = Place(paper(unified).layout, "web")
    place.layout.mounts["io" if unified else "blkio"] = place.layout.unified = str(folder)
    (folder / "web").mkdir()
    for name in ("io.stat" if unified else "blkio.reset_stats", *names):
        (folder / "web" / name).write_text("default 100\n8:0 9\n" if unified else "100\n")
    return place


@pytest.mark.parametrize("unified, names", [(True, ["io.bfq.weight"]), (True, ["io.weight"]), (True, ["io.bfq.weight", "io.weight"]),
                                            (False, ["blkio.weight"]), (False, ["blkio.bfq.weight"])])
def test_a_weight_goes_to_the_files_that_there_are(paper, tmp_path, unified, names):
    row, place = table.row("blkio_weight"), weight_place(paper, tmp_path, unified, *names)
    assert row.writes(300, place) == [(name, "300") for name in names]
    assert row.read(place, 300) == 100 and row.read(place, 100) == 100
    assert row.undo(names[0], "300", "default 100\n8:0 9", place) == "100"
    if len(names) == 2:  # both must have it
        (tmp_path / "web/io.weight").write_text("default 300\n")
        assert row.read(place, 300) == 100


@pytest.mark.parametrize("unified", [False, True])
def test_without_a_scheduler_that_knows_weights_it_is_named(paper, tmp_path, unified):
    place = weight_place(paper, tmp_path, unified)
    with pytest.raises(LauncherError, match="scheduler") as caught:
        table.row("blkio_weight").check(300, place)
    assert caught.value.option == "blkio_weight" and "modprobe bfq" in caught.value.remedy and table.row("blkio_weight").read(place) is None
