# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Properties of the cpio reader over generated archives: P1 robustness, P2 round trip, P3 agreement with GNU cpio."""

from __future__ import annotations

import gzip
import os
import shutil
import subprocess
import tempfile

import pytest

hypothesis = pytest.importorskip("hypothesis")
from hypothesis import HealthCheck, given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from ansible_collections.coracle.launcher.plugins.module_utils._coracle.base.errors import ArchiveError  # noqa: E402
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.formats import compression, cpio  # noqa: E402
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.formats.entries import Limits  # noqa: E402
from ansible_collections.coracle.launcher.tests.unit.archives import CHARACTER, DIRECTORY, FIFO, FILE, SYMLINK, Archive  # noqa: E402

# Each test runs in a process of its own, so nothing is kept between examples but the file.
profile = settings(max_examples=200, deadline=None, database=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])

component = st.binary(min_size=1, max_size=12).map(lambda raw: raw.replace(b"/", b"_").replace(b"\0", b"0")).filter(
    lambda part: part not in (b".", b".."))
number = st.integers(min_value=0, max_value=0x7FFFFFFF)
entry = st.fixed_dictionaries({
    "name": st.lists(component, min_size=1, max_size=4).map(b"/".join).filter(lambda name: name != b"TRAILER!!!"),
    "mode": st.tuples(st.sampled_from([FILE, DIRECTORY, SYMLINK, CHARACTER, FIFO]), st.integers(min_value=0, max_value=0o7777)).map(sum),
    "uid": number, "gid": number, "mtime": st.integers(min_value=0, max_value=0xFFFFFFFF), "rdev": st.tuples(number, number),
    "data": st.binary(max_size=300)})
archive = st.tuples(st.sampled_from([b"070701", b"070702"]), st.lists(entry, max_size=8), st.integers(min_value=0, max_value=600))


def build(magic, entries, padding):
    """Return (bytes, what a reader must find)."""
    made, expected = Archive(magic), []
    for fields in entries:
        kind = fields["mode"] & 0o170000
        data = fields["data"] if kind in (FILE, SYMLINK) else b""
        if kind == SYMLINK:
            data = data.replace(b"\0", b"0") or b"x"
        made.add(fields["name"], fields["mode"], data, **{name: fields[name] for name in ("uid", "gid", "mtime", "rdev")})
        expected.append((fields["name"], fields["mode"], fields["uid"], fields["gid"], fields["mtime"], data,
                         fields["rdev"] if kind == CHARACTER else (0, 0)))
    return made.end(padding), expected


def parse(data, limits=None):
    """Return what the reader finds, in the same shape."""
    with tempfile.TemporaryFile() as file:
        file.write(data)
        file.seek(0)
        limits = limits or Limits()
        stream = compression.Stream(file.fileno(), limits.max_bytes)
        kinds = {name: bits for bits, name in cpio.KINDS.items()}
        try:
            return [(entry.path, kinds[entry.kind] | entry.mode, entry.uid, entry.gid, entry.mtime, entry.target or b"".join(entry.data), entry.device)
                    for entry in cpio.entries(stream, limits, cpio.Summary())]
        finally:
            stream.close()


@profile
@given(archive)
def test_P2_what_is_written_is_read(parts):
    data, expected = build(*parts)
    assert parse(data) == expected
    assert parse(gzip.compress(data, 1)) == expected


@profile
@given(archive)
def test_P1_the_same_is_read_one_byte_at_a_time(parts):
    data, expected = build(*parts)
    read, os.read = os.read, lambda fd, _size: read(fd, 1)
    try:
        assert parse(data[:3000]) == expected if len(data) <= 3000 else True
    finally:
        os.read = read


def accepted(data):
    """Return what is read, or None when the reader refuses; any other exception fails the test. Limits hold."""
    limits = Limits(max_bytes=1 << 20, max_entries=100, max_depth=5)
    try:
        found = parse(data, limits)
    except ArchiveError as error:
        assert str(error).isprintable()
        return None
    assert len(found) <= 100 and sum(len(entry[5]) for entry in found) <= 1 << 20
    for path, *_rest in found:
        assert b".." not in path.split(b"/") and not path.startswith(b"/") and b"\0" not in path and path.count(b"/") <= 5
    return found


@profile
@given(archive, st.data())
def test_P1_mutants_are_read_or_refused(parts, data):
    mutant = bytearray(build(*parts)[0])
    for _count in range(data.draw(st.integers(min_value=1, max_value=6))):
        position = data.draw(st.integers(min_value=0, max_value=len(mutant) - 1))
        action = data.draw(st.sampled_from(["set", "cut", "insert", "digit"]))
        if action == "set":
            mutant[position] = data.draw(st.integers(min_value=0, max_value=255))
        elif action == "digit":
            mutant[position:position + 1] = data.draw(st.sampled_from([b"0", b"F", b"7", b"1"]))
        elif action == "cut" and len(mutant) > 8:
            del mutant[position:position + data.draw(st.integers(min_value=1, max_value=8))]
        else:
            mutant[position:position] = data.draw(st.binary(max_size=8))
    accepted(bytes(mutant))


@profile
@given(st.sampled_from([b"", b"070701", b"070702", b"\x1f\x8b\x08\0", b"\xfd7zXZ\0", b"BZh9", b"\x5d\0\0"]), st.binary(max_size=600))
def test_P1_noise_is_refused(magic, noise):
    accepted(magic + noise)


@pytest.mark.skipif(shutil.which("cpio") is None, reason="needs GNU cpio to compare with")
@settings(profile, max_examples=40)
@given(archive.filter(lambda parts: len(parts[1]) > 0))
def test_P3_cpio_lists_the_same_names(parts):
    data, expected = build(*parts)
    listing = subprocess.run(["cpio", "-t", "--quiet", "--null"], input=data, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                             env={**os.environ, "LC_ALL": "C"}, check=False)
    theirs = listing.stdout.split(b"\0" if b"\0" in listing.stdout else b"\n")
    ours = [name for name, *_rest in expected]
    if not any(b"\n" in name or b"//" in name for name in ours):
        assert sorted(filter(None, theirs)) == sorted(ours)
