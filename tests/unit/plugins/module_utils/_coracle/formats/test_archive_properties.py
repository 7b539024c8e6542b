# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Properties of the archive readers over generated archives of every format: P1 robustness, P2 round trip, P3 agreement with the tools."""

from __future__ import annotations

import gzip
import io
import os
import shutil
import subprocess
import tarfile

import pytest

hypothesis = pytest.importorskip("hypothesis")
from hypothesis import HealthCheck, given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from ansible_collections.coracle.launcher.plugins.module_utils._coracle.base.errors import ArchiveError  # noqa: E402
from ansible_collections.coracle.launcher.plugins.module_utils._coracle.formats.limits import Limits  # noqa: E402
from ansible_collections.coracle.launcher.tests.unit.archives import (  # noqa: E402
    CHARACTER,
    DIRECTORY,
    FIFO,
    FILE,
    FORMATS,
    SYMLINK,
    TAR_FORMATS,
    Tar,
    new,
    tar_header,
    with_checksums,
)
from ansible_collections.coracle.launcher.tests.unit.reading import read  # noqa: E402

# Each test runs in a process of its own, so nothing is kept between examples but the file.
profile = settings(max_examples=100, deadline=None, database=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])

component = st.binary(min_size=1, max_size=12).map(lambda raw: raw.replace(b"/", b"_").replace(b"\0", b"0")).filter(
    lambda part: part not in (b".", b".."))
word = st.text("abcXYZ019-_+", min_size=1, max_size=12).map(str.encode)  # of names that the tools print as they are
number = st.integers(min_value=0, max_value=0x7FFFFFFF)
fields_but_name = {
    "kind": st.sampled_from([FILE, DIRECTORY, SYMLINK, CHARACTER, FIFO]), "mode": st.integers(min_value=0, max_value=0o7777),
    "uid": number, "gid": number, "mtime": st.integers(min_value=0, max_value=0xFFFFFFFF),
    "rdev": st.tuples(st.integers(min_value=0, max_value=4095), st.integers(min_value=0, max_value=1048575)),
    "data": st.binary(max_size=300)}


def archives_of(formats, part, least):
    """Draw a format, at least `least` entries with names made of `part`, and how many zeros follow."""
    name = st.lists(part, min_size=1, max_size=4).map(b"/".join).filter(lambda name: name != b"TRAILER!!!")
    entries = st.lists(st.fixed_dictionaries({"name": name, **fields_but_name}), min_size=least, max_size=6)
    return st.tuples(st.sampled_from(formats), entries, st.integers(min_value=0, max_value=600))


archives = archives_of(FORMATS, component, 0)
KINDS = {FILE: "file", DIRECTORY: "directory", SYMLINK: "symlink", CHARACTER: "character device", FIFO: "fifo"}


def build(name_of_format, entries, padding):
    """Return (bytes, what a reader must find). Numbers are cut to what the format can have."""
    made, expected = new(name_of_format), []
    small = 0xFFFF if name_of_format.startswith("bin") else 0x3FFFF if name_of_format == "odc" else 0x7FFFFFFF
    for fields in entries:
        kind, name, mode = fields["kind"], fields["name"], fields["mode"]
        if name_of_format == "v7" and kind in (CHARACTER, FIFO):
            kind = FILE
        data, target = fields["data"] if kind == FILE else b"", b""
        more = {"uid": fields["uid"] & small, "gid": fields["gid"] & small, "mtime": fields["mtime"]}
        device = (fields["rdev"][0] & 0xFF, fields["rdev"][1] & 0xFF) if small < 0x7FFFFFFF else fields["rdev"]
        if kind == FILE:
            made.file(name, data, mode, **more)
        elif kind == DIRECTORY:
            made.directory(name, mode, **more)
        elif kind == SYMLINK:
            mode, target = 0o777, fields["data"][:99].replace(b"\0", b"0") or b"x"
            made.symlink(name, target, **more)
        else:
            mode = 0o644
            made.node(name, kind, rdev=device if kind == CHARACTER else (0, 0), **more)
        device = device if kind == CHARACTER else (0, 0)
        expected.append((name, KINDS[kind], mode, more["uid"], more["gid"], more["mtime"], data, target, device))
    return made.end(padding), expected


