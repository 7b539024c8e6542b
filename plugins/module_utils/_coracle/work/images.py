# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The image store: each archive is extracted once on a host, under the sha256 of the file, and never written again.

    IMAGES/HEX/         0700, locked (flock) by whoever extracts or removes it
        tree            complete as soon as it has this name
        manifest        a line for each entry (work/trees.py)
        image           what modules return of it, one JSON object
    IMAGES/.stamps/     (path, device, inode, size, times) of archives on this host -> digest, so that they are not read again
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import stat
import time

from ..base import files, libc, places
from ..base.errors import ArchiveError, LauncherError
from ..formats import compression, cpio
from ..formats.entries import Limits
from . import extract

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

PREFIX = "sha256:"
_HEX = frozenset("0123456789abcdef")
_TREE = "tree"
_NEW_TREE = ".tree.tmp"
_INFO_LIMIT = 1 << 20
_SETTLED = 100_000_000  # ns: a file changed shorter ago may change again without another time (a kernel tick is up to 10 ms)
_PIECE = 1 << 20


class Image:
    """An image of the store. `segments`: compression of each archive in the file; `bytes`: of all files; `skipped`: counts by kind.

    `tree`: path of the extracted tree, None for an image that was only looked at.
    """

    __slots__ = ("digest", "tree", "format", "segments", "entries", "bytes", "depth", "skipped")
    STORED = frozenset(("format", "segments", "entries", "bytes", "depth", "skipped"))

    def __init__(self, digest: str, tree: str | None, values: dict):
        self.digest = digest
        self.tree = tree
        self.format = values["format"]
        self.segments = values["segments"]
        self.entries = values["entries"]
        self.bytes = values["bytes"]
        self.depth = values["depth"]
        self.skipped = values["skipped"]

    def as_dict(self) -> dict:
        """Return it as modules return it in `image`."""
        return {name: getattr(self, name) for name in ("digest", "format", "segments", "entries", "bytes", "skipped")}


class Plan:
    """`digest` of a source, and whether the store has it (`present`)."""

    __slots__ = ("digest", "present")

    def __init__(self, digest: str, present: bool):
        self.digest = digest
        self.present = present


class MissingImages(LauncherError):
    """The store lacks images whose archives lie on the controller. `needs_image` asks the action plugin for them."""

    def __init__(self, digests: list[str]):
        super().__init__(f"this host does not have the image {', '.join(digests)}",
                         remedy="Give the archive, or the path of one on the host with remote_src: true")
        self.needs_image = digests


def is_digest(value: str) -> bool:
    """True for 'sha256:' and 64 hexadecimal digits in lower case."""
    return value.startswith(PREFIX) and len(value) == len(PREFIX) + 64 and all(character in _HEX for character in value[len(PREFIX):])


def check_digest(value: str, option: str) -> str:
    """Return `value` when it is a digest, else LauncherError."""
    if not is_digest(value):
        raise LauncherError("is not a digest", option=option, value=value, remedy="Give sha256: and the 64 digits that sha256sum prints")
    return value


def _home(digest: str) -> str:
    return f"{places.IMAGES}/{check_digest(digest, 'image')[len(PREFIX):]}"


def find(digest: str) -> Image | None:
    """Return the image of this digest, or None when the store has none."""
    home = _home(digest)
    try:
        values = json.loads(files.read_limited(f"{home}/image", _INFO_LIMIT))
    except (FileNotFoundError, ValueError):
        return None
    if not isinstance(values, dict) or set(values) != Image.STORED or not os.path.isdir(f"{home}/{_TREE}"):
        return None
    return Image(digest, f"{home}/{_TREE}", values)


def image_tree(digest: str) -> str:
    """Return the path of the extracted tree. LauncherError when the store has none."""
    image = find(digest)
    if image is None:
        raise MissingImages([digest])
    return image.tree


def manifest_path(digest: str) -> str:
    """Path of the manifest of an image that the store has."""
    return f"{_home(digest)}/manifest"


def images() -> list[Image]:
    """Return the complete images of the store, by digest."""
    try:
        names = sorted(os.listdir(places.IMAGES))
    except FileNotFoundError:
        return []
    found = [find(PREFIX + name) for name in names if is_digest(PREFIX + name)]
    return [image for image in found if image is not None]


# --- sources ---


def _open_source(path: str, option: str) -> int:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)  # a fifo without a writer must not hang us
    except OSError as error:
        raise LauncherError(f"cannot be read: {error.strerror}", option=option, value=path) from error
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise LauncherError("is no regular file", option=option, value=path, remedy="Give an initrd: a cpio archive, compressed or not")
    return fd


