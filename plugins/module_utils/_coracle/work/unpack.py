# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What runs in the fence (work/fence.py): an open archive -> entries, whatever kind it is -> a tree, or only its figures.

A tar archive may be a docker or OCI archive. That is read here and there, not from front to back, so a compressed one is unpacked to
`scratch` first: a file without a name that the parent has made, because a child that only looks can make none.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat

from ..base import files, text
from ..base.errors import ArchiveError, LauncherError
from ..base.text import visible
from ..formats import archive, oci
from ..formats.compression.codecs import PLAIN
from ..formats.compression.source import Source
from ..formats.compression.stream import Stream
from ..formats.entries import BLOCK, CHARACTER, DIRECTORY, OPAQUE, PIECE, SOCKET, SYMLINK, WHITEOUT, Entry, Summary
from . import archives, confine, stamps
from . import extract as extracting

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_MAX_SEGMENTS = 10_000  # all of them are named in the answer, and in the store
_MOST_PATHS = 1 << 20  # that look() remembers, 100 bytes for each
_SKIPPED = (CHARACTER, BLOCK, SOCKET)
_HEAD = 64 << 10  # bytes in which the first member's name is


def extract(source: archives.Archive, digest: str, directory: int, tree: str, manifest: str) -> dict:
    """Fill the empty directory `tree` and write `manifest`, both names below `directory`; return the figures of the image.

    LauncherError when the archive has another digest than `digest`; then the caller throws away what is there.
    """
    summary = Summary()
    fd = os.open(manifest, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=directory)
    lines = os.fdopen(fd, "w+", encoding="ascii")
    try:
        root = files.open_directory(tree, directory)
        try:
            with _reading(source, summary, digest) as (entries, digests):
                skipped = extracting.extract(entries, root, lines)
                found = digests()
        finally:
            os.close(root)
    except BaseException:
        with contextlib.suppress(OSError):  # on a full disk this fails once more, and knows no member
            lines.close()
        raise
    lines.close()
    if digest not in found:
        raise LauncherError(f"has the digest {found[0]}, not {digest}", option=source.option, value=source.path,
                            remedy="Give the right checksum, or the archive that it belongs to")
    return _figures(summary, skipped)


def look(source: archives.Archive) -> dict:
    """Read an archive to its end and return its figures, and its `digest`. ArchiveError for most of what extract() refuses."""
    summary = Summary()
    paths = _Paths()
    skipped = {"devices": 0, "sockets": 0}
    with _reading(source, summary, None) as (entries, digests):
        for entry in entries:
            paths.check(entry)
            for kind in skipped:
                skipped[kind] += entry.kind.endswith(kind[:-1])
        found = digests()
    return dict(_figures(summary, skipped), digest=found[0])


class _Paths:
    """What cannot be extracted and shows in the paths of the lowest layer. It keeps their hashes, which of bytes have 64 bits and a
    random key; of more than _MOST_PATHS it says nothing. Whatever extract() takes is right here, too."""

    def __init__(self):
        self._names: set[int] = set()
        self._symlinks: set[int] = set()
        self._skipped: set[int] = set()  # devices and sockets, which are not made
        self._filled: set[int] = set()  # directories with something in them
        self._passed: bytes | None = None  # a directory whose path is known to go through no link

    def check(self, entry: Entry) -> None:
        """ArchiveError for an entry below a symbolic link, a hard link to nothing, and what replaces a directory that is not empty."""
        if entry.layer or not entry.path or entry.kind in (WHITEOUT, OPAQUE):
            return
        self._pass(entry, entry.path)
        is_symlink, is_skipped = entry.kind == SYMLINK, entry.kind in _SKIPPED
        if entry.link_path is not None:
            self._pass(entry, entry.link_path)
            if hash(entry.link_path) not in self._names and len(self._names) < _MOST_PATHS:
                raise entry.member.error(f"a hard link to '{visible(entry.link_path)}', which the archive does not have before it")
            if entry.link_path == entry.path:
                return
            is_symlink, is_skipped = hash(entry.link_path) in self._symlinks, hash(entry.link_path) in self._skipped
        if entry.kind != DIRECTORY and hash(entry.path) in self._filled:
            raise entry.member.error(f"a {entry.kind} in place of a directory that is not empty")
        self._add(entry.path, is_symlink, is_skipped)

    def _pass(self, entry: Entry, path: bytes) -> None:
        parent = path.rpartition(b"/")[0]
        if parent == self._passed:
            return
        above = parent
        while above:
            if hash(above) in self._symlinks:
                raise entry.member.error("its path goes through a symbolic link or something else that is no directory")
            above = above.rpartition(b"/")[0]
        self._passed = parent

    def _add(self, path: bytes, is_symlink: bool, is_skipped: bool) -> None:
        key = hash(path)
        parent = path.rpartition(b"/")[0]
        if is_skipped and key in self._names:  # it takes away what had its name, and that may have been all there was
            self._filled.discard(hash(parent))
        self._fill(parent if is_skipped else path)  # the directories above it are made in any case
        if len(self._names) < _MOST_PATHS:
            self._names.add(key)
        for known, belongs in ((self._symlinks, is_symlink), (self._skipped, is_skipped)):
            if not belongs:
                known.discard(key)  # the later entry wins
            elif len(known) < _MOST_PATHS:
                known.add(key)
        if is_symlink:
            self._passed = None

    def _fill(self, path: bytes) -> None:
        above = path.rpartition(b"/")[0]
        while above and hash(above) not in self._filled and len(self._filled) < _MOST_PATHS:
            self._filled.add(hash(above))
            above = above.rpartition(b"/")[0]