def parse(data, limits=None):
    """Return what the reader finds, in the same shape."""
    return [(entry.path, entry.kind, entry.mode, entry.uid, entry.gid, entry.mtime_ns // 10**9, content, entry.target, entry.device)
            for entry, content in read(data, limits)]


@profile
@given(archives)
def test_P2_what_is_written_is_read(parts):
    data, expected = build(*parts)
    if expected:
        assert parse(data) == expected
        assert parse(gzip.compress(data, 1)) == expected


@settings(profile, max_examples=60)
@given(archives)
def test_P1_the_same_is_read_one_byte_at_a_time(parts):
    data, expected = build(*parts)
    once, pread = os.read, os.pread
    os.read, os.pread = lambda fd, _size: once(fd, 1), lambda fd, _size, offset: pread(fd, 1, offset)
    try:
        assert not expected or len(data) > 6000 or parse(data) == expected
    finally:
        os.read, os.pread = once, pread


def accepted(data):
    """Return what is read, or None when the reader refuses; any other exception fails the test. Limits hold."""
    limits = Limits(max_bytes=1 << 20, max_entries=100, max_depth=5)
    try:
        found = parse(data, limits)
    except ArchiveError as error:
        assert str(error).isprintable()
        return None
    assert len(found) <= 100 and sum(len(entry[6]) for entry in found) <= 1 << 20
    for path, _kind, mode, uid, gid, mtime, *_rest in found:
        assert b".." not in path.split(b"/") and not path.startswith(b"/") and b"\0" not in path and path.count(b"/") <= 5
        assert 0 <= mode <= 0o7777 and 0 <= uid < 1 << 31 and 0 <= gid < 1 << 31 and mtime >= 0
    return found


@settings(profile, max_examples=200)
@given(archives, st.data())
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
    accepted(with_checksums(mutant))


KEYS = [b"path", b"linkpath", b"size", b"uid", b"mtime", b"GNU.sparse.major", b"GNU.sparse.minor", b"GNU.sparse.map", b"GNU.sparse.size",
        b"GNU.sparse.numblocks", b"GNU.sparse.realsize", b"GNU.sparse.name", b"SCHILY.xattr.security.capability"]
MAGICS = [b"", b"070701", b"070702", b"070707", b"\x71\xc7", b"\xc7\x71", b"\x1f\x8b\x08\0", b"\xfd7zXZ\0", b"BZh9", b"\x5d\0\0"]
record = st.tuples(st.sampled_from(KEYS), st.one_of(
    st.integers(min_value=-9, max_value=1 << 40).map(lambda value: b"%d" % value), st.binary(max_size=30)))


@profile
@given(st.lists(record, max_size=6), st.sampled_from(b"0\x001234567SxgLKVMD").map(lambda kind: bytes([kind])), st.binary(max_size=700),
       st.binary(max_size=24))
def test_P1_extended_headers_of_any_kind_are_read_or_refused(records, kind, data, numbers):
    accepted(Tar().pax(records).raw(tar_header(b"a", kind, data, style="gnu", linkname=b"b", fields={386: numbers})).end())


@profile
@given(st.sampled_from(MAGICS), st.binary(max_size=600))
def test_P1_noise_is_refused(magic, noise):
    accepted(magic + noise)


def listed(command, data):
    environment = {"PATH": os.environ["PATH"], "LC_ALL": "C"}
    done = subprocess.run(command, input=data, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment, check=False)
    return sorted(filter(None, done.stdout.split(b"\n")))


@pytest.mark.parametrize("command, formats", [
    (["cpio", "-t", "--quiet"], ("newc", "crc", "odc", "bin", "ustar")), (["bsdtar", "-tf", "-"], ("newc", "odc", "bin", *TAR_FORMATS)),
    (["tar", "-tf", "-"], TAR_FORMATS)], ids=["cpio", "bsdtar", "tar"])
def test_P3_the_tools_list_the_same_names(command, formats):
    if shutil.which(command[0]) is None:
        pytest.skip(f"needs {command[0]}")

    @settings(profile, max_examples=10)
    @given(archives_of(formats, word, 1))
    def run(parts):
        data, expected = build(*parts)
        assert [name.rstrip(b"/") for name in listed(command, data)] == sorted(values[0] for values in expected)

    run()


@settings(profile, max_examples=40)
@given(archives_of(TAR_FORMATS, component, 1))
def test_P3_tarfile_finds_the_same(parts):
    data, expected = build(*parts)
    with tarfile.open(fileobj=io.BytesIO(data), encoding="utf-8", errors="surrogateescape") as tar:
        theirs = [(os.fsencode(member.name), member.mode & 0o7777, member.uid, member.gid, int(member.mtime), os.fsencode(member.linkname))
                  for member in tar]
    assert theirs == [(name, mode, uid, gid, mtime, target) for name, _kind, mode, uid, gid, mtime, _data, target, _device in expected]