def _identity(path: str, info: os.stat_result) -> dict:
    return {"path": path, "device": info.st_dev, "inode": info.st_ino, "size": info.st_size,
            "mtime": info.st_mtime_ns, "ctime": info.st_ctime_ns}


def _stamp_name(path: str) -> str:
    return hashlib.sha256(os.fsencode(path)).hexdigest()[:32]


def known(src_path: str) -> str | None:
    """Return the digest of an archive that was read before and has not changed since, without reading it; else None."""
    try:
        stamp = json.loads(files.read_limited(f"{places.IMAGES}/.stamps/{_stamp_name(src_path)}", _INFO_LIMIT))
        identity = _identity(src_path, os.stat(src_path))
    except (OSError, ValueError):
        return None
    digest = stamp.get("digest") if isinstance(stamp, dict) else None
    return digest if isinstance(digest, str) and is_digest(digest) and stamp == dict(identity, digest=digest) else None


def digest_of(src_path: str, option: str = "src") -> str:
    """Read the whole file and return its digest. LauncherError when it is no regular file or changes meanwhile."""
    fd = _open_source(src_path, option)
    try:
        before = os.fstat(fd)
        sha256 = hashlib.sha256()
        while True:
            piece = os.read(fd, _PIECE)
            if not piece:
                break
            sha256.update(piece)
        if _identity(src_path, before) != _identity(src_path, os.fstat(fd)):
            raise LauncherError("changes while it is read", option=option, value=src_path)
        return PREFIX + sha256.hexdigest()
    finally:
        os.close(fd)


def plan_image(src_path: str, option: str = "src") -> Plan:
    """Return the digest of an archive on this host and whether the store has it. Writes nothing."""
    digest = known(src_path) or digest_of(src_path, option)
    return Plan(digest, find(digest) is not None)


def remember(src_path: str, digest: str) -> None:
    """Let known() answer for this archive from now on. For archives that stay where they are. Writes nothing when it does already."""
    info = os.stat(src_path)
    if known(src_path) == digest or time.time_ns() - max(info.st_mtime_ns, info.st_ctime_ns) < _SETTLED:
        return
    files.make_directories(f"{places.IMAGES}/.stamps")
    directory = files.open_directory(f"{places.IMAGES}/.stamps")
    try:
        stamp = dict(_identity(src_path, info), digest=digest)
        files.write_whole(directory, _stamp_name(src_path), json.dumps(stamp).encode(), durable=False)
        _forget_gone(directory)
    finally:
        os.close(directory)


def _forget_gone(directory: int) -> None:
    """Remove the stamps of archives that are there no more."""
    for name in os.listdir(directory):
        try:
            stamp = json.loads(files.read_limited(name, _INFO_LIMIT, directory))
        except (FileNotFoundError, ValueError):
            continue
        if isinstance(stamp, dict) and isinstance(stamp.get("path"), str) and not os.path.exists(stamp["path"]):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name, dir_fd=directory)


# --- extraction ---


def inspect(src_path: str, limits: Limits | None = None, option: str = "src") -> Image:
    """Read an archive to its end and return what extracting it would find, writing nothing. ArchiveError as ensure_image."""
    with _reading(src_path, limits or Limits(), option) as (stream, summary, sha256):
        skipped = {"devices": 0, "sockets": 0}
        for entry in cpio.entries(stream, limits or Limits(), summary):
            for kind in skipped:
                skipped[kind] += entry.kind.endswith(kind[:-1])
    return Image(PREFIX + sha256.hexdigest(), None, _values(summary, skipped))


def ensure_image(src_path: str, digest: str | None = None, limits: Limits | None = None, option: str = "src") -> Image:
    """Return the image of an archive on this host, extracting it unless the store has it.

    `digest`: what the caller knows or demands; LauncherError when the file is another. The archive is read once more while it is
    extracted, and what was read must have that digest. ArchiveError names member and offset; then the store is as it was before.
    """
    limits = limits or Limits()
    if digest is None:
        digest = known(src_path) or digest_of(src_path, option)
    image = find(digest)
    if image is None:
        with _locked(digest) as home:
            image = find(digest) or _extract(src_path, digest, home, limits, option)
            _remove_leftovers(home)
    limits.check(image.bytes, image.entries, image.depth)  # the same answer as when it was extracted
    return image


@contextlib.contextmanager
def _reading(src_path: str, limits: Limits, option: str) -> Iterator[tuple]:
    """Open an archive and name it in whatever is wrong with it."""
    fd = _open_source(src_path, option)
    try:
        sha256 = hashlib.sha256()
        stream = compression.Stream(fd, limits.max_bytes, sha256)
        try:
            yield stream, cpio.Summary(), sha256
        finally:
            stream.close()
    except ArchiveError as error:
        if error.option is None:
            error.option, error.value = option, src_path
        raise
    finally:
        os.close(fd)