def manifest_digest(source: archives.Archive) -> str | None:
    """Return the digest of the image in an OCI layout or OCI archive, which is not that of the file; None for any other archive."""
    layout, _sha256 = _layout(source)
    return None if layout is None else layout.digest


def _figures(summary: Summary, skipped: dict[str, int]) -> dict:
    if len(summary.segments) > _MAX_SEGMENTS:
        raise ArchiveError(f"holds {len(summary.segments)} archives one after the other; {_MAX_SEGMENTS} are possible")
    return {"format": summary.format, "segments": summary.segments, "entries": summary.entries, "bytes": summary.size,
            "depth": summary.depth, "skipped": skipped}


@contextlib.contextmanager
def _reading(source: archives.Archive, summary: Summary, wanted: str | None) -> Iterator[tuple]:
    """Give (entries, function that returns the digests that the archive goes by, best first, once all entries are read)."""
    before = os.fstat(source.fd)
    layout, sha256 = _layout(source)
    if layout is not None:
        def digests() -> list[str]:
            if stat.S_ISDIR(before.st_mode) or wanted == layout.digest:
                return [layout.digest]
            found = text.DIGEST_PREFIX + sha256.hexdigest() if sha256 else archives.hash_file(source.fd, source.path, source.option)
            return _unchanged(source, before, [found, layout.digest])

        yield layout.entries(source.limits, summary), digests
        return
    sha256 = hashlib.sha256()
    os.lseek(source.fd, 0, os.SEEK_SET)
    stream = Stream(Source(source.fd, sha256), source.limits.max_bytes)
    try:
        yield archive.entries(stream, source.limits, summary), lambda: _unchanged(source, before, [text.DIGEST_PREFIX + sha256.hexdigest()])
    finally:
        stream.close()


def _unchanged(source: archives.Archive, before: os.stat_result, digests: list[str]) -> list[str]:
    if stamps.identity(os.fstat(source.fd)) != stamps.identity(before):
        raise archives.changing(source.path, source.option)
    return digests


def _layout(source: archives.Archive) -> tuple:
    """Return (oci.Layout or None when it is none, hash of the whole file where that is known already)."""
    if stat.S_ISDIR(os.fstat(source.fd).st_mode):
        layout = oci.open_directory(source.fd)
        if layout is None:
            raise ArchiveError("is no OCI layout", remedy="Give the directory that holds oci-layout, index.json and blobs")
        return layout, None
    fd, sha256 = _plain_tar(source)
    return None if fd is None else oci.open_tar(fd, source.limits), sha256


def _plain_tar(source: archives.Archive) -> tuple:
    """(descriptor of a tar file that may be a docker or OCI archive or None, hash of the whole source when it had to be unpacked)."""
    sha256 = hashlib.sha256()
    os.lseek(source.fd, 0, os.SEEK_SET)
    stream = Stream(Source(source.fd, sha256), source.limits.max_bytes)
    try:
        if not stream.begin() or not oci.begins_like(stream.peek(_HEAD)):
            return None, None
        if stream.compression == PLAIN and stream.position == 0:
            return source.fd, None
        _spill(stream, source)
        return source.scratch, sha256
    finally:
        stream.close()


def _spill(stream: Stream, source: archives.Archive) -> None:
    """Unpack a compressed docker or OCI archive to its scratch file. The file behind `source` is read to its end."""
    if source.scratch is None:
        raise LauncherError("is a compressed docker or OCI archive, and no temporary file can be made to unpack it", option=source.option,
                            value=source.path, remedy="Make room in /var/tmp, or unpack it once and give the result")
    left = source.limits.max_bytes + confine.SPILL_EXTRA
    while True:
        piece = stream.read(PIECE)
        if not piece:
            if stream.begin():
                raise ArchiveError(f"goes on behind its {stream.compression} data with something else", remedy="Copy the image again")
            return
        left -= len(piece)
        if left < 0:
            raise ArchiveError("unpacks to more than that", option="max_bytes", value=source.limits.max_bytes,
                               remedy="If you trust the archive, give max_bytes a larger value")
        while piece:
            piece = piece[os.write(source.scratch, piece):]