def _values(summary: cpio.Summary, skipped: dict[str, int]) -> dict:
    return {"format": summary.format, "segments": summary.segments, "entries": summary.entries, "bytes": summary.size,
            "depth": summary.depth, "skipped": skipped}


def _extract(src_path: str, digest: str, home: str, limits: Limits, option: str) -> Image:
    """Fill the locked directory `home`. Nothing of it stays there when this fails."""
    directory = files.open_directory(home)
    try:
        for name in (_NEW_TREE, _TREE):  # a tree without `image` beside it is none of ours any more
            files.remove_tree(name, directory)
        try:
            os.mkdir(_NEW_TREE, 0o700, dir_fd=directory)
            values = _write_tree(src_path, digest, directory, limits, option)
            files.write_whole(directory, "image", json.dumps(values).encode(), durable=False)
            libc.syncfs(directory)  # one for the whole tree: an fsync for each file costs a journal commit each
            os.rename(_NEW_TREE, _TREE, src_dir_fd=directory, dst_dir_fd=directory)
            os.fsync(directory)
        except BaseException:
            _empty(directory)
            raise
    finally:
        os.close(directory)
    return Image(digest, f"{home}/{_TREE}", values)


def _write_tree(src_path: str, digest: str, directory: int, limits: Limits, option: str) -> dict:
    manifest_fd = os.open("manifest", os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=directory)
    with os.fdopen(manifest_fd, "w+", encoding="ascii") as manifest:
        root = files.open_directory(_NEW_TREE, directory)
        try:
            with _reading(src_path, limits, option) as (stream, summary, sha256):
                skipped = extract.extract(cpio.entries(stream, limits, summary), root, manifest)
        finally:
            os.close(root)
    if PREFIX + sha256.hexdigest() != digest:
        raise LauncherError(f"has the digest {PREFIX}{sha256.hexdigest()}, not {digest}", option=option, value=src_path,
                            remedy="Give the right checksum, or the archive that it belongs to")
    return _values(summary, skipped)


def _empty(directory: int) -> None:
    for name in (_NEW_TREE, _TREE, "manifest", "image", ".image.new"):
        files.remove_tree(name, directory)


@contextlib.contextmanager
def _locked(digest: str) -> Iterator[str]:
    """Make the home of an image and hold its lock: the directory itself, so that nothing is left over. It goes when it has no tree."""
    home = _home(digest)
    files.make_directories(places.IMAGES)
    fd = _lock_directory(home)
    try:
        yield home
    finally:
        if not os.path.isdir(f"{home}/{_TREE}"):
            with contextlib.suppress(OSError):  # not empty: something of the administrator's, or a disk that fails
                os.rmdir(home)
        os.close(fd)


def _lock_directory(path: str, wait: bool = True) -> int:
    """Make and lock a directory that somebody else may be removing. BlockingIOError when `wait` is False and it is locked."""
    while True:
        with contextlib.suppress(FileExistsError):
            os.mkdir(path, 0o700)
        fd = files.open_directory(path)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            if os.path.samestat(os.fstat(fd), os.stat(path, follow_symlinks=False)):
                return fd
        except FileNotFoundError:
            pass
        except BaseException:
            os.close(fd)
            raise
        os.close(fd)


def _remove_leftovers(but: str) -> None:
    """Remove what killed runs left of other images. Those that are being extracted are locked, and stay."""
    for name in os.listdir(places.IMAGES):
        home = f"{places.IMAGES}/{name}"
        if home == but or not is_digest(PREFIX + name) or os.path.isdir(f"{home}/{_TREE}"):
            continue
        try:
            fd = _lock_directory(home, wait=False)
        except BlockingIOError:
            continue
        try:
            if not os.path.isdir(f"{home}/{_TREE}"):
                _empty(fd)
                with contextlib.suppress(OSError):
                    os.rmdir(home)
        finally:
            os.close(fd)


def remove_image(digest: str) -> bool:
    """Remove an image from the store; False when it has none. The caller knows that no container uses it."""
    if not os.path.isdir(_home(digest)):
        return False
    with _locked(digest) as home:
        directory = files.open_directory(home)
        try:
            with contextlib.suppress(FileNotFoundError):
                os.rename(_TREE, _NEW_TREE, src_dir_fd=directory, dst_dir_fd=directory)
            _empty(directory)
        finally:
            os.close(directory)
    return True
